/* health.c - grpc.health.v1.Health, which gRPC's own probes and balancers ask. The whole server is
 * asked about by the empty name; it serves for as long as it answers. Parts have no names here.
 * https://github.com/grpc/grpc/blob/master/doc/health-checking.md */
#include "etcd/etcd_internal.h"

/* HealthCheckResponse: 1 the status */
#define SERVING         STR("\x08\x01")
#define SERVICE_UNKNOWN STR("\x08\x03")

/* HealthCheckRequest: 1 the service. True for the empty name. */
static bool asks_for_all(struct str request)
{
    return str_empty(request) || str_eq(request, STR("\x0a\0"));
}

static void on_check(void *arg, struct grpc_server_call *gc, struct str message)
{
    (void)arg;
    if (!asks_for_all(message)) {
        grpc_server_call_end(gc, GRPC_NOT_FOUND, "unknown service");
        return;
    }
    grpc_server_send(gc, SERVING);
    grpc_server_call_end(gc, GRPC_OK, "%s", "");
}

static void on_no_check(void *arg, struct grpc_server_call *gc)
{
    (void)arg;
    grpc_server_call_end(gc, GRPC_INTERNAL, "grpc: a message expected");
}

/* The stream stays open: what it says does not change. */
static void on_watch(void *arg, struct grpc_server_call *gc, struct str message)
{
    (void)arg;
    grpc_server_send(gc, asks_for_all(message) ? SERVING : SERVICE_UNKNOWN);
}

void health_check(void *service, struct grpc_server_call *gc)
{
    (void)service;
    grpc_server_call_on(
        gc, &(struct grpc_call_handlers){.on_message = on_check, .on_half_close = on_no_check});
}

void health_watch(void *service, struct grpc_server_call *gc)
{
    (void)service;
    grpc_server_call_on(gc, &(struct grpc_call_handlers){.on_message = on_watch});
}
