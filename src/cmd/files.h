/* files.h - small files read and written whole, safely: for keys, certificates, configuration.
 * Layer: cmd. Threads: any; blocks. */
#pragma once
#include "base/err.h"
#include "base/str.h"
#include <sys/types.h>

/** Reads the file @path (at most 4 MiB) into @a. ERR_NOT_FOUND, ERR_TOO_LARGE, ERR_IO. */
MUST_USE int file_read(const char *path, struct arena *a, struct str *ret_text, struct err *err);
/** Replaces @path by @text with @mode: written beside it, synced, renamed. ERR_IO. */
MUST_USE int file_write(const char *path, struct str text, mode_t mode, struct err *err);
/** Renames a file or folder whose contents are synced, and syncs the folder it is in. ERR_IO. */
MUST_USE int file_rename(const char *from, const char *to, struct err *err);
/** Makes folder @path and its parents with @mode. ERR_IO. */
MUST_USE int folder_make(const char *path, mode_t mode, struct err *err);
/** Makes durable which names folder @path has. ERR_IO. */
MUST_USE int folder_sync(const char *path, struct err *err);
/** True if @path exists. */
bool file_exists(const char *path);
