/* connect.h - streams that go through to the kubelet of a pod's node. Internal to apiserver/.
 * Threads: the request's loop. */
#pragma once
#include "apiserver/stages.h"
#include "net/http_client.h"

struct connect_target { /* a container on its node; strings in the request's arena */
    const char *host;   /* the node's address */
    uint16_t port;
    struct str ns, pod, container;
};
/**
 * Finds where the container is that @rq asks for ("container" of the query, or the only one).
 * STAGE_NEXT when *@ret_t is set; host is NULL when the pod has no node yet. Else it has answered.
 */
enum stage_result connect_find(struct request *rq, struct connect_target *ret_t);
/** Fills host and port of @t: the kubelet of the node @name. Else it has answered. */
enum stage_result connect_find_node(struct request *rq, struct str name, struct connect_target *t);
/** A client for the kubelet of @t, on the request's loop; the caller frees it. */
struct http_client *connect_client(struct request *rq, const struct connect_target *t);
/** Answers with the kubelet's answer to a plain GET of @target: why it opens no such stream. */
enum stage_result connect_explain(struct request *rq, const struct connect_target *t,
                                  struct str target);
/**
 * Passes the upgrade of @rq to @protocol on to the server of @client with method, target and
 * headers of @call, and joins the two connections. A refusal is the answer as it comes. @client
 * and @own_tls (NULL: none) are taken over.
 */
enum stage_result connect_tunnel(struct request *rq, struct http_client *client,
                                 struct tls_context *own_tls,
                                 const struct http_client_request *call, struct str protocol);
/** Appends "<sep><name>=<value>" for the parameters of @rq called @from, under the name @to. */
void connect_copy_param(const struct request *rq, struct buf *out, char *sep, const char *from,
                        const char *to);
