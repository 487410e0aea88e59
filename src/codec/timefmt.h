/* timefmt.h - API times and durations: RFC 3339 texts, Go durations, ages as kubectl shows them.
 * Layer: codec. Threads: any. */
#pragma once
#include "base/buf.h"
#include "base/err.h"

struct time_value { /* an instant; set false: absent or null */
    int64_t sec;    /* since 1970-01-01T00:00:00Z */
    int32_t nsec;   /* 0..999999999 */
    bool set;
};
/** Parses RFC 3339 with any offset and fraction.
 *  ERR_INVALID with Go's text (parsing time "x" as ...). */
MUST_USE int time_parse(struct str s, struct time_value *ret_t, struct err *err);
/** Appends @s quoted as Go's package time quotes it: all but printable ASCII as \xNN. */
void time_quote(struct buf *out, struct str s);
void time_write(struct buf *out, struct time_value t);       /** "2006-01-02T15:04:05Z". */
void time_write_micro(struct buf *out, struct time_value t); /** "2006-01-02T15:04:05.000000Z". */
void time_write_basic(struct buf *out, struct time_value t); /** "20060102T150405Z". */
struct str time_str(struct arena *a, struct time_value t);   /** As time_write(). */
struct time_value time_from_ns(int64_t wall_ns);             /** From a clock's wall_ns. */
int64_t time_ns(struct time_value t);                        /** Back; saturates. */
int time_cmp(struct time_value a, struct time_value b);      /** Absent sorts first. */
/** Parses a Go duration ("1h15m30.5s", "0"). ERR_INVALID with Go's text. */
MUST_USE int duration_parse(struct str s, int64_t *ret_ns, struct err *err);
void duration_write(struct buf *out, int64_t ns); /** As Go prints it: "1m30s", "500ms", "0s". */
/** The short form of ages in tables: "5s", "3m20s", "26h", "3d4h", "2y20d" (upstream's
 *  HumanDuration). */
void duration_write_human(struct buf *out, int64_t seconds);
