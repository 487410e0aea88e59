/* openapi_params.c - the parameters of requests. Layer: schema. */
#include "schema/openapi_params.h"

static const struct {
    const char *name, *ref, *type, *doc;
} params[PARAM__N] = {
#define X(id, name, ref, type, doc) [PARAM_##id] = {name, ref, type, doc},
    PARAMS(X)
#undef X
};

/* One parameter in full: with its type beside it, or in version 3 with its schema. */
static struct doc param_doc(struct arena *a, enum openapi_version version, const char *name,
                            const char *in, const char *type, const char *text)
{
    struct doc d = doc_object(), schema = doc_object(), *typed = &d;

    if (text && text[0])
        (void)doc_add(a, &d, STR("description"), doc_string(str_from(text)));
    (void)doc_add(a, &d, STR("in"), doc_string(str_from(in)));
    (void)doc_add(a, &d, STR("name"), doc_string(str_from(name)));
    if (strcmp(in, "path") == 0)
        (void)doc_add(a, &d, STR("required"), doc_bool(true));
    if (version == OPENAPI_V3)
        typed = &schema;
    (void)doc_add(a, typed, STR("type"), doc_string(str_from(type)));
    (void)doc_add(a, typed, STR("uniqueItems"), doc_bool(true));
    if (version == OPENAPI_V3)
        (void)doc_add(a, &d, STR("schema"), schema);
    return d;
}

static const char *param_in(enum param p)
{
    return p == PARAM_NAME || p == PARAM_NAMESPACE || p == PARAM_PATH ? "path" : "query";
}

static struct str param_ref(struct arena *a, enum param p)
{
    return str_printf(a, "%s-%s", params[p].name, params[p].ref);
}

struct doc openapi_parameters(struct arena *a)
{
    struct doc all = doc_object();

    for (unsigned p = 0; p < PARAM__N; p++)
        if (params[p].ref)
            (void)doc_add(a, &all, param_ref(a, p),
                          param_doc(a, OPENAPI_V2, params[p].name, param_in(p), params[p].type,
                                    params[p].doc));
    return all;
}

void openapi_add_params(enum openapi_version version, uint32_t set, struct arena *a,
                        struct doc *list)
{
    for (unsigned p = 0; p < PARAM__N; p++) {
        struct doc d = doc_object();

        if (!(set & (1u << p)))
            continue;
        if (params[p].ref && version == OPENAPI_V2)
            (void)doc_add(
                a, &d, STR("$ref"),
                doc_string(str_printf(a, "#/parameters/%s-%s", params[p].name, params[p].ref)));
        else
            d = param_doc(a, version, params[p].name, param_in(p), params[p].type, params[p].doc);
        (void)doc_append(a, list, d);
    }
}

static const char *query_type(const struct field *f)
{
    switch ((enum field_kind)f->kind) {
    case FIELD_BOOL:
        return "boolean";
    case FIELD_INT32:
    case FIELD_INT64:
        return "integer";
    default:
        return "string";
    }
}

void openapi_add_query(enum openapi_version version, const struct type *t, struct arena *a,
                       struct doc *list)
{
    for (unsigned i = 0; t && i < t->n_fields; i++) {
        const struct field *f = &t->fields[t->by_name[i]];

        if (!(f->flags & FIELD_TYPE_META) && !str_eqz(f->name, "sinceTime"))
            (void)doc_append(a, list,
                             param_doc(a, version, f->name.p, "query", query_type(f), f->doc));
    }
}
