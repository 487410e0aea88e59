/* cluster.h - the nodes and what runs on them, kept current by events; the flat arrays of a cycle.
 * Layer: scheduler. Threads: its loop. */
#pragma once
#include "base/map.h"
#include "scheduler/framework.h"

struct cluster {
    VEC(struct node_info *) nodes; /* in the order in which they came */
    struct map by_name;            /* node name -> struct node_info * */
    struct map pods;               /* pod uid -> struct placed * */
    struct map images; /* image name -> how many nodes have it, as a pointer-sized number */
};
struct placed { /* a pod that is on a node, or assumed to be */
    struct pod_info *pod;
    struct str node; /* owned */
    bool assumed;    /* bound by us, not yet seen so in the cluster */
};
void cluster_deinit(struct cluster *c); /** Frees everything. */
/** Adds or replaces a node; returns the cluster_change bits that this means. */
unsigned cluster_put_node(struct cluster *c, struct object *o);
/** Forgets a node; its pods stay known, in case it comes back. */
void cluster_remove_node(struct cluster *c, struct str name);
/** Says that @o runs on the node its spec names (replacing what was assumed of it). */
void cluster_put_pod(struct cluster *c, struct object *o);
/** Takes a pod out of the account; false if it was not in it. */
bool cluster_remove_pod(struct cluster *c, struct str uid);
/** Counts @pod (taken over) on @node until the cluster shows it, or cluster_remove_pod(). */
void cluster_assume(struct cluster *c, struct pod_info *pod, struct str node);
/** True if the pod is on a node or assumed to be. */
bool cluster_has_pod(const struct cluster *c, struct str uid);
/** Brings up to date how many nodes have each image; after nodes changed. */
void cluster_count_images(struct cluster *c);

/** Works out what scheduling asks of @o (a reference is taken). The caller frees it. */
struct pod_info *pod_info_new(struct object *o);
struct pod_info *pod_info_free(struct pod_info *p); /** NULL is a no-op; returns NULL. */
