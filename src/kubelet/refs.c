/* SPDX-License-Identifier: Apache-2.0 */
/* refs.c - the ConfigMaps and Secrets that a pod names, fetched together, each once. */
#include "kubelet/pod_config.h"

static const struct resource *resource_of(enum ref_kind kind)
{
    return kind == REF_CONFIG_MAP ? &res_core_configmaps : &res_core_secrets;
}

const struct named *refs_find(const struct refs *r, enum ref_kind kind, struct str name)
{
    for (size_t i = 0; i < r->list.n; i++) {
        if (r->list.v[i]->kind == kind && str_eq(r->list.v[i]->name, name))
            return r->list.v[i];
    }
    return NULL;
}

void refs_add(struct refs *r, enum ref_kind kind, struct str name)
{
    struct named *ref;

    if (refs_find(r, kind, name))
        return;
    ref = arena_new(r->arena, struct named);
    ref->refs = r;
    ref->kind = kind;
    ref->name = str_dup(r->arena, name);
    ref->code = ERR_CANCELED;
    ref->message = STR("the kubelet is stopping");
    vec_push(&r->list, ref);
}

void refs_add_env(struct refs *r, const struct core_container *c)
{
    for (size_t i = 0; i < c->env_from.n; i++) {
        const struct core_env_from_source *f = &c->env_from.v[i];

        if (f->config_map_ref)
            refs_add(r, REF_CONFIG_MAP, f->config_map_ref->name);
        if (f->secret_ref)
            refs_add(r, REF_SECRET, f->secret_ref->name);
    }
    for (size_t i = 0; i < c->env.n; i++) {
        const struct core_env_var_source *f = c->env.v[i].value_from;

        if (f && f->config_map_key_ref)
            refs_add(r, REF_CONFIG_MAP, f->config_map_key_ref->name);
        if (f && f->secret_key_ref)
            refs_add(r, REF_SECRET, f->secret_key_ref->name);
    }
}

static void on_object(void *arg, const struct client_result *res)
{
    struct named *ref = arg;
    struct refs *r = ref->refs;

    ref->code = res->code;
    if (res->code == 0)
        ref->object = object_ref(res->object);
    else if (res->code == ERR_NOT_FOUND)
        ref->message = str_printf(r->arena, "%s \"%.*s\" not found",
                                  ref->kind == REF_CONFIG_MAP ? "configmap" : "secret",
                                  STR_ARG(ref->name));
    else
        ref->message = str_dup(r->arena, str_from(res->err ? res->err->msg : ""));
    if (--r->left == 0)
        r->done(r->arg);
}

static void none_left(void *arg)
{
    struct refs *r = arg;

    r->done(r->arg);
}

void refs_fetch(struct refs *r, struct kubelet *kl, struct str ns, void (*done)(void *arg),
                void *arg)
{
    r->done = done;
    r->arg = arg;
    if (r->list.n == 0 || kl->stopping) {
        loop_post(kl->loop, none_left, r);
        return;
    }
    r->left = (unsigned)r->list.n;
    for (size_t i = 0; i < r->list.n; i++)
        client_get(kl->client, resource_of(r->list.v[i]->kind), ns, r->list.v[i]->name, NULL,
                   on_object, r->list.v[i]);
}

void refs_deinit(struct refs *r)
{
    for (size_t i = 0; i < r->list.n; i++)
        object_unref(r->list.v[i]->object);
    vec_deinit(&r->list);
}

static bool bytes_value(const struct string_map *m, struct str key, struct str *ret_value)
{
    for (size_t i = 0; i < m->n; i++) {
        if (str_eq(m->v[i].key, key)) {
            *ret_value = m->v[i].value;
            return true;
        }
    }
    return false;
}

bool ref_value(const struct named *r, struct str key, struct str *ret_value)
{
    const struct core_config_map *cm;

    if (!r->object)
        return false;
    if (r->kind == REF_SECRET)
        return bytes_value((const void *)&OBJECT_AS(core_secret, r->object)->data, key, ret_value);
    cm = OBJECT_AS(core_config_map, r->object);
    return bytes_value(&cm->data, key, ret_value) ||
           bytes_value((const void *)&cm->binary_data, key, ret_value);
}
