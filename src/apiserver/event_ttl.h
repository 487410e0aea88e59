/* event_ttl.h - removes Events an hour after their last write. Internal to apiserver/.
 * Layer: apiserver. Threads: the main API loop. */
#pragma once
#include "apiserver/apiserver_internal.h"

enum { EVENT_TTL_SEC = 60 * 60 };
/** When the Event whose stored JSON is @json was last seen or counted: seconds since 1970, 0 if it
 * does not say. */
int64_t event_last_sec(struct str json);
int event_ttl_start(struct apiserver *as, struct err *err); /** Starts the sweeps. A part. */
void event_ttl_stop(struct apiserver *as);                  /** Ends them. */
void event_ttl_free(struct apiserver *as);                  /** Frees what start made. */
