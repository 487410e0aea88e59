/* fake_grpc.h - a gRPC server for tests: one thread, one connection at a time, on a Unix socket.
 * What it answers is a function of the test, called on the server's thread. */
#pragma once
#include "base/buf.h"
#include "base/queue.h"
#include <assert.h>
#include <nghttp2/nghttp2.h>
#include <poll.h>
#include <stdatomic.h>
#include <sys/socket.h>
#include <sys/un.h>

enum fake_action { FAKE_ANSWER, FAKE_HANG, FAKE_REFUSE, FAKE_DROP, FAKE_GOAWAY };
struct fake_call {
    struct fake_call *next;
    int32_t id;
    char path[128];
    struct buf headers; /* "name: value\n", but for the pseudo-headers */
    struct buf request; /* with its prefix */
    /* To be set by the handler. */
    enum fake_action action;
    int http_status;          /* 200 */
    const char *type;         /* "application/grpc" */
    const char *grpc_status;  /* "0"; NULL: none */
    const char *grpc_message; /* as on the wire; NULL: none */
    bool trailers_only;
    struct buf response; /* fake_message() */
    size_t at;
};
struct fake_grpc {
    char dir[32], socket[64], target[80];
    int listener, fd, stop[2];
    struct thread *thread;
    void (*handle)(void *arg, struct fake_call *call);
    void *arg;
    atomic_int n_connections, n_resets;
    nghttp2_session *session;
    struct fake_call *calls;
    bool drop;
};

static inline void fake_message(struct fake_call *call, const void *p, size_t n)
{
    uint8_t prefix[5] = {0, (uint8_t)(n >> 24), (uint8_t)(n >> 16), (uint8_t)(n >> 8), (uint8_t)n};

    buf_append(&call->response, prefix, sizeof(prefix));
    buf_append(&call->response, p, n);
}

static inline struct str fake_request(const struct fake_call *call)
{
    return str_sub(buf_view(&call->request), 5, call->request.len);
}

static inline nghttp2_nv fake_nv(const char *name, const char *value)
{
    return (nghttp2_nv){(uint8_t *)(uintptr_t)name, (uint8_t *)(uintptr_t)value, strlen(name),
                        strlen(value), 0};
}

static inline struct fake_call *fake_find(struct fake_grpc *f, int32_t id)
{
    for (struct fake_call *c = f->calls; c; c = c->next)
        if (c->id == id)
            return c;
    return NULL;
}

static inline int fake_on_begin(nghttp2_session *s, const nghttp2_frame *frame, void *arg)
{
    struct fake_grpc *f = arg;
    struct fake_call *c = xnew(struct fake_call);

    c->id = frame->hd.stream_id;
    c->http_status = 200;
    c->type = "application/grpc";
    c->grpc_status = "0";
    c->next = f->calls;
    f->calls = c;
    return 0;
}

static inline int fake_on_header(nghttp2_session *s, const nghttp2_frame *frame,
                                 const uint8_t *name, size_t n, const uint8_t *value, size_t m,
                                 uint8_t flags, void *arg)
{
    struct fake_call *c = fake_find(arg, frame->hd.stream_id);

    if (n == 5 && memcmp(name, ":path", 5) == 0)
        (void)snprintf(c->path, sizeof(c->path), "%.*s", (int)m, (const char *)value);
    else if (name[0] != ':')
        buf_printf(&c->headers, "%.*s: %.*s\n", (int)n, (const char *)name, (int)m,
                   (const char *)value);
    return 0;
}

static inline int fake_on_chunk(nghttp2_session *s, uint8_t flags, int32_t id, const uint8_t *p,
                                size_t n, void *arg)
{
    buf_append(&fake_find(arg, id)->request, p, n);
    return 0;
}

static inline ssize_t fake_read(nghttp2_session *s, int32_t id, uint8_t *to, size_t cap,
                                uint32_t *flags, nghttp2_data_source *source, void *arg)
{
    struct fake_call *c = fake_find(arg, id);
    size_t n = MIN(cap, c->response.len - c->at);
    nghttp2_nv trailers[2];
    size_t nt = 0;

    if (n > 0)
        memcpy(to, c->response.p + c->at, n);
    c->at += n;
    if (c->at < c->response.len)
        return (ssize_t)n;
    *flags |= NGHTTP2_DATA_FLAG_EOF;
    if (c->grpc_status) {
        *flags |= NGHTTP2_DATA_FLAG_NO_END_STREAM;
        trailers[nt++] = fake_nv("grpc-status", c->grpc_status);
        if (c->grpc_message)
            trailers[nt++] = fake_nv("grpc-message", c->grpc_message);
        assert(nghttp2_submit_trailer(s, id, trailers, nt) == 0);
    }
    return (ssize_t)n;
}

static inline void fake_answer(struct fake_grpc *f, struct fake_call *c)
{
    nghttp2_data_provider body = {.read_callback = fake_read};
    nghttp2_nv nv[4];
    char status[8];
    size_t n = 0;

    (void)snprintf(status, sizeof(status), "%d", c->http_status);
    nv[n++] = fake_nv(":status", status);
    nv[n++] = fake_nv("content-type", c->type);
    if (c->trailers_only) {
        nv[n++] = fake_nv("grpc-status", c->grpc_status);
        if (c->grpc_message)
            nv[n++] = fake_nv("grpc-message", c->grpc_message);
        assert(nghttp2_submit_response(f->session, c->id, nv, n, NULL) == 0);
    } else {
        assert(nghttp2_submit_response(f->session, c->id, nv, n, &body) == 0);
    }
}

static inline int fake_on_frame(nghttp2_session *s, const nghttp2_frame *frame, void *arg)
{
    struct fake_grpc *f = arg;
    struct fake_call *c;

    if (frame->hd.type == NGHTTP2_RST_STREAM)
        f->n_resets++;
    if ((frame->hd.type != NGHTTP2_DATA && frame->hd.type != NGHTTP2_HEADERS) ||
        !(frame->hd.flags & NGHTTP2_FLAG_END_STREAM))
        return 0;
    c = fake_find(f, frame->hd.stream_id);
    f->handle(f->arg, c);
    if (c->action == FAKE_REFUSE)
        (void)nghttp2_submit_rst_stream(s, 0, c->id, NGHTTP2_REFUSED_STREAM);
    else if (c->action == FAKE_DROP)
        f->drop = true;
    else if (c->action != FAKE_HANG)
        fake_answer(f, c);
    if (c->action == FAKE_GOAWAY)
        (void)nghttp2_submit_goaway(s, 0, c->id, NGHTTP2_NO_ERROR, NULL, 0);
    return 0;
}

static inline bool fake_send(struct fake_grpc *f)
{
    const uint8_t *p;
    long n;

    while ((n = nghttp2_session_mem_send(f->session, &p)) > 0)
        for (long at = 0; at < n;) {
            ssize_t w = send(f->fd, p + at, (size_t)(n - at), MSG_NOSIGNAL);

            if (w <= 0)
                return false;
            at += w;
        }
    return n == 0;
}

/* Serves one connection; false when the server shall stop. */
static inline bool fake_serve(struct fake_grpc *f)
{
    struct pollfd fds[2] = {{f->fd, POLLIN, 0}, {f->stop[0], POLLIN, 0}};
    uint8_t in[16384];

    while (!f->drop && fake_send(f) &&
           (nghttp2_session_want_read(f->session) || nghttp2_session_want_write(f->session))) {
        ssize_t n;

        (void)poll(fds, 2, -1);
        if (fds[1].revents)
            return false;
        n = read(f->fd, in, sizeof(in));
        if (n <= 0 || nghttp2_session_mem_recv(f->session, in, (size_t)n) < 0)
            break;
    }
    return true;
}

static inline void fake_run(void *arg)
{
    static const nghttp2_settings_entry settings[] = {
        {NGHTTP2_SETTINGS_MAX_CONCURRENT_STREAMS, 4}};
    struct fake_grpc *f = arg;
    nghttp2_session_callbacks *cb;
    bool go_on = true;

    assert(nghttp2_session_callbacks_new(&cb) == 0);
    nghttp2_session_callbacks_set_on_begin_headers_callback(cb, fake_on_begin);
    nghttp2_session_callbacks_set_on_header_callback(cb, fake_on_header);
    nghttp2_session_callbacks_set_on_data_chunk_recv_callback(cb, fake_on_chunk);
    nghttp2_session_callbacks_set_on_frame_recv_callback(cb, fake_on_frame);
    while (go_on) {
        struct pollfd fds[2] = {{f->listener, POLLIN, 0}, {f->stop[0], POLLIN, 0}};

        (void)poll(fds, 2, -1);
        if (fds[1].revents)
            break;
        f->fd = accept(f->listener, NULL, NULL);
        f->n_connections++;
        f->drop = false;
        assert(nghttp2_session_server_new(&f->session, cb, f) == 0);
        assert(nghttp2_submit_settings(f->session, 0, settings, 1) == 0);
        go_on = fake_serve(f);
        nghttp2_session_del(f->session);
        (void)close(f->fd);
        while (f->calls) {
            struct fake_call *c = f->calls;

            f->calls = c->next;
            buf_deinit(&c->headers);
            buf_deinit(&c->request);
            buf_deinit(&c->response);
            free(c);
        }
    }
    nghttp2_session_callbacks_del(cb);
}

/* Listens and serves; end it with fake_stop(). */
static inline void fake_start(struct fake_grpc *f,
                              void (*handle)(void *arg, struct fake_call *call), void *arg)
{
    struct sockaddr_un sa = {.sun_family = AF_UNIX};

    *f = (struct fake_grpc){.dir = "/tmp/skiff-grpc-XXXXXX", .handle = handle, .arg = arg};
    assert(mkdtemp(f->dir));
    (void)snprintf(f->socket, sizeof(f->socket), "%s/s", f->dir);
    (void)snprintf(f->target, sizeof(f->target), "unix://%s", f->socket);
    (void)snprintf(sa.sun_path, sizeof(sa.sun_path), "%s", f->socket);
    f->listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert(f->listener >= 0 && pipe(f->stop) == 0);
    assert(bind(f->listener, (struct sockaddr *)&sa, sizeof(sa)) == 0);
    assert(listen(f->listener, 8) == 0);
    f->thread = thread_start("fake-grpc", fake_run, f);
}

/* Ends the server and removes its socket. */
static inline void fake_stop(struct fake_grpc *f)
{
    assert(write(f->stop[1], "x", 1) == 1);
    (void)thread_join(f->thread);
    (void)close(f->stop[0]);
    (void)close(f->stop[1]);
    (void)close(f->listener);
    (void)unlink(f->socket);
    (void)rmdir(f->dir);
}
