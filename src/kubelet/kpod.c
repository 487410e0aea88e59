/* SPDX-License-Identifier: Apache-2.0 */
/* kpod.c - the pods at work: made, found, freed, kicked. */
#include "kubelet/pod_internal.h"

#include "base/log.h"
#include <assert.h>

struct kubelet *kubelet_ref(struct kubelet *kl)
{
    kl->refs++;
    return kl;
}

void kubelet_unref(struct kubelet *kl)
{
    if (!kl || --kl->refs > 0)
        return;
    map_deinit(&kl->by_uid);
    free(kl->runtime_name);
    free(kl->runtime_version);
    arena_deinit(&kl->arena);
    free(kl);
}

void set_string(char **p, struct str s)
{
    free(*p);
    *p = str_empty(s) ? NULL : xmemdupz(s.p, s.len);
}

void krun_deinit(struct krun *r)
{
    free(r->id);
    free(r->reason);
    free(r->message);
    free(r->image);
    free(r->image_id);
    *r = (struct krun){0};
}

void ksandbox_deinit(struct ksandbox *s)
{
    free(s->id);
    for (size_t i = 0; i < s->ips.n; i++)
        free(s->ips.v[i]);
    vec_deinit(&s->ips);
    *s = (struct ksandbox){0};
}

static void kcontainer_free(struct kcontainer *kc)
{
    krun_deinit(&kc->cur);
    krun_deinit(&kc->last);
    free(kc->name);
    free(kc->waiting_reason);
    free(kc->waiting_message);
    free(kc->image_ref);
    free(kc->image_user);
    free(kc->kill_message);
    free(kc);
}

struct kpod *kpod_ref(struct kpod *kp)
{
    kp->refs++;
    return kp;
}

void kpod_unref(struct kpod *kp)
{
    if (--kp->refs > 0)
        return;
    timer_stop(&kp->again);
    for (size_t i = 0; i < kp->containers.n; i++)
        kcontainer_free(kp->containers.v[i]);
    vec_deinit(&kp->containers);
    ksandbox_deinit(&kp->sandbox);
    status_forget(kp);
    object_unref(kp->object);
    free(kp->uid);
    free(kp->ns);
    free(kp->name);
    free(kp->fail_reason);
    free(kp->fail_message);
    kubelet_unref(kp->kl);
    free(kp);
}

static void on_again(struct timer *t)
{
    kpod_kick(container_of(t, struct kpod, again));
}

static struct kpod *make(struct kubelet *kl, struct str uid, struct str ns, struct str name)
{
    struct kpod *kp = xnew(struct kpod);

    kp->kl = kubelet_ref(kl);
    kp->refs = 1;
    kp->uid = xmemdupz(uid.p, uid.len);
    kp->ns = xmemdupz(ns.p, ns.len);
    kp->name = xmemdupz(name.p, name.len);
    kp->kill_grace_sec = -1;
    timer_init(&kp->again, kl->loop, on_again);
    map_set(&kl->by_uid, uid, kp);
    return kp;
}

struct kcontainer *kpod_container(const struct kpod *kp, struct str name)
{
    for (size_t i = 0; i < kp->containers.n; i++) {
        if (str_eqz(name, kp->containers.v[i]->name))
            return kp->containers.v[i];
    }
    return NULL;
}

struct kcontainer *kpod_add_container(struct kpod *kp, struct str name, enum kcontainer_kind kind)
{
    struct kcontainer *kc = kpod_container(kp, name);

    if (kc)
        return kc;
    kc = xnew(struct kcontainer);
    kc->pod = kp;
    kc->name = xmemdupz(name.p, name.len);
    kc->kind = kind;
    kc->kill_grace_sec = -1;
    vec_push(&kp->containers, kc);
    return kc;
}

void kpod_set_object(struct kpod *kp, struct object *o)
{
    const struct core_pod *pod = OBJECT_AS(core_pod, o);

    object_ref(o);
    object_unref(kp->object);
    kp->object = o;
    kp->pod = pod;
    for (size_t i = 0; i < pod->spec.init_containers.n; i++) {
        const struct core_container *c = &pod->spec.init_containers.v[i];
        bool sidecar = c->restart_policy && str_eq(*c->restart_policy, STR("Always"));

        kpod_add_container(kp, c->name, sidecar ? KC_SIDECAR : KC_INIT);
    }
    for (size_t i = 0; i < pod->spec.containers.n; i++)
        kpod_add_container(kp, pod->spec.containers.v[i].name, KC_MAIN);
    for (size_t i = 0; i < pod->spec.ephemeral_containers.n; i++)
        kpod_add_container(kp, pod->spec.ephemeral_containers.v[i].name, KC_EPHEMERAL);
}

/* What an earlier kubelet told the API: counts go on, what was over stays over. */
static void take_status(struct kpod *kp, const struct core_pod_status *st)
{
    if (st->start_time.set) {
        kp->start_ns = time_ns(st->start_time);
        kp->admitted = true;
    }
    if (str_eq(st->phase, STR("Failed")))
        kp->terminal = "Failed";
    else if (str_eq(st->phase, STR("Succeeded")))
        kp->terminal = "Succeeded";
    if (kp->terminal && !str_empty(st->reason)) {
        set_string(&kp->fail_reason, st->reason);
        set_string(&kp->fail_message, st->message);
    }
    for (size_t i = 0; i < kp->containers.n; i++) {
        struct kcontainer *kc = kp->containers.v[i];
        const struct core_container_status *cs = NULL;

        for (size_t j = 0; j < st->container_statuses.n; j++)
            if (str_eqz(st->container_statuses.v[j].name, kc->name))
                cs = &st->container_statuses.v[j];
        for (size_t j = 0; j < st->init_container_statuses.n; j++)
            if (str_eqz(st->init_container_statuses.v[j].name, kc->name))
                cs = &st->init_container_statuses.v[j];
        if (!cs)
            continue;
        kc->restarts = (uint32_t)MAX(cs->restart_count, 0);
        kc->ran = kc->restarts > 0 || !str_empty(cs->container_id);
    }
}

struct kpod *kpod_new(struct kubelet *kl, struct object *o)
{
    struct kpod *kp = make(kl, o->uid, o->ns, o->name);

    kpod_set_object(kp, o);
    take_status(kp, &kp->pod->status);
    return kp;
}

struct kpod *kpod_new_orphan(struct kubelet *kl, struct str uid, struct str ns, struct str name)
{
    struct kpod *kp = make(kl, uid, ns, name);

    kp->orphan = kp->gone = kp->admitted = true;
    kp->phase = KPOD_KILL;
    return kp;
}

void kpod_forget(struct kpod *kp)
{
    timer_stop(&kp->again);
    if (map_find(&kp->kl->by_uid, str_from(kp->uid)) == kp) {
        map_remove(&kp->kl->by_uid, str_from(kp->uid));
        kpod_unref(kp);
    }
}

void kpod_set_phase(struct kpod *kp, enum kpod_phase phase)
{
    assert(phase >= kp->phase);
    kp->phase = phase;
}

static void run_kick(void *arg)
{
    struct kpod *kp = arg;

    kp->kicked = false;
    if (!kp->kl->stopping && kp->kl->adopted && kp->phase < KPOD_DONE)
        kpod_sync(kp);
    kpod_unref(kp);
}

void kpod_kick(struct kpod *kp)
{
    if (kp->kicked || kp->kl->stopping)
        return;
    kp->kicked = true;
    loop_post(kp->kl->loop, run_kick, kpod_ref(kp));
}

void kpod_kick_after(struct kpod *kp, uint64_t delay_ms)
{
    uint64_t due = loop_now_ms(kp->kl->loop) + delay_ms;

    if (kp->kl->stopping || (timer_active(&kp->again) && kp->again.due_ms <= due))
        return;
    timer_start(&kp->again, delay_ms, 0);
}

struct kpod *kpod_find_uid(const struct kubelet *kl, struct str uid)
{
    return map_find(&kl->by_uid, uid);
}

struct kpod *kpod_find(const struct kubelet *kl, struct str ns, struct str name)
{
    struct kpod *best = NULL;
    struct str uid;
    void *value;

    for (size_t it = 0; map_next(&kl->by_uid, &it, &uid, &value);) {
        struct kpod *kp = value;

        if (!str_eqz(ns, kp->ns) || !str_eqz(name, kp->name))
            continue;
        if (!best || best->gone ||
            (!kp->gone && kp->object && best->object &&
             kp->object->revision > best->object->revision))
            best = kp;
    }
    return best;
}

const char *kpod_container_id(const struct kpod *kp, struct str name, bool previous)
{
    const struct kcontainer *kc = kpod_container(kp, name);

    if (!kc)
        return NULL;
    return previous ? kc->last.id : kc->cur.id;
}

const struct core_container *kcontainer_spec(const struct kcontainer *kc)
{
    const struct core_pod *pod = kc->pod->pod;
    struct str name = str_from(kc->name);

    if (!pod)
        return NULL;
    for (size_t i = 0; i < pod->spec.containers.n; i++)
        if (str_eq(pod->spec.containers.v[i].name, name))
            return &pod->spec.containers.v[i];
    for (size_t i = 0; i < pod->spec.init_containers.n; i++)
        if (str_eq(pod->spec.init_containers.v[i].name, name))
            return &pod->spec.init_containers.v[i];
    for (size_t i = 0; i < pod->spec.ephemeral_containers.n; i++)
        if (str_eq(pod->spec.ephemeral_containers.v[i].name, name))
            return (const void *)&pod->spec.ephemeral_containers.v[i];
    return NULL;
}

_Static_assert(offsetof(struct core_ephemeral_container, tty) ==
                   offsetof(struct core_container, tty),
               "an ephemeral container begins like a container");

uint64_t container_hash(const struct core_container *c)
{
    return str_hash(c->name) * 31 + str_hash(c->image);
}

char *kpod_log_dir(const struct kpod *kp, struct arena *a)
{
    return arena_printf(a, "%s/%s_%s_%s", kp->kl->opts.log_dir, kp->ns, kp->name, kp->uid);
}

char *kpod_dir(const struct kubelet *kl, const char *uid, struct arena *a)
{
    return arena_printf(a, "%s/pods/%s", kl->opts.root_dir, uid);
}

char *kcontainer_message_file(const struct kcontainer *kc, uint32_t attempt, struct arena *a)
{
    return arena_printf(a, "%s/containers/%s/%u", kpod_dir(kc->pod->kl, kc->pod->uid, a), kc->name,
                        attempt);
}

const char *kpod_ip(const struct kpod *kp)
{
    return kp->sandbox.ips.n > 0 ? kp->sandbox.ips.v[0] : NULL;
}

bool kpod_deleted(const struct kpod *kp)
{
    return kp->gone || kp->removed ||
           (kp->pod && kp->pod->metadata.deletion_timestamp.set);
}

void kcontainer_set_waiting(struct kcontainer *kc, const char *reason, struct str message)
{
    set_string(&kc->waiting_reason, str_from(reason));
    set_string(&kc->waiting_message, reason ? message : STR_NULL);
}

void kpod_fail(struct kpod *kp, const char *reason, int64_t grace_sec, const char *fmt, ...)
{
    auto_arena a = {0};
    va_list args;

    if (kp->fail_reason || kp->terminal)
        return;
    va_start(args, fmt);
    kp->fail_message = xstrdup(arena_vprintf(&a, NULL, fmt, args));
    va_end(args);
    kp->fail_reason = xstrdup(reason);
    if (grace_sec >= 0)
        kp->kill_grace_sec = grace_sec;
    kpod_kick(kp);
}

void kpod_event(struct kpod *kp, const struct kcontainer *kc, const char *type,
                const char *reason, const char *fmt, ...)
{
    auto_arena a = {0};
    struct event_target target;
    va_list args;
    const char *text, *list;

    if (!kp->object || kp->kl->stopping || !kp->kl->events)
        return;
    va_start(args, fmt);
    text = arena_vprintf(&a, NULL, fmt, args);
    va_end(args);
    target = event_target_of(kp->object);
    if (kc) {
        list = kc->kind == KC_EPHEMERAL ? "ephemeralContainers"
               : kc->kind == KC_MAIN    ? "containers"
                                        : "initContainers";
        target.field_path = str_printf(&a, "spec.%s{%s}", list, kc->name);
    }
    event_record(kp->kl->events, &target, type, reason, "%s", text);
}
