/* SPDX-License-Identifier: Apache-2.0 */
/* pod_worker.c - one look at a pod: what is missing is started, in the order that pods begin. */
#include "kubelet/pod_internal.h"

#include "base/log.h"

enum {
    RETRY_MS = 2000, /* preparation that failed */
    BACKOFF_MIN_MS = 10000,
    BACKOFF_MAX_MS = 300000,
};
#define BACKOFF_RESET_NS (2 * (int64_t)BACKOFF_MAX_MS * 1000000)

static bool rule_matches(const struct core_container_restart_rule *r, int32_t code)
{
    bool in = false;

    if (!r->exit_codes)
        return false;
    for (size_t i = 0; i < r->exit_codes->values.n; i++)
        in = in || r->exit_codes->values.v[i] == code;
    return str_eq(r->exit_codes->operator, STR("NotIn")) ? !in : in;
}

bool container_should_restart(const struct kcontainer *kc)
{
    const struct core_container *c = kcontainer_spec(kc);
    struct str policy;

    if (kc->restart_wanted)
        return true;
    if (!c || kc->kind == KC_EPHEMERAL)
        return false;
    for (size_t i = 0; i < c->restart_policy_rules.n; i++) {
        if (rule_matches(&c->restart_policy_rules.v[i], kc->cur.exit_code))
            return true;
    }
    policy = c->restart_policy ? *c->restart_policy : kc->pod->pod->spec.restart_policy;
    if (kc->kind == KC_INIT && kc->cur.exit_code == 0)
        return false;
    if (str_eq(policy, STR("Never")))
        return false;
    return !str_eq(policy, STR("OnFailure")) || kc->cur.exit_code != 0;
}

/* It ended, nothing of it is under way, and it stays so. */
static bool ended(const struct kcontainer *kc)
{
    return kc->op == KC_IDLE && !kc->exiting && kc->cur.state == KRUN_EXITED &&
           !container_should_restart(kc);
}

bool kpod_finished(const struct kpod *kp)
{
    size_t n = 0;

    for (size_t i = 0; i < kp->containers.n; i++) {
        const struct kcontainer *kc = kp->containers.v[i];

        if (kc->kind == KC_INIT && !kp->initialized && ended(kc) && kc->cur.exit_code != 0)
            return true;
        if (kc->kind != KC_MAIN)
            continue;
        if (!ended(kc))
            return false;
        n++;
    }
    return n > 0;
}

static bool must_wait(struct kpod *kp)
{
    uint64_t now = loop_now_ms(kp->kl->loop);

    if (now >= kp->retry_after_ms)
        return false;
    kpod_kick_after(kp, kp->retry_after_ms - now);
    return true;
}

static void on_cgroup(void *arg, int code, const struct err *err)
{
    struct kpod *kp = arg;

    kp->cgroup = code < 0 ? PREP_NO : PREP_YES;
    if (code < 0 && !kp->kl->stopping) {
        kpod_event(kp, NULL, "Warning", "FailedCreatePodContainer",
                   "unable to ensure pod container exists: %s", err->msg);
        kp->retry_after_ms = loop_now_ms(kp->kl->loop) + RETRY_MS;
    }
    kpod_kick(kp);
    kpod_unref(kp);
}

static void on_volumes(void *arg, int code, const struct err *err)
{
    struct kpod *kp = arg;

    kp->volumes = code < 0 ? PREP_NO : PREP_YES;
    if (code < 0 && !kp->kl->stopping) {
        kpod_event(kp, NULL, "Warning", "FailedMount", "%s", err->msg);
        kp->retry_after_ms = loop_now_ms(kp->kl->loop) + RETRY_MS;
    }
    kpod_kick(kp);
    kpod_unref(kp);
}

static bool prepared(struct kpod *kp)
{
    if ((kp->cgroup == PREP_NO || kp->volumes == PREP_NO) && must_wait(kp))
        return false;
    if (kp->cgroup == PREP_NO) {
        kp->cgroup = PREP_BUSY;
        cgroup_pod_ensure(kpod_ref(kp), on_cgroup, kp);
    }
    if (kp->volumes == PREP_NO) {
        kp->volumes = PREP_BUSY;
        volumes_setup(kpod_ref(kp), on_volumes, kp);
    }
    return kp->cgroup == PREP_YES && kp->volumes == PREP_YES;
}

/* The sandbox is dead or never had an address: what is left in it ends before a new one is made. */
static bool old_sandbox_gone(struct kpod *kp)
{
    struct ksandbox *s = &kp->sandbox;
    bool busy = false;

    for (size_t i = 0; i < kp->containers.n; i++) {
        struct kcontainer *kc = kp->containers.v[i];

        busy = busy || kc->op != KC_IDLE || kc->exiting;
        if (kc->cur.state == KRUN_RUNNING && kc->op == KC_IDLE && !kc->exiting) {
            set_string(&kc->kill_message, STR("Pod sandbox changed"));
            container_stop(kc, STOP_GRACE_MIN_SEC);
            busy = true;
        }
    }
    if (busy || must_wait(kp))
        return false;
    if (!s->stopped) {
        kpod_event(kp, NULL, "Normal", "SandboxChanged",
                   "Pod sandbox changed, it will be killed and re-created.");
        sandbox_stop(kp);
        return false;
    }
    kp->sandbox_attempt = s->attempt + 1;
    ksandbox_deinit(s);
    kp->initialized = false;
    for (size_t i = 0; i < kp->containers.n; i++) {
        if (kp->containers.v[i]->kind == KC_INIT && kp->containers.v[i]->cur.id)
            container_rotate(kp->containers.v[i]);
    }
    return true;
}

static bool have_sandbox(struct kpod *kp)
{
    const struct ksandbox *s = &kp->sandbox;

    if (kp->sandbox_busy)
        return false;
    if (s->id && !s->known) {
        if (!must_wait(kp))
            sandbox_refresh(kp);
        return false;
    }
    if (s->id && s->ready && (s->host_network || s->ips.n > 0))
        return true;
    if (s->id && !old_sandbox_gone(kp))
        return false;
    if (!must_wait(kp))
        sandbox_create(kp);
    return false;
}

/* How long kc still has to wait after its last end; counts a new back-off when it need not. */
static uint64_t crash_wait_ms(struct kcontainer *kc)
{
    int64_t now = loop_wall_ns(kc->pod->kl->loop);
    int64_t ended_ns = kc->cur.finished_ns ? kc->cur.finished_ns : now;
    bool known = kc->backoff_ms > 0 && ended_ns - kc->backoff_chosen_ns <= BACKOFF_RESET_NS;
    int64_t due = ended_ns + (int64_t)kc->backoff_ms * 1000000;

    if (known && now < due && due - now <= (int64_t)kc->backoff_ms * 1000000)
        return (uint64_t)(due - now) / 1000000 + 1;
    kc->backoff_ms = known ? MIN(kc->backoff_ms * 2, BACKOFF_MAX_MS) : BACKOFF_MIN_MS;
    kc->backoff_chosen_ns = now;
    return 0;
}

static void say_crash_loop(struct kcontainer *kc)
{
    const struct kpod *kp = kc->pod;
    auto_arena a = {0};
    auto_buf wait = {0};

    if (kc->waiting_reason && strcmp(kc->waiting_reason, "CrashLoopBackOff") == 0)
        return;
    duration_write(&wait, (int64_t)kc->backoff_ms * 1000000);
    kcontainer_set_waiting(
        kc, "CrashLoopBackOff",
        str_printf(&a, "back-off %s restarting failed container=%s pod=%s_%s(%s)",
                   buf_cstr(&wait), kc->name, kp->name, kp->ns, kp->uid));
    kpod_event(kc->pod, kc, "Warning", "BackOff",
               "Back-off restarting failed container %s in pod %s_%s(%s)", kc->name, kp->name,
               kp->ns, kp->uid);
}

/* Starts an idle container that does not run, unless it has to wait. */
static void start_when_due(struct kcontainer *kc)
{
    uint64_t now = loop_now_ms(kc->pod->kl->loop), wait;

    if (kc->op != KC_IDLE || kc->exiting)
        return;
    if (now < kc->retry_after_ms) {
        kpod_kick_after(kc->pod, kc->retry_after_ms - now);
        return;
    }
    if (kc->cur.state == KRUN_CREATED || kc->cur.state == KRUN_UNKNOWN)
        container_discard(kc, &kc->cur);
    wait = kc->cur.state == KRUN_EXITED ? crash_wait_ms(kc) : 0;
    if (wait > 0) {
        say_crash_loop(kc);
        kpod_kick_after(kc->pod, wait);
        return;
    }
    kc->restart_wanted = false;
    container_start(kc);
}

/* Kills a running container that a probe failed or whose spec has changed. */
static void check_running(struct kcontainer *kc)
{
    const struct core_container *c = kcontainer_spec(kc);
    auto_arena a = {0};

    if (kc->op != KC_IDLE || kc->exiting || !c)
        return;
    if (!kc->kill_message && kc->kind != KC_EPHEMERAL && kc->cur.hash != 0 &&
        kc->cur.hash != container_hash(c)) {
        set_string(&kc->kill_message,
                   str_printf(&a, "Container %s definition changed, will be restarted", kc->name));
        kc->kill_grace_sec = -1;
        kc->restart_wanted = true;
    }
    if (kc->kill_message && loop_now_ms(kc->pod->kl->loop) < kc->retry_after_ms) {
        kpod_kick_after(kc->pod, kc->retry_after_ms - loop_now_ms(kc->pod->kl->loop));
    } else if (kc->kill_message) {
        const int64_t *own = kc->pod->pod->spec.termination_grace_period_seconds;

        container_stop(kc, kc->kill_grace_sec >= 0 ? kc->kill_grace_sec
                           : own                   ? *own
                                                   : STOP_GRACE_DEFAULT_SEC);
    }
}

/* Init containers one by one; a sidecar among them is through once it has started. */
static bool initialized(struct kpod *kp)
{
    if (kp->initialized)
        return true;
    for (size_t i = 0; i < kp->containers.n; i++) {
        struct kcontainer *kc = kp->containers.v[i];

        if (kc->kind == KC_SIDECAR) {
            if (kc->cur.state != KRUN_RUNNING)
                start_when_due(kc);
            if (!kc->started)
                return false;
        } else if (kc->kind == KC_INIT) {
            if (kc->cur.state == KRUN_EXITED && !kc->exiting && kc->cur.exit_code == 0)
                continue;
            if (kc->cur.state != KRUN_RUNNING &&
                (kc->cur.state != KRUN_EXITED || container_should_restart(kc)))
                start_when_due(kc);
            return false;
        }
    }
    kp->initialized = true;
    return true;
}

static void run_containers(struct kpod *kp)
{
    bool main = initialized(kp);

    for (size_t i = 0; i < kp->containers.n; i++) {
        struct kcontainer *kc = kp->containers.v[i];

        if (kc->cur.state == KRUN_RUNNING)
            check_running(kc);
        else if (!main || kc->kind == KC_INIT)
            continue;
        else if (kc->cur.state != KRUN_EXITED || container_should_restart(kc))
            start_when_due(kc);
    }
}

static void check_deadline(struct kpod *kp)
{
    const int64_t *limit = kp->pod->spec.active_deadline_seconds;
    int64_t left;

    if (!limit || kp->start_ns == 0)
        return;
    left = *limit * 1000 - (loop_wall_ns(kp->kl->loop) - kp->start_ns) / 1000000;
    if (left > 0) {
        kpod_kick_after(kp, (uint64_t)left);
        return;
    }
    kpod_event(kp, NULL, "Normal", "DeadlineExceeded",
               "Pod was active on the node longer than the specified deadline");
    kpod_fail(kp, "DeadlineExceeded", -1,
              "Pod was active on the node longer than the specified deadline");
}

static bool over(const struct kpod *kp)
{
    return kpod_deleted(kp) || kp->terminal || kp->fail_reason || kpod_finished(kp);
}

static void sync_run(struct kpod *kp)
{
    if (kp->start_ns == 0)
        kp->start_ns = loop_wall_ns(kp->kl->loop);
    if (!kp->admitted)
        kp->admitted = admission_check(kp);
    check_deadline(kp);
    if (over(kp)) {
        kpod_set_phase(kp, KPOD_KILL);
        return;
    }
    if (prepared(kp) && have_sandbox(kp))
        run_containers(kp);
}

void kpod_sync(struct kpod *kp)
{
    kpod_ref(kp);
    if (kp->phase == KPOD_RUN)
        sync_run(kp);
    if (kp->phase == KPOD_RUN)
        kpod_kick_after(kp, KUBELET_PERIOD_MS);
    else
        kpod_sync_kill(kp);
    if (kp->phase < KPOD_DONE)
        status_update(kp);
    kpod_unref(kp);
}

static void update_readiness(struct kcontainer *kc)
{
    bool running = kc->cur.state == KRUN_RUNNING;

    kc->started = running && kc->post_start_done && kc->startup_ok;
    kc->ready = kc->started && kc->readiness_ok;
}

void kpod_probe_result(struct kcontainer *kc, enum probe_kind kind, bool success)
{
    static const char *const names[] = {"liveness", "readiness", "startup"};
    const struct core_container *c = kcontainer_spec(kc);
    const struct core_probe *probe;
    auto_arena a = {0};

    if (kind == PROBE_READINESS)
        kc->readiness_ok = success;
    else if (success)
        kc->startup_ok = kc->startup_ok || kind == PROBE_STARTUP;
    if (!success && kind != PROBE_READINESS && c && kc->pod->phase == KPOD_RUN &&
        kc->cur.state == KRUN_RUNNING && !kc->kill_message) {
        probe = kind == PROBE_LIVENESS ? c->liveness_probe : c->startup_probe;
        set_string(&kc->kill_message,
                   str_printf(&a, "Container %s failed %s probe, will be restarted", kc->name,
                              names[kind]));
        kc->kill_grace_sec = probe && probe->termination_grace_period_seconds
                                 ? *probe->termination_grace_period_seconds
                                 : -1;
        kc->restart_wanted = !str_eq(kc->pod->pod->spec.restart_policy, STR("Never"));
    }
    update_readiness(kc);
    kpod_kick(kc->pod);
}
