/* snapshot.h - the parts of `skiff snapshot`. Layer: cmd. Threads: main thread; blocks. */
#pragma once
#include "cmd/s3_flags.h"
#include "store/backup_file.h"

/** Reads the file @path through @r, which the caller has prepared, to its end. ERR_IO,
 *  ERR_PARSE. */
MUST_USE int snapshot_read(const char *path, struct backup_reader *r, struct err *err);
/** As snapshot_read(), of the open file @fd; ERR_CANCELED soon after @cancel (may be NULL) is set.
 *  Any thread. */
MUST_USE int snapshot_read_fd(int fd, struct backup_reader *r, const atomic_bool *cancel,
                              struct err *err);
/** What the file @fd begins with; nothing behind that is verified. ERR_IO, ERR_PARSE. */
MUST_USE int snapshot_read_head(int fd, int64_t *ret_revision, int64_t *ret_time_ns,
                                struct err *err);
/** `skiff snapshot list`: prints a line for all that is at @where, a folder or s3://BUCKET/PREFIX.
 *  ERR_PARSE if @verify found damage. */
MUST_USE int snapshot_list(const char *where, const struct s3_flags *s3, bool json, bool verify,
                           struct err *err);
/** Verifies all of @path, then makes folder @data_dir (without a slash at its end), which must not
 *  exist or be empty, with a store that holds it; @ret_revision: the snapshot's. On failure
 *  @data_dir is not there, or as empty as it was. ERR_IO, ERR_PARSE, ERR_EXISTS. */
MUST_USE int snapshot_restore(const char *path, const char *data_dir, int64_t *ret_revision,
                              struct err *err);
