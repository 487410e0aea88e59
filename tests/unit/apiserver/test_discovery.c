/* What the server says of itself: resources, OpenAPI, health, version, metrics. */
#include "apiserver/documents.h"
#include "read_rig.h"

#define AGGREGATED "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList"

static struct rig *r;

static int setup(void **state)
{
    (void)state;
    r = rig_new();
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    rig_free(r);
    return 0;
}

static struct doc fetch(const char *target, const char *accept, struct arena *a)
{
    const char *headers[] = {accept ? "accept" : NULL, accept, NULL};
    struct http_exchange *x = rig_get(r, target, headers);
    struct err err = {0};
    struct doc doc;

    assert_int_equal(x->status, 200);
    assert_ok(json_parse(str_dup(a, str_from(rig_pull(x))), a, &doc, NULL, &err), &err);
    rig_close(x);
    return doc;
}

static struct doc *find_named(struct doc *list, const char *key, const char *name)
{
    assert_non_null(list);
    for (uint32_t i = 0; i < list->n; i++)
        if (str_eqz(doc_path_str(&list->items[i], key), name))
            return &list->items[i];
    return NULL;
}

static void expect_doc(struct arena *a, const struct doc *d, const char *want)
{
    assert_non_null(d);
    assert_str_equal(json_to_str(a, d), want);
}

static void test_api(void **state)
{
    (void)state;
    rig_expect(r, "/api", NULL, 200,
               "{\"kind\":\"APIVersions\",\"versions\":[\"v1\"],\"serverAddressByClientCIDRs\":"
               "[{\"clientCIDR\":\"0.0.0.0/0\",\"serverAddress\":\"10.0.0.1:6443\"}]}\n");
}

static void test_groups(void **state)
{
    auto_arena a = {0};
    struct doc doc = fetch("/apis", NULL, &a);
    struct doc *groups = doc_find(&doc, STR("groups"));

    (void)state;
    assert_str_equal(doc_path_str(&doc, "kind"), "APIGroupList");
    assert_str_equal(doc_path_str(&groups->items[0], "name"), "apiregistration.k8s.io");
    assert_str_equal(doc_path_str(&groups->items[1], "name"), "apps");
    expect_doc(&a, find_named(groups, "name", "autoscaling"),
               "{\"name\":\"autoscaling\",\"versions\":[{\"groupVersion\":\"autoscaling/v2\","
               "\"version\":\"v2\"},{\"groupVersion\":\"autoscaling/v1\",\"version\":\"v1\"}],"
               "\"preferredVersion\":{\"groupVersion\":\"autoscaling/v2\",\"version\":\"v2\"}}");
    rig_expect(r, "/apis/batch", NULL, 200,
               "{\"kind\":\"APIGroup\",\"apiVersion\":\"v1\",\"name\":\"batch\",\"versions\":"
               "[{\"groupVersion\":\"batch/v1\",\"version\":\"v1\"}],\"preferredVersion\":"
               "{\"groupVersion\":\"batch/v1\",\"version\":\"v1\"}}\n");
    rig_expect(r, "/apis/nope", NULL, 404, "404 page not found\n");
    rig_expect(r, "/apis/batch/v9", NULL, 404, "404 page not found\n");
    rig_expect(r, "/api/v9", NULL, 404, "404 page not found\n");
}

static void test_resources(void **state)
{
    auto_arena a = {0};
    struct doc doc = fetch("/apis/apps/v1", NULL, &a);
    struct doc *list = doc_find(&doc, STR("resources"));

    (void)state;
    assert_str_equal(doc_path_str(&doc, "groupVersion"), "apps/v1");
    expect_doc(&a, find_named(list, "name", "deployments"),
               "{\"name\":\"deployments\",\"singularName\":\"deployment\",\"namespaced\":true,"
               "\"kind\":\"Deployment\",\"verbs\":[\"create\",\"delete\",\"deletecollection\",\"g"
               "et\","
               "\"list\",\"patch\",\"update\",\"watch\"],\"shortNames\":[\"deploy\"],\"categorie"
               "s\":"
               "[\"all\"],\"storageVersionHash\":\"8aSe+NMegvE=\"}");
    expect_doc(&a, find_named(list, "name", "deployments/scale"),
               "{\"name\":\"deployments/scale\",\"singularName\":\"\",\"namespaced\":true,\"grou"
               "p\":"
               "\"autoscaling\",\"version\":\"v1\",\"kind\":\"Scale\",\"verbs\":[\"get\",\"patch\","
               "\"update\"]}");
    for (uint32_t i = 1; i < list->n; i++)
        assert_true(str_cmp(doc_path_str(&list->items[i - 1], "name"),
                            doc_path_str(&list->items[i], "name")) < 0);
    doc = fetch("/api/v1", NULL, &a);
    expect_doc(&a, find_named(doc_find(&doc, STR("resources")), "name", "nodes/status"),
               "{\"name\":\"nodes/status\",\"singularName\":\"\",\"namespaced\":false,\"kind\":"
               "\"Node\",\"verbs\":[\"get\",\"patch\",\"update\"]}");
}

static void test_aggregated(void **state)
{
    static const char *const accept[] = {
        "accept",
        AGGREGATED ",application/json;g=apidiscovery.k8s.io;v=v2beta1;as=APIGroupDiscoveryList,"
                   "application/json",
        NULL};
    auto_arena a = {0};
    struct doc doc = fetch("/apis", accept[1], &a), *apps, *versions;
    struct http_exchange *x;
    char *etag;

    (void)state;
    assert_str_equal(doc_path_str(&doc, "kind"), "APIGroupDiscoveryList");
    assert_str_equal(doc_path_str(&doc, "apiVersion"), "apidiscovery.k8s.io/v2");
    apps = find_named(doc_find(&doc, STR("items")), "metadata.name", "apps");
    versions = doc_find(apps, STR("versions"));
    assert_str_equal(doc_path_str(&versions->items[0], "freshness"), "Current");
    expect_doc(&a, find_named(doc_find(&versions->items[0], STR("resources")), "resource",
                              "replicasets"),
               "{\"resource\":\"replicasets\",\"responseKind\":{\"group\":\"\",\"version\":\"\","
               "\"kind\":\"ReplicaSet\"},\"scope\":\"Namespaced\",\"singularResource\":\"replicas"
               "et\","
               "\"verbs\":[\"create\",\"delete\",\"deletecollection\",\"get\",\"list\",\"patch\","
               "\"update\",\"watch\"],\"shortNames\":[\"rs\"],\"categories\":[\"all\"],"
               "\"subresources\":[{\"subresource\":\"scale\",\"responseKind\":{\"group\":"
               "\"autoscaling\",\"version\":\"v1\",\"kind\":\"Scale\"},\"verbs\":[\"get\",\"patc"
               "h\","
               "\"update\"]},{\"subresource\":\"status\",\"responseKind\":{\"group\":\"\",\"versi"
               "on\":"
               "\"\",\"kind\":\"ReplicaSet\"},\"verbs\":[\"get\",\"patch\",\"update\"]}]}");
    x = rig_get(r, "/api", accept);
    assert_string_equal(x->type, AGGREGATED);
    assert_non_null(strstr(rig_pull(x), "\"items\":[{\"metadata\":{},\"versions\":[{\"version\""
                                        ":\"v1\""));
    etag = rig_header(x, "ETag");
    assert_int_equal(strlen(etag), 130);
    rig_close(x);
    x = rig_get(r, "/api", (const char *[]){accept[0], accept[1], "if-none-match", etag, NULL});
    assert_int_equal(x->status, 304);
    assert_int_equal(x->body.len, 0);
    rig_close(x);
    free(etag);
    /* What comes first in Accept counts. */
    doc = fetch("/apis", "application/json, " AGGREGATED, &a);
    assert_str_equal(doc_path_str(&doc, "kind"), "APIGroupList");
}

static void test_root(void **state)
{
    auto_arena a = {0};
    struct doc doc = fetch("/", NULL, &a), *paths = doc_find(&doc, STR("paths"));
    bool apps = false;

    (void)state;
    for (uint32_t i = 0; i < paths->n; i++) {
        apps = apps || str_eqz(paths->items[i].s, "/apis/apps/v1");
        assert_true(i == 0 || str_cmp(paths->items[i - 1].s, paths->items[i].s) < 0);
    }
    assert_true(apps);
}

static void test_health(void **state)
{
    static const char all[] = "[+]ping ok\n[+]log ok\n[+]etcd ok\n"
                              "[+]poststarthook/start-system-namespaces-controller ok\n"
                              "[+]poststarthook/rbac/bootstrap-roles ok\n"
                              "[+]poststarthook/scheduling/bootstrap-system-priority-classes ok\n"
                              "[+]poststarthook/bootstrap-controller ok\n"
                              "livez check passed\n";
    struct http_exchange *x;

    (void)state;
    x = rig_get(r, "/readyz", NULL);
    assert_int_equal(x->status, 500);
    assert_non_null(strstr(rig_pull(x), "[-]poststarthook/rbac/bootstrap-roles failed: reason "
                                        "withheld\n"));
    assert_non_null(strstr(rig_pull(x), "\nreadyz check failed\n"));
    rig_close(x);
    atomic_store(&r->as->ready, true);
    rig_expect(r, "/readyz", NULL, 200, "ok");
    rig_expect(r, "/livez", NULL, 200, "ok");
    rig_expect(r, "/healthz/ping", NULL, 200, "ok");
    rig_expect(r, "/healthz/nope", NULL, 404, "404 page not found\n");
    rig_expect(r, "/livez?verbose", NULL, 200, all);
    x = rig_get(r, "/livez?verbose&exclude=etcd&exclude=zzz", NULL);
    assert_non_null(strstr(rig_pull(x), "[+]etcd excluded: ok\n"));
    assert_non_null(strstr(rig_pull(x), "warn: some health checks cannot be excluded: no matches "
                                        "for \"zzz\"\n"));
    rig_close(x);
}

static void test_version(void **state)
{
    auto_arena a = {0};
    struct doc doc = fetch("/version", NULL, &a);

    (void)state;
    assert_str_equal(doc_path_str(&doc, "major"), "1");
    assert_str_equal(doc_path_str(&doc, "minor"), "36");
    assert_true(str_has_prefix(doc_path_str(&doc, "gitVersion"), STR("v1.36.2")));
}

static void test_metrics(void **state)
{
    struct http_exchange *x;
    const char *body;

    (void)state;
    rig_put(r, &res_core_configmaps, "{\"metadata\":{\"name\":\"a\",\"namespace\":\"n\"}}");
    rig_expect(r, "/apis/nope", NULL, 404, "404 page not found\n");
    x = rig_get(r, "/api/v1/namespaces/n/configmaps/a", NULL);
    rig_close(x);
    x = rig_get(r, "/metrics", NULL);
    body = rig_pull(x);
    assert_non_null(strstr(body, "\napiserver_request_total{verb=\"GET\",code=\"200\"} 1\n"));
    assert_non_null(strstr(body, "\napiserver_request_total{verb=\"OTHER\",code=\"404\"} 1\n"));
    assert_non_null(strstr(body, "\napiserver_storage_objects{resource=\"configmaps\"} 1\n"));
    assert_non_null(strstr(body, "\nskiff_store_revision 2\n"));
    rig_close(x);
}

static struct http_exchange *get_made(const char *target, const char *const *headers)
{
    struct http_exchange *x = rig_get(r, target, headers);

    for (int i = 0; i < 1000 && !x->status; i++)
        sim_run_for(r->sim, 10);
    assert_int_not_equal(x->status, 0);
    (void)rig_pull(x);
    return x;
}

static void test_openapi(void **state)
{
    auto_arena a = {0};
    struct http_exchange *x = get_made("/openapi/v3", NULL);
    struct err err = {0};
    struct doc doc, *entry;
    struct document *kept;
    struct str url;
    char *etag;

    (void)state;
    assert_int_equal(x->status, 200);
    assert_ok(json_parse(str_dup(&a, buf_view(&x->body)), &a, &doc, NULL, &err), &err);
    rig_close(x);
    entry = doc_find(doc_find(&doc, STR("paths")), STR("apis/apps/v1"));
    url = doc_path_str(entry, "serverRelativeURL");
    assert_true(str_has_prefix(url, STR("/openapi/v3/apis/apps/v1?hash=")));
    x = get_made(str_dupz(&a, url), NULL);
    assert_int_equal(x->status, 200);
    assert_ok(json_parse(str_dup(&a, buf_view(&x->body)), &a, &doc, NULL, &err), &err);
    assert_true(str_has_prefix(doc_path_str(&doc, "openapi"), STR("3.")));
    etag = rig_header(x, "ETag");
    rig_close(x);
    x = get_made("/openapi/v3/apis/apps/v1", (const char *[]){"if-none-match", etag, NULL});
    assert_int_equal(x->status, 304);
    rig_close(x);
    free(etag);
    x = get_made("/openapi/v3/apis/apps/v1?hash=AB", NULL);
    assert_int_equal(x->status, 301);
    etag = rig_header(x, "Location");
    assert_str_equal(url, etag);
    free(etag);
    rig_close(x);
    x = get_made("/openapi/v3/apis/nope/v1", NULL);
    assert_int_equal(x->status, 404);
    rig_close(x);
    /* Kept for a while only. */
    kept = document_find(r->as, STR("v3"));
    assert_non_null(kept);
    (void)document_unref(kept);
    sim_run_for(r->sim, DOCUMENT_KEEP_MS + 1000);
    assert_null(document_find(r->as, STR("v3")));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_api, setup, teardown),
        cmocka_unit_test_setup_teardown(test_groups, setup, teardown),
        cmocka_unit_test_setup_teardown(test_resources, setup, teardown),
        cmocka_unit_test_setup_teardown(test_aggregated, setup, teardown),
        cmocka_unit_test_setup_teardown(test_root, setup, teardown),
        cmocka_unit_test_setup_teardown(test_health, setup, teardown),
        cmocka_unit_test_setup_teardown(test_version, setup, teardown),
        cmocka_unit_test_setup_teardown(test_metrics, setup, teardown),
        cmocka_unit_test_setup_teardown(test_openapi, setup, teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
