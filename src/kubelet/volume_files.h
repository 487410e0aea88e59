/* SPDX-License-Identifier: Apache-2.0 */
/* volume_files.h - a volume on the host's disk: its folder, its files, its end.
 *
 * Layer: kubelet. Threads: any; blocks, so worker threads. */
#pragma once
#include "base/err.h"
#include "base/str.h"
#include <sys/types.h>

enum { VOLUME_DIGEST_BYTES = 32, VOLUME_ID_NONE = -1 };
enum volume_kind {
    VOLUME_EMPTY_DIR,
    VOLUME_FILES,     /* written by the node, as a whole */
    VOLUME_HOST_PATH, /* only looked at, or made */
};
struct volume_file {
    struct str path; /* inside the volume */
    struct str data;
    mode_t mode;
    int64_t uid; /* owner; VOLUME_ID_NONE: root */
};
struct volume_work { /* one volume to be brought about */
    enum volume_kind kind;
    struct str name;
    const char *path; /* on the host */
    bool tmpfs;
    int64_t tmpfs_bytes; /* 0: the kernel's own limit */
    int64_t fs_group;    /* VOLUME_ID_NONE: none */
    struct str host_type; /* "", "Directory", ... */
    struct volume_file *files;
    size_t n_files;
    const char *stamp; /* name of the next data folder: "..2026_01_01_00_00_00.123" */
    uint8_t digest[VOLUME_DIGEST_BYTES]; /* of what is written; compared and set */
    bool written;                        /* digest is known */
};
/** Brings the volume about; what is as it should be is left alone. ERR_IO, ERR_INVALID. */
MUST_USE int volume_bring_about(struct volume_work *w, struct err *err);
/** Writes @w's files as one: a new folder, then one rename of the link "..data". ERR_IO. */
MUST_USE int volume_write_files(const struct volume_work *w, struct err *err);
/** Unmounts what is mounted below a pod's folder, then removes the folder. ERR_IO. */
MUST_USE int volume_remove_all(const char *pod_dir, struct err *err);
