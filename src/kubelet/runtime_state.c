/* SPDX-License-Identifier: Apache-2.0 */
/* runtime_state.c - what the runtime has: learnt at the start, then by its events and by sweeps.
 *
 * At the start everything that exists is given to its pod, and nothing is touched until the pods of
 * the API are known too. Later an exit is told by an event at once; a sweep now and then finds what
 * events did not tell, and removes what belongs to nobody. */
#include "kubelet/pod_internal.h"

#include "base/log.h"
#include "kubelet/cri_events.h"

enum {
    RETRY_MS = 500,
    SWEEP_MS = 20000,       /* with events */
    SWEEP_ALONE_MS = 1000,  /* without */
    UID_MAX = 64,
};
#define SETTLE_NS ((int64_t)1000000000)     /* younger, it may be missing from a list */
#define STRAY_NS (60 * (int64_t)1000000000) /* younger, it may be someone's soon */

struct runtime_state {
    struct kubelet *kl;
    struct cri_events *events;
    struct timer next; /* the next try, or the next sweep */
    bool have_image, pods_synced, listed, sweeping, again;
    bool told; /* whether the runtime answers was logged */
    unsigned asking; /* adoption: statuses still to come */
    int64_t listed_ns;
};

struct listing { /* one look at everything; holds a reference to the kubelet */
    struct runtime_state *rs;
    struct kubelet *kl;
    struct arena arena;
    const Runtime__V1__ListPodSandboxResponse *sandboxes;
};

/* Whether the runtime answers; a change is told once. */
static void set_up(struct kubelet *kl, enum grpc_status status, struct str why)
{
    bool up = status == GRPC_OK;

    if (up != kl->runtime_up || (!up && !kl->runtime->told)) {
        if (up && kl->runtime->told)
            LOG_INFO("kubelet", "the runtime answers again");
        else if (!up)
            LOG_WARN("kubelet", "the runtime does not answer: %.*s", STR_ARG(why));
    }
    kl->runtime->told = true;
    kl->runtime_up = up;
}

static void start(struct runtime_state *rs);
static void sweep(struct runtime_state *rs);

#define LABEL_OF(item, name)                                                 \
    ({                                                                       \
        struct str found_ = STR_NULL;                                        \
        for (size_t i_ = 0; i_ < (item)->n_labels; i_++)                     \
            if (strcmp((item)->labels[i_]->key, (name)) == 0)                \
                found_ = str_from((item)->labels[i_]->value);                \
        found_;                                                              \
    })

static struct str annotation(const Runtime__V1__Container *c, const char *key)
{
    for (size_t i = 0; i < c->n_annotations; i++)
        if (strcmp(c->annotations[i]->key, key) == 0)
            return str_from(c->annotations[i]->value);
    return STR_NULL;
}

/* Names become paths: only what a UID may look like is taken from the runtime. */
static bool uid_ok(struct str uid)
{
    for (size_t i = 0; i < uid.len; i++) {
        char c = uid.p[i];

        if (!(c >= '0' && c <= '9') && !(c >= 'a' && c <= 'z') && !(c >= 'A' && c <= 'Z') &&
            c != '-')
            return false;
    }
    return uid.len > 0 && uid.len <= UID_MAX;
}

static bool name_ok(struct str s)
{
    return s.len > 0 && s.len <= 253 && str_find_char(s, '/') < 0 && s.p[0] != '.';
}

static struct kpod *pod_of(struct kubelet *kl, struct str uid, struct str ns, struct str name)
{
    struct kpod *kp;

    if (!uid_ok(uid) || !name_ok(ns) || !name_ok(name))
        return NULL;
    kp = kpod_find_uid(kl, uid);
    return kp ? kp : kpod_new_orphan(kl, uid, ns, name);
}

static void adopt_sandbox(struct kubelet *kl, const Runtime__V1__PodSandbox *s)
{
    struct kpod *kp = pod_of(kl, LABEL_OF(s, LABEL_POD_UID), LABEL_OF(s, LABEL_POD_NAMESPACE),
                             LABEL_OF(s, LABEL_POD_NAME));

    if (!kp || (kp->sandbox.id && kp->sandbox.created_ns >= s->created_at))
        return;
    ksandbox_deinit(&kp->sandbox);
    kp->sandbox.id = xstrdup(s->id);
    kp->sandbox.attempt = s->metadata ? s->metadata->attempt : 0;
    kp->sandbox.created_ns = s->created_at;
    kp->sandbox.ready = s->state == RUNTIME__V1__POD_SANDBOX_STATE__SANDBOX_READY;
}

static enum krun_state run_state(Runtime__V1__ContainerState s)
{
    switch (s) {
    case RUNTIME__V1__CONTAINER_STATE__CONTAINER_CREATED:
        return KRUN_CREATED;
    case RUNTIME__V1__CONTAINER_STATE__CONTAINER_RUNNING:
        return KRUN_RUNNING;
    case RUNTIME__V1__CONTAINER_STATE__CONTAINER_EXITED:
        return KRUN_EXITED;
    default:
        return KRUN_UNKNOWN;
    }
}

static uint64_t parse_hash(struct str s)
{
    uint64_t v = 0;

    for (size_t i = 0; i < s.len && i < 16; i++) {
        char c = s.p[i];
        unsigned digit = c >= '0' && c <= '9'   ? (unsigned)(c - '0')
                         : c >= 'a' && c <= 'f' ? (unsigned)(c - 'a') + 10
                                                : 16;

        if (digit > 15)
            return 0;
        v = v << 4 | digit;
    }
    return v;
}

static void adopt_container(struct kubelet *kl, const Runtime__V1__Container *c)
{
    struct kpod *kp = pod_of(kl, LABEL_OF(c, LABEL_POD_UID), LABEL_OF(c, LABEL_POD_NAMESPACE),
                             LABEL_OF(c, LABEL_POD_NAME));
    struct str name = LABEL_OF(c, LABEL_CONTAINER_NAME);
    struct kcontainer *kc;
    struct krun run;
    int64_t grace;

    if (!kp || !name_ok(name))
        return;
    kc = kp->orphan ? kpod_add_container(kp, name, KC_MAIN) : kpod_container(kp, name);
    if (!kc)
        return;
    run = (struct krun){.state = run_state(c->state),
                        .attempt = c->metadata ? c->metadata->attempt : 0,
                        .created_ns = c->created_at,
                        .hash = parse_hash(annotation(c, ANN_HASH))};
    if (kp->orphan && str_to_i64(annotation(c, ANN_TERMINATION_GRACE), &grace) && grace >= 0)
        kp->kill_grace_sec = grace;
    if (!kc->cur.id || kc->cur.created_ns < run.created_ns) {
        krun_deinit(&kc->last);
        kc->last = kc->cur;
        run.id = xstrdup(c->id);
        kc->cur = run;
        kc->restarts = MAX(kc->restarts, run.attempt);
        kc->ran = true;
        if (kc->kind == KC_MAIN && kp->sandbox.id &&
            strcmp(c->pod_sandbox_id, kp->sandbox.id) == 0)
            kp->initialized = true;
    } else if (!kc->last.id || kc->last.created_ns < run.created_ns) {
        krun_deinit(&kc->last);
        run.id = xstrdup(c->id);
        kc->last = run;
    }
}

static void adoption_ends(struct runtime_state *rs)
{
    struct kubelet *kl = rs->kl;
    struct str uid;
    void *value;

    if (kl->adopted || !rs->listed || rs->asking > 0)
        return;
    kl->adopted = true;
    LOG_INFO("kubelet", "adopted pods=%zu runtime=%s version=%s", kl->by_uid.n, kl->runtime_name,
             kl->runtime_version ? kl->runtime_version : "");
    for (size_t it = 0; map_next(&kl->by_uid, &it, &uid, &value);)
        kpod_kick(value);
    timer_start(&rs->next, rs->events ? SWEEP_MS : SWEEP_ALONE_MS, 0);
}

struct asked { /* a status of adoption; holds a reference to the pod */
    struct runtime_state *rs;
    struct kcontainer *kc;
    bool last;
};

static const struct core_container_status *told_status(const struct kcontainer *kc)
{
    const struct core_pod *pod = kc->pod->pod;

    for (size_t i = 0; pod && i < pod->status.container_statuses.n; i++)
        if (str_eqz(pod->status.container_statuses.v[i].name, kc->name))
            return &pod->status.container_statuses.v[i];
    for (size_t i = 0; pod && i < pod->status.init_container_statuses.n; i++)
        if (str_eqz(pod->status.init_container_statuses.v[i].name, kc->name))
            return &pod->status.init_container_statuses.v[i];
    return NULL;
}

/* A container that ran before this kubelet did goes on as it was. */
static void resume(struct kcontainer *kc)
{
    const struct core_container *c = kcontainer_spec(kc);
    const struct core_container_status *cs = told_status(kc);

    if (!c)
        return;
    kc->post_start_done = true;
    kc->startup_ok = !c->startup_probe || (cs && cs->started && *cs->started);
    kc->readiness_ok = !c->readiness_probe || (cs && cs->ready);
    kc->started = kc->startup_ok;
    kc->ready = kc->started && kc->readiness_ok;
    if (kc->pod->phase == KPOD_RUN && !kpod_deleted(kc->pod))
        probes_start(kc, cs && cs->ready);
}

static void set_last(struct kcontainer *kc, const Runtime__V1__ContainerStatus *st)
{
    const struct core_container_status *cs = told_status(kc);

    krun_set_status(&kc->last, st);
    kc->last.exit_code = st->exit_code;
    kc->last.finished_ns = st->finished_at;
    set_string(&kc->last.reason, str_from(st->reason));
    set_string(&kc->last.message, cs && cs->last_state.terminated
                                      ? cs->last_state.terminated->message
                                      : str_from(st->message));
}

static void on_asked(void *arg, enum grpc_status status, struct str why,
                     const ProtobufCMessage *response)
{
    const Runtime__V1__ContainerStatusResponse *rp = (const void *)response;
    struct asked *q = arg;
    struct kcontainer *kc = q->kc;
    struct kpod *kp = kc->pod;

    (void)why;
    if (!kp->kl->stopping) {
        if (status != GRPC_OK || !rp->status) {
            if (!q->last)
                kc->cur.state = KRUN_UNKNOWN;
        } else if (q->last) {
            set_last(kc, rp->status);
        } else {
            krun_set_status(&kc->cur, rp->status);
            kc->cur.state = run_state(rp->status->state);
            if (kc->cur.state == KRUN_RUNNING) {
                resume(kc);
            } else if (kc->cur.state == KRUN_EXITED) {
                kc->cur.state = KRUN_RUNNING; /* until its last words are read */
                container_exited(kc, rp->status->exit_code, rp->status->finished_at,
                                 rp->status->reason, str_from(rp->status->message));
            }
        }
        q->rs->asking--;
        adoption_ends(q->rs);
    }
    free(q);
    kpod_unref(kp);
}

static void ask(struct runtime_state *rs, struct kcontainer *kc, bool last)
{
    struct asked *q = xnew(struct asked);

    kpod_ref(kc->pod);
    *q = (struct asked){rs, kc, last};
    rs->asking++;
    cri_container_status(rs->kl->cri, last ? kc->last.id : kc->cur.id, on_asked, q);
}

static void adopt(struct listing *l, const Runtime__V1__ListContainersResponse *containers)
{
    struct runtime_state *rs = l->rs;
    struct kubelet *kl = l->kl;
    struct str uid;
    void *value;

    for (size_t i = 0; i < l->sandboxes->n_items; i++)
        adopt_sandbox(kl, l->sandboxes->items[i]);
    for (size_t i = 0; i < containers->n_containers; i++)
        adopt_container(kl, containers->containers[i]);
    for (size_t it = 0; map_next(&kl->by_uid, &it, &uid, &value);) {
        struct kpod *kp = value;

        if (kp->sandbox.id)
            sandbox_refresh(kp);
        for (size_t i = 0; i < kp->containers.n; i++) {
            if (kp->containers.v[i]->cur.id)
                ask(rs, kp->containers.v[i], false);
            if (kp->containers.v[i]->last.id)
                ask(rs, kp->containers.v[i], true);
        }
    }
    rs->listed = true;
    adoption_ends(rs);
}

static void on_swept(void *arg, enum grpc_status status, struct str why,
                     const ProtobufCMessage *response)
{
    const Runtime__V1__ContainerStatusResponse *rp = (const void *)response;
    struct asked *q = arg;
    struct kcontainer *kc = q->kc;
    struct kpod *kp = kc->pod;

    (void)why;
    if (!kp->kl->stopping && kc->cur.state == KRUN_RUNNING && !kc->exiting) {
        if (status == GRPC_NOT_FOUND) {
            container_exited(kc, 137, 0, "ContainerStatusUnknown",
                             STR("The container could not be located when the pod was terminated"));
        } else if (status == GRPC_OK && rp->status && strcmp(rp->status->id, kc->cur.id) == 0 &&
                   run_state(rp->status->state) == KRUN_EXITED) {
            krun_set_status(&kc->cur, rp->status);
            container_exited(kc, rp->status->exit_code, rp->status->finished_at,
                             rp->status->reason, str_from(rp->status->message));
        }
    }
    free(q);
    kpod_unref(kp);
}

/* The list does not show @kc running, though nothing told of its end: asks. */
static void check_running(struct runtime_state *rs, struct kcontainer *kc,
                          const Runtime__V1__ListContainersResponse *list)
{
    struct asked *q;

    if (kc->cur.state != KRUN_RUNNING || kc->exiting ||
        kc->cur.created_ns > rs->listed_ns - SETTLE_NS)
        return;
    for (size_t i = 0; i < list->n_containers; i++) {
        if (strcmp(list->containers[i]->id, kc->cur.id) == 0 &&
            run_state(list->containers[i]->state) == KRUN_RUNNING)
            return;
    }
    q = xnew(struct asked);
    kpod_ref(kc->pod);
    *q = (struct asked){rs, kc, false};
    cri_container_status(rs->kl->cri, kc->cur.id, on_swept, q);
}

static void check_sandbox(struct kpod *kp, const Runtime__V1__ListPodSandboxResponse *list)
{
    if (!kp->sandbox.id || !kp->sandbox.ready || kp->sandbox_busy ||
        kp->sandbox.created_ns > kp->kl->runtime->listed_ns - SETTLE_NS)
        return;
    for (size_t i = 0; i < list->n_items; i++) {
        if (strcmp(list->items[i]->id, kp->sandbox.id) == 0 &&
            list->items[i]->state == RUNTIME__V1__POD_SANDBOX_STATE__SANDBOX_READY)
            return;
    }
    sandbox_refresh(kp);
}

static bool kept(const struct kpod *kp, const char *id)
{
    for (size_t i = 0; i < kp->containers.n; i++) {
        const struct kcontainer *kc = kp->containers.v[i];

        if ((kc->cur.id && strcmp(kc->cur.id, id) == 0) ||
            (kc->last.id && strcmp(kc->last.id, id) == 0) || kc->op == KC_CREATING)
            return true;
    }
    return false;
}

static void on_stray(void *arg, enum grpc_status status, struct str why,
                     const ProtobufCMessage *response)
{
    (void)status, (void)why, (void)response; /* the next sweep tries again */
    kubelet_unref(arg);
}

/* Dead containers that are no pod's newest or last but one. */
static void remove_stray(struct runtime_state *rs, const Runtime__V1__Container *c)
{
    struct kpod *kp = kpod_find_uid(rs->kl, LABEL_OF(c, LABEL_POD_UID));

    if (!kp || c->state == RUNTIME__V1__CONTAINER_STATE__CONTAINER_RUNNING ||
        c->created_at > rs->listed_ns - STRAY_NS || kept(kp, c->id))
        return;
    cri_remove_container(rs->kl->cri, c->id, on_stray, kubelet_ref(rs->kl));
}

/* A sandbox that its pod has replaced, once no container of note is in it; or of no pod. */
static void check_stray_sandbox(struct runtime_state *rs, const Runtime__V1__PodSandbox *s,
                                const Runtime__V1__ListContainersResponse *list)
{
    struct str uid = LABEL_OF(s, LABEL_POD_UID);
    struct kpod *kp = kpod_find_uid(rs->kl, uid);

    if (s->created_at > rs->listed_ns - STRAY_NS)
        return;
    if (!kp) {
        adopt_sandbox(rs->kl, s);
        for (size_t i = 0; i < list->n_containers; i++) {
            if (str_eq(LABEL_OF(list->containers[i], LABEL_POD_UID), uid))
                adopt_container(rs->kl, list->containers[i]);
        }
        kp = kpod_find_uid(rs->kl, uid);
        if (kp)
            kpod_kick(kp);
        return;
    }
    if (!sandbox_replaced(kp, s))
        return;
    for (size_t i = 0; i < list->n_containers; i++) {
        if (strcmp(list->containers[i]->pod_sandbox_id, s->id) == 0 &&
            kept(kp, list->containers[i]->id))
            return;
    }
    sandbox_remove(rs->kl, s->id);
}

static void compare(struct listing *l, const Runtime__V1__ListContainersResponse *containers)
{
    struct runtime_state *rs = l->rs;
    struct str uid;
    void *value;

    for (size_t it = 0; map_next(&l->kl->by_uid, &it, &uid, &value);) {
        struct kpod *kp = value;

        check_sandbox(kp, l->sandboxes);
        for (size_t i = 0; i < kp->containers.n; i++)
            check_running(rs, kp->containers.v[i], containers);
    }
    for (size_t i = 0; i < containers->n_containers; i++)
        remove_stray(rs, containers->containers[i]);
    for (size_t i = 0; i < l->sandboxes->n_items; i++)
        check_stray_sandbox(rs, l->sandboxes->items[i], containers);
}

static void listing_end(struct listing *l)
{
    struct kubelet *kl = l->kl;
    struct runtime_state *rs = l->rs;

    arena_deinit(&l->arena);
    free(l);
    if (!kl->stopping) {
        rs->sweeping = false;
        if (!kl->adopted && !rs->listed)
            timer_start(&rs->next, RETRY_MS, 0);
        else if (kl->adopted && rs->again)
            sweep(rs);
        else if (kl->adopted)
            timer_start(&rs->next, rs->events ? SWEEP_MS : SWEEP_ALONE_MS, 0);
    }
    kubelet_unref(kl);
}

static void on_containers(void *arg, enum grpc_status status, struct str why,
                          const ProtobufCMessage *response)
{
    const Runtime__V1__ListContainersResponse *rp = (const void *)response;
    struct listing *l = arg;

    if (!l->kl->stopping) {
        set_up(l->kl, status, why);
        if (status == GRPC_OK && l->kl->adopted)
            compare(l, rp);
        else if (status == GRPC_OK)
            adopt(l, rp);
    }
    listing_end(l);
}

static void on_sandboxes(void *arg, enum grpc_status status, struct str why,
                         const ProtobufCMessage *response)
{
    Runtime__V1__ListContainersRequest rq = RUNTIME__V1__LIST_CONTAINERS_REQUEST__INIT;
    struct listing *l = arg;

    if (l->kl->stopping || status != GRPC_OK) {
        if (!l->kl->stopping)
            set_up(l->kl, status, why);
        listing_end(l);
        return;
    }
    /* Kept beyond this callback: packed and unpacked once more. */
    l->sandboxes = (const void *)cri_unpack(
        &l->arena, &runtime__v1__list_pod_sandbox_response__descriptor,
        cri_pack(&l->arena, response));
    cri_call(l->kl->cri, CRI_LIST_CONTAINERS, &rq.base, CRI_TIMEOUT_DEFAULT, on_containers, l);
}

static void sweep(struct runtime_state *rs)
{
    Runtime__V1__ListPodSandboxRequest rq = RUNTIME__V1__LIST_POD_SANDBOX_REQUEST__INIT;
    struct listing *l;

    if (rs->sweeping) {
        rs->again = true;
        return;
    }
    l = xnew(struct listing);
    rs->sweeping = true;
    rs->again = false;
    rs->listed_ns = loop_wall_ns(rs->kl->loop);
    l->rs = rs;
    l->kl = kubelet_ref(rs->kl);
    cri_call(rs->kl->cri, CRI_LIST_POD_SANDBOX, &rq.base, CRI_TIMEOUT_DEFAULT, on_sandboxes, l);
}

static struct kcontainer *container_with(struct kubelet *kl, struct str id)
{
    struct str uid;
    void *value;

    for (size_t it = 0; map_next(&kl->by_uid, &it, &uid, &value);) {
        struct kpod *kp = value;

        for (size_t i = 0; i < kp->containers.n; i++) {
            if (kp->containers.v[i]->cur.id && str_eqz(id, kp->containers.v[i]->cur.id))
                return kp->containers.v[i];
        }
    }
    return NULL;
}

static struct kpod *sandbox_with(struct kubelet *kl, struct str id)
{
    struct str uid;
    void *value;

    for (size_t it = 0; map_next(&kl->by_uid, &it, &uid, &value);) {
        struct kpod *kp = value;

        if (kp->sandbox.id && str_eqz(id, kp->sandbox.id))
            return kp;
    }
    return NULL;
}

static void on_event(void *arg, const struct cri_event *e)
{
    struct runtime_state *rs = arg;
    struct kcontainer *kc;
    struct kpod *kp;

    if (!rs->kl->adopted || (e->kind != CRI_EVENT_EXITED && e->kind != CRI_EVENT_OOM))
        return;
    if (!str_empty(e->exec_id) && !str_eq(e->exec_id, e->container_id))
        return; /* something that was run in it */
    kc = container_with(rs->kl, e->container_id);
    if (kc && e->kind == CRI_EVENT_OOM) {
        kc->oom = true;
    } else if (kc) {
        container_exited(kc, (int32_t)e->exit_status, e->exited_ns, NULL, STR_NULL);
    } else if (e->kind == CRI_EVENT_EXITED) {
        kp = sandbox_with(rs->kl, e->container_id);
        if (kp && kp->phase == KPOD_RUN && !kp->sandbox_busy) {
            kp->sandbox.ready = false;
            kpod_kick(kp);
        }
    }
}

static void on_subscribed(void *arg)
{
    struct runtime_state *rs = arg;

    if (rs->kl->adopted)
        sweep(rs);
}

static void on_broken(void *arg, struct str text)
{
    (void)arg;
    LOG_DEBUG("kubelet", "no events of the runtime: %.*s", STR_ARG(text));
}

static void on_image(void *arg, int code, const struct err *err)
{
    struct kubelet *kl = arg;

    if (!kl->stopping) {
        if (code < 0)
            LOG_WARN("kubelet", "cannot import the sandbox image: %s", err->msg);
        kl->runtime->have_image = true;
        start(kl->runtime);
    }
    kubelet_unref(kl);
}

static void on_version(void *arg, enum grpc_status status, struct str why,
                       const ProtobufCMessage *response)
{
    const Runtime__V1__VersionResponse *rp = (const void *)response;
    struct kubelet *kl = arg;

    if (!kl->stopping) {
        set_up(kl, status, why);
        if (status == GRPC_OK) {
            set_string(&kl->runtime_name, str_from(rp->runtime_name));
            set_string(&kl->runtime_version, str_from(rp->runtime_version));
            start(kl->runtime);
        } else {
            timer_start(&kl->runtime->next, RETRY_MS, 0);
        }
    }
    kubelet_unref(kl);
}

static bool need_image(const struct runtime_state *rs)
{
    const struct kubelet_opts *o = &rs->kl->opts;

    return !rs->have_image && o->events_endpoint && o->pause_image;
}

/* One step after the other, each again until it succeeds. */
static void start(struct runtime_state *rs)
{
    Runtime__V1__VersionRequest rq = RUNTIME__V1__VERSION_REQUEST__INIT;
    struct kubelet *kl = rs->kl;

    if (!kl->runtime_name) {
        cri_call(kl->cri, CRI_VERSION, &rq.base, CRI_TIMEOUT_DEFAULT, on_version, kubelet_ref(kl));
    } else if (need_image(rs)) {
        images_import_pause(kl, on_image, kubelet_ref(kl));
    } else if (rs->pods_synced && !rs->listed) {
        sweep(rs);
    }
}

static void on_next(struct timer *t)
{
    struct runtime_state *rs = container_of(t, struct runtime_state, next);

    if (rs->kl->adopted)
        sweep(rs);
    else
        start(rs);
}

struct runtime_state *runtime_state_new(struct kubelet *kl)
{
    struct runtime_state *rs = xnew(struct runtime_state);
    struct cri_events_handler h = {on_event, on_subscribed, on_broken, rs};

    rs->kl = kl;
    timer_init(&rs->next, kl->loop, on_next);
    if (kl->opts.events_endpoint)
        rs->events = cri_events_new(kl->loop, kl->opts.events_endpoint, "k8s.io", &h);
    timer_start(&rs->next, 0, 0);
    return rs;
}

struct runtime_state *runtime_state_free(struct runtime_state *rs)
{
    if (!rs)
        return NULL;
    rs->events = cri_events_free(rs->events);
    timer_stop(&rs->next);
    free(rs);
    return NULL;
}

void runtime_state_pods_synced(struct runtime_state *rs)
{
    rs->pods_synced = true;
    if (rs->kl->runtime_name && !need_image(rs))
        start(rs);
}
