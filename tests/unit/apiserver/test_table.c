/* Tables: columns, cells of each type, what rows carry. */
#include "apiserver/table.h"
#include "read_rig.h"
#include "schema/typed.h"

enum { NOW = 1767225600 }; /* 2026-01-01T00:00:00Z */

static struct doc cell_count(const void *obj, const struct table_ctx *ctx)
{
    const struct core_config_map *cm = obj;

    assert_int_equal(ctx->now_sec, NOW);
    return doc_int((int64_t)cm->data.n);
}

static const struct column columns[] = {
    {.name = "Name", .type = "string", .format = "name", .doc = "The \"name\".",
     .path = "metadata.name"},
    {.name = "Data", .type = "integer", .doc = "How many.", .cell = cell_count},
    {.name = "Generation", .type = "integer", .priority = 1, .path = "metadata.generation"},
    {.name = "Fixed", .type = "boolean", .path = "immutable"},
    {.name = "Age", .type = "date", .path = "metadata.creationTimestamp"},
};
#define COLUMNS                                                                                  \
    "[{\"name\":\"Name\",\"type\":\"string\",\"format\":\"name\",\"description\":"               \
    "\"The \\\"name\\\".\",\"priority\":0},"                                                     \
    "{\"name\":\"Data\",\"type\":\"integer\",\"format\":\"\",\"description\":\"How many.\","     \
    "\"priority\":0},"                                                                           \
    "{\"name\":\"Generation\",\"type\":\"integer\",\"format\":\"\",\"description\":\"\","        \
    "\"priority\":1},"                                                                           \
    "{\"name\":\"Fixed\",\"type\":\"boolean\",\"format\":\"\",\"description\":\"\","             \
    "\"priority\":0},"                                                                           \
    "{\"name\":\"Age\",\"type\":\"date\",\"format\":\"\",\"description\":\"\",\"priority\":0}]"
#define PARTIAL(meta) \
    "{\"kind\":\"PartialObjectMetadata\",\"apiVersion\":\"meta.k8s.io/v1\",\"metadata\":" meta "}"

static struct resource with_columns(void)
{
    struct resource res = res_core_configmaps;

    res.columns = columns;
    res.n_columns = ARRAY_LEN(columns);
    return res;
}

static struct object *make(const struct resource *res, const char *json)
{
    auto_arena a = {0};
    struct err err = {0};
    struct object *o;
    void *obj;

    assert_ok(typed_from_json(res->type, str_from(json), &a, &obj, &err), &err);
    o = object_new(res, obj);
    object_publish(o, 7, 7, 1);
    return o;
}

static struct view view_of(const struct resource *res, unsigned include)
{
    return (struct view){.res = res, .form = AS_TABLE, .include = include, .now_sec = NOW};
}

static void expect_row(const struct view *v, struct object *o, const char *want)
{
    auto_buf out = {0};

    table_row(v, o, &out);
    assert_str_equal(buf_view(&out), want);
}

static void test_head(void **state)
{
    struct resource res = with_columns();
    struct view v = view_of(&res, INCLUDE_METADATA);
    struct list_meta m = {.revision = 9, .next = STR("t"), .remaining = 3};
    auto_buf out = {0};

    (void)state;
    table_head(&v, &m, true, &out);
    table_tail(&out);
    assert_str_equal(buf_view(&out),
                     "{\"kind\":\"Table\",\"apiVersion\":\"meta.k8s.io/v1\",\"metadata\":"
                     "{\"resourceVersion\":\"9\",\"continue\":\"t\",\"remainingItemCount\":3},"
                     "\"columnDefinitions\":" COLUMNS ",\"rows\":[]}");
}

static void test_rows(void **state)
{
    struct resource res = with_columns();
    struct view v = view_of(&res, INCLUDE_METADATA);
    struct object *o = make(&res, "{\"metadata\":{\"name\":\"a\",\"namespace\":\"n\",\"generatio"
                                  "n\":4,"
                                  "\"creationTimestamp\":\"2025-12-31T23:00:00Z\"},"
                                  "\"data\":{\"x\":\"1\",\"y\":\"2\"},\"immutable\":true}");
    struct object *bare = make(&res, "{\"metadata\":{\"name\":\"b\"}}");

    (void)state;
    expect_row(&v, o,
               "{\"cells\":[\"a\",2,4,true,\"60m\"],\"object\":" PARTIAL(
                   "{\"name\":\"a\",\"namespace\":\"n\",\"resourceVersion\":\"7\",\"generation\":4,"
                   "\"creationTimestamp\":\"2025-12-31T23:00:00Z\"}") "}");
    expect_row(&v, bare,
               "{\"cells\":[\"b\",0,0,false,\"\\u003cunknown\\u003e\"],\"object\":" PARTIAL(
                   "{\"name\":\"b\",\"resourceVersion\":\"7\"}") "}");
    v = view_of(&res, INCLUDE_NONE);
    expect_row(&v, bare, "{\"cells\":[\"b\",0,0,false,\"\\u003cunknown\\u003e\"],\"object\":null}");
    v = view_of(&res, INCLUDE_OBJECT);
    expect_row(&v, bare,
               "{\"cells\":[\"b\",0,0,false,\"\\u003cunknown\\u003e\"],\"object\":{\"kind\":"
               "\"ConfigMap\",\"apiVersion\":\"v1\",\"metadata\":{\"name\":\"b\","
               "\"resourceVersion\":\"7\"}}}");
    (void)object_unref(o);
    (void)object_unref(bare);
}

static void test_kind_without_columns(void **state)
{
    struct resource res = res_core_configmaps;
    struct view v;
    struct object *o;
    auto_buf out = {0};

    (void)state;
    res.columns = NULL;
    res.n_columns = 0;
    v = view_of(&res, INCLUDE_NONE);
    o = make(&res, "{\"metadata\":{\"name\":\"a\",\"creationTimestamp\":\"2025-12-31T23:00:00Z\"}"
                   "}");
    table_single(&v, o, false, &out);
    assert_str_equal(buf_view(&out),
                     "{\"kind\":\"Table\",\"apiVersion\":\"meta.k8s.io/v1\",\"metadata\":"
                     "{\"resourceVersion\":\"7\"},\"columnDefinitions\":null,\"rows\":[{\"cells\":"
                     "[\"a\",\"2025-12-31T23:00:00Z\"],\"object\":null}]}");
    (void)object_unref(o);
}

static void test_over_http(void **state)
{
    static const char *const accept[] = {
        "accept", "application/json;as=Table;v=v1;g=meta.k8s.io,application/json", NULL};
    struct rig *r = rig_new();
    struct http_exchange *x;
    const char *body;

    (void)state;
    rig_put(r, &res_core_configmaps, "{\"metadata\":{\"name\":\"a\",\"namespace\":\"n\"}}");
    rig_put(r, &res_core_configmaps, "{\"metadata\":{\"name\":\"b\",\"namespace\":\"n\"}}");
    x = rig_get(r, "/api/v1/configmaps?includeObject=None", accept);
    body = rig_pull(x);
    assert_string_equal(x->type, "application/json");
    assert_non_null(strstr(body, "{\"kind\":\"Table\",\"apiVersion\":\"meta.k8s.io/v1\",\"metadat"
                                 "a\":"
                                 "{\"resourceVersion\":\"3\"},\"columnDefinitions\":[{\"name\":"
                                 "\"Name\",\"type\":\"string\",\"format\":\"name\","));
    assert_non_null(strstr(body, "\"rows\":[{\"cells\":[\"a\","));
    assert_non_null(strstr(body, "\"object\":null},{\"cells\":[\"b\","));
    rig_close(x);
    x = rig_get(r, "/api/v1/namespaces/n/configmaps/a", accept);
    body = rig_pull(x);
    assert_non_null(strstr(body, "\"metadata\":{\"resourceVersion\":\"2\"}"));
    assert_non_null(strstr(body, "\"rows\":[{\"cells\":[\"a\","));
    rig_close(x);
    x = rig_get(r, "/api/v1/configmaps?includeObject=All", accept);
    assert_int_equal(x->status, 422);
    rig_close(x);
    rig_free(r);
}

static void test_json_member(void **state)
{
    (void)state;
    assert_str_equal(json_member(STR("{\"a\":{\"x\":\"}\\\"\"},\"b\":[1,{\"c\":2}],\"d\":3}"), "a"),
                     "{\"x\":\"}\\\"\"}");
    assert_str_equal(json_member(STR("{\"a\":1,\"b\":[1,{\"c\":2}],\"d\":3}"), "b"), "[1,"
                                     "{\"c\":2}]");
    assert_str_equal(json_member(STR("{ \"a\" : 1 , \"d\" : 3 }"), "d"), "3");
    assert_null(json_member(STR("{\"a\":{\"d\":1}}"), "d").p);
    assert_null(json_member(STR("{}"), "d").p);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_head),
        cmocka_unit_test(test_rows),
        cmocka_unit_test(test_kind_without_columns),
        cmocka_unit_test(test_over_http),
        cmocka_unit_test(test_json_member),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
