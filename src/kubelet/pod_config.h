/* SPDX-License-Identifier: Apache-2.0 */
/* pod_config.h - what makes a pod's configuration: the objects it names, its environment, its
 * downward fields, its mounts, its resources.
 *
 * Layer: kubelet. Threads: the kubelet's loop, unless said. */
#pragma once
#include "base/buf.h"
#include "kubelet/kubelet_internal.h"

/* ---- refs.c: the ConfigMaps and Secrets that a pod names, fetched together, each once ---- */
enum ref_kind { REF_CONFIG_MAP, REF_SECRET };
struct named {
    struct refs *refs;
    enum ref_kind kind;
    struct str name;
    struct object *object; /* referenced; NULL: not had */
    int code;              /* why not: ERR_NOT_FOUND ... */
    struct str message;
};
struct refs { /* {.arena = a} is empty; at one place until @done */
    struct arena *arena;
    VEC(struct named *) list;
    unsigned left;
    struct loop *loop;
    void (*done)(void *arg);
    void *arg;
};
/** Names one more object; a name that is there already is not added twice. */
void refs_add(struct refs *r, enum ref_kind kind, struct str name);
/** Names what @c's environment needs. */
void refs_add_env(struct refs *r, const struct core_container *c);
/** Fetches all of them from namespace @ns; @done runs later, once. */
void refs_fetch(struct refs *r, struct kubelet *kl, struct str ns, void (*done)(void *arg),
                void *arg);
/** The entry, or NULL if it was not named. */
const struct named *refs_find(const struct refs *r, enum ref_kind kind, struct str name);
/** Drops the objects. */
void refs_deinit(struct refs *r);
/** The bytes under @key of a ConfigMap (data, then binaryData) or Secret; false if not there. */
bool ref_value(const struct named *r, struct str key, struct str *ret_value);

/* ---- downward.c: fields of the pod itself. Pure ---- */
struct downward_source { /* what the fields are read from */
    const struct core_pod *pod;
    const char *node_ip;
    const char *const *pod_ips;
    size_t n_pod_ips;
    /* What a container without a limit is told; may be unset. */
    struct quantity node_cpu, node_memory, node_storage;
};
/** The source for @kp; views into it. */
struct downward_source downward_source_of(const struct kpod *kp);
/** The value of @path ("metadata.labels['x']"), in @a. ERR_INVALID. */
MUST_USE int downward_field(const struct downward_source *s, struct str path, struct arena *a,
                            struct str *ret_value, struct err *err);
/** The value of @sel, about container @fallback unless it names one. ERR_INVALID. */
MUST_USE int downward_resource(const struct downward_source *s,
                               const struct core_resource_field_selector *sel,
                               struct str fallback, struct arena *a, struct str *ret_value,
                               struct err *err);

/* ---- env.c: a container's environment. Pure but for env_add_services() ---- */
struct env_var {
    struct str name, value;
};
struct env { /* {0} is empty */
    VEC(struct env_var) list;
    struct map index; /* name -> place + 1 */
};
void env_deinit(struct env *e); /** Frees the list, not the texts. */
void env_set(struct env *e, struct str name, struct str value); /** Sets or replaces. */
struct str env_get(const struct env *e, struct str name); /** STR_NULL if unset. */
/** @text with every $(NAME) of @first, else of @second (may be NULL), replaced, and $$ made $.
 *  @ret_missing (may be NULL) is set if some name was unknown. */
struct str env_expand(const struct env *first, const struct env *second, struct str text,
                      struct arena *a, bool *ret_missing);
/** The variables of the service @svc, in @a. */
void env_add_service(struct env *e, const struct core_service *svc, struct arena *a);
/** Those of all services a pod of @ns sees: its own namespace's with @links, and kubernetes. */
void env_add_services(struct env *e, const struct kubelet *kl, struct str ns, bool links,
                      struct arena *a);
/**
 * The whole environment of @c, in order of upstream: envFrom, env, then @services not yet set.
 * @refs holds what refs_add_env() named. ERR_NOT_FOUND and ERR_INVALID: the text is for people
 * (reason CreateContainerConfigError).
 */
MUST_USE int env_make(const struct downward_source *s, const struct core_container *c,
                      const struct refs *refs, const struct env *services, struct arena *a,
                      struct env *ret_env, struct err *err);

/* ---- qos.c: what a pod asks for, as the kernel wants it. Pure ---- */
enum { CPU_PERIOD_US = 100000, CPU_SHARES_MIN = 2, CPU_SHARES_MAX = 262144 };
int64_t cpu_shares(int64_t milli);     /** cpu.shares for @milli CPUs. */
int64_t cpu_quota_us(int64_t milli);   /** Time per CPU_PERIOD_US; 0: no limit. */
int64_t cpu_weight(int64_t shares);    /** cpu.weight of cgroup v2 for shares. */
/** oom_score_adj of container @c of @pod on a node with @memory_bytes. */
int64_t oom_score_adj(const struct core_pod *pod, const struct core_container *c,
                      int64_t memory_bytes);
struct pod_resources { /* 0: unlimited, or nothing asked for */
    int64_t cpu_request_milli, cpu_limit_milli, memory_limit_bytes;
};
/** What the pod's cgroup gets. */
struct pod_resources pod_resources_of(const struct core_pod *pod);
/** "/skiff/kubepods/burstable/pod<uid>", in @a. */
char *cgroup_pod_path(const struct core_pod *pod, const char *uid, struct arena *a);
/** The amount of @resource in @list (a map of quantities of some API struct). */
#define resource_amount(list, name) \
    quantity_map_get((const struct quantity_map *)(const void *)(list), (name))

/* ---- security.c: security contexts, as the runtime wants them ---- */
/** The namespaces of the pod, or of @kc in it unless that is NULL. In @a. */
Runtime__V1__NamespaceOption *namespace_options(const struct kpod *kp, const struct kcontainer *kc,
                                                struct arena *a);
/** Supplemental groups: the pod's, and its fsGroup. In @a. */
int64_t *supplemental_groups(const struct core_pod *pod, struct arena *a, size_t *ret_n);
/** A number that may be absent; NULL stays NULL. In @a. */
Runtime__V1__Int64Value *int64_value(struct arena *a, const int64_t *v);
/** The security context of @kc (with spec @c), in @a. ERR_INVALID: the text is for people. */
MUST_USE int container_security(const struct kcontainer *kc, const struct core_container *c,
                                struct arena *a,
                                Runtime__V1__LinuxContainerSecurityContext **ret_sc,
                                struct err *err);

/* ---- mounts.c: what is mounted into a container ---- */
struct mount_plan;
/** Plans the mounts of @kc; addresses and volumes are there. @env expands subPathExpr. In @a.
 *  ERR_INVALID: the text is for people. */
MUST_USE int mounts_plan(const struct kcontainer *kc, const struct core_container *c,
                         const struct env *env, struct arena *a, struct mount_plan **ret_plan,
                         struct err *err);
/** Makes the files and subPath mounts of the plan. Worker thread: it blocks. ERR_IO. */
MUST_USE int mounts_prepare(struct mount_plan *plan, struct err *err);
/** Puts the mounts into @config. */
void mounts_apply(const struct mount_plan *plan, Runtime__V1__ContainerConfig *config);
/** Text of the pod's /etc/hosts, in @a. @host_file: the node's own, for host network. */
struct str hosts_text(const struct core_pod *pod, const char *const *ips, size_t n_ips,
                      const char *hostname, const char *domain, const char *host_file,
                      struct arena *a);

/* ---- sandbox_config.c ---- */
/** The pod's host name, and with a subdomain its domain (else NULL). In @a. ERR_INVALID. */
MUST_USE int pod_hostname(const struct kpod *kp, struct arena *a, char **ret_host,
                          char **ret_domain, struct err *err);
/* A resolv.conf; lists of strings in an arena. */
struct resolv_conf {
    VEC(char *) servers, searches, options;
};
void resolv_conf_deinit(struct resolv_conf *rc); /** Frees the lists. */
/** Adds what @text, a resolv.conf, says. Strings in @a. */
void resolv_conf_parse(struct resolv_conf *rc, struct str text, struct arena *a);
/** The node's resolv.conf: @path, or, with NULL, /etc/resolv.conf; if that names a stub resolver on
 *  loopback, which pods cannot reach, the file with the real servers. A missing /etc/resolv.conf is
 *  an empty one. Blocks. ERR_NOT_FOUND, ERR_TOO_LARGE, ERR_IO. */
MUST_USE int host_resolv_conf(const char *path, struct arena *a, struct str *ret_text,
                              struct err *err);
/** The DNS configuration of @pod from the node's @host file's text. Strings in @a. */
void pod_dns(const struct core_pod *pod, const char *cluster_dns, const char *cluster_domain,
             struct str host, struct arena *a, struct resolv_conf *ret_rc);

/* ---- volumes.c ---- */
struct volume_path {
    char *path;     /* on the host */
    bool read_only; /* whatever the mount says */
};
/** Where volume @name of the pod is on the host. In @a. ERR_NOT_FOUND, ERR_INVALID. */
MUST_USE int volume_find(const struct kpod *kp, struct str name, struct arena *a,
                         struct volume_path *ret_path, struct err *err);

/* ---- node_status.c ---- */
/** Bytes of memory of the node. */
int64_t node_memory_bytes(const struct kubelet *kl);
