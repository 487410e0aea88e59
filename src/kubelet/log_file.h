/* SPDX-License-Identifier: Apache-2.0 */
/* log_file.h - reads a container's log, a file of CRI lines, the way a client asks for it.
 *
 * Layer: kubelet. Threads: any, one at a time; reading blocks, so worker threads. */
#pragma once
#include "base/buf.h"
#include "base/err.h"
#include <stdint.h>

struct log_options {
    int64_t tail_lines;  /* -1: all */
    int64_t limit_bytes; /* -1: none */
    int64_t since_ns;    /* since 1970; 0: from the start */
    bool timestamps;
    struct str stream; /* "stdout", "stderr"; empty: both */
};
struct log_line {
    struct str time, stream, content; /* views */
    int64_t time_ns;
    bool partial; /* the next line goes on with it */
};
/** Takes a CRI line apart: time, stream, tags, content. False if it is none. */
bool log_line_parse(struct str line, struct log_line *ret_line);

struct log_reader { /* zeroed but for path and options; path is borrowed */
    const char *path;
    struct log_options options;
    int fd; /* plus 1; 0: not open yet */
    struct buf carry; /* the begin of a line whose end has not been read */
    int64_t written;
    bool in_line; /* a partial line came last */
    bool full;    /* limit_bytes are written */
};
/** Appends what follows to @out, a piece at a time; *@ret_end: nothing more is there now, or ever
 *  (rd->full). ERR_NOT_FOUND, ERR_IO. */
MUST_USE int log_reader_next(struct log_reader *rd, struct buf *out, bool *ret_end,
                             struct err *err);
/** Formats the bytes @raw of the file, which follow those given before. Pure. */
void log_reader_feed(struct log_reader *rd, struct str raw, struct buf *out);
/** Closes the file and frees. */
void log_reader_deinit(struct log_reader *rd);
