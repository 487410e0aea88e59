/* snapshot_pki.h - the folder <data-dir>/pki in a snapshot's file. Layer: cmd. Threads: any;
 * blocks. */
#pragma once
#include "store/backup_file.h"

/** Adds what <data_dir>/pki holds to the snapshot open (read-write) at @fd, which is read and
 *  verified from its start, whatever the file's offset, and syncs it. After an error it may be no
 *  whole file any more. ERR_NOT_FOUND (there is no pki), ERR_EXISTS (it has one already),
 *  ERR_TOO_LARGE (files or their number), ERR_NOT_ALLOWED (something there is no plain file or
 *  folder; the snapshot is of format 1), ERR_PARSE, ERR_IO. */
MUST_USE int snapshot_add_pki(int fd, const char *data_dir, struct err *err);
/** Writes @f below <data_dir>/pki, where it must not be yet, and syncs it. ERR_IO. */
MUST_USE int snapshot_put_pki(const char *data_dir, const struct backup_pki_file *f,
                              struct err *err);
