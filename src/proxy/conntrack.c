/* SPDX-License-Identifier: Apache-2.0 */
#include "proxy/conntrack.h"

#include "base/buf.h"
#include "base/map.h"
#include "base/vec.h"

#include <arpa/inet.h>
#include <errno.h>
#include <libmnl/libmnl.h>
#include <linux/netfilter/nfnetlink.h>
#include <linux/netfilter/nfnetlink_conntrack.h>

enum { DELETE_BYTES_MAX = 512, DUMP_BYTES = 32 * 1024 };

struct udp_index {
    struct arena arena;
    struct map by_address; /* "ip port", or " port" for node ports -> struct service_rules * */
    uint64_t hash;
};

static struct str key_of(struct arena *a, struct str ip, uint16_t port)
{
    return str_printf(a, "%.*s %u", STR_ARG(ip), port);
}

static void add(struct udp_index *x, const struct service_rules *r)
{
    struct buf says = {0};

    for (size_t i = 0; i < r->n_frontends; i++) {
        struct str key = key_of(&x->arena, r->frontends[i].ip, r->frontends[i].port);

        (void)map_set(&x->by_address, key, (void *)(uintptr_t)r);
        buf_printf(&says, "%.*s,", STR_ARG(key));
    }
    for (size_t i = 0; i < r->n_endpoints; i++)
        buf_printf(&says, ">%.*s:%u", STR_ARG(r->endpoints[i].ip), r->endpoints[i].port);
    x->hash = x->hash * 31 + str_hash(buf_view(&says));
    buf_deinit(&says);
}

struct udp_index *udp_index_new(const struct model *m)
{
    struct udp_index *x = xnew(struct udp_index);

    x->hash = 1;
    for (size_t i = 0; i < m->n; i++) {
        if (strcmp(m->v[i].protocol, "udp") == 0)
            add(x, &m->v[i]);
    }
    return x;
}

struct udp_index *udp_index_free(struct udp_index *x)
{
    if (!x)
        return NULL;
    map_deinit(&x->by_address);
    arena_deinit(&x->arena);
    free(x);
    return NULL;
}

uint64_t udp_index_hash(const struct udp_index *x)
{
    return x->hash;
}

static struct str ip_text(struct arena *a, uint32_t ip)
{
    return str_printf(a, "%u.%u.%u.%u", ip >> 24, ip >> 16 & 255, ip >> 8 & 255, ip & 255);
}

bool udp_flow_stale(const struct udp_index *x, const struct udp_flow *f)
{
    auto_arena a = {0};
    struct str answers = ip_text(&a, f->answers);
    const struct service_rules *r =
        map_find(&x->by_address, key_of(&a, ip_text(&a, f->dst), f->dst_port));

    /* A node port is one on any address of this machine: only what was redirected is known to be
     * ours. */
    if (!r && (f->dst != f->answers || f->dst_port != f->answers_port))
        r = map_find(&x->by_address, key_of(&a, STR_NULL, f->dst_port));
    if (!r)
        return false;
    for (size_t i = 0; i < r->n_endpoints; i++) {
        if (r->endpoints[i].port == f->answers_port && str_eq(r->endpoints[i].ip, answers))
            return false;
    }
    return true;
}

struct doomed { /* what names a flow for its end: copies of the attributes */
    size_t len;
    char attributes[DELETE_BYTES_MAX];
};
struct dump {
    const struct udp_index *index;
    VEC(struct doomed *) doomed;
};

struct tuple {
    uint8_t protocol;
    uint32_t src, dst;
    uint16_t src_port, dst_port;
};

/* libmnl's own loops, but with the conversion said. */
#define FOR_EACH_ATTR(attr, first, end)                                              \
    for ((attr) = (first); mnl_attr_ok((attr), (int)((const char *)(end) - (const char *)(attr))); \
         (attr) = mnl_attr_next(attr))
#define FOR_EACH_NESTED(attr, nest)                        \
    FOR_EACH_ATTR(attr, (const struct nlattr *)mnl_attr_get_payload(nest), \
                  (const char *)mnl_attr_get_payload(nest) + mnl_attr_get_payload_len(nest))

/* False unless @attr is a whole IPv4 tuple. */
static bool read_tuple(const struct nlattr *attr, struct tuple *t)
{
    unsigned seen = 0;
    const struct nlattr *part, *in;

    FOR_EACH_NESTED (part, attr) {
        if (mnl_attr_get_type(part) != CTA_TUPLE_IP && mnl_attr_get_type(part) != CTA_TUPLE_PROTO)
            continue;
        FOR_EACH_NESTED (in, part) {
            bool ip = mnl_attr_get_type(part) == CTA_TUPLE_IP;
            unsigned type = mnl_attr_get_type(in), size = mnl_attr_get_payload_len(in);

            if (ip && type == CTA_IP_V4_SRC && size == 4)
                t->src = ntohl(mnl_attr_get_u32(in)), seen |= 1;
            else if (ip && type == CTA_IP_V4_DST && size == 4)
                t->dst = ntohl(mnl_attr_get_u32(in)), seen |= 2;
            else if (!ip && type == CTA_PROTO_NUM && size == 1)
                t->protocol = mnl_attr_get_u8(in), seen |= 4;
            else if (!ip && type == CTA_PROTO_SRC_PORT && size == 2)
                t->src_port = ntohs(mnl_attr_get_u16(in)), seen |= 8;
            else if (!ip && type == CTA_PROTO_DST_PORT && size == 2)
                t->dst_port = ntohs(mnl_attr_get_u16(in)), seen |= 16;
        }
    }
    return seen == 31;
}

static void keep(struct doomed *d, const struct nlattr *attr)
{
    size_t n = MNL_ALIGN(attr->nla_len);

    if (d->len + n > sizeof(d->attributes))
        return;
    memcpy(d->attributes + d->len, attr, attr->nla_len);
    d->len += n;
}

static int on_flow(const struct nlmsghdr *h, void *arg)
{
    struct dump *d = arg;
    struct doomed doomed = {0};
    struct tuple original = {0}, reply = {0};
    bool have_original = false, have_reply = false;
    const struct nlattr *attr;
    struct udp_flow f;

    FOR_EACH_ATTR (attr,
                   (const struct nlattr *)mnl_nlmsg_get_payload_offset(
                       h, sizeof(struct nfgenmsg)),
                   mnl_nlmsg_get_payload_tail(h)) {
        switch (mnl_attr_get_type(attr)) {
        case CTA_TUPLE_ORIG:
            have_original = read_tuple(attr, &original);
            keep(&doomed, attr);
            break;
        case CTA_TUPLE_REPLY:
            have_reply = read_tuple(attr, &reply);
            break;
        case CTA_ZONE:
        case CTA_ID: /* not another flow that has come in its place */
            keep(&doomed, attr);
            break;
        default:
            break;
        }
    }
    if (!have_original || !have_reply || original.protocol != IPPROTO_UDP)
        return MNL_CB_OK;
    f = (struct udp_flow){original.dst, reply.src, original.dst_port, reply.src_port};
    if (udp_flow_stale(d->index, &f)) {
        struct doomed *copy = xnew(struct doomed);

        *copy = doomed;
        vec_push(&d->doomed, copy);
    }
    return MNL_CB_OK;
}

static struct nlmsghdr *request(char *space, uint16_t type, uint16_t flags, unsigned seq)
{
    struct nlmsghdr *h = mnl_nlmsg_put_header(space);
    struct nfgenmsg *g;

    h->nlmsg_type = (NFNL_SUBSYS_CTNETLINK << 8) | type;
    h->nlmsg_flags = NLM_F_REQUEST | flags;
    h->nlmsg_seq = seq;
    g = mnl_nlmsg_put_extra_header(h, sizeof(*g));
    g->nfgen_family = AF_INET;
    g->version = NFNETLINK_V0;
    return h;
}

/* Sends @h and reads the answers to their end. Returns 0 or -errno. */
static int converse(struct mnl_socket *s, const struct nlmsghdr *h, mnl_cb_t cb, void *arg)
{
    char *space = xcalloc(1, DUMP_BYTES);
    int r = mnl_socket_sendto(s, h, h->nlmsg_len) < 0 ? -1 : MNL_CB_OK;

    while (r > MNL_CB_STOP) {
        ssize_t n = mnl_socket_recvfrom(s, space, DUMP_BYTES);

        r = n < 0 ? -1
                  : mnl_cb_run(space, (size_t)n, h->nlmsg_seq, mnl_socket_get_portid(s), cb, arg);
    }
    r = r < 0 ? -errno : 0;
    free(space);
    return r;
}

static int end_flow(struct mnl_socket *s, const struct doomed *d, unsigned seq)
{
    char space[MNL_NLMSG_HDRLEN + sizeof(struct nfgenmsg) + DELETE_BYTES_MAX + 64];
    struct nlmsghdr *h = request(space, IPCTNL_MSG_CT_DELETE, NLM_F_ACK, seq);
    int r;

    memcpy(mnl_nlmsg_get_payload_tail(h), d->attributes, d->len);
    h->nlmsg_len += (uint32_t)d->len;
    r = converse(s, h, NULL, NULL);
    return r == -ENOENT ? 0 : r;
}

int conntrack_end_stale(const struct udp_index *x, unsigned *ret_n, struct err *err)
{
    struct mnl_socket *s = mnl_socket_open2(NETLINK_NETFILTER, SOCK_CLOEXEC);
    char space[MNL_NLMSG_HDRLEN + sizeof(struct nfgenmsg) + 64];
    struct dump d = {.index = x};
    int r = -1;

    if (s && mnl_socket_bind(s, 0, MNL_SOCKET_AUTOPID) == 0)
        r = converse(s, request(space, IPCTNL_MSG_CT_GET, NLM_F_DUMP, 1), on_flow, &d);
    else
        r = -errno;
    for (unsigned i = 0; i < d.doomed.n; i++) {
        if (r == 0)
            r = end_flow(s, d.doomed.v[i], i + 2);
        free(d.doomed.v[i]);
    }
    *ret_n = (unsigned)d.doomed.n;
    vec_deinit(&d.doomed);
    if (s)
        (void)mnl_socket_close(s);
    return r < 0 ? err_new(err, ERR_IO, "stale UDP flows: %s", strerror(-r)) : 0;
}
