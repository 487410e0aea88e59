/* events.h - records Events about objects, aggregating repeats as upstream does. Layer: client. */
#pragma once
#include "client/client.h"

struct event_recorder;
/** Writes through @c (borrowed) as @component (static), of @host ("" if none; static). */
struct event_recorder *event_recorder_new(struct client *c, const char *component,
                                          const char *host);
struct event_recorder *
event_recorder_free(struct event_recorder *r); /** NULL is a no-op. Returns NULL. */
struct event_target {                          /* what an Event is about; copied */
    const struct resource *res;                /* gives the API version; else api_version does */
    const char *api_version, *kind;
    struct str ns, name, uid, resource_version, field_path;
};
struct event_target event_target_of(const struct object *o); /** Views into @o. */
/** Records; type "Normal" or "Warning". Never fails: what cannot be written is dropped after
 * retries and logged. */
void event_record(struct event_recorder *r, const struct event_target *t, const char *type,
                  const char *reason, const char *fmt, ...) PRINTF_LIKE(5, 6);
