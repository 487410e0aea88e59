/* conn.c - connections: bytes in and out, turns, timeouts, the end. */
#include "net/conn_internal.h"
#include <assert.h>
#include <stdarg.h>
#include <stdio.h>

#define WRITE_BLOCKS_MAX 8

/* ---- blocks ---- */

static struct conn_block *block_take(struct conn_env *env)
{
    struct conn_block *b = env->spare;

    if (b) {
        env->spare = b->next;
        env->n_spare--;
    } else {
        b = xrealloc(NULL, sizeof(*b)); /* not zeroed: its bytes are written before read */
    }
    b->next = NULL;
    b->off = b->len = 0;
    return b;
}

static void block_give(struct conn_env *env, struct conn_block *b)
{
    if (env->n_spare >= CONN_SPARE_BLOCKS) {
        free(b);
        return;
    }
    b->next = env->spare;
    env->spare = b;
    env->n_spare++;
}

static struct conn_block *blocks_add(struct conn_env *env, struct conn_blocks *list)
{
    struct conn_block *b = block_take(env);

    if (list->tail)
        list->tail->next = b;
    else
        list->head = b;
    list->tail = b;
    return b;
}

static void blocks_pop(struct conn_env *env, struct conn_blocks *list)
{
    struct conn_block *b = list->head;

    list->head = b->next;
    if (!list->head)
        list->tail = NULL;
    block_give(env, b);
}

static void blocks_consume(struct conn_env *env, struct conn_blocks *list, size_t n)
{
    assert(n <= list->bytes);
    list->bytes -= n;
    while (list->head) {
        struct conn_block *b = list->head;
        size_t take = MIN(n, b->len - b->off);

        b->off += take;
        n -= take;
        if (b->off < b->len)
            break;
        blocks_pop(env, list);
    }
}

static void blocks_clear(struct conn_env *env, struct conn_blocks *list)
{
    while (list->head)
        blocks_pop(env, list);
    list->bytes = 0;
}

/* ---- the env: turns ---- */

static void awake_remove(struct conn *c)
{
    struct conn_env *env = c->env;

    if (!c->awake)
        return;
    if (c->awake_prev)
        c->awake_prev->awake_next = c->awake_next;
    else
        env->awake_head = c->awake_next;
    if (c->awake_next)
        c->awake_next->awake_prev = c->awake_prev;
    else
        env->awake_tail = c->awake_prev;
    c->awake = false;
    c->awake_prev = c->awake_next = NULL;
}

void conn_touch(struct conn *c)
{
    struct conn_env *env = c->env;

    if (c->awake || c->in_turn || c->state == CONN_CLOSED)
        return;
    c->awake = true;
    c->awake_prev = env->awake_tail;
    c->awake_next = NULL;
    if (env->awake_tail)
        env->awake_tail->awake_next = c;
    else
        env->awake_head = c;
    env->awake_tail = c;
}

static void turn(struct conn *c)
{
    c->in_turn = true;
    if (c->announce) {
        c->announce = false;
        if (c->h.on_open)
            c->h.on_open(c->h.arg);
    }
    if (c->again) {
        c->again = false;
        if (c->state == CONN_OPEN && c->h.on_data)
            c->h.on_data(c->h.arg, "", 0);
    }
    if (c->resume && !c->paused) {
        c->resume = false;
        if (c->ssl && (c->state == CONN_OPEN || c->state == CONN_CLOSING))
            conn_tls_input(c, NULL, 0);
        conn_read_start(c);
    }
    if (c->wake && c->state == CONN_OPEN) {
        c->wake = false;
        if (c->h.on_writable)
            c->h.on_writable(c->h.arg);
    }
    conn_flush(c);
    c->in_turn = false;
    if (c->announce || c->again || (c->resume && !c->paused) || (c->wake && c->state == CONN_OPEN))
        conn_touch(c);
}

static void on_idle(uv_idle_t *idle)
{
    (void)idle; /* its being active is what counts */
}

static void on_prepare(uv_prepare_t *p)
{
    struct conn_env *env = container_of(p, struct conn_env, prepare);
    struct conn *last = env->awake_tail, *c;

    env->n_refs++; /* a callback may drop the owner's reference */
    while ((c = env->awake_head) != NULL) {
        bool is_last = c == last;

        awake_remove(c);
        turn(c);
        if (is_last)
            break;
    }
    if (env->n_handles == 2 && !uv_is_closing((uv_handle_t *)&env->idle)) {
        if (env->awake_head)
            (void)uv_idle_start(&env->idle, on_idle);
        else
            (void)uv_idle_stop(&env->idle);
    }
    (void)conn_env_unref(env);
}

static void on_env_handle_closed(uv_handle_t *h)
{
    struct conn_env *env = h->data;

    if (--env->n_handles > 0)
        return;
    while (env->spare) {
        struct conn_block *b = env->spare;

        env->spare = b->next;
        free(b);
    }
    BIO_meth_free(env->bio_method);
    free(env);
}

struct conn_env *conn_env_new(struct loop *l)
{
    uv_loop_t *uv = loop_uv(l);
    struct conn_env *env;

    if (!uv)
        return NULL;
    env = xrealloc(NULL, sizeof(*env)); /* not zeroed: the buffers cost memory when touched */
    memset(env, 0, offsetof(struct conn_env, in));
    env->loop = l;
    env->n_refs = 1;
    env->n_handles = 2;
    env->bio_method = conn_tls_method();
    (void)uv_prepare_init(uv, &env->prepare); /* neither init nor start can fail */
    (void)uv_idle_init(uv, &env->idle);
    env->prepare.data = env->idle.data = env;
    (void)uv_prepare_start(&env->prepare, on_prepare);
    uv_unref((uv_handle_t *)&env->prepare);
    return env;
}

struct conn_env *conn_env_unref(struct conn_env *env)
{
    if (!env || --env->n_refs > 0)
        return NULL;
    uv_close((uv_handle_t *)&env->prepare, on_env_handle_closed);
    uv_close((uv_handle_t *)&env->idle, on_env_handle_closed);
    return NULL;
}

/* ---- timers ---- */

static void rearm(struct conn *c)
{
    uint64_t now = loop_now_ms(c->env->loop), due = c->deadline_ms;

    if (c->write_deadline_ms && (!due || c->write_deadline_ms < due))
        due = c->write_deadline_ms;
    if (!due)
        return; /* if it is running it finds nothing to do */
    if (!timer_active(&c->timer) || c->timer.due_ms > due)
        timer_start(&c->timer, due > now ? due - now : 0, 0);
}

static void shut_down(struct conn *c);

static void on_timer(struct timer *t)
{
    struct conn *c = container_of(t, struct conn, timer);
    uint64_t now = loop_now_ms(c->env->loop);

    if (c->write_deadline_ms && now >= c->write_deadline_ms) {
        conn_fail(c, ERR_TIMEOUT, "the peer takes no data");
        return;
    }
    if (c->deadline_ms && now >= c->deadline_ms) {
        c->deadline_ms = 0;
        if (c->state == CONN_CLOSING)
            conn_abort(c); /* waited long enough for the peer's end */
        else if (c->state == CONN_OPEN && c->h.on_timeout)
            c->h.on_timeout(c->h.arg);
        else
            conn_fail(c, ERR_TIMEOUT, "timeout while %s",
                      c->state == CONN_CONNECTING  ? "connecting"
                      : c->state == CONN_HANDSHAKE ? "in the TLS handshake"
                                                   : "open");
    }
    if (c->state != CONN_CLOSED)
        rearm(c);
}

void conn_set_deadline(struct conn *c, uint32_t after_ms)
{
    c->deadline_ms = after_ms ? loop_now_ms(c->env->loop) + after_ms : 0;
    rearm(c);
}

void conn_deadline(struct conn *c, uint32_t after_ms)
{
    if (c->state == CONN_OPEN)
        conn_set_deadline(c, after_ms);
}

void conn_patience(struct conn *c, uint32_t ms)
{
    c->write_timeout_ms = c->flush_timeout_ms = ms;
    if (c->write_deadline_ms)
        c->write_deadline_ms = loop_now_ms(c->env->loop) + ms;
}

/* ---- life ---- */

struct conn *conn_new(struct conn_env *env, enum conn_state state, const struct conn_handler *h)
{
    struct conn *c = xnew(struct conn);

    c->env = env;
    env->n_refs++;
    c->state = state;
    c->h = *h;
    timer_init(&c->timer, env->loop, on_timer);
    return c;
}

void conn_drop(struct conn *c)
{
    struct conn_env *env = c->env;

    timer_stop(&c->timer);
    awake_remove(c);
    conn_dial_free(c);
    SSL_free(c->ssl);
    blocks_clear(env, &c->staged);
    blocks_clear(env, &c->out);
    buf_deinit(&c->held);
    arena_deinit(&c->arena);
    free(c->err);
    free(c);
    (void)conn_env_unref(env);
}

void conn_release(struct conn *c)
{
    assert(c->n_holds > 0);
    if (--c->n_holds > 0)
        return;
    assert(c->state == CONN_CLOSED);
    if (c->h.on_closed)
        c->h.on_closed(c->h.arg, c->err);
    conn_drop(c);
}

static void on_closed(uv_handle_t *h)
{
    conn_release(container_of((void *)h, struct conn, uv));
}

static void close_now(struct conn *c)
{
    if (c->state == CONN_CLOSED)
        return;
    c->state = CONN_CLOSED;
    timer_stop(&c->timer);
    awake_remove(c);
    conn_dial_cancel(c);
    if (!uv_is_closing(&c->uv.handle)) /* else the dialling is changing sockets */
        uv_close(&c->uv.handle, on_closed);
}

void conn_fail(struct conn *c, int code, const char *fmt, ...)
{
    char msg[sizeof(c->err->msg)];
    va_list args;

    if (c->state == CONN_CLOSED)
        return;
    if (!c->err && c->state != CONN_CLOSING) { /* the owner asked for an end, and gets it */
        va_start(args, fmt);
        (void)vsnprintf(msg, sizeof(msg), fmt, args);
        va_end(args);
        c->err = xnew(struct err);
        (void)err_new(c->err, code, "%s", msg);
    }
    close_now(c);
}

void conn_abort(struct conn *c)
{
    close_now(c);
}

void conn_close(struct conn *c)
{
    if (c->state == CONN_CLOSED || c->state == CONN_CLOSING)
        return;
    if (c->state != CONN_OPEN) {
        close_now(c);
        return;
    }
    if (c->ssl) {
        conn_tls_encrypt(c);
        conn_tls_goodbye(c);
    }
    if (c->state != CONN_OPEN)
        return; /* encryption failed */
    conn_flush(c);
    if (c->state != CONN_OPEN)
        return;
    c->state = CONN_CLOSING;
    c->paused = false;
    c->wake = c->announce = false;
    buf_deinit(&c->held);
    conn_set_deadline(c, c->flush_timeout_ms ? c->flush_timeout_ms : CONN_FLUSH_MS);
    conn_read_start(c);
    shut_down(c);
}

void conn_opened(struct conn *c, bool now)
{
    c->state = CONN_OPEN;
    conn_set_deadline(c, 0);
    if (!now) {
        c->announce = true;
    } else if (c->h.on_open) {
        c->h.on_open(c->h.arg);
    }
    conn_touch(c);
}

void conn_ended(struct conn *c, bool clean)
{
    if (c->eof)
        return;
    c->eof = true;
    if (c->state == CONN_CLOSING)
        shut_down(c);
    else if (c->state != CONN_OPEN)
        conn_fail(c, ERR_EOF, "the peer closed the connection");
    else if (c->h.on_eof)
        c->h.on_eof(c->h.arg, clean);
    else
        conn_close(c);
}

void conn_set_handler(struct conn *c, const struct conn_handler *h)
{
    static const struct conn_handler none = {0};

    c->h = h ? *h : none;
}

struct str conn_alpn(const struct conn *c)
{
    const unsigned char *p = NULL;
    unsigned n = 0;

    if (c->ssl)
        SSL_get0_alpn_selected(c->ssl, &p, &n);
    return p ? (struct str){(const char *)p, n} : STR("");
}

const struct http_peer *conn_peer(const struct conn *c)
{
    return &c->peer;
}

struct loop *conn_loop(const struct conn *c)
{
    return c->env->loop;
}

bool conn_is_open(const struct conn *c)
{
    return c->state == CONN_OPEN;
}

/* ---- in ---- */

static void on_alloc(uv_handle_t *h, size_t hint, uv_buf_t *ret_buf)
{
    struct conn *c = container_of((void *)h, struct conn, uv);

    (void)hint;
    *ret_buf = uv_buf_init(c->env->in, sizeof(c->env->in));
}

static void on_read(uv_stream_t *s, ssize_t n, const uv_buf_t *buf)
{
    struct conn *c = container_of((void *)s, struct conn, uv);

    if (n == 0 || c->state == CONN_CLOSED)
        return;
    if (n < 0) {
        (void)uv_read_stop(s);
        c->reading = false;
        if (n != UV_EOF) {
            conn_fail(c, ERR_IO, "read: %s", uv_strerror((int)n));
            return;
        }
        if (c->eof)
            shut_down(c); /* TLS has told it already */
        else
            conn_ended(c, !c->ssl);
        return;
    }
    if (c->state == CONN_CLOSING)
        return; /* only the end counts now */
    if (c->ssl)
        conn_tls_input(c, buf->base, (size_t)n);
    else if (c->h.on_data)
        c->h.on_data(c->h.arg, buf->base, (size_t)n);
}

void conn_read_start(struct conn *c)
{
    int r;

    if (c->paused || c->reading || c->state == CONN_CLOSED || c->state == CONN_CONNECTING)
        return;
    if (c->eof)
        return;
    r = uv_read_start(&c->uv.stream, on_alloc, on_read);
    if (r < 0)
        conn_fail(c, ERR_IO, "read: %s", uv_strerror(r));
    else
        c->reading = true;
}

void conn_pause(struct conn *c, bool pause)
{
    if (c->state != CONN_OPEN || pause == c->paused)
        return;
    c->paused = pause;
    if (!pause) {
        c->resume = true; /* the bytes held are given at the turn, not from in here */
        conn_touch(c);
    } else if (c->reading) {
        (void)uv_read_stop(&c->uv.stream);
        c->reading = false;
    }
}

/* ---- out ---- */

size_t conn_pending(const struct conn *c)
{
    return c->out.bytes + c->staged.bytes;
}

void conn_wake(struct conn *c)
{
    c->wake = true;
    conn_touch(c);
}

void conn_again(struct conn *c)
{
    c->again = true;
    conn_touch(c);
}

void conn_out(struct conn *c, const char *p, size_t n)
{
    while (n > 0) {
        struct conn_block *b = c->out.tail;
        size_t take;

        /* What a write under way reads from must not move; appending behind it is fine. */
        if (!b || b->len == CONN_BLOCK_BYTES)
            b = blocks_add(c->env, &c->out);
        take = MIN(n, CONN_BLOCK_BYTES - b->len);
        memcpy(b->data + b->len, p, take);
        b->len += take;
        c->out.bytes += take;
        p += take;
        n -= take;
    }
    conn_touch(c);
}

void conn_block_done(struct conn *c, size_t n)
{
    c->staged.bytes -= n;
    blocks_pop(c->env, &c->staged);
}

static unsigned gather(const struct conn *c, uv_buf_t bufs[WRITE_BLOCKS_MAX], size_t *ret_bytes)
{
    unsigned n = 0;

    *ret_bytes = 0;
    for (struct conn_block *b = c->out.head; b && n < WRITE_BLOCKS_MAX; b = b->next) {
        if (b->len == b->off)
            continue;
        bufs[n++] = uv_buf_init(b->data + b->off, (unsigned)(b->len - b->off));
        *ret_bytes += b->len - b->off;
    }
    return n;
}

static void write_out(struct conn *c);

static void crossed(struct conn *c, size_t before)
{
    if (before >= CONN_PENDING_LOW && conn_pending(c) < CONN_PENDING_LOW && c->h.on_writable)
        conn_wake(c);
}

static void on_written(uv_write_t *req, int status)
{
    struct conn *c = container_of(req, struct conn, write_req);
    size_t before = conn_pending(c);

    c->writing = false;
    c->write_deadline_ms = 0;
    if (c->state == CONN_CLOSED)
        return; /* cancelled by the close */
    if (status < 0) {
        conn_fail(c, ERR_IO, "write: %s", uv_strerror(status));
        return;
    }
    blocks_consume(c->env, &c->out, c->writing_bytes);
    write_out(c);
    if (c->state == CONN_OPEN)
        crossed(c, before);
    else
        shut_down(c);
}

/* Gives the kernel what it takes; waits for the rest. */
static void write_out(struct conn *c)
{
    uv_buf_t bufs[WRITE_BLOCKS_MAX];
    unsigned n;
    size_t bytes;
    int r;

    while (!c->writing && c->out.bytes > 0) {
        n = gather(c, bufs, &bytes);
        r = uv_try_write(&c->uv.stream, bufs, n);
        if (r < 0 && r != UV_EAGAIN) {
            conn_fail(c, ERR_IO, "write: %s", uv_strerror(r));
            return;
        }
        if (r > 0)
            blocks_consume(c->env, &c->out, (size_t)r);
        if (r > 0 && (size_t)r == bytes)
            continue;
        n = gather(c, bufs, &bytes);
        r = uv_write(&c->write_req, &c->uv.stream, bufs, n, on_written);
        if (r < 0) {
            conn_fail(c, ERR_IO, "write: %s", uv_strerror(r));
            return;
        }
        c->writing = true;
        c->writing_bytes = bytes;
        if (c->write_timeout_ms || c->state == CONN_CLOSING) {
            c->write_deadline_ms = loop_now_ms(c->env->loop) +
                                   (c->write_timeout_ms ? c->write_timeout_ms : CONN_FLUSH_MS);
            rearm(c);
        }
    }
}

void conn_flush(struct conn *c)
{
    size_t before = conn_pending(c);

    if (before == 0 || c->state == CONN_CONNECTING || c->state == CONN_CLOSED)
        return;
    if (c->state == CONN_OPEN && c->staged.head) {
        if (c->ssl) {
            conn_tls_encrypt(c);
        } else {
            if (c->out.tail)
                c->out.tail->next = c->staged.head;
            else
                c->out.head = c->staged.head;
            c->out.tail = c->staged.tail;
            c->out.bytes += c->staged.bytes;
            c->staged = (struct conn_blocks){0};
        }
    }
    if (c->state == CONN_CLOSED)
        return;
    write_out(c);
    if (c->state == CONN_OPEN)
        crossed(c, before);
}

char *conn_reserve(struct conn *c, size_t n, size_t *ret_cap)
{
    struct conn_block *b;

    assert(n <= CONN_RESERVE_MAX);
    if (c->state == CONN_CLOSED || c->state == CONN_CLOSING) {
        if (ret_cap)
            *ret_cap = sizeof(c->env->plain);
        return c->env->plain; /* written to nowhere */
    }
    b = c->staged.tail;
    if (b && CONN_STAGED_BYTES - b->len < n && c->state == CONN_OPEN) {
        conn_flush(c);
        if (c->state != CONN_OPEN)
            return conn_reserve(c, n, ret_cap);
        b = c->staged.tail;
    }
    if (!b || CONN_STAGED_BYTES - b->len < n)
        b = blocks_add(c->env, &c->staged);
    if (ret_cap)
        *ret_cap = CONN_STAGED_BYTES - b->len;
    return b->data + b->len;
}

void conn_commit(struct conn *c, size_t n)
{
    struct conn_block *b = c->staged.tail;

    if (n == 0 || c->state == CONN_CLOSED || c->state == CONN_CLOSING)
        return;
    assert(b && n <= CONN_STAGED_BYTES - b->len);
    b->len += n;
    c->staged.bytes += n;
    conn_touch(c);
}

void conn_write(struct conn *c, const void *p, size_t n)
{
    const char *from = p;

    while (n > 0) {
        size_t cap, take;
        char *to = conn_reserve(c, 1, &cap);

        if (c->state == CONN_CLOSED || c->state == CONN_CLOSING)
            return;
        take = MIN(n, cap);
        memcpy(to, from, take);
        conn_commit(c, take);
        from += take;
        n -= take;
    }
}

/* ---- the orderly end ---- */

static void on_shut(uv_shutdown_t *req, int status)
{
    struct conn *c = container_of(req, struct conn, shutdown_req);

    if (c->state == CONN_CLOSED)
        return;
    if (status < 0 || c->eof)
        close_now(c);
}

/* Goes on with an orderly end as far as it gets: all sent, then our FIN, then the peer's. */
static void shut_down(struct conn *c)
{
    int r;

    if (c->state != CONN_CLOSING || conn_pending(c) > 0)
        return;
    if (c->shut) {
        if (c->eof)
            close_now(c);
        return;
    }
    c->shut = true;
    conn_set_deadline(c, CONN_LINGER_MS);
    r = uv_shutdown(&c->shutdown_req, &c->uv.stream, on_shut);
    if (r < 0)
        close_now(c);
}
