/* Lists: which objects, which snapshot, in chunks, with selectors, in every form. */
#include "codec/base64.h"
#include "read_rig.h"
#include "schema/typed.h"
#include <zlib.h>

#define ITEM(name, rv) \
    "{\"metadata\":{\"name\":\"" name "\",\"namespace\":\"ns1\",\"resourceVersion\":\"" rv "\"}}"
#define LIST(meta, items) \
    "{\"kind\":\"ConfigMapList\",\"apiVersion\":\"v1\",\"metadata\":{" meta "},\"items\":" \
    "[" items "]}\n"
#define NS1 "/api/v1/namespaces/ns1/configmaps"

static struct rig *r;

static int64_t put(const char *name, const char *ns, const char *labels)
{
    auto_arena a = {0};

    return rig_put(r, &res_core_configmaps,
                   arena_printf(&a, "{\"metadata\":{\"name\":\"%s\",\"namespace\":\"%s\"%s%s%s}}",
                                name, ns, labels ? ",\"labels\":{" : "", labels ? labels : "",
                                labels ? "}" : ""));
}

static int setup(void **state)
{
    (void)state;
    r = rig_new();
    return 0;
}

static int setup_three(void **state) /* a, b, c in ns1 at 2, 3, 4 and x in ns2 at 5 */
{
    setup(state);
    put("a", "ns1", NULL);
    put("b", "ns1", NULL);
    put("c", "ns1", NULL);
    put("x", "ns2", NULL);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    rig_free(r);
    return 0;
}

/* The value of metadata.continue in @body, in @a. */
static struct str token_of(const char *body, struct arena *a)
{
    struct err err = {0};
    struct doc doc;

    assert_ok(json_parse(str_dup(a, str_from(body)), a, &doc, NULL, &err), &err);
    return doc_path_str(&doc, "metadata.continue");
}

static void test_empty(void **state)
{
    (void)state;
    rig_expect(r, NS1, NULL, 200, LIST("\"resourceVersion\":\"1\"", ""));
}

static void test_namespace_and_all(void **state)
{
    (void)state;
    rig_expect(r, NS1, NULL, 200,
               LIST("\"resourceVersion\":\"5\"",
                    ITEM("a", "2") "," ITEM("b", "3") "," ITEM("c", "4")));
    rig_expect(r, "/api/v1/configmaps", NULL, 200,
               LIST("\"resourceVersion\":\"5\"",
                    ITEM("a", "2") "," ITEM("b", "3") "," ITEM("c", "4") ","
                    "{\"metadata\":{\"name\":\"x\",\"namespace\":\"ns2\","
                    "\"resourceVersion\":\"5\"}}"));
    /* The namespace is a whole path segment. */
    rig_expect(r, "/api/v1/namespaces/ns/configmaps", NULL, 200,
               LIST("\"resourceVersion\":\"5\"", ""));
}

static void test_small_reads(void **state)
{
    struct http_exchange *x;

    (void)state;
    x = rig_get(r, NS1, NULL);
    x->step = 1;
    assert_string_equal(rig_pull(x), LIST("\"resourceVersion\":\"5\"",
                                          ITEM("a", "2") "," ITEM("b", "3") "," ITEM("c", "4")));
    rig_close(x);
}

static void test_chunks(void **state)
{
    auto_arena a = {0};
    struct http_exchange *x;
    struct str token, json;
    struct err err = {0};
    const char *body;

    (void)state;
    x = rig_get(r, NS1 "?limit=2", NULL);
    body = rig_pull(x);
    token = token_of(body, &a);
    assert_ok(base64url_decode(token, &a, &json, &err), &err);
    assert_str_equal(json, "{\"v\":\"meta.k8s.io/v1\",\"rv\":5,\"start\":\"b\\u0000\"}");
    assert_string_equal(
        body, arena_printf(&a, LIST("\"resourceVersion\":\"5\",\"continue\":\"%.*s\","
                                    "\"remainingItemCount\":1",
                                    ITEM("a", "2") "," ITEM("b", "3")), STR_ARG(token)));
    rig_close(x);
    /* What comes later, and what changes, is not in the rest. */
    put("b2", "ns1", NULL);
    put("c", "ns1", NULL);
    rig_expect(r, arena_printf(&a, NS1 "?limit=2&continue=%.*s", STR_ARG(token)), NULL, 200,
               LIST("\"resourceVersion\":\"5\"", ITEM("c", "4")));
    /* Across namespaces the token holds the namespace too. */
    x = rig_get(r, "/api/v1/configmaps?limit=1&resourceVersionMatch=Exact&resourceVersion=5", NULL);
    token = token_of(rig_pull(x), &a);
    assert_ok(base64url_decode(token, &a, &json, &err), &err);
    assert_str_equal(json, "{\"v\":\"meta.k8s.io/v1\",\"rv\":5,\"start\":\"ns1/a\\u0000\"}");
    rig_close(x);
}

static void test_limit_that_fits(void **state)
{
    (void)state;
    rig_expect(r, NS1 "?limit=3", NULL, 200,
               LIST("\"resourceVersion\":\"5\"",
                    ITEM("a", "2") "," ITEM("b", "3") "," ITEM("c", "4")));
    /* Version 0: all at once. */
    rig_expect(r, NS1 "?limit=1&resourceVersion=0", NULL, 200,
               LIST("\"resourceVersion\":\"5\"",
                    ITEM("a", "2") "," ITEM("b", "3") "," ITEM("c", "4")));
}

static void test_exact(void **state)
{
    (void)state;
    rig_remove(r, "/registry/configmaps/ns1/a");
    rig_expect(r, NS1 "?resourceVersion=3&resourceVersionMatch=Exact", NULL, 200,
               LIST("\"resourceVersion\":\"3\"", ITEM("a", "2") "," ITEM("b", "3")));
    rig_expect(r, NS1 "?resourceVersion=3&resourceVersionMatch=NotOlderThan", NULL, 200,
               LIST("\"resourceVersion\":\"6\"", ITEM("b", "3") "," ITEM("c", "4")));
    rig_expect(r, NS1 "?resourceVersion=3", NULL, 200,
               LIST("\"resourceVersion\":\"6\"", ITEM("b", "3") "," ITEM("c", "4")));
    /* With a limit and no match: exactly. */
    rig_expect(r, NS1 "?resourceVersion=2&limit=5", NULL, 200,
               LIST("\"resourceVersion\":\"2\"", ITEM("a", "2")));
}

#define STATUS(msg, reason, code)                                                    \
    "{\"kind\":\"Status\",\"apiVersion\":\"v1\",\"metadata\":{},\"status\":\"Failure\"," \
    "\"message\":\"" msg "\",\"reason\":\"" reason "\",\"code\":" code "}\n"

static void test_bad_tokens(void **state)
{
    static const struct {
        const char *json, *text;
    } bad[] = {
        {"{\"v\":\"v9\",\"rv\":5,\"start\":\"b\"}",
         "server does not recognize this encoded version \\\"v9\\\""},
        {"{\"v\":\"meta.k8s.io/v1\",\"start\":\"b\"}",
         "incorrect encoded start resourceVersion (version meta.k8s.io/v1)"},
        {"{\"v\":\"meta.k8s.io/v1\",\"rv\":5}",
         "encoded start key empty (version meta.k8s.io/v1)"},
        {"{\"v\":\"meta.k8s.io/v1\",\"rv\":5,\"start\":\"../secrets/ns1/a\"}", "../secrets/ns1/a"},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        auto_arena a = {0};
        auto_buf token = {0};

        base64url_write(&token, str_from(bad[i].json));
        rig_expect(r, arena_printf(&a, NS1 "?continue=%s", buf_cstr(&token)), NULL, 400,
                   arena_printf(&a, STATUS("invalid continue token: continue key is not valid: %s",
                                           "BadRequest", "400"),
                                bad[i].text));
    }
}

static void test_old_token(void **state)
{
    auto_arena a = {0};
    struct http_exchange *x;
    struct str token, again, json;
    struct err err = {0};

    (void)state;
    x = rig_get(r, NS1 "?limit=1", NULL);
    token = token_of(rig_pull(x), &a);
    rig_close(x);
    put("b", "ns1", NULL);
    sim_run_for(r->sim, 3600 * 1000); /* the journal forgets */
    put("d", "ns1", NULL);
    x = rig_get(r, arena_printf(&a, NS1 "?limit=1&continue=%.*s", STR_ARG(token)), NULL);
    again = token_of(rig_pull(x), &a);
    assert_int_equal(x->status, 410);
    assert_non_null(strstr(rig_pull(x), "\"reason\":\"Expired\""));
    assert_ok(base64url_decode(again, &a, &json, &err), &err);
    assert_str_equal(json, "{\"v\":\"meta.k8s.io/v1\",\"rv\":-1,\"start\":\"a\\u0000\"}");
    rig_close(x);
    rig_expect(r, arena_printf(&a, NS1 "?continue=%.*s", STR_ARG(again)), NULL, 200,
               LIST("\"resourceVersion\":\"7\"",
                    ITEM("b", "6") "," ITEM("c", "4") "," ITEM("d", "7")));
    rig_expect(r, NS1 "?resourceVersion=2&resourceVersionMatch=Exact", NULL, 410,
               STATUS("The resourceVersion for the provided list is too old.", "Expired", "410"));
}

static void test_selectors(void **state)
{
    (void)state;
    put("a", "ns1", "\"app\":\"x\"");
    put("b", "ns1", "\"app\":\"y\"");
    put("c", "ns1", "\"app\":\"x\",\"tier\":\"1\"");
#define LABELED(name, rv, labels)                                                        \
    "{\"metadata\":{\"name\":\"" name "\",\"namespace\":\"ns1\",\"resourceVersion\":\"" rv \
    "\",\"labels\":{" labels "}}}"
    rig_expect(r, NS1 "?labelSelector=app%3Dx", NULL, 200,
               LIST("\"resourceVersion\":\"4\"", LABELED("a", "2", "\"app\":\"x\"") ","
                    LABELED("c", "4", "\"app\":\"x\",\"tier\":\"1\"")));
    rig_expect(r, NS1 "?labelSelector=app+in+(y)", NULL, 200,
               LIST("\"resourceVersion\":\"4\"", LABELED("b", "3", "\"app\":\"y\"")));
    rig_expect(r, NS1 "?labelSelector=nope", NULL, 200, LIST("\"resourceVersion\":\"4\"", ""));
    rig_expect(r, NS1 "?fieldSelector=metadata.name%3Db", NULL, 200,
               LIST("\"resourceVersion\":\"4\"", LABELED("b", "3", "\"app\":\"y\"")));
    rig_expect(r, NS1 "?fieldSelector=metadata.name%3Db&labelSelector=app%3Dx", NULL, 200,
               LIST("\"resourceVersion\":\"4\"", ""));
    rig_expect(r, NS1 "?fieldSelector=metadata.name%3Dzzz", NULL, 200,
               LIST("\"resourceVersion\":\"4\"", ""));
    rig_expect(r, "/api/v1/configmaps?fieldSelector=metadata.name%3Da", NULL, 200,
               LIST("\"resourceVersion\":\"4\"", LABELED("a", "2", "\"app\":\"x\"")));
}

static void test_chunk_of_selected_has_no_count(void **state)
{
    auto_arena a = {0};
    struct http_exchange *x;
    const char *body;

    (void)state;
    for (int i = 0; i < 6; i++)
        put(arena_printf(&a, "n%d", i), "ns1", i % 2 ? "\"odd\":\"1\"" : NULL);
    x = rig_get(r, NS1 "?labelSelector=odd&limit=2", NULL);
    body = rig_pull(x);
    assert_null(strstr(body, "remainingItemCount"));
    assert_non_null(token_of(body, &a).p);
    assert_null(strstr(body, "\"n5\""));
    rig_close(x);
}

static void test_partial_and_yaml(void **state)
{
    (void)state;
    rig_expect(r, NS1 "?fieldSelector=metadata.name%3Da",
               "application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1", 200,
               "{\"kind\":\"PartialObjectMetadataList\",\"apiVersion\":\"meta.k8s.io/v1\","
               "\"metadata\":{\"resourceVersion\":\"5\"},\"items\":[{\"kind\":"
               "\"PartialObjectMetadata\",\"apiVersion\":\"meta.k8s.io/v1\",\"metadata\":{\"name\":"
               "\"a\",\"namespace\":\"ns1\",\"resourceVersion\":\"2\"}}]}\n");
    rig_expect(r, NS1 "?fieldSelector=metadata.name%3Da", "application/yaml", 200,
               "apiVersion: v1\nitems:\n- metadata:\n    name: a\n    namespace: ns1\n"
               "    resourceVersion: \"2\"\nkind: ConfigMapList\nmetadata:\n"
               "  resourceVersion: \"5\"\n");
}

static void test_protobuf(void **state)
{
    static const char *const accept[] = {"accept", "application/vnd.kubernetes.protobuf", NULL};
    struct core_config_map_list list = {0};
    struct http_exchange *x;
    struct pb_envelope env;
    auto_arena a = {0};
    struct err err = {0};

    (void)state;
    x = rig_get(r, NS1 "?limit=2", accept);
    x->step = 5;
    (void)rig_pull(x);
    assert_string_equal(x->type, "application/vnd.kubernetes.protobuf");
    assert_ok(pb_envelope_open(buf_view(&x->body), &env, &err), &err);
    assert_str_equal(env.kind, "ConfigMapList");
    assert_ok(typed_from_pb(&type_core_config_map_list, env.raw, &a, &list, &err), &err);
    assert_int_equal(list.items.n, 2);
    assert_str_equal(list.items.v[1].metadata.name, "b");
    assert_str_equal(list.metadata.resource_version, "5");
    assert_int_equal(*list.metadata.remaining_item_count, 1);
    rig_close(x);
    x = rig_get(r, NS1, (const char *[]){"accept", "application/vnd.kubernetes.protobuf;"
                        "as=PartialObjectMetadataList;g=meta.k8s.io;v=v1", NULL});
    (void)rig_pull(x);
    assert_ok(pb_envelope_open(buf_view(&x->body), &env, &err), &err);
    assert_str_equal(env.kind, "PartialObjectMetadataList");
    assert_str_equal(env.api_version, "meta.k8s.io/v1");
    struct meta_partial_object_metadata_list partial = {0};
    assert_ok(typed_from_pb(&type_meta_partial_object_metadata_list, env.raw, &a, &partial, &err),
              &err);
    assert_int_equal(partial.items.n, 3);
    assert_str_equal(partial.items.v[2].metadata.name, "c");
    rig_close(x);
}

static void put_many(size_t n)
{
    for (size_t i = 0; i < n; i++) {
        auto_arena a = {0};

        rig_put(r, &res_core_configmaps,
                arena_printf(&a, "{\"metadata\":{\"name\":\"cm-%05zu\",\"namespace\":\"ns1\","
                                 "\"labels\":{\"app\":\"x\",\"n\":\"%zu\"}},\"data\":{\"k\":"
                                 "\"0123456789012345678901234567890123456789\"}}", i, i));
    }
}

static void test_gzip(void **state)
{
    static const char *const gzip[] = {"accept-encoding", "gzip", NULL};
    struct http_exchange *x, *plain;
    z_stream z = {0};
    char *encoding, *out;

    (void)state;
    put_many(1000);
    plain = rig_get(r, NS1, NULL);
    (void)rig_pull(plain);
    assert_true(plain->body.len > 128 * 1024);
    x = rig_get(r, NS1, gzip);
    x->step = 1000;
    (void)rig_pull(x);
    encoding = rig_header(x, "Content-Encoding");
    assert_string_equal(encoding, "gzip");
    free(encoding);
    out = xcalloc(1, plain->body.len + 1);
    assert_int_equal(inflateInit2(&z, MAX_WBITS + 16), Z_OK);
    z.next_in = (Bytef *)x->body.p;
    z.avail_in = (uInt)x->body.len;
    z.next_out = (Bytef *)out;
    z.avail_out = (uInt)plain->body.len;
    assert_int_equal(inflate(&z, Z_FINISH), Z_STREAM_END);
    assert_int_equal(z.total_out, plain->body.len);
    assert_memory_equal(out, plain->body.p, plain->body.len);
    inflateEnd(&z);
    free(out);
    rig_close(x);
    rig_close(plain);
    x = rig_get(r, NS1 "?limit=10", gzip); /* too small */
    assert_null(rig_header(x, "Content-Encoding"));
    rig_close(x);
}

static void test_peer_gone_amid(void **state)
{
    struct http_exchange *x;
    char part[10];

    (void)state;
    put_many(1000);
    x = rig_get(r, NS1, NULL);
    assert_int_equal(x->source.read(x->source.arg, part, sizeof(part)), 10);
    rig_close(x);
    assert_int_equal(atomic_load(&r->as->n_live), 0);
}

static void test_protobuf_in_turns(void **state)
{
    static const char *const accept[] = {"accept", "application/vnd.kubernetes.protobuf", NULL};
    struct core_config_map_list list = {0};
    struct http_exchange *x;
    struct pb_envelope env;
    auto_arena a = {0};
    struct err err = {0};

    (void)state;
    put_many(1000);
    x = rig_get(r, NS1, accept);
    (void)rig_pull(x);
    assert_ok(pb_envelope_open(buf_view(&x->body), &env, &err), &err);
    assert_ok(typed_from_pb(&type_core_config_map_list, env.raw, &a, &list, &err), &err);
    assert_int_equal(list.items.n, 1000);
    assert_str_equal(list.items.v[999].metadata.name, "cm-00999");
    rig_close(x);
}

static void test_selector_without_match_is_fast(void **state)
{
    const struct clock *c = clock_real();
    struct http_exchange *x;
    uint64_t best = UINT64_MAX;

    (void)state;
    put_many(10000);
    for (int i = 0; i < 5; i++) {
        uint64_t began;

        x = rig_get(r, NS1 "?labelSelector=app%3Dnone", NULL);
        rig_close(x);
        began = c->mono_ns(c);
        x = rig_get(r, NS1 "?labelSelector=app%3Dnone", NULL);
        (void)rig_pull(x);
        best = MIN(best, c->mono_ns(c) - began);
        rig_close(x);
    }
    print_message("no match among 10,000: %llu us\n", (unsigned long long)best / 1000);
    assert_true(best < 100 * 1000 * 1000); /* under a sanitizer, on a busy machine */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_empty, setup, teardown),
        cmocka_unit_test_setup_teardown(test_namespace_and_all, setup_three, teardown),
        cmocka_unit_test_setup_teardown(test_small_reads, setup_three, teardown),
        cmocka_unit_test_setup_teardown(test_chunks, setup_three, teardown),
        cmocka_unit_test_setup_teardown(test_limit_that_fits, setup_three, teardown),
        cmocka_unit_test_setup_teardown(test_exact, setup_three, teardown),
        cmocka_unit_test_setup_teardown(test_bad_tokens, setup, teardown),
        cmocka_unit_test_setup_teardown(test_old_token, setup_three, teardown),
        cmocka_unit_test_setup_teardown(test_selectors, setup, teardown),
        cmocka_unit_test_setup_teardown(test_chunk_of_selected_has_no_count, setup, teardown),
        cmocka_unit_test_setup_teardown(test_partial_and_yaml, setup_three, teardown),
        cmocka_unit_test_setup_teardown(test_protobuf, setup_three, teardown),
        cmocka_unit_test_setup_teardown(test_gzip, setup, teardown),
        cmocka_unit_test_setup_teardown(test_peer_gone_amid, setup, teardown),
        cmocka_unit_test_setup_teardown(test_protobuf_in_turns, setup, teardown),
        cmocka_unit_test_setup_teardown(test_selector_without_match_is_fast, setup, teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
