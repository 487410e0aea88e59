/* websocket_client.c - websocket_connect() of websocket.h: the opening handshake as a client
 * (RFC 6455 4.1); the frames are websocket.c's. */
#include "codec/base64.h"
#include "net/http_client_internal.h"
#include "net/websocket_internal.h"

enum { KEY_BYTES = 16 };

struct handshake {
    struct arena arena;
    char accept[29];             /* what the server must answer to our key */
    const char *const *protocols; /* offered; copied, NULL-terminated */
    struct websocket_handler handler;
    void (*on_open)(void *arg, struct websocket *w, int status, struct str protocol,
                    const struct err *err);
    void *arg;
    int status;
};

static void finish(struct handshake *hs, struct websocket *w, struct str protocol,
                   const struct err *err)
{
    hs->on_open(hs->arg, w, hs->status, protocol, err);
    arena_deinit(&hs->arena);
    free(hs);
}

static struct str find(const struct http_header *headers, size_t n, const char *name)
{
    for (size_t i = 0; i < n; i++)
        if (str_eqz(headers[i].name, name))
            return headers[i].value;
    return STR_NULL;
}

/* What the server must say for this to be our WebSocket. */
static int check(const struct handshake *hs, const struct http_header *headers, size_t n,
                 struct err *err)
{
    struct str protocol = find(headers, n, "sec-websocket-protocol");

    if (!str_ieq(find(headers, n, "upgrade"), STR("websocket")))
        return err_new(err, ERR_PARSE, "the server switched to another protocol than WebSocket");
    if (!str_eqz(find(headers, n, "sec-websocket-accept"), hs->accept))
        return err_new(err, ERR_PARSE, "the server did not accept this WebSocket's key");
    if (find(headers, n, "sec-websocket-extensions").len > 0)
        return err_new(err, ERR_PARSE, "the server chose an extension that was not offered");
    if (protocol.len == 0)
        return 0;
    for (size_t i = 0; hs->protocols[i]; i++)
        if (str_eqz(protocol, hs->protocols[i]))
            return 0;
    return err_new(err, ERR_PARSE, "the server chose the protocol \"%.*s\", not offered",
                   STR_ARG(str_sub(protocol, 0, 100)));
}

static void on_upgraded(void *arg, struct conn *conn, struct str early,
                        const struct http_header *headers, size_t n)
{
    struct handshake *hs = arg;
    struct websocket *w;
    struct err err = {0};

    hs->status = 101;
    if (check(hs, headers, n, &err) < 0) {
        conn_abort(conn);
        finish(hs, NULL, STR_NULL, &err);
        return;
    }
    w = websocket_start(conn, true, &hs->handler, early, NULL, NULL);
    finish(hs, w, find(headers, n, "sec-websocket-protocol"), NULL);
}

static void on_head(void *arg, int status, const struct http_header *headers, size_t n)
{
    struct handshake *hs = arg;

    (void)headers, (void)n;
    hs->status = status;
}

static void on_done(void *arg, const struct err *err)
{
    struct handshake *hs = arg;
    struct err refused = {0};

    if (!err) {
        (void)err_new(&refused, err_from_http(hs->status, NULL),
                      "the server answered %d instead of opening a WebSocket", hs->status);
        err = &refused;
    }
    finish(hs, NULL, STR_NULL, err);
}

static void copy_protocols(struct handshake *hs, const char *const *protocols, struct buf *joined)
{
    size_t n = 0;
    const char **copy;

    while (protocols && protocols[n])
        n++;
    copy = arena_calloc(&hs->arena, n + 1, sizeof(*copy));
    for (size_t i = 0; i < n; i++) {
        copy[i] = arena_strdup(&hs->arena, protocols[i]);
        buf_puts(joined, i > 0 ? ", " : "");
        buf_puts(joined, protocols[i]);
    }
    hs->protocols = copy;
}

void websocket_connect(struct http_client *c, const struct http_client_request *rq,
                       const char *const *protocols, const struct websocket_handler *h,
                       void (*on_open)(void *arg, struct websocket *w, int status,
                                       struct str protocol, const struct err *err))
{
    struct handshake *hs = xnew(struct handshake);
    struct random *random = loop_random(c->loop);
    struct http_client_request mine = *rq;
    struct http_header *headers;
    char nonce[KEY_BYTES];
    auto_buf key = {0};
    auto_buf joined = {0};
    auto_arena a = {0};
    size_t n = rq->n_headers;

    hs->handler = *h;
    hs->on_open = on_open;
    hs->arg = rq->arg;
    copy_protocols(hs, protocols, &joined);
    random->fill(random, nonce, sizeof(nonce));
    base64_write(&key, (struct str){nonce, sizeof(nonce)});
    websocket_accept_key(buf_view(&key), hs->accept);
    headers = arena_calloc(&a, n + 5, sizeof(*headers));
    for (size_t i = 0; i < n; i++)
        headers[i] = rq->headers[i];
    headers[n++] = (struct http_header){STR("Connection"), STR("Upgrade")};
    headers[n++] = (struct http_header){STR("Upgrade"), STR("websocket")};
    headers[n++] = (struct http_header){STR("Sec-WebSocket-Version"), STR("13")};
    headers[n++] = (struct http_header){STR("Sec-WebSocket-Key"), buf_view(&key)};
    if (joined.len > 0)
        headers[n++] = (struct http_header){STR("Sec-WebSocket-Protocol"), buf_view(&joined)};
    mine.method = "GET";
    mine.headers = headers;
    mine.n_headers = n;
    mine.body = STR_NULL;
    mine.on_head = on_head;
    mine.on_data = NULL;
    mine.on_done = on_done;
    mine.arg = hs;
    (void)http_client_upgrade(c, &mine, on_upgraded); /* ends with on_done or on_upgraded */
}
