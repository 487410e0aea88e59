/* SPDX-License-Identifier: Apache-2.0 */
#include "dns/forward.h"

#include "net/datagram.h"

#include <fcntl.h>

enum { RESOLV_CONF_MAX = 16384, HEADER_BYTES = 12, LABEL_MAX = 63, QUESTION_TAIL = 4 };

struct server {
    struct datagram_peer peer;
    bool ipv6;
};
struct forwarder {
    struct loop *loop;
    struct server servers[FORWARD_SERVERS_MAX];
    size_t n_servers;
    uint16_t port;
    struct ask *asks;
    size_t n_asks;
};
struct ask { /* one question under way */
    struct forwarder *forwarder;
    struct ask *prev, *next;
    struct datagram_socket *socket; /* NULL: not open yet, or given up */
    struct timer timer;
    size_t server;
    uint8_t id[2], original_id[2];
    void (*done)(void *arg, struct str answer);
    void *arg;
    size_t len;
    char query[];
};

static void add_server(struct forwarder *f, struct str address, const char *skip)
{
    auto_arena a = {0};
    struct err err = {0};
    struct server *s = &f->servers[f->n_servers];

    if (f->n_servers == FORWARD_SERVERS_MAX || address.len == 0 || (skip && str_eqz(address, skip)))
        return;
    if (datagram_peer(str_dupz(&a, address), f->port, &s->peer, &err) < 0)
        return; /* as every resolver does with lines that it cannot read */
    s->ipv6 = str_find_char(address, ':') >= 0;
    f->n_servers++;
}

/* The first word of what follows "nameserver", or an empty one for other lines. */
static struct str server_of_line(struct str line)
{
    struct str key = STR("nameserver"), rest = str_sub(line, key.len, line.len), word;
    size_t n = 0;

    if (!str_has_prefix(line, key) || rest.len == 0 || (rest.p[0] != ' ' && rest.p[0] != '\t'))
        return STR_NULL;
    word = str_trim(rest);
    while (n < word.len && word.p[n] != ' ' && word.p[n] != '\t')
        n++;
    return str_sub(word, 0, n);
}

struct forwarder *forwarder_new(struct loop *l, const char *resolv_conf, const char *skip,
                                uint16_t port)
{
    struct forwarder *f = xnew(struct forwarder);
    auto_fd fd = open(resolv_conf, O_RDONLY | O_CLOEXEC);
    auto_free char *text = xcalloc(1, RESOLV_CONF_MAX);
    ssize_t n = fd < 0 ? 0 : read(fd, text, RESOLV_CONF_MAX);
    struct str rest = {text, n > 0 ? (size_t)n : 0};

    f->loop = l;
    f->port = port;
    while (rest.len > 0)
        add_server(f, server_of_line(str_trim(str_cut(rest, '\n', &rest))), skip);
    return f;
}

static void ask_free(struct ask *q)
{
    struct forwarder *f = q->forwarder;

    if (q->prev)
        q->prev->next = q->next;
    else
        f->asks = q->next;
    if (q->next)
        q->next->prev = q->prev;
    f->n_asks--;
    timer_stop(&q->timer);
    q->socket = datagram_close(q->socket);
    free(q);
}

/* Ends @q first, so that @done may do anything to the forwarder. */
static void finish(struct ask *q, struct str answer)
{
    void (*done)(void *, struct str) = q->done;
    void *arg = q->arg;

    ask_free(q);
    done(arg, answer);
}

struct forwarder *forwarder_free(struct forwarder *f)
{
    if (!f)
        return NULL;
    while (f->asks)
        finish(f->asks, STR_NULL);
    free(f);
    return NULL;
}

/* The bytes of the one question of @message; empty if it has not exactly one. */
static struct str question_of(struct str message)
{
    size_t at = HEADER_BYTES;

    if (message.len < HEADER_BYTES || message.p[4] != 0 || message.p[5] != 1)
        return STR_NULL;
    while (at < message.len && message.p[at] != 0) {
        if ((uint8_t)message.p[at] > LABEL_MAX) /* nothing stands before it to point to */
            return STR_NULL;
        at += 1 + (size_t)message.p[at];
    }
    if (at + 1 + QUESTION_TAIL > message.len)
        return STR_NULL;
    return str_sub(message, HEADER_BYTES, at + 1 + QUESTION_TAIL - HEADER_BYTES);
}

/* Servers may send a question back in other letters; an error may come without one. */
static bool answers(struct str query, struct str message)
{
    bool failed = (message.p[3] & 0x0f) != 0;

    if (failed && message.p[4] == 0 && message.p[5] == 0)
        return true;
    return str_ieq(question_of(message), question_of(query));
}

/* An answer counts only from the server asked, with our id and the same question. */
static void on_message(void *arg, const struct datagram_peer *from, struct str message)
{
    struct ask *q = arg;
    auto_free char *copy = NULL;

    if (message.len < HEADER_BYTES ||
        !datagram_peer_equal(from, &q->forwarder->servers[q->server].peer) ||
        memcmp(message.p, q->id, 2) != 0 || !(message.p[2] & 0x80) ||
        !answers((struct str){q->query, q->len}, message))
        return;
    copy = xmemdupz(message.p, message.len);
    memcpy(copy, q->original_id, 2);
    finish(q, (struct str){copy, message.len});
}

/* Asks the next server from which a question can be sent at all; false if there is none. */
static bool ask_next(struct ask *q)
{
    struct forwarder *f = q->forwarder;
    struct err err = {0};
    uint64_t random;

    q->socket = datagram_close(q->socket);
    while (q->server < f->n_servers &&
           datagram_open(f->loop, f->servers[q->server].ipv6 ? "::" : "0.0.0.0", 0, false,
                         on_message, q, &q->socket, &err) < 0)
        q->server++;
    if (q->server == f->n_servers)
        return false;
    random = random_u64(loop_random(f->loop));
    memcpy(q->id, &random, sizeof(q->id));
    memcpy(q->query, q->id, sizeof(q->id));
    datagram_send(q->socket, &f->servers[q->server].peer, (struct str){q->query, q->len});
    timer_start(&q->timer, FORWARD_TIMEOUT_MS, 0);
    return true;
}

static void on_timeout(struct timer *t)
{
    struct ask *q = container_of(t, struct ask, timer);

    if (q->socket) /* else this is the first attempt */
        q->server++;
    if (!ask_next(q))
        finish(q, STR_NULL);
}

void forward_query(struct forwarder *f, struct str query,
                   void (*done)(void *arg, struct str answer), void *arg)
{
    struct ask *q = xcalloc(1, sizeof(*q) + query.len);

    q->forwarder = f;
    q->done = done;
    q->arg = arg;
    q->len = query.len;
    memcpy(q->query, query.p, query.len);
    memcpy(q->original_id, query.p, MIN(query.len, sizeof(q->original_id)));
    timer_init(&q->timer, f->loop, on_timeout);
    q->next = f->asks;
    if (f->asks)
        f->asks->prev = q;
    f->asks = q;
    f->n_asks++;
    if (f->n_asks > FORWARD_MAX || query.len < HEADER_BYTES)
        q->server = f->n_servers; /* refused, but not from inside this call */
    timer_start(&q->timer, 0, 0);
}
