/* The Status of every error, byte for byte as upstream sends it. */
#include "server.h"

#define CM "/api/v1/namespaces/default/configmaps"

static struct server *running(void **state)
{
    return *state;
}

static int setup(void **state)
{
    struct server *s = xnew(struct server);

    server_start(s);
    *state = s;
    return 0;
}

static int teardown(void **state)
{
    server_stop(*state);
    free(*state);
    return 0;
}

static void test_not_found(void **state)
{
    struct server *s = running(state);

    assert_reply(
        server_get(s, CM "/absent"), 404,
        "{\"kind\":\"Status\",\"apiVersion\":\"v1\",\"metadata\":{},\"status\":\"Failure\","
        "\"message\":\"configmaps \\\"absent\\\" not found\",\"reason\":\"NotFound\","
        "\"details\":{\"name\":\"absent\",\"kind\":\"configmaps\"},\"code\":404}\n");
    assert_reply(
        server_delete(s, "/apis/apps/v1/namespaces/default/deployments/absent"), 404,
        "{\"kind\":\"Status\",\"apiVersion\":\"v1\",\"metadata\":{},\"status\":\"Failure\","
        "\"message\":\"deployments.apps \\\"absent\\\" not found\",\"reason\":\"NotFound\","
        "\"details\":{\"name\":\"absent\",\"group\":\"apps\",\"kind\":\"deployments\"},"
        "\"code\":404}\n");
}

static void test_unrouted(void **state)
{
    struct server *s = running(state);
    struct reply *r;

    assert_reply(
        server_get(s, "/api/v1/namespaces/default/nothings"), 404,
        "{\"kind\":\"Status\",\"apiVersion\":\"v1\",\"metadata\":{},\"status\":\"Failure\","
        "\"message\":\"the server could not find the requested resource\","
        "\"reason\":\"NotFound\",\"details\":{},\"code\":404}\n");
    r = server_get(s, "/apis/no.such/v1/things/x");
    assert_reply(r, 404, "404 page not found\n");
    assert_str_equal(r->type, "text/plain; charset=utf-8");
    assert_reply(server_get(s, "/nowhere"), 404, "404 page not found\n");
    assert_reply(
        server_post(s, "/api/v1/configmaps", "{}"), 405,
        "{\"kind\":\"Status\",\"apiVersion\":\"v1\",\"metadata\":{},\"status\":\"Failure\","
        "\"message\":\"the server does not allow this method on the requested resource\","
        "\"reason\":\"MethodNotAllowed\",\"details\":{},\"code\":405}\n");
    assert_int_equal(server_call(s, &(struct call){.method = "OPTIONS", .target = CM})->status,
                     405);
}

static void test_already_exists_and_conflict(void **state)
{
    struct server *s = running(state);

    assert_int_equal(server_post(s, CM, "{\"metadata\":{\"name\":\"one\"}}")->status, 201);
    assert_reply(
        server_post(s, CM, "{\"metadata\":{\"name\":\"one\"}}"), 409,
        "{\"kind\":\"Status\",\"apiVersion\":\"v1\",\"metadata\":{},\"status\":\"Failure\","
        "\"message\":\"configmaps \\\"one\\\" already exists\","
        "\"reason\":\"AlreadyExists\","
        "\"details\":{\"name\":\"one\",\"kind\":\"configmaps\"},\"code\":409}\n");
    assert_reply(
        server_put(s, CM "/one",
                   "{\"metadata\":{\"name\":\"one\",\"resourceVersion\":\"999999\"}}"),
        409,
        "{\"kind\":\"Status\",\"apiVersion\":\"v1\",\"metadata\":{},\"status\":\"Failure\","
        "\"message\":\"Operation cannot be fulfilled on configmaps \\\"one\\\": the object "
        "has been modified; please apply your changes to the latest version and try "
        "again\",\"reason\":\"Conflict\","
        "\"details\":{\"name\":\"one\",\"kind\":\"configmaps\"},\"code\":409}\n");
    assert_reply(
        server_put(s, CM "/two", "{\"metadata\":{\"name\":\"two\",\"uid\":\"x\"}}"), 404,
        "{\"kind\":\"Status\",\"apiVersion\":\"v1\",\"metadata\":{},\"status\":\"Failure\","
        "\"message\":\"configmaps \\\"two\\\" not found\",\"reason\":\"NotFound\","
        "\"details\":{\"name\":\"two\",\"kind\":\"configmaps\"},\"code\":404}\n");
}

static void test_invalid(void **state)
{
    struct server *s = running(state);

    assert_reply(
        server_post(s, CM, "{\"metadata\":{\"name\":\"a_b\"}}"), 422,
        "{\"kind\":\"Status\",\"apiVersion\":\"v1\",\"metadata\":{},\"status\":\"Failure\","
        "\"message\":\"ConfigMap \\\"a_b\\\" is invalid: metadata.name: Invalid value: "
        "\\\"a_b\\\": "
        "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' "
        "or '.', and must start and end with an alphanumeric character (e.g. 'example.com', "
        "regex used for validation is "
        "'[a-z0-9]([-a-z0-9]*[a-z0-9])?(\\\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*')\","
        "\"reason\":\"Invalid\",\"details\":{\"name\":\"a_b\",\"kind\":\"ConfigMap\",\"causes\":["
        "{\"reason\":\"FieldValueInvalid\",\"message\":\"Invalid value: \\\"a_b\\\": a lowercase "
        "RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', and "
        "must start and end with an alphanumeric character (e.g. 'example.com', regex used for "
        "validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?(\\\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*')\","
        "\"field\":\"metadata.name\"}]},\"code\":422}\n");
    assert_reply(
        server_post(s, CM, "{}"), 422,
        "{\"kind\":\"Status\",\"apiVersion\":\"v1\",\"metadata\":{},\"status\":\"Failure\","
        "\"message\":\"ConfigMap \\\"\\\" is invalid: metadata.name: Required value: name or "
        "generateName is required\",\"reason\":\"Invalid\",\"details\":{\"kind\":\"ConfigMap\","
        "\"causes\":[{\"reason\":\"FieldValueRequired\",\"message\":\"Required value: name or "
        "generateName is required\",\"field\":\"metadata.name\"}]},\"code\":422}\n");
}

static void test_bad_requests(void **state)
{
    static const struct {
        const char *body, *message;
    } cases[] = {
        {"", "the object provided is unrecognized (must be of type ConfigMap): couldn't get "
             "version/kind; json parse error: unexpected end of JSON input (<empty>)"},
        {"{\"kind\":\"Service\",\"apiVersion\":\"v1\"}",
         "Service in version \"v1\" cannot be handled as a ConfigMap: converting (v1.Service) to "
         "(core.ConfigMap): unknown conversion"},
        {"{\"kind\":\"Nothing\",\"apiVersion\":\"v1\"}",
         "Nothing in version \"v1\" cannot be handled as a ConfigMap: no kind \"Nothing\" is "
         "registered for version \"v1\" in scheme \"pkg/api/legacyscheme/scheme.go:30\""},
        {"{\"metadata\":{\"name\":\"x\",\"namespace\":\"other\"}}",
         "the namespace of the provided object does not match the namespace sent on the request"},
        {"{\"metadata\":{\"name\":\"x\"},\"data\":{\"a\":1}}",
         "ConfigMap in version \"v1\" cannot be handled as a ConfigMap: json: cannot unmarshal "
         "number into Go struct field ConfigMap.data of type string"},
    };
    struct server *s = running(state);

    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct reply *r = server_post(s, CM, cases[i].body);

        assert_string_equal(reply_str(s, r, "message"), cases[i].message);
        assert_string_equal(reply_str(s, r, "reason"), "BadRequest");
        assert_int_equal(reply_int(s, r, "code"), 400);
        assert_int_equal(r->status, 400);
    }
}

static void test_resource_version_on_create(void **state)
{
    assert_reply(
        server_post(running(state), CM,
                    "{\"metadata\":{\"name\":\"rv\",\"resourceVersion\":\"5\"}}"),
        500,
        "{\"kind\":\"Status\",\"apiVersion\":\"v1\",\"metadata\":{},\"status\":\"Failure\","
        "\"message\":\"resourceVersion should not be set on objects to be created\","
        "\"code\":500}\n");
}

static void test_success_of_delete(void **state)
{
    struct server *s = running(state);
    struct reply *r = server_post(s, CM, "{\"metadata\":{\"name\":\"gone\"}}");
    const char *uid = reply_str(s, r, "metadata.uid");
    char *want = arena_printf(&s->arena,
                              "{\"kind\":\"Status\",\"apiVersion\":\"v1\",\"metadata\":{},"
                              "\"status\":\"Success\",\"details\":{\"name\":\"gone\","
                              "\"kind\":\"configmaps\",\"uid\":\"%s\"}}\n",
                              uid);

    assert_reply(server_delete(s, CM "/gone"), 200, want);
}

static void test_headers(void **state)
{
    struct server *s = running(state);
    struct reply *r = server_get(s, CM);

    assert_str_equal(reply_header(r, "Cache-Control"), "no-cache, private");
    assert_int_equal(reply_header(r, "Audit-Id").len, 36);
    r = server_post(s, CM "?fieldValidation=Warn",
                    "{\"metadata\":{\"name\":\"warned\"},\"zip\":1}");
    assert_int_equal(r->status, 201);
    assert_str_equal(reply_header(r, "Warning"), "299 - \"unknown field \\\"zip\\\"\"");
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_not_found, setup, teardown),
        cmocka_unit_test_setup_teardown(test_unrouted, setup, teardown),
        cmocka_unit_test_setup_teardown(test_already_exists_and_conflict, setup, teardown),
        cmocka_unit_test_setup_teardown(test_invalid, setup, teardown),
        cmocka_unit_test_setup_teardown(test_bad_requests, setup, teardown),
        cmocka_unit_test_setup_teardown(test_resource_version_on_create, setup, teardown),
        cmocka_unit_test_setup_teardown(test_success_of_delete, setup, teardown),
        cmocka_unit_test_setup_teardown(test_headers, setup, teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
