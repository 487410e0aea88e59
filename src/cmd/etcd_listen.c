/* SPDX-License-Identifier: Apache-2.0 */
#include "cmd/etcd_listen.h"

enum { URLS_MAX = 16, UNAUTHORIZED = 401, FORBIDDEN = 403, PORT_DEFAULT = 2379, GRACE_MS = 1000 };

struct door { /* one address */
    struct etcd_listen *listen;
    struct http_handler inner;
    struct http_server *http;
    bool secure;
};
struct etcd_listen {
    struct arena arena;
    struct door doors[2 * URLS_MAX];
    size_t n, open;
    bool needs_cert;
    const char *needs_group;
    void (*on_closed)(void *arg);
    void *arg;
};
struct url {
    bool unix_socket, secure;
    const char *address;
    uint16_t port;
};

int etcd_urls_split(const char *urls, struct arena *a, const char *const **ret_list, size_t *ret_n,
                    struct err *err)
{
    const char **list = arena_calloc(a, URLS_MAX, sizeof(*list));
    struct str rest = str_from(urls);
    size_t n = 0;

    while (rest.len > 0) {
        struct str one = str_trim(str_cut(rest, ',', &rest));

        if (one.len == 0)
            continue;
        if (n == URLS_MAX)
            return err_new(err, ERR_BAD_REQUEST, "more than %d URLs", URLS_MAX);
        list[n++] = str_dupz(a, one);
    }
    if (!n)
        return err_new(err, ERR_BAD_REQUEST, "no URL");
    *ret_list = list;
    *ret_n = n;
    return 0;
}

static int parse_host(struct str rest, struct arena *a, struct url *u)
{
    long colon = str_rfind_char(rest, ':');
    struct str host = rest, port = STR_NULL;
    uint64_t number = PORT_DEFAULT;

    if (colon >= 0 && (!rest.len || rest.p[rest.len - 1] != ']')) {
        host = str_sub(rest, 0, (size_t)colon);
        port = str_sub(rest, (size_t)colon + 1, rest.len);
        if (!str_to_u64(port, &number) || number > UINT16_MAX)
            return ERR_BAD_REQUEST;
    }
    if (host.len >= 2 && host.p[0] == '[')
        host = str_sub(host, 1, host.len - 2);
    if (str_empty(host))
        return ERR_BAD_REQUEST;
    u->address = str_eqz(host, "localhost") ? "127.0.0.1" : str_dupz(a, host);
    u->port = (uint16_t)number;
    return 0;
}

static int parse_url(const char *text, struct arena *a, struct url *ret_u, struct err *err)
{
    struct str s = str_from(text), rest;
    long at = str_find(s, STR("://"));
    struct str scheme = str_sub(s, 0, at < 0 ? 0 : (size_t)at);

    *ret_u = (struct url){0};
    rest = str_sub(s, scheme.len + 3, s.len);
    if (str_has_suffix(rest, STR("/")))
        rest.len--;
    ret_u->unix_socket = str_eqz(scheme, "unix");
    ret_u->secure = str_eqz(scheme, "https");
    if (ret_u->unix_socket && rest.len) {
        ret_u->address = str_dupz(a, rest);
        return 0;
    }
    if ((!ret_u->secure && !str_eqz(scheme, "http")) || parse_host(rest, a, ret_u) < 0)
        return err_new(err, ERR_BAD_REQUEST,
                       "\"%s\" is no http://IP:PORT, https://IP:PORT or unix://PATH", text);
    return 0;
}

static bool is_loopback(const char *address)
{
    return strncmp(address, "127.", 4) == 0 || strcmp(address, "::1") == 0;
}

static bool in_group(const struct http_peer *peer, const char *group)
{
    for (size_t i = 0; i < peer->n_organizations; i++)
        if (str_eqz(peer->organizations[i], group))
            return true;
    return !group;
}

static void on_request(void *arg, struct http_exchange *x, const struct http_request *rq)
{
    const struct door *d = arg;

    if (d->secure && d->listen->needs_cert && !rq->peer.has_cert)
        http_respond(x, UNAUTHORIZED, "text/plain",
                     rq->peer.bad_cert ? STR("this client certificate does not do\n")
                                       : STR("a client certificate is needed\n"),
                     NULL, 0);
    else if (d->secure && d->listen->needs_cert && !in_group(&rq->peer, d->listen->needs_group))
        http_respond(x, FORBIDDEN, "text/plain", STR("not for this certificate's group\n"), NULL,
                     0);
    else
        d->inner.on_request(d->inner.arg, x, rq);
}

static bool wants_stream(void *arg, const struct http_request *rq)
{
    const struct door *d = arg;

    return d->inner.wants_stream && d->inner.wants_stream(d->inner.arg, rq);
}

static int open_door(const struct etcd_listen_opts *opts, const char *text, struct door *d,
                     struct err *err)
{
    struct url u;
    int r = parse_url(text, &d->listen->arena, &u, err);
    struct http_server_opts http = {.handler = {on_request, d, wants_stream},
                                    .lenient_heads = true};

    if (r < 0)
        return r;
    if (u.secure && !opts->tls)
        return err_new(err, ERR_BAD_REQUEST, "%s: https needs a certificate and key", text);
    if (!u.secure && !u.unix_socket && !opts->plain_anywhere && !is_loopback(u.address))
        return err_new(err, ERR_BAD_REQUEST, "%s: http only on a loopback address; use https",
                       text);
    d->secure = u.secure;
    http.address = u.address;
    http.port = u.port;
    http.unix_socket = u.unix_socket;
    http.streams_max = opts->streams_max;
    http.tls = u.secure ? opts->tls : NULL;
    return http_server_new(opts->loop, &http, &d->http, err);
}

static void nothing(void *arg)
{
    (void)arg;
}

static int open_doors(const struct etcd_listen_opts *opts, const char *urls,
                      struct http_handler inner, struct etcd_listen *l, struct err *err)
{
    const char *const *list;
    size_t n = 0;
    int r = etcd_urls_split(urls, &l->arena, &list, &n, err);

    for (size_t i = 0; i < n && r == 0; i++) {
        struct door *d = &l->doors[l->n];

        d->listen = l;
        d->inner = inner;
        r = open_door(opts, list[i], d, err);
        if (r == 0)
            l->n = ++l->open;
    }
    return r;
}

int etcd_listen_open(const struct etcd_listen_opts *opts, struct etcd *e,
                     struct etcd_listen **ret_l, struct err *err)
{
    struct etcd_listen *l = xnew(struct etcd_listen);
    int r;

    l->needs_cert = opts->needs_cert;
    l->needs_group = opts->needs_group;
    r = open_doors(opts, opts->urls, etcd_handler(e), l, err);
    if (r == 0 && opts->metrics_urls && *opts->metrics_urls)
        r = open_doors(opts, opts->metrics_urls, etcd_metrics_handler(e), l, err);
    if (r < 0) {
        etcd_listen_close(l, nothing, NULL);
        return r;
    }
    *ret_l = l;
    return 0;
}

static void closed_if_all(struct etcd_listen *l)
{
    if (l->open)
        return;
    l->on_closed(l->arg);
    arena_deinit(&l->arena);
    free(l);
}

static void on_door_closed(void *arg)
{
    struct etcd_listen *l = arg;

    l->open--;
    closed_if_all(l);
}

void etcd_listen_close(struct etcd_listen *l, void (*on_closed)(void *arg), void *arg)
{
    if (!l) {
        on_closed(arg);
        return;
    }
    l->on_closed = on_closed;
    l->arg = arg;
    if (!l->n) {
        closed_if_all(l);
        return;
    }
    for (size_t i = 0, n = l->n; i < n; i++)
        http_server_close(l->doors[i].http, GRACE_MS, on_door_closed, l);
}
