/* SPDX-License-Identifier: Apache-2.0 */
/* node_host.c - what the host is and has: processors, memory, disk, identity. */
#include "kubelet/node_host.h"

#include "kubelet/files.h"

#include <sys/statvfs.h>
#include <sys/utsname.h>

enum { TEXT_MAX = 64 * 1024 };

static struct str read_text(const char *path, struct arena *a)
{
    struct str s;
    struct err err = {0};

    return kfile_read(path, TEXT_MAX, a, &s, &err) < 0 ? STR("") : str_trim(s);
}

static int64_t read_number(const char *path, struct arena *a)
{
    int64_t v = 0;

    return str_to_i64(str_cut(read_text(path, a), '\t', &(struct str){0}), &v) ? v : 0;
}

/* The number of kB after "<key>:" in /proc/meminfo, in bytes. */
static int64_t meminfo(struct str text, struct str key)
{
    while (text.p && text.len > 0) {
        struct str line = str_cut(text, '\n', &text), rest;
        int64_t v;

        if (str_eq(str_cut(line, ':', &rest), key) &&
            str_to_i64(str_cut(str_trim(rest), ' ', &(struct str){0}), &v))
            return v * 1024;
    }
    return 0;
}

static const char *pretty_name(struct arena *a)
{
    struct str text = read_text("/etc/os-release", a), line, value;

    while (text.p && text.len > 0) {
        line = str_cut(text, '\n', &text);
        if (!str_eq(str_cut(line, '=', &value), STR("PRETTY_NAME")))
            continue;
        if (value.len >= 2 && value.p[0] == '"')
            value = str_sub(value, 1, value.len - 2);
        return str_dupz(a, value);
    }
    return "Linux";
}

static const char *go_arch(const char *machine, struct arena *a)
{
    static const char *const names[][2] = {
        {"x86_64", "amd64"}, {"aarch64", "arm64"}, {"armv7l", "arm"},
        {"i686", "386"},     {"riscv64", "riscv64"},
    };

    for (size_t i = 0; i < ARRAY_LEN(names); i++) {
        if (strcmp(machine, names[i][0]) == 0)
            return names[i][1];
    }
    return arena_strdup(a, machine);
}

static void read_hugepages(struct node_host *h, struct arena *a)
{
    static const char *const dir2 = "/sys/kernel/mm/hugepages/hugepages-2048kB";
    static const char *const dir1 = "/sys/kernel/mm/hugepages/hugepages-1048576kB";

    h->hugepages_2m = access(dir2, F_OK) == 0;
    h->hugepages_1g = access(dir1, F_OK) == 0;
    h->hugepages_2m_bytes =
        read_number(arena_printf(a, "%s/nr_hugepages", dir2), a) * (INT64_C(1) << 21);
    h->hugepages_1g_bytes =
        read_number(arena_printf(a, "%s/nr_hugepages", dir1), a) * (INT64_C(1) << 30);
}

static void read_disk(struct node_host *h, const char *root_dir)
{
    struct statvfs fs;

    if (statvfs(root_dir, &fs) < 0 && statvfs("/", &fs) < 0)
        return;
    h->disk_bytes = (int64_t)(fs.f_blocks * fs.f_frsize);
    h->disk_available_bytes = (int64_t)(fs.f_bavail * fs.f_frsize);
    h->inodes = (int64_t)fs.f_files;
    h->inodes_free = (int64_t)fs.f_ffree;
}

void node_host_read(struct node_host *h, const char *root_dir, struct arena *a)
{
    struct str memory = read_text("/proc/meminfo", a), load = read_text("/proc/loadavg", a), rest;
    struct utsname u = {0};

    *h = (struct node_host){0};
    h->cpus = MAX(sysconf(_SC_NPROCESSORS_ONLN), 1);
    h->memory_bytes = meminfo(memory, STR("MemTotal"));
    h->memory_available_bytes = meminfo(memory, STR("MemAvailable"));
    read_disk(h, root_dir);
    read_hugepages(h, a);
    h->pids_max = read_number("/proc/sys/kernel/pid_max", a);
    (void)str_cut(load, '/', &rest); /* "0.1 0.2 0.3 1/234 567": 234 tasks */
    (void)str_to_i64(str_cut(rest, ' ', &(struct str){0}), &h->pids);
    h->machine_id = str_dupz(a, read_text("/etc/machine-id", a));
    h->system_uuid = str_dupz(a, read_text("/sys/class/dmi/id/product_uuid", a));
    if (!*h->system_uuid)
        h->system_uuid = h->machine_id;
    h->boot_id = str_dupz(a, read_text("/proc/sys/kernel/random/boot_id", a));
    h->os_image = pretty_name(a);
    (void)uname(&u);
    h->kernel = arena_strdup(a, u.release);
    h->hostname = arena_strdup(a, u.nodename);
    h->arch = go_arch(u.machine, a);
}
