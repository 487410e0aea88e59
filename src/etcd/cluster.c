/* cluster.c - the members: one. */
#include "etcd/etcd_internal.h"

static char **list_of(struct arena *a, const char *const *list, size_t n)
{
    char **copy = arena_calloc(a, n + 1, sizeof(*copy));

    for (size_t i = 0; i < n; i++)
        copy[i] = (char *)(uintptr_t)list[i];
    return copy;
}

static void member_list_done(struct call *c)
{
    const struct etcd_config *config = &c->e->config;
    struct arena *a = &c->arena;
    Etcdserverpb__MemberListResponse *rs =
        pb_new(a, Etcdserverpb__MemberListResponse, etcdserverpb__member_list_response__init);
    Etcdserverpb__Member *m = pb_new(a, Etcdserverpb__Member, etcdserverpb__member__init);

    m->id = c->e->id.member;
    m->name = (char *)(uintptr_t)config->name;
    m->n_clienturls = config->n_client_urls;
    m->clienturls = list_of(a, config->client_urls, config->n_client_urls);
    m->n_peerurls = config->n_peer_urls;
    m->peerurls = list_of(a, config->peer_urls, config->n_peer_urls);
    rs->header = etcd_header(c->e, a, 0);
    rs->n_members = 1;
    rs->members = arena_box(a, m);
    c->rs = &rs->base;
}

const struct unary unary_member_list = {
    .request = &etcdserverpb__member_list_request__descriptor,
    .done = member_list_done,
};

/* ---- changes: there is no cluster to change ---- */

static int refuse_add(struct call *c)
{
    grpc_server_call_end(c->gc, GRPC_UNIMPLEMENTED,
                         "etcdserver: this store has one member and takes no others");
    return ERR_NOT_ALLOWED;
}

static int refuse_other(struct call *c, uint64_t id, enum etcd_refusal why)
{
    if (id != c->e->id.member)
        return call_refuse(c, REFUSE_MEMBER_NOT_FOUND);
    if (why)
        return call_refuse(c, why);
    return refuse_add(c);
}

static int remove_check(struct call *c)
{
    return refuse_other(c, ((const Etcdserverpb__MemberRemoveRequest *)c->rq)->id, REFUSE_NONE);
}

static int update_check(struct call *c)
{
    return refuse_other(c, ((const Etcdserverpb__MemberUpdateRequest *)c->rq)->id, REFUSE_NONE);
}

static int promote_check(struct call *c)
{
    return refuse_other(c, ((const Etcdserverpb__MemberPromoteRequest *)c->rq)->id,
                        REFUSE_MEMBER_NOT_LEARNER);
}

const struct unary unary_member_add = {.request = &etcdserverpb__member_add_request__descriptor,
                                       .check = refuse_add};
const struct unary unary_member_remove = {
    .request = &etcdserverpb__member_remove_request__descriptor, .check = remove_check};
const struct unary unary_member_update = {
    .request = &etcdserverpb__member_update_request__descriptor, .check = update_check};
const struct unary unary_member_promote = {
    .request = &etcdserverpb__member_promote_request__descriptor, .check = promote_check};
