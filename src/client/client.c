/* SPDX-License-Identifier: Apache-2.0 */
#include "client/client.h"

#include "client/transport.h"
#include "schema/typed.h"

struct loop *client_loop(const struct client *c)
{
    return c->loop;
}

static const char *copy_text(struct arena *a, const char *s)
{
    return s ? arena_strdup(a, s) : NULL;
}

/* A call with everything copied, so that the caller's memory may go. */
static struct transport_call *call_new(struct client *c, enum verb verb, const struct resource *res,
                                       struct str ns, struct str name,
                                       const struct client_opts *opts, client_cb cb, void *arg)
{
    struct transport_call *call = xnew(struct transport_call);
    struct arena *a = &call->arena;

    call->client = c;
    call->verb = verb;
    call->res = res;
    call->ns = str_dup(a, ns);
    call->name = str_dup(a, name);
    call->cb = cb;
    call->arg = arg;
    if (opts) {
        call->opts = *opts;
        call->opts.sub = copy_text(a, opts->sub);
        call->opts.label_selector = copy_text(a, opts->label_selector);
        call->opts.field_selector = copy_text(a, opts->field_selector);
        call->opts.resource_version = copy_text(a, opts->resource_version);
        call->opts.propagation = copy_text(a, opts->propagation);
        call->opts.uid_precondition = str_dup(a, opts->uid_precondition);
        call->opts.rv_precondition = str_dup(a, opts->rv_precondition);
    }
    if (call->opts.timeout_ms == 0)
        call->opts.timeout_ms = 30000;
    return call;
}

static void call_start(struct transport_call *call)
{
    struct client *c = call->client;

    loop_assert(c->loop);
    assert(!c->closing);
    call->next = c->calls;
    if (c->calls)
        c->calls->prev = call;
    c->calls = call;
    c->ops->start(c, call);
}

void transport_done(struct transport_call *call, const struct client_result *r)
{
    struct client *c = call->client;
    bool last;

    loop_assert(c->loop);
    if (call->prev)
        call->prev->next = call->next;
    else
        c->calls = call->next;
    if (call->next)
        call->next->prev = call->prev;
    call->cb(call->arg, r);
    last = c->closing && !c->calls;
    arena_deinit(&call->arena);
    free(call);
    if (last)
        c->ops->destroy(c);
}

void client_get(struct client *c, const struct resource *res, struct str ns, struct str name,
                const struct client_opts *opts, client_cb cb, void *arg)
{
    call_start(call_new(c, VERB_GET, res, ns, name, opts, cb, arg));
}

void client_list(struct client *c, const struct resource *res, struct str ns,
                 const struct client_opts *opts, client_cb cb, void *arg)
{
    call_start(call_new(c, VERB_LIST, res, ns, STR_NULL, opts, cb, arg));
}

void client_create(struct client *c, const struct resource *res, struct str ns, struct str name,
                   const struct type *body_type, const void *obj, const struct client_opts *opts,
                   client_cb cb, void *arg)
{
    struct transport_call *call = call_new(c, VERB_CREATE, res, ns, name, opts, cb, arg);

    call->body_type = body_type ? body_type : res->type;
    call->body = typed_clone(call->body_type, obj, &call->arena, true);
    call_start(call);
}

void client_update(struct client *c, const struct resource *res, struct str ns, struct str name,
                   const void *obj, const struct client_opts *opts, client_cb cb, void *arg)
{
    struct transport_call *call = call_new(c, VERB_UPDATE, res, ns, name, opts, cb, arg);
    const struct subresource *sub =
        call->opts.sub ? resource_subresource(res, str_from(call->opts.sub)) : NULL;

    call->body_type = sub && sub->type ? sub->type : res->type;
    call->body = typed_clone(call->body_type, obj, &call->arena, true);
    call_start(call);
}

void client_patch(struct client *c, const struct resource *res, struct str ns, struct str name,
                  const char *patch_type, struct str patch, const struct client_opts *opts,
                  client_cb cb, void *arg)
{
    struct transport_call *call = call_new(c, VERB_PATCH, res, ns, name, opts, cb, arg);

    call->patch_type = arena_strdup(&call->arena, patch_type);
    call->patch = str_dup(&call->arena, patch);
    call_start(call);
}

void client_delete(struct client *c, const struct resource *res, struct str ns, struct str name,
                   const struct client_opts *opts, client_cb cb, void *arg)
{
    call_start(call_new(c, VERB_DELETE, res, ns, name, opts, cb, arg));
}

void client_delete_collection(struct client *c, const struct resource *res, struct str ns,
                              const struct client_opts *opts, client_cb cb, void *arg)
{
    call_start(call_new(c, VERB_DELETECOLLECTION, res, ns, STR_NULL, opts, cb, arg));
}

struct client_watch *client_watch(struct client *c, const struct resource *res,
                                  const struct watch_opts *opts)
{
    loop_assert(c->loop);
    return c->ops->watch(c, res, opts);
}

struct client_watch *client_watch_free(struct client_watch *w)
{
    if (w)
        w->client->ops->watch_free(w);
    return NULL;
}

void client_cancel_all(struct client *c)
{
    loop_assert(c->loop);
    for (struct transport_call *call = c->calls, *next; call; call = next) {
        next = call->next;
        c->ops->cancel(c, call);
    }
}

struct client *client_free(struct client *c)
{
    if (!c)
        return NULL;
    assert(!c->closing);
    c->closing = true;
    if (!c->calls)
        c->ops->destroy(c);
    else
        client_cancel_all(c);
    return NULL;
}
