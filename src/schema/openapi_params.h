/* openapi_params.h - the parameters of requests, by name and as sets. Internal to schema.
 * Layer: schema. */
#pragma once
#include "schema/openapi_internal.h"

/* Every parameter, in the order of names. */
#define PARAMS(X)                                                                                  \
    X(ALLOW_WATCH_BOOKMARKS, "allowWatchBookmarks", "HC2hJt-J", "boolean",                         \
      "Asks a watch for events of type BOOKMARK.")                                                 \
    X(CONTINUE, "continue", "QfD61s0i", "string", "Continues a list where the last one ended.")    \
    X(DRY_RUN, "dryRun", NULL, "string", "All: does everything but store the result.")             \
    X(FIELD_MANAGER, "fieldManager", "Qy4HdaTW", "string", "Who makes the change.")                \
    X(FIELD_MANAGER_PATCH, "fieldManager", "7c6nTn1T", "string",                                   \
      "Who makes the change; required for apply.")                                                 \
    X(FIELD_SELECTOR, "fieldSelector", "xIcQKXFG", "string", "Restricts by fields.")               \
    X(FIELD_VALIDATION, "fieldValidation", NULL, "string",                                         \
      "What becomes of unknown and duplicate fields: Ignore, Warn or Strict.")                     \
    X(FORCE, "force", "tOGGb0Yi", "boolean", "Takes fields over from other managers on apply.")    \
    X(GRACE_PERIOD, "gracePeriodSeconds", "-K5HaBOS", "integer", "Seconds before the deletion.")   \
    X(IGNORE_READ_ERROR, "ignoreStoreReadErrorWithClusterBreakingPotential", "QbNkfIqj",           \
      "boolean", "Deletes an object that cannot be read.")                                         \
    X(LABEL_SELECTOR, "labelSelector", "5Zw57w4C", "string", "Restricts by labels.")               \
    X(LIMIT, "limit", "1NfNmdNH", "integer", "The most items in one answer.")                      \
    X(NAME, "name", NULL, "string", "The name of the object.")                                     \
    X(NAMESPACE, "namespace", "vgWSWtn3", "string", "The namespace of the object.")                \
    X(ORPHAN, "orphanDependents", "uRB25kX5", "boolean", "Deprecated: see propagationPolicy.")     \
    X(PATH, "path", "z6Ciiujn", "string", "The path behind the proxy.")                            \
    X(PRETTY, "pretty", "tJGM1-ng", "string", "true: indented output.")                            \
    X(PROPAGATION, "propagationPolicy", "6jk3prlO", "string",                                      \
      "What becomes of dependents: Orphan, Background or Foreground.")                             \
    X(RESOURCE_VERSION, "resourceVersion", "5WAnf1kx", "string", "How fresh the answer must be.")  \
    X(RESOURCE_VERSION_MATCH, "resourceVersionMatch", "t8XhRHeC", "string",                        \
      "How resourceVersion is meant: Exact or NotOlderThan.")                                      \
    X(SEND_INITIAL_EVENTS, "sendInitialEvents", "rLXlEK_k", "boolean",                             \
      "Begins a watch with the state as events.")                                                  \
    X(TIMEOUT, "timeoutSeconds", "yvYezaOC", "integer", "How long the call may last.")             \
    X(WATCH, "watch", "XNNPZGbK", "boolean", "Answers with changes as they happen.")

enum param {
#define X(id, name, ref, type, doc) PARAM_##id,
    PARAMS(X)
#undef X
        PARAM__N
};
#define P(id) (1u << PARAM_##id)
/** Appends the parameters of @set (P() bits) to the array @list, in @a: in version 2 those with a
 *  place of their own as references. Threads: the arena's. */
void openapi_add_params(enum openapi_version version, uint32_t set, struct arena *a,
                        struct doc *list);
/** Appends the fields of @t (may be NULL), the options of a stream, as parameters of the query.
 *  Threads: the arena's. */
void openapi_add_query(enum openapi_version version, const struct type *t, struct arena *a,
                       struct doc *list);
