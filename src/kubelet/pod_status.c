/* SPDX-License-Identifier: Apache-2.0 */
/* pod_status.c - the status of a pod, from what the worker knows. Nothing here acts. */
#include "kubelet/pod_internal.h"

enum { CONDITIONS_OWN = 5, NS_PER_SEC = 1000000000 };

struct making {
    const struct kpod *kp;
    const struct core_pod_status *base;
    struct arena *a;
    struct core_pod_status *st;
    struct time_value now;
};

/* The API keeps seconds: with more, what was written would never equal what is meant. */
static struct time_value seconds(int64_t ns)
{
    return (struct time_value){.sec = ns / NS_PER_SEC, .set = ns > 0};
}

static bool over(const struct making *m)
{
    return m->kp->phase > KPOD_RUN;
}

static bool has_init(const struct kpod *kp)
{
    return kp->pod->spec.init_containers.n > 0;
}

static bool any_running(const struct kpod *kp)
{
    for (size_t i = 0; i < kp->containers.n; i++) {
        const struct kcontainer *kc = kp->containers.v[i];

        if (kc->kind == KC_MAIN && kc->cur.state == KRUN_RUNNING)
            return true;
    }
    return false;
}

static bool some_never_ran(const struct kpod *kp)
{
    for (size_t i = 0; i < kp->containers.n; i++) {
        const struct kcontainer *kc = kp->containers.v[i];

        if (kc->kind == KC_MAIN && kc->last.state == KRUN_NONE &&
            (kc->cur.state == KRUN_NONE || kc->cur.state == KRUN_CREATED))
            return true;
    }
    return false;
}

static struct str phase(const struct making *m)
{
    const struct kpod *kp = m->kp;

    if (kp->terminal)
        return str_from(kp->terminal);
    if (over(m)) /* until nothing runs, a pod that ends keeps the phase it had */
        return str_empty(m->base->phase) ? STR("Pending") : m->base->phase;
    if ((has_init(kp) && !kp->initialized) || some_never_ran(kp))
        return STR("Pending");
    if (any_running(kp) || kp->initialized)
        return STR("Running");
    return STR("Pending");
}

static const struct core_container_status *base_status(const struct making *m,
                                                       const struct kcontainer *kc)
{
    const struct core_pod_status *b = m->base;
    struct str name = str_from(kc->name);

    for (size_t i = 0; i < b->container_statuses.n; i++)
        if (str_eq(b->container_statuses.v[i].name, name))
            return &b->container_statuses.v[i];
    for (size_t i = 0; i < b->init_container_statuses.n; i++)
        if (str_eq(b->init_container_statuses.v[i].name, name))
            return &b->init_container_statuses.v[i];
    return NULL;
}

static struct str container_id(const struct making *m, const char *id)
{
    const char *runtime = m->kp->kl->runtime_name;

    return id ? str_printf(m->a, "%s://%s", runtime ? runtime : "containerd", id) : STR_NULL;
}

static struct core_container_state terminated(const struct making *m, const struct krun *r)
{
    struct core_container_state_terminated *t =
        arena_new(m->a, struct core_container_state_terminated);

    t->exit_code = r->exit_code;
    t->reason = str_from(r->reason ? r->reason : r->exit_code == 0 ? "Completed" : "Error");
    t->message = str_from(r->message);
    t->started_at = seconds(r->started_ns);
    t->finished_at = seconds(r->finished_ns);
    t->container_id = container_id(m, r->id);
    return (struct core_container_state){.terminated = t};
}

static struct core_container_state waiting(const struct making *m, struct str reason,
                                           struct str message)
{
    struct core_container_state_waiting *w = arena_new(m->a, struct core_container_state_waiting);

    w->reason = reason;
    w->message = message;
    return (struct core_container_state){.waiting = w};
}

static struct core_container_state running(const struct making *m, const struct krun *r)
{
    struct core_container_state_running *s = arena_new(m->a, struct core_container_state_running);

    s->started_at = seconds(r->started_ns);
    return (struct core_container_state){.running = s};
}

/* A container of a pod that is over, and of which nothing is known: it counts as failed. */
static struct core_container_state lost(const struct making *m)
{
    static const struct krun unknown = {.exit_code = 137};
    struct core_container_state s = terminated(m, &unknown);

    s.terminated->reason = STR("ContainerStatusUnknown");
    s.terminated->message =
        STR("The container could not be located when the pod was terminated");
    return s;
}

static void set_states(const struct making *m, const struct kcontainer *kc,
                       struct core_container_status *cs)
{
    const struct core_container_status *b = base_status(m, kc);
    const struct krun *last = &kc->last;

    if (kc->cur.state == KRUN_RUNNING) {
        cs->state = running(m, &kc->cur);
    } else if (kc->waiting_reason && !over(m)) {
        cs->state = waiting(m, str_from(kc->waiting_reason), str_from(kc->waiting_message));
        if (kc->cur.state == KRUN_EXITED)
            last = &kc->cur;
    } else if (kc->cur.state == KRUN_EXITED) {
        cs->state = terminated(m, &kc->cur);
    } else if (b && b->state.terminated && m->kp->terminal) {
        cs->state = b->state; /* its record is gone from the runtime */
        cs->container_id = b->container_id;
        cs->image_id = b->image_id;
    } else if (m->kp->terminal && m->kp->initialized && kc->kind == KC_MAIN) {
        cs->state = lost(m);
    } else {
        cs->state = waiting(
            m, has_init(m->kp) ? STR("PodInitializing") : STR("ContainerCreating"), STR_NULL);
    }
    if (last->state == KRUN_EXITED)
        cs->last_state = terminated(m, last);
    else if (b && b->last_state.terminated && b->restart_count == (int32_t)kc->restarts)
        cs->last_state = b->last_state;
}

/* What the container was given: with resizing in place, status tells it beside the spec. */
static void set_resources(const struct making *m, const struct core_container *c,
                          struct core_container_status *cs)
{
    _Static_assert(sizeof(cs->allocated_resources) == sizeof(c->resources.requests), "one type");

    if (c->resources.requests.n > 0)
        memcpy(&cs->allocated_resources, &c->resources.requests, sizeof(cs->allocated_resources));
    if (c->resources.requests.n > 0 || c->resources.limits.n > 0) {
        cs->resources = arena_new(m->a, struct core_resource_requirements);
        cs->resources->requests = c->resources.requests;
        cs->resources->limits = c->resources.limits;
    }
}

static void set_mounts(const struct making *m, const struct core_container *c,
                       struct core_container_status *cs)
{
    cs->volume_mounts.v = arena_calloc(m->a, c->volume_mounts.n, sizeof(*cs->volume_mounts.v));
    cs->volume_mounts.n = c->volume_mounts.n;
    for (size_t i = 0; i < c->volume_mounts.n; i++) {
        const struct core_volume_mount *from = &c->volume_mounts.v[i];
        struct core_volume_mount_status *to = &cs->volume_mounts.v[i];

        to->name = from->name;
        to->mount_path = from->mount_path;
        to->read_only = from->read_only;
        if (from->read_only)
            to->recursive_read_only = arena_box(m->a, STR("Disabled"));
    }
}

static void container_status(const struct making *m, const struct kcontainer *kc,
                             const struct core_container *c, struct core_container_status *cs)
{
    bool runs = kc->cur.state == KRUN_RUNNING;

    cs->name = str_from(kc->name);
    cs->restart_count = (int32_t)kc->restarts;
    cs->image = kc->cur.image ? str_from(kc->cur.image) : c->image;
    cs->image_id = str_from(kc->cur.image_id);
    cs->container_id = container_id(m, kc->cur.state == KRUN_CREATED ? NULL : kc->cur.id);
    set_states(m, kc, cs);
    if (kc->kind == KC_INIT)
        cs->ready = cs->state.terminated && cs->state.terminated->exit_code == 0;
    else
        cs->ready = runs && kc->ready && kc->kind != KC_EPHEMERAL;
    cs->started = arena_box(m->a, (bool)(runs && kc->started));
    set_resources(m, c, cs);
    set_mounts(m, c, cs);
}

typedef __typeof__(((struct core_pod_status *)0)->container_statuses) status_list;

static int by_name(const void *x, const void *y)
{
    return str_cmp(((const struct core_container_status *)x)->name,
                   ((const struct core_container_status *)y)->name);
}

/* The statuses of the containers whose kind has a bit in @kinds. */
static void container_statuses(const struct making *m, unsigned kinds, bool sort, status_list *out)
{
    const struct kpod *kp = m->kp;
    const struct core_container *c;

    out->v = arena_calloc(m->a, MAX(kp->containers.n, 1), sizeof(*out->v));
    out->n = 0;
    for (size_t i = 0; i < kp->containers.n; i++) {
        c = kcontainer_spec(kp->containers.v[i]);
        if (c && (kinds & (1u << kp->containers.v[i]->kind)))
            container_status(m, kp->containers.v[i], c, &out->v[out->n++]);
    }
    if (sort && out->n > 1)
        qsort(out->v, out->n, sizeof(*out->v), by_name);
}

/* "containers with unready status: [a b]" */
static void name_list(struct buf *out, const char *what, const struct str *names, size_t n)
{
    if (n == 0)
        return;
    if (out->len > 0)
        buf_puts(out, ", ");
    buf_printf(out, "containers with %s status: [", what);
    for (size_t i = 0; i < n; i++) {
        if (i > 0)
            buf_putc(out, ' ');
        buf_str(out, names[i]);
    }
    buf_putc(out, ']');
}

/* Of the containers with a bit in @kinds, which are not ready. */
static struct str unready(const struct making *m, unsigned kinds, const char *what)
{
    const struct kpod *kp = m->kp;
    struct str *names = arena_calloc(m->a, MAX(kp->containers.n, 1), sizeof(*names)), text;
    auto_buf out = {0};
    size_t n = 0;

    for (size_t i = 0; i < kp->containers.n; i++) {
        const struct kcontainer *kc = kp->containers.v[i];
        bool good = kc->kind == KC_INIT
                        ? kc->cur.state == KRUN_EXITED && kc->cur.exit_code == 0
                    : strcmp(what, "incomplete") == 0 ? kc->started
                                                      : kc->ready;

        if (kc->kind == KC_SIDECAR || kc->kind == KC_MAIN)
            good = good && kc->cur.state == KRUN_RUNNING;
        if ((kinds & (1u << kc->kind)) && !good)
            names[n++] = str_from(kc->name);
    }
    name_list(&out, what, names, n);
    text = str_dup(m->a, buf_view(&out));
    return text;
}

static struct core_pod_condition condition(struct str type, bool good, struct str reason,
                                           struct str message)
{
    return (struct core_pod_condition){.type = type,
                                       .status = good ? STR("True") : STR("False"),
                                       .reason = good && !str_eqz(reason, "PodCompleted")
                                                     ? STR_NULL
                                                     : reason,
                                       .message = good ? STR_NULL : message};
}

static struct core_pod_condition initialized_condition(const struct making *m)
{
    struct str text = unready(m, 1u << KC_INIT | 1u << KC_SIDECAR, "incomplete");

    if (m->kp->terminal && str_eqz(m->st->phase, "Succeeded"))
        return condition(STR("Initialized"), true, STR("PodCompleted"), STR_NULL);
    return condition(STR("Initialized"), m->kp->initialized || str_empty(text),
                     STR("ContainersNotInitialized"), text);
}

static struct core_pod_condition ready_containers(const struct making *m, struct str type)
{
    struct str text;

    if (str_eqz(m->st->phase, "Succeeded"))
        return condition(type, false, STR("PodCompleted"), STR_NULL);
    if (str_eqz(m->st->phase, "Failed"))
        return condition(type, false, STR("PodFailed"), STR_NULL);
    text = unready(m, 1u << KC_MAIN | 1u << KC_SIDECAR, "unready");
    return condition(type, str_empty(text), STR("ContainersNotReady"), text);
}

static const struct core_pod_condition *find_condition(const struct core_pod_status *st,
                                                       struct str type)
{
    for (size_t i = 0; i < st->conditions.n; i++)
        if (str_eq(st->conditions.v[i].type, type))
            return &st->conditions.v[i];
    return NULL;
}

/* Ready: the containers are, and every readiness gate's condition holds. */
static struct core_pod_condition ready_condition(const struct making *m)
{
    struct core_pod_condition c = ready_containers(m, STR("Ready"));
    const struct core_pod_spec *spec = &m->kp->pod->spec;
    auto_buf out = {0};

    if (!str_eqz(c.status, "True"))
        return c;
    for (size_t i = 0; i < spec->readiness_gates.n; i++) {
        struct str type = spec->readiness_gates.v[i].condition_type;
        const struct core_pod_condition *gate = find_condition(m->base, type);

        if (gate && str_eqz(gate->status, "True"))
            continue;
        if (out.len > 0)
            buf_puts(&out, ", ");
        if (gate)
            buf_printf(&out, "the status of pod readiness gate \"%.*s\" is not \"True\", but %.*s",
                       STR_ARG(type), STR_ARG(gate->status));
        else
            buf_printf(&out,
                       "corresponding condition of pod readiness gate \"%.*s\" does not exist.",
                       STR_ARG(type));
    }
    if (out.len > 0)
        c = condition(STR("Ready"), false, STR("ReadinessGatesNotReady"),
                      str_dup(m->a, buf_view(&out)));
    return c;
}

static void put_condition(const struct making *m, struct core_pod_condition c)
{
    const struct core_pod_condition *old = find_condition(m->base, c.type);
    struct core_pod_condition *at = (void *)(uintptr_t)find_condition(m->st, c.type);

    c.observed_generation = m->kp->pod->metadata.generation;
    c.last_transition_time = old && str_eq(old->status, c.status) && old->last_transition_time.set
                                 ? old->last_transition_time
                                 : m->now;
    if (!at)
        at = &m->st->conditions.v[m->st->conditions.n++];
    *at = c;
}

static void conditions(const struct making *m)
{
    const struct kpod *kp = m->kp;
    const struct core_pod_status *b = m->base;
    struct core_pod_status *st = m->st;
    bool net = kp->sandbox.id && kp->sandbox.ready && kp->sandbox.ips.n > 0;

    st->conditions.v = arena_calloc(m->a, b->conditions.n + CONDITIONS_OWN,
                                    sizeof(*st->conditions.v));
    st->conditions.n = b->conditions.n;
    if (b->conditions.n > 0)
        memcpy(st->conditions.v, b->conditions.v, b->conditions.n * sizeof(*b->conditions.v));
    put_condition(m, condition(STR("PodReadyToStartContainers"), net, STR_NULL, STR_NULL));
    put_condition(m, initialized_condition(m));
    put_condition(m, ready_condition(m));
    put_condition(m, ready_containers(m, STR("ContainersReady")));
    put_condition(m, condition(STR("PodScheduled"), true, STR_NULL, STR_NULL));
}

static void addresses(const struct making *m)
{
    const struct kpod *kp = m->kp;
    struct core_pod_status *st = m->st;

    st->host_ip = str_from(kp->kl->opts.node_ip);
    st->host_ips.v = arena_new(m->a, struct core_host_ip);
    st->host_ips.v->ip = st->host_ip;
    st->host_ips.n = 1;
    if (kp->sandbox.ips.n == 0 && (over(m) || kp->terminal))
        return; /* a pod that is over keeps the address it had */
    st->pod_ips.v = arena_calloc(m->a, MAX(kp->sandbox.ips.n, 1), sizeof(*st->pod_ips.v));
    st->pod_ips.n = kp->sandbox.ips.n;
    for (size_t i = 0; i < kp->sandbox.ips.n; i++)
        st->pod_ips.v[i].ip = str_from(kp->sandbox.ips.v[i]);
    st->pod_ip = str_from(kpod_ip(kp));
}

void pod_status_make(const struct kpod *kp, const struct core_pod_status *base, int64_t now_ns,
                     struct arena *a, struct core_pod_status *st)
{
    struct making m = {kp, base, a, st, seconds(now_ns)};

    *st = *base;
    st->observed_generation = kp->pod->metadata.generation;
    st->phase = phase(&m);
    st->reason = kp->terminal ? str_from(kp->fail_reason) : base->reason;
    st->message = kp->terminal ? str_from(kp->fail_message) : base->message;
    if (kp->start_ns > 0)
        st->start_time = seconds(kp->start_ns);
    if (str_empty(st->qos_class))
        st->qos_class = str_from(qos_class(kp->pod));
    if (!kp->admitted && kp->fail_reason)
        return; /* turned away: it has no containers to tell of */
    addresses(&m);
    container_statuses(&m, 1u << KC_INIT | 1u << KC_SIDECAR, false,
                       (void *)&st->init_container_statuses);
    container_statuses(&m, 1u << KC_MAIN, true, &st->container_statuses);
    container_statuses(&m, 1u << KC_EPHEMERAL, false, (void *)&st->ephemeral_container_statuses);
    conditions(&m);
}
