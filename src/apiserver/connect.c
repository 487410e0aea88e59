/* SPDX-License-Identifier: Apache-2.0 */
/* connect.c - where a pod's kubelet is, and how to talk to it. See connect.h. */
#include "apiserver/connect.h"
#include "apiserver/address.h"

enum { KUBELET_PORT = 10250, CONNECT_TIMEOUT_MS = 10000 };

int connect_start(struct apiserver *as, struct err *err)
{
    return 0; /* every stream has a client of its own */
}

void connect_stop(struct apiserver *as)
{
    /* Streams end with their exchanges: the pipeline cancels those that wait, the server cuts those
     * that were upgraded. */
}

void connect_free(struct apiserver *as)
{
}

/* An address that a kubelet may be dialled at: a literal, and none of the server's own host unless
 * the node says so itself as its internal address. */
static struct str node_address(const struct core_node *node)
{
    static const char *const types[] = {"InternalIP", "ExternalIP"};

    for (size_t t = 0; t < ARRAY_LEN(types); t++) {
        for (size_t i = 0; i < node->status.addresses.n; i++) {
            const struct core_node_address *a = &node->status.addresses.v[i];
            struct address parsed;

            if (str_eqz(a->type, types[t]) && address_parse(a->address, &parsed))
                return a->address;
        }
    }
    return STR_NULL;
}

enum stage_result connect_find_node(struct request *rq, struct str name, struct connect_target *t)
{
    struct object *o = cache_find(store_cache(rq->as->store, &res_core_nodes),
                                  resource_key(&res_core_nodes, STR(""), name, rq->arena));
    const struct core_node *node;
    struct str address;
    int32_t port;

    if (!o)
        return request_fail_object(rq, ERR_NOT_FOUND, &res_core_nodes, name, NULL);
    node = OBJECT_AS(core_node, o);
    address = node_address(node);
    port = node->status.daemon_endpoints.kubelet_endpoint.port;
    t->host = str_empty(address) ? NULL : str_dupz(rq->arena, address);
    t->port = port > 0 && port <= UINT16_MAX ? (uint16_t)port : KUBELET_PORT;
    object_unref(o);
    if (!t->host)
        return request_failf(rq, ERR_INTERNAL, "no preferred addresses found; known addresses: []");
    return STAGE_NEXT;
}

static void add_name(struct buf *out, struct str name)
{
    if (out->len > 0)
        buf_putc(out, ' ');
    buf_str(out, name);
}

static bool pick_container(const struct core_pod *pod, struct str wanted, struct buf *all)
{
    bool found = false;

    for (size_t i = 0; i < pod->spec.containers.n; i++) {
        add_name(all, pod->spec.containers.v[i].name);
        found = found || str_eq(pod->spec.containers.v[i].name, wanted);
    }
    for (size_t i = 0; i < pod->spec.init_containers.n; i++) {
        add_name(all, pod->spec.init_containers.v[i].name);
        found = found || str_eq(pod->spec.init_containers.v[i].name, wanted);
    }
    for (size_t i = 0; i < pod->spec.ephemeral_containers.n; i++) {
        add_name(all, pod->spec.ephemeral_containers.v[i].name);
        found = found || str_eq(pod->spec.ephemeral_containers.v[i].name, wanted);
    }
    return found;
}

static enum stage_result find_container(struct request *rq, const struct core_pod *pod,
                                        struct connect_target *t)
{
    struct str wanted = request_param(rq, "container");
    auto_buf all = {0};
    bool found = pick_container(pod, wanted, &all);

    if (str_eqz(rq->sub, "portforward"))
        return STAGE_NEXT; /* a pod's ports, whichever container has them */
    if (str_empty(wanted)) {
        if (pod->spec.containers.n != 1)
            return request_failf(rq, ERR_BAD_REQUEST,
                                 "a container name must be specified for pod %.*s, choose one of: "
                                 "[%s]",
                                 STR_ARG(rq->name), buf_cstr(&all));
        wanted = pod->spec.containers.v[0].name;
    } else if (!found) {
        return request_failf(rq, ERR_BAD_REQUEST, "container %.*s is not valid for pod %.*s",
                             STR_ARG(wanted), STR_ARG(rq->name));
    }
    t->container = str_dup(rq->arena, wanted);
    return STAGE_NEXT;
}

enum stage_result connect_find(struct request *rq, struct connect_target *ret_t)
{
    struct object *o = cache_find(store_cache(rq->as->store, &res_core_pods),
                                  resource_key(&res_core_pods, rq->ns, rq->name, rq->arena));
    struct connect_target t = {.ns = rq->ns, .pod = rq->name};
    const struct core_pod *pod;
    enum stage_result r;

    if (!o)
        return request_fail_object(rq, ERR_NOT_FOUND, &res_core_pods, rq->name, NULL);
    pod = OBJECT_AS(core_pod, o);
    r = find_container(rq, pod, &t);
    if (r == STAGE_NEXT && !str_empty(pod->spec.node_name))
        r = connect_find_node(rq, pod->spec.node_name, &t);
    object_unref(o);
    if (r == STAGE_NEXT)
        *ret_t = t;
    return r;
}

struct http_client *connect_client(struct request *rq, const struct connect_target *t)
{
    struct http_client_opts opts = {.host = t->host,
                                    .port = t->port,
                                    .tls = rq->as->opts.kubelet_client_tls,
                                    .connect_timeout_ms = CONNECT_TIMEOUT_MS};

    return http_client_new(rq->loop, &opts);
}

void connect_copy_param(const struct request *rq, struct buf *out, char *sep, const char *from,
                        const char *to)
{
    for (size_t i = 0; i < rq->n_params; i++) {
        if (!str_eqz(rq->params[i].name, from))
            continue;
        buf_printf(out, "%c%s=", *sep, to);
        http_escape(out, rq->params[i].value);
        *sep = '&';
    }
}
