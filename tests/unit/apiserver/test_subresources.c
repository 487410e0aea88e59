/* Subresources that change one part of an object, and limits of the pipeline. */
#include "server.h"

#define PODS "/api/v1/namespaces/default/pods"
#define CSRS "/apis/certificates.k8s.io/v1/certificatesigningrequests"
#define CM   "/api/v1/namespaces/default/configmaps"

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

static void make_pod(struct server *s)
{
    assert_int_equal(server_post(s, PODS,
                                 "{\"metadata\":{\"name\":\"p\"},\"spec\":{\"containers\":["
                                 "{\"name\":\"c\",\"image\":\"i\"}]}}")
                         ->status,
                     201);
}

static void test_ephemeral_containers_are_only_added(void **state)
{
    struct server *s = *state;
    struct reply *r;

    make_pod(s);
    r = server_patch(s, PODS "/p/ephemeralcontainers", "strategic",
                     "{\"metadata\":{\"labels\":{\"l\":\"v\"}},\"spec\":{\"nodeName\":\"n\","
                     "\"ephemeralContainers\":[{\"name\":\"e\",\"image\":\"i\"}]}}");
    assert_int_equal(r->status, 200);
    assert_true(str_find(r->body, STR("\"ephemeralContainers\":[{\"name\":\"e\"")) > 0);
    assert_string_equal(reply_str(s, r, "spec.nodeName"), ""); /* not this subresource's */
    r = server_patch(s, PODS "/p/ephemeralcontainers", "merge",
                     "{\"spec\":{\"ephemeralContainers\":[]}}");
    assert_int_equal(r->status, 422);
    assert_string_equal(reply_str(s, r, "message"),
                        "Pod \"p\" is invalid: spec.ephemeralContainers: Forbidden: existing "
                        "ephemeral containers \"e\" may not be removed\n");
    r = server_patch(s, PODS "/p/ephemeralcontainers", "merge",
                     "{\"spec\":{\"ephemeralContainers\":[{\"name\":\"e\",\"image\":\"j\"}]}}");
    assert_int_equal(r->status, 422);
}

static void test_resize_changes_resources_only(void **state)
{
    struct server *s = *state;
    struct reply *r;

    make_pod(s);
    r = server_patch(s, PODS "/p/resize", "strategic",
                     "{\"spec\":{\"containers\":[{\"name\":\"c\",\"image\":\"other\","
                     "\"resources\":{\"requests\":{\"cpu\":\"250m\"}}}]}}");
    assert_int_equal(r->status, 200);
    assert_true(str_find(r->body, STR("\"requests\":{\"cpu\":\"250m\"}")) > 0);
    assert_true(str_find(r->body, STR("\"image\":\"i\"")) > 0);
}

/* A PEM block of a request, in base64, with an empty sequence in it. */
#define CSR                                                                                        \
    "LS0tLS1CRUdJTiBDRVJUSUZJQ0FURSBSRVFVRVNULS0tLS0KTUFBPQotLS0tLUVORCBDRVJUSUZJQ0FU"             \
    "RSBSRVFVRVNULS0tLS0K"

static void test_approval_is_final(void **state)
{
    struct server *s = *state;
    struct reply *r =
        server_post(s, CSRS,
                    "{\"metadata\":{\"name\":\"c\"},\"spec\":{\"request\":\"" CSR "\","
                    "\"signerName\":\"a.b/c\",\"usages\":[\"client auth\"]}}");

    assert_int_equal(r->status, 201);
    r = server_patch(s, CSRS "/c/approval", "merge",
                     "{\"status\":{\"certificate\":\"Yg==\",\"conditions\":[{\"type\":\"Approved\","
                     "\"status\":\"True\"},{\"type\":\"Failed\",\"status\":\"True\"}]}}");
    assert_int_equal(r->status, 200);
    assert_true(str_find(r->body, STR("\"type\":\"Approved\"")) > 0);
    assert_true(str_find(r->body, STR("\"type\":\"Failed\"")) > 0);
    assert_true(str_find(r->body, STR("certificate\":\"")) < 0);
    r = server_patch(s, CSRS "/c/approval", "merge", "{\"status\":{\"conditions\":[]}}");
    assert_int_equal(r->status, 422);
    assert_string_equal(reply_str(s, r, "message"),
                        "CertificateSigningRequest.certificates.k8s.io \"c\" is invalid: "
                        "[status.conditions: Forbidden: updates may not remove a condition of type "
                        "\"Approved\", status.conditions: Forbidden: updates may not remove a "
                        "condition of type \"Failed\"]");
}

static void test_unknown_subresources_are_not_found(void **state)
{
    struct server *s = *state;

    make_pod(s);
    assert_int_equal(server_get(s, PODS "/p/nothing")->status, 404);
    assert_int_equal(server_post(s, PODS "/p/status", "{}")->status, 405);
    assert_int_equal(server_get(s, PODS "/p/proxy")->status, 301); /* to its own "/" */
}

static void test_too_many_requests(void **state)
{
    struct server *s = *state;
    struct call make = {.method = "POST",
                        .target = CM,
                        .type = "application/json",
                        .body = "{\"metadata\":{\"generateName\":\"a\"}}",
                        .as_user = "joe", /* administrators are never refused */
                        .dont_wait = true};
    struct reply *r;

    atomic_store(&s->as->writing, s->as->opts.inflight_max / 2);
    r = server_call(s, &make);
    assert_int_equal(r->status, 429);
    assert_str_equal(r->body, "Too many requests, please try again later.\n");
    assert_str_equal(reply_header(r, "Retry-After"), "1");
    atomic_store(&s->as->writing, 0);
    r = server_call(s, &make);
    assert_int_equal(r->status, 403); /* it came further */
    sim_run_for(s->sim, 10);
    assert_int_equal(atomic_load(&s->as->writing), 0);
}

static void test_stopping_ends_watches_and_refuses(void **state)
{
    struct server *s = *state;
    struct reply *watch =
        server_call(s, &(struct call){.method = "GET", .target = CM "?watch=1", .dont_wait = true});
    struct reply *r;

    sim_run_for(s->sim, 10);
    assert_int_equal(watch->status, 200);
    assert_false(watch->ended);
    atomic_store(&s->as->stopping, true);
    r = server_get(s, CM);
    assert_int_equal(r->status, 429);
    assert_str_equal(r->body, "The apiserver is shutting down, please try again later.");
    atomic_store(&s->as->stopping, false);
    /* teardown stops the server, and fails when the watch lives on */
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    static const struct CMUnitTest tests[] = {
        T(test_ephemeral_containers_are_only_added),
        T(test_resize_changes_resources_only),
        T(test_approval_is_final),
        T(test_unknown_subresources_are_not_found),
        T(test_too_many_requests),
        T(test_stopping_ends_watches_and_refuses),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
