/* common.h - what several controllers ask about pods, owners and conditions. Pure.
 * Layer: controller. Threads: any. */
#pragma once
#include "controller/controller.h"

/** Not finished (Succeeded, Failed) and not being deleted. */
bool pod_is_active(const struct core_pod *pod);
/** Condition Ready is True. */
bool pod_is_ready(const struct core_pod *pod);
/** Ready for at least @min_ready_sec at @now_ns; @ret_wait_ms (may be NULL): how long until it
 * would be. */
bool pod_is_available(const struct core_pod *pod, int32_t min_ready_sec, int64_t now_ns,
                      uint64_t *ret_wait_ms);
/** When Ready last changed; unset without the condition. */
struct time_value pod_ready_since(const struct core_pod *pod);
/** The most restarts of any container of @pod. */
int32_t pod_max_restarts(const struct core_pod *pod);

/** The owner reference marked controller, or NULL. */
const struct meta_owner_reference *controller_of(const struct meta_object_meta *meta);
/** True if @meta's controller is the object with @uid. */
bool controlled_by(const struct meta_object_meta *meta, struct str uid);
/** A reference that makes @owner the controller. Views into @owner; flags in @a. */
struct meta_owner_reference controller_ref(const struct object *owner, struct arena *a);
/** A merge patch text that adds @owner as controller to an object of @uid / that takes it away. In
 * @a. */
struct str adopt_patch(const struct object *owner, struct str uid, struct arena *a);
struct str release_patch(const struct object *owner, struct str uid,
                         struct arena *a); /** See adopt. */

/** A copy whose entries may be set and removed; strings are shared. In @a. */
struct string_map copy_map(const struct string_map *m, struct arena *a);
/** Splits "namespace/name"; @ret_ns is empty without a slash. */
void split_key(struct str key, struct str *ret_ns, struct str *ret_name);
/** "namespace/name" in @a. */
struct str join_key(struct str ns, struct str name, struct arena *a);
/** The @watch_rule keys() of children: the key of the controller if it is of kind @kind. */
void add_controller_key(const struct object *o, const char *kind,
                        void (*add)(void *arg, struct str key), void *arg);
/** An integer or a percentage of @total, rounded as asked; bad texts count as 0. */
int32_t scaled_value(struct int_or_string v, int32_t total, bool round_up);
/** The name prefix of children: "<owner>-". */
struct str child_prefix(struct str owner, struct arena *a);
/** The object to create for a pod of @template, owned by @owner. In @a. */
struct core_pod *pod_from_template(const struct core_pod_template_spec *template_,
                                   const struct object *owner, struct arena *a);
