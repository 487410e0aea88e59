/* SPDX-License-Identifier: Apache-2.0 */
/* volumes.c - the volumes of the node's pods: brought about, kept current, taken down.
 *
 * A pass over a pod's volumes: the objects they name are fetched, tokens are asked for, then a
 * worker thread makes folders and files. Passes of one pod never overlap. */
#include "base/log.h"
#include "kubelet/volumes.h"

enum {
    TICK_MS = 2000,
    REFRESH_MS = 30000, /* ConfigMaps and Secrets are fetched again this often */
};

static void start_pass(struct pod_volumes *pv);

static void waiter_call(struct volume_waiter *w, int code, const struct err *err)
{
    w->done(w->arg, code, err);
}

static void pod_volumes_free(struct pod_volumes *pv)
{
    for (size_t i = 0; i < pv->known.n; i++) {
        free(pv->known.v[i]->name);
        free(pv->known.v[i]);
    }
    volume_tokens_free(pv);
    volume_claims_free(pv);
    vec_deinit(&pv->known);
    vec_deinit(&pv->waiters);
    vec_deinit(&pv->teardowns);
    kpod_unref(pv->kp);
    kubelet_unref(pv->kl);
    free(pv->uid);
    free(pv);
}

struct teardown {
    struct kubelet *kl;
    struct arena arena;
    const char *dir;
    int code;
    struct err err;
    kpod_done done;
    void *arg;
};

static void tear_down(void *arg)
{
    struct teardown *t = arg;

    t->code = volume_remove_all(t->dir, &t->err);
}

static void torn_down(void *arg)
{
    struct teardown *t = arg;

    t->done(t->arg, t->code, &t->err);
    kubelet_unref(t->kl);
    arena_deinit(&t->arena);
    free(t);
}

static void start_teardown(struct kubelet *kl, const char *uid, kpod_done done, void *arg)
{
    struct teardown *t = xnew(struct teardown);

    t->kl = kubelet_ref(kl);
    t->dir = kpod_dir(kl, uid, &t->arena);
    t->done = done;
    t->arg = arg;
    loop_work(kl->loop, tear_down, torn_down, t);
}

struct volume_known *pod_volumes_known(struct pod_volumes *pv, struct str name)
{
    struct volume_known *k;

    for (size_t i = 0; i < pv->known.n; i++) {
        if (str_eqz(name, pv->known.v[i]->name))
            return pv->known.v[i];
    }
    k = xnew(struct volume_known);
    k->name = xmemdupz(name.p, name.len);
    vec_push(&pv->known, k);
    return k;
}

static void forget(struct pod_volumes *pv)
{
    if (pv->kl->volumes && map_find(&pv->kl->volumes->by_uid, str_from(pv->uid)) == pv)
        map_remove(&pv->kl->volumes->by_uid, str_from(pv->uid));
}

/* The pass ends: who waits is told; what was asked for meanwhile is done. */
static void pass_end(struct volume_pass *p)
{
    struct pod_volumes *pv = p->pv;
    VEC(struct volume_waiter) waiters = {0};

    pv->busy = false;
    if (p->code == 0)
        pv->ready = true;
    else if (pv->ready && !pv->kl->stopping)
        LOG_DEBUG("kubelet", "volumes of pod=%s stay as they are: %s", pv->uid, p->err.msg);
    for (size_t i = 0; i < pv->waiters.n; i++)
        vec_push(&waiters, pv->waiters.v[i]);
    vec_clear(&pv->waiters);
    for (size_t i = 0; i < waiters.n; i++)
        waiter_call(&waiters.v[i], p->code, &p->err);
    vec_deinit(&waiters);
    refs_deinit(&p->refs);
    vec_deinit(&p->work);
    object_unref(p->object);
    arena_deinit(&p->arena);
    free(p);
    if (pv->torn || pv->kl->stopping) {
        for (size_t i = 0; i < pv->teardowns.n; i++)
            start_teardown(pv->kl, pv->uid, pv->teardowns.v[i].done, pv->teardowns.v[i].arg);
        forget(pv);
        pod_volumes_free(pv);
    }
}

static void bring_about(void *arg)
{
    struct volume_pass *p = arg;

    for (size_t i = 0; i < p->work.n; i++) {
        struct volume_work *w = &p->work.v[i].work;
        struct err err = {0};
        int r = volume_bring_about(w, &err);

        if (r < 0)
            volume_pass_fail(p, w->name, r, &err);
    }
}

static void brought_about(void *arg)
{
    struct volume_pass *p = arg;

    for (size_t i = 0; i < p->work.n; i++) {
        struct volume_known *k = p->work.v[i].known;

        k->written = p->work.v[i].work.written;
        memcpy(k->digest, p->work.v[i].work.digest, sizeof(k->digest));
    }
    pass_end(p);
}

void volume_pass_fail(struct volume_pass *p, struct str name, int code, const struct err *err)
{
    if (p->code == 0)
        p->code = err_new(&p->err, code, "MountVolume.SetUp failed for volume \"%.*s\" : %s",
                          STR_ARG(name), err->msg);
}

static void all_had(struct volume_pass *p)
{
    if (p->pv->kl->stopping || p->pv->torn) {
        p->code = err_new(&p->err, ERR_CANCELED, "the kubelet is stopping");
        pass_end(p);
        return;
    }
    volume_plan(p);
    loop_work(p->pv->kl->loop, bring_about, brought_about, p);
}

void volume_pass_step(struct volume_pass *p)
{
    if (--p->left == 0)
        all_had(p);
}

static void on_refs(void *arg)
{
    struct volume_pass *p = arg;

    p->left = 1;
    if (!p->pv->kl->stopping && !p->pv->torn) {
        volume_tokens_request(p);
        volume_claims_request(p);
    }
    volume_pass_step(p);
}

static void start_pass(struct pod_volumes *pv)
{
    struct volume_pass *p = xnew(struct volume_pass);

    pv->busy = true;
    pv->seen_revision = pv->kp->object->revision;
    pv->refresh_due_ms = loop_now_ms(pv->kl->loop) + REFRESH_MS;
    p->pv = pv;
    p->object = object_ref(pv->kp->object);
    p->pod = OBJECT_AS(core_pod, p->object);
    p->refs.arena = &p->arena;
    volume_refs(p);
    refs_fetch(&p->refs, pv->kl, p->pod->metadata.namespace, on_refs, p);
}

/* A pass that has nothing to fetch or write need not be repeated. */
static bool changes(const struct pod_volumes *pv)
{
    const struct core_pod *pod = pv->kp->pod;

    for (size_t i = 0; i < pod->spec.volumes.n; i++) {
        const struct core_volume *v = &pod->spec.volumes.v[i];

        if (v->config_map || v->secret || v->projected || v->downward_api)
            return true;
    }
    return false;
}

static void on_tick(struct timer *t)
{
    struct volumes *vs = container_of(t, struct volumes, tick);
    uint64_t now = loop_now_ms(vs->kl->loop);
    struct str uid;
    void *value;

    for (size_t it = 0; map_next(&vs->by_uid, &it, &uid, &value);) {
        struct pod_volumes *pv = value;

        if (pv->busy || pv->torn || !pv->ready || pv->kp->phase >= KPOD_CLEAN || !changes(pv))
            continue;
        if (now >= pv->refresh_due_ms || pv->kp->object->revision != pv->seen_revision)
            start_pass(pv);
    }
}

void volumes_start(struct kubelet *kl)
{
    struct volumes *vs = xnew(struct volumes);

    vs->kl = kl;
    timer_init(&vs->tick, kl->loop, on_tick);
    timer_start(&vs->tick, TICK_MS, TICK_MS);
    kl->volumes = vs;
}

void volumes_stop(struct kubelet *kl)
{
    struct volumes *vs = kl->volumes;
    struct str uid;
    void *value;

    if (!vs)
        return;
    kl->volumes = NULL;
    timer_stop(&vs->tick);
    for (size_t it = 0; map_next(&vs->by_uid, &it, &uid, &value);) {
        struct pod_volumes *pv = value;

        if (pv->busy)
            pv->torn = true; /* its pass frees it; nothing is taken down */
        else
            pod_volumes_free(pv);
    }
    map_deinit(&vs->by_uid);
    free(vs);
}

struct later { /* an answer that is known already */
    kpod_done done;
    void *arg;
    struct err err;
};

static void say_later(void *arg)
{
    struct later *l = arg;

    l->done(l->arg, l->err.code, &l->err);
    free(l);
}

void volumes_setup(struct kpod *kp, kpod_done done, void *arg)
{
    struct kubelet *kl = kp->kl;
    struct pod_volumes *pv;

    if (!kl->volumes || !kp->object) {
        struct later *l = xnew(struct later);

        l->done = done;
        l->arg = arg;
        (void)err_new(&l->err, ERR_CANCELED, "the kubelet is stopping");
        loop_post(kl->loop, say_later, l);
        return;
    }
    pv = map_find(&kl->volumes->by_uid, str_from(kp->uid));
    if (!pv) {
        pv = xnew(struct pod_volumes);
        pv->kl = kubelet_ref(kl);
        pv->kp = kpod_ref(kp);
        pv->uid = xstrdup(kp->uid);
        map_set(&kl->volumes->by_uid, str_from(pv->uid), pv);
    }
    vec_push(&pv->waiters, ((struct volume_waiter){done, arg}));
    if (!pv->busy)
        start_pass(pv);
}

void volumes_teardown(struct kubelet *kl, const char *uid, kpod_done done, void *arg)
{
    struct pod_volumes *pv = kl->volumes ? map_find(&kl->volumes->by_uid, str_from(uid)) : NULL;

    if (pv && pv->busy) {
        pv->torn = true;
        vec_push(&pv->teardowns, ((struct volume_waiter){done, arg}));
        return;
    }
    start_teardown(kl, uid, done, arg);
    if (pv) {
        forget(pv);
        pod_volumes_free(pv);
    }
}
