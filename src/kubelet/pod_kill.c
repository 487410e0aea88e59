/* SPDX-License-Identifier: Apache-2.0 */
/* pod_kill.c - how a pod ends: containers, sandbox, volumes, cgroup, last status, object. */
#include "kubelet/pod_internal.h"

#include "base/log.h"

enum { RETRY_MS = 1000 };

static int64_t grace_sec(const struct kpod *kp)
{
    const struct core_pod *pod = kp->pod;

    if (kp->gone && !kp->orphan)
        return STOP_GRACE_MIN_SEC; /* deleted by force: nobody waits for it */
    if (kp->kill_grace_sec >= 0)
        return kp->kill_grace_sec;
    if (pod && pod->metadata.deletion_timestamp.set && pod->metadata.deletion_grace_period_seconds)
        return *pod->metadata.deletion_grace_period_seconds;
    if (pod && pod->spec.termination_grace_period_seconds)
        return *pod->spec.termination_grace_period_seconds;
    return STOP_GRACE_DEFAULT_SEC;
}

uint64_t kpod_grace_left_ms(const struct kpod *kp)
{
    uint64_t grace = (uint64_t)MAX(grace_sec(kp), 0) * 1000;
    uint64_t used = loop_now_ms(kp->kl->loop) - kp->kill_start_ms;

    return used < grace ? grace - used : 0;
}

static bool must_wait(struct kpod *kp)
{
    uint64_t now = loop_now_ms(kp->kl->loop);

    if (now >= kp->retry_after_ms)
        return false;
    kpod_kick_after(kp, kp->retry_after_ms - now);
    return true;
}

/* True once @kc does not run and nothing of it is under way. */
static bool container_down(struct kcontainer *kc)
{
    struct kpod *kp = kc->pod;
    uint64_t now = loop_now_ms(kp->kl->loop);

    if (kc->op == KC_STOPPING && kp->gone && !kp->orphan)
        container_stop_now(kc);
    if (kc->op == KC_PULLING)
        images_cancel(kc);
    if (kc->op != KC_IDLE || kc->exiting)
        return false;
    if (kc->cur.state == KRUN_CREATED)
        container_discard(kc, &kc->cur);
    if (kc->cur.state == KRUN_NONE || kc->cur.state == KRUN_EXITED)
        return true;
    if (now < kc->retry_after_ms)
        kpod_kick_after(kp, kc->retry_after_ms - now);
    else
        container_stop(kc, (int64_t)(kpod_grace_left_ms(kp) + 999) / 1000);
    return false;
}

/* Main containers together, then sidecars, the last one first. */
static bool containers_down(struct kpod *kp)
{
    bool down = true;

    for (size_t i = 0; i < kp->containers.n; i++) {
        if (kp->containers.v[i]->kind != KC_SIDECAR)
            down = container_down(kp->containers.v[i]) && down;
    }
    for (size_t i = kp->containers.n; down && i-- > 0;) {
        if (kp->containers.v[i]->kind == KC_SIDECAR)
            down = container_down(kp->containers.v[i]);
    }
    if (!down && kpod_grace_left_ms(kp) > 0)
        kpod_kick_after(kp, kpod_grace_left_ms(kp));
    return down;
}

static bool sandbox_down(struct kpod *kp)
{
    if (kp->sandbox_busy)
        return false;
    if (!kp->sandbox.id || kp->sandbox.stopped)
        return true;
    if (!must_wait(kp))
        sandbox_stop(kp);
    return false;
}

/* Which end it was, once nothing runs. */
static void settle(struct kpod *kp)
{
    bool all_good = kp->containers.n > 0;

    if (kp->terminal)
        return;
    for (size_t i = 0; i < kp->containers.n; i++) {
        const struct kcontainer *kc = kp->containers.v[i];

        if (kc->kind == KC_MAIN && (kc->cur.state != KRUN_EXITED || kc->cur.exit_code != 0))
            all_good = false;
    }
    kp->terminal = all_good && !kp->fail_reason ? "Succeeded" : "Failed";
}

struct clean { /* volumes and cgroup of one pod going away */
    struct kpod *pod;
    unsigned left;
    int code;
};

static void on_cleaned(void *arg, int code, const struct err *err)
{
    struct clean *c = arg;
    struct kpod *kp = c->pod;

    if (code < 0) {
        c->code = code;
        if (!kp->kl->stopping)
            LOG_WARN("kubelet", "cannot clean up pod=%s/%s: %s", kp->ns, kp->name, err->msg);
    }
    if (--c->left > 0)
        return;
    kp->clean_busy = false;
    if (c->code < 0)
        kp->retry_after_ms = loop_now_ms(kp->kl->loop) + RETRY_MS;
    else
        kpod_set_phase(kp, KPOD_FINAL);
    free(c);
    kpod_kick(kp);
    kpod_unref(kp);
}

static void clean(struct kpod *kp)
{
    struct clean *c;

    if (kp->clean_busy || kp->volumes == PREP_BUSY || kp->cgroup == PREP_BUSY || must_wait(kp))
        return;
    c = xnew(struct clean);
    c->pod = kpod_ref(kp);
    c->left = 2;
    kp->clean_busy = true;
    volumes_teardown(kp->kl, kp->uid, on_cleaned, c);
    cgroup_pod_remove(kp->kl, kp->uid, on_cleaned, c);
}

static void on_deleted(void *arg, const struct client_result *r)
{
    struct kpod *kp = arg;

    kp->delete_busy = false;
    if (r->code == 0 || r->code == ERR_NOT_FOUND || r->code == ERR_CONFLICT) {
        kp->removed = true; /* a conflict: the name is another pod's already */
    } else if (!kp->kl->stopping) {
        LOG_WARN("kubelet", "cannot delete pod=%s/%s: %s", kp->ns, kp->name, r->err->msg);
        kp->retry_after_ms = loop_now_ms(kp->kl->loop) + RETRY_MS;
    }
    kpod_kick(kp);
    kpod_unref(kp);
}

static void delete_object(struct kpod *kp)
{
    struct client_opts opts = {.grace_sec_plus1 = 1, .uid_precondition = str_from(kp->uid)};

    if (kp->delete_busy || !status_flushed(kp) || must_wait(kp))
        return;
    kp->delete_busy = true;
    client_delete(kp->kl->client, &res_core_pods, str_from(kp->ns), str_from(kp->name), &opts,
                  on_deleted, kpod_ref(kp));
}

struct log_dir {
    struct kubelet *kl;
    char *path;
};

static void remove_log_dir(void *arg)
{
    host_remove_tree(((struct log_dir *)arg)->path);
}

static void log_dir_removed(void *arg)
{
    struct log_dir *d = arg;

    kubelet_unref(d->kl);
    free(d->path);
    free(d);
}

/* Nothing of it is left in the runtime, nor its logs. */
static void remove_traces(struct kpod *kp)
{
    struct log_dir *d = xnew(struct log_dir);
    auto_arena a = {0};

    for (size_t i = 0; i < kp->containers.n; i++) {
        container_discard(kp->containers.v[i], &kp->containers.v[i]->last);
        container_discard(kp->containers.v[i], &kp->containers.v[i]->cur);
    }
    if (kp->sandbox.id)
        sandbox_remove(kp->kl, kp->sandbox.id);
    d->kl = kubelet_ref(kp->kl);
    d->path = xstrdup(kpod_log_dir(kp, &a));
    loop_work(kp->kl->loop, remove_log_dir, log_dir_removed, d);
}

static void finish(struct kpod *kp)
{
    if (!kpod_deleted(kp))
        return; /* it is over, and stays to be seen until someone deletes it */
    if (!kp->gone && !kp->removed) {
        status_update(kp);
        delete_object(kp);
        return;
    }
    remove_traces(kp);
    kpod_set_phase(kp, KPOD_DONE);
    if (kp->gone)
        kpod_forget(kp);
}

void kpod_sync_kill(struct kpod *kp)
{
    if (kp->kill_start_ms == 0)
        kp->kill_start_ms = loop_now_ms(kp->kl->loop);
    if (kp->phase == KPOD_KILL) {
        if (!containers_down(kp) || !sandbox_down(kp))
            return;
        settle(kp);
        kpod_set_phase(kp, KPOD_CLEAN);
    }
    if (kp->phase == KPOD_CLEAN)
        clean(kp);
    if (kp->phase == KPOD_FINAL)
        finish(kp);
}
