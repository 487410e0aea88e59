/* SPDX-License-Identifier: Apache-2.0 */
/* columns_pod.c - what a list of pods shows of each: the state of its containers, in words.
 * Layer: api. */
#include "api/columns.h"
#include "api/pod_spec.h"

struct summary {
    struct str status;
    size_t n_ready, n_total;
    int64_t n_restarts;
    struct time_value last_restart;
    int64_t n_sidecar_restarts;
    struct time_value last_sidecar_restart;
    bool initializing, running;
    struct str error; /* why a container that failed did */
};

static void note_restart(struct time_value *last, const struct core_container_status *cs)
{
    const struct core_container_state_terminated *t = cs->last_state.terminated;

    if (t && t->finished_at.set && time_cmp(*last, t->finished_at) < 0)
        *last = t->finished_at;
}

static bool is_sidecar(const struct core_pod *pod, struct str name)
{
    for (size_t i = 0; i < pod->spec.init_containers.n; i++) {
        if (str_eq(pod->spec.init_containers.v[i].name, name))
            return pod_container_is_sidecar(&pod->spec.init_containers.v[i]);
    }
    return false;
}

/* Why a container ended: its reason, else the signal or the exit code. */
static struct str ended(const struct core_container_state_terminated *t, const char *prefix,
                        const struct table_ctx *ctx)
{
    if (t->reason.len)
        return str_printf(ctx->arena, "%s%.*s", prefix, STR_ARG(t->reason));
    if (t->signal)
        return str_printf(ctx->arena, "%sSignal:%d", prefix, t->signal);
    return str_printf(ctx->arena, "%sExitCode:%d", prefix, t->exit_code);
}

/* One init container; true if the pod still waits for it. */
static bool look_at_init(struct summary *s, const struct core_pod *pod, size_t i,
                         const struct table_ctx *ctx)
{
    const struct core_container_status *cs = &pod->status.init_container_statuses.v[i];
    const struct core_container_state_waiting *w = cs->state.waiting;
    bool sidecar = is_sidecar(pod, cs->name);

    note_restart(&s->last_restart, cs);
    s->n_restarts += cs->restart_count;
    if (sidecar) {
        note_restart(&s->last_sidecar_restart, cs);
        s->n_sidecar_restarts += cs->restart_count;
    }
    if (cs->state.terminated && cs->state.terminated->exit_code == 0)
        return false;
    if (sidecar && cs->started && *cs->started) {
        s->n_ready += cs->ready;
        return false;
    }
    if (cs->state.terminated)
        s->status = ended(cs->state.terminated, "Init:", ctx);
    else if (w && w->reason.len && !str_eqz(w->reason, "PodInitializing"))
        s->status = str_printf(ctx->arena, "Init:%.*s", STR_ARG(w->reason));
    else
        s->status = str_printf(ctx->arena, "Init:%zu/%zu", i, pod->spec.init_containers.n);
    return true;
}

static void look_at_main(struct summary *s, const struct core_container_status *cs,
                         const struct table_ctx *ctx)
{
    const struct core_container_state_terminated *t = cs->state.terminated;

    note_restart(&s->last_restart, cs);
    s->n_restarts += cs->restart_count;
    if (cs->state.waiting && cs->state.waiting->reason.len) {
        s->status = cs->state.waiting->reason;
    } else if (t) {
        s->status = ended(t, "", ctx);
        if (t->exit_code)
            s->error = s->status;
    } else if (cs->ready && cs->state.running) {
        s->running = true;
        s->n_ready++;
    }
}

static void look_at_containers(struct summary *s, const struct core_pod *pod,
                               const struct table_ctx *ctx)
{
    s->n_restarts = s->n_sidecar_restarts;
    s->last_restart = s->last_sidecar_restart;
    for (size_t i = pod->status.container_statuses.n; i > 0; i--)
        look_at_main(s, &pod->status.container_statuses.v[i - 1], ctx);
    if (!str_eqz(s->status, "Completed"))
        return;
    if (s->running && pod_condition_true(pod, "Ready"))
        s->status = STR("Running");
    else if (s->error.len)
        s->status = s->error;
    else if (s->running)
        s->status = STR("NotReady");
}

static struct summary summarize(const struct core_pod *pod, const struct table_ctx *ctx)
{
    const struct core_pod_condition *scheduled = pod_condition(pod, "PodScheduled");
    struct str phase = pod->status.phase, reason = pod->status.reason;
    struct summary s = {.status = reason.len ? reason : phase, .n_total = pod->spec.containers.n};

    if (scheduled && str_eqz(scheduled->reason, "SchedulingGated"))
        s.status = scheduled->reason;
    for (size_t i = 0; i < pod->spec.init_containers.n; i++)
        s.n_total += pod_container_is_sidecar(&pod->spec.init_containers.v[i]);
    for (size_t i = 0; i < pod->status.init_container_statuses.n && !s.initializing; i++)
        s.initializing = look_at_init(&s, pod, i, ctx);
    if (!s.initializing || pod_condition_true(pod, "Initialized"))
        look_at_containers(&s, pod, ctx);
    if (pod->metadata.deletion_timestamp.set) {
        if (str_eqz(reason, "NodeLost"))
            s.status = STR("Unknown");
        else if (!str_eqz(phase, "Succeeded") && !str_eqz(phase, "Failed"))
            s.status = STR("Terminating");
    }
    return s;
}

struct doc cell_pod_ready(const void *obj, const struct table_ctx *ctx)
{
    struct summary s = summarize(obj, ctx);

    return cell_text(str_printf(ctx->arena, "%zu/%zu", s.n_ready, s.n_total));
}

struct doc cell_pod_status(const void *obj, const struct table_ctx *ctx)
{
    return cell_text(summarize(obj, ctx).status);
}

struct doc cell_pod_restarts(const void *obj, const struct table_ctx *ctx)
{
    struct summary s = summarize(obj, ctx);

    if (s.n_restarts > 0 && s.last_restart.set) {
        struct str age = column_age(s.last_restart, ctx);

        return cell_text(
            str_printf(ctx->arena, "%lld (%.*s ago)", (long long)s.n_restarts, STR_ARG(age)));
    }
    return cell_text(str_printf(ctx->arena, "%lld", (long long)s.n_restarts));
}

struct doc cell_pod_ip(const void *obj, const struct table_ctx *ctx)
{
    const struct core_pod *pod = obj;

    (void)ctx;
    return cell_text_or(pod->status.pod_ips.n ? pod->status.pod_ips.v[0].ip : STR_NULL, "<none>");
}

struct doc cell_pod_node(const void *obj, const struct table_ctx *ctx)
{
    (void)ctx;
    return cell_text_or(((const struct core_pod *)obj)->spec.node_name, "<none>");
}

struct doc cell_pod_nominated_node(const void *obj, const struct table_ctx *ctx)
{
    (void)ctx;
    return cell_text_or(((const struct core_pod *)obj)->status.nominated_node_name, "<none>");
}

struct doc cell_pod_gates(const void *obj, const struct table_ctx *ctx)
{
    const struct core_pod *pod = obj;
    size_t n_true = 0, n = pod->spec.readiness_gates.n;

    if (!n)
        return cell_text(STR("<none>"));
    for (size_t i = 0; i < n; i++) {
        struct str type = pod->spec.readiness_gates.v[i].condition_type;

        for (size_t k = 0; k < pod->status.conditions.n; k++) {
            const struct core_pod_condition *c = &pod->status.conditions.v[k];

            if (!str_eq(c->type, type))
                continue;
            n_true += str_eqz(c->status, "True");
            break;
        }
    }
    return cell_text(str_printf(ctx->arena, "%zu/%zu", n_true, n));
}
