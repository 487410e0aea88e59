/* auth.c - accounts: there are none, as in an etcd where authentication has not been enabled. Who
 * may connect is decided by certificates. Methods that are not here are unimplemented. */
#include "etcd/etcd_internal.h"

static void status_done(struct call *c)
{
    Etcdserverpb__AuthStatusResponse *rs = pb_new(&c->arena, Etcdserverpb__AuthStatusResponse,
                                                  etcdserverpb__auth_status_response__init);

    rs->header = etcd_header(c->e, &c->arena, store_revision(c->e->config.store));
    c->rs = &rs->base; /* disabled */
}

static void disable_done(struct call *c)
{
    Etcdserverpb__AuthDisableResponse *rs = pb_new(&c->arena, Etcdserverpb__AuthDisableResponse,
                                                   etcdserverpb__auth_disable_response__init);

    rs->header = etcd_header(c->e, &c->arena, store_revision(c->e->config.store));
    c->rs = &rs->base; /* it is */
}

static int enable_check(struct call *c)
{
    return call_refuse(c, REFUSE_ROOT_USER);
}

static int authenticate_check(struct call *c)
{
    return call_refuse(c, REFUSE_AUTH_NOT_ENABLED);
}

const struct unary unary_auth_status = {.request = &etcdserverpb__auth_status_request__descriptor,
                                        .done = status_done};
const struct unary unary_auth_disable = {.request = &etcdserverpb__auth_disable_request__descriptor,
                                         .done = disable_done};
const struct unary unary_auth_enable = {.request = &etcdserverpb__auth_enable_request__descriptor,
                                        .check = enable_check};
const struct unary unary_authenticate = {.request = &etcdserverpb__authenticate_request__descriptor,
                                         .check = authenticate_check};
