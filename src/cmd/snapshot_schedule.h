/* snapshot_schedule.h - snapshots of the embedded store that the server makes on its own.
 *
 * One is due when the newest that is in the place, by its name, is older than the interval. It is
 * streamed into a file (.partial), synced, read back and verified, and only then renamed or
 * uploaded; then older ones beyond the retention are deleted. What fails is logged and tried again
 * with back-off. Files and S3 are touched on pool threads only.
 *
 * Layer: cmd. Threads: the loop's.
 */
#pragma once
#include "base/loop.h"
#include "cmd/s3_flags.h"

enum { SNAPSHOT_INTERVAL_MIN_MS = 1000, SNAPSHOT_RETENTION_MAX = 10000 };
struct snapshot_flags {
    int64_t interval_ms; /* 0: none are made */
    const char *to;      /* a folder, or s3://BUCKET[/PREFIX] */
    int64_t retention;   /* how many are kept */
    bool include_pki;    /* with <data-dir>/pki */
    struct s3_flags s3;
};
#define SNAPSHOT_FLAGS_DEFAULT {.retention = 5, .s3 = S3_FLAGS_DEFAULT}
/* Lines of a table of flags. */
#define SNAPSHOT_FLAGS(f)                                                                         \
    {"snapshot-interval", FLAG_DURATION, &(f)->interval_ms, "TIME",                               \
     "save a snapshot of the store so often, 0: never"},                                          \
    {"snapshot-to", FLAG_STRING, &(f)->to, "PLACE",                                               \
     "a folder for them, or s3://BUCKET/PREFIX; of this server alone"},                           \
    {"snapshot-retention", FLAG_INT, &(f)->retention, "N", "delete older ones than the newest N"}, \
    {"snapshot-include-pki", FLAG_BOOL, &(f)->include_pki, NULL,                                  \
     "with the keys and certificates of <data-dir>/pki in each"},                                 \
    S3_FLAGS(&(f)->s3)
/** What the flags say is complete, and credentials can be read. @etcd: the store is not our own.
 *  Blocks. ERR_BAD_REQUEST and others, with the flag's name. */
MUST_USE int snapshot_flags_check(const struct snapshot_flags *f, bool etcd, struct err *err);

struct store;
struct snapshot_figures {
    int64_t last_sec, revision; /* of the newest that is whole; 0: none yet */
    uint64_t bytes, failures;   /* failures: since the start */
};
struct snapshot_schedule;
struct snapshot_schedule_opts {
    struct loop *loop;
    struct store *store;                /* borrowed */
    const struct snapshot_flags *flags; /* kept by the caller; interval_ms is not 0 */
    const char *data_dir;               /* where pki is, and files on their way to S3 */
    void (*on_figures)(void *arg, const struct snapshot_figures *f); /* at each change */
    void *arg;
};
/** Starts: one is made soon, if it is due. */
struct snapshot_schedule *snapshot_schedule_new(const struct snapshot_schedule_opts *opts);
/** Ends it, also in the middle of a snapshot: what is on a pool thread gives up within a second,
 *  and the loop waits for it when it is freed. The store is not touched any more. NULL is a no-op;
 *  returns NULL. */
struct snapshot_schedule *snapshot_schedule_free(struct snapshot_schedule *s);
