/* SPDX-License-Identifier: Apache-2.0 */
#include "dns/forward.h"

#include "net/datagram.h"

#include <fcntl.h>

enum { RESOLV_CONF_MAX = 16384, HEADER_BYTES = 12, DNS_PORT = 53 };

struct forwarder {
    struct loop *loop;
    struct datagram_peer servers[FORWARD_SERVERS_MAX];
    size_t n_servers;
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

    if (f->n_servers < FORWARD_SERVERS_MAX && address.len > 0 &&
        (!skip || !str_eqz(address, skip)) &&
        datagram_peer(str_dupz(&a, address), DNS_PORT, &f->servers[f->n_servers], &err) == 0)
        f->n_servers++;
}

struct forwarder *forwarder_new(struct loop *l, const char *resolv_conf, const char *skip)
{
    struct forwarder *f = xnew(struct forwarder);
    auto_fd fd = open(resolv_conf, O_RDONLY | O_CLOEXEC);
    auto_free char *text = xcalloc(1, RESOLV_CONF_MAX);
    ssize_t n = fd < 0 ? 0 : read(fd, text, RESOLV_CONF_MAX);
    struct str rest = {text, n > 0 ? (size_t)n : 0};

    f->loop = l;
    while (rest.len > 0) {
        struct str line = str_trim(str_cut(rest, '\n', &rest)), value;

        if (str_has_prefix(line, STR("nameserver"))) {
            value = str_trim(str_sub(line, strlen("nameserver"), line.len));
            add_server(f, value, skip);
        }
    }
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

struct forwarder *forwarder_free(struct forwarder *f)
{
    if (!f)
        return NULL;
    while (f->asks)
        ask_free(f->asks);
    free(f);
    return NULL;
}

static void finish(struct ask *q, struct str answer)
{
    void (*done)(void *, struct str) = q->done;
    void *arg = q->arg;

    done(arg, answer);
    ask_free(q);
}

/* An answer counts only from the server asked, with our id and the same question. */
static void on_message(void *arg, const struct datagram_peer *from, struct str message)
{
    struct ask *q = arg;
    auto_free char *copy = NULL;

    if (message.len < HEADER_BYTES ||
        !datagram_peer_equal(from, &q->forwarder->servers[q->server]) ||
        memcmp(message.p, q->id, 2) != 0 || !(message.p[2] & 0x80))
        return;
    if (message.len < q->len && !(message.p[2] & 0x02) && (message.p[3] & 0x0f) == 0)
        return; /* shorter than its own question */
    copy = xmemdupz(message.p, message.len);
    memcpy(copy, q->original_id, 2);
    finish(q, (struct str){copy, message.len});
}

static bool ask_next(struct ask *q)
{
    struct forwarder *f = q->forwarder;
    struct err err = {0};
    uint64_t random;

    q->socket = datagram_close(q->socket);
    if (q->server == f->n_servers ||
        datagram_open(f->loop, NULL, 0, false, on_message, q, &q->socket, &err) < 0)
        return false;
    random = random_u64(loop_random(f->loop));
    memcpy(q->id, &random, sizeof(q->id));
    memcpy(q->query, q->id, sizeof(q->id));
    datagram_send(q->socket, &f->servers[q->server], (struct str){q->query, q->len});
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

void forward_query(struct forwarder *f, struct str query, void (*done)(void *arg, struct str answer),
                   void *arg)
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
