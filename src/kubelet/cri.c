/* cri.c - see cri.h: the table of methods, and the one function that makes every call. */
#include "kubelet/cri.h"
#include <assert.h>

/* A list of all containers of a crowded node, or what an ExecSync printed (16 MiB a stream in
 * containerd): the bound upstream sets too. */
#define CRI_MESSAGE_MAX ((size_t)33 << 20)

struct method {
    const char *path, *name;
    const ProtobufCMessageDescriptor *request, *response;
    uint32_t timeout_ms;
};
static const struct method methods[CRI__N] = {
#define X(name, service, call, request, response, timeout_ms)                      \
    [CRI_##name] = {"/runtime.v1." #service "Service/" #call, #call,               \
                    &runtime__v1__##request##__descriptor,                         \
                    &runtime__v1__##response##__descriptor, timeout_ms},
    CRI_METHODS(X)
#undef X
};

struct cri {
    struct grpc_client *grpc;
};
struct cri_call {
    const struct method *method;
    struct arena arena; /* the response */
    ProtobufCMessage *response;
    enum { ANSWER_NONE, ANSWER_ONE, ANSWER_BAD } answer;
    cri_done done;
    void *arg;
};

struct cri *cri_new(struct loop *l, const char *endpoint)
{
    struct cri *c = xnew(struct cri);

    c->grpc = grpc_client_new(l, endpoint, CRI_MESSAGE_MAX);
    return c;
}

struct cri *cri_free(struct cri *c)
{
    if (!c)
        return NULL;
    c->grpc = grpc_client_free(c->grpc);
    free(c);
    return NULL;
}

static void *unpack_alloc(void *arena, size_t size)
{
    return arena_alloc(arena, size);
}

static void unpack_free(void *arena, void *p)
{
    (void)arena, (void)p; /* freed with the arena */
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

    (void)protobuf_c_message_pack(m, (uint8_t *)p); /* returns @size */
    return (struct str){p, size};
}

static void on_message(void *arg, struct str message)
{
    struct cri_call *call = arg;

    if (call->answer != ANSWER_NONE) { /* a unary call has one answer */
        call->answer = ANSWER_BAD;
        return;
    }
    call->response = cri_unpack(&call->arena, call->method->response, message);
    call->answer = call->response ? ANSWER_ONE : ANSWER_BAD;
}

static void on_done(void *arg, enum grpc_status status, struct str text)
{
    struct cri_call *call = arg;
    const ProtobufCMessage *response = NULL;

    if (status == GRPC_OK && call->answer != ANSWER_ONE) {
        status = GRPC_INTERNAL;
        text = call->answer == ANSWER_NONE ? STR("the runtime gave no answer")
                                           : STR("the runtime's answer is malformed");
    } else if (status == GRPC_OK) {
        response = call->response;
    }
    call->done(call->arg, status, text, response);
    arena_deinit(&call->arena);
    free(call);
}

struct cri_call *cri_call(struct cri *c, enum cri_method method, const ProtobufCMessage *request,
                          uint32_t timeout_ms, cri_done done, void *arg)
{
    const struct method *m = &methods[method];
    struct cri_call *call = xnew(struct cri_call);
    struct grpc_call_opts opts = {.method = m->path, .on_message = on_message, .on_done = on_done,
                                  .arg = call};
    auto_arena packed = {0};

    assert(request->descriptor == m->request);
    call->method = m;
    call->done = done;
    call->arg = arg;
    if (timeout_ms == CRI_TIMEOUT_DEFAULT)
        timeout_ms = m->timeout_ms;
    opts.timeout_ms = timeout_ms == CRI_NO_TIMEOUT ? 0 : timeout_ms;
    opts.request = cri_pack(&packed, request);
    (void)grpc_call_start(c->grpc, &opts);
    return call;
}

/* protobuf-c's text fields are not const, and are only read. */
static char *text(const char *s)
{
    return (char *)(uintptr_t)s;
}

struct cri_call *cri_start_container(struct cri *c, const char *id, cri_done done, void *arg)
{
    Runtime__V1__StartContainerRequest rq = RUNTIME__V1__START_CONTAINER_REQUEST__INIT;

    rq.container_id = text(id);
    return cri_call(c, CRI_START_CONTAINER, &rq.base, CRI_TIMEOUT_DEFAULT, done, arg);
}

struct cri_call *cri_stop_container(struct cri *c, const char *id, int64_t grace_sec, cri_done done,
                                    void *arg)
{
    Runtime__V1__StopContainerRequest rq = RUNTIME__V1__STOP_CONTAINER_REQUEST__INIT;
    uint64_t timeout_ms = methods[CRI_STOP_CONTAINER].timeout_ms;

    rq.container_id = text(id);
    rq.timeout = MAX(grace_sec, 0);
    timeout_ms += MIN((uint64_t)rq.timeout, UINT32_MAX) * 1000;
    return cri_call(c, CRI_STOP_CONTAINER, &rq.base,
                    timeout_ms < CRI_NO_TIMEOUT ? (uint32_t)timeout_ms : CRI_NO_TIMEOUT, done, arg);
}

struct cri_call *cri_remove_container(struct cri *c, const char *id, cri_done done, void *arg)
{
    Runtime__V1__RemoveContainerRequest rq = RUNTIME__V1__REMOVE_CONTAINER_REQUEST__INIT;

    rq.container_id = text(id);
    return cri_call(c, CRI_REMOVE_CONTAINER, &rq.base, CRI_TIMEOUT_DEFAULT, done, arg);
}

struct cri_call *cri_container_status(struct cri *c, const char *id, cri_done done, void *arg)
{
    Runtime__V1__ContainerStatusRequest rq = RUNTIME__V1__CONTAINER_STATUS_REQUEST__INIT;

    rq.container_id = text(id);
    return cri_call(c, CRI_CONTAINER_STATUS, &rq.base, CRI_TIMEOUT_DEFAULT, done, arg);
}

struct cri_call *cri_stop_pod_sandbox(struct cri *c, const char *id, cri_done done, void *arg)
{
    Runtime__V1__StopPodSandboxRequest rq = RUNTIME__V1__STOP_POD_SANDBOX_REQUEST__INIT;

    rq.pod_sandbox_id = text(id);
    return cri_call(c, CRI_STOP_POD_SANDBOX, &rq.base, CRI_TIMEOUT_DEFAULT, done, arg);
}

struct cri_call *cri_remove_pod_sandbox(struct cri *c, const char *id, cri_done done, void *arg)
{
    Runtime__V1__RemovePodSandboxRequest rq = RUNTIME__V1__REMOVE_POD_SANDBOX_REQUEST__INIT;

    rq.pod_sandbox_id = text(id);
    return cri_call(c, CRI_REMOVE_POD_SANDBOX, &rq.base, CRI_TIMEOUT_DEFAULT, done, arg);
}

struct cri_call *cri_pod_sandbox_status(struct cri *c, const char *id, cri_done done, void *arg)
{
    Runtime__V1__PodSandboxStatusRequest rq = RUNTIME__V1__POD_SANDBOX_STATUS_REQUEST__INIT;

    rq.pod_sandbox_id = text(id);
    return cri_call(c, CRI_POD_SANDBOX_STATUS, &rq.base, CRI_TIMEOUT_DEFAULT, done, arg);
}
