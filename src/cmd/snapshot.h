/* snapshot.h - the parts of `skiff snapshot`. Layer: cmd. Threads: main thread; blocks. */
#pragma once
#include "store/backup_file.h"

/** Reads the file @path through @r, which the caller has prepared, to its end. ERR_IO,
 *  ERR_PARSE. */
MUST_USE int snapshot_read(const char *path, struct backup_reader *r, struct err *err);
/** Verifies all of @path, then makes folder @data_dir, which must not exist or be empty, with a
 *  store that holds it; @ret_revision: the snapshot's. On failure @data_dir is not there,
 *  or as empty as it was. ERR_IO, ERR_PARSE, ERR_EXISTS. */
MUST_USE int snapshot_restore(const char *path, const char *data_dir, int64_t *ret_revision,
                              struct err *err);
