/* test_authenticate.c - who a request comes from: certificates, tokens, nobody, impersonation. */
#include "apiserver/authn.h"
#include "server.h"

#define WHO "/apis/authentication.k8s.io/v1/selfsubjectreviews"

/* What the server takes the caller for, as JSON. */
static struct str who(struct server *s, struct call c)
{
    struct reply *r;
    struct doc d;

    c.method = "POST";
    c.target = WHO;
    c.type = "application/json";
    c.body = "{}";
    r = server_call(s, &c);
    if (r->status != 201)
        return str_printf(&s->arena, "%d %s", r->status, reply_str(s, r, "message"));
    d = reply_doc(s, r);
    return json_to_str(&s->arena, doc_path(&d, "status.userInfo"));
}

static void test_certificate_names_user_and_groups(void **state)
{
    static const struct str groups[] = {STR_INIT("dev"), STR_INIT("ops")};
    static const struct http_peer peer = {.has_cert = true,
                                          .common_name = STR_INIT("jane"),
                                          .organizations = groups,
                                          .n_organizations = 2,
                                          .sha256_hex = STR_INIT("ab12")};
    struct server s;

    server_start(&s);
    assert_str_equal(
        who(&s, (struct call){.peer = &peer}),
        "{\"username\":\"jane\",\"groups\":[\"dev\",\"ops\",\"system:authenticated\"],"
        "\"extra\":{\"authentication.kubernetes.io/credential-id\":[\"X509SHA256=ab12\"]"
        "}}");
    server_stop(&s);
}

static void test_static_token(void **state)
{
    struct server s;

    server_start(&s);
    assert_str_equal(who(&s, (struct call){0}),
                     "{\"username\":\"admin\",\"uid\":\"1\",\"groups\":[\"system:masters\","
                     "\"system:authenticated\"]}");
    server_stop(&s);
}

static void test_token_file_lines(void **state)
{
    struct server s;
    struct err err = {0};
    const struct user_info *u;

    server_start(&s);
    assert_ok(authn_read_tokens(s.as->authn,
                                STR("# comment\n\nt1,joe,7,\"a,b\"\r\nt2,\"ann\"\"x\",8\n"), &err),
              &err);
    u = authn_static(s.as->authn, STR("t1"));
    assert_str_equal(u->name, "joe");
    assert_str_equal(u->uid, "7");
    assert_int_equal(u->groups.n, 3);
    assert_str_equal(u->groups.v[1], "b");
    u = authn_static(s.as->authn, STR("t2"));
    assert_str_equal(u->name, "ann\"x");
    assert_int_equal(u->groups.n, 1);
    assert_null(authn_static(s.as->authn, STR("t3")));
    assert_int_equal(authn_read_tokens(s.as->authn, STR("only\n"), &err), ERR_INVALID);
    assert_string_equal(err.msg, "token file: line 1 has no token or no user");
    server_stop(&s);
}

static void test_wrong_token_is_401_and_none_is_anonymous(void **state)
{
    struct server s;

    server_start(&s);
    assert_reply(
        server_call(&s, &(struct call){.method = "GET", .target = "/version", .bearer = "wrong"}),
        401,
        "{\"kind\":\"Status\",\"apiVersion\":\"v1\",\"metadata\":{},\"status\":\"Failure\","
        "\"message\":\"Unauthorized\",\"reason\":\"Unauthorized\",\"code\":401}\n");
    assert_int_equal(
        server_call(&s, &(struct call){.method = "GET", .target = "/version", .bearer = ""})
            ->status,
        200);
    assert_str_equal(who(&s, (struct call){.bearer = ""}),
                     "403 selfsubjectreviews.authentication.k8s.io is forbidden: User "
                     "\"system:anonymous\" cannot create resource \"selfsubjectreviews\" in API "
                     "group \"authentication.k8s.io\" at the cluster scope");
    server_stop(&s);
}

static void test_impersonation(void **state)
{
    struct server s;

    server_start(&s);
    assert_str_equal(who(&s, (struct call){.as_user = "jane", .as_groups = {"dev"}}),
                     "{\"username\":\"jane\",\"groups\":[\"dev\",\"system:authenticated\"]}");
    assert_str_equal(
        who(&s, (struct call){.as_user = "system:serviceaccount:default:default"}),
        "{\"username\":\"system:serviceaccount:default:default\",\"groups\":["
        "\"system:serviceaccounts\",\"system:serviceaccounts:default\",\"system:authenticated\"]}");
    assert_str_equal(who(&s, (struct call){.as_groups = {"dev"}}),
                     "400 requested impersonation headers without impersonating a user");
    /* Who may not impersonate is told so. */
    assert_str_equal(
        who(&s, (struct call){.bearer = "", .as_user = "jane"}),
        "403 users \"jane\" is forbidden: User \"system:anonymous\" cannot impersonate "
        "resource \"users\" in API group \"\" at the cluster scope");
    server_stop(&s);
}

static const char *token_for(struct server *s, const char *body)
{
    struct reply *r =
        server_post(s, "/api/v1/namespaces/default/serviceaccounts/default/token", body);

    assert_int_equal(r->status, 201);
    return reply_str(s, r, "status.token");
}

static void test_account_token_works_until_the_account_goes(void **state)
{
    struct server s;
    const char *token;
    struct str info;

    server_start(&s);
    token = token_for(&s, "{}");
    info = who(&s, (struct call){.bearer = token});
    assert_true(
        str_has_prefix(info, STR("{\"username\":\"system:serviceaccount:default:default\"")));
    assert_true(
        str_find(info, STR("\"groups\":[\"system:serviceaccounts\","
                           "\"system:serviceaccounts:default\",\"system:authenticated\"]")) > 0);
    assert_true(str_find(info, STR("credential-id\":[\"JTI=")) > 0);
    assert_int_equal(
        server_delete(&s, "/api/v1/namespaces/default/serviceaccounts/default")->status, 200);
    assert_str_equal(who(&s, (struct call){.bearer = token}), "401 Unauthorized");
    /* Another account of that name is another account. */
    assert_int_equal(server_post(&s, "/api/v1/namespaces/default/serviceaccounts",
                                 "{\"metadata\":{\"name\":\"default\"}}")
                         ->status,
                     201);
    assert_str_equal(who(&s, (struct call){.bearer = token}), "401 Unauthorized");
    server_stop(&s);
}

static void test_account_token_expires(void **state)
{
    struct server s;
    const char *token;

    server_start(&s);
    token = token_for(&s, "{\"spec\":{\"expirationSeconds\":600}}");
    sim_run_for(s.sim, 598 * 1000);
    assert_true(str_has_prefix(who(&s, (struct call){.bearer = token}), STR("{")));
    sim_run_for(s.sim, 3 * 1000);
    assert_str_equal(who(&s, (struct call){.bearer = token}), "401 Unauthorized");
    server_stop(&s);
}

static void test_token_of_a_pod_ends_with_it(void **state)
{
    struct server s;
    const char *token;
    struct reply *r;
    struct str info;

    server_start(&s);
    assert_int_equal(server_post(&s, "/api/v1/namespaces/default/pods",
                                 "{\"metadata\":{\"name\":\"p\"},\"spec\":{\"containers\":["
                                 "{\"name\":\"c\",\"image\":\"i\"}]}}")
                         ->status,
                     201);
    r = server_post(&s, "/api/v1/namespaces/default/serviceaccounts/default/token",
                    "{\"spec\":{\"boundObjectRef\":{\"kind\":\"Pod\",\"apiVersion\":\"v1\","
                    "\"name\":\"none\"}}}");
    assert_int_equal(r->status, 404);
    token = token_for(&s, "{\"spec\":{\"boundObjectRef\":{\"kind\":\"Pod\",\"apiVersion\":\"v1\","
                          "\"name\":\"p\"}}}");
    info = who(&s, (struct call){.bearer = token});
    assert_true(str_find(info, STR("authentication.kubernetes.io/pod-name\":[\"p\"]")) > 0);
    assert_int_equal(server_delete(&s, "/api/v1/namespaces/default/pods/p")->status, 200);
    assert_str_equal(who(&s, (struct call){.bearer = token}), "401 Unauthorized");
    server_stop(&s);
}

static void test_token_request_limits(void **state)
{
    struct server s;
    struct reply *r;

    server_start(&s);
    r = server_post(&s, "/api/v1/namespaces/default/serviceaccounts/default/token",
                    "{\"spec\":{\"expirationSeconds\":599}}");
    assert_int_equal(r->status, 422);
    assert_string_equal(reply_str(&s, r, "message"),
                        "TokenRequest.authentication.k8s.io \"\" is invalid: "
                        "spec.expirationSeconds: Invalid value: 599: may not specify a duration "
                        "less than 10 minutes");
    r = server_post(&s, "/api/v1/namespaces/default/serviceaccounts/none/token", "{}");
    assert_string_equal(reply_str(&s, r, "message"), "serviceaccounts \"none\" not found");
    server_stop(&s);
}

static void test_token_review(void **state)
{
    struct server s;
    struct reply *r;
    const char *token;

    server_start(&s);
    token = token_for(&s, "{\"spec\":{\"audiences\":[\"vault\"]}}");
    /* Not meant for the API server: no identity here, but for whom it is meant. */
    assert_str_equal(who(&s, (struct call){.bearer = token}), "401 Unauthorized");
    r = server_post(&s, "/apis/authentication.k8s.io/v1/tokenreviews",
                    arena_printf(&s.arena,
                                 "{\"spec\":{\"token\":\"%s\",\"audiences\":[\"vault\",\"x\"]}}",
                                 token));
    assert_int_equal(r->status, 201);
    assert_string_equal(reply_str(&s, r, "status.user.username"),
                        "system:serviceaccount:default:default");
    r = server_post(&s, "/apis/authentication.k8s.io/v1/tokenreviews",
                    arena_printf(&s.arena, "{\"spec\":{\"token\":\"%s\"}}", token));
    assert_string_equal(reply_str(&s, r, "status.error"),
                        "token audiences are invalid for this server");
    server_stop(&s);
}

static void test_claims_are_checked(void **state)
{
    static const struct {
        const char *claims, *error;
    } cases[] = {
        {"no json", "the token's claims are no JSON object"},
        {"{\"iss\":\"else\"}", "the token is of another issuer"},
        {"{\"iss\":\"https://kubernetes.default.svc.cluster.local\"}",
         "the token names no service account"},
        {"{\"iss\":\"https://kubernetes.default.svc.cluster.local\",\"exp\":50,\"kubernetes.io\":{"
         "\"namespace\":\"default\",\"serviceaccount\":{\"name\":\"a\",\"uid\":\"u\"}}}",
         "service account token has expired"},
        {"{\"iss\":\"https://kubernetes.default.svc.cluster.local\",\"exp\":500,\"nbf\":200,"
         "\"kubernetes.io\":{\"namespace\":\"default\",\"serviceaccount\":{\"name\":\"a\","
         "\"uid\":\"u\"}}}",
         "service account token is not valid yet"},
        {"{\"iss\":\"https://kubernetes.default.svc.cluster.local\",\"exp\":500,\"kubernetes.io\":{"
         "\"namespace\":\"default\",\"serviceaccount\":{\"name\":\"a\",\"uid\":\"u\"}}}",
         "token audiences are invalid for this server"},
        {"{\"iss\":\"https://kubernetes.default.svc.cluster.local\",\"exp\":500,\"aud\":["
         "\"https://kubernetes.default.svc.cluster.local\"],\"kubernetes.io\":{"
         "\"namespace\":\"default\",\"serviceaccount\":{\"name\":\"a\",\"uid\":\"u\"}}}",
         "serviceaccount \"a\" not found"},
    };
    struct server s;

    server_start(&s);
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct user_info u;
        struct err err = {0};

        assert_int_equal(
            authn_account(s.as, &s.arena, str_from(cases[i].claims), NULL, 100, &u, NULL, &err),
            ERR_UNAUTHORIZED);
        assert_string_equal(err.msg, cases[i].error);
    }
    server_stop(&s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_certificate_names_user_and_groups),
        cmocka_unit_test(test_static_token),
        cmocka_unit_test(test_token_file_lines),
        cmocka_unit_test(test_wrong_token_is_401_and_none_is_anonymous),
        cmocka_unit_test(test_impersonation),
        cmocka_unit_test(test_account_token_works_until_the_account_goes),
        cmocka_unit_test(test_account_token_expires),
        cmocka_unit_test(test_token_of_a_pod_ends_with_it),
        cmocka_unit_test(test_token_request_limits),
        cmocka_unit_test(test_token_review),
        cmocka_unit_test(test_claims_are_checked),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
