/* The writing verbs from body to store: what they set, keep, refuse and repeat. */
#include "server.h"

#include "schema/typed.h"

#define NS          "/api/v1/namespaces/default"
#define CM          NS "/configmaps"
#define PODS        NS "/pods"
#define DEPLOYMENTS "/apis/apps/v1/namespaces/default/deployments"

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

static struct reply *make_cm(struct server *s, const char *name, const char *rest)
{
    struct reply *r = server_post(
        s, CM, arena_printf(&s->arena, "{\"metadata\":{\"name\":\"%s\"}%s}", name, rest));

    assert_int_equal(r->status, 201);
    return r;
}

static struct reply *make_deployment(struct server *s, const char *name, const char *meta)
{
    struct reply *r = server_post(
        s, DEPLOYMENTS,
        arena_printf(
            &s->arena,
            "{\"metadata\":{\"name\":\"%s\"%s},\"spec\":{\"replicas\":1,\"selector\":"
            "{\"matchLabels\":{\"a\":\"b\"}},\"template\":{\"metadata\":{\"labels\":"
            "{\"a\":\"b\"}},\"spec\":{\"containers\":[{\"name\":\"c\",\"image\":\"i\"}]}}},"
            "\"status\":{\"replicas\":7}}",
            name, meta));

    if (r->status != 201)
        fail_msg("%.*s", STR_ARG(r->body));
    return r;
}

/* ---- create ---- */

static void test_create_sets_metadata(void **state)
{
    struct server *s = running(state);
    struct reply *r = server_post(
        s, CM,
        "{\"metadata\":{\"name\":\"x\",\"uid\":\"mine\",\"generation\":9,\"selfLink\":\"/x\","
        "\"creationTimestamp\":\"2001-01-01T00:00:00Z\",\"deletionTimestamp\":"
        "\"2001-01-01T00:00:00Z\"},\"data\":{\"k\":\"v\"}}");
    char *want;

    assert_int_equal(r->status, 201);
    assert_int_equal(strlen(reply_str(s, r, "metadata.uid")), 36);
    want =
        arena_printf(&s->arena,
                     "{\"kind\":\"ConfigMap\",\"apiVersion\":\"v1\",\"metadata\":{\"name\":"
                     "\"x\",\"namespace\":\"default\",\"uid\":\"%s\",\"resourceVersion\":"
                     "\"%s\",\"creationTimestamp\":\"%s\"},\"data\":{\"k\":\"v\"}}\n",
                     reply_str(s, r, "metadata.uid"), reply_str(s, r, "metadata.resourceVersion"),
                     reply_str(s, r, "metadata.creationTimestamp"));
    assert_str_equal(r->body, want);
    assert_non_null(strstr(reply_str(s, r, "metadata.creationTimestamp"), "2026-01-01T"));
    assert_reply(server_get(s, CM "/x"), 200, want);
}

static void test_create_generates_names(void **state)
{
    struct server *s = running(state);
    struct reply *one = server_post(s, CM, "{\"metadata\":{\"generateName\":\"job-\"}}");
    struct reply *two = server_post(s, CM, "{\"metadata\":{\"generateName\":\"job-\"}}");

    assert_int_equal(one->status, 201);
    assert_int_equal(two->status, 201);
    assert_int_equal(strlen(reply_str(s, one, "metadata.name")), 9);
    assert_memory_equal(reply_str(s, one, "metadata.name"), "job-", 4);
    assert_string_not_equal(reply_str(s, one, "metadata.name"), reply_str(s, two, "metadata.name"));
    assert_string_equal(reply_str(s, one, "metadata.generateName"), "job-");
}

/* The simulated loop's random numbers, which can be drawn once more. */
static struct random_seeded *random_of(struct server *s)
{
    return container_of(loop_random(s->loop), struct random_seeded, base);
}

static void fill_same(struct random *r, void *p, size_t n)
{
    (void)r;
    memset(p, 0xff, n);
}

#define JOBS "/apis/batch/v1/namespaces/default/jobs"
#define JOB                                                                                        \
    "{\"metadata\":{\"generateName\":\"g-\"},\"spec\":{\"template\":{\"spec\":{"  \
    "\"restartPolicy\":\"Never\",\"containers\":[{\"name\":\"c\",\"image\":\"i\"}]}}}}"

/* What a job's pods and selector have of its name and uid is that of the object itself. */
static void assert_job_is_its_own(struct server *s, const struct reply *job)
{
    const char *name = reply_str(s, job, "metadata.name"), *uid = reply_str(s, job, "metadata.uid");
    struct doc d = reply_doc(s, job);
    const struct doc *labels = doc_path(&d, "spec.template.metadata.labels");
    const struct doc *match = doc_path(&d, "spec.selector.matchLabels");

    assert_int_equal(job->status, 201);
    assert_int_equal(labels->n, 4);
    assert_int_equal(match->n, 1);
    assert_str_equal(doc_find(labels, STR("job-name"))->s, name);
    assert_str_equal(doc_find(labels, STR("batch.kubernetes.io/job-name"))->s, name);
    assert_str_equal(doc_find(labels, STR("controller-uid"))->s, uid);
    assert_str_equal(doc_find(labels, STR("batch.kubernetes.io/controller-uid"))->s, uid);
    assert_str_equal(doc_find(match, STR("batch.kubernetes.io/controller-uid"))->s, uid);
}

static void test_a_generated_name_that_is_taken(void **state)
{
    struct server *s = running(state);
    struct random_seeded before = *random_of(s);
    struct reply *dry = server_post(s, JOBS "?dryRun=All", JOB), *one, *two;

    assert_job_is_its_own(s, dry);
    *random_of(s) = before;
    one = server_post(s, JOBS, JOB);
    assert_job_is_its_own(s, one);
    /* The same numbers make the same name: what comes next meets it. */
    assert_string_equal(reply_str(s, one, "metadata.name"), reply_str(s, dry, "metadata.name"));
    *random_of(s) = before;
    two = server_post(s, JOBS, JOB);
    assert_job_is_its_own(s, two);
    assert_string_not_equal(reply_str(s, two, "metadata.name"), reply_str(s, one, "metadata.name"));
    assert_string_not_equal(reply_str(s, two, "metadata.uid"), reply_str(s, one, "metadata.uid"));
}

static void test_generated_names_that_are_all_taken(void **state)
{
    struct server *s = running(state);
    void (*fill)(struct random *r, void *p, size_t n) = random_of(s)->base.fill;
    struct reply *one, *two;

    random_of(s)->base.fill = fill_same;
    one = server_post(s, JOBS, JOB);
    two = server_post(s, JOBS, JOB);
    random_of(s)->base.fill = fill;
    assert_job_is_its_own(s, one);
    assert_int_equal(two->status, 409);
    assert_string_equal(reply_str(s, two, "reason"), "AlreadyExists");
    assert_string_equal(reply_str(s, two, "message"),
                        arena_printf(&s->arena,
                                     "jobs.batch \"%s\" already exists, the server was not able "
                                     "to generate a unique name for the object",
                                     reply_str(s, one, "metadata.name")));
    assert_int_equal(reply_int(s, two, "details.retryAfterSeconds"), 1);
}

static void test_create_dry_run_stores_nothing(void **state)
{
    struct server *s = running(state);
    int64_t before = store_revision(s->store);
    struct reply *r =
        server_post(s, CM "?dryRun=All", "{\"metadata\":{\"name\":\"dry\"},\"data\":{}}");

    assert_int_equal(r->status, 201);
    assert_int_equal(strlen(reply_str(s, r, "metadata.uid")), 36);
    assert_string_equal(reply_str(s, r, "metadata.resourceVersion"), "");
    assert_int_equal(server_get(s, CM "/dry")->status, 404);
    assert_int_equal(store_revision(s->store), before);
    make_cm(s, "dry", "");
    assert_int_equal(server_post(s, CM "?dryRun=All", "{\"metadata\":{\"name\":\"dry\"}}")->status,
                     409);
}

static void test_create_strict_fields(void **state)
{
    struct server *s = running(state);
    struct reply *r = server_post(s, CM "?fieldValidation=Strict",
                                  "{\"metadata\":{\"name\":\"x\"},\"zip\":1,\"data\":{\"a\":\"1\"},"
                                  "\"data\":{\"a\":\"2\"}}");

    assert_int_equal(r->status, 400);
    assert_string_equal(reply_str(s, r, "message"),
                        "ConfigMap in version \"v1\" cannot be handled as a ConfigMap: strict "
                        "decoding error: unknown field \"zip\", duplicate field \"data\"");
    r = server_post(s, CM "?fieldValidation=Ignore", "{\"metadata\":{\"name\":\"x\"},\"zip\":1}");
    assert_int_equal(r->status, 201);
    assert_null(reply_header(r, "Warning").p);
}

static void test_create_from_yaml(void **state)
{
    struct server *s = running(state);
    struct reply *r = server_call(s, &(struct call){.method = "POST",
                                                    .target = CM,
                                                    .type = "application/yaml",
                                                    .accept = "application/yaml",
                                                    .body = "kind: ConfigMap\n"
                                                            "apiVersion: v1\n"
                                                            "metadata:\n"
                                                            "  name: yam\n"
                                                            "data:\n"
                                                            "  a: \"1\"\n"});

    assert_int_equal(r->status, 201);
    assert_str_equal(r->type, "application/yaml");
    assert_true(
        str_has_prefix(r->body, STR("apiVersion: v1\ndata:\n  a: \"1\"\nkind: ConfigMap\n")));
}

static void test_create_from_protobuf(void **state)
{
    struct server *s = running(state);
    struct core_config_map cm = {.metadata.name = STR("pb")};
    struct string_pair data = {STR("k"), STR("v")};
    auto_buf raw = {0}, body = {0};
    struct reply *r;

    cm.data.v = &data;
    cm.data.n = 1;
    typed_write_pb(&type_core_config_map, &cm, &raw);
    pb_envelope_write(&body, STR("v1"), STR("ConfigMap"), buf_view(&raw));
    r = server_call(s, &(struct call){.method = "POST",
                                      .target = CM,
                                      .type = "application/vnd.kubernetes.protobuf",
                                      .bytes = buf_view(&body)});
    assert_int_equal(r->status, 201);
    assert_string_equal(reply_str(s, r, "data.k"), "v");
}

static void test_generation_and_status(void **state)
{
    struct server *s = running(state);
    struct reply *r = make_deployment(s, "d", "");

    assert_int_equal(reply_int(s, r, "metadata.generation"), 1);
    assert_int_equal(reply_int(s, r, "status.replicas"), -1);
    /* Labels alone are no new generation; status is not the main endpoint's to set. */
    r = server_patch(s, DEPLOYMENTS "/d", "merge",
                     "{\"metadata\":{\"labels\":{\"x\":\"y\"}},\"status\":{\"replicas\":3}}");
    assert_int_equal(r->status, 200);
    assert_int_equal(reply_int(s, r, "metadata.generation"), 1);
    assert_int_equal(reply_int(s, r, "status.replicas"), -1);
    r = server_patch(s, DEPLOYMENTS "/d", "merge", "{\"spec\":{\"replicas\":2}}");
    assert_int_equal(reply_int(s, r, "metadata.generation"), 2);
    /* The status endpoint sets status only. */
    r = server_patch(s, DEPLOYMENTS "/d/status", "merge",
                     "{\"spec\":{\"replicas\":9},\"status\":{\"replicas\":3}}");
    assert_int_equal(r->status, 200);
    assert_int_equal(reply_int(s, r, "metadata.generation"), 2);
    assert_int_equal(reply_int(s, r, "spec.replicas"), 2);
    assert_int_equal(reply_int(s, r, "status.replicas"), 3);
}

/* ---- update ---- */

static void test_update_checks_names(void **state)
{
    static const struct {
        const char *body, *message;
    } cases[] = {
        {"{}", "name must be provided"},
        {"{\"metadata\":{\"name\":\"b\"}}",
         "the name of the object (b) does not match the name on the URL (a)"},
        {"{\"metadata\":{\"name\":\"a\",\"namespace\":\"other\"}}",
         "the namespace of the object (other) does not match the namespace on the request "
         "(default)"},
    };
    struct server *s = running(state);

    make_cm(s, "a", "");
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct reply *r = server_put(s, CM "/a", cases[i].body);

        assert_int_equal(r->status, 400);
        assert_string_equal(reply_str(s, r, "message"), cases[i].message);
    }
}

static void test_update_keeps_identity(void **state)
{
    struct server *s = running(state);
    struct reply *was = make_cm(s, "a", ",\"data\":{\"k\":\"1\"}"), *r;

    r = server_put(s, CM "/a", "{\"metadata\":{\"name\":\"a\"},\"data\":{\"k\":\"2\"}}");
    assert_int_equal(r->status, 200);
    assert_string_equal(reply_str(s, r, "data.k"), "2");
    assert_string_equal(reply_str(s, r, "metadata.uid"), reply_str(s, was, "metadata.uid"));
    assert_string_equal(reply_str(s, r, "metadata.creationTimestamp"),
                        reply_str(s, was, "metadata.creationTimestamp"));
    assert_string_not_equal(reply_str(s, r, "metadata.resourceVersion"),
                            reply_str(s, was, "metadata.resourceVersion"));
    r = server_put(s, CM "/a", "{\"metadata\":{\"name\":\"a\",\"uid\":\"other\"}}");
    assert_int_equal(r->status, 409);
    assert_string_equal(
        reply_str(s, r, "message"),
        arena_printf(&s->arena,
                     "Operation cannot be fulfilled on configmaps \"a\": StorageError: invalid "
                     "object, Code: 4, Key: /registry/configmaps/default/a, ResourceVersion: 0, "
                     "AdditionalErrorMsg: Precondition failed: UID in precondition: other, UID in "
                     "object meta: %s",
                     reply_str(s, was, "metadata.uid")));
}

static void test_update_without_change_is_not_written(void **state)
{
    struct server *s = running(state);
    struct reply *was = make_cm(s, "a", ",\"data\":{\"k\":\"1\"}");
    int64_t revision = store_revision(s->store);
    struct reply *r = server_put(
        s, CM "/a", "{\"metadata\":{\"name\":\"a\",\"labels\":{}},\"data\":{\"k\":\"1\"}}");

    assert_reply(r, 200, str_dupz(&s->arena, was->body));
    assert_int_equal(store_revision(s->store), revision);
}

static void test_update_creates_where_upstream_does(void **state)
{
    struct server *s = running(state);
    struct reply *r;

    r = server_put(s, "/apis/coordination.k8s.io/v1/namespaces/default/leases/l",
                   "{\"metadata\":{\"name\":\"l\"},\"spec\":{\"holderIdentity\":\"me\"}}");
    assert_int_equal(r->status, 201);
    /* and then wants to be told the version */
    r = server_put(s, "/apis/coordination.k8s.io/v1/namespaces/default/leases/l",
                   "{\"metadata\":{\"name\":\"l\"},\"spec\":{\"holderIdentity\":\"you\"}}");
    assert_int_equal(r->status, 422);
    assert_string_equal(reply_str(s, r, "message"),
                        "Lease.coordination.k8s.io \"l\" is invalid: metadata.resourceVersion: "
                        "Invalid value: 0: must be specified for an update");
    r = server_put(s, "/apis/coordination.k8s.io/v1/namespaces/default/leases/m",
                   "{\"metadata\":{\"name\":\"m\",\"uid\":\"x\"}}");
    assert_int_equal(r->status, 409);
    assert_string_equal(reply_str(s, r, "message"),
                        "Operation cannot be fulfilled on leases.coordination.k8s.io \"m\": uid "
                        "mismatch: the provided object specified uid x, and no existing object "
                        "was found");
}

/* ---- patch ---- */

static void test_patch_forms(void **state)
{
    struct server *s = running(state);
    struct reply *r;

    make_cm(s, "p", ",\"data\":{\"a\":\"1\",\"b\":\"2\"}");
    r = server_patch(s, CM "/p", "merge", "{\"data\":{\"a\":null,\"c\":\"3\"}}");
    assert_int_equal(r->status, 200);
    assert_string_equal(reply_str(s, r, "data.a"), "");
    assert_string_equal(reply_str(s, r, "data.c"), "3");
    r = server_patch(s, CM "/p", "json",
                     "[{\"op\":\"test\",\"path\":\"/data/b\",\"value\":\"2\"},"
                     "{\"op\":\"replace\",\"path\":\"/data/b\",\"value\":\"4\"}]");
    assert_int_equal(r->status, 200);
    assert_string_equal(reply_str(s, r, "data.b"), "4");
    r = server_patch(s, CM "/p", "json",
                     "[{\"op\":\"test\",\"path\":\"/data/b\",\"value\":\"2\"}]");
    assert_reply(
        r, 422,
        "{\"kind\":\"Status\",\"apiVersion\":\"v1\",\"metadata\":{},\"status\":\"Failure\","
        "\"message\":\"the server rejected our request due to an error in our request\","
        "\"reason\":\"Invalid\",\"details\":{},\"code\":422}\n");
    make_deployment(s, "d", "");
    r = server_patch(s, DEPLOYMENTS "/d", "strategic",
                     "{\"spec\":{\"template\":{\"spec\":{\"containers\":[{\"name\":\"c\","
                     "\"image\":\"new\"}]}}}}");
    assert_int_equal(r->status, 200);
    assert_true(str_find(r->body, STR("\"containers\":[{\"name\":\"c\",\"image\":\"new\"")) > 0);
}

static void test_patch_of_other_types_is_refused(void **state)
{
    struct server *s = running(state);
    struct reply *r = server_call(s, &(struct call){.method = "PATCH",
                                                    .target = CM "/p",
                                                    .type = "application/apply-patch+yaml",
                                                    .body = "{}"});

    assert_int_equal(r->status, 415);
    assert_string_equal(reply_str(s, r, "message"),
                        "the body of the request was in an unknown format - accepted media types "
                        "include: application/json-patch+json, application/merge-patch+json, "
                        "application/strategic-merge-patch+json");
}

static void test_patch_with_a_version_conflicts(void **state)
{
    struct server *s = running(state);
    struct reply *r;

    make_cm(s, "p", "");
    r = server_patch(s, CM "/p", "merge", "{\"metadata\":{\"resourceVersion\":\"1\"}}");
    assert_int_equal(r->status, 409);
    r = server_patch(s, CM "/absent", "merge", "{}");
    assert_int_equal(r->status, 404);
    r = server_patch(s, CM "/p", "merge", "[1]");
    assert_int_equal(r->status, 400);
    r = server_patch(s, CM "/p", "merge", "{\"data\":{\"a\":5}}");
    assert_int_equal(r->status, 422);
}

/* Two patches that race: the loser's is applied again to what the winner wrote. */
static void test_racing_patches_both_apply(void **state)
{
    struct server *s = running(state);
    const char *forms = "application/merge-patch+json";
    struct reply *a, *b, *r;

    make_cm(s, "race", "");
    a = server_call(s, &(struct call){.method = "PATCH",
                                      .target = CM "/race",
                                      .type = forms,
                                      .body = "{\"data\":{\"a\":\"1\"}}",
                                      .dont_wait = true});
    b = server_call(s, &(struct call){.method = "PATCH",
                                      .target = CM "/race",
                                      .type = forms,
                                      .body = "{\"data\":{\"b\":\"2\"}}",
                                      .dont_wait = true});
    for (int i = 0; i < 1000 && !(a->ended && b->ended); i++)
        (void)sim_step(s->sim);
    assert_int_equal(a->status, 200);
    assert_int_equal(b->status, 200);
    r = server_get(s, CM "/race");
    assert_string_equal(reply_str(s, r, "data.a"), "1");
    assert_string_equal(reply_str(s, r, "data.b"), "2");
}

/* ---- delete ---- */

static void test_delete_waits_for_finalizers(void **state)
{
    struct server *s = running(state);
    struct reply *r =
        server_post(s, CM, "{\"metadata\":{\"name\":\"f\",\"finalizers\":[\"example.com/hold\"]}}");

    assert_int_equal(r->status, 201);
    r = server_delete(s, CM "/f");
    assert_int_equal(r->status, 200);
    assert_string_equal(reply_str(s, r, "kind"), "ConfigMap");
    assert_int_equal(strlen(reply_str(s, r, "metadata.deletionTimestamp")), 20);
    assert_int_equal(reply_int(s, r, "metadata.deletionGracePeriodSeconds"), 0);
    r = server_post(s, CM, "{\"metadata\":{\"name\":\"f\"}}");
    assert_string_equal(reply_str(s, r, "message"),
                        "object is being deleted: configmaps \"f\" already exists");
    r = server_patch(s, CM "/f", "merge",
                     "{\"metadata\":{\"finalizers\":[\"example.com/hold\",\"example.com/more\"]}}");
    assert_int_equal(r->status, 422);
    assert_string_equal(reply_str(s, r, "message"),
                        "ConfigMap \"f\" is invalid: metadata.finalizers: Forbidden: no new "
                        "finalizers can be added if the object is being deleted, found new "
                        "finalizers []string{\"example.com/more\"}");
    assert_int_equal(server_delete(s, CM "/f")->status, 200);
    r = server_patch(s, CM "/f", "merge", "{\"metadata\":{\"finalizers\":null}}");
    assert_int_equal(r->status, 200);
    assert_int_equal(server_get(s, CM "/f")->status, 404);
}

static void test_delete_preconditions(void **state)
{
    struct server *s = running(state);
    struct reply *r = make_cm(s, "a", "");
    const char *uid = reply_str(s, r, "metadata.uid");

    r = server_call(s, &(struct call){.method = "DELETE",
                                      .target = CM "/a",
                                      .type = "application/json",
                                      .body = "{\"kind\":\"DeleteOptions\",\"apiVersion\":\"v1\","
                                              "\"preconditions\":{\"uid\":\"z\"}}"});
    assert_int_equal(r->status, 409);
    assert_string_equal(reply_str(s, r, "message"),
                        arena_printf(&s->arena,
                                     "Operation cannot be fulfilled on configmaps \"a\": the UID "
                                     "in the precondition (z) does not match the UID in record "
                                     "(%s). The object might have been deleted and then recreated",
                                     uid));
    assert_int_equal(server_get(s, CM "/a")->status, 200);
}

static const char pod_json[] = "{\"metadata\":{\"name\":\"p\"},\"spec\":{%s\"containers\":["
                               "{\"name\":\"c\",\"image\":\"i\"}]}}";

static void test_delete_of_pods_is_graceful(void **state)
{
    struct server *s = running(state);
    struct reply *r =
        server_post(s, PODS, arena_printf(&s->arena, pod_json, "\"nodeName\":\"n\","));

    assert_int_equal(r->status, 201);
    r = server_delete(s, PODS "/p");
    assert_int_equal(r->status, 200);
    assert_int_equal(reply_int(s, r, "metadata.deletionGracePeriodSeconds"), 30);
    assert_int_equal(server_get(s, PODS "/p")->status, 200);
    r = server_delete(s, PODS "/p?gracePeriodSeconds=60"); /* only shorter */
    assert_int_equal(reply_int(s, r, "metadata.deletionGracePeriodSeconds"), 30);
    r = server_delete(s, PODS "/p?gracePeriodSeconds=5");
    assert_int_equal(reply_int(s, r, "metadata.deletionGracePeriodSeconds"), 5);
    r = server_delete(s, PODS "/p?gracePeriodSeconds=0");
    assert_int_equal(r->status, 200);
    assert_string_equal(reply_str(s, r, "kind"), "Pod");
    assert_int_equal(server_get(s, PODS "/p")->status, 404);
}

static void test_delete_of_a_pod_without_node_is_at_once(void **state)
{
    struct server *s = running(state);

    assert_int_equal(server_post(s, PODS, arena_printf(&s->arena, pod_json, ""))->status, 201);
    assert_int_equal(server_delete(s, PODS "/p")->status, 200);
    assert_int_equal(server_get(s, PODS "/p")->status, 404);
}

static void test_delete_policies(void **state)
{
    struct server *s = running(state);
    struct reply *r;

    make_deployment(s, "d", "");
    r = server_delete(s, DEPLOYMENTS "/d?propagationPolicy=Foreground");
    assert_int_equal(r->status, 200);
    assert_true(str_find(r->body, STR("\"finalizers\":[\"foregroundDeletion\"]")) > 0);
    assert_int_equal(reply_int(s, r, "metadata.generation"), 2);
    r = server_delete(s, DEPLOYMENTS "/d?propagationPolicy=Background");
    assert_string_equal(reply_str(s, r, "status"), "Success");
    r = server_delete(s, DEPLOYMENTS "/d?propagationPolicy=Sideways");
    assert_int_equal(r->status, 422);
    assert_string_equal(reply_str(s, r, "message"),
                        "DeleteOptions.meta.k8s.io \"\" is invalid: propagationPolicy: Unsupported "
                        "value: \"Sideways\": supported values: \"Background\", \"Foreground\", "
                        "\"Orphan\", \"nil\"");
    make_deployment(s, "e", ",\"finalizers\":[\"example.com/hold\"]");
    r = server_delete(s, DEPLOYMENTS "/e?orphanDependents=false");
    assert_int_equal(r->status, 202);
}

static void test_deletecollection_answers_the_list(void **state)
{
    struct server *s = running(state);
    struct reply *r;

    for (int i = 0; i < 5; i++)
        (void)server_post(
            s, CM,
            arena_printf(&s->arena, "{\"metadata\":{\"name\":\"c%d\",\"labels\":{\"odd\":\"%d\"}}}",
                         i, i % 2));
    r = server_delete(s, CM "?labelSelector=odd%3D1");
    assert_int_equal(r->status, 200);
    assert_string_equal(reply_str(s, r, "kind"), "ConfigMapList");
    assert_true(str_find(r->body, STR("\"name\":\"c1\"")) > 0);
    assert_true(str_find(r->body, STR("\"name\":\"c3\"")) > 0);
    assert_true(str_find(r->body, STR("\"name\":\"c2\"")) < 0);
    assert_int_equal(server_get(s, CM "/c1")->status, 404);
    assert_int_equal(server_get(s, CM "/c3")->status, 404);
    assert_int_equal(server_get(s, CM "/c2")->status, 200);
    r = server_delete(s, CM "?dryRun=All");
    assert_int_equal(r->status, 200);
    assert_int_equal(server_get(s, CM "/c2")->status, 200);
}

static void test_deletecollection_in_chunks(void **state)
{
    struct server *s = running(state);
    struct reply *r;

    for (int i = 0; i < 5; i++)
        (void)make_cm(s, arena_printf(&s->arena, "c%d", i), ",\"data\":{\"mine\":\"1\"}");
    r = server_delete(s, CM "?limit=2");
    assert_int_equal(r->status, 200);
    assert_true(reply_str(s, r, "metadata.continue")[0] != '\0');
    assert_int_equal(server_get(s, CM "/c1")->status, 404);
    assert_int_equal(server_get(s, CM "/c2")->status, 200);
    r = server_delete(s, arena_printf(&s->arena, CM "?limit=10&continue=%s",
                                      reply_str(s, r, "metadata.continue")));
    assert_int_equal(r->status, 200);
    assert_string_equal(reply_str(s, r, "metadata.continue"), "");
    assert_true(str_find(r->body, STR("\"name\":\"c2\"")) > 0);
    assert_int_equal(server_get(s, CM "/c4")->status, 404);
    r = server_delete(s, CM "?continue=zzz");
    assert_int_equal(r->status, 400);
}

static struct reply *make_event(struct server *s, const char *name, const char *last)
{
    return server_post(
        s, NS "/events",
        arena_printf(&s->arena,
                     "{\"metadata\":{\"name\":\"%s\"},\"involvedObject\":{\"kind\":\"Pod\","
                     "\"namespace\":\"default\",\"name\":\"p\"},\"reason\":\"R\"%s}",
                     name, last));
}

static void test_events_end_after_an_hour(void **state)
{
    struct server *s = running(state);

    assert_int_equal(make_event(s, "old", "")->status, 201);
    assert_int_equal(
        make_event(s, "counted", ",\"lastTimestamp\":\"2026-01-01T00:45:00Z\"")->status, 201);
    sim_run_for(s->sim, 50 * 60 * 1000);
    assert_int_equal(server_get(s, NS "/events/old")->status, 200);
    assert_int_equal(make_event(s, "young", "")->status, 201);
    sim_run_for(s->sim, 15 * 60 * 1000);
    assert_int_equal(server_get(s, NS "/events/old")->status, 404);
    assert_int_equal(server_get(s, NS "/events/counted")->status, 200);
    assert_int_equal(server_get(s, NS "/events/young")->status, 200);
    sim_run_for(s->sim, 60 * 60 * 1000);
    assert_int_equal(server_get(s, NS "/events/counted")->status, 404);
    assert_int_equal(server_get(s, NS "/events/young")->status, 404);
}

static void test_namespaces_end_in_two_steps(void **state)
{
    struct server *s = running(state);
    struct reply *r = server_post(s, "/api/v1/namespaces",
                                  "{\"metadata\":{\"name\":\"n\"},\"spec\":{\"finalizers\":["
                                  "\"kubernetes\"]}}");

    assert_int_equal(r->status, 201);
    r = server_delete(s, "/api/v1/namespaces/n");
    assert_int_equal(r->status, 200);
    assert_string_equal(reply_str(s, r, "status.phase"), "Terminating");
    assert_int_equal(server_get(s, "/api/v1/namespaces/n")->status, 200);
    r = server_put(s, "/api/v1/namespaces/n/finalize",
                   "{\"metadata\":{\"name\":\"n\"},\"spec\":{\"finalizers\":[]}}");
    assert_int_equal(r->status, 200);
    assert_int_equal(server_get(s, "/api/v1/namespaces/n")->status, 404);
}

/* ---- the life of a request ---- */

static void test_a_peer_that_goes_away_leaves_nothing(void **state)
{
    struct server *s = running(state);

    for (uint64_t steps = 1; steps < 6; steps++) {
        char *body = arena_printf(&s->arena, "{\"metadata\":{\"name\":\"gone-%d\"}}", (int)steps);

        (void)server_call(s, &(struct call){.method = "POST",
                                            .target = CM,
                                            .type = "application/json",
                                            .body = body,
                                            .abort_after_steps = steps});
    }
    sim_run_for(s->sim, 1000);
    assert_int_equal(atomic_load(&s->as->reading), 0);
    assert_int_equal(atomic_load(&s->as->writing), 0);
    make_cm(s, "still-serving", "");
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    static const struct CMUnitTest tests[] = {
        T(test_create_sets_metadata),
        T(test_create_generates_names),
        T(test_a_generated_name_that_is_taken),
        T(test_generated_names_that_are_all_taken),
        T(test_create_dry_run_stores_nothing),
        T(test_create_strict_fields),
        T(test_create_from_yaml),
        T(test_create_from_protobuf),
        T(test_generation_and_status),
        T(test_update_checks_names),
        T(test_update_keeps_identity),
        T(test_update_without_change_is_not_written),
        T(test_update_creates_where_upstream_does),
        T(test_patch_forms),
        T(test_patch_of_other_types_is_refused),
        T(test_patch_with_a_version_conflicts),
        T(test_racing_patches_both_apply),
        T(test_delete_waits_for_finalizers),
        T(test_delete_preconditions),
        T(test_delete_of_pods_is_graceful),
        T(test_delete_of_a_pod_without_node_is_at_once),
        T(test_delete_policies),
        T(test_deletecollection_answers_the_list),
        T(test_deletecollection_in_chunks),
        T(test_events_end_after_an_hour),
        T(test_namespaces_end_in_two_steps),
        T(test_a_peer_that_goes_away_leaves_nothing),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
