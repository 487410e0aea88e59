/* test_pod_worker.c - the life of pods, on a simulated node: begin, restart, end. */
#include "fake_node.h"

#define ONE "{\"spec\":{\"containers\":[{\"name\":\"c\",\"image\":\"i:1\"}]}}"


static void assert_phase(struct fake_node *f, const char *phase)
{
    assert_non_null(fake_get(f, "p"));
    assert_str_equal(fake_get(f, "p")->status.phase, phase);
}

static const struct core_container_status *status_of(struct fake_node *f, const char *name)
{
    return fake_status(fake_get(f, "p"), name);
}

static void assert_waiting(struct fake_node *f, const char *name, const char *reason,
                           const char *message)
{
    const struct core_container_status *cs = status_of(f, name);

    assert_non_null(cs->state.waiting);
    assert_str_equal(cs->state.waiting->reason, reason);
    assert_str_equal(cs->state.waiting->message, message);
}

static void test_pod_becomes_ready(void **state)
{
    struct fake_node *f = *state;
    const struct core_pod *pod;
    const struct core_container_status *cs;

    fake_start(f);
    fake_pod(f, ONE);
    fake_run(f, 200);
    pod = fake_get(f, "p");
    assert_phase(f, "Running");
    assert_str_equal(pod->status.pod_ip, "10.0.0.1");
    assert_int_equal(pod->status.pod_ips.n, 1);
    assert_str_equal(pod->status.host_ip, "192.0.2.1");
    assert_str_equal(pod->status.qos_class, "BestEffort");
    assert_true(pod->status.start_time.set);
    assert_int_equal(pod->status.observed_generation, 1);
    assert_str_equal(fake_condition(pod, "Ready")->status, "True");
    assert_str_equal(fake_condition(pod, "ContainersReady")->status, "True");
    assert_str_equal(fake_condition(pod, "Initialized")->status, "True");
    assert_str_equal(fake_condition(pod, "PodScheduled")->status, "True");
    assert_str_equal(fake_condition(pod, "PodReadyToStartContainers")->status, "True");
    cs = status_of(f, "c");
    assert_non_null(cs->state.running);
    assert_true(cs->ready);
    assert_true(*cs->started);
    assert_int_equal(cs->restart_count, 0);
    assert_str_equal(cs->container_id, "containerd://c2");
    assert_str_equal(cs->image, "docker.io/library/i:1");
    assert_str_equal(cs->image_id, "sha256:abc");
    assert_int_equal(f->probe_starts, 1);
    assert_int_equal(fake_events(f, "Pulled: Container image \"i:1\" already present on machine "
                                    "and can be accessed by the pod"),
                     1);
    assert_int_equal(fake_events(f, "Created: Container created"), 1);
    assert_int_equal(fake_events(f, "Started: Container started"), 1);
}

static void test_status_is_written_only_when_it_changes(void **state)
{
    struct fake_node *f = *state;
    unsigned patches;

    fake_start(f);
    fake_pod(f, ONE);
    fake_run(f, 1000);
    patches = f->patches;
    assert_in_range(patches, 2, 5);
    fake_run(f, 300000);
    assert_int_equal(f->patches, patches);
}

static void test_deletion_stops_cleans_and_removes(void **state)
{
    struct fake_node *f = *state;

    fake_start(f);
    fake_pod(f, "{\"spec\":{\"containers\":[{\"name\":\"c\",\"image\":\"i:1\",\"lifecycle\":{"
                "\"preStop\":{\"sleep\":{\"seconds\":1}}}}]}}");
    fake_run(f, 200);
    f->hook_ms = 4000;
    fake_delete(f, "p", 30);
    fake_run(f, 3000);
    assert_int_equal(f->stops, 0); /* the hook runs first, at the expense of the grace period */
    fake_run(f, 2000);
    assert_int_equal(f->hooks, 1);
    assert_int_equal(f->stops, 1);
    assert_in_range(f->last_grace_sec, 25, 27);
    assert_null(fake_get(f, "p"));
    assert_int_equal(f->deletes, 1);
    assert_int_equal(f->teardowns, 1);
    assert_int_equal(fake_containers(f), 0);
    assert_int_equal(fake_sandboxes(f), 0);
    assert_int_equal(f->kl->by_uid.n, 0);
    assert_int_equal(fake_events(f, "Killing: Stopping container c"), 1);
}

static void test_pod_deleted_by_force_is_killed_fast(void **state)
{
    struct fake_node *f = *state;

    fake_start(f);
    fake_pod(f, ONE);
    fake_run(f, 200);
    f->stop_ms = 1000000;
    fake_delete(f, "p", 600);
    fake_run(f, 1000);
    assert_in_range(f->last_grace_sec, 598, 600);
    fake_remove(f, "p");
    fake_run(f, 3000);
    assert_int_equal(f->last_grace_sec, STOP_GRACE_MIN_SEC);
    assert_int_equal(fake_running(f), 0);
    assert_int_equal(fake_sandboxes(f), 0);
    assert_int_equal(f->kl->by_uid.n, 0);
    assert_int_equal(f->deletes, 0);
}

static void test_deletion_while_the_sandbox_is_made(void **state)
{
    struct fake_node *f = *state;

    fake_start(f);
    fake_pod(f, ONE);
    fake_run(f, 15);
    fake_delete(f, "p", 30);
    fake_run(f, 1000);
    assert_null(fake_get(f, "p"));
    assert_int_equal(fake_containers(f), 0);
    assert_int_equal(fake_sandboxes(f), 0);
}

static void test_init_containers_run_in_order(void **state)
{
    struct fake_node *f = *state;
    const struct core_pod *pod;

    fake_start(f);
    fake_pod(f, "{\"spec\":{\"initContainers\":[{\"name\":\"a\",\"image\":\"i:1\"},"
                "{\"name\":\"b\",\"image\":\"i:1\"}],"
                "\"containers\":[{\"name\":\"c\",\"image\":\"i:1\"}]}}");
    fake_run(f, 200);
    pod = fake_get(f, "p");
    assert_phase(f, "Pending");
    assert_non_null(status_of(f, "a")->state.running);
    assert_waiting(f, "b", "PodInitializing", "");
    assert_waiting(f, "c", "PodInitializing", "");
    assert_str_equal(fake_condition(pod, "Initialized")->status, "False");
    assert_str_equal(fake_condition(pod, "Initialized")->reason, "ContainersNotInitialized");
    assert_str_equal(fake_condition(pod, "Initialized")->message,
                     "containers with incomplete status: [a b]");
    assert_str_equal(fake_condition(pod, "Ready")->message, "containers with unready status: [c]");
    fake_exit(f, fake_container(f, "a"), 0);
    fake_run(f, 100);
    assert_non_null(fake_container(f, "b"));
    assert_null(fake_container(f, "c"));
    fake_exit(f, fake_container(f, "b"), 0);
    fake_run(f, 100);
    assert_phase(f, "Running");
    assert_true(status_of(f, "a")->ready);
    assert_non_null(status_of(f, "a")->state.terminated);
    assert_str_equal(status_of(f, "a")->state.terminated->reason, "Completed");
    assert_str_equal(fake_condition(fake_get(f, "p"), "Initialized")->status, "True");
}

static void test_failed_init_container_fails_a_pod_that_never_restarts(void **state)
{
    struct fake_node *f = *state;

    fake_start(f);
    fake_pod(f, "{\"spec\":{\"restartPolicy\":\"Never\",\"initContainers\":["
                "{\"name\":\"a\",\"image\":\"i:1\"}],"
                "\"containers\":[{\"name\":\"c\",\"image\":\"i:1\"}]}}");
    fake_run(f, 200);
    fake_exit(f, fake_container(f, "a"), 3);
    fake_run(f, 200);
    assert_phase(f, "Failed");
    assert_int_equal(status_of(f, "a")->state.terminated->exit_code, 3);
    assert_null(fake_container(f, "c"));
}

static void test_sidecar_starts_first_and_ends_last(void **state)
{
    struct fake_node *f = *state;

    fake_start(f);
    fake_pod(f, "{\"spec\":{\"restartPolicy\":\"Never\",\"initContainers\":["
                "{\"name\":\"s\",\"image\":\"i:1\",\"restartPolicy\":\"Always\"}],"
                "\"containers\":[{\"name\":\"c\",\"image\":\"i:1\"}]}}");
    fake_run(f, 200);
    assert_phase(f, "Running");
    assert_true(fake_container(f, "s")->started_ns < fake_container(f, "c")->created_ns);
    fake_exit(f, fake_container(f, "s"), 1); /* it comes back */
    fake_run(f, 200);
    assert_int_equal(status_of(f, "s")->restart_count, 1);
    assert_int_equal(fake_running(f), 2);
    fake_exit(f, fake_container(f, "c"), 0);
    fake_run(f, 200);
    assert_int_equal(fake_running(f), 0);
    assert_phase(f, "Succeeded");
}

static void test_crash_loop_backs_off(void **state)
{
    struct fake_node *f = *state;

    fake_start(f);
    fake_pod(f, ONE);
    fake_run(f, 1000);
    fake_exit(f, fake_container(f, "c"), 1);
    fake_run(f, 1000); /* the first restart is at once */
    assert_int_equal(status_of(f, "c")->restart_count, 1);
    assert_non_null(status_of(f, "c")->state.running);
    assert_int_equal(status_of(f, "c")->last_state.terminated->exit_code, 1);
    fake_exit(f, fake_container(f, "c"), 1);
    fake_run(f, 1000);
    assert_waiting(f, "c", "CrashLoopBackOff",
                   "back-off 10s restarting failed container=c pod=p_ns(u1)");
    assert_int_equal(status_of(f, "c")->restart_count, 1);
    assert_phase(f, "Running");
    assert_int_equal(fake_events(f, "Back-off restarting failed container c in pod p_ns(u1)"), 1);
    fake_run(f, 8000);
    assert_int_equal(fake_running(f), 0);
    fake_run(f, 2000);
    assert_int_equal(status_of(f, "c")->restart_count, 2);
    fake_exit(f, fake_container(f, "c"), 1);
    fake_run(f, 1000);
    assert_waiting(f, "c", "CrashLoopBackOff",
                   "back-off 20s restarting failed container=c pod=p_ns(u1)");
    fake_run(f, 20000);
    assert_int_equal(fake_running(f), 1);
    assert_int_equal(fake_containers(f), 2); /* the newest and the one before it */
}

static void test_back_off_ends_after_a_long_run(void **state)
{
    struct fake_node *f = *state;

    fake_start(f);
    fake_pod(f, ONE);
    fake_run(f, 1000);
    fake_exit(f, fake_container(f, "c"), 1);
    fake_run(f, 700000);
    fake_exit(f, fake_container(f, "c"), 1);
    fake_run(f, 500);
    assert_int_equal(status_of(f, "c")->restart_count, 2);
    assert_non_null(status_of(f, "c")->state.running);
}

static void test_pods_end_by_their_policy(void **state)
{
    static const struct {
        const char *policy;
        int32_t code;
        const char *phase, *reason;
    } cases[] = {
        {"Never", 0, "Succeeded", "Completed"},
        {"Never", 2, "Failed", "Error"},
        {"OnFailure", 0, "Succeeded", "Completed"},
        {"OnFailure", 2, "Running", NULL},
        {"Always", 0, "Running", NULL},
    };
    struct fake_node *f = *state;
    char json[200];

    fake_start(f);
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        (void)snprintf(json, sizeof(json),
                       "{\"metadata\":{\"uid\":\"u%zu\"},\"spec\":{\"restartPolicy\":\"%s\","
                       "\"containers\":[{\"name\":\"c\",\"image\":\"i:1\"}]}}",
                       i, cases[i].policy);
        fake_pod(f, json);
        fake_run(f, 200);
        fake_exit(f, fake_container(f, "c"), cases[i].code);
        fake_run(f, 300);
        assert_phase(f, cases[i].phase);
        if (cases[i].reason) {
            assert_str_equal(status_of(f, "c")->state.terminated->reason, cases[i].reason);
            assert_str_equal(fake_condition(fake_get(f, "p"), "Ready")->reason,
                             cases[i].code ? "PodFailed" : "PodCompleted");
            assert_int_equal(fake_containers(f), 1); /* its log can still be read */
        } else {
            assert_int_equal(status_of(f, "c")->restart_count, 1);
        }
        fake_delete(f, "p", 0);
        fake_run(f, 1000);
        assert_null(fake_get(f, "p"));
        assert_int_equal(fake_containers(f), 0);
    }
}

static void test_volumes_that_fail_are_tried_again(void **state)
{
    struct fake_node *f = *state;

    fake_start(f);
    f->volumes_error = "MountVolume.SetUp failed for volume \"v\" : secret \"x\" not found";
    fake_pod(f, ONE);
    fake_run(f, 3000);
    assert_phase(f, "Pending");
    assert_waiting(f, "c", "ContainerCreating", "");
    assert_true(fake_events(f, "FailedMount: MountVolume.SetUp failed for volume") > 0);
    assert_int_equal(f->runs, 0);
    f->volumes_error = NULL;
    fake_run(f, 5000);
    assert_phase(f, "Running");
}

static void test_sandbox_that_fails_is_tried_again(void **state)
{
    struct fake_node *f = *state;

    fake_start(f);
    f->run_error = "no network";
    fake_pod(f, ONE);
    fake_run(f, 5000);
    assert_in_range(f->runs, 2, 3);
    assert_true(fake_events(f, "FailedCreatePodSandBox: Failed to create pod sandbox: rpc error: "
                               "code = Unknown desc = no network") > 0);
    f->run_error = NULL;
    fake_run(f, 5000);
    assert_phase(f, "Running");
}

static void test_failed_sandboxes_are_removed(void **state)
{
    struct fake_node *f = *state;

    fake_start(f);
    f->run_error = "no network";
    f->keeps_failed = true;
    fake_pod(f, ONE);
    fake_run(f, 60000);
    assert_in_range(f->runs, 20, 30);
    assert_in_range(fake_sandboxes(f), 0, 1); /* one may just have failed */
    f->run_error = NULL;
    fake_run(f, 5000);
    assert_phase(f, "Running");
    assert_int_equal(fake_sandboxes(f), 1);
}

/* What another kubelet left, and what was not removed at once, goes with a sweep. */
static void test_failed_sandboxes_of_before_are_removed(void **state)
{
    struct fake_node *f = *state;

    fake_start(f);
    f->run_error = "no network";
    f->keeps_failed = f->refuses_removal = true;
    fake_pod(f, ONE);
    fake_run(f, 30000);
    assert_in_range(fake_sandboxes(f), 10, 15);
    f->refuses_removal = false;
    fake_restart(f);
    fake_run(f, 100000);
    assert_true(f->runs > 30); /* it goes on trying all the while */
    assert_in_range(fake_sandboxes(f), 0, 1);
}

static void test_deleted_pod_leaves_no_failed_sandbox(void **state)
{
    struct fake_node *f = *state;

    fake_start(f);
    f->run_error = "no network";
    f->keeps_failed = true;
    fake_pod(f, ONE);
    fake_run(f, 9000);
    fake_delete(f, "p", 1);
    fake_run(f, 3000);
    assert_null(fake_get(f, "p"));
    assert_int_equal(fake_sandboxes(f), 0);
}

static void test_configuration_errors_are_shown(void **state)
{
    struct fake_node *f = *state;

    fake_start(f);
    f->config_error = "configmap \"x\" not found";
    fake_pod(f, ONE);
    fake_run(f, 500);
    assert_phase(f, "Pending");
    assert_waiting(f, "c", "CreateContainerConfigError", "configmap \"x\" not found");
    f->config_error = NULL;
    fake_run(f, 15000);
    assert_phase(f, "Running");
    assert_null(status_of(f, "c")->state.waiting);
}

static void test_failed_creation_and_start_are_shown(void **state)
{
    struct fake_node *f = *state;

    fake_start(f);
    f->create_error = "no such device";
    fake_pod(f, ONE);
    fake_run(f, 500);
    assert_waiting(f, "c", "CreateContainerError", "no such device");
    f->create_error = NULL;
    f->start_error = "exec: \"x\": not found";
    fake_run(f, 10200);
    assert_waiting(f, "c", "RunContainerError", "exec: \"x\": not found");
    assert_str_equal(status_of(f, "c")->last_state.terminated->reason, "StartError");
    assert_int_equal(status_of(f, "c")->last_state.terminated->exit_code, 128);
    f->start_error = NULL;
    fake_run(f, 30000);
    assert_phase(f, "Running");
}

static void test_missing_image_with_policy_never(void **state)
{
    struct fake_node *f = *state;

    fake_start(f);
    f->image_missing = true;
    fake_pod(f, "{\"spec\":{\"containers\":[{\"name\":\"c\",\"image\":\"i:1\","
                "\"imagePullPolicy\":\"Never\"}]}}");
    fake_run(f, 500);
    assert_waiting(f, "c", "ErrImageNeverPull",
                   "Container image \"i:1\" is not present with pull policy of Never");
    assert_int_equal(f->pulls, 0);
}

static void test_failed_pulls_back_off(void **state)
{
    struct fake_node *f = *state;

    fake_start(f);
    f->image_missing = true;
    f->pull_error = "no route";
    fake_pod(f, ONE);
    fake_run(f, 500);
    assert_waiting(f, "c", "ErrImagePull", "no route");
    assert_int_equal(f->pulls, 1);
    fake_run(f, 10000);
    assert_int_equal(f->pulls, 2);
    fake_run(f, 10000);
    assert_int_equal(f->pulls, 2);
    assert_waiting(f, "c", "ImagePullBackOff",
                   "Back-off pulling image \"i:1\": ErrImagePull: no route");
    f->pull_error = NULL;
    fake_run(f, 30000);
    assert_phase(f, "Running");
    assert_int_equal(fake_events(f, "Pulled: Successfully pulled image \"i:1\" in "), 1);
    assert_int_equal(fake_events(f, "Image size: 1234 bytes."), 1);
}

static void test_bad_image_name(void **state)
{
    struct fake_node *f = *state;

    fake_start(f);
    fake_pod(f, "{\"spec\":{\"containers\":[{\"name\":\"c\",\"image\":\"I//x\"}]}}");
    fake_run(f, 500);
    assert_waiting(f, "c", "InvalidImageName",
                   "Failed to apply default image tag \"I//x\": couldn't parse image name "
                   "\"I//x\": invalid reference format");
}

static void test_failed_liveness_restarts(void **state)
{
    struct fake_node *f = *state;
    struct kcontainer *kc;

    fake_start(f);
    fake_pod(f, "{\"spec\":{\"terminationGracePeriodSeconds\":7,\"containers\":[{\"name\":\"c\","
                "\"image\":\"i:1\",\"livenessProbe\":{\"exec\":{\"command\":[\"x\"]},"
                "\"terminationGracePeriodSeconds\":3}}]}}");
    fake_run(f, 500);
    kc = kpod_container(kpod_find(f->kl, STR("ns"), STR("p")), STR("c"));
    assert_non_null(kc);
    kpod_probe_result(kc, PROBE_LIVENESS, false);
    fake_run(f, 500);
    assert_int_equal(f->last_grace_sec, 3);
    assert_int_equal(
        fake_events(f, "Killing: Container c failed liveness probe, will be restarted"), 1);
    assert_int_equal(status_of(f, "c")->restart_count, 1);
    assert_int_equal(f->probe_starts, 2);
}

static void test_readiness_and_startup_gate(void **state)
{
    struct fake_node *f = *state;
    struct kcontainer *kc;

    fake_start(f);
    fake_pod(f, "{\"spec\":{\"readinessGates\":[{\"conditionType\":\"x/y\"}],\"containers\":[{"
                "\"name\":\"c\",\"image\":\"i:1\","
                "\"startupProbe\":{\"exec\":{\"command\":[\"x\"]}},"
                "\"readinessProbe\":{\"exec\":{\"command\":[\"x\"]}}}]}}");
    fake_run(f, 500);
    assert_false(*status_of(f, "c")->started);
    kc = kpod_container(kpod_find(f->kl, STR("ns"), STR("p")), STR("c"));
    kpod_probe_result(kc, PROBE_STARTUP, true);
    fake_run(f, 100);
    assert_true(*status_of(f, "c")->started);
    assert_false(status_of(f, "c")->ready);
    assert_str_equal(fake_condition(fake_get(f, "p"), "Ready")->reason, "ContainersNotReady");
    kpod_probe_result(kc, PROBE_READINESS, true);
    fake_run(f, 100);
    assert_true(status_of(f, "c")->ready);
    assert_str_equal(fake_condition(fake_get(f, "p"), "ContainersReady")->status, "True");
    assert_str_equal(fake_condition(fake_get(f, "p"), "Ready")->reason, "ReadinessGatesNotReady");
    assert_str_equal(
        fake_condition(fake_get(f, "p"), "Ready")->message,
        "corresponding condition of pod readiness gate \"x/y\" does not exist.");
    fake_patch(f, "p", "{\"status\":{\"conditions\":[{\"type\":\"x/y\",\"status\":\"True\"}]}}");
    fake_run(f, 100);
    assert_str_equal(fake_condition(fake_get(f, "p"), "Ready")->status, "True");
    assert_str_equal(fake_condition(fake_get(f, "p"), "x/y")->status, "True");
}

static void test_post_start_gates_and_kills(void **state)
{
    struct fake_node *f = *state;

    fake_start(f);
    f->hook_ms = 1000;
    fake_pod(f, "{\"spec\":{\"containers\":[{\"name\":\"c\",\"image\":\"i:1\",\"lifecycle\":{"
                "\"postStart\":{\"exec\":{\"command\":[\"x\"]}}}}]}}");
    fake_run(f, 500);
    assert_non_null(status_of(f, "c")->state.running);
    assert_false(status_of(f, "c")->ready);
    assert_int_equal(f->probe_starts, 0);
    fake_run(f, 1000);
    assert_true(status_of(f, "c")->ready);
    f->hook_error = "no";
    fake_exit(f, fake_container(f, "c"), 1);
    fake_run(f, 2000);
    assert_int_equal(fake_events(f, "FailedPostStartHook: PostStartHook failed"), 1);
    assert_int_equal(f->stops, 1);
}

static void test_dead_sandbox_is_replaced(void **state)
{
    struct fake_node *f = *state;

    fake_start(f);
    fake_pod(f, "{\"spec\":{\"initContainers\":[{\"name\":\"a\",\"image\":\"i:1\"}],"
                "\"containers\":[{\"name\":\"c\",\"image\":\"i:1\"}]}}");
    fake_run(f, 200);
    fake_exit(f, fake_container(f, "a"), 0);
    fake_run(f, 200);
    assert_phase(f, "Running");
    f->sandboxes.v[0]->ready = false;
    fake_run(f, 41000); /* a sweep sees it */
    assert_int_equal(fake_events(f, "SandboxChanged: Pod sandbox changed, it will be killed and "
                                    "re-created."),
                     1);
    assert_int_equal(f->runs, 2);
    assert_int_equal(fake_container(f, "a")->state,
                     RUNTIME__V1__CONTAINER_STATE__CONTAINER_RUNNING);
    fake_exit(f, fake_container(f, "a"), 0); /* init containers run again */
    fake_run(f, 15000);
    assert_phase(f, "Running");
    assert_int_equal(status_of(f, "c")->restart_count, 1);
    assert_str_equal(fake_get(f, "p")->status.pod_ip, "10.0.0.2");
    assert_int_equal(fake_get(f, "p")->status.pod_ips.n, 1);
}

static void test_changed_image_restarts_the_container(void **state)
{
    struct fake_node *f = *state;

    fake_start(f);
    fake_pod(f, ONE);
    fake_run(f, 500);
    fake_patch(f, "p", "{\"spec\":{\"containers\":[{\"name\":\"c\",\"image\":\"i:2\"}]}}");
    fake_run(f, 500);
    assert_int_equal(
        fake_events(f, "Killing: Container c definition changed, will be restarted"), 1);
    assert_int_equal(status_of(f, "c")->restart_count, 1);
}

static void test_deadline_fails_the_pod(void **state)
{
    struct fake_node *f = *state;

    fake_start(f);
    fake_pod(f, "{\"spec\":{\"activeDeadlineSeconds\":5,\"containers\":[{\"name\":\"c\","
                "\"image\":\"i:1\"}]}}");
    fake_run(f, 4000);
    assert_phase(f, "Running");
    fake_run(f, 2000);
    assert_phase(f, "Failed");
    assert_str_equal(fake_get(f, "p")->status.reason, "DeadlineExceeded");
    assert_str_equal(fake_get(f, "p")->status.message,
                     "Pod was active on the node longer than the specified deadline");
    assert_int_equal(fake_running(f), 0);
}

static void test_pod_that_does_not_fit_is_rejected(void **state)
{
    struct fake_node *f = *state;

    fake_start(f);
    f->cpu_milli = 1000;
    fake_pod(f, "{\"spec\":{\"containers\":[{\"name\":\"c\",\"image\":\"i:1\",\"resources\":{"
                "\"requests\":{\"cpu\":\"1500m\"}}}]}}");
    fake_run(f, 500);
    assert_phase(f, "Failed");
    assert_str_equal(fake_get(f, "p")->status.reason, "OutOfcpu");
    assert_str_equal(fake_get(f, "p")->status.message,
                     "Pod was rejected: Node didn't have enough resource: cpu, requested: 1500, "
                     "used: 0, capacity: 1000");
    assert_int_equal(f->runs, 0);
}

static void test_pod_of_another_system_is_rejected(void **state)
{
    struct fake_node *f = *state;

    fake_start(f);
    fake_pod(f, "{\"spec\":{\"os\":{\"name\":\"windows\"},\"containers\":[{\"name\":\"c\","
                "\"image\":\"i:1\"}]}}");
    fake_run(f, 500);
    assert_phase(f, "Failed");
    assert_str_equal(fake_get(f, "p")->status.reason, "PodOSNotSupported");
}

static void test_lost_exit_is_found_by_a_sweep(void **state)
{
    struct fake_node *f = *state;

    fake_start(f);
    fake_pod(f, ONE);
    fake_run(f, 2000);
    f->no_events = true;
    fake_exit(f, fake_container(f, "c"), 1);
    fake_run(f, 100);
    assert_int_equal(status_of(f, "c")->restart_count, 0);
    fake_run(f, 21000);
    assert_int_equal(status_of(f, "c")->restart_count, 1);
}

static void test_status_that_cannot_be_written_is_tried_again(void **state)
{
    struct fake_node *f = *state;

    fake_start(f);
    f->patch_code = ERR_UNAVAILABLE;
    fake_pod(f, ONE);
    fake_run(f, 3000);
    assert_int_equal(fake_running(f), 1);
    f->patch_code = 0;
    fake_run(f, 2000);
    assert_phase(f, "Running");
}

static void test_many_pods_start_together(void **state)
{
    struct fake_node *f = *state;
    char json[200];

    fake_start(f);
    for (int i = 0; i < 30; i++) {
        (void)snprintf(json, sizeof(json),
                       "{\"metadata\":{\"name\":\"p%d\",\"uid\":\"u%d\"},\"spec\":{\"containers\":"
                       "[{\"name\":\"c\",\"image\":\"i:1\"}]}}",
                       i, i);
        fake_pod(f, json);
    }
    fake_run(f, 500);
    assert_int_equal(fake_running(f), 30);
    for (int i = 0; i < 30; i++) {
        (void)snprintf(json, sizeof(json), "p%d", i);
        assert_str_equal(fake_condition(fake_get(f, json), "Ready")->status, "True");
    }
}

#define T(name) cmocka_unit_test_setup_teardown(name, fake_setup, fake_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(test_pod_becomes_ready),
        T(test_status_is_written_only_when_it_changes),
        T(test_deletion_stops_cleans_and_removes),
        T(test_pod_deleted_by_force_is_killed_fast),
        T(test_deletion_while_the_sandbox_is_made),
        T(test_init_containers_run_in_order),
        T(test_failed_init_container_fails_a_pod_that_never_restarts),
        T(test_sidecar_starts_first_and_ends_last),
        T(test_crash_loop_backs_off),
        T(test_back_off_ends_after_a_long_run),
        T(test_pods_end_by_their_policy),
        T(test_volumes_that_fail_are_tried_again),
        T(test_sandbox_that_fails_is_tried_again),
        T(test_failed_sandboxes_are_removed),
        T(test_failed_sandboxes_of_before_are_removed),
        T(test_deleted_pod_leaves_no_failed_sandbox),
        T(test_configuration_errors_are_shown),
        T(test_failed_creation_and_start_are_shown),
        T(test_missing_image_with_policy_never),
        T(test_failed_pulls_back_off),
        T(test_bad_image_name),
        T(test_failed_liveness_restarts),
        T(test_readiness_and_startup_gate),
        T(test_post_start_gates_and_kills),
        T(test_dead_sandbox_is_replaced),
        T(test_changed_image_restarts_the_container),
        T(test_deadline_fails_the_pod),
        T(test_pod_that_does_not_fit_is_rejected),
        T(test_pod_of_another_system_is_rejected),
        T(test_lost_exit_is_found_by_a_sweep),
        T(test_status_that_cannot_be_written_is_tried_again),
        T(test_many_pods_start_together),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
