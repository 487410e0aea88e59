/* SPDX-License-Identifier: Apache-2.0 */
/* node_host.h - what the host is and has: processors, memory, disk, identity.
 * Layer: kubelet. Threads: any; reads /proc, /sys and /etc, so worker threads. */
#pragma once
#include "base/str.h"
#include <stdint.h>

struct node_host { /* strings in the arena given */
    int64_t cpus, memory_bytes, memory_available_bytes;
    int64_t disk_bytes, disk_available_bytes, inodes, inodes_free;
    int64_t pids_max, pids;
    bool hugepages_2m, hugepages_1g; /* the kernel has pages of this size */
    int64_t hugepages_2m_bytes, hugepages_1g_bytes;
    const char *machine_id, *system_uuid, *boot_id, *kernel, *os_image, *arch, *hostname;
};
/** Looks at the host; the disk is that of @root_dir. What cannot be read stays 0 or "". */
void node_host_read(struct node_host *h, const char *root_dir, struct arena *a);
