/* SPDX-License-Identifier: Apache-2.0 */
/* containers.c - one container: started step by step, stopped, rotated, discarded. */
#include "kubelet/pod_internal.h"

#include "base/log.h"
#include <assert.h>

enum {
    RETRY_MS = 10000, /* of a start that failed before the container ran */
    STOP_RETRY_MS = 1000,
    LOG_DIR_MODE = 0755,
};

/* protobuf-c's text fields are not const, and are only read. */
static char *text(const char *s)
{
    return (char *)(uintptr_t)s;
}

struct start { /* a start under way; holds a reference to the pod */
    struct kcontainer *kc;
    struct arena arena;
    struct object *object; /* the container's spec is of this version */
    const struct core_container *spec;
    Runtime__V1__ContainerConfig *config;
    int mkdir_code;
    struct err mkdir_err;
};

static void start_free(void *arg)
{
    struct start *s = arg;
    struct kpod *kp = s->kc->pod;

    object_unref(s->object);
    arena_deinit(&s->arena);
    free(s);
    kpod_unref(kp);
}

/* The memory goes a little later: whoever called back may still look at it. */
static void start_end(struct start *s)
{
    struct kpod *kp = s->kc->pod;

    s->kc->op = KC_IDLE;
    kpod_kick(kp);
    loop_post(kp->kl->loop, start_free, s);
}

/* The start failed: @reason is shown, and another try comes later. */
static void start_fail(struct start *s, const char *reason, struct str message)
{
    struct kcontainer *kc = s->kc;

    if (!kc->pod->kl->stopping && kc->pod->phase == KPOD_RUN) {
        kcontainer_set_waiting(kc, reason, message);
        kc->retry_after_ms = loop_now_ms(kc->pod->kl->loop) + RETRY_MS;
    }
    start_end(s);
}

/* The pod ends meanwhile: nothing more is started. */
static bool start_moot(struct start *s)
{
    if (!s->kc->pod->kl->stopping && s->kc->pod->phase == KPOD_RUN)
        return false;
    start_end(s);
    return true;
}

static bool has_post_start(const struct start *s)
{
    return s->spec->lifecycle && s->spec->lifecycle->post_start;
}

static void on_post_start(void *arg, int code, const struct err *err)
{
    struct start *s = arg;
    struct kcontainer *kc = s->kc;
    struct kpod *kp = kc->pod;

    if (kp->kl->stopping) {
        start_end(s);
        return;
    }
    kc->post_start_done = code == 0;
    if (code < 0) {
        kpod_event(kp, kc, "Warning", "FailedPostStartHook", "PostStartHook failed");
        kcontainer_set_waiting(kc, "PostStartHookError", str_from(err->msg));
        set_string(&kc->kill_message, STR("FailedPostStartHook"));
        kc->kill_grace_sec = -1;
    } else if (kc->cur.state == KRUN_RUNNING && !kc->exiting) {
        kc->started = kc->startup_ok;
        kc->ready = kc->started && kc->readiness_ok;
        if (kp->phase == KPOD_RUN)
            probes_start(kc, false);
    }
    start_end(s);
}

static void begin_running(struct start *s)
{
    struct kcontainer *kc = s->kc;

    kcontainer_set_waiting(kc, NULL, STR_NULL);
    kc->retry_after_ms = 0;
    kc->startup_ok = !s->spec->startup_probe;
    kc->readiness_ok = !s->spec->readiness_probe;
    if (!has_post_start(s)) {
        on_post_start(s, 0, NULL);
        return;
    }
    kc->op = KC_POST_START;
    status_update(kc->pod);
    hooks_run(kc, s->spec->lifecycle->post_start, 0, on_post_start, s);
}

static void link_log(void *arg)
{
    struct start *s = arg;
    struct kcontainer *kc = s->kc;
    struct kpod *kp = kc->pod;
    const struct kubelet_opts *o = &kp->kl->opts;
    struct arena *a = &s->arena;
    const char *target =
        arena_printf(a, "%s/%s/%u.log", kpod_log_dir(kp, a), kc->name, kc->attempt);
    const char *link = arena_printf(a, "%s/%s_%s_%s-%s.log", o->containers_log_dir, kp->name,
                                    kp->ns, kc->name, s->config->log_path);
    int r = host_mkdirs(o->containers_log_dir, LOG_DIR_MODE, &s->mkdir_err);

    s->mkdir_code = r < 0 ? r : host_symlink(target, link, &s->mkdir_err);
}

static void log_linked(void *arg)
{
    struct start *s = arg;

    if (s->mkdir_code < 0)
        LOG_WARN("kubelet", "no link to a log: %s", s->mkdir_err.msg); /* a convenience only */
    if (s->kc->pod->kl->stopping) {
        start_end(s);
        return;
    }
    if (s->kc->cur.state == KRUN_RUNNING && !s->kc->exiting)
        begin_running(s);
    else
        start_end(s);
}

static void on_status(void *arg, enum grpc_status status, struct str why,
                      const ProtobufCMessage *response)
{
    const Runtime__V1__ContainerStatusResponse *rp = (const void *)response;
    struct start *s = arg;
    struct kcontainer *kc = s->kc;

    if (kc->pod->kl->stopping) {
        start_end(s);
        return;
    }
    if (status != GRPC_OK || !rp->status) {
        LOG_WARN("kubelet", "no status of container=%s: %.*s", kc->cur.id, STR_ARG(why));
    } else {
        krun_set_status(&kc->cur, rp->status);
        if (rp->status->state == RUNTIME__V1__CONTAINER_STATE__CONTAINER_EXITED)
            container_exited(kc, rp->status->exit_code, rp->status->finished_at,
                             rp->status->reason, str_from(rp->status->message));
    }
    if (!kc->cur.image)
        set_string(&kc->cur.image, s->spec->image);
    s->config->log_path = kc->cur.id; /* what the link is named by */
    loop_work(kc->pod->kl->loop, link_log, log_linked, s);
}

static void on_started(void *arg, enum grpc_status status, struct str why,
                       const ProtobufCMessage *response)
{
    struct start *s = arg;
    struct kcontainer *kc = s->kc;
    struct kpod *kp = kc->pod;

    (void)response;
    if (kp->kl->stopping) {
        start_end(s);
        return;
    }
    if (status != GRPC_OK) {
        kpod_event(kp, kc, "Warning", "Failed", "Error: %.*s", STR_ARG(why));
        kcontainer_set_waiting(kc, "RunContainerError", why);
        kc->retry_after_ms = loop_now_ms(kp->kl->loop) + RETRY_MS;
        container_exited(kc, 128, loop_wall_ns(kp->kl->loop), "StartError", why);
        start_end(s);
        return;
    }
    if (kc->cur.state == KRUN_CREATED)
        kc->cur.state = KRUN_RUNNING;
    kc->cur.started_ns = loop_wall_ns(kp->kl->loop);
    kpod_event(kp, kc, "Normal", "Started", "Container started");
    cri_container_status(kp->kl->cri, kc->cur.id, on_status, s);
}

static void on_created(void *arg, enum grpc_status status, struct str why,
                       const ProtobufCMessage *response)
{
    const Runtime__V1__CreateContainerResponse *rp = (const void *)response;
    struct start *s = arg;
    struct kcontainer *kc = s->kc;
    struct kpod *kp = kc->pod;

    if (kp->kl->stopping) {
        start_end(s);
        return;
    }
    if (status != GRPC_OK) {
        auto_arena a = {0};
        struct str message = str_dup(&a, why);

        kpod_event(kp, kc, "Warning", "Failed", "Error: %.*s", STR_ARG(message));
        start_fail(s, "CreateContainerError", message);
        return;
    }
    if (kc->cur.state != KRUN_NONE)
        container_rotate(kc);
    kc->cur = (struct krun){.state = KRUN_CREATED,
                            .id = xstrdup(rp->container_id),
                            .attempt = kc->attempt,
                            .hash = container_hash(s->spec),
                            .created_ns = loop_wall_ns(kp->kl->loop)};
    kc->restarts = kc->attempt;
    kc->ran = true;
    kc->oom = kc->started = kc->ready = kc->post_start_done = kc->hurried = kc->kill_told =
        false;
    kpod_event(kp, kc, "Normal", "Created", "Container created");
    if (start_moot(s))
        return;
    kc->op = KC_STARTING;
    cri_start_container(kp->kl->cri, kc->cur.id, on_started, s);
}

typedef Runtime__V1__ContainerConfig__LabelsEntry Label;
typedef Runtime__V1__ContainerConfig__AnnotationsEntry Annotation;

static void put_label(struct start *s, const char *key, const char *value)
{
    Label *l = arena_new(&s->arena, Label);

    runtime__v1__container_config__labels_entry__init(l);
    l->key = text(key);
    l->value = text(value);
    s->config->labels[s->config->n_labels++] = l;
}

static void put_annotation(struct start *s, const char *key, const char *value)
{
    Annotation *l = arena_new(&s->arena, Annotation);

    runtime__v1__container_config__annotations_entry__init(l);
    l->key = text(key);
    l->value = text(value);
    s->config->annotations[s->config->n_annotations++] = l;
}

static void annotate(struct start *s)
{
    const struct core_pod *pod = s->kc->pod->pod;
    const struct core_container *c = s->spec;
    struct arena *a = &s->arena;

    put_label(s, LABEL_POD_NAME, s->kc->pod->name);
    put_label(s, LABEL_POD_NAMESPACE, s->kc->pod->ns);
    put_label(s, LABEL_POD_UID, s->kc->pod->uid);
    put_label(s, LABEL_CONTAINER_NAME, s->kc->name);
    put_annotation(s, ANN_HASH, arena_printf(a, "%llx", (unsigned long long)container_hash(c)));
    put_annotation(s, ANN_RESTART_COUNT, arena_printf(a, "%u", s->kc->attempt));
    put_annotation(s, ANN_MESSAGE_PATH, str_dupz(a, c->termination_message_path));
    put_annotation(s, ANN_MESSAGE_POLICY, str_dupz(a, c->termination_message_policy));
    if (pod->metadata.deletion_grace_period_seconds)
        put_annotation(s, ANN_DELETION_GRACE,
                       arena_printf(a, "%lld",
                                    (long long)*pod->metadata.deletion_grace_period_seconds));
    if (pod->spec.termination_grace_period_seconds)
        put_annotation(s, ANN_TERMINATION_GRACE,
                       arena_printf(a, "%lld",
                                    (long long)*pod->spec.termination_grace_period_seconds));
}

/* What names the container in the runtime. */
static void complete_config(struct start *s)
{
    enum { LABELS_MAX = 4, ANNOTATIONS_MAX = 8 };
    Runtime__V1__ContainerConfig *c = s->config;
    struct arena *a = &s->arena;

    c->metadata = arena_new(a, Runtime__V1__ContainerMetadata);
    runtime__v1__container_metadata__init(c->metadata);
    c->metadata->name = s->kc->name;
    c->metadata->attempt = s->kc->attempt;
    c->image = arena_new(a, Runtime__V1__ImageSpec);
    runtime__v1__image_spec__init(c->image);
    c->image->image = arena_strdup(a, s->kc->image_ref);
    c->image->user_specified_image = str_dupz(a, s->spec->image);
    c->labels = arena_calloc(a, LABELS_MAX, sizeof(*c->labels));
    c->annotations = arena_calloc(a, ANNOTATIONS_MAX, sizeof(*c->annotations));
    c->n_labels = c->n_annotations = 0;
    annotate(s);
    c->log_path = arena_printf(a, "%s/%u.log", s->kc->name, s->kc->attempt);
}

static void on_config(void *arg, const struct container_config_result *r)
{
    struct start *s = arg;
    struct kcontainer *kc = s->kc;
    struct kpod *kp = kc->pod;
    Runtime__V1__CreateContainerRequest rq = RUNTIME__V1__CREATE_CONTAINER_REQUEST__INIT;
    struct err err = {0};

    if (start_moot(s))
        return;
    if (!r->config) {
        kpod_event(kp, kc, "Warning", "Failed", "Error: %.*s", STR_ARG(r->message));
        start_fail(s, r->reason, r->message);
        return;
    }
    s->config = r->config;
    complete_config(s);
    if (sandbox_config_make(kp, &s->arena, &rq.sandbox_config, &err) < 0) {
        kpod_event(kp, kc, "Warning", "Failed", "Error: %s", err.msg);
        start_fail(s, "CreateContainerError", str_from(err.msg));
        return;
    }
    rq.pod_sandbox_id = kp->sandbox.id;
    rq.config = s->config;
    kc->op = KC_CREATING;
    cri_call(kp->kl->cri, CRI_CREATE_CONTAINER, &rq.base, CRI_TIMEOUT_DEFAULT, on_created, s);
}

static void make_log_dir(void *arg)
{
    struct start *s = arg;

    s->mkdir_code = host_mkdirs(
        arena_printf(&s->arena, "%s/%s", kpod_log_dir(s->kc->pod, &s->arena), s->kc->name),
        LOG_DIR_MODE, &s->mkdir_err);
}

static void log_dir_made(void *arg)
{
    struct start *s = arg;

    if (start_moot(s))
        return;
    if (s->mkdir_code < 0) {
        start_fail(s, "CreateContainerError", str_from(s->mkdir_err.msg));
        return;
    }
    container_config_make(s->kc, &s->arena, on_config, s);
}

static void on_image(void *arg, const char *reason, struct str message)
{
    struct start *s = arg;

    if (start_moot(s))
        return;
    if (reason) {
        start_fail(s, reason, message);
        return;
    }
    s->kc->op = KC_CONFIGURING;
    loop_work(s->kc->pod->kl->loop, make_log_dir, log_dir_made, s);
}

void container_start(struct kcontainer *kc)
{
    const struct core_container *spec = kcontainer_spec(kc);
    struct start *s;

    assert(kc->op == KC_IDLE);
    if (!spec)
        return;
    s = xnew(struct start);
    kpod_ref(kc->pod);
    s->kc = kc;
    s->object = object_ref(kc->pod->object);
    s->spec = spec;
    kc->op = KC_PULLING;
    kc->attempt = kc->ran ? kc->restarts + 1 : 0;
    set_string(&kc->kill_message, STR_NULL);
    images_ensure(kc, on_image, s);
}

struct stop { /* a stop under way; holds a reference to the pod */
    struct kcontainer *kc;
    struct object *object; /* the hook is of this version */
    uint64_t due_ms;
};

static void stop_end(struct stop *s)
{
    struct kpod *kp = s->kc->pod;

    s->kc->op = KC_IDLE;
    object_unref(s->object);
    free(s);
    kpod_kick(kp);
    kpod_unref(kp);
}

static void on_stopped_status(void *arg, enum grpc_status status, struct str why,
                              const ProtobufCMessage *response)
{
    const Runtime__V1__ContainerStatusResponse *rp = (const void *)response;
    struct stop *s = arg;
    struct kcontainer *kc = s->kc;

    (void)why;
    if (kc->pod->kl->stopping || kc->exiting || kc->cur.state == KRUN_EXITED) {
        stop_end(s);
        return;
    }
    if (status == GRPC_NOT_FOUND) {
        container_exited(kc, 137, loop_wall_ns(kc->pod->kl->loop), "ContainerStatusUnknown",
                         STR("The container could not be located when the pod was terminated"));
    } else if (status == GRPC_OK && rp->status &&
               rp->status->state == RUNTIME__V1__CONTAINER_STATE__CONTAINER_EXITED) {
        krun_set_status(&kc->cur, rp->status);
        container_exited(kc, rp->status->exit_code, rp->status->finished_at, rp->status->reason,
                         str_from(rp->status->message));
    } else {
        kc->retry_after_ms = loop_now_ms(kc->pod->kl->loop) + STOP_RETRY_MS;
    }
    stop_end(s);
}

static void on_stopped(void *arg, enum grpc_status status, struct str why,
                       const ProtobufCMessage *response)
{
    struct stop *s = arg;
    struct kcontainer *kc = s->kc;

    (void)response;
    if (kc->pod->kl->stopping || kc->exiting || kc->cur.state == KRUN_EXITED || !kc->cur.id) {
        stop_end(s);
        return;
    }
    if (status != GRPC_OK && status != GRPC_NOT_FOUND)
        LOG_WARN("kubelet", "cannot stop container=%s: %.*s", kc->cur.id, STR_ARG(why));
    cri_container_status(kc->pod->kl->cri, kc->cur.id, on_stopped_status, s);
}

static void stop_now(struct stop *s)
{
    struct kcontainer *kc = s->kc;
    uint64_t now = loop_now_ms(kc->pod->kl->loop);
    int64_t left = s->due_ms > now ? (int64_t)(s->due_ms - now + 999) / 1000 : 0;

    if (kc->pod->kl->stopping || kc->cur.state == KRUN_EXITED || !kc->cur.id) {
        stop_end(s);
        return;
    }
    cri_stop_container(kc->pod->kl->cri, kc->cur.id, MAX(left, STOP_GRACE_MIN_SEC), on_stopped, s);
}

static void on_pre_stop(void *arg, int code, const struct err *err)
{
    struct stop *s = arg;

    (void)err;
    if (code < 0 && !s->kc->pod->kl->stopping)
        kpod_event(s->kc->pod, s->kc, "Warning", "FailedPreStopHook", "PreStopHook failed");
    stop_now(s);
}

void container_stop(struct kcontainer *kc, int64_t grace_sec)
{
    const struct core_container *c = kcontainer_spec(kc);
    struct stop *s = xnew(struct stop);
    struct kpod *kp = kpod_ref(kc->pod);

    assert(kc->op == KC_IDLE);
    kc->op = KC_STOPPING;
    s->kc = kc;
    s->object = kp->object ? object_ref(kp->object) : NULL;
    s->due_ms = loop_now_ms(kp->kl->loop) + (uint64_t)MAX(grace_sec, 0) * 1000;
    if (!kc->kill_told && kc->kill_message)
        kpod_event(kp, kc, "Normal", "Killing", "%s", kc->kill_message);
    else if (!kc->kill_told)
        kpod_event(kp, kc, "Normal", "Killing", "Stopping container %s", kc->name);
    kc->kill_told = true;
    if (c && c->lifecycle && c->lifecycle->pre_stop && grace_sec > 0 &&
        kc->cur.state == KRUN_RUNNING)
        hooks_run(kc, c->lifecycle->pre_stop, grace_sec, on_pre_stop, s);
    else
        stop_now(s);
}

static void on_hurried(void *arg, enum grpc_status status, struct str why,
                       const ProtobufCMessage *response)
{
    (void)status, (void)why, (void)response; /* the first stop's end tells how it went */
    kpod_unref(arg);
}

void container_stop_now(struct kcontainer *kc)
{
    if (kc->hurried || !kc->cur.id)
        return;
    kc->hurried = true;
    kpod_ref(kc->pod);
    cri_stop_container(kc->pod->kl->cri, kc->cur.id, STOP_GRACE_MIN_SEC, on_hurried, kc->pod);
}
