/* SPDX-License-Identifier: Apache-2.0 */
/* dns.c - questions in, answers out: from the cluster's names, or from the servers outside. */
#include "dns/dns.h"

#include "base/log.h"
#include "client/informer.h"
#include "dns/forward.h"
#include "dns/message.h"
#include "net/datagram.h"

enum { DNS_PORT = 53 };

struct dns {
    struct loop *loop;
    struct informers *informers;
    struct informer *services, *endpoints;
    struct datagram_socket *socket;
    struct forwarder *forwarder;
    struct str domain;
};
struct pending { /* a question that is asked outside */
    struct dns *dns;
    struct datagram_peer from;
    size_t len;
    char query[];
};

static size_t reply_max(const struct datagram_peer *from, const struct question *q)
{
    return from->stream ? DATAGRAM_MAX : q->reply_max;
}

static void on_forwarded(void *arg, struct str answer)
{
    struct pending *p = arg;
    auto_buf out = {0};

    if (answer.len == 0) {
        message_error((struct str){p->query, p->len}, MESSAGE_SERVER_FAILURE, &out);
        answer = buf_view(&out);
    }
    datagram_send(p->dns->socket, &p->from, answer);
    free(p);
}

static void forward(struct dns *d, const struct datagram_peer *from, struct str message)
{
    struct pending *p = xcalloc(1, sizeof(*p) + message.len);

    p->dns = d;
    p->from = *from;
    p->len = message.len;
    memcpy(p->query, message.p, message.len);
    forward_query(d->forwarder, message, on_forwarded, p);
}

static void on_message(void *arg, const struct datagram_peer *from, struct str message)
{
    struct dns *d = arg;
    auto_arena a = {0};
    auto_buf out = {0};
    struct zone zone = {d->domain, informer_objects(d->services), informer_objects(d->endpoints)};
    struct question q;
    struct answer answer;
    struct err err = {0};

    if (message_question(message, &a, &q, &err) < 0) {
        message_error(message, MESSAGE_FORMAT_ERROR, &out);
    } else if (!informer_synced(d->services) || !informer_synced(d->endpoints)) {
        message_error(message, MESSAGE_SERVER_FAILURE, &out); /* the resolver asks again */
    } else {
        /* Types we have none of (AAAA) still need to know whether the name is there. */
        zone_answer(&zone, q.name, q.known_type ? q.record : RECORD_TXT, &a, &answer);
        if (answer.outcome == ZONE_NOT_OURS) {
            forward(d, from, message);
            return;
        }
        if (!q.known_type && answer.n > 0 && answer.records[0].type != RECORD_CNAME)
            answer.n = 0;
        message_answer(&q, &zone, &answer, reply_max(from, &q), &out);
    }
    if (out.len > 0)
        datagram_send(d->socket, from, buf_view(&out));
}

int dns_new(const struct dns_opts *opts, struct dns **ret_d, struct err *err)
{
    struct dns *d = xnew(struct dns);
    int r;

    d->loop = client_loop(opts->client);
    d->domain = str_from(opts->domain);
    r = datagram_open(d->loop, opts->address, opts->port, true, on_message, d, &d->socket, err);
    if (r < 0) {
        free(d);
        return r;
    }
    d->forwarder = forwarder_new(d->loop, opts->resolv_conf ? opts->resolv_conf
                                                            : "/etc/resolv.conf", opts->address,
                                 DNS_PORT);
    d->informers = informers_new(opts->client);
    d->services = informers_get(d->informers, &res_core_services, STR_NULL, NULL, NULL);
    d->endpoints = informers_get(d->informers, &res_core_endpoints, STR_NULL, NULL, NULL);
    LOG_INFO("dns", "listening address=%s port=%u domain=%s", opts->address, opts->port,
             opts->domain);
    *ret_d = d;
    return 0;
}

struct dns *dns_free(struct dns *d)
{
    if (!d)
        return NULL;
    d->forwarder = forwarder_free(d->forwarder);
    d->socket = datagram_close(d->socket);
    d->informers = informers_free(d->informers);
    free(d);
    return NULL;
}
