/* cri_events.c - see cri_events.h. One server-streaming call, started anew when it ends. */
#include "kubelet/cri_events.h"
#include "kubelet/containerd_events.pb-c.h"
#include "kubelet/cri.h"
#include "base/log.h"

enum {
    EVENT_MAX_BYTES = 1 << 20,
    RETRY_MIN_MS = 200,
    RETRY_MAX_MS = 10000,
    STEADY_MS = 30000, /* a subscription that lasted so long starts the back-off anew */
};
typedef Containerd__Services__Events__V1__Envelope Envelope;
typedef Containerd__Services__Events__V1__Timestamp Timestamp;

struct cri_events {
    struct loop *loop;
    struct grpc_client *grpc;
    struct cri_events_handler handler;
    struct timer retry;
    char *filter;
    uint32_t retry_ms;
    uint64_t started_ms;
    bool freed; /* cri_events_free() was called: silence */
};

static int64_t timestamp_ns(const Timestamp *t)
{
    int64_t ns;

    if (!t || __builtin_mul_overflow(t->seconds, 1000000000, &ns) ||
        __builtin_add_overflow(ns, t->nanos, &ns))
        return 0;
    return ns;
}

/* The id of a container's own process is the container's. */
static struct str exec_id(const char *container_id, const char *id)
{
    return strcmp(container_id, id) == 0 ? STR("") : str_from(id);
}

static bool decode_exit(struct arena *a, struct str bytes, struct cri_event *e)
{
    const Containerd__Services__Events__V1__TaskExit *m =
        (void *)cri_unpack(a, &containerd__services__events__v1__task_exit__descriptor, bytes);

    if (!m)
        return false;
    *e = (struct cri_event){CRI_EVENT_EXITED, str_from(m->container_id),
                            exec_id(m->container_id, m->id), m->pid, m->exit_status,
                            timestamp_ns(m->exited_at)};
    return true;
}

static bool decode_delete(struct arena *a, struct str bytes, struct cri_event *e)
{
    const Containerd__Services__Events__V1__TaskDelete *m =
        (void *)cri_unpack(a, &containerd__services__events__v1__task_delete__descriptor, bytes);

    if (!m)
        return false;
    *e = (struct cri_event){CRI_EVENT_DELETED, str_from(m->container_id),
                            exec_id(m->container_id, m->id), m->pid, m->exit_status,
                            timestamp_ns(m->exited_at)};
    return true;
}

static bool decode_start(struct arena *a, struct str bytes, struct cri_event *e)
{
    const Containerd__Services__Events__V1__TaskStart *m =
        (void *)cri_unpack(a, &containerd__services__events__v1__task_start__descriptor, bytes);

    if (!m)
        return false;
    *e = (struct cri_event){
        .kind = CRI_EVENT_STARTED, .container_id = str_from(m->container_id), .pid = m->pid};
    return true;
}

static bool decode_create(struct arena *a, struct str bytes, struct cri_event *e)
{
    const Containerd__Services__Events__V1__TaskCreate *m =
        (void *)cri_unpack(a, &containerd__services__events__v1__task_create__descriptor, bytes);

    if (!m)
        return false;
    *e = (struct cri_event){
        .kind = CRI_EVENT_CREATED, .container_id = str_from(m->container_id), .pid = m->pid};
    return true;
}

static bool decode_oom(struct arena *a, struct str bytes, struct cri_event *e)
{
    const Containerd__Services__Events__V1__TaskOOM *m =
        (void *)cri_unpack(a, &containerd__services__events__v1__task_oom__descriptor, bytes);

    if (!m)
        return false;
    *e = (struct cri_event){.kind = CRI_EVENT_OOM, .container_id = str_from(m->container_id)};
    return true;
}

static const struct topic {
    const char *type; /* the payload's type, after the last '/' of its URL */
    bool (*decode)(struct arena *a, struct str bytes, struct cri_event *ret_e);
} topics[] = {
    {"containerd.events.TaskCreate", decode_create},
    {"containerd.events.TaskStart", decode_start},
    {"containerd.events.TaskExit", decode_exit},
    {"containerd.events.TaskDelete", decode_delete},
    {"containerd.events.TaskOOM", decode_oom},
};

static void on_message(void *arg, struct str message)
{
    struct cri_events *e = arg;
    auto_arena a = {0};
    const Envelope *env;
    struct cri_event event;
    struct str type, payload;

    if (e->freed)
        return;
    env = (void *)cri_unpack(&a, &containerd__services__events__v1__envelope__descriptor, message);
    if (!env || !env->event) {
        LOG_DEBUG("kubelet", "an event of containerd that cannot be read size=%zu", message.len);
        return; /* the periodic look at everything makes up for it */
    }
    type = str_from(env->event->type_url);
    type = str_sub(type, (size_t)(str_rfind_char(type, '/') + 1), type.len);
    payload = (struct str){(char *)env->event->value.data, env->event->value.len};
    for (size_t i = 0; i < ARRAY_LEN(topics); i++) {
        if (str_eqz(type, topics[i].type)) {
            if (topics[i].decode(&a, payload, &event))
                e->handler.on_event(e->handler.arg, &event);
            return;
        }
    }
}

static void on_done(void *arg, enum grpc_status status, struct str text)
{
    struct cri_events *e = arg;

    if (e->freed)
        return;
    if (loop_now_ms(e->loop) - e->started_ms >= STEADY_MS)
        e->retry_ms = RETRY_MIN_MS;
    timer_start(&e->retry, e->retry_ms, 0);
    e->retry_ms = MIN(e->retry_ms * 2, RETRY_MAX_MS);
    if (e->handler.on_broken)
        e->handler.on_broken(e->handler.arg, status == GRPC_OK ? STR("the stream ended") : text);
}

static void subscribe(struct timer *t)
{
    struct cri_events *e = container_of(t, struct cri_events, retry);
    Containerd__Services__Events__V1__SubscribeRequest rq =
        CONTAINERD__SERVICES__EVENTS__V1__SUBSCRIBE_REQUEST__INIT;
    struct grpc_call_opts opts = {
        .method = "/containerd.services.events.v1.Events/Subscribe",
        .on_message = on_message, .on_done = on_done, .arg = e};
    auto_arena a = {0};

    rq.filters = &e->filter;
    rq.n_filters = 1;
    opts.request = cri_pack(&a, &rq.base);
    e->started_ms = loop_now_ms(e->loop);
    (void)grpc_call_start(e->grpc, &opts); /* ends with the client */
    if (e->handler.on_subscribed)
        e->handler.on_subscribed(e->handler.arg);
}

struct cri_events *cri_events_new(struct loop *l, const char *endpoint, const char *namespace,
                                  const struct cri_events_handler *h)
{
    struct cri_events *e = xnew(struct cri_events);
    auto_arena a = {0};

    e->loop = l;
    e->grpc = grpc_client_new(l, endpoint, EVENT_MAX_BYTES);
    e->handler = *h;
    e->filter = xstrdup(arena_printf(&a, "namespace==%s,topic~=^/tasks/", namespace));
    e->retry_ms = RETRY_MIN_MS;
    timer_init(&e->retry, l, subscribe);
    timer_start(&e->retry, 0, 0);
    return e;
}

struct cri_events *cri_events_free(struct cri_events *e)
{
    if (!e)
        return NULL;
    e->freed = true;
    timer_stop(&e->retry);
    e->grpc = grpc_client_free(e->grpc);
    free(e->filter);
    free(e);
    return NULL;
}
