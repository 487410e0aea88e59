/* deployment.h - the parts of the Deployment controller: what is there, arithmetic, status.
 * Pure. Layer: controller. Threads: any. */
#pragma once
#include "controller/common.h"
#include "schema/selector.h"

#define ANN_REVISION "deployment.kubernetes.io/revision"
#define ANN_HISTORY  "deployment.kubernetes.io/revision-history"
#define ANN_DESIRED  "deployment.kubernetes.io/desired-replicas"
#define ANN_MAX      "deployment.kubernetes.io/max-replicas"
#define LABEL_HASH   "pod-template-hash"

struct dep_set { /* a ReplicaSet of the Deployment */
    const struct object *object;
    const struct apps_replica_set *set;
    int64_t revision; /* from its annotation */
    int32_t replicas; /* wanted, after what this plan changes */
};
struct dep { /* a Deployment and what belongs to it */
    const struct view *v;
    const struct object *object;
    const struct apps_deployment *d;
    struct selector selector;
    struct dep_set *sets; /* by creation, oldest first */
    size_t n;
    struct dep_set *new_set; /* NULL: none has the present template */
    int32_t replicas, max_surge, max_unavailable;
    bool collided; /* the name of the new set was taken: the hash turns with the status */
};

/** True if the templates are equal but for the label pod-template-hash. */
bool template_equal(const struct core_pod_template_spec *a, const struct core_pod_template_spec *b,
                    struct arena *arena);
/** The value of pod-template-hash for @t after @collisions collisions. In @arena. */
struct str template_hash(const struct core_pod_template_spec *t, int32_t collisions,
                         struct arena *arena);

/** How many pods the new ReplicaSet shall have now, when @all are wanted by all sets together. */
int32_t rolling_new_size(int32_t replicas, int32_t max_surge, int32_t all, int32_t new_now);
/** How many pods old sets may lose now. */
int32_t rolling_scale_down_max(int32_t all, int32_t min_available, int32_t new_unavailable);
/** maxSurge and maxUnavailable as numbers: surge rounds up, unavailable down, not both 0. */
void rolling_bounds(const struct apps_deployment *d, int32_t replicas, int32_t *ret_surge,
                    int32_t *ret_unavailable);
/** Shares of the sets when the Deployment is scaled in the middle of a rollout; sets
 * dep_set.replicas. */
void proportional_scale(struct dep *dep, struct dep_set **sets, size_t n);

/** Plans the scale of @s to @replicas, with the annotations that go with it and an Event. */
void plan_scale(struct dep *dep, struct dep_set *s, int32_t replicas, struct plan *plan);
/** Plans the status that follows from the sets as they are. */
void plan_deployment_status(struct dep *dep, struct plan *plan);
/** True if the wanted number was changed since the sets were last scaled. */
bool scaling_event(const struct dep *dep);
/** Sum of wanted pods over all sets. */
int32_t total_replicas(const struct dep *dep);
