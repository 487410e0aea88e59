/* fake_runtime.c - a runtime of memory: it defines the functions of cri.c and cri_events.c. */
#include "fake_node.h"

static struct fake_node *the_node; /* cri_new() has no other way to it */

enum { CALL_MS = 1, RUN_MS = 20 };

struct cri {
    struct loop *loop;
    struct fake_node *node;
    struct cri_call *calls;
};
struct cri_call {
    struct cri *cri;
    struct cri_call *next;
    struct timer timer;
    enum cri_method method;
    struct arena arena;
    const ProtobufCMessage *rq;
    cri_done done;
    void *arg;
    bool waited; /* StopContainer: the process was told */
};
struct cri_events {
    struct loop *loop;
    struct cri_events_handler handler;
    struct timer begin;
};
static struct cri_events *the_events;
static struct cri *the_cri;

void fake_runtime_use(struct fake_node *f)
{
    the_node = f;
}

struct fake_container *fake_container(const struct fake_node *f, const char *name)
{
    for (size_t i = f->containers.n; i-- > 0;) {
        if (!f->containers.v[i]->removed && strcmp(f->containers.v[i]->name, name) == 0)
            return f->containers.v[i];
    }
    return NULL;
}

unsigned fake_running(const struct fake_node *f)
{
    unsigned n = 0;

    for (size_t i = 0; i < f->containers.n; i++)
        n += f->containers.v[i]->state == RUNTIME__V1__CONTAINER_STATE__CONTAINER_RUNNING;
    return n;
}

unsigned fake_containers(const struct fake_node *f)
{
    unsigned n = 0;

    for (size_t i = 0; i < f->containers.n; i++)
        n += !f->containers.v[i]->removed;
    return n;
}

unsigned fake_sandboxes(const struct fake_node *f)
{
    unsigned n = 0;

    for (size_t i = 0; i < f->sandboxes.n; i++)
        n += !f->sandboxes.v[i]->removed;
    return n;
}

void fake_exit(struct fake_node *f, struct fake_container *c, int32_t code)
{
    struct cri_event e = {.kind = CRI_EVENT_EXITED};

    if (c->state != RUNTIME__V1__CONTAINER_STATE__CONTAINER_RUNNING)
        return;
    c->state = RUNTIME__V1__CONTAINER_STATE__CONTAINER_EXITED;
    c->exit_code = code;
    c->finished_ns = loop_wall_ns(f->loop);
    e.container_id = str_from(c->id);
    e.exec_id = e.container_id;
    e.exit_status = (uint32_t)code;
    e.exited_ns = c->finished_ns;
    for (struct cri_call *p = the_cri ? the_cri->calls : NULL; p; p = p->next) {
        if (p->waited &&
            strcmp(((const Runtime__V1__StopContainerRequest *)p->rq)->container_id, c->id) == 0)
            timer_start(&p->timer, CALL_MS, 0); /* what waited for the end is answered */
    }
    if (the_events && !f->no_events)
        the_events->handler.on_event(the_events->handler.arg, &e);
}

static char *text(const char *s)
{
    return (char *)(uintptr_t)s;
}

static struct fake_container *by_id(struct fake_node *f, const char *id)
{
    for (size_t i = 0; i < f->containers.n; i++) {
        if (!f->containers.v[i]->removed && strcmp(f->containers.v[i]->id, id) == 0)
            return f->containers.v[i];
    }
    return NULL;
}

static struct fake_sandbox *sandbox_by_id(struct fake_node *f, const char *id)
{
    for (size_t i = 0; i < f->sandboxes.n; i++) {
        if (!f->sandboxes.v[i]->removed && strcmp(f->sandboxes.v[i]->id, id) == 0)
            return f->sandboxes.v[i];
    }
    return NULL;
}

static char *new_id(struct fake_node *f, const char *kind)
{
    auto_arena a = {0};

    return xstrdup(arena_printf(&a, "%s%u", kind, ++f->next_id));
}

#define REPLY(type, TYPE)                                                             \
    ({                                                                                \
        Runtime__V1__##type *rp_ = arena_new(&c->arena, Runtime__V1__##type);         \
        *rp_ = (Runtime__V1__##type)RUNTIME__V1__##TYPE##__INIT;                      \
        rp_;                                                                          \
    })
typedef const ProtobufCMessage *reply;

static void refuse(struct cri_call *c, enum grpc_status status, const char *why);

static reply run_sandbox(struct cri_call *c, struct fake_node *f)
{
    const Runtime__V1__RunPodSandboxRequest *rq = (const void *)c->rq;
    struct fake_sandbox *s;
    Runtime__V1__RunPodSandboxResponse *rp = REPLY(RunPodSandboxResponse, RUN_POD_SANDBOX_RESPONSE);

    f->runs++;
    if (f->run_error && !f->keeps_failed) {
        refuse(c, GRPC_UNKNOWN, f->run_error);
        return NULL;
    }
    s = xnew(struct fake_sandbox);
    s->id = new_id(f, "s");
    s->pod_uid = xstrdup(rq->config->metadata->uid);
    s->pod_ns = xstrdup(rq->config->metadata->namespace_);
    s->pod_name = xstrdup(rq->config->metadata->name);
    s->attempt = rq->config->metadata->attempt;
    s->created_ns = loop_wall_ns(f->loop);
    s->ready = !f->run_error;
    vec_push(&f->sandboxes, s);
    if (f->run_error) {
        refuse(c, GRPC_UNKNOWN, f->run_error);
        return NULL;
    }
    rp->pod_sandbox_id = s->id;
    return &rp->base;
}

static reply sandbox_status(struct cri_call *c, struct fake_node *f)
{
    const Runtime__V1__PodSandboxStatusRequest *rq = (const void *)c->rq;
    struct fake_sandbox *s = sandbox_by_id(f, rq->pod_sandbox_id);
    Runtime__V1__PodSandboxStatusResponse *rp =
        REPLY(PodSandboxStatusResponse, POD_SANDBOX_STATUS_RESPONSE);

    if (!s) {
        refuse(c, GRPC_NOT_FOUND, "no such sandbox");
        return NULL;
    }
    rp->status = REPLY(PodSandboxStatus, POD_SANDBOX_STATUS);
    rp->status->id = s->id;
    rp->status->created_at = s->created_ns;
    rp->status->state = s->ready ? RUNTIME__V1__POD_SANDBOX_STATE__SANDBOX_READY
                                 : RUNTIME__V1__POD_SANDBOX_STATE__SANDBOX_NOTREADY;
    rp->status->network = REPLY(PodSandboxNetworkStatus, POD_SANDBOX_NETWORK_STATUS);
    rp->status->network->ip = arena_printf(&c->arena, "10.0.0.%u", s->attempt + 1);
    return &rp->base;
}

static reply create_container(struct cri_call *c, struct fake_node *f)
{
    const Runtime__V1__CreateContainerRequest *rq = (const void *)c->rq;
    const Runtime__V1__PodSandboxMetadata *pod = rq->sandbox_config->metadata;
    Runtime__V1__CreateContainerResponse *rp =
        REPLY(CreateContainerResponse, CREATE_CONTAINER_RESPONSE);
    struct fake_container *k;

    if (f->create_error) {
        refuse(c, GRPC_UNKNOWN, f->create_error);
        return NULL;
    }
    assert_non_null(sandbox_by_id(f, rq->pod_sandbox_id));
    k = xnew(struct fake_container);
    k->id = new_id(f, "c");
    k->sandbox = xstrdup(rq->pod_sandbox_id);
    k->name = xstrdup(rq->config->metadata->name);
    k->pod_uid = xstrdup(pod->uid);
    k->pod_ns = xstrdup(pod->namespace_);
    k->pod_name = xstrdup(pod->name);
    k->attempt = rq->config->metadata->attempt;
    k->created_ns = loop_wall_ns(f->loop);
    for (size_t i = 0; i < rq->config->n_annotations; i++) {
        if (strcmp(rq->config->annotations[i]->key, ANN_HASH) == 0)
            k->hash = xstrdup(rq->config->annotations[i]->value);
    }
    vec_push(&f->containers, k);
    rp->container_id = k->id;
    return &rp->base;
}

static reply start_container(struct cri_call *c, struct fake_node *f)
{
    const Runtime__V1__StartContainerRequest *rq = (const void *)c->rq;
    struct fake_container *k = by_id(f, rq->container_id);

    if (f->start_error) {
        k->state = RUNTIME__V1__CONTAINER_STATE__CONTAINER_EXITED;
        k->exit_code = 128;
        k->reason = "StartError";
        refuse(c, GRPC_UNKNOWN, f->start_error);
        return NULL;
    }
    k->state = RUNTIME__V1__CONTAINER_STATE__CONTAINER_RUNNING;
    k->started_ns = loop_wall_ns(f->loop);
    return &REPLY(StartContainerResponse, START_CONTAINER_RESPONSE)->base;
}

static reply stop_container(struct cri_call *c, struct fake_node *f)
{
    const Runtime__V1__StopContainerRequest *rq = (const void *)c->rq;
    struct fake_container *k = by_id(f, rq->container_id);

    if (!c->waited) {
        f->stops++;
        f->last_grace_sec = rq->timeout;
        c->waited = true;
        timer_start(&c->timer, MIN(f->stop_ms, (uint32_t)rq->timeout * 1000), 0);
        return NULL;
    }
    if (k)
        fake_exit(f, k, f->stop_exit_code);
    return &REPLY(StopContainerResponse, STOP_CONTAINER_RESPONSE)->base;
}

static reply container_status(struct cri_call *c, struct fake_node *f)
{
    const Runtime__V1__ContainerStatusRequest *rq = (const void *)c->rq;
    struct fake_container *k = by_id(f, rq->container_id);
    Runtime__V1__ContainerStatusResponse *rp =
        REPLY(ContainerStatusResponse, CONTAINER_STATUS_RESPONSE);
    Runtime__V1__ContainerStatus *st = REPLY(ContainerStatus, CONTAINER_STATUS);

    if (!k) {
        refuse(c, GRPC_NOT_FOUND, "no such container");
        return NULL;
    }
    rp->status = st;
    st->id = k->id;
    st->state = k->state;
    st->created_at = k->created_ns;
    st->started_at = k->started_ns;
    st->finished_at = k->finished_ns;
    st->exit_code = k->exit_code;
    st->reason = text(k->reason ? k->reason
                      : k->state != RUNTIME__V1__CONTAINER_STATE__CONTAINER_EXITED ? ""
                      : k->exit_code                                               ? "Error"
                                                                                   : "Completed");
    st->image = REPLY(ImageSpec, IMAGE_SPEC);
    st->image->image = text("docker.io/library/i:1");
    st->image_ref = text("sha256:abc");
    return &rp->base;
}

static reply list_containers(struct cri_call *c, struct fake_node *f)
{
    static const char *const keys[] = {LABEL_POD_UID, LABEL_POD_NAMESPACE, LABEL_POD_NAME,
                                       LABEL_CONTAINER_NAME};
    Runtime__V1__ListContainersResponse *rp =
        REPLY(ListContainersResponse, LIST_CONTAINERS_RESPONSE);

    rp->containers = arena_calloc(&c->arena, f->containers.n + 1, sizeof(void *));
    for (size_t i = 0; i < f->containers.n; i++) {
        struct fake_container *k = f->containers.v[i];
        const char *values[] = {k->pod_uid, k->pod_ns, k->pod_name, k->name};
        Runtime__V1__Container *item = REPLY(Container, CONTAINER);

        if (k->removed)
            continue;
        item->id = k->id;
        item->pod_sandbox_id = k->sandbox;
        item->metadata = REPLY(ContainerMetadata, CONTAINER_METADATA);
        item->metadata->attempt = k->attempt;
        item->state = k->state;
        item->created_at = k->created_ns;
        item->labels = arena_calloc(&c->arena, ARRAY_LEN(keys), sizeof(void *));
        for (size_t j = 0; j < ARRAY_LEN(keys); j++) {
            item->labels[j] = REPLY(Container__LabelsEntry, CONTAINER__LABELS_ENTRY);
            item->labels[j]->key = text(keys[j]);
            item->labels[j]->value = text(values[j]);
        }
        item->n_labels = ARRAY_LEN(keys);
        item->annotations = arena_calloc(&c->arena, 1, sizeof(void *));
        item->annotations[0] = REPLY(Container__AnnotationsEntry, CONTAINER__ANNOTATIONS_ENTRY);
        item->annotations[0]->key = text(ANN_HASH);
        item->annotations[0]->value = k->hash;
        item->n_annotations = 1;
        rp->containers[rp->n_containers++] = item;
    }
    return &rp->base;
}

static reply list_sandboxes(struct cri_call *c, struct fake_node *f)
{
    static const char *const keys[] = {LABEL_POD_UID, LABEL_POD_NAMESPACE, LABEL_POD_NAME};
    Runtime__V1__ListPodSandboxResponse *rp =
        REPLY(ListPodSandboxResponse, LIST_POD_SANDBOX_RESPONSE);

    rp->items = arena_calloc(&c->arena, f->sandboxes.n + 1, sizeof(void *));
    for (size_t i = 0; i < f->sandboxes.n; i++) {
        struct fake_sandbox *s = f->sandboxes.v[i];
        const char *values[] = {s->pod_uid, s->pod_ns, s->pod_name};
        Runtime__V1__PodSandbox *item = REPLY(PodSandbox, POD_SANDBOX);

        if (s->removed)
            continue;
        item->id = s->id;
        item->metadata = REPLY(PodSandboxMetadata, POD_SANDBOX_METADATA);
        item->metadata->uid = s->pod_uid;
        item->metadata->attempt = s->attempt;
        item->state = s->ready ? RUNTIME__V1__POD_SANDBOX_STATE__SANDBOX_READY
                               : RUNTIME__V1__POD_SANDBOX_STATE__SANDBOX_NOTREADY;
        item->created_at = s->created_ns;
        item->labels = arena_calloc(&c->arena, ARRAY_LEN(keys), sizeof(void *));
        for (size_t j = 0; j < ARRAY_LEN(keys); j++) {
            item->labels[j] = REPLY(PodSandbox__LabelsEntry, POD_SANDBOX__LABELS_ENTRY);
            item->labels[j]->key = text(keys[j]);
            item->labels[j]->value = text(values[j]);
        }
        item->n_labels = ARRAY_LEN(keys);
        rp->items[rp->n_items++] = item;
    }
    return &rp->base;
}

static reply image_status(struct cri_call *c, struct fake_node *f)
{
    const Runtime__V1__ImageStatusRequest *rq = (const void *)c->rq;
    Runtime__V1__ImageStatusResponse *rp = REPLY(ImageStatusResponse, IMAGE_STATUS_RESPONSE);

    if (f->image_missing && strcmp(rq->image->image, "pause:1") != 0)
        return &rp->base;
    rp->image = REPLY(Image, IMAGE);
    rp->image->id = text("sha256:abc");
    rp->image->size = 1234;
    return &rp->base;
}

static reply pull_image(struct cri_call *c, struct fake_node *f)
{
    f->pulls++;
    if (f->pull_error) {
        refuse(c, GRPC_UNKNOWN, f->pull_error);
        return NULL;
    }
    f->image_missing = false;
    return &REPLY(PullImageResponse, PULL_IMAGE_RESPONSE)->base;
}

static reply perform(struct cri_call *c, struct fake_node *f)
{
    struct fake_sandbox *s;
    struct fake_container *k;
    Runtime__V1__VersionResponse *version;

    switch (c->method) {
    case CRI_VERSION:
        version = REPLY(VersionResponse, VERSION_RESPONSE);
        version->runtime_name = text("containerd");
        version->runtime_version = text("1.6.0");
        return &version->base;
    case CRI_RUN_POD_SANDBOX:
        return run_sandbox(c, f);
    case CRI_POD_SANDBOX_STATUS:
        return sandbox_status(c, f);
    case CRI_STOP_POD_SANDBOX:
        s = sandbox_by_id(f, ((const Runtime__V1__StopPodSandboxRequest *)c->rq)->pod_sandbox_id);
        if (s)
            s->ready = false;
        return &REPLY(StopPodSandboxResponse, STOP_POD_SANDBOX_RESPONSE)->base;
    case CRI_REMOVE_POD_SANDBOX:
        if (f->refuses_removal) {
            refuse(c, GRPC_UNKNOWN, "not now");
            return NULL;
        }
        s = sandbox_by_id(f, ((const Runtime__V1__RemovePodSandboxRequest *)c->rq)->pod_sandbox_id);
        if (s)
            s->removed = true;
        return &REPLY(RemovePodSandboxResponse, REMOVE_POD_SANDBOX_RESPONSE)->base;
    case CRI_CREATE_CONTAINER:
        return create_container(c, f);
    case CRI_START_CONTAINER:
        return start_container(c, f);
    case CRI_STOP_CONTAINER:
        return stop_container(c, f);
    case CRI_REMOVE_CONTAINER:
        k = by_id(f, ((const Runtime__V1__RemoveContainerRequest *)c->rq)->container_id);
        if (k)
            k->removed = true;
        return &REPLY(RemoveContainerResponse, REMOVE_CONTAINER_RESPONSE)->base;
    case CRI_CONTAINER_STATUS:
        return container_status(c, f);
    case CRI_LIST_CONTAINERS:
        return list_containers(c, f);
    case CRI_LIST_POD_SANDBOX:
        return list_sandboxes(c, f);
    case CRI_IMAGE_STATUS:
        return image_status(c, f);
    case CRI_PULL_IMAGE:
        return pull_image(c, f);
    default:
        refuse(c, GRPC_UNIMPLEMENTED, "not here");
        return NULL;
    }
}

static void finish(struct cri_call *c, enum grpc_status status, const char *why, reply rp)
{
    struct cri_call **p;

    for (p = &c->cri->calls; *p != c; p = &(*p)->next)
        ;
    *p = c->next;
    timer_stop(&c->timer);
    c->done(c->arg, status, str_from(why), rp);
    arena_deinit(&c->arena);
    free(c);
}

static void refuse(struct cri_call *c, enum grpc_status status, const char *why)
{
    finish(c, status, why, NULL);
}

static void on_call(struct timer *t)
{
    struct cri_call *c = container_of(t, struct cri_call, timer);
    reply rp;

    if (c->cri->node->down) {
        refuse(c, GRPC_UNAVAILABLE, "the runtime is down");
        return;
    }
    rp = perform(c, c->cri->node);
    if (rp)
        finish(c, GRPC_OK, "", rp);
}

static void *unpack_alloc(void *arena, size_t size)
{
    return arena_alloc(arena, size);
}

static void unpack_free(void *arena, void *p)
{
    (void)arena, (void)p;
}

ProtobufCMessage *cri_unpack(struct arena *a, const ProtobufCMessageDescriptor *d, struct str bytes)
{
    ProtobufCAllocator allocator = {unpack_alloc, unpack_free, a};

    return protobuf_c_message_unpack(d, &allocator, bytes.len, (const uint8_t *)bytes.p);
}

struct str cri_pack(struct arena *a, const ProtobufCMessage *m)
{
    size_t size = protobuf_c_message_get_packed_size(m);
    char *p = arena_alloc(a, size + 1);

    protobuf_c_message_pack(m, (uint8_t *)p);
    return (struct str){p, size};
}

struct cri *cri_new(struct loop *l, const char *endpoint)
{
    struct cri *c = xnew(struct cri);

    (void)endpoint;
    c->loop = l;
    c->node = the_node;
    the_cri = c;
    return c;
}

struct cri *cri_free(struct cri *c)
{
    while (c->calls)
        finish(c->calls, GRPC_CANCELLED, "canceled", NULL);
    the_cri = NULL;
    free(c);
    return NULL;
}

struct cri_call *cri_call(struct cri *c, enum cri_method method, const ProtobufCMessage *request,
                          uint32_t timeout_ms, cri_done done, void *arg)
{
    struct cri_call *call = xnew(struct cri_call);

    (void)timeout_ms;
    call->cri = c;
    call->method = method;
    call->rq = cri_unpack(&call->arena, request->descriptor, cri_pack(&call->arena, request));
    call->done = done;
    call->arg = arg;
    call->next = c->calls;
    c->calls = call;
    timer_init(&call->timer, c->loop, on_call);
    timer_start(&call->timer, method == CRI_RUN_POD_SANDBOX ? RUN_MS : CALL_MS, 0);
    return call;
}

#define BY_ID(fn, method, Type, TYPE, field)                                            \
    struct cri_call *fn(struct cri *c, const char *id, cri_done done, void *arg)        \
    {                                                                                   \
        Runtime__V1__##Type rq = RUNTIME__V1__##TYPE##__INIT;                           \
                                                                                        \
        rq.field = text(id);                                                            \
        return cri_call(c, method, &rq.base, CRI_TIMEOUT_DEFAULT, done, arg);           \
    }
BY_ID(cri_start_container, CRI_START_CONTAINER, StartContainerRequest, START_CONTAINER_REQUEST,
      container_id)
BY_ID(cri_remove_container, CRI_REMOVE_CONTAINER, RemoveContainerRequest, REMOVE_CONTAINER_REQUEST,
      container_id)
BY_ID(cri_container_status, CRI_CONTAINER_STATUS, ContainerStatusRequest, CONTAINER_STATUS_REQUEST,
      container_id)
BY_ID(cri_stop_pod_sandbox, CRI_STOP_POD_SANDBOX, StopPodSandboxRequest, STOP_POD_SANDBOX_REQUEST,
      pod_sandbox_id)
BY_ID(cri_remove_pod_sandbox, CRI_REMOVE_POD_SANDBOX, RemovePodSandboxRequest,
      REMOVE_POD_SANDBOX_REQUEST, pod_sandbox_id)
BY_ID(cri_pod_sandbox_status, CRI_POD_SANDBOX_STATUS, PodSandboxStatusRequest,
      POD_SANDBOX_STATUS_REQUEST, pod_sandbox_id)

struct cri_call *cri_stop_container(struct cri *c, const char *id, int64_t grace_sec, cri_done done,
                                    void *arg)
{
    Runtime__V1__StopContainerRequest rq = RUNTIME__V1__STOP_CONTAINER_REQUEST__INIT;

    rq.container_id = text(id);
    rq.timeout = grace_sec;
    return cri_call(c, CRI_STOP_CONTAINER, &rq.base, CRI_TIMEOUT_DEFAULT, done, arg);
}

static void on_subscribe(struct timer *t)
{
    struct cri_events *e = container_of(t, struct cri_events, begin);

    if (e->handler.on_subscribed)
        e->handler.on_subscribed(e->handler.arg);
}

struct cri_events *cri_events_new(struct loop *l, const char *endpoint, const char *namespace,
                                  const struct cri_events_handler *h)
{
    struct cri_events *e = xnew(struct cri_events);

    (void)endpoint, (void)namespace;
    e->loop = l;
    e->handler = *h;
    timer_init(&e->begin, l, on_subscribe);
    timer_start(&e->begin, 0, 0);
    the_events = e;
    return e;
}

struct cri_events *cri_events_free(struct cri_events *e)
{
    if (e) {
        timer_stop(&e->begin);
        the_events = NULL;
        free(e);
    }
    return NULL;
}
