/* SPDX-License-Identifier: Apache-2.0 */
/* namespace.c - empties a namespace that is being deleted, in order, then lets it go.
 *
 * Pods go first and all else waits for them, so that policies still stand while anything runs
 * (CVE-2024-7598). Conditions tell what is left. */
#include "controller/common.h"
#include "schema/typed.h"

enum { POLL_MS = 1000 };

struct leftover { /* what a namespace still holds of one resource */
    const struct resource *res;
    size_t n;
};
struct content {
    struct leftover *left;
    size_t n_left;
    struct string_map finalizers; /* name -> number of objects, as text */
    int64_t grace_sec;            /* the longest a pod may take */
    bool pods;
};

static void content_keys(const struct view *v, const struct object *o,
                         void (*add)(void *arg, struct str key), void *arg)
{
    const struct object *ns;

    if (o->ns.len == 0)
        return;
    ns = view_find(v, &res_core_namespaces, STR_NULL, o->ns);
    if (ns && object_meta(ns)->deletion_timestamp.set)
        add(arg, o->ns);
}

static void count_finalizers(const struct view *v, const struct object *o, struct content *c)
{
    const struct meta_object_meta *meta = object_meta(o);

    for (size_t i = 0; i < meta->finalizers.n; i++) {
        struct str key = meta->finalizers.v[i];
        int64_t n = 0;

        (void)str_to_i64(string_map_get(&c->finalizers, key), &n);
        string_map_set(v->arena, &c->finalizers, key,
                       str_printf(v->arena, "%lld", (long long)n + 1));
    }
}

static bool has_content(const struct resource *res)
{
    return resource_namespaced(res) && (res->verbs & VERB_BIT(VERB_WATCH)) && res->storage == res;
}

static void survey(const struct view *v, struct str ns, struct content *c)
{
    c->left = arena_calloc(v->arena, api_n_resources, sizeof(*c->left));
    for (size_t i = 0; i < api_n_resources; i++) {
        const struct resource *res = api_resources[i];
        struct informer_iter it;
        size_t n = 0;

        if (!has_content(res))
            continue;
        for (struct object *o = view_first(v, res, ns, &it); o; o = informer_next(&it)) {
            n++;
            count_finalizers(v, o, c);
            if (res == &res_core_pods) {
                const int64_t *grace = object_meta(o)->deletion_grace_period_seconds;

                c->pods = true;
                c->grace_sec = MAX(c->grace_sec, grace ? *grace : 0);
            }
        }
        if (n > 0)
            c->left[c->n_left++] = (struct leftover){res, n};
    }
}

static void plan_delete(struct str ns, const struct content *c, struct plan *plan)
{
    for (size_t i = 0; i < c->n_left; i++) {
        const struct resource *res = c->left[i].res;
        struct plan_op op = {.kind = PLAN_DELETE_COLLECTION,
                             .res = res,
                             .ns = ns,
                             .propagation = "Background",
                             .ignore_missing = true};

        if (c->pods && res != &res_core_pods)
            continue;
        if (res->verbs & VERB_BIT(VERB_DELETECOLLECTION))
            plan_add(plan, &op);
    }
}

static struct str describe_left(const struct view *v, const struct content *c)
{
    auto_buf b = {0};

    buf_puts(&b, "Some resources are remaining: ");
    for (size_t i = 0; i < c->n_left; i++) {
        struct str name = resource_qualified(c->left[i].res, v->arena);

        buf_printf(&b, "%s%.*s%s has %zu resource instances", i ? ", " : "", STR_ARG(name),
                   str_find_char(name, '.') < 0 ? "." : "", c->left[i].n);
    }
    return str_dup(v->arena, buf_view(&b));
}

static struct str describe_finalizers(const struct view *v, const struct content *c)
{
    auto_buf b = {0};

    buf_puts(&b, "Some content in the namespace has finalizers remaining: ");
    for (size_t i = 0; i < c->finalizers.n; i++)
        buf_printf(&b, "%s%.*s in %.*s resource instances", i ? ", " : "",
                   STR_ARG(c->finalizers.v[i].key), STR_ARG(c->finalizers.v[i].value));
    return str_dup(v->arena, buf_view(&b));
}

struct wanted_condition {
    const char *type;
    bool bad;
    const char *reason;
    struct str message;
};

static void set_conditions(const struct view *v, const struct wanted_condition *want, size_t n,
                           struct core_namespace_status *st)
{
    struct core_namespace_condition *out =
        arena_calloc(v->arena, n + st->conditions.n, sizeof(*out));
    size_t used = st->conditions.n;

    if (used > 0)
        memcpy(out, st->conditions.v, used * sizeof(*out));
    for (size_t i = 0; i < n; i++) {
        struct str status = want[i].bad ? STR("True") : STR("False");
        struct core_namespace_condition *at = NULL;

        for (size_t k = 0; k < used; k++) {
            if (str_eqz(out[k].type, want[i].type))
                at = &out[k];
        }
        if (!at)
            at = &out[used++];
        if (!str_eq(at->status, status) || !at->last_transition_time.set)
            at->last_transition_time = time_from_ns(v->now_ns / 1000000000 * 1000000000);
        at->type = str_from(want[i].type);
        at->status = status;
        at->reason = str_from(want[i].reason);
        at->message = want[i].message;
    }
    st->conditions.v = out;
    st->conditions.n = used;
}

static void plan_status(const struct view *v, const struct object *o, const struct content *c,
                        struct plan *plan)
{
    struct core_namespace *ns = arena_new(v->arena, struct core_namespace);
    bool left = c->n_left > 0, finalizers = c->finalizers.n > 0;
    const struct wanted_condition want[] = {
        {"NamespaceDeletionDiscoveryFailure", false, "ResourcesDiscovered",
         STR("All resources successfully discovered")},
        {"NamespaceDeletionGroupVersionParsingFailure", false, "ParsedGroupVersions",
         STR("All legacy kube types successfully parsed")},
        {"NamespaceDeletionContentFailure", v->last_error.len > 0,
         v->last_error.len > 0 ? "ContentDeletionFailed" : "ContentDeleted",
         v->last_error.len > 0
             ? str_printf(v->arena, "Failed to delete all resource types: %.*s",
                          STR_ARG(v->last_error))
             : STR("All content successfully deleted, may be waiting on finalization")},
        {"NamespaceContentRemaining", left, left ? "SomeResourcesRemain" : "ContentRemoved",
         left ? describe_left(v, c) : STR("All content successfully removed")},
        {"NamespaceFinalizersRemaining", finalizers,
         finalizers ? "SomeFinalizersRemain" : "ContentHasNoFinalizers",
         finalizers ? describe_finalizers(v, c)
                    : STR("All content-preserving finalizers finished")},
    };
    struct plan_op op = {.kind = PLAN_UPDATE_STATUS,
                         .res = &res_core_namespaces,
                         .name = o->name,
                         .obj = ns,
                         .ignore_missing = true};

    *ns = *OBJECT_AS(core_namespace, o);
    set_conditions(v, want, ARRAY_LEN(want), &ns->status);
    if (!typed_equal(&type_core_namespace_status, &ns->status,
                     &OBJECT_AS(core_namespace, o)->status))
        plan_add(plan, &op);
}

static void plan_finalize(const struct view *v, const struct object *o, struct plan *plan)
{
    struct core_namespace *ns = arena_new(v->arena, struct core_namespace);
    struct plan_op op = {.kind = PLAN_UPDATE,
                         .res = &res_core_namespaces,
                         .name = o->name,
                         .sub = "finalize",
                         .obj = ns,
                         .ignore_missing = true};
    const struct string_list *old;

    /* The caches of two resources may stand at different revisions: one that shows nothing yet of
     * what was made before the deletion must not let the namespace go. */
    for (size_t i = 0; i < api_n_resources; i++) {
        struct plan_op look = {
            .kind = PLAN_CONFIRM_EMPTY, .res = api_resources[i], .ns = o->name};

        if (has_content(api_resources[i]))
            plan_add(plan, &look);
    }
    plan_barrier(plan);
    *ns = *OBJECT_AS(core_namespace, o);
    old = &OBJECT_AS(core_namespace, o)->spec.finalizers;
    ns->spec.finalizers.v = arena_calloc(v->arena, old->n + 1, sizeof(struct str));
    ns->spec.finalizers.n = 0;
    for (size_t i = 0; i < old->n; i++) {
        if (!str_eq(old->v[i], STR("kubernetes")))
            ns->spec.finalizers.v[ns->spec.finalizers.n++] = old->v[i];
    }
    if (ns->spec.finalizers.n < old->n)
        plan_add(plan, &op);
}

static int plan_namespace(const struct view *v, struct str key, struct plan *plan, struct err *err)
{
    const struct object *o = view_find(v, &res_core_namespaces, STR_NULL, key);
    struct content c = {0};

    (void)err;
    if (!o || !object_meta(o)->deletion_timestamp.set)
        return 0;
    survey(v, key, &c);
    if (c.n_left == 0) {
        plan_finalize(v, o, plan);
        return 0;
    }
    plan_status(v, o, &c, plan);
    plan_delete(key, &c, plan);
    plan_requeue(plan,
                 c.pods ? MAX((uint64_t)c.grace_sec * 500, (uint64_t)POLL_MS) : (uint64_t)POLL_MS);
    return 0;
}

static const struct watch_rule everything = {.keys = content_keys};
static const struct watch_rule watches[] = {
    {.res = &res_core_namespaces},
    {0},
};
const struct controller namespace_controller = {
    .name = "namespace",
    .identity = "namespace-controller",
    .event_component = "namespace-controller",
    .watches = watches,
    .plan = plan_namespace,
    .everything = &everything,
};
