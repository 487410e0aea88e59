/* metadata.c - what the server itself says in an object's metadata, and what nobody may say there.
 */
#include "apiserver/write.h"
#include "schema/format.h"
#include "schema/typed.h"

enum {
    NAME_SUFFIX = 5,
    NAME_BASE_MAX = 63 - NAME_SUFFIX,
    ANNOTATIONS_MAX = 256 * 1024, /* bytes of all keys and values */
};

struct meta_object_meta *metadata_of(const struct type *type, const void *obj)
{
    assert(type->metadata_offset >= 0);
    return (struct meta_object_meta *)((char *)(uintptr_t)obj + type->metadata_offset);
}

struct str metadata_generate_name(struct request *rq, struct str base)
{
    static const char letters[] = "bcdfghjklmnpqrstvwxz2456789";
    char suffix[NAME_SUFFIX];

    for (size_t i = 0; i < NAME_SUFFIX; i++)
        suffix[i] = letters[random_below(loop_random(rq->loop), sizeof(letters) - 1)];
    return str_printf(rq->arena, "%.*s%.*s", STR_ARG(str_sub(base, 0, NAME_BASE_MAX)), NAME_SUFFIX,
                      suffix);
}

void metadata_init(struct request *rq, struct meta_object_meta *m)
{
    char *uid = arena_alloc(rq->arena, 37);

    random_uuid(loop_random(rq->loop), uid);
    m->uid = str_from(uid);
    m->creation_timestamp = time_from_ns(loop_wall_ns(rq->loop));
    m->creation_timestamp.nsec = 0;
    m->deletion_timestamp = (struct time_value){0};
    m->deletion_grace_period_seconds = NULL;
    m->self_link = STR_NULL;
    m->generation = rq->res->generation;
    m->managed_fields.v = NULL;
    m->managed_fields.n = 0;
    if (str_empty(m->name) && m->generate_name.len)
        m->name = metadata_generate_name(rq, m->generate_name);
}

enum stage_result metadata_check_namespace(struct request *rq, struct meta_object_meta *m)
{
    if (!resource_namespaced(rq->res)) {
        m->namespace = STR_NULL;
        return STAGE_NEXT;
    }
    if (str_empty(m->namespace))
        m->namespace = rq->ns;
    if (str_eq(m->namespace, rq->ns))
        return STAGE_NEXT;
    return request_failf(rq, ERR_BAD_REQUEST,
                         "the namespace of the provided object does not match the namespace sent "
                         "on the request");
}

/* ---- validation ---- */

static void invalid(struct field_errors *errs, const struct path *p, struct str value,
                    const char *why)
{
    if (why)
        err_invalid(errs, p, doc_string(value), "%s", why);
}

static const char *name_error(const struct resource *res, struct str name)
{
    const char *(*format)(struct str) = NULL;
    const char *msg = NULL;

    if (!res->strategy || !res->strategy->name_format)
        format = format_dns_subdomain;
    else
        format = format_find(res->strategy->name_format);
    if (format)
        msg = format(name);
    return msg ? msg : format_path_segment(name); /* whatever the kind: it becomes part of a key */
}

static void check_names(const struct resource *res, const struct meta_object_meta *m,
                        const struct path *root, struct field_errors *errs)
{
    struct path generate = path_field(root, "generateName"), name = path_field(root, "name");
    struct path ns = path_field(root, "namespace");

    if (m->generate_name.len) {
        struct str base = m->generate_name;

        if (base.len > 1 && base.p[base.len - 1] == '-')
            base = str_printf(errs->arena, "%.*sa", STR_ARG(str_sub(base, 0, base.len - 2)));
        invalid(errs, &generate, m->generate_name, name_error(res, base));
    }
    if (str_empty(m->name))
        err_required(errs, &name, "name or generateName is required");
    else
        invalid(errs, &name, m->name, name_error(res, m->name));
    if (!resource_namespaced(res)) {
        if (m->namespace.len)
            err_forbidden(errs, &ns, "not allowed on this type");
    } else if (str_empty(m->namespace)) {
        err_required(errs, &ns, NULL);
    } else {
        invalid(errs, &ns, m->namespace, format_dns_label(m->namespace));
    }
}

static struct str lower_key(struct arena *a, struct str key)
{
    char *z = str_dupz(a, key);

    for (size_t i = 0; i < key.len; i++) {
        if (z[i] >= 'A' && z[i] <= 'Z')
            z[i] = (char)(z[i] - 'A' + 'a');
    }
    return (struct str){z, key.len};
}

static void check_maps(const struct meta_object_meta *m, const struct path *root,
                       struct field_errors *errs)
{
    struct path labels = path_field(root, "labels");
    struct path annotations = path_field(root, "annotations");
    size_t total = 0;

    for (size_t i = 0; i < m->labels.n; i++) {
        const struct string_pair *l = &m->labels.v[i];

        invalid(errs, &labels, l->key, format_qualified_name(l->key));
        invalid(errs, &labels, l->value, format_label_value(l->value));
    }
    for (size_t i = 0; i < m->annotations.n; i++) {
        const struct string_pair *p = &m->annotations.v[i];

        invalid(errs, &annotations, p->key, format_qualified_name(lower_key(errs->arena, p->key)));
        total += p->key.len + p->value.len;
    }
    if (total > ANNOTATIONS_MAX)
        err_too_long(errs, &annotations, ANNOTATIONS_MAX);
}

static void check_owner(const struct meta_owner_reference *o, const struct path *p,
                        struct field_errors *errs)
{
    struct path version = path_field(p, "apiVersion"), kind = path_field(p, "kind");
    struct path name = path_field(p, "name"), uid = path_field(p, "uid");
    struct str group, v;

    api_split_version(o->api_version, &group, &v);
    if (str_empty(v))
        err_invalid(errs, &version, doc_string(o->api_version), "version must not be empty");
    if (str_empty(o->kind))
        err_invalid(errs, &kind, doc_string(STR("")), "must not be empty");
    if (str_empty(o->name))
        err_invalid(errs, &name, doc_string(STR("")), "must not be empty");
    if (str_empty(o->uid))
        err_invalid(errs, &uid, doc_string(STR("")), "must not be empty");
    if (str_empty(group) && str_eqz(v, "v1") && str_eqz(o->kind, "Event"))
        err_invalid(errs, p, typed_to_doc(&type_meta_owner_reference, o, errs->arena),
                    "/v1, Kind=Event is disallowed from being an owner");
}

static void check_owners(const struct meta_object_meta *m, const struct path *root,
                         struct field_errors *errs)
{
    struct path p = path_field(root, "ownerReferences");
    const struct meta_owner_reference *first = NULL;

    for (size_t i = 0; i < m->owner_references.n; i++) {
        const struct meta_owner_reference *o = &m->owner_references.v[i];
        struct doc all = doc_array();

        check_owner(o, &p, errs);
        if (!o->controller || !*o->controller)
            continue;
        if (!first) {
            first = o;
            continue;
        }
        for (size_t k = 0; k < m->owner_references.n; k++)
            doc_append(
                errs->arena, &all,
                typed_to_doc(&type_meta_owner_reference, &m->owner_references.v[k], errs->arena));
        err_invalid(errs, &p, all,
                    "Only one reference can have Controller set to true. Found \"true\" in "
                    "references for %.*s/%.*s and %.*s/%.*s",
                    STR_ARG(first->kind), STR_ARG(first->name), STR_ARG(o->kind), STR_ARG(o->name));
    }
}

static bool list_has(const struct string_list *l, struct str s)
{
    for (size_t i = 0; i < l->n; i++) {
        if (str_eq(l->v[i], s))
            return true;
    }
    return false;
}

static void check_finalizers(const struct meta_object_meta *m, const struct path *root,
                             struct field_errors *errs)
{
    struct path p = path_field(root, "finalizers");
    struct doc all = doc_array();

    for (size_t i = 0; i < m->finalizers.n; i++) {
        struct str f = m->finalizers.v[i];
        const char *msg = format_qualified_name(f);

        doc_append(errs->arena, &all, doc_string(f));
        invalid(errs, &p, f, msg);
        if (!msg && str_find_char(f, '/') < 0 && !str_eqz(f, "kubernetes") &&
            !str_eqz(f, "orphan") && !str_eqz(f, "foregroundDeletion"))
            err_invalid(errs, &p, doc_string(f),
                        "name is neither a standard finalizer name nor is it fully qualified");
    }
    if (list_has(&m->finalizers, STR("orphan")) &&
        list_has(&m->finalizers, STR("foregroundDeletion")))
        err_invalid(errs, &p, all, "finalizer orphan and foregroundDeletion cannot be both set");
}

static void check_new_finalizers(const struct meta_object_meta *m,
                                 const struct meta_object_meta *old, const struct path *root,
                                 struct field_errors *errs)
{
    struct path p = path_field(root, "finalizers");
    auto_buf found = {0};

    for (size_t i = 0; i < m->finalizers.n; i++) {
        if (list_has(&old->finalizers, m->finalizers.v[i]))
            continue;
        buf_puts(&found, found.len ? ", " : "");
        json_go_quote(&found, m->finalizers.v[i]);
    }
    if (found.len)
        err_forbidden(errs, &p,
                      "no new finalizers can be added if the object is being deleted, found new "
                      "finalizers []string{%s}",
                      buf_cstr(&found));
}

static void check_immutable(struct field_errors *errs, const struct path *root, const char *name,
                            bool same, struct doc value)
{
    struct path p = path_field(root, name);

    if (!same)
        err_invalid(errs, &p, value, "field is immutable");
}

static struct doc time_doc(struct arena *a, struct time_value t)
{
    return t.set ? doc_string(time_str(a, t)) : doc_null();
}

static bool same_grace(const int64_t *x, const int64_t *y)
{
    return x && y ? *x == *y : x == y;
}

static void check_update(const struct meta_object_meta *m, const struct meta_object_meta *old,
                         const struct path *root, struct field_errors *errs)
{
    struct path generation = path_field(root, "generation");
    const int64_t *grace = m->deletion_grace_period_seconds;
    struct arena *a = errs->arena;

    if (old->deletion_timestamp.set)
        check_new_finalizers(m, old, root, errs);
    if (m->generation < old->generation)
        err_invalid(errs, &generation, doc_int(m->generation), "must not be decremented");
    check_immutable(errs, root, "name", str_eq(m->name, old->name), doc_string(m->name));
    check_immutable(errs, root, "namespace", str_eq(m->namespace, old->namespace),
                    doc_string(m->namespace));
    check_immutable(errs, root, "uid", str_eq(m->uid, old->uid), doc_string(m->uid));
    check_immutable(errs, root, "creationTimestamp",
                    time_cmp(m->creation_timestamp, old->creation_timestamp) == 0,
                    time_doc(a, m->creation_timestamp));
    check_immutable(errs, root, "deletionTimestamp",
                    time_cmp(m->deletion_timestamp, old->deletion_timestamp) == 0,
                    time_doc(a, m->deletion_timestamp));
    check_immutable(errs, root, "deletionGracePeriodSeconds",
                    same_grace(grace, old->deletion_grace_period_seconds),
                    grace ? doc_int(*grace) : doc_null());
}

void metadata_validate(const struct resource *res, const struct meta_object_meta *m,
                       const struct meta_object_meta *old, struct field_errors *errs)
{
    struct path root = path_field(NULL, "metadata"), generation = path_field(&root, "generation");

    if (old)
        check_update(m, old, &root, errs);
    check_names(res, m, &root, errs);
    if (m->generation < 0)
        err_invalid(errs, &generation, doc_int(m->generation),
                    "must be greater than or equal to 0");
    check_maps(m, &root, errs);
    check_owners(m, &root, errs);
    check_finalizers(m, &root, errs);
}
