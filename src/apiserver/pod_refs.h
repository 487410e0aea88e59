/* pod_refs.h - what a pod or a volume refers to: secrets, configmaps, claims. Found by walking the
 * tables of the types, so that no list of containers and no kind of reference is forgotten.
 *
 * Internal to apiserver/. Threads: any.
 */
#pragma once
#include "api/api.h"

enum pod_ref_kind {
    POD_REF_SECRET = 1 << 0,
    POD_REF_CONFIG_MAP = 1 << 1,
    POD_REF_CLAIM = 1 << 2,
};
/** Calls @visit for each name that the struct @obj of @type (a PodSpec, a PersistentVolumeSpec) or
 *  anything below refers to; @ns is STR_NULL where the reference has no namespace of its own. Ends
 *  when @visit returns true, and returns that. */
bool pod_refs_visit(const struct type *type, const void *obj,
                    bool (*visit)(void *arg, enum pod_ref_kind kind, struct str ns,
                                  struct str name),
                    void *arg);
/** True if the pod @pod refers to @name by one of @kinds (enum pod_ref_kind bits); claims made for
 *  ephemeral volumes count too. */
bool pod_refers_to(const struct core_pod *pod, unsigned kinds, struct str name);
