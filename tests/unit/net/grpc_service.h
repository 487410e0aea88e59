/* grpc_service.h - a gRPC service for tests: what each of its methods does is in its name. */
#pragma once
#include "fixture.h"

#include "net/grpc_server.h"
#include <signal.h>

#define MESSAGE_MAX 3000000
#define FLOOD_BYTES (16 * 1024 * 1024)
#define FLOOD_PIECE 10000

struct fix {
    struct loop *loop;
    struct http_server *http;
    struct grpc_server *server;
    struct grpc_client *client;
    struct tls_context *server_tls, *client_tls;
    struct pki pki;
    bool plain_h2_body; /* requests are handed over whole, with their bodies */
    unsigned n_open;    /* calls of the client whose end is awaited */
    unsigned n_started, n_closed, n_half_closed;
    unsigned close_stops_at; /* the loop stops at this n_closed */
    size_t pending_max, flood_left;
    bool free_in_closed;
    char target[40];
};

/* ---- the service ---- */

static inline void on_closed(void *arg, struct grpc_server_call *call)
{
    struct fix *f = arg;

    (void)call;
    f->n_closed++;
    if (f->free_in_closed) {
        f->free_in_closed = false;
        f->server = grpc_server_free(f->server);
    }
    if (f->n_closed == f->close_stops_at)
        loop_stop(f->loop);
}

static inline void echo(void *arg, struct grpc_server_call *call, struct str m)
{
    (void)arg;
    grpc_server_send(call, m);
}

static inline void end_ok(void *arg, struct grpc_server_call *call)
{
    struct fix *f = arg;

    f->n_half_closed++;
    grpc_server_call_end(call, GRPC_OK, "%s", "");
}

static inline void ignore(void *arg, struct grpc_server_call *call, struct str m)
{
    (void)arg;
    (void)call;
    (void)m;
}

static inline void count(void *arg, struct grpc_server_call *call, struct str m)
{
    uint64_t n;
    static const char piece[1000];

    (void)arg;
    assert_true(str_to_u64(m, &n));
    for (uint64_t i = 0; i < n; i++)
        grpc_server_send(call, (struct str){piece, i % sizeof(piece)});
}

/* An answer of as many bytes as the message says: they are not looked at when they are too many. */
static inline void huge(void *arg, struct grpc_server_call *call, struct str m)
{
    uint64_t n;

    (void)arg;
    assert_true(str_to_u64(m, &n) && n > INT32_MAX);
    grpc_server_send(call, (struct str){"", n});
}

static inline void end_early(void *arg, struct grpc_server_call *call, struct str m)
{
    (void)arg;
    grpc_server_send(call, m);
    grpc_server_call_end(call, GRPC_ABORTED, "enough");
    grpc_server_call_end(call, GRPC_OK, "ignored");
    grpc_server_send(call, STR("ignored"));
}

static inline void free_server(void *arg, struct grpc_server_call *call, struct str m)
{
    struct fix *f = arg;

    (void)call;
    (void)m;
    f->server = grpc_server_free(f->server);
}

struct flood {
    struct fix *f;
    struct grpc_server_call *call;
};

static inline void flood_more(void *arg)
{
    static const char piece[FLOOD_PIECE];
    struct flood *fl = arg;
    struct fix *f = fl->f;

    while (f->flood_left > 0 && grpc_server_pending(fl->call) < 200000) {
        grpc_server_send(fl->call, (struct str){piece, sizeof(piece)});
        f->flood_left -= MIN(f->flood_left, sizeof(piece));
    }
    f->pending_max = MAX(f->pending_max, grpc_server_pending(fl->call));
    if (f->flood_left > 0)
        grpc_server_on_drained(fl->call, 100000, flood_more, fl);
    else
        grpc_server_call_end(fl->call, GRPC_OK, "%s", "");
}

static inline void flood_closed(void *arg, struct grpc_server_call *call)
{
    struct flood *fl = arg;
    struct fix *f = fl->f;

    free(fl);
    on_closed(f, call);
}

static inline void flood_message(void *arg, struct grpc_server_call *call, struct str m)
{
    (void)call;
    (void)m;
    flood_more(arg);
}

static inline void start_flood(void *service, struct grpc_server_call *call)
{
    struct flood *fl = xnew(struct flood);
    struct grpc_call_handlers h = {
        .on_message = flood_message, .on_closed = flood_closed, .arg = fl};

    fl->f = service;
    fl->f->n_started++;
    fl->call = call;
    grpc_server_call_on(call, &h);
}

static inline void start_any(struct fix *f, struct grpc_server_call *call,
                      void (*on_message)(void *, struct grpc_server_call *, struct str),
                      void (*on_half_close)(void *, struct grpc_server_call *))
{
    struct grpc_call_handlers h = {.on_message = on_message,
                                   .on_half_close = on_half_close,
                                   .on_closed = on_closed,
                                   .arg = f};

    f->n_started++;
    grpc_server_call_on(call, &h);
}

static inline void start_echo(void *service, struct grpc_server_call *call)
{
    start_any(service, call, echo, end_ok);
}

static inline void start_count(void *service, struct grpc_server_call *call)
{
    start_any(service, call, count, end_ok);
}

static inline void start_huge(void *service, struct grpc_server_call *call)
{
    start_any(service, call, huge, end_ok);
}

static inline void start_hang(void *service, struct grpc_server_call *call)
{
    start_any(service, call, ignore, NULL);
}

static inline void start_early(void *service, struct grpc_server_call *call)
{
    start_any(service, call, end_early, NULL);
}

static inline void start_free(void *service, struct grpc_server_call *call)
{
    start_any(service, call, free_server, NULL);
}

static inline void start_fail(void *service, struct grpc_server_call *call)
{
    start_any(service, call, ignore, NULL);
    grpc_server_call_end(call, GRPC_NOT_FOUND, "no \"\xc3\xa4\" in 100%%\n");
}

static const struct grpc_method methods[] = {
    {"/t/Echo", start_echo},   {"/t/Count", start_count}, {"/t/Hang", start_hang},
    {"/t/Early", start_early}, {"/t/Free", start_free},   {"/t/Fail", start_fail},
    {"/t/Flood", start_flood}, {"/t/Huge", start_huge},
};
