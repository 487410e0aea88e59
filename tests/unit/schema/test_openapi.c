/* test_openapi.c - definitions, paths and protobuf of a small API of two resources. */
#include "codec/json.h"
#include "codec/pb.h"
#include "schema/openapi.h"
#include "test.h"

#define FIELD_(n, k, c, ...)                                                                       \
    {                                                                                              \
        .name = STR_INIT(n), .kind = (k), .card = (c), ##__VA_ARGS__                               \
    }

static const uint16_t order[] = {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11};
static const char *const colors[] = {"Red", "Blue"};
static const struct enum_def color_enum = {"Color", colors, 2};
static const char *const name_key[] = {"name", NULL};
static const struct field item_fields[] = {
    FIELD_("name", FIELD_STRING, CARD_ONE, .flags = FIELD_REQUIRED | FIELD_ALWAYS)};
static const struct type item_type = {.name = "Item",
                                      .group = "apps",
                                      .version = "v1",
                                      .doc = "One item.",
                                      .fields = item_fields,
                                      .n_fields = 1,
                                      .by_name = order,
                                      .flags = TYPE_STRUCT_ATOMIC};
static const struct field thing_fields[] = {
    FIELD_("apiVersion", FIELD_STRING, CARD_ONE, .flags = FIELD_TYPE_META),
    FIELD_("bytes", FIELD_BYTES, CARD_MAP),
    FIELD_("color", FIELD_STRING, CARD_ONE, .values = &color_enum, .doc = "Its color.",
           .default_json = "\"Red\""),
    FIELD_("count", FIELD_INT64, CARD_PTR),
    FIELD_("item", FIELD_MESSAGE, CARD_ONE, .type = &item_type, .flags = FIELD_PATCH_RETAIN_KEYS),
    FIELD_("items", FIELD_MESSAGE, CARD_LIST, .type = &item_type, .flags = FIELD_PATCH_MERGE,
           .patch_key = "name", .list_type = LIST_MAP, .map_keys = name_key),
    FIELD_("kind", FIELD_STRING, CARD_ONE, .flags = FIELD_TYPE_META),
    FIELD_("lists", FIELD_STRING, CARD_MAP_LIST),
    FIELD_("port", FIELD_INT_OR_STRING, CARD_ONE),
    FIELD_("size", FIELD_QUANTITY, CARD_ONE, .flags = FIELD_REQUIRED),
    FIELD_("when", FIELD_TIME, CARD_ONE)};
static const struct type thing_type = {.name = "Thing",
                                       .group = "apps",
                                       .version = "v1",
                                       .doc = "A thing.",
                                       .fields = thing_fields,
                                       .n_fields = ARRAY_LEN(thing_fields),
                                       .by_name = order,
                                       .flags = TYPE_KIND};
static const struct type status_type = {.name = "Status", .group = "meta.k8s.io", .version = "v1"};
static const struct field cron_fields[] = {FIELD_("data", FIELD_RAW, CARD_ONE)};
static const struct type cron_type = {.name = "CronTab",
                                      .group = "stable.example.com",
                                      .version = "v1",
                                      .fields = cron_fields,
                                      .n_fields = 1,
                                      .by_name = order};
static const struct subresource subs[] = {{.name = "status",
                                           .kind_group = "apps",
                                           .kind_version = "v1",
                                           .kind = "Thing",
                                           .type = &thing_type,
                                           .verbs = VERB_BIT(VERB_GET)}};
#define ALL_VERBS ((1 << VERB__N) - 1)
static const struct resource things = {.group = "apps",
                                       .version = "v1",
                                       .plural = "things",
                                       .kind = "Thing",
                                       .verbs = ALL_VERBS,
                                       .flags = RESOURCE_NAMESPACED,
                                       .type = &thing_type,
                                       .subresources = subs,
                                       .n_subresources = 1};
static const struct resource crontabs = {.group = "stable.example.com",
                                         .version = "v1",
                                         .plural = "crontabs",
                                         .kind = "CronTab",
                                         .verbs = ALL_VERBS,
                                         .type = &cron_type};
static const struct resource *const resources[] = {&things, &crontabs};

static const struct type *find_type(struct str group, struct str version, struct str kind)
{
    static const struct type *const types[] = {&item_type, &thing_type, &status_type, &cron_type};

    for (size_t i = 0; i < ARRAY_LEN(types); i++)
        if (str_eqz(group, types[i]->group) && str_eqz(version, types[i]->version) &&
            str_eqz(kind, types[i]->name))
            return types[i];
    return NULL;
}
static const struct openapi_source source = {resources, ARRAY_LEN(resources), find_type};

static struct doc parse(struct arena *a, const struct buf *b)
{
    struct err err = {0};
    struct doc d;

    assert_ok(json_parse(buf_view(b), a, &d, NULL, &err), &err);
    return d;
}

static const struct doc *member(const struct doc *d, const char *first, const char *second)
{
    const struct doc *m = doc_find(doc_find(d, str_from(first)), str_from(second));

    if (!m)
        fail_msg("no %s %s", first, second);
    return m;
}

static void assert_json(struct arena *a, const struct doc *d, const char *json)
{
    struct str text = json_to_str(a, d);

    assert_str_equal(text, json);
}

static void test_v2_definitions(void **state)
{
    auto_arena a = {0};
    auto_buf b = {0};
    struct doc d;

    openapi_v2(&source, &b);
    d = parse(&a, &b);
    assert_str_equal(doc_path_str(&d, "swagger"), "2.0");
    assert_json(
        &a, member(&d, "definitions", "io.k8s.api.apps.v1.Item"),
        "{\"description\":\"One item.\",\"properties\":{\"name\":{\"type\":\"string\"}},"
        "\"required\":[\"name\"],\"type\":\"object\",\"x-kubernetes-map-type\":\"atomic\"}");
    assert_json(
        &a, member(&d, "definitions", "io.k8s.api.apps.v1.Thing"),
        "{\"description\":\"A thing.\",\"properties\":{\"apiVersion\":{\"type\":\"string\"},"
        "\"bytes\":{\"additionalProperties\":{\"format\":\"byte\",\"type\":\"string\"},"
        "\"type\":\"object\"},"
        "\"color\":{\"type\":\"string\",\"description\":\"Its color.\"},"
        "\"count\":{\"format\":\"int64\",\"type\":\"integer\"},"
        "\"item\":{\"$ref\":\"#/definitions/io.k8s.api.apps.v1.Item\","
        "\"x-kubernetes-patch-strategy\":\"retainKeys\"},"
        "\"items\":{\"items\":{\"$ref\":\"#/definitions/io.k8s.api.apps.v1.Item\"},"
        "\"type\":\"array\",\"x-kubernetes-list-map-keys\":[\"name\"],"
        "\"x-kubernetes-list-type\":\"map\",\"x-kubernetes-patch-merge-key\":\"name\","
        "\"x-kubernetes-patch-strategy\":\"merge\"},"
        "\"kind\":{\"type\":\"string\"},"
        "\"lists\":{\"additionalProperties\":{\"items\":{\"type\":\"string\"},\"type\":\"array\"},"
        "\"type\":\"object\"},"
        "\"port\":{\"$ref\":\"#/definitions/io.k8s.apimachinery.pkg.util.intstr.IntOrString\"},"
        "\"size\":{\"$ref\":\"#/definitions/io.k8s.apimachinery.pkg.api.resource.Quantity\"},"
        "\"when\":{\"$ref\":\"#/definitions/io.k8s.apimachinery.pkg.apis.meta.v1.Time\"}},"
        "\"required\":[\"size\"],\"type\":\"object\","
        "\"x-kubernetes-group-version-kind\":[{\"group\":\"apps\",\"kind\":\"Thing\","
        "\"version\":\"v1\"}]}");
    assert_json(&a, member(&d, "definitions", "com.example.stable.v1.CronTab"),
                "{\"properties\":{\"data\":{\"x-kubernetes-preserve-unknown-fields\":true}},"
                "\"type\":\"object\"}");
    assert_json(&a, member(&d, "definitions", "com.example.stable.v1.CronTabList"),
                "{\"description\":\"A list of CronTab.\",\"properties\":{\"apiVersion\":{\"type\":"
                "\"string\"},\"items\":{\"items\":{\"$ref\":\"#/definitions/"
                "com.example.stable.v1.CronTab\"},\"type\":\"array\"},\"kind\":{\"type\":"
                "\"string\"}},\"required\":[\"items\"],\"type\":\"object\","
                "\"x-kubernetes-group-version-kind\":[{\"group\":\"stable.example.com\",\"kind\":"
                "\"CronTabList\",\"version\":\"v1\"}]}");
}

static void test_v2_paths(void **state)
{
    static const char *const paths[] = {
        "/.well-known/openid-configuration/",
        "/api/",
        "/apis/",
        "/apis/apps/",
        "/apis/apps/v1/",
        "/apis/apps/v1/namespaces/{namespace}/things",
        "/apis/apps/v1/namespaces/{namespace}/things/{name}",
        "/apis/apps/v1/namespaces/{namespace}/things/{name}/status",
        "/apis/apps/v1/things",
        "/apis/apps/v1/watch/namespaces/{namespace}/things",
        "/apis/apps/v1/watch/namespaces/{namespace}/things/{name}",
        "/apis/apps/v1/watch/things",
        "/apis/stable.example.com/",
        "/apis/stable.example.com/v1/",
        "/apis/stable.example.com/v1/crontabs",
        "/apis/stable.example.com/v1/crontabs/{name}",
        "/openid/v1/jwks/",
        "/version/",
    };
    auto_arena a = {0};
    auto_buf b = {0};
    const struct doc *found;
    struct doc d;

    openapi_v2(&source, &b);
    d = parse(&a, &b);
    found = doc_find(&d, STR("paths"));
    assert_int_equal(found->n, ARRAY_LEN(paths));
    for (size_t i = 0; i < ARRAY_LEN(paths); i++)
        assert_str_equal(found->members[i].key, paths[i]);
    assert_json(
        &a, member(&d, "paths", "/apis/apps/v1/namespaces/{namespace}/things/{name}/status"),
        "{\"get\":{\"consumes\":[\"*/*\"],\"operationId\":\"readAppsV1NamespacedThingStatus\","
        "\"produces\":[\"application/json\",\"application/yaml\","
        "\"application/vnd.kubernetes.protobuf\"],"
        "\"responses\":{\"200\":{\"description\":\"OK\",\"schema\":{\"$ref\":"
        "\"#/definitions/io.k8s.api.apps.v1.Thing\"}},\"401\":{\"description\":\"Unauthorized\"}},"
        "\"schemes\":[\"https\"],\"tags\":[\"apps_v1\"],\"x-kubernetes-action\":\"get\","
        "\"x-kubernetes-group-version-kind\":{\"group\":\"apps\",\"version\":\"v1\",\"kind\":"
        "\"Thing\"}},\"parameters\":[{\"description\":\"The name of the object.\",\"in\":\"path\","
        "\"name\":\"name\",\"required\":true,\"type\":\"string\",\"uniqueItems\":true},"
        "{\"$ref\":\"#/parameters/namespace-vgWSWtn3\"},"
        "{\"$ref\":\"#/parameters/pretty-tJGM1-ng\"}]}");
    assert_json(
        &a,
        doc_find(member(&d, "paths", "/apis/stable.example.com/v1/crontabs/{name}"), STR("patch")),
        "{\"consumes\":[\"application/json-patch+json\",\"application/merge-patch+json\","
        "\"application/apply-patch+yaml\"],\"operationId\":\"patchStableExampleComV1CronTab\","
        "\"parameters\":[{\"in\":\"body\",\"name\":\"body\",\"required\":true,\"schema\":{\"$ref\":"
        "\"#/definitions/io.k8s.apimachinery.pkg.apis.meta.v1.Patch\"}},{\"description\":\"All: "
        "does "
        "everything but store the result.\",\"in\":\"query\",\"name\":\"dryRun\",\"type\":"
        "\"string\",\"uniqueItems\":true},{\"$ref\":\"#/parameters/fieldManager-7c6nTn1T\"},"
        "{\"description\":\"What becomes of unknown and duplicate fields: Ignore, Warn or "
        "Strict.\",\"in\":\"query\",\"name\":\"fieldValidation\",\"type\":\"string\","
        "\"uniqueItems\":true},{\"$ref\":\"#/parameters/force-tOGGb0Yi\"}],"
        "\"produces\":[\"application/json\",\"application/yaml\"],"
        "\"responses\":{\"200\":{\"description\":\"OK\",\"schema\":{\"$ref\":"
        "\"#/definitions/com.example.stable.v1.CronTab\"}},\"201\":{\"description\":\"Created\","
        "\"schema\":{\"$ref\":\"#/definitions/com.example.stable.v1.CronTab\"}},\"401\":{"
        "\"description\":\"Unauthorized\"}},\"schemes\":[\"https\"],\"tags\":["
        "\"stableExampleCom_v1\"],\"x-kubernetes-action\":\"patch\","
        "\"x-kubernetes-group-version-kind\":{\"group\":\"stable.example.com\",\"version\":\"v1\","
        "\"kind\":\"CronTab\"}}");
}

static void test_v3_documents(void **state)
{
    static const char *const keys[] = {".well-known/openid-configuration",
                                       "api",
                                       "apis",
                                       "apis/apps",
                                       "apis/apps/v1",
                                       "apis/stable.example.com",
                                       "apis/stable.example.com/v1",
                                       "openid/v1/jwks",
                                       "version"};
    auto_arena a = {0};
    auto_buf b = {0};
    struct string_list found = openapi_v3_keys(&source, &a);
    struct doc d;

    assert_int_equal(found.n, ARRAY_LEN(keys));
    for (size_t i = 0; i < ARRAY_LEN(keys); i++)
        assert_str_equal(found.v[i], keys[i]);
    assert_false(openapi_v3(&source, STR("apis/apps/v2"), &b));
    assert_int_equal(b.len, 0);
    assert_true(openapi_v3(&source, STR("apis/apps/v1"), &b));
    d = parse(&a, &b);
    assert_str_equal(doc_path_str(&d, "openapi"), "3.0.0");
    assert_null(doc_find(doc_find(&d, STR("paths")), STR("/apis/apps/")));
    assert_json(
        &a,
        doc_find(member(&d, "paths", "/apis/apps/v1/namespaces/{namespace}/things"), STR("post")),
        "{\"operationId\":\"createAppsV1NamespacedThing\",\"requestBody\":{\"content\":{\"*/*\":{"
        "\"schema\":{\"$ref\":\"#/components/schemas/io.k8s.api.apps.v1.Thing\"}}},\"required\":"
        "true},\"parameters\":[{\"description\":\"All: does everything but store the result.\","
        "\"in\":\"query\",\"name\":\"dryRun\",\"schema\":{\"type\":\"string\",\"uniqueItems\":true}"
        "},{\"description\":\"Who makes the change.\",\"in\":\"query\",\"name\":\"fieldManager\","
        "\"schema\":{\"type\":\"string\",\"uniqueItems\":true}},{\"description\":\"What becomes of "
        "unknown and duplicate fields: Ignore, Warn or Strict.\",\"in\":\"query\",\"name\":"
        "\"fieldValidation\",\"schema\":{\"type\":\"string\",\"uniqueItems\":true}}],"
        "\"responses\":{\"200\":{\"description\":\"OK\",\"content\":{\"application/json\":{"
        "\"schema\":{\"$ref\":\"#/components/schemas/io.k8s.api.apps.v1.Thing\"}},"
        "\"application/yaml\":{\"schema\":{\"$ref\":\"#/components/schemas/"
        "io.k8s.api.apps.v1.Thing\"}},\"application/vnd.kubernetes.protobuf\":{\"schema\":{"
        "\"$ref\":\"#/components/schemas/io.k8s.api.apps.v1.Thing\"}}}},\"201\":{\"description\":"
        "\"Created\",\"content\":{\"application/json\":{\"schema\":{\"$ref\":\"#/components/"
        "schemas/io.k8s.api.apps.v1.Thing\"}},\"application/yaml\":{\"schema\":{\"$ref\":"
        "\"#/components/schemas/io.k8s.api.apps.v1.Thing\"}},"
        "\"application/vnd.kubernetes.protobuf\":{\"schema\":{\"$ref\":\"#/components/schemas/"
        "io.k8s.api.apps.v1.Thing\"}}}},\"202\":{\"description\":\"Accepted\",\"content\":{"
        "\"application/json\":{\"schema\":{\"$ref\":\"#/components/schemas/"
        "io.k8s.api.apps.v1.Thing\"}},\"application/yaml\":{\"schema\":{\"$ref\":\"#/components/"
        "schemas/io.k8s.api.apps.v1.Thing\"}},\"application/vnd.kubernetes.protobuf\":{\"schema\":"
        "{\"$ref\":\"#/components/schemas/io.k8s.api.apps.v1.Thing\"}}}},\"401\":{"
        "\"description\":\"Unauthorized\"}},\"tags\":[\"apps_v1\"],\"x-kubernetes-action\":"
        "\"post\",\"x-kubernetes-group-version-kind\":{\"group\":\"apps\",\"version\":\"v1\","
        "\"kind\":\"Thing\"}}");
}

static void test_v3_schemas_show_defaults_and_enums(void **state)
{
    auto_arena a = {0};
    auto_buf b = {0};
    const struct doc *schemas, *properties;
    struct doc d;

    assert_true(openapi_v3(&source, STR("apis/apps/v1"), &b));
    d = parse(&a, &b);
    schemas = member(&d, "components", "schemas");
    properties = member(schemas, "io.k8s.api.apps.v1.Thing", "properties");
    assert_json(&a, doc_find(properties, STR("color")),
                "{\"type\":\"string\",\"enum\":[\"Blue\",\"Red\"],\"description\":\"Its color.\","
                "\"default\":\"Red\"}");
    assert_json(&a, doc_find(properties, STR("item")),
                "{\"allOf\":[{\"$ref\":\"#/components/schemas/io.k8s.api.apps.v1.Item\"}],"
                "\"default\":{},\"x-kubernetes-patch-strategy\":\"retainKeys\"}");
    assert_json(&a, doc_find(doc_find(properties, STR("items")), STR("items")),
                "{\"allOf\":[{\"$ref\":\"#/components/schemas/io.k8s.api.apps.v1.Item\"}],"
                "\"default\":{}}");
    assert_json(&a, doc_find(properties, STR("when")),
                "{\"$ref\":\"#/components/schemas/io.k8s.apimachinery.pkg.apis.meta.v1.Time\"}");
    assert_json(&a, doc_find(member(schemas, "io.k8s.api.apps.v1.Item", "properties"), STR("name")),
                "{\"type\":\"string\",\"default\":\"\"}");
}

/* The bytes of field @number of the message @m, the first whose own field 1 is @name if given. */
static struct str pb_find(struct str m, uint32_t number, const char *name)
{
    struct pb_reader r = pb_reader(m);
    struct pb_field f;
    struct err err = {0};
    int e;

    while ((e = pb_next(&r, &f, &err)) > 0)
        if (f.number == number && (!name || str_eqz(pb_find(f.bytes, 1, NULL), name)))
            return f.bytes;
    assert_int_equal(e, 0);
    return STR_NULL;
}

static void test_v2_protobuf_holds_the_same(void **state)
{
    auto_buf b = {0};
    struct str doc, item, operation, schema;

    openapi_v2_pb(&source, &b);
    doc = buf_view(&b);
    assert_str_equal(pb_find(doc, 1, NULL), "2.0");
    assert_str_equal(pb_find(pb_find(doc, 2, NULL), 1, NULL), "Kubernetes");
    item = pb_find(pb_find(doc, 8, NULL), 2, "/apis/apps/v1/namespaces/{namespace}/things/{name}");
    operation = pb_find(pb_find(item, 2, NULL), 8, NULL); /* value, patch */
    assert_str_equal(pb_find(operation, 5, NULL), "patchAppsV1NamespacedThing");
    assert_str_equal(
        pb_find(pb_find(pb_find(operation, 13, "x-kubernetes-action"), 2, NULL), 2, NULL),
        "\"patch\"\n");
    schema = pb_find(pb_find(pb_find(doc, 9, NULL), 1, "io.k8s.api.apps.v1.Thing"), 2, NULL);
    assert_str_equal(pb_find(schema, 4, NULL), "A thing.");
    assert_str_equal(pb_find(schema, 19, NULL), "size");
    assert_str_equal(pb_find(pb_find(schema, 22, NULL), 1, NULL), "object");
    schema = pb_find(pb_find(pb_find(schema, 25, NULL), 1, "items"), 2, NULL);
    assert_str_equal(pb_find(pb_find(pb_find(schema, 23, NULL), 1, NULL), 1, NULL),
                     "#/definitions/io.k8s.api.apps.v1.Item");
    assert_str_equal(
        pb_find(pb_find(pb_find(schema, 31, "x-kubernetes-patch-merge-key"), 2, NULL), 2, NULL),
        "\"name\"\n");
    assert_non_null(pb_find(pb_find(doc, 10, NULL), 1, "pretty-tJGM1-ng").p);
}

static void test_names_of_definitions(void **state)
{
    auto_arena a = {0};

    assert_str_equal(openapi_name(&thing_type, &a), "io.k8s.api.apps.v1.Thing");
    assert_str_equal(openapi_name(&status_type, &a), "io.k8s.apimachinery.pkg.apis.meta.v1.Status");
    assert_str_equal(openapi_name(&cron_type, &a), "com.example.stable.v1.CronTab");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_v2_definitions),
        cmocka_unit_test(test_v2_paths),
        cmocka_unit_test(test_v3_documents),
        cmocka_unit_test(test_v3_schemas_show_defaults_and_enums),
        cmocka_unit_test(test_v2_protobuf_holds_the_same),
        cmocka_unit_test(test_names_of_definitions),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
