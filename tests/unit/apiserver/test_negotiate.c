/* Accept and Content-Type, and what is answered when they cannot be served. */
#include "server.h"

struct want {
    const char *accept;
    enum media media;
    enum transform form;
    bool pretty;
};
static const struct want cases[] = {
    {NULL, MEDIA_JSON, AS_OBJECT, false},
    {"", MEDIA_JSON, AS_OBJECT, false},
    {"*/*", MEDIA_JSON, AS_OBJECT, false},
    {"application/*", MEDIA_JSON, AS_OBJECT, false},
    {"application/yaml", MEDIA_YAML, AS_OBJECT, false},
    {"application/json;pretty=1", MEDIA_JSON, AS_OBJECT, true},
    {"application/vnd.kubernetes.protobuf, application/json", MEDIA_PROTOBUF, AS_OBJECT, false},
    {"application/json;q=0.5,application/yaml;q=0.9", MEDIA_YAML, AS_OBJECT, false},
    {"text/html, application/xml;q=0.9, */*;q=0.8", MEDIA_JSON, AS_OBJECT, false},
    {"application/json;as=Table;v=v1;g=meta.k8s.io,application/json", MEDIA_JSON, AS_TABLE, false},
    {"application/json;as=Table;v=v9;g=meta.k8s.io,application/json", MEDIA_JSON, AS_OBJECT, false},
    {"application/vnd.kubernetes.protobuf;as=Table;g=meta.k8s.io;v=v1,application/json", MEDIA_JSON,
     AS_OBJECT, false},
    {"application/vnd.kubernetes.protobuf;as=PartialObjectMetadata;g=meta.k8s.io;v=v1",
     MEDIA_PROTOBUF, AS_PARTIAL, false},
    {"application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1", MEDIA_JSON, AS_PARTIAL,
     false},
    {"application/json; as = Table ; v=\"v1\"; g=meta.k8s.io", MEDIA_JSON, AS_TABLE, false},
};

static void test_accept(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        auto_arena a = {0};
        struct http_header h = {STR("accept"), str_from(cases[i].accept)};
        struct http_request head = {.headers = &h, .n_headers = cases[i].accept ? 1 : 0};
        struct request rq = {.arena = &a, .head = &head, .is_resource = true, .verb = VERB_GET};

        assert_int_equal(stage_negotiate(&rq), STAGE_NEXT);
        assert_int_equal(rq.out_media, cases[i].media);
        assert_int_equal(rq.as_form, cases[i].form);
        assert_int_equal(rq.pretty, cases[i].pretty);
        assert_int_equal(rq.table_include, INCLUDE_METADATA);
    }
}

static void test_pretty_for_people(void **state)
{
    static const struct {
        const char *agent, *param;
        bool pretty;
    } agents[] = {{"curl/8", NULL, true},          {"Wget/1", NULL, true},
                  {"Mozilla/5.0 x", NULL, true},   {"kubectl/v1.36", NULL, false},
                  {"kubectl/v1.36", "true", true}, {"curl/8", "false", false}};

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(agents); i++) {
        auto_arena a = {0};
        struct http_header h = {STR("user-agent"), str_from(agents[i].agent)};
        struct http_header param = {STR("pretty"), str_from(agents[i].param)};
        struct http_request head = {.headers = &h, .n_headers = 1};
        struct request rq = {.arena = &a,
                             .head = &head,
                             .is_resource = true,
                             .verb = VERB_GET,
                             .params = &param,
                             .n_params = agents[i].param ? 1 : 0};

        assert_int_equal(stage_negotiate(&rq), STAGE_NEXT);
        assert_int_equal(rq.pretty, agents[i].pretty);
    }
}

static void test_gzip(void **state)
{
    static const struct {
        const char *value;
        bool gzip;
    } values[] = {
        {"gzip", true}, {"br, gzip;q=0.5", true}, {"gzip;q=0", false}, {"deflate", false}};

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(values); i++) {
        struct http_header h = {STR("accept-encoding"), str_from(values[i].value)};
        struct http_request head = {.headers = &h, .n_headers = 1};
        struct request rq = {.head = &head};

        assert_int_equal(negotiate_gzip(&rq), values[i].gzip);
    }
}

static void test_refusals(void **state)
{
    static const struct {
        struct call call;
        int status;
        const char *message;
    } refused[] = {
        {{.method = "GET", .target = "/api/v1/pods", .accept = "text/html"},
         406,
         "only the following media types are accepted: application/json, application/yaml, "
         "application/vnd.kubernetes.protobuf"},
        {{.method = "GET", .target = "/api/v1/pods?watch=1", .accept = "application/yaml"},
         406,
         "only the following media types are accepted: application/json, "
         "application/vnd.kubernetes.protobuf"},
        {{.method = "POST",
          .target = "/api/v1/namespaces/default/pods",
          .type = "text/plain",
          .body = "x"},
         415,
         "the body of the request was in an unknown format - accepted media types include: "
         "application/json, application/yaml, application/vnd.kubernetes.protobuf"},
        {{.method = "GET",
          .target = "/api/v1/pods?includeObject=All",
          .accept = "application/json;as=Table;g=meta.k8s.io;v=v1"},
         422,
         "TableOptions.meta.k8s.io \"\" is invalid: includeObject: Unsupported value: \"All\": "
         "supported values: \"\", \"Metadata\", \"None\", \"Object\""},
    };
    struct server s;

    (void)state;
    server_start(&s);
    for (size_t i = 0; i < ARRAY_LEN(refused); i++) {
        struct reply *r = server_call(&s, &refused[i].call);

        assert_string_equal(reply_str(&s, r, "message"), refused[i].message);
        assert_int_equal(r->status, refused[i].status);
    }
    server_stop(&s);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_accept),
        cmocka_unit_test(test_pretty_for_people),
        cmocka_unit_test(test_gzip),
        cmocka_unit_test(test_refusals),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
