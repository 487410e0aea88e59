/* objects.h - pods and nodes for the scheduler's tests. */
#pragma once
#include "scheduler/cluster.h"

/** Pod default/@name with the given members of its spec (JSON, without braces). The caller unrefs.
 */
struct object *make_pod(const char *name, const char *spec);
/** Node @name with 4 cpus, 8Gi and 10 pods; @labels and @spec are members, JSON without braces. */
struct object *make_node(const char *name, const char *labels, const char *spec);
/** Adds make_node() to @c. */
void add_node(struct cluster *c, const char *name, const char *labels, const char *spec);
/** Puts a pod of @spec on @node. */
void run_pod(struct cluster *c, const char *name, const char *node, const char *spec);
