/* SPDX-License-Identifier: Apache-2.0 */
/* pod_sandbox.c - a pod's sandbox: made, asked about, stopped, removed. */
#include "kubelet/pod_internal.h"

#include "base/log.h"

enum { RETRY_MS = 2000, STOP_RETRY_MS = 1000, REMOVE_RETRY_MS = 500, REMOVE_TRIES_MAX = 10 };

struct making {
    struct kpod *pod;
    struct arena arena;
    struct object *object; /* the configuration may point into this version */
    Runtime__V1__PodSandboxConfig *config;
    int code;
    struct err err;
};

static void making_end(struct making *m)
{
    struct kpod *kp = m->pod;

    kp->sandbox_busy = false;
    object_unref(m->object);
    arena_deinit(&m->arena);
    free(m);
    kpod_kick(kp);
    kpod_unref(kp);
}

struct removal { /* of a sandbox; tried again, since its containers may just be going too */
    struct kubelet *kl;
    char *id;
    struct timer again;
    unsigned tries;
    bool stopped; /* its network was taken down */
};

static void removal_failed(struct removal *r, struct str why)
{
    if (!r->kl->stopping && ++r->tries < REMOVE_TRIES_MAX) {
        timer_start(&r->again, REMOVE_RETRY_MS, 0);
        return;
    }
    LOG_DEBUG("kubelet", "a sandbox could not be removed: %.*s", STR_ARG(why));
    kubelet_unref(r->kl);
    free(r->id);
    free(r);
}

static void on_removal(void *arg, enum grpc_status status, struct str why,
                       const ProtobufCMessage *response)
{
    struct removal *r = arg;

    (void)response;
    if (r->kl->stopping || (status != GRPC_OK && status != GRPC_NOT_FOUND)) {
        removal_failed(r, why);
    } else if (!r->stopped) {
        r->stopped = true;
        cri_remove_pod_sandbox(r->kl->cri, r->id, on_removal, r);
    } else {
        kubelet_unref(r->kl);
        free(r->id);
        free(r);
    }
}

static void removal_try(struct timer *t)
{
    struct removal *r = container_of(t, struct removal, again);

    if (r->kl->stopping)
        removal_failed(r, STR("the kubelet stops"));
    else if (r->stopped)
        cri_remove_pod_sandbox(r->kl->cri, r->id, on_removal, r);
    else
        cri_stop_pod_sandbox(r->kl->cri, r->id, on_removal, r);
}

void sandbox_remove(struct kubelet *kl, const char *id)
{
    struct removal *r = xnew(struct removal);

    r->kl = kubelet_ref(kl);
    r->id = xstrdup(id);
    timer_init(&r->again, kl->loop, removal_try);
    removal_try(&r->again);
}

bool sandbox_replaced(const struct kpod *kp, const Runtime__V1__PodSandbox *s)
{
    if (kp->sandbox.id) /* none is being made */
        return strcmp(kp->sandbox.id, s->id) != 0;
    return s->metadata && s->metadata->attempt < kp->sandbox_attempt;
}

static void on_failed_listed(void *arg, enum grpc_status status, struct str why,
                             const ProtobufCMessage *response)
{
    const Runtime__V1__ListPodSandboxResponse *rp = (const void *)response;
    struct kpod *kp = arg;

    (void)why; /* then the next sweep sees them */
    for (size_t i = 0; status == GRPC_OK && !kp->kl->stopping && i < rp->n_items; i++) {
        const Runtime__V1__PodSandbox *s = rp->items[i];

        if (s->metadata && strcmp(s->metadata->uid, kp->uid) == 0 && sandbox_replaced(kp, s) &&
            s->state != RUNTIME__V1__POD_SANDBOX_STATE__SANDBOX_READY)
            sandbox_remove(kp->kl, s->id);
    }
    kpod_unref(kp);
}

/* The runtime keeps the record, and perhaps the network, of a sandbox that it could not make. */
static void remove_failed(struct kpod *kp)
{
    Runtime__V1__ListPodSandboxRequest rq = RUNTIME__V1__LIST_POD_SANDBOX_REQUEST__INIT;
    Runtime__V1__PodSandboxFilter filter = RUNTIME__V1__POD_SANDBOX_FILTER__INIT;
    Runtime__V1__PodSandboxFilter__LabelSelectorEntry label =
        RUNTIME__V1__POD_SANDBOX_FILTER__LABEL_SELECTOR_ENTRY__INIT;
    Runtime__V1__PodSandboxFilter__LabelSelectorEntry *labels[] = {&label};
    auto_arena a = {0};

    label.key = arena_strdup(&a, LABEL_POD_UID);
    label.value = kp->uid;
    filter.label_selector = labels;
    filter.n_label_selector = ARRAY_LEN(labels);
    rq.filter = &filter;
    cri_call(kp->kl->cri, CRI_LIST_POD_SANDBOX, &rq.base, CRI_TIMEOUT_DEFAULT, on_failed_listed,
             kpod_ref(kp));
}

static void making_failed(struct making *m, struct str why)
{
    struct kpod *kp = m->pod;

    kpod_event(kp, NULL, "Warning", "FailedCreatePodSandBox",
               "Failed to create pod sandbox: %.*s", STR_ARG(why));
    kp->sandbox_attempt++; /* the runtime may hold on to the name of the one that failed */
    kp->retry_after_ms = loop_now_ms(kp->kl->loop) + RETRY_MS;
    remove_failed(kp);
    making_end(m);
}

static void on_refreshed(void *arg, enum grpc_status status, struct str why,
                         const ProtobufCMessage *response)
{
    const Runtime__V1__PodSandboxStatusResponse *rp = (const void *)response;
    struct kpod *kp = arg;
    struct ksandbox *s = &kp->sandbox;
    const Runtime__V1__PodSandboxStatus *st;

    kp->sandbox_busy = false;
    if (kp->kl->stopping || !s->id) {
        kpod_unref(kp);
        return;
    }
    if (status != GRPC_OK || !rp->status) {
        LOG_WARN("kubelet", "no status of sandbox=%s: %.*s", s->id, STR_ARG(why));
        if (status == GRPC_NOT_FOUND)
            s->ready = false, s->known = s->stopped = true;
        else
            kp->retry_after_ms = loop_now_ms(kp->kl->loop) + STOP_RETRY_MS;
    } else {
        st = rp->status;
        s->known = true;
        s->ready = st->state == RUNTIME__V1__POD_SANDBOX_STATE__SANDBOX_READY;
        s->created_ns = st->created_at;
        s->host_network = st->linux && st->linux->namespaces && st->linux->namespaces->options &&
                          st->linux->namespaces->options->network ==
                              RUNTIME__V1__NAMESPACE_MODE__NODE;
        for (size_t i = 0; i < s->ips.n; i++)
            free(s->ips.v[i]);
        vec_clear(&s->ips);
        if (s->host_network)
            vec_push(&s->ips, xstrdup(kp->kl->opts.node_ip));
        else if (st->network && *st->network->ip)
            vec_push(&s->ips, xstrdup(st->network->ip));
        for (size_t i = 0; !s->host_network && st->network && i < st->network->n_additional_ips;
             i++)
            vec_push(&s->ips, xstrdup(st->network->additional_ips[i]->ip));
    }
    kpod_kick(kp);
    kpod_unref(kp);
}

void sandbox_refresh(struct kpod *kp)
{
    kp->sandbox_busy = true;
    cri_pod_sandbox_status(kp->kl->cri, kp->sandbox.id, on_refreshed, kpod_ref(kp));
}

static const char *const code_names[] = {
    "OK", "Canceled", "Unknown", "InvalidArgument", "DeadlineExceeded", "NotFound",
    "AlreadyExists", "PermissionDenied", "ResourceExhausted", "FailedPrecondition", "Aborted",
    "OutOfRange", "Unimplemented", "Internal", "Unavailable", "DataLoss", "Unauthenticated",
};

static void on_made(void *arg, enum grpc_status status, struct str why,
                    const ProtobufCMessage *response)
{
    const Runtime__V1__RunPodSandboxResponse *rp = (const void *)response;
    struct making *m = arg;
    struct kpod *kp = m->pod;

    if (kp->kl->stopping) {
        making_end(m);
        return;
    }
    if (status != GRPC_OK) {
        making_failed(m, str_printf(&m->arena, "rpc error: code = %s desc = %.*s",
                                    status < ARRAY_LEN(code_names) ? code_names[status] : "Unknown",
                                    STR_ARG(why)));
        return;
    }
    ksandbox_deinit(&kp->sandbox);
    kp->sandbox.id = xstrdup(rp->pod_sandbox_id);
    kp->sandbox.attempt = kp->sandbox_attempt;
    kp->sandbox.ready = true;
    kp->sandbox.created_ns = loop_wall_ns(kp->kl->loop);
    kpod_ref(kp);
    making_end(m);
    sandbox_refresh(kp);
    kpod_unref(kp);
}

static void make_log_dir(void *arg)
{
    struct making *m = arg;

    m->code = host_mkdirs(kpod_log_dir(m->pod, &m->arena), 0755, &m->err);
}

static void log_dir_made(void *arg)
{
    struct making *m = arg;
    struct kpod *kp = m->pod;
    Runtime__V1__RunPodSandboxRequest rq = RUNTIME__V1__RUN_POD_SANDBOX_REQUEST__INIT;

    if (kp->kl->stopping || kp->phase != KPOD_RUN) {
        making_end(m);
        return;
    }
    if (m->code < 0 || sandbox_config_make(kp, &m->arena, &rq.config, &m->err) < 0) {
        making_failed(m, str_from(m->err.msg));
        return;
    }
    cri_call(kp->kl->cri, CRI_RUN_POD_SANDBOX, &rq.base, CRI_TIMEOUT_DEFAULT, on_made, m);
}

void sandbox_create(struct kpod *kp)
{
    struct making *m = xnew(struct making);

    m->pod = kpod_ref(kp);
    m->object = object_ref(kp->object);
    kp->sandbox_busy = true;
    loop_work(kp->kl->loop, make_log_dir, log_dir_made, m);
}

static void on_stopped(void *arg, enum grpc_status status, struct str why,
                       const ProtobufCMessage *response)
{
    struct kpod *kp = arg;

    (void)response;
    kp->sandbox_busy = false;
    if (kp->kl->stopping) {
        kpod_unref(kp);
        return;
    }
    if (status == GRPC_OK || status == GRPC_NOT_FOUND) {
        kp->sandbox.stopped = true;
        kp->sandbox.ready = false;
    } else {
        kpod_event(kp, NULL, "Warning", "FailedKillPod", "error killing pod: %.*s", STR_ARG(why));
        kp->retry_after_ms = loop_now_ms(kp->kl->loop) + STOP_RETRY_MS;
    }
    kpod_kick(kp);
    kpod_unref(kp);
}

void sandbox_stop(struct kpod *kp)
{
    kp->sandbox_busy = true;
    cri_stop_pod_sandbox(kp->kl->cri, kp->sandbox.id, on_stopped, kpod_ref(kp));
}
