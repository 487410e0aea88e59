/* nft_rules.h - a model as nftables text: chains with their rules, map elements, sets. Pure.
 * Layer: proxy. Threads: any. */
#pragma once
#include "base/buf.h"
#include "base/map.h"
#include "proxy/model.h"

#define NFT_TABLE "skiff"
struct nft_state { /* what is, or shall be, in the table; names and texts are owned */
    struct map chains;   /* name -> char *: its rules, a line each */
    struct map elements; /* "map_name key" -> char *: verdict */
    struct map sets;     /* name -> char *: its declaration */
};
void nft_state_deinit(struct nft_state *s); /** Frees; idempotent. */
/** The state that @m asks for. */
void nft_state_build(const struct model *m, struct nft_state *ret_s);
/** Appends the commands that make the whole table anew. */
void nft_write_full(const struct nft_state *s, const char *pod_cidr, struct buf *out);
/** Appends the commands that lead from @old to @new; nothing if they are equal. */
void nft_write_diff(const struct nft_state *old, const struct nft_state *new_, struct buf *out);
