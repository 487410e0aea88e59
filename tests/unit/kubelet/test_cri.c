/* test_cri.c - the CRI client and containerd's events, against a small gRPC server. */
#include "test.h"

#include "kubelet/containerd_events.pb-c.h"
#include "kubelet/cri.h"
#include "kubelet/cri_events.h"
#include "net/fake_grpc.h"

struct fix {
    struct loop *loop;
    struct fake_grpc server;
    struct cri *cri;
    char last_path[128]; /* of StopContainer: its timeout */
    atomic_int n_subscriptions;
};

static void answer(struct fake_call *c, const ProtobufCMessage *m)
{
    auto_arena a = {0};
    struct str s = cri_pack(&a, m);

    fake_message(c, s.p, s.len);
}

static void handle_version(struct fake_call *c)
{
    Runtime__V1__VersionResponse r = RUNTIME__V1__VERSION_RESPONSE__INIT;
    Runtime__V1__VersionRequest *rq = runtime__v1__version_request__unpack(
        NULL, fake_request(c).len, (const uint8_t *)fake_request(c).p);

    r.version = rq->version;
    r.runtime_name = (char[]){"fake"};
    r.runtime_api_version = (char[]){"v1"};
    answer(c, &r.base);
    runtime__v1__version_request__free_unpacked(rq, NULL);
}

static void handle_list(struct fake_call *c)
{
    Runtime__V1__ListContainersResponse r = RUNTIME__V1__LIST_CONTAINERS_RESPONSE__INIT;
    Runtime__V1__Container item = RUNTIME__V1__CONTAINER__INIT, *items = &item;
    Runtime__V1__Container__LabelsEntry label = RUNTIME__V1__CONTAINER__LABELS_ENTRY__INIT;
    Runtime__V1__Container__LabelsEntry *labels = &label;

    item.id = (char[]){"c1"};
    item.state = RUNTIME__V1__CONTAINER_STATE__CONTAINER_EXITED;
    label.key = (char[]){"app"};
    label.value = (char[]){"web"};
    item.labels = &labels;
    item.n_labels = 1;
    r.containers = &items;
    r.n_containers = 1;
    answer(c, &r.base);
}

static void event(struct fake_call *c, const char *type, const ProtobufCMessage *payload)
{
    Containerd__Services__Events__V1__Envelope env =
        CONTAINERD__SERVICES__EVENTS__V1__ENVELOPE__INIT;
    Containerd__Services__Events__V1__Any any = CONTAINERD__SERVICES__EVENTS__V1__ANY__INIT;
    auto_arena a = {0};
    struct str s = cri_pack(&a, payload);

    any.type_url = arena_strdup(&a, type);
    any.value.data = (uint8_t *)(uintptr_t)s.p;
    any.value.len = s.len;
    env.event = &any;
    env.namespace_ = (char[]){"k8s.io"};
    answer(c, &env.base);
}

static void handle_subscribe(struct fake_call *c)
{
    Containerd__Services__Events__V1__TaskExit exit =
        CONTAINERD__SERVICES__EVENTS__V1__TASK_EXIT__INIT;
    Containerd__Services__Events__V1__Timestamp at =
        CONTAINERD__SERVICES__EVENTS__V1__TIMESTAMP__INIT;
    Containerd__Services__Events__V1__TaskOOM oom =
        CONTAINERD__SERVICES__EVENTS__V1__TASK_OOM__INIT;
    Containerd__Services__Events__V1__TaskStart started =
        CONTAINERD__SERVICES__EVENTS__V1__TASK_START__INIT;

    started.container_id = (char[]){"c1"};
    started.pid = 42;
    event(c, "containerd.events.TaskStart", &started.base);
    fake_message(c, "\xff\xff\xff", 3); /* what cannot be read is passed over */
    event(c, "containerd.events.ContainerUpdate", &started.base);
    exit.container_id = (char[]){"c1"};
    exit.id = (char[]){"c1"};
    exit.exit_status = 137;
    at.seconds = 3;
    at.nanos = 5;
    exit.exited_at = &at;
    event(c, "types.containerd.io/containerd.events.TaskExit", &exit.base);
    exit.id = (char[]){"e1"};
    exit.exited_at = NULL;
    event(c, "containerd.events.TaskExit", &exit.base);
    oom.container_id = (char[]){"c2"};
    event(c, "containerd.events.TaskOOM", &oom.base);
}

static void handle(void *arg, struct fake_call *c)
{
    struct fix *f = arg;

    memcpy(f->last_path, c->path, sizeof(f->last_path));
    if (strcmp(c->path, "/runtime.v1.RuntimeService/Version") == 0) {
        handle_version(c);
    } else if (strcmp(c->path, "/runtime.v1.RuntimeService/ListContainers") == 0) {
        handle_list(c);
    } else if (strcmp(c->path, "/runtime.v1.RuntimeService/StopContainer") == 0) {
        c->trailers_only = true;
        c->grpc_status = "5";
        c->grpc_message = "no such container";
        (void)snprintf(f->last_path, sizeof(f->last_path), "%s", buf_cstr(&c->headers) +
                       str_find(buf_view(&c->headers), STR("grpc-timeout: ")));
    } else if (strcmp(c->path, "/runtime.v1.RuntimeService/Exec") == 0) {
        fake_message(c, "\xff\xff", 2);
    } else if (strcmp(c->path, "/containerd.services.events.v1.Events/Subscribe") == 0) {
        f->n_subscriptions++;
        handle_subscribe(c);
    } /* else: OK without a message */
}

static void setup(struct fix *f)
{
    *f = (struct fix){.loop = loop_new("test")};
    fake_start(&f->server, handle, f);
    f->cri = cri_new(f->loop, f->server.target);
}

static void teardown(struct fix *f)
{
    f->cri = cri_free(f->cri);
    loop_run(f->loop);
    f->loop = loop_free(f->loop);
    fake_stop(&f->server);
}

struct result {
    struct loop *loop;
    int n, status;
    char text[200];
    void (*check)(const ProtobufCMessage *m);
};

static void on_done(void *arg, enum grpc_status status, struct str text,
                    const ProtobufCMessage *response)
{
    struct result *r = arg;

    r->n++;
    r->status = (int)status;
    (void)snprintf(r->text, sizeof(r->text), "%.*s", STR_ARG(text));
    assert_int_equal(response != NULL, status == GRPC_OK);
    if (response && r->check)
        r->check(response);
    loop_stop(r->loop);
}

static void check_version(const ProtobufCMessage *m)
{
    const Runtime__V1__VersionResponse *r = (const void *)m;

    assert_ptr_equal(m->descriptor, &runtime__v1__version_response__descriptor);
    assert_string_equal(r->version, "0.1.0");
    assert_string_equal(r->runtime_name, "fake");
    assert_string_equal(r->runtime_version, "");
    assert_string_equal(r->runtime_api_version, "v1");
}

static void check_list(const ProtobufCMessage *m)
{
    const Runtime__V1__ListContainersResponse *r = (const void *)m;

    assert_int_equal(r->n_containers, 1);
    assert_string_equal(r->containers[0]->id, "c1");
    assert_int_equal(r->containers[0]->state, RUNTIME__V1__CONTAINER_STATE__CONTAINER_EXITED);
    assert_int_equal(r->containers[0]->n_labels, 1);
    assert_string_equal(r->containers[0]->labels[0]->key, "app");
    assert_string_equal(r->containers[0]->labels[0]->value, "web");
}

static void test_calls_give_their_response(void **state)
{
    struct fix f;
    struct result a = {.check = check_version}, b = {.check = check_list};
    Runtime__V1__VersionRequest version = RUNTIME__V1__VERSION_REQUEST__INIT;
    Runtime__V1__ListContainersRequest list = RUNTIME__V1__LIST_CONTAINERS_REQUEST__INIT;

    (void)state;
    setup(&f);
    a.loop = b.loop = f.loop;
    version.version = (char[]){"0.1.0"};
    cri_call(f.cri, CRI_VERSION, &version.base, CRI_TIMEOUT_DEFAULT, on_done, &a);
    assert_int_equal(a.n, 0);
    loop_run(f.loop);
    assert_int_equal(a.status, GRPC_OK);
    cri_call(f.cri, CRI_LIST_CONTAINERS, &list.base, CRI_NO_TIMEOUT, on_done, &b);
    loop_run(f.loop);
    assert_int_equal(b.status, GRPC_OK);
    teardown(&f);
}

static void test_ends_without_a_response(void **state)
{
    struct fix f;
    struct result a = {0}, b = {0}, c = {0}, d = {0};
    Runtime__V1__ExecRequest exec = RUNTIME__V1__EXEC_REQUEST__INIT;
    Runtime__V1__StatusRequest status = RUNTIME__V1__STATUS_REQUEST__INIT;

    (void)state;
    setup(&f);
    a.loop = b.loop = c.loop = d.loop = f.loop;
    cri_stop_container(f.cri, "c1", 30, on_done, &a); /* 120 s and the 30 of grace */
    loop_run(f.loop);
    assert_int_equal(a.status, GRPC_NOT_FOUND);
    assert_string_equal(a.text, "no such container");
    assert_in_range(atoi(f.last_path + strlen("grpc-timeout: ")), 149000, 150000);
    cri_call(f.cri, CRI_EXEC, &exec.base, 1000, on_done, &b);
    loop_run(f.loop);
    assert_int_equal(b.status, GRPC_INTERNAL);
    assert_string_equal(b.text, "the runtime's answer is malformed");
    cri_call(f.cri, CRI_STATUS, &status.base, 1000, on_done, &c);
    loop_run(f.loop);
    assert_int_equal(c.status, GRPC_INTERNAL);
    assert_string_equal(c.text, "the runtime gave no answer");
    teardown(&f);
}

static void test_every_method_has_its_path(void **state)
{
    struct fix f;

    (void)state;
    setup(&f);
    for (int m = 0; m < CRI__N; m++) {
        static const ProtobufCMessageDescriptor *const requests[] = {
#define X(name, service, call, request, response, timeout_ms) &runtime__v1__##request##__descriptor,
            CRI_METHODS(X)
#undef X
        };
        static const char *const names[] = {
#define X(name, service, call, request, response, timeout_ms) #call,
            CRI_METHODS(X)
#undef X
        };
        auto_arena a = {0};
        struct result r = {.loop = f.loop};
        ProtobufCMessage *request = arena_alloc(&a, requests[m]->sizeof_message);

        requests[m]->message_init(request);
        cri_call(f.cri, (enum cri_method)m, request, CRI_TIMEOUT_DEFAULT, on_done, &r);
        loop_run(f.loop);
        if (m != CRI_STOP_CONTAINER)
            assert_string_equal(strrchr(f.last_path, '/') + 1, names[m]);
    }
    teardown(&f);
}

struct seen {
    struct fix *f;
    struct cri_events *events;
    struct buf log;
    int n_subscribed, n_broken;
};

static void on_event(void *arg, const struct cri_event *e)
{
    struct seen *s = arg;

    buf_printf(&s->log, "%d %.*s '%.*s' %u %u %lld\n", (int)e->kind, STR_ARG(e->container_id),
               STR_ARG(e->exec_id), e->pid, e->exit_status, (long long)e->exited_ns);
}

static void on_subscribed(void *arg)
{
    ((struct seen *)arg)->n_subscribed++;
}

static void on_broken(void *arg, struct str text)
{
    struct seen *s = arg;

    assert_str_equal(text, "the stream ended");
    if (++s->n_broken < 2)
        return;
    s->events = cri_events_free(s->events);
    loop_stop(s->f->loop);
}

static void test_events_are_decoded_and_subscribed_anew(void **state)
{
    struct fix f;
    struct seen s = {.f = &f};
    struct cri_events_handler h = {on_event, on_subscribed, on_broken, &s};

    (void)state;
    setup(&f);
    s.events = cri_events_new(f.loop, f.server.target, "k8s.io", &h);
    f.cri = cri_free(f.cri); /* the server takes one connection at a time */
    loop_run(f.loop);
    assert_str_equal(buf_view(&s.log),
                     "1 c1 '' 42 0 0\n2 c1 '' 0 137 3000000005\n"
                     "2 c1 'e1' 0 137 0\n4 c2 '' 0 0 0\n"
                     "1 c1 '' 42 0 0\n2 c1 '' 0 137 3000000005\n"
                     "2 c1 'e1' 0 137 0\n4 c2 '' 0 0 0\n");
    assert_int_equal(s.n_subscribed, 2);
    assert_int_equal(f.n_subscriptions, 2);
    assert_null(s.events);
    buf_deinit(&s.log);
    teardown(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_calls_give_their_response),
        cmocka_unit_test(test_ends_without_a_response),
        cmocka_unit_test(test_every_method_has_its_path),
        cmocka_unit_test(test_events_are_decoded_and_subscribed_anew),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
