/* What is wrong with a query is said as upstream says it. */
#include "server.h"

#define PODS "/api/v1/namespaces/default/pods"
#define CM   "/api/v1/namespaces/default/configmaps"

static const struct {
    const char *method, *target;
    int status;
    const char *message;
} refused[] = {
    {"GET", PODS "?limit=abc", 400, "strconv.ParseInt: parsing \"abc\": invalid syntax"},
    {"GET", PODS "?resourceVersion=abc", 400,
     "invalid resource version: resourceVersion: Invalid value: \"abc\": strconv.ParseUint: "
     "parsing \"abc\": invalid syntax"},
    {"GET", PODS "?watch=1&resourceVersion=abc", 422,
     "pods \"\" is invalid: resourceVersion: Invalid value: \"abc\": strconv.ParseUint: parsing "
     "\"abc\": invalid syntax"},
    {"GET", PODS "?resourceVersionMatch=Exact", 422,
     "ListOptions.meta.k8s.io \"\" is invalid: resourceVersionMatch: Forbidden: "
     "resourceVersionMatch is forbidden unless resourceVersion is provided"},
    {"GET", PODS "?resourceVersionMatch=Exact&resourceVersion=0", 422,
     "ListOptions.meta.k8s.io \"\" is invalid: resourceVersionMatch: Forbidden: "
     "resourceVersionMatch \"exact\" is forbidden for resourceVersion \"0\""},
    {"GET", PODS "?resourceVersionMatch=Some&resourceVersion=1", 422,
     "ListOptions.meta.k8s.io \"\" is invalid: resourceVersionMatch: Unsupported value: \"Some\": "
     "supported values: \"\", \"Exact\", \"NotOlderThan\""},
    {"GET", PODS "?resourceVersionMatch=NotOlderThan&resourceVersion=1&continue=x", 422,
     "ListOptions.meta.k8s.io \"\" is invalid: resourceVersionMatch: Forbidden: "
     "resourceVersionMatch is forbidden when continue is provided"},
    {"GET", PODS "?sendInitialEvents=true", 422,
     "ListOptions.meta.k8s.io \"\" is invalid: sendInitialEvents: Forbidden: sendInitialEvents is "
     "forbidden for list"},
    {"GET", PODS "?watch=1&sendInitialEvents=true", 422,
     "ListOptions.meta.k8s.io \"\" is invalid: resourceVersionMatch: Forbidden: sendInitialEvents "
     "requires setting resourceVersionMatch to NotOlderThan"},
    {"GET", PODS "?watch=1&resourceVersionMatch=NotOlderThan&resourceVersion=1", 422,
     "ListOptions.meta.k8s.io \"\" is invalid: resourceVersionMatch: Forbidden: "
     "resourceVersionMatch is forbidden for watch unless sendInitialEvents is provided"},
    {"GET", PODS "?continue=x&resourceVersion=5", 400,
     "specifying resource version is not allowed when using continue"},
    {"GET", PODS "?timeout=soon", 400, "invalid timeout specified in the request URL"},
    {"POST", CM "?dryRun=Some", 422,
     "CreateOptions.meta.k8s.io \"\" is invalid: dryRun: Unsupported value: [\"Some\"]: supported "
     "values: \"All\""},
    {"POST", CM "?fieldValidation=Loose", 422,
     "CreateOptions.meta.k8s.io \"\" is invalid: fieldValidation: Unsupported value: \"Loose\": "
     "supported values: \"\", \"Ignore\", \"Strict\", \"Warn\""},
    {"PUT", CM "/x?fieldManager=a%0Ab", 422,
     "UpdateOptions.meta.k8s.io \"\" is invalid: fieldManager: Invalid value: \"a\\nb\": invalid "
     "character U+000A (at position 1)"},
    {"DELETE", CM "/x?gracePeriodSeconds=soon", 400,
     "strconv.ParseInt: parsing \"soon\": invalid syntax"},
    {"DELETE", CM "/x?orphanDependents=true&propagationPolicy=Orphan", 422,
     "DeleteOptions.meta.k8s.io \"\" is invalid: propagationPolicy: Invalid value: \"Orphan\": "
     "orphanDependents and deletionPropagation cannot be both set"},
    {"GET", PODS "/..", 400, "Name parameter invalid: \"..\": may not be '..'"},
    {"GET", PODS "/a%2525b", 400, "Name parameter invalid: \"a%25b\": may not contain '%'"},
};

static void test_refusals(void **state)
{
    struct server s;

    (void)state;
    server_start(&s);
    for (size_t i = 0; i < ARRAY_LEN(refused); i++) {
        struct reply *r = server_call(
            &s,
            &(struct call){.method = refused[i].method, .target = refused[i].target, .body = ""});

        assert_string_equal(reply_str(&s, r, "message"), refused[i].message);
        assert_int_equal(r->status, refused[i].status);
        assert_int_equal(reply_int(&s, r, "code"), refused[i].status);
    }
    server_stop(&s);
}

static void test_details_of_invalid_options(void **state)
{
    struct server s;

    (void)state;
    server_start(&s);
    assert_reply(
        server_get(&s, PODS "?sendInitialEvents=true"), 422,
        "{\"kind\":\"Status\",\"apiVersion\":\"v1\",\"metadata\":{},\"status\":\"Failure\","
        "\"message\":\"ListOptions.meta.k8s.io \\\"\\\" is invalid: sendInitialEvents: "
        "Forbidden: sendInitialEvents is forbidden for list\",\"reason\":\"Invalid\","
        "\"details\":{\"group\":\"meta.k8s.io\",\"kind\":\"ListOptions\",\"causes\":["
        "{\"reason\":\"FieldValueForbidden\",\"message\":\"Forbidden: sendInitialEvents is "
        "forbidden for list\",\"field\":\"sendInitialEvents\"}]},\"code\":422}\n");
    server_stop(&s);
}

/* A read of a state that is not there yet waits; the deadline ends it. */
static void test_timeout_of_a_request(void **state)
{
    struct server s;
    struct reply *r;

    (void)state;
    server_start(&s);
    r = server_get(&s, PODS "?resourceVersion=100000&timeout=500ms");
    assert_int_equal(r->status, 504);
    assert_string_equal(reply_str(&s, r, "message"),
                        "Timeout: request did not complete within the allotted timeout");
    assert_string_equal(reply_str(&s, r, "reason"), "Timeout");
    /* Clients send what comes with it once more, and a write may have been done. */
    assert_null(reply_header(r, "Retry-After").p);
    assert_int_equal(reply_int(&s, r, "details.retryAfterSeconds"), -1);
    sim_run_for(s.sim, 10000);
    assert_int_equal(atomic_load(&s.as->n_live), 0);
    server_stop(&s);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_refusals),
        cmocka_unit_test(test_details_of_invalid_options),
        cmocka_unit_test(test_timeout_of_a_request),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
