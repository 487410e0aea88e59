/* SPDX-License-Identifier: Apache-2.0 */
/* admit_limits.c - LimitRanger: the LimitRanges of a namespace fill in and bound what pods and
 * claims ask for. */
#include "apiserver/admit.h"
#include "base/vec.h"

#define QUANTITIES(member)    ((struct quantity_map *)(void *)&(member))
#define QUANTITIES_OF(member) ((const struct quantity_map *)(const void *)&(member))

static const struct quantity *find(const struct quantity_map *m, struct str key)
{
    for (size_t i = 0; i < m->n; i++)
        if (str_eq(m->v[i].key, key))
            return &m->v[i].value;
    return NULL;
}

static void put(struct arena *a, struct quantity_map *m, struct str key, struct quantity value)
{
    size_t at = 0;

    while (at < m->n && str_cmp(m->v[at].key, key) < 0)
        at++;
    m->v = arena_grow(a, m->v, m->n, m->n + 1, sizeof(*m->v));
    memmove(&m->v[at + 1], &m->v[at], (m->n - at) * sizeof(*m->v));
    m->v[at].key = str_dup(a, key);
    m->v[at].value = value;
    m->n++;
}

/* Calls @each for the items of all LimitRanges of the namespace, in order of names. */
static void each_item(struct request *rq,
                      void (*each)(void *arg, const struct core_limit_range_item *item), void *arg)
{
    struct snapshot *s = cache_snapshot(store_cache(rq->as->store, &res_core_limitranges));
    struct str prefix = resource_key(&res_core_limitranges, rq->ns, STR(""), rq->arena);
    struct omap_iter it;
    const struct object *o;

    omap_seek(&s->objects, prefix, &it);
    while ((o = omap_next(&it)) && str_has_prefix(o->key, prefix)) {
        const struct core_limit_range *l = OBJECT_AS(core_limit_range, o);

        for (size_t i = 0; i < l->spec.limits.n; i++)
            each(arg, &l->spec.limits.v[i]);
    }
    snapshot_unref(s);
}

/* ---- defaults ---- */

struct filling {
    struct arena *arena;
    struct core_container *c;
    VEC(struct str) requests, limits; /* keys that were filled in */
};

static void fill_container(void *arg, const struct core_limit_range_item *item)
{
    struct filling *f = arg;
    const struct quantity_map *limits = QUANTITIES_OF(item->default_);
    const struct quantity_map *requests = QUANTITIES_OF(item->default_request);

    if (!str_eqz(item->type, "Container"))
        return;
    for (size_t i = 0; i < limits->n; i++) {
        if (find(QUANTITIES(f->c->resources.limits), limits->v[i].key))
            continue;
        put(f->arena, QUANTITIES(f->c->resources.limits), limits->v[i].key, limits->v[i].value);
        vec_push(&f->limits, str_dup(f->arena, limits->v[i].key));
    }
    for (size_t i = 0; i < requests->n; i++) {
        if (find(QUANTITIES(f->c->resources.requests), requests->v[i].key))
            continue;
        put(f->arena, QUANTITIES(f->c->resources.requests), requests->v[i].key,
            requests->v[i].value);
        vec_push(&f->requests, str_dup(f->arena, requests->v[i].key));
    }
}

static void say(struct buf *out, const struct str *v, size_t n, const char *what, bool init,
                struct str name)
{
    if (n == 0)
        return;
    if (out->len > 0)
        buf_puts(out, "; ");
    for (size_t i = 0; i < n; i++)
        buf_printf(out, "%s%.*s", i ? ", " : "", STR_ARG(v[i]));
    buf_printf(out, " %s for %scontainer %.*s", what, init ? "init " : "", STR_ARG(name));
}

static void fill_all(struct request *rq, struct core_container *v, size_t n, bool init,
                     struct buf *out)
{
    for (size_t i = 0; i < n; i++) {
        struct filling f = {.arena = rq->arena, .c = &v[i]};

        each_item(rq, fill_container, &f);
        say(out, f.requests.v, f.requests.n, "request", init, v[i].name);
        say(out, f.limits.v, f.limits.n, "limit", init, v[i].name);
        vec_deinit(&f.requests);
        vec_deinit(&f.limits);
    }
}

static bool limited_update(const struct request *rq)
{
    if (rq->res != &res_core_pods)
        return false;
    return admission_op_of(rq) == ADMIT_CREATE ? str_empty(rq->sub) : str_eqz(rq->sub, "resize");
}

enum stage_result admit_limit_defaults(struct request *rq)
{
    struct core_pod *pod = rq->obj;
    auto_buf text = {0};

    if (!admit_is(rq, &res_core_pods) || admission_op_of(rq) != ADMIT_CREATE)
        return STAGE_NEXT;
    fill_all(rq, pod->spec.containers.v, pod->spec.containers.n, false, &text);
    fill_all(rq, pod->spec.init_containers.v, pod->spec.init_containers.n, true, &text);
    if (text.len > 0)
        string_map_set(rq->arena, &pod->metadata.annotations, STR("kubernetes.io/limit-ranger"),
                       str_printf(rq->arena, "LimitRanger plugin set: %s", buf_cstr(&text)));
    return STAGE_NEXT;
}

/* ---- checks ---- */

struct checking {
    struct arena *arena;
    const struct core_pod *pod;
    const struct core_persistent_volume_claim *claim;
    VEC(struct str) errors;
};

static void complain(struct checking *c, const char *fmt, ...) PRINTF_LIKE(2, 3);
static void complain(struct checking *c, const char *fmt, ...)
{
    struct str text;
    va_list args;

    va_start(args, fmt);
    text.p = arena_vprintf(c->arena, &text.len, fmt, args);
    va_end(args);
    vec_push(&c->errors, text);
}

#define Q(q) STR_ARG(quantity_str(c->arena, (q)))

static void check_min(struct checking *c, const char *type, const struct quantity_pair *bound,
                      const struct quantity *request, const struct quantity *limit)
{
    if (!request)
        complain(c, "minimum %.*s usage per %s is %.*s.  No request is specified",
                 STR_ARG(bound->key), type, Q(bound->value));
    else if (quantity_cmp(*request, bound->value) < 0)
        complain(c, "minimum %.*s usage per %s is %.*s, but request is %.*s", STR_ARG(bound->key),
                 type, Q(bound->value), Q(*request));
    if (limit && quantity_cmp(*limit, bound->value) < 0)
        complain(c, "minimum %.*s usage per %s is %.*s, but limit is %.*s", STR_ARG(bound->key),
                 type, Q(bound->value), Q(*limit));
}

static void check_max(struct checking *c, const char *type, const struct quantity_pair *bound,
                      const struct quantity *request, const struct quantity *limit)
{
    if (!limit)
        complain(c, "maximum %.*s usage per %s is %.*s.  No limit is specified",
                 STR_ARG(bound->key), type, Q(bound->value));
    else if (quantity_cmp(*limit, bound->value) > 0)
        complain(c, "maximum %.*s usage per %s is %.*s, but limit is %.*s", STR_ARG(bound->key),
                 type, Q(bound->value), Q(*limit));
    if (request && quantity_cmp(*request, bound->value) > 0)
        complain(c, "maximum %.*s usage per %s is %.*s, but request is %.*s", STR_ARG(bound->key),
                 type, Q(bound->value), Q(*request));
}

static void check_ratio(struct checking *c, const char *type, const struct quantity_pair *bound,
                        const struct quantity *request, const struct quantity *limit)
{
    double ratio;

    if (!request || quantity_sign(*request) == 0) {
        complain(c,
                 "%.*s max limit to request ratio per %s is %.*s, but no request is specified or "
                 "request is 0",
                 STR_ARG(bound->key), type, Q(bound->value));
        return;
    }
    if (!limit || quantity_sign(*limit) == 0) {
        complain(c,
                 "%.*s max limit to request ratio per %s is %.*s, but no limit is specified or "
                 "limit is 0",
                 STR_ARG(bound->key), type, Q(bound->value));
        return;
    }
    ratio = (double)limit->nano / (double)request->nano;
    if (ratio > (double)bound->value.nano / 1e9)
        complain(c, "%.*s max limit to request ratio per %s is %.*s, but provided ratio is %f",
                 STR_ARG(bound->key), type, Q(bound->value), ratio);
}

static void check_one(struct checking *c, const char *type,
                      const struct core_limit_range_item *item, const struct quantity_map *requests,
                      const struct quantity_map *limits)
{
    const struct quantity_map *min = QUANTITIES_OF(item->min), *max = QUANTITIES_OF(item->max);
    const struct quantity_map *ratio = QUANTITIES_OF(item->max_limit_request_ratio);

    for (size_t i = 0; i < min->n; i++)
        check_min(c, type, &min->v[i], find(requests, min->v[i].key), find(limits, min->v[i].key));
    for (size_t i = 0; i < max->n; i++)
        check_max(c, type, &max->v[i], find(requests, max->v[i].key), find(limits, max->v[i].key));
    for (size_t i = 0; i < ratio->n; i++)
        check_ratio(c, type, &ratio->v[i], find(requests, ratio->v[i].key),
                    find(limits, ratio->v[i].key));
}

static void check_claim(struct checking *c, const struct core_limit_range_item *item)
{
    const struct quantity_map *min = QUANTITIES_OF(item->min), *max = QUANTITIES_OF(item->max);
    const struct quantity_map *requests = QUANTITIES_OF(c->claim->spec.resources.requests);

    for (size_t i = 0; i < min->n; i++)
        check_min(c, "PersistentVolumeClaim", &min->v[i], find(requests, min->v[i].key), NULL);
    for (size_t i = 0; i < max->n; i++) {
        const struct quantity *request = find(requests, max->v[i].key);

        if (!request)
            complain(c,
                     "maximum %.*s usage per PersistentVolumeClaim is %.*s.  No request is "
                     "specified",
                     STR_ARG(max->v[i].key), Q(max->v[i].value));
        else if (quantity_cmp(*request, max->v[i].value) > 0)
            complain(c, "maximum %.*s usage per PersistentVolumeClaim is %.*s, but request is %.*s",
                     STR_ARG(max->v[i].key), Q(max->v[i].value), Q(*request));
    }
}

static void sum_into(struct arena *a, struct quantity_map *to, const struct quantity_map *from)
{
    for (size_t i = 0; i < from->n; i++) {
        struct quantity *q = (struct quantity *)(uintptr_t)find(to, from->v[i].key);

        if (q)
            *q = quantity_add(*q, from->v[i].value);
        else
            put(a, to, from->v[i].key, from->v[i].value);
    }
}

/* A key that one container leaves out is not bounded for the pod. */
static void drop_partial(struct quantity_map *sum, const struct core_pod *pod, bool limits)
{
    size_t n = 0;

    for (size_t i = 0; i < sum->n; i++) {
        bool everywhere = true;

        for (size_t j = 0; j < pod->spec.containers.n && everywhere; j++) {
            const struct core_resource_requirements *r = &pod->spec.containers.v[j].resources;

            everywhere = find(limits ? QUANTITIES_OF(r->limits) : QUANTITIES_OF(r->requests),
                              sum->v[i].key) != NULL;
        }
        if (everywhere)
            sum->v[n++] = sum->v[i];
    }
    sum->n = n;
}

static void max_into(struct arena *a, struct quantity_map *to, const struct quantity_map *from)
{
    for (size_t i = 0; i < from->n; i++) {
        struct quantity *q = (struct quantity *)(uintptr_t)find(to, from->v[i].key);

        if (!q)
            put(a, to, from->v[i].key, from->v[i].value);
        else if (quantity_cmp(from->v[i].value, *q) > 0)
            *q = from->v[i].value;
    }
}

static void check_pod(struct checking *c, const struct core_limit_range_item *item)
{
    struct quantity_map requests = {0}, limits = {0};

    for (size_t i = 0; i < c->pod->spec.containers.n; i++) {
        const struct core_resource_requirements *r = &c->pod->spec.containers.v[i].resources;

        sum_into(c->arena, &requests, QUANTITIES_OF(r->requests));
        sum_into(c->arena, &limits, QUANTITIES_OF(r->limits));
    }
    drop_partial(&requests, c->pod, false);
    drop_partial(&limits, c->pod, true);
    for (size_t i = 0; i < c->pod->spec.init_containers.n; i++) {
        const struct core_resource_requirements *r = &c->pod->spec.init_containers.v[i].resources;

        max_into(c->arena, &requests, QUANTITIES_OF(r->requests));
        max_into(c->arena, &limits, QUANTITIES_OF(r->limits));
    }
    check_one(c, "Pod", item, &requests, &limits);
}

static void check_containers(struct checking *c, const struct core_limit_range_item *item,
                             const struct core_container *v, size_t n)
{
    for (size_t i = 0; i < n; i++)
        check_one(c, "Container", item, QUANTITIES_OF(v[i].resources.requests),
                  QUANTITIES_OF(v[i].resources.limits));
}

static void check_item(void *arg, const struct core_limit_range_item *item)
{
    struct checking *c = arg;

    if (c->claim) {
        if (str_eqz(item->type, "PersistentVolumeClaim"))
            check_claim(c, item);
        return;
    }
    if (str_eqz(item->type, "Pod"))
        check_pod(c, item);
    if (!str_eqz(item->type, "Container"))
        return;
    check_containers(c, item, c->pod->spec.containers.v, c->pod->spec.containers.n);
    check_containers(c, item, c->pod->spec.init_containers.v, c->pod->spec.init_containers.n);
}

enum stage_result admit_limits(struct request *rq)
{
    struct checking c = {.arena = rq->arena};
    auto_buf all = {0};
    size_t n;

    if (limited_update(rq))
        c.pod = rq->obj;
    else if (admit_is(rq, &res_core_persistentvolumeclaims))
        c.claim = rq->obj;
    else
        return STAGE_NEXT;
    each_item(rq, check_item, &c);
    n = c.errors.n;
    for (size_t i = 0; i < n; i++) {
        buf_puts(&all, i == 0 ? (n > 1 ? "[" : "") : ", ");
        buf_str(&all, c.errors.v[i]);
    }
    if (n > 1)
        buf_putc(&all, ']');
    vec_deinit(&c.errors);
    return n > 0 ? admit_forbid(rq, "%s", buf_cstr(&all)) : STAGE_NEXT;
}
