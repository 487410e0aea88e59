/* service_pods.h - which pods stand behind a Service, and on which ports. Pure.
 * Layer: controller. Threads: any. */
#pragma once
#include "controller/common.h"

struct service_port { /* a Service port as one pod serves it */
    struct str name, protocol;
    int32_t port;
    const struct str *app_protocol;
};
struct service_pod {
    const struct object *object;
    const struct core_pod *pod;
    bool ready; /* Ready and not going, or the Service publishes all */
    bool serving, terminating;
    struct service_port *ports;
    size_t n_ports;
};
/** The pods of @svc with an address, in the order of their names. @ret_n of them, in v->arena. */
struct service_pod *service_pods(const struct view *v, const struct object *svc, size_t *ret_n);
/** The @watch_rule keys() of pods: every Service that selects the pod. */
void service_pod_keys(const struct view *v, const struct object *o,
                      void (*add)(void *arg, struct str key), void *arg);
/** A reference to the pod, as endpoints carry it. In @a. */
struct core_object_reference *service_pod_ref(const struct service_pod *p, struct arena *a);
/** The hostname an endpoint of @p has in @svc, or STR_NULL. */
struct str service_pod_hostname(const struct service_pod *p, const struct core_service *svc);
/** True if both serve the same ports. */
bool service_ports_equal(const struct service_pod *a, const struct service_pod *b);
