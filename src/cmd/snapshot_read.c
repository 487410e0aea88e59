/* SPDX-License-Identifier: Apache-2.0 */
/* snapshot_read.c - a snapshot's file, read from its start. */
#include "cmd/snapshot.h"

#include <errno.h>
#include <fcntl.h>

enum { PIECE_BYTES = 64 * 1024, HEAD_BYTES = 4096, BEFORE_HEAD_BYTES = 16 };

int snapshot_read_fd(int fd, struct backup_reader *r, const atomic_bool *cancel, struct err *err)
{
    char piece[PIECE_BYTES];
    off_t at = 0;
    ssize_t n = 1;
    int code = 0;

    while (n > 0 && code == 0) {
        if (cancel && atomic_load(cancel))
            return err_new(err, ERR_CANCELED, "stopped");
        n = pread(fd, piece, sizeof(piece), at);
        if (n < 0)
            return err_new(err, ERR_IO, "read: %s", strerror(errno));
        at += n;
        code = backup_feed(r, (struct str){piece, (size_t)n}, err);
    }
    return code == 0 ? backup_finish(r, err) : code;
}

int snapshot_read(const char *path, struct backup_reader *r, struct err *err)
{
    auto_fd fd = open(path, O_RDONLY | O_CLOEXEC);
    int code;

    if (fd < 0)
        return err_new(err, ERR_IO, "open %s: %s", path, strerror(errno));
    code = snapshot_read_fd(fd, r, NULL, err);
    return code < 0 ? err_wrap(err, code, "%s", path) : 0;
}

int snapshot_read_head(int fd, int64_t *ret_revision, int64_t *ret_time_ns, struct err *err)
{
    struct backup_reader r = {0};
    char piece[HEAD_BYTES];
    ssize_t n = pread(fd, piece, sizeof(piece), 0);
    int code;

    if (n < 0)
        return err_new(err, ERR_IO, "read: %s", strerror(errno));
    backup_reader_init(&r);
    code = backup_feed(&r, (struct str){piece, (size_t)n}, err);
    if (r.bytes > BEFORE_HEAD_BYTES) {
        *ret_revision = r.revision;
        *ret_time_ns = r.time_ns;
        code = 0; /* what follows is not looked at */
    } else if (code == 0) {
        code = err_new(err, ERR_PARSE, "too short");
    }
    backup_reader_deinit(&r);
    return code;
}
