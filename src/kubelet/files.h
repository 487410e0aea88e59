/* files.h - small files of the node, read and written whole.
 * Layer: kubelet. Threads: any; blocks, so worker threads unless the file is in /proc or /sys. */
#pragma once
#include "base/err.h"
#include "base/str.h"
#include <sys/types.h>

/** Reads at most @max bytes of @path into @a. ERR_NOT_FOUND, ERR_TOO_LARGE, ERR_IO. */
MUST_USE int kfile_read(const char *path, size_t max, struct arena *a, struct str *ret_text,
                        struct err *err);
/** Replaces @path by @text with @mode (written beside it, renamed). ERR_IO. */
MUST_USE int kfile_write(const char *path, struct str text, mode_t mode, struct err *err);
/** Writes @text to the existing file @path in one write(2), as /proc and cgroups want it.
 *  ERR_IO. */
MUST_USE int kfile_set(const char *path, const char *text, struct err *err);
/** Makes folder @path and its parents. ERR_IO. */
MUST_USE int kfolder_make(const char *path, mode_t mode, struct err *err);
