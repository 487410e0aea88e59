/* snapshot_place.h - where snapshots are kept: a folder, or what has one prefix in a bucket of S3.
 * Layer: cmd. Threads: any, one at a time; blocks. */
#pragma once
#include "cmd/s3_flags.h"

struct snapshot_place {
    const char *where; /* as it was given; borrowed */
    struct arena arena;
    struct s3 *s3; /* NULL: a folder */
    struct s3_url url;
};
/** Takes @where ("s3://BUCKET[/PREFIX]", or a folder, which need not be there) for a place; nothing
 *  is asked of it yet. ERR_* of s3_flags_open(), ERR_INVALID. */
MUST_USE int snapshot_place_open(const char *where, const struct s3_flags *s3,
                                 const atomic_bool *cancel, struct snapshot_place *ret_p,
                                 struct err *err);
void snapshot_place_close(struct snapshot_place *p); /** Idempotent; also after a failure. */

struct snapshot_file {
    const char *name;
    uint64_t bytes;
    bool regular; /* not a folder, a link, a device */
};
struct snapshot_files {
    struct snapshot_file *v;
    size_t n, cap; /* as VEC of base/vec.h */
};
/** All that is there, also what is no snapshot, in order of names; texts in @a, the array to be
 *  freed by the caller (vec_deinit). Folders and keys further down are left out of S3's. */
MUST_USE int snapshot_place_list(struct snapshot_place *p, struct arena *a,
                                 struct snapshot_files *ret, struct err *err);
/** Keeps the finished file @path, open as @fd, there as @name; one of that name is replaced. A
 *  folder: @path is in it, and renamed. S3: @path remains. */
MUST_USE int snapshot_place_put(struct snapshot_place *p, const char *path, int fd,
                                const char *name, struct err *err);
/** Removes @name. */
MUST_USE int snapshot_place_remove(struct snapshot_place *p, const char *name, struct err *err);
/** Opens @name, which snapshot_place_list() told of; from S3 it is fetched into a file without a
 *  name in folder @tmp. @ret_fd is the caller's. ERR_INVALID: it is no regular file. */
MUST_USE int snapshot_place_get(struct snapshot_place *p, const char *name, const char *tmp,
                                int *ret_fd, struct err *err);

/** A new file without a name in folder @dir, 0600, read-write: it is gone when it is closed. */
MUST_USE int snapshot_temporary(const char *dir, int *ret_fd, struct err *err);
/** $TMPDIR, or what stands for it. */
const char *snapshot_tmpdir(void);
/** Fetches the object of @url (s3://BUCKET/KEY) into @fd. */
MUST_USE int snapshot_fetch(const char *url, const struct s3_flags *s3, int fd, struct err *err);
/** Stores the file @fd as the object of @url (s3://BUCKET/KEY). */
MUST_USE int snapshot_store(const char *url, const struct s3_flags *s3, int fd, struct err *err);
