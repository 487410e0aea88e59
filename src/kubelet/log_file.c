/* SPDX-License-Identifier: Apache-2.0 */
/* log_file.c - reads a container's log, a file of CRI lines, the way a client asks for it. */
#include "kubelet/log_file.h"

#include "codec/timefmt.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>

enum { PIECE_BYTES = 64 * 1024, LINE_MAX_BYTES = 1024 * 1024 };

bool log_line_parse(struct str line, struct log_line *ret_line)
{
    struct log_line l = {0};
    struct str rest, tags;
    struct time_value t;
    struct err err = {0};

    l.time = str_cut(line, ' ', &rest);
    l.stream = str_cut(rest, ' ', &rest);
    tags = str_cut(rest, ' ', &rest);
    if (!rest.p || time_parse(l.time, &t, &err) < 0)
        return false;
    l.time_ns = time_ns(t);
    l.partial = str_eq(str_cut(tags, ':', &(struct str){0}), STR("P"));
    l.content = rest;
    *ret_line = l;
    return true;
}

static void put(struct log_reader *rd, struct buf *out, struct str s)
{
    int64_t left = rd->options.limit_bytes - rd->written;

    if (rd->full)
        return;
    if (rd->options.limit_bytes >= 0 && (int64_t)s.len >= left) {
        s = str_sub(s, 0, (size_t)MAX(left, 0));
        rd->full = true;
    }
    rd->written += (int64_t)s.len;
    buf_str(out, s);
}

static void put_line(struct log_reader *rd, struct buf *out, struct str text)
{
    struct log_line l;

    if (!log_line_parse(text, &l))
        return; /* a torn write after a crash: nothing to show of it */
    if (l.time_ns < rd->options.since_ns ||
        (!str_empty(rd->options.stream) && !str_eq(rd->options.stream, l.stream)))
        return;
    if (rd->options.timestamps && !rd->in_line) {
        put(rd, out, l.time);
        put(rd, out, STR(" "));
    }
    put(rd, out, l.content);
    if (!l.partial)
        put(rd, out, STR("\n"));
    rd->in_line = l.partial;
}

void log_reader_feed(struct log_reader *rd, struct str raw, struct buf *out)
{
    while (raw.len > 0 && !rd->full) {
        long end = str_find_char(raw, '\n');

        if (end < 0) {
            if (rd->carry.len + raw.len > LINE_MAX_BYTES)
                buf_reset(&rd->carry); /* no runtime writes such lines */
            else
                buf_str(&rd->carry, raw);
            return;
        }
        if (rd->carry.len > 0) {
            buf_str(&rd->carry, str_sub(raw, 0, (size_t)end));
            put_line(rd, out, buf_view(&rd->carry));
            buf_reset(&rd->carry);
        } else {
            put_line(rd, out, str_sub(raw, 0, (size_t)end));
        }
        raw = str_sub(raw, (size_t)end + 1, raw.len);
    }
}

/* Where the last @lines lines begin. */
static off_t tail_start(int fd, int64_t lines, off_t size, char *piece)
{
    off_t at = size;

    if (lines == 0)
        return size;
    while (at > 0) {
        size_t n = (size_t)MIN(at, (off_t)PIECE_BYTES);
        ssize_t got = pread(fd, piece, n, at - (off_t)n);

        if (got != (ssize_t)n)
            return 0;
        at -= (off_t)n;
        for (size_t i = n; i-- > 0;) {
            if (piece[i] != '\n' || at + (off_t)i + 1 == size)
                continue; /* the last line's own end */
            if (--lines == 0)
                return at + (off_t)i + 1;
        }
    }
    return 0;
}

static int open_log(struct log_reader *rd, char *piece, struct err *err)
{
    struct stat st;
    int fd = open(rd->path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);

    if (fd < 0)
        return err_new(err, errno == ENOENT ? ERR_NOT_FOUND : ERR_IO, "open %s: %s", rd->path,
                       strerror(errno));
    rd->fd = fd + 1;
    if (fstat(fd, &st) < 0 || !S_ISREG(st.st_mode))
        return err_new(err, ERR_IO, "%s is no log", rd->path);
    if (rd->options.tail_lines >= 0 &&
        lseek(fd, tail_start(fd, rd->options.tail_lines, st.st_size, piece), SEEK_SET) < 0)
        return err_new(err, ERR_IO, "seek in %s: %s", rd->path, strerror(errno));
    return 0;
}

int log_reader_next(struct log_reader *rd, struct buf *out, bool *ret_end, struct err *err)
{
    auto_arena a = {0};
    char *piece = arena_alloc(&a, PIECE_BYTES);
    ssize_t n;
    int r = rd->fd > 0 ? 0 : open_log(rd, piece, err);

    if (r < 0)
        return r;
    n = read(rd->fd - 1, piece, PIECE_BYTES);
    if (n < 0)
        return err_new(err, ERR_IO, "read %s: %s", rd->path, strerror(errno));
    log_reader_feed(rd, (struct str){piece, (size_t)n}, out);
    *ret_end = n == 0 || rd->full;
    return 0;
}

void log_reader_deinit(struct log_reader *rd)
{
    if (rd->fd > 0)
        (void)close(rd->fd - 1);
    rd->fd = 0;
    buf_deinit(&rd->carry);
}
