/* SPDX-License-Identifier: Apache-2.0 */
/* status_manager.c - keeps the API's status of each pod as it is here: one write at a time. */
#include "kubelet/pod_internal.h"

#include "base/log.h"
#include "codec/json.h"
#include "schema/typed.h"

enum {
    RETRY_MS = 1000,
    SAME_MS = 10000, /* a status that does not stay as written is not written more often */
};

struct status_manager {
    struct kubelet *kl;
};
struct pod_writer {
    struct object *written; /* what the API answered last; NULL: nothing was written yet */
    char *sent;             /* the last patch */
    uint64_t sent_ms;
    bool busy;
    bool dirty; /* something may differ from what is being written */
    struct timer retry;
    struct kpod *pod; /* borrowed: the writer is the pod's */
};

struct status_manager *status_manager_new(struct kubelet *kl)
{
    struct status_manager *m = xnew(struct status_manager);

    m->kl = kl;
    return m;
}

struct status_manager *status_manager_free(struct status_manager *m)
{
    free(m);
    return NULL;
}

void status_forget(struct kpod *kp)
{
    struct pod_writer *w = kp->writer;

    if (!w)
        return;
    timer_stop(&w->retry);
    object_unref(w->written);
    free(w->sent);
    free(w);
    kp->writer = NULL;
}

void status_stop(struct kpod *kp)
{
    if (kp->writer)
        timer_stop(&kp->writer->retry);
}

static void on_retry(struct timer *t)
{
    status_update(container_of(t, struct pod_writer, retry)->pod);
}

static struct pod_writer *writer(struct kpod *kp)
{
    if (!kp->writer) {
        kp->writer = xnew(struct pod_writer);
        kp->writer->pod = kp;
        timer_init(&kp->writer->retry, kp->kl->loop, on_retry);
    }
    return kp->writer;
}

/* The newest status of the API that is known here. */
static const struct core_pod_status *known(const struct kpod *kp)
{
    const struct pod_writer *w = kp->writer;

    if (w && w->written && w->written->revision > kp->object->revision)
        return &OBJECT_AS(core_pod, w->written)->status;
    return &kp->pod->status;
}

/* Merging by key never removes: a list of addresses that lost one is replaced. */
static void replace_list(struct arena *a, struct doc *status, struct str key)
{
    struct doc *list = doc_find(status, key), directive = doc_object();

    if (!list)
        list = doc_set(a, status, key, doc_array());
    doc_set(a, &directive, STR("$patch"), doc_string(STR("replace")));
    doc_insert(a, list, 0, directive);
}

/* In the same way a condition keeps what it is not told to drop. */
static void drop_members(struct arena *a, const struct doc *old, struct doc *new)
{
    for (uint32_t i = 0; i < old->n; i++) {
        if (!doc_find(new, old->members[i].key))
            doc_set(a, new, old->members[i].key, doc_null());
    }
}

static void drop_of_conditions(struct arena *a, const struct core_pod_status *old,
                               struct doc *status)
{
    struct doc before = typed_to_doc(&type_core_pod_status, old, a);
    const struct doc *olds = doc_find(&before, STR("conditions"));
    struct doc *news = doc_find(status, STR("conditions"));

    for (uint32_t i = 0; olds && news && i < news->n; i++) {
        for (uint32_t j = 0; j < olds->n; j++) {
            if (str_eq(doc_path_str(&olds->items[j], "type"),
                       doc_path_str(&news->items[i], "type")))
                drop_members(a, &olds->items[j], &news->items[i]);
        }
    }
}

static struct str patch_text(const struct kpod *kp, const struct core_pod_status *old,
                             const struct core_pod_status *new, struct arena *a)
{
    struct doc patch = doc_object(), meta = doc_object();
    struct doc status = typed_to_doc(&type_core_pod_status, new, a);

    if (!str_empty(old->pod_ip) && !str_eq(old->pod_ip, new->pod_ip)) {
        replace_list(a, &status, STR("podIPs"));
        if (str_empty(new->pod_ip))
            doc_set(a, &status, STR("podIP"), doc_null());
    }
    drop_of_conditions(a, old, &status);
    if (!str_empty(old->reason) && str_empty(new->reason))
        doc_set(a, &status, STR("reason"), doc_null());
    if (!str_empty(old->message) && str_empty(new->message))
        doc_set(a, &status, STR("message"), doc_null());
    doc_set(a, &meta, STR("uid"), doc_string(str_from(kp->uid)));
    doc_set(a, &patch, STR("metadata"), meta);
    doc_set(a, &patch, STR("status"), status);
    return json_to_str(a, &patch);
}

static void on_written(void *arg, const struct client_result *r)
{
    struct kpod *kp = arg;
    struct pod_writer *w = kp->writer;

    w->busy = false;
    if (kp->kl->stopping) {
        kpod_unref(kp);
        return;
    }
    if (r->code == 0) {
        object_unref(w->written);
        w->written = r->object ? object_ref(r->object) : NULL;
        if (w->dirty)
            status_update(kp);
    } else if (r->code == ERR_NOT_FOUND || r->code == ERR_CONFLICT) {
        kp->removed = true; /* gone, or another pod has its name: nobody reads its status */
    } else {
        LOG_WARN("kubelet", "cannot write the status of pod=%s/%s: %s", kp->ns, kp->name,
                 r->err->msg);
        w->dirty = true;
        set_string(&w->sent, STR_NULL);
        timer_start(&w->retry, RETRY_MS, 0);
    }
    if (kp->phase >= KPOD_FINAL)
        kpod_kick(kp);
    kpod_unref(kp);
}

void status_update(struct kpod *kp)
{
    struct pod_writer *w;
    const struct core_pod_status *old;
    struct core_pod_status new;
    struct client_opts opts = {.sub = "status"};
    auto_arena a = {0};
    struct str patch;
    uint64_t now;

    if (!kp->object || kp->gone || kp->removed || kp->kl->stopping)
        return;
    w = writer(kp);
    if (w->busy) {
        w->dirty = true;
        return;
    }
    w->dirty = false;
    old = known(kp);
    pod_status_make(kp, old, loop_wall_ns(kp->kl->loop), &a, &new);
    if (typed_equal(&type_core_pod_status, old, &new))
        return;
    patch = patch_text(kp, old, &new, &a);
    now = loop_now_ms(kp->kl->loop);
    if (w->sent && str_eqz(patch, w->sent) && now - w->sent_ms < SAME_MS) {
        timer_start(&w->retry, SAME_MS, 0);
        return;
    }
    set_string(&w->sent, patch);
    w->sent_ms = now;
    w->busy = true;
    client_patch(kp->kl->client, &res_core_pods, str_from(kp->ns), str_from(kp->name),
                 CLIENT_STRATEGIC_PATCH, patch, &opts, on_written, kpod_ref(kp));
}

bool status_flushed(const struct kpod *kp)
{
    return !kp->writer || (!kp->writer->busy && !kp->writer->dirty);
}
