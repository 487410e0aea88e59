/* zone.h - the cluster's names: what a question about Services and pods is answered with.
 * https://github.com/kubernetes/dns/blob/master/docs/specification.md
 * Layer: dns. Threads: its loop. Pure over the maps given. */
#pragma once
#include "api/api.h"
#include "base/omap.h"
#include "schema/object.h"

enum { ZONE_TTL_SEC = 5, ZONE_RECORDS_MAX = 512 };
enum record_type {
    RECORD_A,
    RECORD_SRV,
    RECORD_PTR,
    RECORD_CNAME,
    RECORD_TXT,
    RECORD_SOA,
    RECORD_NS
};
struct record {
    enum record_type type;
    struct str owner;  /* "web.default.svc.cluster.local." */
    struct str data;   /* presentation form: "10.96.0.5", "0 100 80 web.default..." */
    bool additional;   /* belongs to the additional section */
};
struct zone {
    struct str domain; /* "cluster.local" */
    const struct omap *services, *endpoints;
};
struct answer {
    enum { ZONE_FOUND, ZONE_NO_SUCH_NAME, ZONE_NOT_OURS } outcome;
    struct record *records; /* none with ZONE_FOUND: the name is there, but not with that type */
    size_t n;
};
/** Answers a question for @name (lower case, without the final dot) and @type; records in @a. */
void zone_answer(const struct zone *z, struct str name, enum record_type type, struct arena *a,
                 struct answer *ret_a);
