/* SPDX-License-Identifier: Apache-2.0 */
/* probes.c - is a container started, alive, ready: asked again and again, decided by thresholds.
 *
 * A startup probe gates the others. What it is told of a probe's result changes after as many equal
 * answers as the probe says. */
#include "kubelet/actions.h"

enum { PROBE__N = 3, PERIOD_DEFAULT_SEC = 10, TIMEOUT_DEFAULT_SEC = 1, FAILURES_DEFAULT = 3 };

struct prober {
    struct probe_set *set;
    enum probe_kind kind;
    struct timer timer;
    struct action *action;   /* under way */
    bool on_hold;            /* it killed the container, or has done its work */
    bool last, told;         /* the verdict that was told */
    bool run_result;
    int32_t run_length;      /* equal answers in a row */
};
struct probe_set { /* of one container */
    struct kcontainer *kc;
    struct prober probers[PROBE__N];
};

static const struct core_probe *spec_of(const struct prober *p)
{
    const struct core_container *c = kcontainer_spec(p->set->kc);

    if (!c)
        return NULL;
    return p->kind == PROBE_LIVENESS    ? c->liveness_probe
           : p->kind == PROBE_READINESS ? c->readiness_probe
                                        : c->startup_probe;
}

static uint64_t period_ms(const struct core_probe *s)
{
    return (uint64_t)(s->period_seconds > 0 ? s->period_seconds : PERIOD_DEFAULT_SEC) * 1000;
}

static void tell(struct prober *p, bool success)
{
    struct probe_set *set = p->set;
    struct kcontainer *kc = set->kc;

    p->last = success;
    p->told = true;
    if (p->kind == PROBE_STARTUP || (p->kind == PROBE_LIVENESS && !success))
        p->on_hold = true;
    kpod_probe_result(kc, p->kind, success);
    if (p->kind != PROBE_STARTUP || !success || kc->probes != set)
        return;
    for (size_t i = 0; i < PROBE__N; i++) { /* the others' turn has come */
        struct prober *other = &set->probers[i];

        if (other != p && timer_active(&other->timer))
            timer_start(&other->timer, 0, 0);
    }
}

static void say(struct prober *p, enum action_verdict verdict, struct str output)
{
    static const char *const names[] = {"Liveness", "Readiness", "Startup"};
    struct kcontainer *kc = p->set->kc;

    if (verdict == ACTION_WARNING)
        kpod_event(kc->pod, kc, "Warning", "ProbeWarning", "%s probe warning: %.*s",
                   names[p->kind], STR_ARG(output));
    else if (verdict == ACTION_FAILURE)
        kpod_event(kc->pod, kc, "Warning", "Unhealthy", "%s probe failed: %.*s", names[p->kind],
                   STR_ARG(output));
    else if (verdict == ACTION_ERROR)
        kpod_event(kc->pod, kc, "Warning", "Unhealthy",
                   "%s probe errored and resulted in failure state: %.*s", names[p->kind],
                   STR_ARG(output));
}

static void on_result(void *arg, enum action_verdict verdict, struct str output)
{
    struct prober *p = arg;
    const struct core_probe *s = spec_of(p);
    bool success = verdict == ACTION_SUCCESS || verdict == ACTION_WARNING;
    int32_t needed;

    p->action = NULL;
    if (!s || p->set->kc->pod->kl->stopping)
        return;
    say(p, verdict, output);
    if (success == p->run_result && p->run_length > 0) {
        p->run_length++;
    } else {
        p->run_result = success;
        p->run_length = 1;
    }
    needed = success ? MAX(s->success_threshold, 1)
                     : (s->failure_threshold > 0 ? s->failure_threshold : FAILURES_DEFAULT);
    timer_start(&p->timer, period_ms(s), 0);
    if (p->run_length >= needed && (!p->told || p->last != success))
        tell(p, success); /* may end this set */
}

static void begin(struct prober *p, const struct core_probe *s)
{
    struct action_target t = {
        .kc = p->set->kc,
        .timeout_ms =
            (uint32_t)(s->timeout_seconds > 0 ? s->timeout_seconds : TIMEOUT_DEFAULT_SEC) * 1000,
        .probe = true,
    };

    if (s->exec)
        p->action = action_exec(&t, &s->exec->command, on_result, p);
    else if (s->http_get)
        p->action = action_http(&t, s->http_get, on_result, p);
    else if (s->tcp_socket)
        p->action = action_tcp(&t, s->tcp_socket, on_result, p);
    else if (s->grpc)
        p->action = action_grpc(&t, s->grpc, on_result, p);
}

static void on_timer(struct timer *t)
{
    struct prober *p = container_of(t, struct prober, timer);
    struct kcontainer *kc = p->set->kc;
    const struct core_probe *s = spec_of(p);
    int64_t age_ms, delay_ms;

    if (!s || p->on_hold || p->action || kc->pod->kl->stopping)
        return;
    if (p->kind != PROBE_READINESS && kc->pod->phase != KPOD_RUN)
        return; /* a pod that ends is not restarted for being unwell */
    age_ms = (loop_wall_ns(kc->pod->kl->loop) - kc->cur.started_ns) / 1000000;
    delay_ms = (int64_t)s->initial_delay_seconds * 1000;
    if (age_ms < delay_ms && age_ms >= 0) {
        timer_start(&p->timer, (uint64_t)(delay_ms - age_ms), 0);
        return;
    }
    if (p->kind != PROBE_STARTUP && !kc->started) {
        timer_start(&p->timer, period_ms(s), 0); /* or as soon as the startup probe passes */
        return;
    }
    begin(p, s);
}

void probes_stop(struct kcontainer *kc)
{
    struct probe_set *set = kc->probes;

    if (!set)
        return;
    kc->probes = NULL;
    for (size_t i = 0; i < PROBE__N; i++) {
        timer_stop(&set->probers[i].timer);
        set->probers[i].action = action_cancel(set->probers[i].action);
    }
    free(set);
}

void probes_start(struct kcontainer *kc, bool was_ready)
{
    const struct core_container *c = kcontainer_spec(kc);
    struct loop *loop = kc->pod->kl->loop;
    struct probe_set *set;

    probes_stop(kc);
    if (!c || (!c->liveness_probe && !c->readiness_probe && !c->startup_probe))
        return;
    set = xnew(struct probe_set);
    set->kc = kc;
    kc->probes = set;
    for (size_t i = 0; i < PROBE__N; i++) {
        struct prober *p = &set->probers[i];
        const struct core_probe *s;

        p->set = set;
        p->kind = (enum probe_kind)i;
        timer_init(&p->timer, loop, on_timer);
        s = spec_of(p);
        if (!s)
            continue;
        p->told = p->kind == PROBE_LIVENESS || (was_ready && p->kind == PROBE_READINESS);
        p->last = p->told;
        p->on_hold = was_ready && p->kind == PROBE_STARTUP;
        /* After a restart of the kubelet not all of them at once. */
        timer_start(&p->timer, was_ready ? random_below(loop_random(loop), period_ms(s)) : 0, 0);
    }
}
