/* validate.h - the checks that the validators of this folder share. Internal to api/.
 *
 * Each adds to @errs what is wrong with a value whose place is @p; texts are upstream's, and so is
 * the order. Limits that tables declare are checked elsewhere (schema/check.h).
 *
 * Layer: api. Threads: any; all are pure.
 */
#pragma once
#include "api/api.h"
#include "base/map.h"

/* Links of paths that live as long as the enclosing block. */
#define AT(parent, name)    (&(const struct path){(parent), str_from(name), -1, false})
#define AT_INDEX(parent, i) (&(const struct path){(parent), STR_NULL, (int64_t)(i), false})
#define AT_KEY(parent, key) (&(const struct path){(parent), (key), -1, true})
#define auto_map            scope_cleanup(map_deinit) struct map

#define MUST_BE_NONNEG "must be greater than or equal to 0"
#define IMMUTABLE      "field is immutable"

/* validate.c */
/** Invalid, unless @why is NULL. */
void check_why(struct field_errors *errs, const struct path *p, struct str value, const char *why);
/** Required if empty, else by @format. */
void check_named(struct field_errors *errs, const struct path *p, struct str value,
                 const char *(*format)(struct str));
/** By @format unless empty. */
void check_if_set(struct field_errors *errs, const struct path *p, struct str value,
                  const char *(*format)(struct str));
/** Required if empty. */
void check_given(struct field_errors *errs, const struct path *p, struct str value);
/** 0 or more. */
void check_nonneg(struct field_errors *errs, const struct path *p, int64_t v);
/** 0 or more, unless NULL. */
void check_nonneg_ptr(struct field_errors *errs, const struct path *p, const int32_t *v);
/** 1 to 65535. */
void check_port(struct field_errors *errs, const struct path *p, int64_t v);
/** The number or name of a port. */
void check_port_ref(struct field_errors *errs, const struct path *p, const struct int_or_string *v);
/** From @min to @max. */
void check_range_of(struct field_errors *errs, const struct path *p, int64_t v, int64_t min,
                    int64_t max);
/** One of @supported, NULL-terminated. */
void check_one_of(struct field_errors *errs, const struct path *p, struct str value,
                  const char *const *supported);
/** As check_one_of(); Required if empty. */
void check_one_of_given(struct field_errors *errs, const struct path *p, struct str value,
                        const char *const *supported);
/** True if @value is in the NULL-terminated list. */
bool one_of(struct str value, const char *const *list);
/** Duplicate if @key was seen before; remembers it. */
void check_unique(struct field_errors *errs, struct map *seen, const struct path *p,
                  struct str key);
/** Immutable: Invalid with @value unless @same. */
void check_same(struct field_errors *errs, const struct path *p, bool same, struct doc value);
/** A label selector; NULL is good. */
void check_selector(struct field_errors *errs, const struct path *p,
                    const struct meta_label_selector *s);
/** Keys and values of labels; all errors are at @p. */
void check_labels(struct field_errors *errs, const struct path *p, const struct string_map *m);
/** A path that stays below where it begins. */
void check_descending(struct field_errors *errs, const struct path *p, struct str path);
/** No ".." in a path. */
void check_no_backsteps(struct field_errors *errs, const struct path *p, struct str path);
/** A mode of files, 0 to 0777; NULL is good. */
void check_mode(struct field_errors *errs, const struct path *p, const int32_t *mode);
/** A count or a percentage, 0 or more. */
void check_amount(struct field_errors *errs, const struct path *p, const struct int_or_string *v);
/** The percentage, or -1 if @v is none. */
int64_t amount_percent(const struct int_or_string *v);
/** An amount as errors show it. */
struct doc amount_doc(const struct int_or_string *v);
/** "TCP", "UDP" or "SCTP". */
extern const char *const protocols[];

/* validate_resources.c */
/** Requests and limits of a container; @at is the path of "resources". */
void check_container_resources(struct field_errors *errs, const struct path *at,
                               const struct core_resource_requirements *r);
/** One amount of a resource. */
void check_quantity(struct field_errors *errs, const struct path *p, struct str name,
                    struct quantity q);
/** The name of a resource that containers may ask for. */
void check_container_resource_name(struct field_errors *errs, const struct path *p,
                                   struct str name);
/** True for amounts that may be shared out more than once: cpu, memory and the like. */
bool resource_overcommits(struct str name);
/** True for the names that a ResourceQuota may have, besides huge pages and those with a slash. */
bool resource_of_quotas(struct str name);
/** True for names outside kubernetes.io that devices have: "example.com/gpu". */
bool resource_is_extended(struct str name);

/* validate_probe.c */
/** The probes and hooks of a container at @at; @sidecar_only: an init container may have none. */
void check_probes(struct field_errors *errs, const struct path *at, const struct core_container *c,
                  const struct core_pod_spec *spec);

/* validate_container.c */
/** All containers of a pod or template. */
void check_containers(struct field_errors *errs, const struct path *spec_at,
                      const struct core_pod_spec *spec, bool is_template);
/** What an environment variable or a file may take from the pod's fields. */
void check_field_ref(struct field_errors *errs, const struct path *p,
                     const struct core_object_field_selector *f, const char *const *supported,
                     bool labels);
/** ... and from a container's resources; @in_volume: it must name the container. */
void check_resource_ref(struct field_errors *errs, const struct path *p,
                        const struct core_resource_field_selector *f, bool in_volume);

/* validate_volume.c */
/** The volumes of a pod or template; @pod_name is empty for templates. */
void check_volumes(struct field_errors *errs, const struct path *at,
                   const struct core_pod_spec *spec, struct str pod_name);

/* validate_security.c */
/** The security context of a container; NULL is good. */
void check_security(struct field_errors *errs, const struct path *at,
                    const struct core_security_context *s, const struct core_pod_spec *spec);
/** That of a pod. */
void check_pod_security(struct field_errors *errs, const struct path *at,
                        const struct core_pod_security_context *s,
                        const struct core_pod_spec *spec);

/* validate_affinity.c */
/** Affinity, tolerations and spreading of a pod at @at. */
void check_affinity(struct field_errors *errs, const struct path *at,
                    const struct core_affinity *a);
/** Tolerations. */
void check_tolerations(struct field_errors *errs, const struct path *at,
                       const struct core_toleration *v, size_t n);
/** Topology spread constraints. */
void check_spread(struct field_errors *errs, const struct path *at,
                  const struct core_pod_spec *spec);
/** A node selector, also of volumes. */
void check_node_selector(struct field_errors *errs, const struct path *at,
                         const struct core_node_selector *s);

/* validate_pod.c */
/** A pod's spec at @at; @meta is the pod's or the template's. */
void check_pod_spec(struct field_errors *errs, const struct path *at,
                    const struct meta_object_meta *meta, const struct core_pod_spec *spec,
                    bool is_template);
/** A template at @at: metadata and spec. */
void check_template(struct field_errors *errs, const struct path *at,
                    const struct core_pod_template_spec *t);
/** For strategies. */
void validate_pod(const void *obj, const void *old, struct field_errors *errs);
/** Likewise. */
void validate_pod_status(const void *obj, const void *old, struct field_errors *errs);
/** Likewise. */
void validate_podtemplate(const void *obj, const void *old, struct field_errors *errs);

/* validate_pod_update.c */
/** What an update of a pod may not change. */
void check_pod_update(struct field_errors *errs, const struct core_pod *pod,
                      const struct core_pod *old);

/* validate_storage.c */
/** The spec of a claim, also of a template of one. */
void check_claim_spec(struct field_errors *errs, const struct path *at,
                      const struct core_persistent_volume_claim_spec *s);
/** For strategies. */
void validate_claim(const void *obj, const void *old, struct field_errors *errs);
/** Likewise. */
void validate_volume(const void *obj, const void *old, struct field_errors *errs);
