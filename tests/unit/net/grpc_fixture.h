/* grpc_fixture.h - the service of grpc_service.h on an HTTP server, and our client for it. */
#pragma once
#include "grpc_service.h"

static inline void on_request(void *arg, struct http_exchange *x, const struct http_request *rq)
{
    struct fix *f = arg;

    if (grpc_server_is_call(rq) && f->server)
        grpc_server_request(f->server, x, rq);
    else
        http_respond(x, 404, NULL, STR("no gRPC"), NULL, 0);
}

static inline bool wants_stream(void *arg, const struct http_request *rq)
{
    return !((struct fix *)arg)->plain_h2_body && grpc_server_is_call(rq);
}

static inline void setup(struct fix *f, bool tls)
{
    struct http_server_opts opts = {
        .address = "127.0.0.1",
        .handler = {.on_request = on_request, .arg = f, .wants_stream = wants_stream}};
    struct err err = {0};

    f->loop = loop_new("test");
    f->flood_left = FLOOD_BYTES;
    if (tls) {
        pki_make(&f->pki);
        assert_ok(tls_server_context(f->pki.cert, f->pki.key, f->pki.ca, &f->server_tls, &err),
                  &err);
        assert_ok(tls_client_context(f->pki.ca, f->pki.client_cert, f->pki.client_key, false,
                                     &f->client_tls, &err),
                  &err);
        opts.tls = f->server_tls;
    }
    f->server = grpc_server_new(methods, ARRAY_LEN(methods), f, MESSAGE_MAX);
    assert_ok(http_server_new(f->loop, &opts, &f->http, &err), &err);
    (void)snprintf(f->target, sizeof(f->target), "127.0.0.1:%u", http_server_port(f->http));
    f->client = tls ? grpc_client_new_tls(f->loop, f->target, f->client_tls, NULL, MESSAGE_MAX)
                    : grpc_client_new(f->loop, f->target, MESSAGE_MAX);
}

static inline void teardown(struct fix *f)
{
    grpc_client_free(f->client);
    http_server_close(f->http, 0, NULL, NULL);
    loop_run(f->loop); /* until all connections have closed */
    assert_int_equal(f->n_closed, f->n_started);
    grpc_server_free(f->server);
    f->loop = loop_free(f->loop);
    tls_context_free(f->server_tls);
    tls_context_free(f->client_tls);
    pki_deinit(&f->pki);
}

/* ---- our client ---- */

struct result {
    struct fix *f;
    struct grpc_call *call;
    unsigned n_messages, n_done;
    size_t bytes;
    struct buf messages; /* each followed by "|", up to about a megabyte */
    int status;
    char text[300];
    const char *reply;    /* sent at the first message */
    bool close_at_message; /* half close at the next */
};

static inline void on_message(void *arg, struct str m)
{
    struct result *r = arg;

    assert_int_equal(r->n_done, 0);
    r->n_messages++;
    r->bytes += m.len;
    if (r->messages.len < 1 << 20) {
        buf_str(&r->messages, m);
        buf_putc(&r->messages, '|');
    }
    if (r->reply) {
        grpc_call_send(r->call, str_from(r->reply));
        r->reply = NULL;
    } else if (r->close_at_message) {
        grpc_call_half_close(r->call);
        grpc_call_half_close(r->call);
    }
}

static inline void on_done(void *arg, enum grpc_status status, struct str text)
{
    struct result *r = arg;

    r->n_done++;
    r->status = (int)status;
    (void)snprintf(r->text, sizeof(r->text), "%.*s", STR_ARG(text));
    if (--r->f->n_open == 0)
        loop_stop(r->f->loop);
}

static inline void start(struct fix *f, struct result *r, const char *method, struct str request,
                  bool streams, uint32_t timeout_ms)
{
    static const struct http_header md[] = {{STR_INIT("x-test"), STR_INIT("yes")}};
    struct grpc_call_opts opts = {.method = method, .request = request, .client_streams = streams,
                                  .timeout_ms = timeout_ms, .metadata = md, .n_metadata = 1,
                                  .on_message = on_message, .on_done = on_done, .arg = r};

    r->f = f;
    f->n_open++;
    r->call = grpc_call_start(f->client, &opts);
}

static inline void call(struct fix *f, struct result *r, const char *method, struct str request)
{
    start(f, r, method, request, false, 20000);
    loop_run(f->loop);
    assert_int_equal(r->n_done, 1);
}

static inline void result_deinit(struct result *r)
{
    buf_deinit(&r->messages);
}
#define auto_result scope_cleanup(result_deinit) struct result

static inline void stop_loop(struct timer *t)
{
    loop_stop(t->loop);
}

/* Runs the loop for a short while. */
static inline void turn(struct fix *f)
{
    struct timer t;

    timer_init(&t, f->loop, stop_loop);
    timer_start(&t, 1, 0);
    loop_run(f->loop);
    timer_stop(&t);
}

/* Runs the loop until the server has seen @n ends. */
static inline void wait_closed(struct fix *f, unsigned n)
{
    f->close_stops_at = n;
    while (f->n_closed < n)
        loop_run(f->loop);
    assert_int_equal(f->n_closed, n);
}
