/* SPDX-License-Identifier: Apache-2.0 */
/* gc.c - deletes what its owners left behind, and lets owners go when their dependents have.
 *
 * The view holds every resource, but may be older than an owner reference in it: an owner counts as
 * absent only when this process saw it go or the API itself says that it is not there. */
#include "codec/json.h"
#include "controller/common.h"
#include "controller/owners.h"

#define FINALIZER_FOREGROUND "foregroundDeletion"
#define FINALIZER_ORPHAN     "orphan"

enum owner_state {
    OWNER_SOLID,   /* there, or not ours to judge */
    OWNER_WAITING, /* being deleted in the foreground: waits for its dependents */
    OWNER_GONE,    /* was seen to go */
    OWNER_MISSING, /* not in the view: the API must be asked */
};
struct owner { /* an owner reference, looked at */
    const struct meta_owner_reference *ref;
    const struct resource *res;
    enum owner_state state;
};

/* "<index of the resource>/<namespace>/<name>" */
static struct str gc_key(const struct resource *res, struct str ns, struct str name,
                         struct arena *a)
{
    return str_printf(a, "%u/%.*s/%.*s", res->index, STR_ARG(ns), STR_ARG(name));
}

/* The stored resource that @ref is about, whatever version it names; NULL if it is not known. */
static const struct resource *owner_resource(const struct view *v,
                                             const struct meta_owner_reference *ref)
{
    struct str group, version;
    const struct resource *res;

    api_split_version(ref->api_version, &group, &version);
    res = api_find_kind(group, version, ref->kind);
    for (size_t i = 0; !res && i < api_n_resources; i++) {
        if (str_eqz(group, api_resources[i]->group) && str_eqz(ref->kind, api_resources[i]->kind))
            res = api_resources[i];
    }
    return res && view_watches(v, res->storage) ? res->storage : NULL;
}

static bool has_finalizer(const struct meta_object_meta *meta, const char *name)
{
    for (size_t i = 0; i < meta->finalizers.n; i++) {
        if (str_eqz(meta->finalizers.v[i], name))
            return true;
    }
    return false;
}

static void add_dependents(const struct view *v, const struct object *o,
                           void (*add)(void *arg, struct str key), void *arg)
{
    const struct omap *m = view_dependents(v, o->uid);
    struct omap_iter it;

    if (!m)
        return;
    omap_seek(m, STR_NULL, &it);
    for (struct object *d = omap_next(&it); d; d = omap_next(&it))
        add(arg, gc_key(d->res, d->ns, d->name, v->arena));
}

static void gc_keys(const struct view *v, const struct object *o,
                    void (*add)(void *arg, struct str key), void *arg)
{
    const struct meta_object_meta *meta = owners_meta(o, v->arena);
    const struct object *now = view_find(v, o->res, o->ns, o->name);

    if (!now || !str_eq(now->uid, o->uid) || (meta && meta->deletion_timestamp.set))
        add_dependents(v, o, add, arg);
    if (!meta)
        return;
    add(arg, gc_key(o->res, o->ns, o->name, v->arena));
    /* An owner that waits for its dependents looks again. */
    for (size_t i = 0; i < meta->owner_references.n; i++) {
        const struct meta_owner_reference *ref = &meta->owner_references.v[i];
        const struct resource *res = owner_resource(v, ref);

        if (res)
            add(arg, gc_key(res, resource_namespaced(res) ? o->ns : STR_NULL, ref->name, v->arena));
    }
}

static void warn_namespace(const struct object *o, const struct meta_owner_reference *ref,
                           struct plan *plan)
{
    plan_event(plan, o, "Warning", "OwnerRefInvalidNamespace",
               "ownerRef [%.*s/%.*s, namespace: %.*s, name: %.*s, uid: %.*s] does not exist in "
               "namespace \"%.*s\"",
               STR_ARG(ref->api_version), STR_ARG(ref->kind), STR_ARG(o->ns), STR_ARG(ref->name),
               STR_ARG(ref->uid), STR_ARG(o->ns));
}

static bool lives_elsewhere(const struct view *v, const struct resource *res, struct str uid)
{
    struct informer_iter it;

    for (struct object *o = view_first(v, res, STR_NULL, &it); o; o = informer_next(&it)) {
        if (str_eq(o->uid, uid))
            return true;
    }
    return false;
}

static struct owner look_at(const struct view *v, const struct object *o,
                            const struct meta_owner_reference *ref, struct plan *plan)
{
    struct owner w = {.ref = ref, .res = owner_resource(v, ref), .state = OWNER_SOLID};
    const struct meta_object_meta *meta;
    const struct object *owner;

    if (!w.res)
        return w;
    if (resource_namespaced(w.res) && o->ns.len == 0) {
        warn_namespace(o, ref, plan); /* such an owner cannot be looked up: it proves nothing */
        return w;
    }
    owner = view_find(v, w.res, resource_namespaced(w.res) ? o->ns : STR_NULL, ref->name);
    if (owner && str_eq(owner->uid, ref->uid)) {
        meta = owners_meta(owner, v->arena);
        if (meta && meta->deletion_timestamp.set && has_finalizer(meta, FINALIZER_FOREGROUND))
            w.state = OWNER_WAITING;
        return w;
    }
    w.state = view_saw_end(v, ref->uid) ? OWNER_GONE : OWNER_MISSING;
    if (w.state == OWNER_MISSING && resource_namespaced(w.res) &&
        lives_elsewhere(v, w.res, ref->uid))
        warn_namespace(o, ref, plan);
    return w;
}

/* Takes the references to @uids off an object. */
static struct plan_op strip_op(const struct object *o, const struct str *uids, size_t n,
                               struct arena *a)
{
    struct plan_op op = {.kind = PLAN_PATCH,
                         .res = o->res,
                         .ns = o->ns,
                         .name = o->name,
                         .patch_type = CLIENT_STRATEGIC_PATCH,
                         .ignore_missing = true};
    auto_buf b = {0};

    buf_puts(&b, "{\"metadata\":{\"ownerReferences\":[");
    for (size_t i = 0; i < n; i++) {
        buf_puts(&b, i ? ",{\"$patch\":\"delete\",\"uid\":" : "{\"$patch\":\"delete\",\"uid\":");
        json_write_string(&b, uids[i]);
        buf_putc(&b, '}');
    }
    buf_puts(&b, "],\"uid\":");
    json_write_string(&b, o->uid);
    buf_puts(&b, "}}");
    op.patch = str_dup(a, buf_view(&b));
    return op;
}

static void plan_finalizer_removal(const struct object *o, const struct meta_object_meta *meta,
                                   const char *finalizer, struct arena *a, struct plan *plan)
{
    struct plan_op op = {.kind = PLAN_PATCH,
                         .res = o->res,
                         .ns = o->ns,
                         .name = o->name,
                         .patch_type = CLIENT_MERGE_PATCH,
                         .ignore_missing = true};
    auto_buf b = {0};
    bool any = false;

    /* The revision guards finalizers that others set or clear meanwhile. */
    buf_printf(&b, "{\"metadata\":{\"resourceVersion\":\"%lld\",\"uid\":", (long long)o->revision);
    json_write_string(&b, o->uid);
    buf_puts(&b, ",\"finalizers\":[");
    for (size_t i = 0; i < meta->finalizers.n; i++) {
        if (str_eqz(meta->finalizers.v[i], finalizer))
            continue;
        if (any)
            buf_putc(&b, ',');
        json_write_string(&b, meta->finalizers.v[i]);
        any = true;
    }
    buf_puts(&b, "]}}");
    op.patch = str_dup(a, buf_view(&b));
    plan_add(plan, &op);
}

/* True if @d names @uid as an owner whose deletion it blocks. */
static bool blocks(const struct object *d, struct str uid, struct arena *a)
{
    const struct meta_object_meta *meta = owners_meta(d, a);

    for (size_t i = 0; meta && i < meta->owner_references.n; i++) {
        const struct meta_owner_reference *ref = &meta->owner_references.v[i];

        if (str_eq(ref->uid, uid) && ref->block_owner_deletion && *ref->block_owner_deletion)
            return true;
    }
    return false;
}

/* @o is being deleted: its dependents decide when it may go. */
static void plan_deleting(const struct view *v, const struct object *o,
                          const struct meta_object_meta *meta, struct plan *plan)
{
    const struct omap *dependents = view_dependents(v, o->uid);
    bool orphan = has_finalizer(meta, FINALIZER_ORPHAN);
    struct omap_iter it;

    if (!orphan && !has_finalizer(meta, FINALIZER_FOREGROUND))
        return;
    if (dependents)
        omap_seek(dependents, STR_NULL, &it);
    for (struct object *d = dependents ? omap_next(&it) : NULL; d; d = omap_next(&it)) {
        if (orphan) {
            struct plan_op op = strip_op(d, &o->uid, 1, v->arena);

            plan_add(plan, &op);
        } else if (blocks(d, o->uid, v->arena)) {
            return;
        }
    }
    plan_barrier(plan);
    plan_finalizer_removal(o, meta, orphan ? FINALIZER_ORPHAN : FINALIZER_FOREGROUND, v->arena,
                           plan);
}

/* The API must say that the missing owners are not there. */
static void plan_confirm(const struct object *o, const struct owner *owners, size_t n,
                         struct plan *plan)
{
    for (size_t i = 0; i < n; i++) {
        struct plan_op op = {.kind = PLAN_CONFIRM_ABSENT,
                             .res = owners[i].res,
                             .name = owners[i].ref->name,
                             .uid = owners[i].ref->uid};

        if (owners[i].state != OWNER_MISSING)
            continue;
        op.ns = resource_namespaced(owners[i].res) ? o->ns : STR_NULL;
        plan_add(plan, &op);
    }
    plan_barrier(plan);
}

/* No owner keeps @o any more. */
static void plan_delete(const struct view *v, const struct object *o,
                        const struct meta_object_meta *meta, bool owner_waits, struct plan *plan)
{
    struct plan_op op = {.kind = PLAN_DELETE,
                         .res = o->res,
                         .ns = o->ns,
                         .name = o->name,
                         .uid = o->uid,
                         .rv = str_printf(v->arena, "%lld", (long long)o->revision),
                         .propagation = "Background",
                         .ignore_missing = true};

    if (owner_waits && view_dependents(v, o->uid))
        op.propagation = "Foreground"; /* the owner waits for all below it */
    else if (has_finalizer(meta, FINALIZER_ORPHAN))
        op.propagation = "Orphan";
    else if (has_finalizer(meta, FINALIZER_FOREGROUND))
        op.propagation = "Foreground";
    plan_add(plan, &op);
}

static bool blocks_any(const struct meta_object_meta *meta)
{
    for (size_t i = 0; i < meta->owner_references.n; i++) {
        const struct meta_owner_reference *ref = &meta->owner_references.v[i];

        if (ref->block_owner_deletion && *ref->block_owner_deletion)
            return true;
    }
    return false;
}

/* An owner and its dependent that wait for each other in the foreground: @o stops blocking, and is
 * deleted when the view shows that. False if there is nothing to let go. */
static bool plan_unblock(const struct view *v, const struct object *o,
                         const struct meta_object_meta *meta, struct plan *plan)
{
    const struct omap *dependents = view_dependents(v, o->uid);
    struct omap_iter it;

    if (!dependents || !blocks_any(meta))
        return false;
    omap_seek(dependents, STR_NULL, &it);
    for (struct object *d = omap_next(&it); d; d = omap_next(&it)) {
        const struct meta_object_meta *below = owners_meta(d, v->arena);
        auto_buf b = {0};
        struct plan_op op = {.kind = PLAN_PATCH,
                             .res = o->res,
                             .ns = o->ns,
                             .name = o->name,
                             .patch_type = CLIENT_STRATEGIC_PATCH,
                             .ignore_missing = true};

        if (!below || !below->deletion_timestamp.set || !has_finalizer(below, FINALIZER_FOREGROUND))
            continue;
        buf_puts(&b, "{\"metadata\":{\"ownerReferences\":[");
        for (size_t i = 0; i < meta->owner_references.n; i++) {
            buf_puts(&b, i ? ",{\"uid\":" : "{\"uid\":");
            json_write_string(&b, meta->owner_references.v[i].uid);
            buf_puts(&b, ",\"blockOwnerDeletion\":false}");
        }
        buf_puts(&b, "],\"uid\":");
        json_write_string(&b, o->uid);
        buf_puts(&b, "}}");
        op.patch = str_dup(v->arena, buf_view(&b));
        plan_add(plan, &op);
        return true;
    }
    return false;
}

static void plan_owned(const struct view *v, const struct object *o,
                       const struct meta_object_meta *meta, struct plan *plan)
{
    size_t n = meta->owner_references.n, solid = 0, waiting = 0;
    struct owner *owners = arena_calloc(v->arena, n, sizeof(*owners));
    struct str *uids = arena_calloc(v->arena, n, sizeof(*uids));
    size_t n_uids = 0;
    struct plan_op op;

    for (size_t i = 0; i < n; i++) {
        owners[i] = look_at(v, o, &meta->owner_references.v[i], plan);
        solid += owners[i].state == OWNER_SOLID;
        waiting += owners[i].state == OWNER_WAITING;
        if (owners[i].state != OWNER_SOLID)
            uids[n_uids++] = owners[i].ref->uid;
    }
    if (n_uids == 0)
        return;
    plan_confirm(o, owners, n, plan);
    if (solid > 0) {
        op = strip_op(o, uids, n_uids, v->arena);
        plan_add(plan, &op);
        return;
    }
    if (waiting > 0 && plan_unblock(v, o, meta, plan))
        return;
    plan_delete(v, o, meta, waiting > 0, plan);
}

static int plan_object(const struct view *v, struct str key, struct plan *plan, struct err *err)
{
    const struct meta_object_meta *meta;
    const struct object *o;
    struct str rest, ns, name;
    uint64_t index;

    if (!str_to_u64(str_cut(key, '/', &rest), &index) || index >= api_n_resources)
        return err_new(err, ERR_INTERNAL, "bad key");
    ns = str_cut(rest, '/', &name);
    o = view_find(v, api_resources[index], ns, name);
    meta = o ? owners_meta(o, v->arena) : NULL;
    if (!meta)
        return 0;
    if (meta->deletion_timestamp.set)
        plan_deleting(v, o, meta, plan);
    else if (meta->owner_references.n > 0)
        plan_owned(v, o, meta, plan);
    return 0;
}

static const struct watch_rule everything = {.keys = gc_keys};
static const struct watch_rule watches[] = {{0}};
const struct controller gc_controller = {
    .name = "garbage-collector",
    .identity = "generic-garbage-collector",
    .event_component = "garbage-collector-controller",
    .watches = watches,
    .plan = plan_object,
    .everything = &everything,
    .index_owners = true,
};
