/* SPDX-License-Identifier: Apache-2.0 */
/* nftables.c - the nftables backend: each change is one transaction of libnftables, incremental
 * where the former state is known, whole after a failure or a start. */
#include "base/log.h"
#include "proxy/backend.h"
#include "proxy/conntrack.h"
#include "proxy/nft_rules.h"

#include <nftables/libnftables.h>

struct nftables {
    struct backend base;
    struct nft_ctx *ctx;
    char *pod_cidr;
    struct nft_state applied;
    bool known; /* applied is what the kernel has */
    uint64_t udp_hash; /* of what stale flows were last looked for by */
};

static int run(struct nft_ctx *ctx, const char *commands, struct err *err)
{
    if (nft_run_cmd_from_buffer(ctx, commands) == 0)
        return 0;
    return err_new(err, ERR_IO, "nftables: %s", nft_ctx_get_error_buffer(ctx));
}

/* Once new flows go elsewhere; what fails here is tried with the next change of a UDP Service. */
static void end_stale_flows(struct nftables *n, const struct model *m)
{
    struct udp_index *x = udp_index_new(m);
    struct err err = {0};
    unsigned ended = 0;

    if (udp_index_hash(x) != n->udp_hash) {
        if (conntrack_end_stale(x, &ended, &err) < 0)
            LOG_WARN("proxy", "%s", err.msg);
        else
            n->udp_hash = udp_index_hash(x);
        if (ended > 0)
            LOG_DEBUG("proxy", "ended stale UDP flows=%u", ended);
    }
    udp_index_free(x);
}

static int apply(struct backend *b, const struct model *m, struct err *err)
{
    struct nftables *n = container_of(b, struct nftables, base);
    struct nft_state want;
    auto_buf commands = {0};
    int r = 0;

    nft_state_build(m, &want);
    if (n->known)
        nft_write_diff(&n->applied, &want, &commands);
    else
        nft_write_full(&want, n->pod_cidr, &commands);
    if (commands.len > 0)
        r = run(n->ctx, buf_cstr(&commands), err);
    if (r < 0) {
        n->known = false; /* the next attempt makes everything anew */
        nft_state_deinit(&want);
        return r;
    }
    nft_state_deinit(&n->applied);
    n->applied = want;
    n->known = true;
    end_stale_flows(n, m);
    return 0;
}

static void destroy(struct backend *b)
{
    struct nftables *n = container_of(b, struct nftables, base);

    nft_state_deinit(&n->applied);
    nft_ctx_free(n->ctx);
    free(n->pod_cidr);
    free(n);
}

static const struct backend_ops nftables_ops = {"nftables", apply, destroy};

static int open_context(struct nft_ctx **ret_ctx, struct err *err)
{
    struct nft_ctx *ctx = nft_ctx_new(NFT_CTX_DEFAULT);

    if (!ctx)
        return err_new(err, ERR_IO, "nftables: no context");
    if (nft_ctx_buffer_error(ctx) != 0 || nft_ctx_buffer_output(ctx) != 0) {
        nft_ctx_free(ctx);
        return err_new(err, ERR_IO, "nftables: no buffers");
    }
    *ret_ctx = ctx;
    return 0;
}

int backend_nftables_new(const char *pod_cidr, struct backend **ret_b, struct err *err)
{
    struct nft_ctx *ctx;
    struct nftables *n;
    int r = open_context(&ctx, err);

    if (r < 0)
        return r;
    n = xnew(struct nftables);
    n->base.ops = &nftables_ops;
    n->ctx = ctx;
    n->pod_cidr = xstrdup(pod_cidr);
    *ret_b = &n->base;
    return 0;
}

int backend_nftables_cleanup(struct err *err)
{
    struct nft_ctx *ctx;
    int r = open_context(&ctx, err);

    if (r < 0)
        return r;
    r = run(ctx, "add table ip " NFT_TABLE "\ndelete table ip " NFT_TABLE "\n", err);
    nft_ctx_free(ctx);
    return r;
}
