/* test_binding_eviction_scale.c - binding, eviction and scale. */
#include "server.h"

#define PODS "/api/v1/namespaces/default/pods"
#define SUCCESS                                                                                    \
    "{\"kind\":\"Status\",\"apiVersion\":\"v1\",\"metadata\":{},\"status\":\"Success\",\"code\":"  \
    "201}\n"

static void make_pod(struct server *s, const char *name, const char *more)
{
    struct reply *r = server_post(
        s, PODS,
        arena_printf(&s->arena,
                     "{\"metadata\":{\"name\":\"%s\",\"labels\":{\"app\":\"web\"}},\"spec\":{"
                     "\"containers\":[{\"name\":\"c\",\"image\":\"i\"}]%s}}",
                     name, more));

    assert_int_equal(r->status, 201);
}

static struct reply *bind(struct server *s, const char *pod, const char *node)
{
    return server_post(
        s, arena_printf(&s->arena, PODS "/%s/binding", pod),
        arena_printf(
            &s->arena,
            "{\"metadata\":{\"name\":\"%s\"},\"target\":{\"kind\":\"Node\",\"name\":\"%s\"}}", pod,
            node));
}

static void test_binding_sets_the_node(void **state)
{
    struct server s;
    struct reply *r;
    struct doc d;
    const struct doc *c;

    server_start(&s);
    assert_int_equal(server_post(&s, "/api/v1/nodes",
                                 "{\"metadata\":{\"name\":\"n1\",\"labels\":{"
                                 "\"topology.kubernetes.io/zone\":\"z\"}}}")
                         ->status,
                     201);
    make_pod(&s, "p", "");
    assert_reply(bind(&s, "p", "n1"), 201, SUCCESS);
    r = server_get(&s, PODS "/p");
    d = reply_doc(&s, r);
    assert_string_equal(reply_str(&s, r, "spec.nodeName"), "n1");
    c = &doc_path(&d, "status.conditions")->items[0];
    assert_str_equal(doc_path_str(c, "type"), "PodScheduled");
    assert_str_equal(doc_path_str(c, "status"), "True");
    assert_str_equal(json_to_str(&s.arena, doc_path(&d, "metadata.labels")),
                     "{\"app\":\"web\",\"topology.kubernetes.io/zone\":\"z\"}");
    r = bind(&s, "p", "n2");
    assert_int_equal(r->status, 409);
    assert_string_equal(reply_str(&s, r, "message"),
                        "Operation cannot be fulfilled on pods/binding \"p\": pod p is already "
                        "assigned to node \"n1\"");
    server_stop(&s);
}

static void test_binding_refusals(void **state)
{
    struct server s;
    struct reply *r;

    server_start(&s);
    r = bind(&s, "none", "n1");
    assert_int_equal(r->status, 404);
    make_pod(&s, "g", ",\"schedulingGates\":[{\"name\":\"x.io/y\"}]");
    r = bind(&s, "g", "n1");
    assert_string_equal(reply_str(&s, r, "message"),
                        "Operation cannot be fulfilled on pods/binding \"g\": pod g has non-empty "
                        ".spec.schedulingGates");
    make_pod(&s, "p", "");
    r = server_post(&s, PODS "/p/binding",
                    "{\"metadata\":{\"name\":\"q\"},\"target\":{\"name\":\"n1\"}}");
    assert_int_equal(r->status, 400);
    r = server_post(&s, PODS "/p/binding", "{\"metadata\":{\"name\":\"p\"},\"target\":{}}");
    assert_int_equal(r->status, 422);
    /* The older way, by a resource of its own. */
    r = server_post(
        &s, "/api/v1/namespaces/default/bindings",
        "{\"metadata\":{\"name\":\"p\"},\"target\":{\"kind\":\"Node\",\"name\":\"n1\"}}");
    assert_reply(r, 201, SUCCESS);
    server_stop(&s);
}

static struct reply *evict(struct server *s, const char *pod)
{
    return server_post(s, arena_printf(&s->arena, PODS "/%s/eviction", pod),
                       arena_printf(&s->arena,
                                    "{\"apiVersion\":\"policy/v1\",\"kind\":\"Eviction\","
                                    "\"metadata\":{\"name\":\"%s\"}}",
                                    pod));
}

/* A running, ready pod. */
static void run_pod(struct server *s, const char *name)
{
    struct reply *r;

    make_pod(s, name, ",\"nodeName\":\"n1\"");
    r = server_patch(s, arena_printf(&s->arena, PODS "/%s/status", name), "merge",
                     "{\"status\":{\"phase\":\"Running\",\"conditions\":[{\"type\":\"Ready\","
                     "\"status\":\"True\"}]}}");
    assert_int_equal(r->status, 200);
}

static void budget(struct server *s, const char *name, int allowed)
{
    struct reply *r;

    r = server_post(s, "/apis/policy/v1/namespaces/default/poddisruptionbudgets",
                    arena_printf(&s->arena,
                                 "{\"metadata\":{\"name\":\"%s\"},\"spec\":{\"minAvailable\":2,"
                                 "\"selector\":{\"matchLabels\":{\"app\":\"web\"}}}}",
                                 name));
    assert_int_equal(r->status, 201);
    r = server_patch(
        s,
        arena_printf(&s->arena, "/apis/policy/v1/namespaces/default/poddisruptionbudgets/%s/status",
                     name),
        "merge",
        arena_printf(&s->arena,
                     "{\"status\":{\"observedGeneration\":1,\"disruptionsAllowed\":%d,"
                     "\"currentHealthy\":2,\"desiredHealthy\":2,\"expectedPods\":2}}",
                     allowed));
    assert_int_equal(r->status, 200);
}

static void test_eviction_without_budget(void **state)
{
    struct server s;
    struct reply *r;

    server_start(&s);
    make_pod(&s, "pending", "");
    assert_reply(evict(&s, "pending"), 201, SUCCESS);
    assert_int_equal(server_get(&s, PODS "/pending")->status, 404);
    run_pod(&s, "p");
    assert_reply(evict(&s, "p"), 201, SUCCESS);
    r = server_get(&s, PODS "/p"); /* the kubelet has to stop it first */
    assert_int_equal(r->status, 200);
    assert_true(*reply_str(&s, r, "metadata.deletionTimestamp"));
    assert_true(str_find(r->body, STR("\"reason\":\"EvictionByEvictionAPI\"")) > 0);
    assert_int_equal(evict(&s, "none")->status, 404);
    server_stop(&s);
}

static void test_eviction_keeps_to_the_budget(void **state)
{
    struct server s;
    struct reply *r;

    server_start(&s);
    run_pod(&s, "a");
    run_pod(&s, "b");
    budget(&s, "w", 1);
    assert_reply(evict(&s, "a"), 201, SUCCESS);
    r = server_get(&s, "/apis/policy/v1/namespaces/default/poddisruptionbudgets/w");
    assert_int_equal(reply_int(&s, r, "status.disruptionsAllowed"), 0);
    assert_true(*reply_str(&s, r, "status.disruptedPods.a"));
    r = evict(&s, "b");
    assert_reply(
        r, 429,
        "{\"kind\":\"Status\",\"apiVersion\":\"v1\",\"metadata\":{},\"status\":\"Failure\","
        "\"message\":\"Cannot evict pod as it would violate the pod's disruption budget.\","
        "\"reason\":\"TooManyRequests\",\"details\":{\"causes\":[{\"reason\":"
        "\"DisruptionBudget\",\"message\":\"The disruption budget w needs 2 healthy pods "
        "and has 2 currently\"}]},\"code\":429}\n");
    budget(&s, "x", 1);
    r = evict(&s, "b");
    assert_int_equal(r->status, 500);
    server_stop(&s);
}

static struct reply *start_eviction(struct server *s, const char *pod)
{
    return server_call(s,
                       &(struct call){.method = "POST",
                                      .target = arena_printf(&s->arena, PODS "/%s/eviction", pod),
                                      .type = "application/json",
                                      .body = "{\"metadata\":{}}",
                                      .dont_wait = true});
}

static void test_two_evictions_at_once_share_no_allowance(void **state)
{
    struct server s;
    struct reply *a, *b;

    server_start(&s);
    run_pod(&s, "a");
    run_pod(&s, "b");
    budget(&s, "w", 1);
    a = start_eviction(&s, "a");
    b = start_eviction(&s, "b");
    sim_run_for(s.sim, 1000);
    assert_int_equal(a->status, 201);
    assert_int_equal(b->status, 429);
    server_stop(&s);
}

static void test_scale(void **state)
{
    struct server s;
    struct reply *r;
    const char *target = "/apis/apps/v1/namespaces/default/deployments/d/scale";

    server_start(&s);
    r = server_post(
        &s, "/apis/apps/v1/namespaces/default/deployments",
        "{\"metadata\":{\"name\":\"d\"},\"spec\":{\"replicas\":2,\"selector\":{"
        "\"matchLabels\":{\"app\":\"web\"}},\"template\":{\"metadata\":{\"labels\":{"
        "\"app\":\"web\"}},\"spec\":{\"containers\":[{\"name\":\"c\",\"image\":\"i\"}]}}}}");
    assert_int_equal(r->status, 201);
    r = server_get(&s, target);
    assert_int_equal(r->status, 200);
    assert_string_equal(reply_str(&s, r, "kind"), "Scale");
    assert_int_equal(reply_int(&s, r, "spec.replicas"), 2);
    assert_string_equal(reply_str(&s, r, "status.selector"), "app=web");
    r = server_patch(&s, target, "merge", "{\"spec\":{\"replicas\":5}}");
    assert_int_equal(r->status, 200);
    assert_int_equal(reply_int(&s, r, "spec.replicas"), 5);
    r = server_put(
        &s, target,
        "{\"kind\":\"Scale\",\"apiVersion\":\"autoscaling/v1\",\"metadata\":{\"name\":\"d\","
        "\"namespace\":\"default\"},\"spec\":{\"replicas\":3}}");
    assert_int_equal(r->status, 200);
    r = server_get(&s, "/apis/apps/v1/namespaces/default/deployments/d");
    assert_int_equal(reply_int(&s, r, "spec.replicas"), 3);
    assert_int_equal(reply_int(&s, r, "metadata.generation"), 3);
    r = server_patch(&s, target, "merge", "{\"spec\":{\"replicas\":-1}}");
    assert_string_equal(
        reply_str(&s, r, "message"),
        "Scale.autoscaling \"d\" is invalid: spec.replicas: Invalid value: -1: must "
        "be greater than or equal to 0");
    r = server_patch(&s, target, "merge",
                     "{\"metadata\":{\"resourceVersion\":\"1\"},\"spec\":{\"replicas\":1}}");
    assert_int_equal(r->status, 409);
    server_stop(&s);
}

static void test_streams_need_an_upgrade_and_a_node(void **state)
{
    struct server s;
    struct reply *r;

    server_start(&s);
    make_pod(&s, "p", "");
    r = server_get(&s, PODS "/p/log");
    assert_reply(r, 200, "");
    r = server_get(&s, PODS "/p/log?container=x");
    assert_string_equal(reply_str(&s, r, "message"), "container x is not valid for pod p");
    r = server_get(&s, PODS "/p/log?tailLines=-1");
    assert_int_equal(r->status, 422);
    r = server_get(&s, PODS "/p/exec?command=ls&stdout=true");
    assert_int_equal(r->status, 400);
    assert_string_equal(reply_str(&s, r, "message"), "pod p does not have a host assigned");
    server_stop(&s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_binding_sets_the_node),
        cmocka_unit_test(test_binding_refusals),
        cmocka_unit_test(test_eviction_without_budget),
        cmocka_unit_test(test_eviction_keeps_to_the_budget),
        cmocka_unit_test(test_two_evictions_at_once_share_no_allowance),
        cmocka_unit_test(test_scale),
        cmocka_unit_test(test_streams_need_an_upgrade_and_a_node),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
