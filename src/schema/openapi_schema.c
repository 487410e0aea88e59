/* openapi_schema.c - definitions: a type's table as a JSON schema. Layer: schema. */
#include "codec/json.h"
#include "schema/openapi_internal.h"

/* Groups of this API, and how their definitions' names begin, before the version. */
static const struct {
    const char *group, *prefix;
} groups[] = {
    {"", "io.k8s.api.core"},
    {"meta.k8s.io", "io.k8s.apimachinery.pkg.apis.meta"},
    {"admission.k8s.io", "io.k8s.api.admission"},
    {"admissionregistration.k8s.io", "io.k8s.api.admissionregistration"},
    {"apiextensions.k8s.io", "io.k8s.apiextensions-apiserver.pkg.apis.apiextensions"},
    {"apiregistration.k8s.io", "io.k8s.kube-aggregator.pkg.apis.apiregistration"},
    {"apps", "io.k8s.api.apps"},
    {"authentication.k8s.io", "io.k8s.api.authentication"},
    {"authorization.k8s.io", "io.k8s.api.authorization"},
    {"autoscaling", "io.k8s.api.autoscaling"},
    {"batch", "io.k8s.api.batch"},
    {"certificates.k8s.io", "io.k8s.api.certificates"},
    {"coordination.k8s.io", "io.k8s.api.coordination"},
    {"discovery.k8s.io", "io.k8s.api.discovery"},
    {"events.k8s.io", "io.k8s.api.events"},
    {"flowcontrol.apiserver.k8s.io", "io.k8s.api.flowcontrol"},
    {"internal.apiserver.k8s.io", "io.k8s.api.apiserverinternal"},
    {"metrics.k8s.io", "io.k8s.metrics.pkg.apis.metrics"},
    {"networking.k8s.io", "io.k8s.api.networking"},
    {"node.k8s.io", "io.k8s.api.node"},
    {"policy", "io.k8s.api.policy"},
    {"rbac.authorization.k8s.io", "io.k8s.api.rbac"},
    {"resource.k8s.io", "io.k8s.api.resource"},
    {"scheduling.k8s.io", "io.k8s.api.scheduling"},
    {"storage.k8s.io", "io.k8s.api.storage"},
    {"storagemigration.k8s.io", "io.k8s.api.storagemigration"},
};
#define META       "io.k8s.apimachinery.pkg.apis.meta.v1."
#define EXTENSIONS "io.k8s.apiextensions-apiserver.pkg.apis.apiextensions.v1."
static const struct {
    struct str name;
    const char *type, *format, *doc;
} specials[SPECIAL__N] = {
    [SPECIAL_QUANTITY] = {STR_INIT("io.k8s.apimachinery.pkg.api.resource.Quantity"), "string", NULL,
                          "A number with an optional suffix, such as 250m, 1Gi or 1e3."},
    [SPECIAL_INT_OR_STRING] = {STR_INIT("io.k8s.apimachinery.pkg.util.intstr.IntOrString"),
                               "string", "int-or-string",
                               "A whole number, or a string such as 25%."},
    [SPECIAL_TIME] = {STR_INIT(META "Time"), "string", "date-time", "An instant as in RFC 3339."},
    [SPECIAL_MICRO_TIME] = {STR_INIT(META "MicroTime"), "string", "date-time",
                            "An instant as in RFC 3339, to the microsecond."},
    [SPECIAL_DURATION] = {STR_INIT(META "Duration"), "string", NULL, "A duration such as 1m30s."},
    [SPECIAL_RAW_EXTENSION] = {STR_INIT("io.k8s.apimachinery.pkg.runtime.RawExtension"), "object",
                               NULL, "An object of any kind."},
    [SPECIAL_FIELDS_V1] = {STR_INIT(META "FieldsV1"), "object", NULL,
                           "A set of fields, as a tree of their paths."},
    [SPECIAL_JSON] = {STR_INIT(EXTENSIONS "JSON"), NULL, NULL, "Any JSON value."},
    [SPECIAL_SCHEMA_OR_ARRAY] = {STR_INIT(EXTENSIONS "JSONSchemaPropsOrArray"), NULL, NULL,
                                 "A schema or a list of them."},
    [SPECIAL_SCHEMA_OR_BOOL] = {STR_INIT(EXTENSIONS "JSONSchemaPropsOrBool"), NULL, NULL,
                                "A schema or a boolean."},
    [SPECIAL_SCHEMA_OR_STRINGS] = {STR_INIT(EXTENSIONS "JSONSchemaPropsOrStringArray"), NULL, NULL,
                                   "A schema or a list of strings."},
    [SPECIAL_SUBRESOURCE_STATUS] = {STR_INIT(EXTENSIONS "CustomResourceSubresourceStatus"),
                                    "object", NULL, "Serves the status subresource."},
    [SPECIAL_PATCH] = {STR_INIT(META "Patch"), "object", NULL,
                       "A change to an object; its form is the request's content type."},
    [SPECIAL_WATCH_EVENT] = {STR_INIT(META "WatchEvent"), "object", NULL, "One event of a watch."},
    [SPECIAL_VERSION_INFO] = {STR_INIT("io.k8s.apimachinery.pkg.version.Info"), "object", NULL,
                              "The version of the server."},
};

static const char *builtin_prefix(const char *group)
{
    for (size_t i = 0; i < ARRAY_LEN(groups); i++)
        if (strcmp(groups[i].group, group) == 0)
            return groups[i].prefix;
    return NULL;
}

bool openapi_builtin_group(const char *group)
{
    return builtin_prefix(group) != NULL;
}

static struct str definition_name(const char *group, const char *version, const char *kind,
                                  const char *suffix, struct arena *a)
{
    const char *prefix = builtin_prefix(group);
    struct str rest = str_from(group);
    auto_buf reversed = {0};

    if (prefix)
        return str_printf(a, "%s.%s.%s%s", prefix, version, kind, suffix);
    while (rest.len) {
        long dot = str_rfind_char(rest, '.');

        buf_str(&reversed, str_sub(rest, (size_t)(dot + 1), SIZE_MAX));
        buf_putc(&reversed, '.');
        rest = str_sub(rest, 0, dot < 0 ? 0 : (size_t)dot);
    }
    return str_printf(a, "%s%s.%s%s", buf_cstr(&reversed), version, kind, suffix);
}

struct str openapi_name(const struct type *t, struct arena *a)
{
    return definition_name(t->group, t->version, t->name, "", a);
}

struct str openapi_special_name(enum special s)
{
    return specials[s].name;
}

struct doc openapi_ref(const struct writer *w, struct arena *a, struct str name)
{
    const char *where = w->version == OPENAPI_V2 ? "#/definitions/" : "#/components/schemas/";
    struct doc d = doc_object();

    (void)doc_add(a, &d, STR("$ref"), doc_string(str_printf(a, "%s%.*s", where, STR_ARG(name))));
    return d;
}

/* Which form stands for a raw value; the table knows only its encoding. */
static enum special raw_special(const struct type *owner, const struct field *f)
{
    switch ((enum raw_form)f->raw_form) {
    case RAW_EMPTY:
        return SPECIAL_SUBRESOURCE_STATUS;
    case RAW_SCHEMA_OR_ARRAY:
        return SPECIAL_SCHEMA_OR_ARRAY;
    case RAW_SCHEMA_OR_BOOL:
        return SPECIAL_SCHEMA_OR_BOOL;
    case RAW_SCHEMA_OR_STRINGS:
        return SPECIAL_SCHEMA_OR_STRINGS;
    case RAW_JSON:
        break;
    }
    if (strcmp(owner->group, "apiextensions.k8s.io") == 0)
        return SPECIAL_JSON;
    return str_eqz(f->name, "fieldsV1") ? SPECIAL_FIELDS_V1 : SPECIAL_RAW_EXTENSION;
}

/* The special definition that a field's values refer to, or SPECIAL__N. */
static enum special field_special(const struct type *owner, const struct field *f)
{
    switch ((enum field_kind)f->kind) {
    case FIELD_QUANTITY:
        return SPECIAL_QUANTITY;
    case FIELD_INT_OR_STRING:
        return SPECIAL_INT_OR_STRING;
    case FIELD_TIME:
        return SPECIAL_TIME;
    case FIELD_MICRO_TIME:
        return SPECIAL_MICRO_TIME;
    case FIELD_DURATION:
        return SPECIAL_DURATION;
    case FIELD_RAW: /* in a custom resource: whatever its schema keeps */
        return builtin_prefix(owner->group) ? raw_special(owner, f) : SPECIAL__N;
    default:
        return SPECIAL__N;
    }
}

static bool note(struct writer *w, struct definition d)
{
    if (map_find(&w->seen, d.name))
        return false;
    (void)map_set(&w->seen, d.name, w);
    vec_push(&w->definitions, d);
    return true;
}

void openapi_need_special(struct writer *w, enum special s)
{
    (void)note(w, (struct definition){.name = specials[s].name, .special = s});
    if (s == SPECIAL_WATCH_EVENT)
        openapi_need_special(w, SPECIAL_RAW_EXTENSION);
}

/* Breadth first: what is noted is looked through later, so nothing recurses. */
void openapi_need_type(struct writer *w, const struct type *t)
{
    size_t next = w->definitions.n;

    if (!t || !note(w, (struct definition){.name = openapi_name(t, &w->names), .type = t}))
        return;
    for (; next < w->definitions.n; next++) {
        const struct type *owner = w->definitions.v[next].type;

        for (unsigned i = 0; owner && i < owner->n_fields; i++) {
            const struct field *f = &owner->fields[i];
            enum special s = field_special(owner, f);

            if (s != SPECIAL__N)
                openapi_need_special(w, s);
            if (f->kind == FIELD_MESSAGE)
                (void)note(w, (struct definition){.name = openapi_name(f->type, &w->names),
                                                  .type = f->type});
        }
    }
}

static const struct type *find_type(const struct writer *w, const char *group, const char *version,
                                    const char *kind)
{
    return w->src->find_type(str_from(group), str_from(version), str_from(kind));
}

struct str openapi_need_list(struct writer *w, const struct resource *r)
{
    struct str name = definition_name(r->group, r->version, r->kind, "List", &w->names);
    const struct type *list =
        find_type(w, r->group, r->version, arena_printf(&w->names, "%sList", r->kind));

    openapi_need_type(w, r->type);
    if (list) {
        openapi_need_type(w, list);
        return openapi_name(list, &w->names);
    }
    (void)note(w, (struct definition){.name = name, .list_of = r});
    openapi_need_type(w, find_type(w, "meta.k8s.io", "v1", "ListMeta"));
    return name;
}

static void put(struct arena *a, struct doc *d, const char *key, struct doc v)
{
    (void)doc_add(a, d, str_from(key), v);
}

static void put_text(struct arena *a, struct doc *d, const char *key, const char *text)
{
    put(a, d, key, doc_string(str_from(text)));
}

static struct doc scalar(struct arena *a, const char *type, const char *format)
{
    struct doc d = doc_object();

    if (format)
        put_text(a, &d, "format", format);
    put_text(a, &d, "type", type);
    return d;
}

static int cmp_strings(const void *x, const void *y)
{
    return str_cmp(((const struct doc *)x)->s, ((const struct doc *)y)->s);
}

static struct doc string_schema(const struct writer *w, const struct field *f, struct arena *a)
{
    struct doc d = scalar(a, "string", NULL), values = doc_array();

    if (w->version == OPENAPI_V2 || !f->values)
        return d;
    for (unsigned i = 0; i < f->values->n; i++)
        (void)doc_append(a, &values, doc_string(str_from(f->values->values[i])));
    if (values.n)
        qsort(values.items, values.n, sizeof(*values.items), cmp_strings);
    put(a, &d, "enum", values);
    return d;
}

static struct doc any_schema(struct arena *a)
{
    struct doc d = doc_object();

    put(a, &d, "x-kubernetes-preserve-unknown-fields", doc_bool(true));
    return d;
}

/* The schema of one value of @f. */
static struct doc value_schema(const struct writer *w, const struct type *owner,
                               const struct field *f, struct arena *a)
{
    enum special s = field_special(owner, f);

    if (s != SPECIAL__N)
        return openapi_ref(w, a, specials[s].name);
    switch ((enum field_kind)f->kind) {
    case FIELD_BOOL:
        return scalar(a, "boolean", NULL);
    case FIELD_INT32:
        return scalar(a, "integer", "int32");
    case FIELD_INT64:
    case FIELD_UINT64:
        return scalar(a, "integer", "int64");
    case FIELD_DOUBLE:
        return scalar(a, "number", "double");
    case FIELD_BYTES:
        return scalar(a, "string", "byte");
    case FIELD_MESSAGE:
        return openapi_ref(w, a, openapi_name(f->type, a));
    case FIELD_RAW:
        return any_schema(a);
    default:
        return string_schema(w, f, a);
    }
}

/* The default of a value that is always written: version 3 shows it. */
static bool zero_default(const struct field *f, struct doc *ret_v)
{
    switch ((enum field_kind)f->kind) {
    case FIELD_STRING:
        *ret_v = doc_string(STR(""));
        return true;
    case FIELD_BOOL:
        *ret_v = doc_bool(false);
        return true;
    case FIELD_INT32:
    case FIELD_INT64:
    case FIELD_UINT64:
    case FIELD_DOUBLE:
        *ret_v = doc_int(0);
        return true;
    case FIELD_MESSAGE:
        *ret_v = doc_object();
        return true;
    default:
        return false;
    }
}

/* Makes a reference that has neighbours what version 3 asks for: {"allOf": [{"$ref": ...}], ...}.
 */
static struct doc open_ref(const struct writer *w, struct doc schema, struct arena *a)
{
    struct doc all = doc_array(), d = doc_object();

    if (w->version == OPENAPI_V2 || !doc_find(&schema, STR("$ref")))
        return schema;
    (void)doc_append(a, &all, schema);
    put(a, &d, "allOf", all);
    return d;
}

static struct doc item_schema(const struct writer *w, const struct type *owner,
                              const struct field *f, struct arena *a)
{
    struct doc d = value_schema(w, owner, f, a), zero;

    if (w->version == OPENAPI_V2 || !zero_default(f, &zero))
        return d;
    d = open_ref(w, d, a);
    put(a, &d, "default", zero);
    return d;
}

static struct doc list_of(struct doc items, struct arena *a)
{
    struct doc d = doc_object();

    put(a, &d, "items", items);
    put_text(a, &d, "type", "array");
    return d;
}

static struct doc shape_of(const struct writer *w, const struct type *owner, const struct field *f,
                           struct arena *a)
{
    struct doc d = doc_object();

    switch ((enum field_card)f->card) {
    case CARD_ONE:
    case CARD_PTR:
        return value_schema(w, owner, f, a);
    case CARD_LIST:
        return list_of(item_schema(w, owner, f, a), a);
    case CARD_MAP:
        put(a, &d, "additionalProperties", item_schema(w, owner, f, a));
        break;
    case CARD_MAP_LIST:
        put(a, &d, "additionalProperties", list_of(item_schema(w, owner, f, a), a));
        break;
    }
    put_text(a, &d, "type", "object");
    return d;
}

static void put_strategy(const struct field *f, struct arena *a, struct doc *d)
{
    static const struct {
        unsigned flag;
        const char *name;
    } names[] = {{FIELD_PATCH_MERGE, "merge"},
                 {FIELD_PATCH_REPLACE, "replace"},
                 {FIELD_PATCH_RETAIN_KEYS, "retainKeys"}};
    auto_buf text = {0};

    for (size_t i = 0; i < ARRAY_LEN(names); i++)
        if (f->flags & names[i].flag)
            buf_printf(&text, "%s%s", text.len ? "," : "", names[i].name);
    if (f->patch_key && f->patch_key[0])
        put_text(a, d, "x-kubernetes-patch-merge-key", f->patch_key);
    if (text.len)
        put(a, d, "x-kubernetes-patch-strategy", doc_string(str_dup(a, buf_view(&text))));
}

static void put_extensions(const struct field *f, struct arena *a, struct doc *d)
{
    static const char *const list_types[] = {
        [LIST_ATOMIC] = "atomic", [LIST_SET] = "set", [LIST_MAP] = "map"};
    struct doc keys = doc_array();

    for (size_t i = 0; f->map_keys && f->map_keys[i]; i++)
        (void)doc_append(a, &keys, doc_string(str_from(f->map_keys[i])));
    if (keys.n)
        put(a, d, "x-kubernetes-list-map-keys", keys);
    if (f->list_type != LIST_UNSET)
        put_text(a, d, "x-kubernetes-list-type", list_types[f->list_type]);
    if (f->flags & FIELD_STRUCT_ATOMIC)
        put_text(a, d, "x-kubernetes-map-type", "atomic");
    put_strategy(f, a, d);
}

/* The default that version 3 shows, if any. */
static bool field_default(const struct field *f, struct arena *a, struct doc *ret_v)
{
    if (f->default_json)
        return json_parse(str_from(f->default_json), a, ret_v, NULL, NULL) == 0;
    if (f->card != CARD_ONE || (f->flags & FIELD_TYPE_META))
        return false;
    return (f->kind == FIELD_MESSAGE || (f->flags & FIELD_ALWAYS)) && zero_default(f, ret_v);
}

static struct doc property(const struct writer *w, const struct type *owner, const struct field *f,
                           struct arena *a)
{
    struct doc shape = shape_of(w, owner, f, a), extra = doc_object(), value;

    if (f->doc && f->doc[0])
        put_text(a, &extra, "description", f->doc);
    if (w->version == OPENAPI_V3 && field_default(f, a, &value))
        put(a, &extra, "default", value);
    put_extensions(f, a, &extra);
    if (!extra.n)
        return shape;
    shape = open_ref(w, shape, a);
    for (uint32_t i = 0; i < extra.n; i++)
        (void)doc_add(a, &shape, extra.members[i].key, extra.members[i].value);
    return shape;
}

static struct doc gvk(const char *group, const char *version, const char *kind, struct arena *a)
{
    struct doc d = doc_object();

    put_text(a, &d, "group", group);
    put_text(a, &d, "kind", kind);
    put_text(a, &d, "version", version);
    return d;
}

/* Kinds that every group and version knows, as client code registers them. */
static bool everywhere(const char *kind)
{
    return strcmp(kind, "DeleteOptions") == 0 || strcmp(kind, "WatchEvent") == 0;
}

static void append_gvks(const struct writer *w, const char *kind, struct arena *a, struct doc *list)
{
    struct map seen = {0};

    for (size_t i = 0; i < w->src->n; i++) {
        const struct resource *r = w->src->resources[i];
        struct str key = str_printf(a, "%s/%s", r->group, r->version);

        if (!map_set(&seen, key, list) && r->group[0])
            (void)doc_append(a, list, gvk(r->group, r->version, kind, a));
    }
    map_deinit(&seen);
}

static void put_gvk(const struct writer *w, const char *group, const char *version,
                    const char *kind, struct arena *a, struct doc *d)
{
    struct doc list = doc_array();

    if (strcmp(group, "meta.k8s.io") == 0)
        group = "";
    (void)doc_append(a, &list, gvk(group, version, kind, a));
    if (everywhere(kind))
        append_gvks(w, kind, a, &list);
    put(a, d, "x-kubernetes-group-version-kind", list);
}

static struct doc type_schema(const struct writer *w, const struct type *t, struct arena *a)
{
    struct doc d = doc_object(), properties = doc_object(), required = doc_array();

    for (unsigned i = 0; i < t->n_fields; i++) {
        const struct field *f = &t->fields[t->by_name[i]];

        (void)doc_add(a, &properties, f->name, property(w, t, f, a));
        f = &t->fields[i];
        if ((f->flags & FIELD_REQUIRED) && !(f->flags & FIELD_TYPE_META))
            (void)doc_append(a, &required, doc_string(f->name));
    }
    if (t->doc && t->doc[0])
        put_text(a, &d, "description", t->doc);
    if (properties.n)
        put(a, &d, "properties", properties);
    if (required.n)
        put(a, &d, "required", required);
    put_text(a, &d, "type", "object");
    if (type_field(t, STR("kind")) && (type_field(t, STR("kind"))->flags & FIELD_TYPE_META))
        put_gvk(w, t->group, t->version, t->name, a, &d);
    if (t->flags & TYPE_STRUCT_ATOMIC)
        put_text(a, &d, "x-kubernetes-map-type", "atomic");
    return d;
}

static void put_strings(struct arena *a, struct doc *properties, const char *const *names)
{
    for (; *names; names++)
        put(a, properties, *names, scalar(a, "string", NULL));
}

static struct doc version_schema(struct arena *a, struct doc d)
{
    static const char *const names[] = {"buildDate",
                                        "compiler",
                                        "emulationMajor",
                                        "emulationMinor",
                                        "gitCommit",
                                        "gitTreeState",
                                        "gitVersion",
                                        "goVersion",
                                        "major",
                                        "minCompatibilityMajor",
                                        "minCompatibilityMinor",
                                        "minor",
                                        "platform",
                                        NULL};
    static const char *const required_names[] = {"major",     "minor",        "gitVersion",
                                                 "gitCommit", "gitTreeState", "buildDate",
                                                 "goVersion", "compiler",     "platform"};
    struct doc properties = doc_object(), required = doc_array();

    put_strings(a, &properties, names);
    for (size_t i = 0; i < ARRAY_LEN(required_names); i++)
        (void)doc_append(a, &required, doc_string(str_from(required_names[i])));
    put(a, &d, "properties", properties);
    put(a, &d, "required", required);
    return d;
}

static struct doc watch_event_schema(const struct writer *w, struct arena *a, struct doc d)
{
    struct doc properties = doc_object(), required = doc_array();

    put(a, &properties, "object", openapi_ref(w, a, specials[SPECIAL_RAW_EXTENSION].name));
    put(a, &properties, "type", scalar(a, "string", NULL));
    (void)doc_append(a, &required, doc_string(STR("type")));
    (void)doc_append(a, &required, doc_string(STR("object")));
    put(a, &d, "properties", properties);
    put(a, &d, "required", required);
    put_gvk(w, "", "v1", "WatchEvent", a, &d);
    return d;
}

/* Version 3 can say that a value is a whole number or a string. */
static struct doc int_or_string_schema(struct arena *a, struct doc d)
{
    struct doc one_of = doc_array();

    (void)doc_append(a, &one_of, scalar(a, "integer", NULL));
    (void)doc_append(a, &one_of, scalar(a, "string", NULL));
    put(a, &d, "oneOf", one_of);
    return d;
}

static struct doc special_schema(const struct writer *w, enum special s, struct arena *a)
{
    struct doc d = doc_object();

    put_text(a, &d, "description", specials[s].doc);
    if (s == SPECIAL_INT_OR_STRING && w->version == OPENAPI_V3) {
        put_text(a, &d, "format", specials[s].format);
        return int_or_string_schema(a, d);
    }
    if (specials[s].format)
        put_text(a, &d, "format", specials[s].format);
    if (specials[s].type)
        put_text(a, &d, "type", specials[s].type);
    if (s == SPECIAL_VERSION_INFO)
        return version_schema(a, d);
    return s == SPECIAL_WATCH_EVENT ? watch_event_schema(w, a, d) : d;
}

static struct doc list_schema(const struct writer *w, const struct resource *r, struct arena *a)
{
    static const char *const before[] = {"apiVersion", NULL}, *const after[] = {"kind", NULL};
    struct doc d = doc_object(), properties = doc_object(), required = doc_array();
    const struct type *meta = find_type(w, "meta.k8s.io", "v1", "ListMeta");

    put_strings(a, &properties, before);
    put(a, &properties, "items", list_of(openapi_ref(w, a, openapi_name(r->type, a)), a));
    put_strings(a, &properties, after);
    if (meta)
        put(a, &properties, "metadata", openapi_ref(w, a, openapi_name(meta, a)));
    (void)doc_append(a, &required, doc_string(STR("items")));
    put(a, &d, "description", doc_string(str_printf(a, "A list of %s.", r->kind)));
    put(a, &d, "properties", properties);
    put(a, &d, "required", required);
    put_text(a, &d, "type", "object");
    put_gvk(w, r->group, r->version, arena_printf(a, "%sList", r->kind), a, &d);
    return d;
}

struct doc openapi_schema(const struct writer *w, const struct definition *d, struct arena *a)
{
    if (d->type)
        return type_schema(w, d->type, a);
    if (d->list_of)
        return list_schema(w, d->list_of, a);
    return special_schema(w, d->special, a);
}
