/* parts.c - the parts of the server that have state, in the order of their start. */
#include "apiserver/event_ttl.h"
#include "apiserver/server_leases.h"
#include "apiserver/stages.h"
#include "apiserver/watcher.h"

const struct apiserver_part apiserver_parts[] = {
    {"metrics", metrics_start, NULL, metrics_free},
    {"authentication", authn_start, NULL, authn_free},
    {"authorization", rbac_start, rbac_stop, rbac_free},
    {"watches", watch_hubs_start, NULL, watch_hubs_free},
    {"discovery", discovery_start, NULL, discovery_free},
    {"services", service_alloc_start, NULL, service_alloc_free},
    {"connect", connect_start, connect_stop, connect_free},
    {"in-process calls", inproc_server_start, inproc_server_stop, inproc_server_free},
    {"bootstrap", bootstrap_start, bootstrap_stop, bootstrap_free},
    {"Event expiry", event_ttl_start, event_ttl_stop, event_ttl_free},
    {"servers", server_leases_start, server_leases_stop, server_leases_free},
    {NULL, NULL, NULL, NULL},
};
