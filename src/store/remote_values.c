/* remote_values.c - keys and values in etcd as upstream lays them out: built-in kinds in protobuf's
 * envelope, custom ones and those of the API server's own extensions as JSON. Both are read. */
#include "api/api.h"
#include "codec/json.h"
#include "schema/typed.h"
#include "store/remote.h"

#define OWN_PREFIX "/registry"

/* ---- keys ---- */

static struct str replace(struct str s, size_t old_len, struct str with, struct arena *a)
{
    struct str rest = str_sub(s, old_len, s.len);

    return str_printf(a, "%.*s%.*s", STR_ARG(with), STR_ARG(rest));
}

struct str remote_key(const struct remote *r, struct str key, struct arena *a)
{
    if (str_eqz(r->prefix, OWN_PREFIX))
        return key;
    return replace(key, strlen(OWN_PREFIX), r->prefix, a);
}

struct str remote_store_key(const struct remote *r, struct str key, struct arena *a)
{
    if (!str_has_prefix(key, r->prefix) || key.len == r->prefix.len || key.p[r->prefix.len] != '/')
        return STR_NULL;
    if (str_eqz(r->prefix, OWN_PREFIX))
        return key;
    return replace(key, r->prefix.len, STR(OWN_PREFIX), a);
}

/* ---- values ---- */

/* Built-in kinds, and what else the API server keeps as such. */
static bool is_builtin(const struct resource *res)
{
    for (size_t i = 0; i < api_n_resources; i++)
        if (api_resources[i]->type == res->type)
            return true;
    return false;
}

static bool as_json(const struct resource *res)
{
    return strcmp(res->group, "apiextensions.k8s.io") == 0 ||
           strcmp(res->group, "apiregistration.k8s.io") == 0 || !is_builtin(res);
}

void remote_value(const struct object *o, struct buf *out)
{
    auto_arena a = {0};

    if (as_json(o->res))
        object_write_json(o, out);
    else
        pb_envelope_write(out, resource_api_version(o->res, &a), str_from(o->res->kind),
                          object_pb(o));
}

/* The resource whose structs hold what is stored as @api_version, or NULL. */
static const struct resource *version_of(const struct resource *res, struct str api_version,
                                         struct arena *a)
{
    if (str_eq(api_version, resource_api_version(res, a)))
        return res;
    for (size_t i = 0; i < api_n_resources; i++) {
        const struct resource *v = api_resources[i];

        if (v->storage == res && v->to_storage && strcmp(v->kind, res->kind) == 0 &&
            str_eq(api_version, resource_api_version(v, a)))
            return v;
    }
    return is_builtin(res) ? NULL : res; /* versions of a custom kind share one schema */
}

/* The object of @obj, a struct of @version. As upstream, absent fields get their defaults: those
 * that are younger than the value, too. */
static struct object *from_struct(const struct resource *res, const struct resource *version,
                                  void *obj, struct arena *a)
{
    void *stored = obj;

    typed_default(version->type, obj, a);
    remote_fill(version, obj, a);
    if (version != res) {
        stored = arena_alloc(a, res->type->size);
        version->to_storage(obj, stored, a);
    }
    return object_new(res, stored);
}

static int wrong_kind(const struct resource *res, struct str kind, struct str api_version,
                      struct err *err)
{
    return err_new(err, ERR_PARSE, "holds %.*s %.*s, where %s is kept", STR_ARG(api_version),
                   STR_ARG(kind), res->kind);
}

/* The entries of API servers that upstream writes have no name: their key tells it. */
static void name_by_key(const struct resource *res, struct str key, void *obj)
{
    struct meta_object_meta *m = (void *)((char *)obj + res->type->metadata_offset);

    if (str_empty(m->name))
        m->name = str_sub(key, (size_t)(str_rfind_char(key, '/') + 1), key.len);
}

static int from_pb(const struct resource *res, struct str key, struct str value,
                   struct object **ret_o, struct err *err)
{
    auto_arena a = {0};
    struct pb_envelope env;
    const struct resource *version;
    const struct remote_older *older = NULL;
    auto_buf again = {0};
    void *obj;
    int r = pb_envelope_open(value, &env, err);

    if (r < 0)
        return r;
    version = version_of(res, env.api_version, &a);
    if (!version)
        older = remote_older_find(res, env.api_version);
    if (older)
        version = res;
    if (!version || !str_eqz(env.kind, res->kind) || !is_builtin(res))
        return wrong_kind(res, env.kind, env.api_version, err);
    r = older ? remote_older_pb(older, env.raw, &a, &env.raw, err) : 0;
    if (r < 0)
        return r;
    obj = arena_alloc(&a, version->type->size);
    r = typed_from_pb(version->type, env.raw, &a, obj, err);
    if (r < 0)
        return r;
    if (older)
        remote_older_fix(older, obj, &a);
    name_by_key(version, key, obj);
    *ret_o = from_struct(res, version, obj, &a);
    if (version == res)
        typed_write_pb(res->type, obj, &again);
    (*ret_o)->outdated = !str_eq(buf_view(&again), env.raw) ||
                         !str_eq(env.api_version, resource_api_version(res, &a));
    return 0;
}

static int from_json(const struct resource *res, struct str key, struct str value,
                     struct object **ret_o, struct err *err)
{
    auto_arena a = {0};
    const struct resource *version;
    const struct remote_older *older = NULL;
    struct str kind, api_version;
    struct doc doc;
    void *obj;
    int r = json_parse(value, &a, &doc, NULL, err);

    if (r < 0)
        return r;
    kind = doc_path_str(&doc, "kind");
    api_version = doc_path_str(&doc, "apiVersion");
    version = version_of(res, api_version, &a);
    if (!version)
        older = remote_older_find(res, api_version);
    if (older && str_eqz(kind, res->kind) && remote_older_doc(older, res, &doc, &a)) {
        version = res;
        value = json_to_str(&a, &doc);
    }
    if (!version || !str_eqz(kind, res->kind))
        return wrong_kind(res, kind, api_version, err);
    if (!is_builtin(res))
        return object_from_stored(res, key, value, ret_o, err);
    r = typed_from_json(version->type, value, &a, &obj, err);
    if (r < 0)
        return r;
    *ret_o = from_struct(res, version, obj, &a);
    (*ret_o)->outdated = !as_json(res);
    return 0;
}

int remote_object(const struct remote *r, const struct resource *res, const Mvccpb__KeyValue *kv,
                  struct object **ret_o, struct err *err)
{
    static const char magic[] = "k8s";
    auto_arena a = {0};
    struct str key = remote_store_key(r, pb_view(kv->key), &a), value = pb_view(kv->value);
    struct object *o = NULL;
    int code;

    if (str_has_prefix(value, (struct str){magic, sizeof(magic)})) /* with the NUL */
        code = from_pb(res, key, value, &o, err);
    else
        code = from_json(res, key, value, &o, err);
    if (code == 0 && !str_eq(o->key, key))
        code = err_new(err, ERR_PARSE, "holds the object of %.*s", STR_ARG(o->key));
    if (code < 0) {
        (void)object_unref(o);
        return err_wrap(err, ERR_PARSE, "%.*s", STR_ARG(pb_view(kv->key)));
    }
    object_publish(o, kv->mod_revision, kv->create_revision, kv->version);
    *ret_o = o;
    return 0;
}
