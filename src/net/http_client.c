/* http_client.c - see http_client.h: the pool of connections, the line of calls, their timeouts. */
#include "net/http_client_internal.h"
#include <assert.h>

static void list_add(struct http_calls *list, struct http_call *call, bool front)
{
    call->prev = front ? NULL : list->tail;
    call->next = front ? list->head : NULL;
    if (call->prev)
        call->prev->next = call;
    else
        list->head = call;
    if (call->next)
        call->next->prev = call;
    else
        list->tail = call;
}

static void list_remove(struct http_calls *list, struct http_call *call)
{
    if (call->prev)
        call->prev->next = call->next;
    else
        list->head = call->next;
    if (call->next)
        call->next->prev = call->prev;
    else
        list->tail = call->prev;
    call->prev = call->next = NULL;
}

static struct http_calls *list_of(struct http_call *call)
{
    struct http_client *c = call->client;

    return call->ended ? &c->over : call->waiting ? &c->line : &c->active;
}

static void kick(struct http_client *c)
{
    if (!c->freed && !timer_active(&c->kick))
        timer_start(&c->kick, 0, 0);
}

static void on_kick(struct timer *t)
{
    http_client_deliver(container_of(t, struct http_client, kick));
}

struct http_client *http_client_new(struct loop *l, const struct http_client_opts *opts)
{
    struct http_client *c = xnew(struct http_client);

    c->loop = l;
    c->env = conn_env_new(l);
    c->host = xstrdup(opts->host);
    c->server_name = opts->server_name ? xstrdup(opts->server_name) : NULL;
    c->port = opts->port;
    c->unix_socket = opts->unix_socket;
    c->tls = opts->tls;
    c->connect_timeout_ms = opts->connect_timeout_ms;
    c->connections_max =
        opts->connections_max ? opts->connections_max : HTTP_CLIENT_CONNECTIONS_MAX;
    timer_init(&c->kick, l, on_kick);
    return c;
}

static void client_destroy(struct http_client *c)
{
    timer_stop(&c->kick);
    conn_env_unref(c->env);
    vec_deinit(&c->idle);
    vec_deinit(&c->links);
    free(c->host);
    free(c->server_name);
    free(c);
}

void http_call_drop(struct http_call *call)
{
    list_remove(list_of(call), call);
    timer_stop(&call->total);
    timer_stop(&call->head);
    buf_deinit(&call->out);
    free(call);
}

/* Tells the end of a call and frees it. */
static void call_finish(struct http_call *call)
{
    struct err err = call->err;
    void (*on_done)(void *arg, const struct err *err) = call->on_done;
    void *arg = call->arg;

    http_call_drop(call);
    if (on_done)
        on_done(arg, err.code ? &err : NULL);
}

void http_call_end(struct http_call *call, const struct err *err)
{
    struct http_link *link = call->link;

    if (call->ended)
        return;
    list_remove(list_of(call), call);
    call->ended = true;
    list_add(&call->client->over, call, false);
    timer_stop(&call->total);
    timer_stop(&call->head);
    if (err)
        call->err = *err;
    call->link = NULL;
    if (link) {
        link->call = NULL;
        if (!link->complete)
            http_link_drop(link); /* the rest of the response has nobody to go to */
    }
    kick(call->client);
}

void http_client_retry(struct http_call *call)
{
    list_remove(list_of(call), call);
    call->retried = true;
    call->waiting = true;
    call->link = NULL;
    list_add(&call->client->line, call, true);
    kick(call->client);
}

static struct http_link *link_for(struct http_client *c, const struct http_call *call)
{
    if (c->idle.n > 0 && !call->retried)
        return vec_pop(&c->idle);
    if (c->links.n >= c->connections_max) {
        if (c->idle.n == 0)
            return NULL;
        http_link_drop(c->idle.v[0]); /* a retry wants a fresh one */
    }
    return http_link_open(c);
}

static void assign(struct http_client *c)
{
    struct http_call *call;
    struct http_link *link;

    while ((call = c->line.head)) {
        link = link_for(c, call);
        if (!link)
            return;
        list_remove(&c->line, call);
        call->waiting = false;
        list_add(&c->active, call, false);
        http_link_send(link, call);
    }
}

void http_client_deliver(struct http_client *c)
{
    if (c->delivering)
        return; /* the loop below us goes on with what is new */
    c->delivering = true;
    while (!c->freed && c->over.head)
        call_finish(c->over.head);
    c->delivering = false;
    if (c->freed)
        client_destroy(c);
    else
        assign(c);
}

struct http_client *http_client_free(struct http_client *c)
{
    static const struct err canceled = {.code = ERR_CANCELED, .msg = "the client ends"};
    struct http_call *call;

    if (!c)
        return NULL;
    assert(!c->freed);
    c->freed = true;
    while ((call = c->over.head ? c->over.head : c->active.head ? c->active.head : c->line.head)) {
        http_call_end(call, &canceled);
        call_finish(call);
    }
    while (c->links.n > 0)
        http_link_drop(c->links.v[0]);
    if (!c->delivering)
        client_destroy(c);
    return NULL;
}

/* ---- calls ---- */

static void timed_out(struct http_call *call, uint32_t ms, const char *what)
{
    struct http_client *c = call->client;
    struct err err = {0};

    (void)err_new(&err, ERR_TIMEOUT, "%s: no %s within %u ms", c->host, what, ms);
    http_call_end(call, &err);
    http_client_deliver(c);
}

static void on_total(struct timer *t)
{
    struct http_call *call = container_of(t, struct http_call, total);

    timed_out(call, call->total_ms, "complete answer");
}

static void on_head_timeout(struct timer *t)
{
    struct http_call *call = container_of(t, struct http_call, head);

    timed_out(call, call->head_ms, "answer");
}

static bool is_token(struct str s)
{
    for (size_t i = 0; i < s.len; i++) {
        unsigned char ch = (unsigned char)s.p[i];

        if (ch <= ' ' || ch >= 0x7f || strchr("()<>@,;:\\\"/[]?={}", ch))
            return false;
    }
    return s.len > 0;
}

/* No control characters: what would let a value start a header or a request of its own. */
static bool is_field_value(struct str s)
{
    for (size_t i = 0; i < s.len; i++) {
        unsigned char ch = (unsigned char)s.p[i];

        if ((ch < ' ' && ch != '\t') || ch == 0x7f)
            return false;
    }
    return true;
}

static bool is_target(struct str s)
{
    for (size_t i = 0; i < s.len; i++)
        if ((unsigned char)s.p[i] <= ' ' || (unsigned char)s.p[i] == 0x7f)
            return false;
    return s.len > 0 && (s.p[0] == '/' || s.p[0] == '*');
}

static void write_host(const struct http_client *c, struct buf *out)
{
    bool v6 = strchr(c->host, ':') != NULL;
    uint16_t usual = c->tls ? 443 : 80;

    if (c->unix_socket)
        buf_puts(out, "Host: localhost\r\n");
    else if (c->port == usual)
        buf_printf(out, v6 ? "Host: [%s]\r\n" : "Host: %s\r\n", c->host);
    else
        buf_printf(out, v6 ? "Host: [%s]:%u\r\n" : "Host: %s:%u\r\n", c->host, c->port);
}

/* The request's bytes; Host and the body's length are ours unless the caller names the host. */
static int write_request(const struct http_client *c, const struct http_client_request *rq,
                         struct buf *out, struct err *err)
{
    bool host = false, takes_body = str_eqz(STR("POST"), rq->method) ||
                                    str_eqz(STR("PUT"), rq->method) ||
                                    str_eqz(STR("PATCH"), rq->method);

    if (!is_token(str_from(rq->method)) || !is_target(rq->target))
        return err_new(err, ERR_BAD_REQUEST, "not a method and a path: \"%s %.*s\"", rq->method,
                       STR_ARG(str_sub(rq->target, 0, 200)));
    buf_printf(out, "%s %.*s HTTP/1.1\r\n", rq->method, STR_ARG(rq->target));
    for (size_t i = 0; i < rq->n_headers; i++) {
        struct http_header h = rq->headers[i];

        if (!is_token(h.name) || !is_field_value(h.value))
            return err_new(err, ERR_BAD_REQUEST, "not a header: \"%.*s\"",
                           STR_ARG(str_sub(h.name, 0, 100)));
        if (str_ieq(h.name, STR("content-length")) || str_ieq(h.name, STR("transfer-encoding")))
            continue;
        host = host || str_ieq(h.name, STR("host"));
        buf_str(out, h.name);
        buf_puts(out, ": ");
        buf_str(out, h.value);
        buf_puts(out, "\r\n");
    }
    if (!host)
        write_host(c, out);
    if (rq->body.len > 0 || takes_body)
        buf_printf(out, "Content-Length: %zu\r\n", rq->body.len);
    buf_puts(out, "\r\n");
    buf_str(out, rq->body);
    return 0;
}

static bool is_idempotent(const char *method)
{
    static const char *const names[] = {"GET", "HEAD", "PUT", "DELETE", "OPTIONS"};

    for (size_t i = 0; i < ARRAY_LEN(names); i++)
        if (strcmp(method, names[i]) == 0)
            return true;
    return false;
}

struct http_call *http_client_upgrade(struct http_client *c, const struct http_client_request *rq,
                                      http_upgraded on_upgraded)
{
    struct http_call *call = xnew(struct http_call);
    struct err err = {0};

    assert(!c->freed);
    call->client = c;
    call->on_head = rq->on_head;
    call->on_data = rq->on_data;
    call->on_done = rq->on_done;
    call->on_upgraded = on_upgraded;
    call->arg = rq->arg;
    call->idempotent = is_idempotent(rq->method);
    call->head_only = strcmp(rq->method, "HEAD") == 0;
    call->total_ms = rq->timeout_ms;
    call->head_ms = rq->head_timeout_ms ? rq->head_timeout_ms : HTTP_CLIENT_HEAD_TIMEOUT_MS;
    call->waiting = true;
    timer_init(&call->total, c->loop, on_total);
    timer_init(&call->head, c->loop, on_head_timeout);
    list_add(&c->line, call, false);
    if (!c->env)
        (void)err_new(&err, ERR_UNAVAILABLE, "%s: no sockets in a simulation", c->host);
    if (!c->env || write_request(c, rq, &call->out, &err) < 0) {
        http_call_end(call, &err);
        return call;
    }
    timer_start(&call->head, call->head_ms, 0);
    if (call->total_ms > 0)
        timer_start(&call->total, call->total_ms, 0);
    assign(c);
    return call;
}

struct http_call *http_client_send(struct http_client *c, const struct http_client_request *rq)
{
    return http_client_upgrade(c, rq, NULL);
}

void http_call_cancel(struct http_call *call)
{
    static const struct err canceled = {.code = ERR_CANCELED, .msg = "canceled"};

    if (call->ended)
        call->err = canceled; /* its end was not told yet: this one counts */
    else
        http_call_end(call, &canceled);
}

void http_call_pause(struct http_call *call, bool pause)
{
    if (call->ended || call->paused == pause)
        return;
    call->paused = pause;
    if (call->link)
        http_link_pause(call->link, pause);
}
