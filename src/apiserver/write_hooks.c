/* write_hooks.c - the kinds whose writes change more than themselves. */
#include "apiserver/write.h"

typedef struct certificates_certificate_signing_request csr;

/* Who asks is who has been authenticated, whatever the body says. */
static enum stage_result csr_create(struct request *rq)
{
    struct certificates_certificate_signing_request_spec *spec = &((csr *)rq->obj)->spec;
    const struct user_info *user = &rq->user;

    spec->username = user->name;
    spec->uid = user->uid;
    spec->groups = user->groups;
    spec->extra.n = user->n_extra;
    spec->extra.v = arena_calloc(rq->arena, user->n_extra, sizeof(*spec->extra.v));
    for (size_t i = 0; i < user->n_extra; i++) {
        size_t at = i;

        for (; at > 0 && str_cmp(spec->extra.v[at - 1].key, user->extra[i].key) > 0; at--)
            spec->extra.v[at] = spec->extra.v[at - 1];
        spec->extra.v[at].key = user->extra[i].key;
        spec->extra.v[at].value.v = user->extra[i].values.v;
        spec->extra.v[at].value.n = user->extra[i].values.n;
    }
    return STAGE_NEXT;
}

/* The time since when the stored request has the condition @c; unset if it has not. */
static struct time_value
condition_since(const csr *old, const struct certificates_certificate_signing_request_condition *c)
{
    for (size_t i = 0; i < old->status.conditions.n; i++) {
        const struct certificates_certificate_signing_request_condition *o =
            &old->status.conditions.v[i];

        if (str_eq(o->type, c->type) && str_eq(o->status, c->status))
            return o->last_transition_time;
    }
    return (struct time_value){0};
}

/* Conditions without times get them. */
static enum stage_result csr_subresource(struct request *rq)
{
    csr *c = rq->obj;
    struct time_value now = time_from_ns(loop_wall_ns(rq->loop));

    now.nsec = 0;
    for (size_t i = 0; i < c->status.conditions.n; i++) {
        struct certificates_certificate_signing_request_condition *x = &c->status.conditions.v[i];

        if (!x->last_update_time.set)
            x->last_update_time = now;
        if (!x->last_transition_time.set)
            x->last_transition_time = condition_since(rq->old_typed, x);
        if (!x->last_transition_time.set)
            x->last_transition_time = now;
    }
    return STAGE_NEXT;
}

const struct write_hook write_hooks[] = {
    {.res = &res_core_services,
     .create = service_alloc_create,
     .update = service_alloc_update,
     .remove = service_alloc_remove},
    {.res = &res_certificates_certificatesigningrequests,
     .create = csr_create,
     .subresource = csr_subresource},
    {0},
};

const struct write_hook *write_hook_find(const struct resource *res)
{
    for (const struct write_hook *h = write_hooks; h->res; h++) {
        if (h->res == res)
            return h;
    }
    return NULL;
}
