/* What stage_route() reads from method, path and query. */
#include "test.h"

#include "apiserver/stages.h"

struct want {
    const char *method, *path, *query;
    const char *verb, *group, *version, *plural, *ns, *name, *sub,
        *sub_path; /* NULL verb: a path */
};
static const struct want cases[] = {
    {"GET", "/api/v1/pods", "", "list", "", "v1", "pods", "", "", "", ""},
    {"GET", "/api/v1/pods", "watch=1", "watch", "", "v1", "pods", "", "", "", ""},
    {"GET", "/api/v1/pods", "watch", "watch", "", "v1", "pods", "", "", "", ""},
    {"GET", "/api/v1/pods", "watch=False", "list", "", "v1", "pods", "", "", "", ""},
    {"GET", "/api/v1/pods", "watch=0", "list", "", "v1", "pods", "", "", "", ""},
    {"GET", "/api/v1/pods/", "", "list", "", "v1", "pods", "", "", "", ""},
    {"GET", "/api/v1/namespaces/d/pods/p", "", "get", "", "v1", "pods", "d", "p", "", ""},
    {"HEAD", "/api/v1/namespaces/d/pods/p", "", "get", "", "v1", "pods", "d", "p", "", ""},
    {"POST", "/api/v1/namespaces/d/pods", "", "create", "", "v1", "pods", "d", "", "", ""},
    {"PUT", "/api/v1/namespaces/d/pods/p/status", "", "update", "", "v1", "pods", "d", "p",
     "status", ""},
    {"PATCH", "/apis/apps/v1/namespaces/d/deployments/x/scale", "", "patch", "apps", "v1",
     "deployments", "d", "x", "scale", ""},
    {"DELETE", "/apis/apps/v1/namespaces/d/deployments/x", "", "delete", "apps", "v1",
     "deployments", "d", "x", "", ""},
    {"DELETE", "/apis/apps/v1/namespaces/d/deployments", "", "deletecollection", "apps", "v1",
     "deployments", "d", "", "", ""},
    {"GET", "/api/v1/namespaces", "", "list", "", "v1", "namespaces", "", "", "", ""},
    {"GET", "/api/v1/namespaces/d", "", "get", "", "v1", "namespaces", "d", "d", "", ""},
    {"PUT", "/api/v1/namespaces/d/finalize", "", "update", "", "v1", "namespaces", "d", "d",
     "finalize", ""},
    {"PUT", "/api/v1/namespaces/d/status", "", "update", "", "v1", "namespaces", "d", "d", "status",
     ""},
    {"GET", "/api/v1/namespaces/d/pods/p/proxy/a/b", "", "get", "", "v1", "pods", "d", "p", "proxy",
     "a/b"},
    {"GET", "/api/v1/watch/namespaces/d/pods", "", "watch", "", "v1", "pods", "d", "", "", ""},
    {"GET", "/api/v1/watch/namespaces/d/pods/p", "", "watch", "", "v1", "pods", "d", "p", "", ""},
    {"GET", "/api/v1/pods", "fieldSelector=metadata.name%3Dx", "list", "", "v1", "pods", "", "x",
     "", ""},
    {"GET", "/api/v1/pods", "fieldSelector=a%3Db%2Cmetadata.name%3D%3Dx&watch=true", "watch", "",
     "v1", "pods", "", "x", "", ""},
    {"GET", "/apis/no.such/v9/things/x", "", "get", "no.such", "v9", "things", "", "x", "", ""},
    {"GET", "/apis/apps/v1", "", NULL},
    {"GET", "/api/v1", "", NULL},
    {"GET", "/api", "", NULL},
    {"GET", "/", "", NULL},
    {"GET", "/healthz/ping", "", NULL},
    {"POST", "/something", "", NULL},
};

static void route(struct request *rq, struct http_request *head, const struct want *w)
{
    head->method = str_from(w->method);
    head->path = str_from(w->path);
    head->query = str_from(w->query);
    rq->head = head;
    rq->method = head->method;
    assert_int_equal(stage_route(rq), STAGE_NEXT);
}

static void test_paths(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        const struct want *w = &cases[i];
        auto_arena a = {0};
        struct http_request head = {0};
        struct request rq = {.arena = &a};

        route(&rq, &head, w);
        assert_str_equal(rq.path, w->path);
        assert_int_equal(rq.is_resource, w->verb != NULL);
        if (!w->verb) {
            assert_str_equal(rq.verb_name, w->method[0] == 'G' ? "get" : "post");
            continue;
        }
        assert_str_equal(rq.verb_name, w->verb);
        assert_str_equal(rq.api_group, w->group);
        assert_str_equal(rq.api_version, w->version);
        assert_str_equal(rq.plural, w->plural);
        assert_str_equal(rq.ns, w->ns);
        assert_str_equal(rq.name, w->name);
        assert_str_equal(rq.sub, w->sub);
        assert_str_equal(rq.sub_path, w->sub_path);
        assert_ptr_equal(rq.res, api_find(rq.api_group, rq.api_version, rq.plural));
    }
}

static void test_escapes_are_undone(void **state)
{
    static const struct want w = {"GET", "/api/v1/namespaces/d/pods/a%20b",
                                  "labelSelector=x%3Dy&limit=+5&x=%2B"};
    auto_arena a = {0};
    struct http_request head = {0};
    struct request rq = {.arena = &a};

    (void)state;
    route(&rq, &head, &w);
    assert_str_equal(rq.name, "a b");
    assert_str_equal(request_param(&rq, "labelSelector"), "x=y");
    assert_str_equal(request_param(&rq, "limit"), " 5");
    assert_str_equal(request_param(&rq, "x"), "+");
    assert_null(request_param(&rq, "absent").p);
    assert_non_null(rq.res);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_paths),
        cmocka_unit_test(test_escapes_are_undone),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
