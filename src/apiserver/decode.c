/* decode.c - from the bytes of a body to a struct of the type that the URL wants. Texts of errors
 * are those of upstream's decoder, which people search for.
 */
#include "apiserver/write.h"
#include "codec/yaml.h"
#include "schema/typed.h"

enum { SUMMARY_MAX = 30 };
#define SCHEME "pkg/api/legacyscheme/scheme.go:30"

/* "v1" or "apps/v1" of a type; the shared types of meta answer to any group. */
static struct str type_api_version(const struct type *type, struct arena *a)
{
    if (type->group[0] == '\0' || strcmp(type->group, "meta.k8s.io") == 0)
        return str_from(type->version);
    return str_printf(a, "%s/%s", type->group, type->version);
}

/* The first bytes of a body that is no object of any kind, as upstream shows them. */
static struct str summary(struct request *rq)
{
    struct str head = str_sub(rq->body, 0, SUMMARY_MAX);
    auto_buf b = {0};

    if (str_empty(rq->body))
        return STR("<empty>");
    if (rq->body.p[0] == '{') {
        buf_str(&b, head);
    } else {
        for (size_t i = 0; i < head.len; i++)
            buf_printf(&b, "%02x", (unsigned char)head.p[i]);
    }
    if (rq->body.len > SUMMARY_MAX)
        buf_puts(&b, " ...");
    return str_dup(rq->arena, buf_view(&b));
}

static enum stage_result fail_unrecognized(struct request *rq, const struct type *type,
                                           const char *why)
{
    return request_failf(rq, ERR_BAD_REQUEST,
                         "the object provided is unrecognized (must be of type %s): %s (%.*s)",
                         type->name, why, STR_ARG(summary(rq)));
}

struct kind { /* what a body says it is */
    struct str kind, api_version, group, version;
};

static enum stage_result fail_kind(struct request *rq, const struct type *type,
                                   const struct kind *k, const char *why)
{
    return request_failf(rq, ERR_BAD_REQUEST,
                         "%.*s in version \"%.*s\" cannot be handled as a %s: %s", STR_ARG(k->kind),
                         STR_ARG(k->version), type->name, why);
}

/* The name of upstream's internal package of a group: "core", "apps", "rbac". */
static struct str internal_package(const char *group)
{
    struct str rest;

    return group[0] ? str_cut(str_from(group), '.', &rest) : STR("core");
}

static enum stage_result fail_other_kind(struct request *rq, const struct type *type,
                                         const struct kind *k)
{
    struct arena *a = rq->arena;
    struct str want = type_api_version(type, a);

    if (!api_find_type(k->group, k->version, k->kind))
        return fail_kind(rq, type, k,
                         arena_printf(a,
                                      "no kind \"%.*s\" is registered for version \"%.*s\" in "
                                      "scheme \"" SCHEME "\"",
                                      STR_ARG(k->kind), STR_ARG(k->api_version)));
    if (str_eqz(k->kind, type->name) && str_eqz(k->group, type->group))
        return request_failf(rq, ERR_BAD_REQUEST,
                             "the API version in the data (%.*s) does not match the expected API "
                             "version (%.*s)",
                             STR_ARG(k->api_version), STR_ARG(want));
    return fail_kind(rq, type, k,
                     arena_printf(a, "converting (%.*s.%.*s) to (%.*s.%s): unknown conversion",
                                  STR_ARG(k->version), STR_ARG(k->kind),
                                  STR_ARG(internal_package(type->group)), type->name));
}

/* Completes @k by the defaults of the URL's type and compares. */
static enum stage_result check_kind(struct request *rq, const struct type *type, struct kind *k)
{
    bool meta = strcmp(type->group, "meta.k8s.io") == 0;

    if (str_empty(k->kind))
        k->kind = str_from(type->name);
    if (str_empty(k->api_version))
        k->api_version = type_api_version(type, rq->arena);
    api_split_version(k->api_version, &k->group, &k->version);
    if (!str_eqz(k->kind, type->name))
        return fail_other_kind(rq, type, k);
    if (!meta && (!str_eqz(k->group, type->group) || !str_eqz(k->version, type->version)))
        return fail_other_kind(rq, type, k);
    return STAGE_NEXT;
}

/* kind or apiVersion of a document. False: there, but no string. */
static bool type_member(const struct doc *doc, const char *name, struct str *ret_s)
{
    const struct doc *d = doc_find(doc, str_from(name));

    *ret_s = STR("");
    if (!d || d->kind == DOC_NULL)
        return true;
    if (d->kind != DOC_STRING)
        return false;
    *ret_s = d->s;
    return true;
}

/* What the decoder of upstream's language calls the kind of @d. */
static const char *value_name(const struct doc *d)
{
    return d->kind == DOC_INT || d->kind == DOC_DOUBLE ? "number" : doc_kind_name(d);
}

static enum stage_result take_kind(struct request *rq, const struct type *type,
                                   const struct doc *doc, struct kind *k)
{
    const char *bad = NULL;

    *k = (struct kind){0};
    if (doc->kind != DOC_OBJECT)
        bad = ".";
    else if (!type_member(doc, "apiVersion", &k->api_version))
        bad = ".apiVersion";
    else if (!type_member(doc, "kind", &k->kind))
        bad = ".kind";
    if (!bad)
        return check_kind(rq, type, k);
    if (bad[1] == '\0')
        return fail_unrecognized(
            rq, type,
            arena_printf(rq->arena,
                         "couldn't get version/kind; json parse error: json: "
                         "cannot unmarshal %s into Go value of type struct "
                         "{ APIVersion string \"json:\\\"apiVersion,omitempty"
                         "\\\"\"; Kind string \"json:\\\"kind,omitempty\\\"\" }",
                         value_name(doc)));
    return fail_unrecognized(rq, type,
                             arena_printf(rq->arena,
                                          "couldn't get version/kind; json parse error: json: "
                                          "cannot unmarshal %s into Go struct field %s of type "
                                          "string",
                                          value_name(doc_find(doc, str_from(bad + 1))), bad));
}

enum stage_result decode_kind(struct request *rq, const struct type *type, const struct doc *doc)
{
    struct kind k;

    return take_kind(rq, type, doc, &k);
}

/* Unknown and duplicate fields: warnings, or together one error. */
static enum stage_result check_strict(struct request *rq, const struct type *type,
                                      const struct doc *doc, const struct json_dup *dups,
                                      const struct kind *k)
{
    struct string_list texts = {0};
    auto_buf all = {0};

    if (rq->write.field_validation == FIELDS_IGNORE)
        return STAGE_NEXT;
    check_fields(type, doc, dups, rq->arena, &texts);
    if (rq->write.field_validation == FIELDS_WARN) {
        for (size_t i = 0; i < texts.n; i++)
            request_warn(rq, texts.v[i]);
        return STAGE_NEXT;
    }
    if (texts.n == 0)
        return STAGE_NEXT;
    for (size_t i = 0; i < texts.n; i++) {
        buf_puts(&all, i ? ", " : "strict decoding error: ");
        buf_str(&all, texts.v[i]);
    }
    return fail_kind(rq, type, k, buf_cstr(&all));
}

/* kind and apiVersion are the frame's, not the object's. */
static void clear_type_meta(const struct type *type, void *obj)
{
    for (unsigned i = 0; i < type->n_fields; i++) {
        if (type->fields[i].flags & FIELD_TYPE_META)
            memset(field_ptr(&type->fields[i], obj), 0, sizeof(struct str));
    }
}

enum stage_result decode_doc(struct request *rq, const struct type *type, const struct doc *doc,
                             const struct json_dup *dups, void **ret_obj)
{
    void *obj = arena_alloc(rq->arena, type->size);
    struct kind k;
    struct err err = {0};
    struct doc empty = doc_object();
    enum stage_result r;

    if (doc->kind == DOC_NULL) /* also an empty YAML document: an object that says nothing */
        doc = &empty;
    r = take_kind(rq, type, doc, &k);
    if (r != STAGE_NEXT)
        return r;
    if (typed_from_doc(type, doc, rq->arena, obj, &err) < 0)
        return fail_kind(rq, type, &k, err.msg);
    r = check_strict(rq, type, doc, dups, &k);
    if (r != STAGE_NEXT)
        return r;
    clear_type_meta(type, obj);
    typed_drop_gated(type, obj);
    *ret_obj = obj;
    return STAGE_NEXT;
}

static enum stage_result decode_pb(struct request *rq, const struct type *type, void **ret_obj)
{
    void *obj = arena_alloc(rq->arena, type->size);
    struct pb_envelope env = {0};
    struct err err = {0};
    struct kind k;
    enum stage_result r;

    if (str_empty(rq->body))
        return fail_unrecognized(rq, type, "empty data");
    if (pb_envelope_open(rq->body, &env, &err) < 0)
        return fail_unrecognized(rq, type, err.msg);
    k = (struct kind){.kind = env.kind, .api_version = env.api_version};
    r = check_kind(rq, type, &k);
    if (r != STAGE_NEXT)
        return r;
    if (typed_from_pb(type, env.raw, rq->arena, obj, &err) < 0)
        return fail_kind(rq, type, &k, err.msg);
    clear_type_meta(type, obj);
    typed_drop_gated(type, obj);
    *ret_obj = obj;
    return STAGE_NEXT;
}

enum stage_result decode_body(struct request *rq, const struct type *type, void **ret_obj)
{
    struct json_dup *dups = NULL;
    struct err err = {0};
    int r;

    if (rq->inproc_typed) {
        *ret_obj = typed_clone(type, rq->inproc_typed, rq->arena, false);
        clear_type_meta(type, *ret_obj);
        return STAGE_NEXT;
    }
    if (rq->in_media == MEDIA_PROTOBUF)
        return decode_pb(rq, type, ret_obj);
    if (rq->in_media == MEDIA_YAML)
        r = yaml_parse(rq->body, rq->arena, &rq->body_doc, &dups, &err);
    else
        r = json_parse(rq->body, rq->arena, &rq->body_doc, &dups, &err);
    if (r == ERR_TOO_LARGE)
        return request_fail(rq, &err);
    if (r < 0)
        return fail_unrecognized(rq, type,
                                 rq->in_media == MEDIA_YAML
                                     ? err.msg
                                     : arena_printf(rq->arena,
                                                    "couldn't get version/kind; json parse "
                                                    "error: %s",
                                                    err.msg));
    return decode_doc(rq, type, &rq->body_doc, dups, ret_obj);
}
