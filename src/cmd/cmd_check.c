/* SPDX-License-Identifier: Apache-2.0 */
/* cmd_check.c - preflight: what this machine lacks to run a node, and what to do about it. */
#include "base/buf.h"
#include "base/clock.h"
#include "cmd/cmd.h"
#include "cmd/files.h"
#include "cmd/flags.h"
#include "cmd/pki.h"

#include <errno.h>
#include <linux/capability.h>
#include <stdio.h>
#include <sys/prctl.h>
#include <sys/statvfs.h>

enum outcome { CHECK_OK, CHECK_NOTE, CHECK_FAIL };
struct check_ctx {
    const char *data_dir;
    struct arena *arena;
    const char *text; /* set by a check: what was seen */
    const char *fix;  /* what to do, for NOTE and FAIL */
};
struct check {
    const char *name;
    enum outcome (*run)(struct check_ctx *c);
};

static enum outcome check_root(struct check_ctx *c)
{
    c->text = geteuid() == 0 ? "running as root" : "not running as root";
    c->fix = "run as root; or run without a node: skiff server --disable=kubelet,proxy,dns";
    return geteuid() == 0 ? CHECK_OK : CHECK_FAIL;
}

static const char *find_program(struct arena *a, const char *name)
{
    static const char *const dirs[] = {"/usr/local/sbin", "/usr/local/bin", "/usr/sbin",
                                       "/usr/bin",        "/sbin",          "/bin"};

    for (size_t i = 0; i < ARRAY_LEN(dirs); i++) {
        const char *path = arena_printf(a, "%s/%s", dirs[i], name);

        if (access(path, X_OK) == 0)
            return path;
    }
    return NULL;
}

static enum outcome check_program(struct check_ctx *c, const char *name, const char *package)
{
    const char *path = find_program(c->arena, name);

    c->text = path ? path : arena_printf(c->arena, "%s not found", name);
    c->fix = arena_printf(c->arena, "apt-get install %s", package);
    return path ? CHECK_OK : CHECK_FAIL;
}

static enum outcome check_containerd(struct check_ctx *c)
{
    return check_program(c, "containerd", "containerd");
}

static enum outcome check_runc(struct check_ctx *c)
{
    return check_program(c, "runc", "runc");
}

/* The bridge and portmap plugins call it. */
static enum outcome check_iptables(struct check_ctx *c)
{
    return check_program(c, "iptables", "iptables");
}

static enum outcome check_cni(struct check_ctx *c)
{
    static const char *const plugins[] = {"bridge", "host-local", "portmap", "loopback"};

    for (size_t i = 0; i < ARRAY_LEN(plugins); i++) {
        const char *path = arena_printf(c->arena, "/usr/lib/cni/%s", plugins[i]);

        if (access(path, X_OK) == 0)
            continue;
        c->text = arena_printf(c->arena, "%s not found", path);
        c->fix = "apt-get install containernetworking-plugins";
        return CHECK_FAIL;
    }
    c->text = "bridge, host-local, portmap, loopback in /usr/lib/cni";
    return CHECK_OK;
}

static enum outcome check_cgroups(struct check_ctx *c)
{
    static const char *const controllers[] = {"cpu", "memory", "pids"};
    struct str text;
    struct err err = {0};

    if (file_exists("/sys/fs/cgroup/cgroup.controllers")) {
        c->text = "cgroup v2";
        return CHECK_OK;
    }
    if (file_read("/proc/cgroups", c->arena, &text, &err) < 0) {
        c->text = arena_strdup(c->arena, err.msg);
        c->fix = "mount the cgroup filesystems: apt-get install cgroupfs-mount";
        return CHECK_FAIL;
    }
    for (size_t i = 0; i < ARRAY_LEN(controllers); i++) {
        if (file_exists(arena_printf(c->arena, "/sys/fs/cgroup/%s", controllers[i])))
            continue;
        c->text = arena_printf(c->arena, "cgroup v1 without the controller %s", controllers[i]);
        c->fix = "boot with this controller enabled, or with systemd.unified_cgroup_hierarchy=1";
        return CHECK_FAIL;
    }
    c->text = "cgroup v1";
    return CHECK_OK;
}

static enum outcome check_sys_resource(struct check_ctx *c)
{
    if (prctl(PR_CAPBSET_READ, CAP_SYS_RESOURCE, 0, 0, 0) == 1) {
        c->text = "CAP_SYS_RESOURCE is there";
        return CHECK_OK;
    }
    c->text = "CAP_SYS_RESOURCE is missing: processes may not lower their oom_score_adj";
    c->fix = "nothing to do: skiff sets containerd's restrict_oom_score_adj and clamps its own "
             "writes; without that runc fails with \"can't get final child's PID from pipe: EOF\"";
    return CHECK_NOTE;
}

static enum outcome check_filesystem(struct check_ctx *c, const char *name, const char *fix)
{
    struct str text;
    struct err err = {0};

    if (file_read("/proc/filesystems", c->arena, &text, &err) == 0 &&
        str_find(text, str_from(name)) >= 0) {
        c->text = arena_printf(c->arena, "%s is known to the kernel", name);
        return CHECK_OK;
    }
    c->text = arena_printf(c->arena, "%s is not known to the kernel (yet)", name);
    c->fix = fix;
    return CHECK_NOTE;
}

static enum outcome check_overlay(struct check_ctx *c)
{
    return check_filesystem(c, "overlay", "modprobe overlay; it may also load by itself when used");
}

static enum outcome check_forwarding(struct check_ctx *c)
{
    struct str text;
    struct err err = {0};
    int r = file_read("/proc/sys/net/ipv4/ip_forward", c->arena, &text, &err);

    if (r == 0 && str_eq(str_trim(text), STR("1"))) {
        c->text = "net.ipv4.ip_forward is 1";
        return CHECK_OK;
    }
    c->text = r < 0 ? arena_strdup(c->arena, err.msg) : "net.ipv4.ip_forward is 0";
    c->fix = "nothing to do: skiff server sets it, and make down puts it back";
    return CHECK_NOTE;
}

/* The folder that is there, of @dir and those above it: on its disk it will be. */
static const char *existing(struct arena *a, const char *dir)
{
    char *p = arena_strdup(a, dir);

    while (!file_exists(p)) {
        char *slash = strrchr(p, '/');

        if (!slash)
            return ".";
        if (slash == p)
            return "/";
        *slash = '\0';
    }
    return p;
}

static enum outcome check_disk(struct check_ctx *c)
{
    struct statvfs fs;
    const char *dir = existing(c->arena, c->data_dir);
    uint64_t free_mib;

    if (statvfs(dir, &fs) < 0) {
        c->text = arena_printf(c->arena, "%s: %s", dir, strerror(errno));
        c->fix = "choose another --data-dir";
        return CHECK_FAIL;
    }
    free_mib = (uint64_t)fs.f_bavail * fs.f_frsize >> 20;
    c->text = arena_printf(c->arena, "%llu MiB free under %s", (unsigned long long)free_mib, dir);
    c->fix = "make room, or choose another --data-dir: images and logs need about 1 GiB";
    return free_mib < 256 ? CHECK_FAIL : free_mib < 1024 ? CHECK_NOTE : CHECK_OK;
}

static enum outcome check_certificates(struct check_ctx *c)
{
    const char *dir = arena_printf(c->arena, "%s/pki", c->data_dir);
    const char *path = arena_printf(c->arena, "%s/ca.crt", dir);
    const struct clock *clock = clock_real();
    struct str ca;
    struct err err = {0};
    bool ended;
    int r = file_read(path, c->arena, &ca, &err);

    if (r == ERR_NOT_FOUND) {
        c->text = "none yet: made at the first start";
        return CHECK_OK;
    }
    if (r < 0) {
        c->text = arena_strdup(c->arena, err.msg);
        c->fix = arena_printf(c->arena, "make %s readable for root", path);
        return CHECK_FAIL;
    }
    c->fix = pki_ca_warning(ca, dir, clock->wall_ns(clock) / 1000000000, c->arena, &ended);
    c->text = !c->fix ? "the CA has more than a year left; the others renew themselves"
              : ended ? "the CA has ended: nobody trusts this cluster any more"
                      : "the CA ends in less than a year, and with it every certificate";
    return !c->fix ? CHECK_OK : ended ? CHECK_FAIL : CHECK_NOTE;
}

static const struct check checks[] = {
    {"root", check_root},
    {"containerd", check_containerd},
    {"runc", check_runc},
    {"cni plugins", check_cni},
    {"iptables", check_iptables},
    {"cgroups", check_cgroups},
    {"capabilities", check_sys_resource},
    {"overlayfs", check_overlay},
    {"forwarding", check_forwarding},
    {"disk", check_disk},
    {"certificates", check_certificates},
};

int cmd_check(int argc, char **argv)
{
    static const char *const marks[] = {"ok  ", "note", "FAIL"};
    const char *data_dir = "/var/lib/skiff";
    const struct flag flags[] = {
        {"data-dir", FLAG_STRING, &data_dir, "DIR", "where the server would keep its state"},
        {0}};
    struct err err = {0};
    int words = 0, failed = 0;
    int r = flags_parse(flags, argc, argv, &words, &err);

    if (r == FLAGS_HELP) {
        flags_help(flags, "Usage: skiff check [flags]\n\nTells what this machine lacks to run a "
                          "node, and what to do about it.", stdout);
        return 0;
    }
    if (r == 0 && words > 0)
        r = err_new(&err, ERR_BAD_REQUEST, "\"%s\" is no flag; see --help", argv[1]);
    if (r < 0) {
        fprintf(stderr, "skiff check: %s\n", err.msg);
        return 2;
    }
    for (size_t i = 0; i < ARRAY_LEN(checks); i++) {
        auto_arena a = {0};
        struct check_ctx c = {.data_dir = data_dir, .arena = &a};
        enum outcome o = checks[i].run(&c);

        printf("[%s] %-13s %s\n", marks[o], checks[i].name, c.text);
        if (o != CHECK_OK)
            printf("%21s-> %s\n", "", c.fix);
        failed += o == CHECK_FAIL;
    }
    printf(failed ? "%d checks failed: this machine cannot run a node yet\n"
                  : "this machine can run a node\n",
           failed);
    return failed ? 1 : 0;
}
