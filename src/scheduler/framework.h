/* framework.h - what plugins see: a pod to place, nodes in flat arrays, and the table of plugins.
 *
 * A new plugin is one file that defines a `const struct plugin`, and one line in plugins.c.
 * Plugins are pure: they look at a pod and a node and answer. Layer: scheduler. Threads: its loop.
 */
#pragma once
#include "api/api.h"
#include "base/vec.h"
#include "schema/object.h"

struct amount { /* of a resource other than the four below */
    struct str name;
    int64_t value;
};
struct resources { /* cpu in thousandths, the others in units */
    int64_t milli_cpu, memory, ephemeral_storage, pods;
    const struct amount *others;
    size_t n_others;
};
struct host_port {
    struct str ip, protocol;
    int32_t port;
};
struct pod_info { /* a pod, with what is asked of it many times worked out once */
    struct arena arena;
    struct object *object; /* a reference */
    const struct core_pod *pod;
    struct resources request;  /* what must fit */
    int64_t scoring_milli_cpu; /* as request, with upstream's defaults for containers that ask
                                  nothing */
    int64_t scoring_memory;
    int32_t priority;
    const struct host_port *ports;
    size_t n_ports;
    bool best_effort;
};
struct node_image {
    struct str name;
    int64_t size_bytes;
    uint32_t n_nodes; /* how many nodes have it */
};
struct node_info {
    struct arena arena;    /* of what follows from the node object */
    struct object *object; /* a reference */
    const struct core_node *node;
    struct resources allocatable;
    struct resources requested; /* by the pods on it; others: grows in others_arena */
    int64_t scoring_milli_cpu, scoring_memory;
    VEC(struct amount) requested_others; /* names are views into pod infos that are on the node */
    VEC(struct pod_info *) pods;
    uint32_t n_images;
    struct node_image *images;
};

enum filter_code {
    FILTER_OK,
    FILTER_UNSCHEDULABLE, /* removing other pods might help */
    FILTER_UNRESOLVABLE,  /* it would not */
};
enum { SCORE_MAX = 100, REASONS_MAX = 8 };
struct filter_result {
    enum filter_code code;
    const char *reasons[REASONS_MAX]; /* static, or in arena */
    unsigned n;
    struct arena *arena; /* of the cycle */
};
/** Adds a reason to @r and sets its code to the worse of both. */
void filter_reject(struct filter_result *r, enum filter_code code, const char *reason);

/* Which changes of the cluster may make a rejected pod schedulable. */
enum cluster_change {
    CHANGE_NODE_ADDED = 1 << 0,
    CHANGE_NODE_ALLOCATABLE = 1 << 1,
    CHANGE_NODE_LABELS = 1 << 2,
    CHANGE_NODE_TAINTS = 1 << 3,
    CHANGE_POD_GONE = 1 << 4,
    CHANGE_POD_SELF = 1 << 5,
};
struct plugin {
    const char *name;
    /* Rejects @pod on @n by filter_reject(). NULL: none. */
    void (*filter)(const struct pod_info *pod, const struct node_info *n, struct filter_result *r);
    /* 0..SCORE_MAX, or raw if normalize is set. NULL: none. */
    int64_t (*score)(const struct pod_info *pod, const struct node_info *n, size_t n_nodes);
    /* Turns raw scores of all candidate nodes into 0..SCORE_MAX. NULL: scores are final. */
    void (*normalize)(int64_t *scores, size_t n);
    int64_t weight;
    unsigned retry_on; /* cluster_change bits */
};
/** All plugins in the order in which they filter, ended by NULL (plugins.c). */
extern const struct plugin *const scheduler_plugins[];

/** Scales to 0..SCORE_MAX by the highest; @reverse: a low raw score is good. */
void normalize_by_max(int64_t *scores, size_t n, bool reverse);
/** True if @t tolerates @taint. */
bool tolerates(const struct core_toleration *t, const struct core_taint *taint);
/** True if any toleration of @pod tolerates @taint. */
bool pod_tolerates(const struct core_pod *pod, const struct core_taint *taint);
/** True if the labels (and name) of @n satisfy @term; an empty term matches nothing. */
bool node_term_matches(const struct core_node_selector_term *term, const struct core_node *n);
