/* SPDX-License-Identifier: Apache-2.0 */
/* volumes.h - what the files of the volume manager share. Layer: kubelet. Threads: its loop. */
#pragma once
#include "codec/timefmt.h"
#include "kubelet/pod_config.h"
#include "kubelet/volume_files.h"

struct volumes {
    struct kubelet *kl; /* borrowed: it stops us */
    struct map by_uid;  /* uid -> struct pod_volumes */
    struct timer tick;
};
struct volume_waiter {
    kpod_done done;
    void *arg;
};
struct volume_known { /* a volume that has been written */
    char *name;
    uint8_t digest[VOLUME_DIGEST_BYTES];
    bool written;
};
struct volume_token;
struct volume_claim;
struct pod_volumes { /* of one pod */
    struct kubelet *kl;
    struct kpod *kp; /* references */
    char *uid;
    bool busy;  /* a pass is under way */
    bool ready; /* some pass was through */
    bool torn;  /* taken down, or let go, once the pass has ended */
    int64_t seen_revision;
    uint64_t refresh_due_ms;
    VEC(struct volume_waiter) waiters, teardowns;
    VEC(struct volume_known *) known;
    VEC(struct volume_token *) tokens;
    VEC(struct volume_claim *) claims;
};
struct volume_item {
    struct volume_work work;
    struct volume_known *known;
};
struct volume_pass { /* over all volumes of a pod */
    struct pod_volumes *pv;
    struct object *object; /* this version of the pod */
    const struct core_pod *pod;
    struct arena arena;
    struct refs refs;
    unsigned left; /* answers to wait for */
    VEC(struct volume_item) work;
    int code; /* the first failure */
    struct err err;
};
/** What is known of volume @name; made at first use. */
struct volume_known *pod_volumes_known(struct pod_volumes *pv, struct str name);
/** Keeps the first failure: volume @name could not be had. Also on the pass's worker thread. */
void volume_pass_fail(struct volume_pass *p, struct str name, int code, const struct err *err);
/** One of p->left has come. */
void volume_pass_step(struct volume_pass *p);

/* volume_plan.c */
void volume_refs(struct volume_pass *p); /** Names the objects that the volumes need. */
void volume_plan(struct volume_pass *p); /** Fills p->work from what was fetched. */

/* volume_sources.c: what comes from the API for one pod alone */
/** Asks for the tokens that are missing or due; each counts in p->left. */
void volume_tokens_request(struct volume_pass *p);
/** The token for @src, or STR_NULL with why not in @err. */
struct str volume_token_find(const struct pod_volumes *pv,
                             const struct core_service_account_token_projection *src,
                             struct err *err);
void volume_tokens_free(struct pod_volumes *pv); /** Frees all. */
/** Asks for the claims not yet known; each counts in p->left. */
void volume_claims_request(struct volume_pass *p);
/** The host path behind volume @name, which is a claim's; NULL with why not in @err. */
const char *volume_claim_path(const struct pod_volumes *pv, struct str name, struct err *err);
void volume_claims_free(struct pod_volumes *pv); /** Frees all. */
