/* SPDX-License-Identifier: Apache-2.0 */
/* nft_rules.c - the table "ip skiff":
 *
 *     prerouting, output -> services -> map service_ips / node_ports -> svc-X -> ep-Y: dnat
 *     prerouting, output (before that) -> map firewall_ips -> fw-X: drops foreign sources
 *     forward, input, output (filter)  -> map no_endpoints -> reject
 *     postrouting: what was marked is masqueraded, and what pods send out of their network
 *
 * A Service costs map elements and chains, not rules on the path of every packet. */
#include "proxy/nft_rules.h"

#define MARK "0x4000"

static void free_values(struct map *m)
{
    struct str key;
    void *value;

    for (size_t it = 0; map_next(m, &it, &key, &value);)
        free(value);
    map_deinit(m);
}

void nft_state_deinit(struct nft_state *s)
{
    free_values(&s->chains);
    free_values(&s->elements);
    free_values(&s->sets);
}

static void put(struct map *m, struct str key, struct buf *text)
{
    free(map_set(m, key, xmemdupz(text->p ? text->p : "", text->len)));
    buf_deinit(text);
}

static struct str hash_name(struct arena *a, const char *prefix, struct str id)
{
    return str_printf(a, "%s-%016llx", prefix, (unsigned long long)str_hash(id));
}

static struct str endpoint_chain(struct arena *a, const struct service_rules *r,
                                 const struct endpoint *e)
{
    return hash_name(a, "ep",
                     str_printf(a, "%.*s>%.*s:%u", STR_ARG(r->id), STR_ARG(e->ip), e->port));
}

static void build_endpoint(struct nft_state *s, struct arena *a, const struct service_rules *r,
                           const struct endpoint *e)
{
    struct str name = endpoint_chain(a, r, e);
    struct buf b = {0};

    /* A pod that reaches itself through the Service must see another source address. */
    buf_printf(&b, "ip saddr %.*s jump mark-masquerade\n", STR_ARG(e->ip));
    if (r->affinity_sec > 0) {
        struct str set = str_printf(a, "aff-%.*s", STR_ARG(str_sub(name, 3, name.len)));
        struct buf d = {0};

        buf_printf(&d, "{ type ipv4_addr; flags dynamic,timeout; timeout %us; }", r->affinity_sec);
        put(&s->sets, set, &d);
        buf_printf(&b, "update @%.*s { ip saddr }\n", STR_ARG(set));
    }
    buf_printf(&b, "meta l4proto %s dnat to %.*s:%u\n", r->protocol, STR_ARG(e->ip), e->port);
    put(&s->chains, name, &b);
}

/* Spreads over the endpoints; @local: only over those of this node. False if there are none. */
static bool write_spread(struct arena *a, const struct service_rules *r, bool local, struct buf *b)
{
    size_t n = 0, at = 0;

    for (size_t i = 0; i < r->n_endpoints; i++)
        n += !local || r->endpoints[i].local;
    if (n == 0)
        return false;
    for (size_t i = 0; r->affinity_sec > 0 && i < r->n_endpoints; i++) {
        struct str name = endpoint_chain(a, r, &r->endpoints[i]);

        if (!local || r->endpoints[i].local)
            buf_printf(b, "ip saddr @aff-%.*s goto %.*s\n",
                       STR_ARG(str_sub(name, 3, name.len)), STR_ARG(name));
    }
    buf_printf(b, "numgen random mod %zu vmap {", n);
    for (size_t i = 0; i < r->n_endpoints; i++) {
        if (local && !r->endpoints[i].local)
            continue;
        buf_printf(b, "%s %zu : goto %.*s", at ? "," : "", at,
                   STR_ARG(endpoint_chain(a, r, &r->endpoints[i])));
        at++;
    }
    buf_puts(b, " }\n");
    return true;
}

static void add_element(struct nft_state *s, struct arena *a, const char *map,
                        const struct service_rules *r, const struct frontend *f, struct str verdict)
{
    struct str key = f->kind == FRONTEND_NODE_PORT
                         ? str_printf(a, "%s %s . %u", map, r->protocol, f->port)
                         : str_printf(a, "%s %.*s . %s . %u", map, STR_ARG(f->ip), r->protocol,
                                      f->port);
    struct buf b = {0};

    buf_str(&b, verdict);
    put(&s->elements, key, &b);
}

/* The chain for frontends of one kind; made once for each kind and policy that occurs. */
static struct str build_service_chain(struct nft_state *s, struct arena *a,
                                      const struct service_rules *r, const struct frontend *f)
{
    const char *prefix = f->kind == FRONTEND_CLUSTER_IP ? "svc" : "ext";
    struct str name = hash_name(a, prefix, r->id);
    struct buf b = {0};

    if (f->local_only)
        name = str_printf(a, "%.*s-local", STR_ARG(name));
    if (map_find(&s->chains, name))
        return name;
    if (!f->local_only && f->kind == FRONTEND_CLUSTER_IP)
        buf_puts(&b, "ip saddr != @pod_networks jump mark-masquerade\n");
    else if (!f->local_only)
        buf_puts(&b, "jump mark-masquerade\n"); /* else the answer would not come back this way */
    if (!write_spread(a, r, f->local_only, &b)) {
        buf_deinit(&b);
        return STR_NULL;
    }
    put(&s->chains, name, &b);
    return name;
}

/* Whoever is not in the ranges of a load balancer is dropped, before the address is changed. */
static void build_firewall(struct nft_state *s, struct arena *a, const struct service_rules *r,
                           const struct frontend *f)
{
    struct str name = hash_name(a, "fw", r->id);
    struct buf b = {0};

    buf_printf(&b, "ip saddr != { %.*s } drop\n", STR_ARG(r->sources));
    put(&s->chains, name, &b);
    add_element(s, a, "firewall_ips", r, f, str_printf(a, "goto %.*s", STR_ARG(name)));
}

static void build_service(struct nft_state *s, struct arena *a, const struct service_rules *r)
{
    for (size_t i = 0; i < r->n_endpoints; i++)
        build_endpoint(s, a, r, &r->endpoints[i]);
    for (size_t i = 0; i < r->n_frontends; i++) {
        const struct frontend *f = &r->frontends[i];
        bool node_port = f->kind == FRONTEND_NODE_PORT;
        struct str chain = build_service_chain(s, a, r, f);

        if (f->load_balancer && r->sources.p)
            build_firewall(s, a, r, f);
        if (chain.p)
            add_element(s, a, node_port ? "node_ports" : "service_ips", r, f,
                        str_printf(a, "goto %.*s", STR_ARG(chain)));
        else
            add_element(s, a, node_port ? "no_endpoint_ports" : "no_endpoints", r, f,
                        r->n_endpoints > 0 ? STR("drop") : STR("goto reject-it"));
    }
}

void nft_state_build(const struct model *m, struct nft_state *ret_s)
{
    *ret_s = (struct nft_state){0};
    for (size_t i = 0; i < m->n; i++) {
        auto_arena a = {0};

        build_service(ret_s, &a, &m->v[i]);
    }
}

static void write_rules(struct buf *out, struct str chain, const char *rules)
{
    struct str rest = str_from(rules);

    while (rest.len > 0) {
        struct str line = str_cut(rest, '\n', &rest);

        buf_printf(out, "add rule ip " NFT_TABLE " %.*s %.*s\n", STR_ARG(chain), STR_ARG(line));
    }
}

static void write_element(struct buf *out, const char *verb, struct str key, const char *verdict)
{
    struct str element, map = str_cut(key, ' ', &element);

    buf_printf(out, "%s element ip " NFT_TABLE " %.*s { %.*s", verb, STR_ARG(map),
               STR_ARG(element));
    if (verdict)
        buf_printf(out, " : %s", verdict);
    buf_puts(out, " }\n");
}

static void write_base(const char *pod_cidr, struct buf *out)
{
    buf_puts(out, "add table ip " NFT_TABLE "\ndelete table ip " NFT_TABLE "\n"
                  "table ip " NFT_TABLE " {\n");
    buf_printf(out, "set pod_networks { type ipv4_addr; flags interval; elements = { %s } }\n",
               pod_cidr);
    buf_puts(out,
             "map service_ips { type ipv4_addr . inet_proto . inet_service : verdict; }\n"
             "map node_ports { type inet_proto . inet_service : verdict; }\n"
             "map no_endpoints { type ipv4_addr . inet_proto . inet_service : verdict; }\n"
             "map no_endpoint_ports { type inet_proto . inet_service : verdict; }\n"
             "map firewall_ips { type ipv4_addr . inet_proto . inet_service : verdict; }\n"
             "chain firewall { ip daddr . meta l4proto . th dport vmap @firewall_ips; }\n"
             "chain mark-masquerade { meta mark set meta mark or " MARK "; }\n"
             "chain reject-it { meta l4proto tcp reject with tcp reset; reject; }\n"
             "chain services {\n"
             "  ip daddr . meta l4proto . th dport vmap @service_ips\n"
             "  fib daddr type local ip daddr != 127.0.0.0/8 "
             "meta l4proto . th dport vmap @node_ports\n"
             "}\n"
             "chain refuse {\n"
             "  ip daddr . meta l4proto . th dport vmap @no_endpoints\n"
             "  fib daddr type local meta l4proto . th dport vmap @no_endpoint_ports\n"
             "}\n"
             "chain nat-prerouting { type nat hook prerouting priority dstnat; jump services; }\n"
             "chain nat-output { type nat hook output priority -100; jump services; }\n"
             "chain nat-postrouting {\n"
             "  type nat hook postrouting priority srcnat;\n"
             "  meta mark and " MARK " == " MARK
             " meta mark set meta mark xor " MARK " masquerade\n"
             "  ip saddr @pod_networks ip daddr != @pod_networks ip daddr != 224.0.0.0/4 "
             "masquerade\n"
             "}\n"
             "chain filter-prerouting { type filter hook prerouting priority -110; "
             "ct state new jump firewall; }\n"
             "chain filter-input { type filter hook input priority -110; "
             "ct state new jump refuse; }\n"
             "chain filter-forward { type filter hook forward priority -110; "
             "ct state new jump refuse; }\n"
             "chain filter-output { type filter hook output priority -110; "
             "ct state new jump firewall; ct state new jump refuse; }\n"
             "}\n");
}

void nft_write_diff(const struct nft_state *old, const struct nft_state *new_, struct buf *out)
{
    struct str key;
    void *value;

    for (size_t it = 0; map_next(&new_->sets, &it, &key, &value);) {
        if (!map_find(&old->sets, key))
            buf_printf(out, "add set ip " NFT_TABLE " %.*s %s\n", STR_ARG(key), (char *)value);
    }
    for (size_t it = 0; map_next(&new_->chains, &it, &key, &value);) {
        if (!map_find(&old->chains, key))
            buf_printf(out, "add chain ip " NFT_TABLE " %.*s\n", STR_ARG(key));
    }
    for (size_t it = 0; map_next(&new_->chains, &it, &key, &value);) {
        const char *before = map_find(&old->chains, key);

        if (before && strcmp(before, value) == 0)
            continue;
        if (before)
            buf_printf(out, "flush chain ip " NFT_TABLE " %.*s\n", STR_ARG(key));
        write_rules(out, key, value);
    }
    for (size_t it = 0; map_next(&old->elements, &it, &key, &value);) {
        const char *after = map_find(&new_->elements, key);

        if (!after || strcmp(after, value) != 0)
            write_element(out, "delete", key, NULL);
    }
    for (size_t it = 0; map_next(&new_->elements, &it, &key, &value);) {
        const char *before = map_find(&old->elements, key);

        if (!before || strcmp(before, value) != 0)
            write_element(out, "add", key, value);
    }
    /* First the rules, then the chains: one that another still jumps to cannot be deleted. */
    for (size_t it = 0; map_next(&old->chains, &it, &key, &value);) {
        if (!map_find(&new_->chains, key))
            buf_printf(out, "flush chain ip " NFT_TABLE " %.*s\n", STR_ARG(key));
    }
    for (size_t it = 0; map_next(&old->chains, &it, &key, &value);) {
        if (!map_find(&new_->chains, key))
            buf_printf(out, "delete chain ip " NFT_TABLE " %.*s\n", STR_ARG(key));
    }
    for (size_t it = 0; map_next(&old->sets, &it, &key, &value);) {
        if (!map_find(&new_->sets, key))
            buf_printf(out, "delete set ip " NFT_TABLE " %.*s\n", STR_ARG(key));
    }
}

void nft_write_full(const struct nft_state *s, const char *pod_cidr, struct buf *out)
{
    static const struct nft_state empty;

    write_base(pod_cidr, out);
    nft_write_diff(&empty, s, out);
}
