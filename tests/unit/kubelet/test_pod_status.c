/* test_pod_status.c - the status that follows from what is known of a pod. */
#include "fake_node.h"

#define TWO                                                                                  \
    "{\"spec\":{\"restartPolicy\":\"%s\",\"initContainers\":[{\"name\":\"i\",\"image\":"      \
    "\"i:1\"}],\"containers\":[{\"name\":\"b\",\"image\":\"i:1\"},{\"name\":\"a\","           \
    "\"image\":\"i:1\"}]}}"

enum { NONE, RUNS, GOOD, BAD }; /* states of a container in the table below */

static void set(struct kpod *kp, const char *name, int state)
{
    struct kcontainer *kc = kpod_container(kp, str_from(name));

    krun_deinit(&kc->cur);
    kc->cur.state = state == NONE ? KRUN_NONE : state == RUNS ? KRUN_RUNNING : KRUN_EXITED;
    kc->cur.exit_code = state == BAD ? 7 : 0;
    kc->started = kc->ready = state == RUNS;
    kc->op = KC_IDLE;
}

/* A pod that the worker does not touch: the runtime is down. */
static struct kpod *pod(struct fake_node *f, const char *policy)
{
    char json[400];

    if (!f->kl) {
        f->down = true;
        fake_start(f);
    }
    (void)snprintf(json, sizeof(json), TWO, policy);
    fake_pod(f, json);
    return kpod_find_uid(f->kl, STR("u1"));
}

static void test_phase_follows_from_containers(void **state)
{
    static const struct {
        int init, a, b;
        bool initialized;
        const char *terminal, *phase;
    } cases[] = {
        {NONE, NONE, NONE, false, NULL, "Pending"},   {RUNS, NONE, NONE, false, NULL, "Pending"},
        {BAD, NONE, NONE, false, NULL, "Pending"},    {GOOD, NONE, NONE, true, NULL, "Pending"},
        {GOOD, RUNS, NONE, true, NULL, "Pending"},    {GOOD, RUNS, RUNS, true, NULL, "Running"},
        {GOOD, GOOD, RUNS, true, NULL, "Running"},    {GOOD, BAD, BAD, true, NULL, "Running"},
        {GOOD, GOOD, GOOD, true, "Succeeded", "Succeeded"},
        {GOOD, BAD, GOOD, true, "Failed", "Failed"},
    };
    struct fake_node *f = *state;
    struct kpod *kp = pod(f, "Always");

    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct core_pod_status st;
        auto_arena a = {0};

        set(kp, "i", cases[i].init);
        set(kp, "a", cases[i].a);
        set(kp, "b", cases[i].b);
        kp->initialized = cases[i].initialized;
        kp->terminal = cases[i].terminal;
        pod_status_make(kp, &kp->pod->status, 1, &a, &st);
        if (!str_eqz(st.phase, cases[i].phase))
            fail_msg("case %zu: %.*s", i, STR_ARG(st.phase));
    }
}

static void test_containers_are_sorted_by_name(void **state)
{
    struct fake_node *f = *state;
    struct kpod *kp = pod(f, "Always");
    struct core_pod_status st;
    auto_arena a = {0};

    pod_status_make(kp, &kp->pod->status, 1, &a, &st);
    assert_str_equal(st.container_statuses.v[0].name, "a");
    assert_str_equal(st.container_statuses.v[1].name, "b");
    assert_str_equal(st.init_container_statuses.v[0].name, "i");
}

static void test_lost_container_of_a_finished_pod_failed(void **state)
{
    struct fake_node *f = *state;
    struct kpod *kp = pod(f, "Never");
    const struct core_container_state_terminated *t;
    struct core_pod_status st;
    auto_arena a = {0};

    set(kp, "i", GOOD);
    set(kp, "a", GOOD);
    kp->initialized = true;
    kp->terminal = "Failed";
    pod_status_make(kp, &kp->pod->status, 1, &a, &st);
    t = st.container_statuses.v[1].state.terminated;
    assert_non_null(t);
    assert_int_equal(t->exit_code, 137);
    assert_str_equal(t->reason, "ContainerStatusUnknown");
    assert_str_equal(t->message,
                     "The container could not be located when the pod was terminated");
}

static void test_transition_times_change_with_the_status_only(void **state)
{
    struct fake_node *f = *state;
    struct kpod *kp = pod(f, "Always");
    struct core_pod_status first, second, third;
    int64_t ns = 1000000000;
    auto_arena a = {0};

    pod_status_make(kp, &kp->pod->status, 5 * ns, &a, &first);
    pod_status_make(kp, &first, 9 * ns, &a, &second);
    assert_int_equal(second.conditions.n, 5);
    for (size_t i = 0; i < second.conditions.n; i++)
        assert_int_equal(second.conditions.v[i].last_transition_time.sec, 5);
    set(kp, "i", GOOD);
    kp->initialized = true;
    pod_status_make(kp, &second, 12 * ns, &a, &third);
    for (size_t i = 0; i < third.conditions.n; i++)
        assert_int_equal(third.conditions.v[i].last_transition_time.sec,
                         str_eqz(third.conditions.v[i].type, "Initialized") ? 12 : 5);
}

static void test_conditions_of_an_end(void **state)
{
    struct fake_node *f = *state;
    struct kpod *kp = pod(f, "Never");
    struct core_pod_status st;
    auto_arena a = {0};

    kp->initialized = true;
    kp->terminal = "Succeeded";
    pod_status_make(kp, &kp->pod->status, 1, &a, &st);
    for (size_t i = 0; i < st.conditions.n; i++) {
        struct str type = st.conditions.v[i].type;

        if (str_eqz(type, "Initialized"))
            assert_str_equal(st.conditions.v[i].status, "True");
        if (str_eqz(type, "Ready") || str_eqz(type, "ContainersReady"))
            assert_str_equal(st.conditions.v[i].status, "False");
        if (!str_eqz(type, "PodScheduled") && !str_eqz(type, "PodReadyToStartContainers"))
            assert_str_equal(st.conditions.v[i].reason, "PodCompleted");
    }
}

static void test_restart_rules_come_before_policies(void **state)
{
    static const char json[] =
        "{\"spec\":{\"restartPolicy\":\"Always\",\"containers\":[{\"name\":\"c\",\"image\":\"i:1\","
        "\"restartPolicy\":\"Never\",\"restartPolicyRules\":[{\"action\":\"Restart\","
        "\"exitCodes\":{\"operator\":\"In\",\"values\":[42]}}]}]}}";
    struct fake_node *f = *state;
    struct kcontainer *kc;

    f->down = true;
    fake_start(f);
    fake_pod(f, json);
    kc = kpod_container(kpod_find_uid(f->kl, STR("u1")), STR("c"));
    kc->cur.exit_code = 42;
    assert_true(container_should_restart(kc));
    kc->cur.exit_code = 1;
    assert_false(container_should_restart(kc));
}

static void test_requests_count_the_largest_step(void **state)
{
    struct fake_node *f = *state;

    f->down = true;
    fake_start(f);
    fake_pod(f, "{\"spec\":{\"overhead\":{\"cpu\":\"10m\"},\"initContainers\":["
                "{\"name\":\"i\",\"image\":\"i:1\",\"resources\":{\"requests\":{\"cpu\":\"1\"}}},"
                "{\"name\":\"s\",\"image\":\"i:1\",\"restartPolicy\":\"Always\",\"resources\":{"
                "\"requests\":{\"cpu\":\"300m\"}}},"
                "{\"name\":\"j\",\"image\":\"i:1\",\"resources\":{\"requests\":{\"cpu\":\"800m\"}}}"
                "],\"containers\":[{\"name\":\"c\",\"image\":\"i:1\",\"resources\":{\"requests\":{"
                "\"cpu\":\"500m\",\"memory\":\"1Ki\"}}}]}}");
    assert_int_equal(admission_request(fake_get(f, "p"), STR("cpu")), 1110);
    assert_int_equal(admission_request(fake_get(f, "p"), STR("memory")), 1024);
}

#define T(name) cmocka_unit_test_setup_teardown(name, fake_setup, fake_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(test_phase_follows_from_containers),
        T(test_containers_are_sorted_by_name),
        T(test_lost_container_of_a_finished_pod_failed),
        T(test_transition_times_change_with_the_status_only),
        T(test_conditions_of_an_end),
        T(test_restart_rules_come_before_policies),
        T(test_requests_count_the_largest_step),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
