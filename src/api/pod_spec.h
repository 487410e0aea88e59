/* pod_spec.h - what several layers ask of a pod's spec. Layer: api. Threads: any. */
#pragma once
#include "api/types.h"

/** "Guaranteed", "Burstable" or "BestEffort", from requests and limits of cpu and memory. */
struct str pod_qos_class(const struct core_pod_spec *spec);
/** The condition of that type, or NULL. */
const struct core_pod_condition *pod_condition(const struct core_pod *pod, const char *type);
/** True if that condition is True. */
bool pod_condition_true(const struct core_pod *pod, const char *type);
/** True for an init container that runs beside the others (restartPolicy Always). */
bool pod_container_is_sidecar(const struct core_container *c);
