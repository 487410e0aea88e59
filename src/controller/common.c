/* SPDX-License-Identifier: Apache-2.0 */
#include "controller/common.h"

#include "codec/json.h"

bool pod_is_active(const struct core_pod *pod)
{
    return !str_eq(pod->status.phase, STR("Succeeded")) &&
           !str_eq(pod->status.phase, STR("Failed")) && !pod->metadata.deletion_timestamp.set;
}

static const struct core_pod_condition *ready_condition(const struct core_pod *pod)
{
    for (size_t i = 0; i < pod->status.conditions.n; i++) {
        if (str_eq(pod->status.conditions.v[i].type, STR("Ready")))
            return &pod->status.conditions.v[i];
    }
    return NULL;
}

bool pod_is_ready(const struct core_pod *pod)
{
    const struct core_pod_condition *c = ready_condition(pod);

    return c && str_eq(c->status, STR("True"));
}

struct time_value pod_ready_since(const struct core_pod *pod)
{
    const struct core_pod_condition *c = ready_condition(pod);

    return c ? c->last_transition_time : (struct time_value){0};
}

bool pod_is_available(const struct core_pod *pod, int32_t min_ready_sec, int64_t now_ns,
                      uint64_t *ret_wait_ms)
{
    struct time_value since = pod_ready_since(pod);
    int64_t due_ns;

    if (!pod_is_ready(pod))
        return false;
    if (min_ready_sec <= 0)
        return true;
    if (!since.set)
        return false;
    due_ns = time_ns(since) + (int64_t)min_ready_sec * 1000000000;
    if (due_ns <= now_ns)
        return true;
    if (ret_wait_ms)
        *ret_wait_ms = (uint64_t)(due_ns - now_ns) / 1000000 + 1;
    return false;
}

int32_t pod_max_restarts(const struct core_pod *pod)
{
    int32_t max = 0;

    for (size_t i = 0; i < pod->status.container_statuses.n; i++)
        max = MAX(max, pod->status.container_statuses.v[i].restart_count);
    return max;
}

const struct meta_owner_reference *controller_of(const struct meta_object_meta *meta)
{
    for (size_t i = 0; i < meta->owner_references.n; i++) {
        const struct meta_owner_reference *r = &meta->owner_references.v[i];

        if (r->controller && *r->controller)
            return r;
    }
    return NULL;
}

bool controlled_by(const struct meta_object_meta *meta, struct str uid)
{
    const struct meta_owner_reference *r = controller_of(meta);

    return r && str_eq(r->uid, uid);
}

struct meta_owner_reference controller_ref(const struct object *owner, struct arena *a)
{
    bool *yes = arena_new(a, bool);

    *yes = true;
    return (struct meta_owner_reference){.api_version = resource_api_version(owner->res, a),
                                         .kind = str_from(owner->res->kind),
                                         .name = owner->name,
                                         .uid = owner->uid,
                                         .controller = yes,
                                         .block_owner_deletion = yes};
}

struct str adopt_patch(const struct object *owner, struct str uid, struct arena *a)
{
    auto_buf b = {0};

    buf_puts(&b, "{\"metadata\":{\"ownerReferences\":[{\"apiVersion\":");
    json_write_string(&b, resource_api_version(owner->res, a));
    buf_printf(&b, ",\"kind\":\"%s\",\"name\":", owner->res->kind);
    json_write_string(&b, owner->name);
    buf_puts(&b, ",\"uid\":");
    json_write_string(&b, owner->uid);
    buf_puts(&b, ",\"controller\":true,\"blockOwnerDeletion\":true}],\"uid\":");
    json_write_string(&b, uid);
    buf_puts(&b, "}}");
    return str_dup(a, buf_view(&b));
}

struct str release_patch(const struct object *owner, struct str uid, struct arena *a)
{
    auto_buf b = {0};

    buf_puts(&b, "{\"metadata\":{\"ownerReferences\":[{\"$patch\":\"delete\",\"uid\":");
    json_write_string(&b, owner->uid);
    buf_puts(&b, "}],\"uid\":");
    json_write_string(&b, uid);
    buf_puts(&b, "}}");
    return str_dup(a, buf_view(&b));
}

struct string_map copy_map(const struct string_map *m, struct arena *a)
{
    struct string_map copy = {arena_calloc(a, m->n + 1, sizeof(*m->v)), m->n};

    if (m->n > 0)
        memcpy(copy.v, m->v, m->n * sizeof(*m->v));
    return copy;
}

void split_key(struct str key, struct str *ret_ns, struct str *ret_name)
{
    struct str name, ns = str_cut(key, '/', &name);

    *ret_ns = name.p ? ns : STR_NULL;
    *ret_name = name.p ? name : key;
}

struct str join_key(struct str ns, struct str name, struct arena *a)
{
    return str_printf(a, "%.*s/%.*s", STR_ARG(ns), STR_ARG(name));
}

void add_controller_key(const struct object *o, const char *kind,
                        void (*add)(void *arg, struct str key), void *arg)
{
    auto_arena a = {0};
    const struct meta_owner_reference *r = controller_of(object_meta_in(o, &a));

    if (r && str_eqz(r->kind, kind))
        add(arg, join_key(o->ns, r->name, &a));
}

int32_t scaled_value(struct int_or_string v, int32_t total, bool round_up)
{
    int64_t percent;

    if (v.kind == INT_OR_STRING_INT)
        return v.i;
    if (v.kind != INT_OR_STRING_STRING || !str_has_suffix(v.s, STR("%")) ||
        !str_to_i64(str_sub(v.s, 0, v.s.len - 1), &percent))
        return 0;
    return (int32_t)((percent * total + (round_up ? 99 : 0)) / 100);
}

struct str child_prefix(struct str owner, struct arena *a)
{
    return str_printf(a, "%.*s-", STR_ARG(owner));
}

struct core_pod *pod_from_template(const struct core_pod_template_spec *template_,
                                   const struct object *owner, struct arena *a)
{
    struct core_pod *pod = arena_new(a, struct core_pod);
    struct meta_owner_reference *ref = arena_new(a, struct meta_owner_reference);

    *ref = controller_ref(owner, a);
    pod->metadata.generate_name = child_prefix(owner->name, a);
    pod->metadata.namespace = owner->ns;
    pod->metadata.labels = template_->metadata.labels;
    pod->metadata.annotations = template_->metadata.annotations;
    pod->metadata.finalizers = template_->metadata.finalizers;
    pod->metadata.owner_references.v = ref;
    pod->metadata.owner_references.n = 1;
    pod->spec = template_->spec;
    return pod;
}
