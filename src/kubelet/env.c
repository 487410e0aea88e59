/* SPDX-License-Identifier: Apache-2.0 */
/* env.c - a container's environment: expansion, services, references. */
#include "kubelet/pod_config.h"

#include <ctype.h>

void env_deinit(struct env *e)
{
    vec_deinit(&e->list);
    map_deinit(&e->index);
}

void env_set(struct env *e, struct str name, struct str value)
{
    size_t at = (uintptr_t)map_find(&e->index, name);

    if (at > 0) {
        e->list.v[at - 1].value = value;
        return;
    }
    vec_push(&e->list, ((struct env_var){name, value}));
    map_set(&e->index, name, (void *)(uintptr_t)e->list.n);
}

struct str env_get(const struct env *e, struct str name)
{
    size_t at = e ? (uintptr_t)map_find(&e->index, name) : 0;

    if (at == 0)
        return STR_NULL;
    return e->list.v[at - 1].value.p ? e->list.v[at - 1].value : STR("");
}

struct str env_expand(const struct env *first, const struct env *second, struct str text,
                      struct arena *a, bool *ret_missing)
{
    auto_buf b = {0};

    if (str_find_char(text, '$') < 0)
        return text;
    for (size_t i = 0; i < text.len; i++) {
        struct str name, value;
        long end;

        if (text.p[i] != '$' || i + 1 == text.len) {
            buf_putc(&b, text.p[i]);
            continue;
        }
        i++;
        if (text.p[i] != '(') { /* $$ is a dollar, anything else stays as it is */
            buf_putc(&b, '$');
            if (text.p[i] != '$')
                buf_putc(&b, text.p[i]);
            continue;
        }
        end = str_find_char(str_sub(text, i + 1, text.len), ')');
        if (end < 0) {
            buf_puts(&b, "$(");
            continue;
        }
        name = str_sub(text, i + 1, (size_t)end);
        value = env_get(first, name);
        if (!value.p)
            value = env_get(second, name);
        if (value.p)
            buf_str(&b, value);
        else
            buf_printf(&b, "$(%.*s)", STR_ARG(name));
        if (!value.p && ret_missing)
            *ret_missing = true;
        i += (size_t)end + 1;
    }
    return str_dup(a, buf_view(&b));
}

/* "my-svc" as the begin of a variable's name. */
static char *upper(struct arena *a, struct str s)
{
    char *p = str_dupz(a, s);

    for (size_t i = 0; i < s.len; i++)
        p[i] = p[i] == '-' || p[i] == '.' ? '_' : (char)toupper((unsigned char)p[i]);
    return p;
}

static bool has_cluster_ip(const struct core_service *svc)
{
    return !str_empty(svc->spec.cluster_ip) && !str_eq(svc->spec.cluster_ip, STR("None"));
}

void env_add_service(struct env *e, const struct core_service *svc, struct arena *a)
{
    const char *name = upper(a, svc->metadata.name);
    struct str ip = svc->spec.cluster_ip;
    bool v6 = str_find_char(ip, ':') >= 0;

    if (!has_cluster_ip(svc) || svc->spec.ports.n == 0)
        return;
    env_set(e, str_printf(a, "%s_SERVICE_HOST", name), ip);
    env_set(e, str_printf(a, "%s_SERVICE_PORT", name),
            str_printf(a, "%d", svc->spec.ports.v[0].port));
    for (size_t i = 0; i < svc->spec.ports.n; i++) {
        const struct core_service_port *p = &svc->spec.ports.v[i];
        struct str protocol = str_empty(p->protocol) ? STR("TCP") : p->protocol, lower, url;
        char *prefix = arena_printf(a, "%s_PORT_%d_%s", name, p->port, upper(a, protocol));
        char *small = str_dupz(a, protocol);

        for (char *s = small; *s; s++)
            *s = (char)tolower((unsigned char)*s);
        lower = str_from(small);
        url = str_printf(a, v6 ? "%s://[%.*s]:%d" : "%s://%.*s:%d", small, STR_ARG(ip), p->port);
        if (!str_empty(p->name))
            env_set(e, str_printf(a, "%s_SERVICE_PORT_%s", name, upper(a, p->name)),
                    str_printf(a, "%d", p->port));
        if (i == 0)
            env_set(e, str_printf(a, "%s_PORT", name), url);
        env_set(e, str_from(prefix), url);
        env_set(e, str_printf(a, "%s_PROTO", prefix), lower);
        env_set(e, str_printf(a, "%s_PORT", prefix), str_printf(a, "%d", p->port));
        env_set(e, str_printf(a, "%s_ADDR", prefix), ip);
    }
}

void env_add_services(struct env *e, const struct kubelet *kl, struct str ns, bool links,
                      struct arena *a)
{
    struct object *master, *o;
    struct informer_iter it;

    if (!kl->services)
        return;
    master = informer_find(kl->services, STR("default"), STR("kubernetes"));
    if (master)
        env_add_service(e, OBJECT_AS(core_service, master), a);
    if (!links)
        return;
    for (o = informer_first(kl->services, ns, &it); o; o = informer_next(&it))
        env_add_service(e, OBJECT_AS(core_service, o), a);
}

/* What a variable may be called: printable ASCII without '='. */
static bool name_ok(struct str name)
{
    if (name.len == 0)
        return false;
    for (size_t i = 0; i < name.len; i++) {
        if (name.p[i] < ' ' || name.p[i] > '~' || name.p[i] == '=')
            return false;
    }
    return true;
}

static void add_all(struct env *e, struct str prefix, const struct string_map *m, struct arena *a)
{
    for (size_t i = 0; i < m->n; i++) {
        struct str name = str_empty(prefix) ? m->v[i].key
                                            : str_printf(a, "%.*s%.*s", STR_ARG(prefix),
                                                         STR_ARG(m->v[i].key));

        if (name_ok(name))
            env_set(e, name, m->v[i].value);
    }
}

/* False with the reason in @err; an absent optional object is nothing to add. */
static int add_from(struct env *e, const struct core_env_from_source *f, const struct refs *refs,
                    struct arena *a, struct err *err)
{
    const struct named *r = NULL;
    const bool *optional = NULL;

    if (f->config_map_ref) {
        r = refs_find(refs, REF_CONFIG_MAP, f->config_map_ref->name);
        optional = f->config_map_ref->optional;
    } else if (f->secret_ref) {
        r = refs_find(refs, REF_SECRET, f->secret_ref->name);
        optional = f->secret_ref->optional;
    }
    if (!r)
        return 0;
    if (!r->object) {
        if (r->code == ERR_NOT_FOUND && optional && *optional)
            return 0;
        return err_new(err, r->code, "%.*s", STR_ARG(r->message));
    }
    add_all(e, f->prefix,
            r->kind == REF_SECRET
                ? (const struct string_map *)(const void *)&OBJECT_AS(core_secret, r->object)->data
                : &OBJECT_AS(core_config_map, r->object)->data,
            a);
    return 0;
}

struct key_ref { /* configMapKeyRef or secretKeyRef */
    enum ref_kind kind;
    struct str name, key;
    const bool *optional;
};

/* @ret_value stays STR_NULL if an optional key or object is not there. */
static int key_value(const struct refs *refs, const struct key_ref *k, struct str ns,
                     struct str *ret_value, struct err *err)
{
    const struct named *r = refs_find(refs, k->kind, k->name);
    bool optional = k->optional && *k->optional;

    if (!r->object) {
        if (r->code == ERR_NOT_FOUND && optional)
            return 0;
        return err_new(err, r->code, "%.*s", STR_ARG(r->message));
    }
    if (ref_value(r, k->key, ret_value)) {
        if (!ret_value->p)
            *ret_value = STR("");
        return 0;
    }
    if (optional)
        return 0;
    return err_new(err, ERR_NOT_FOUND, "couldn't find key %.*s in %s %.*s/%.*s", STR_ARG(k->key),
                   k->kind == REF_SECRET ? "Secret" : "ConfigMap", STR_ARG(ns), STR_ARG(k->name));
}

static int value_from(const struct downward_source *s, const struct core_container *c,
                      const struct core_env_var_source *f, const struct refs *refs,
                      struct arena *a, struct str *ret_value, struct err *err)
{
    struct key_ref k;

    if (f->field_ref)
        return downward_field(s, f->field_ref->field_path, a, ret_value, err);
    if (f->resource_field_ref)
        return downward_resource(s, f->resource_field_ref, c->name, a, ret_value, err);
    if (f->config_map_key_ref)
        k = (struct key_ref){REF_CONFIG_MAP, f->config_map_key_ref->name,
                             f->config_map_key_ref->key, f->config_map_key_ref->optional};
    else if (f->secret_key_ref)
        k = (struct key_ref){REF_SECRET, f->secret_key_ref->name, f->secret_key_ref->key,
                             f->secret_key_ref->optional};
    else
        return err_new(err, ERR_INVALID, "this source of an environment variable is not supported");
    return key_value(refs, &k, s->pod->metadata.namespace, ret_value, err);
}

int env_make(const struct downward_source *s, const struct core_container *c,
             const struct refs *refs, const struct env *services, struct arena *a,
             struct env *ret_env, struct err *err)
{
    int r;

    for (size_t i = 0; i < c->env_from.n; i++) {
        r = add_from(ret_env, &c->env_from.v[i], refs, a, err);
        if (r < 0)
            return r;
    }
    for (size_t i = 0; i < c->env.n; i++) {
        const struct core_env_var *v = &c->env.v[i];
        struct str value = STR("");

        if (!str_empty(v->value)) {
            value = env_expand(ret_env, services, v->value, a, NULL);
        } else if (v->value_from) {
            value = STR_NULL;
            r = value_from(s, c, v->value_from, refs, a, &value, err);
            if (r < 0)
                return r;
            if (!value.p) /* optional, and absent */
                continue;
        }
        env_set(ret_env, v->name, value);
    }
    for (size_t i = 0; i < services->list.n; i++) {
        if (!env_get(ret_env, services->list.v[i].name).p)
            env_set(ret_env, services->list.v[i].name, services->list.v[i].value);
    }
    return 0;
}
