/* SPDX-License-Identifier: Apache-2.0 */
/* mounts.c - what is mounted into a container: volumes, parts of volumes, hosts file, last words.
 *
 * A part of a volume (subPath) is found by openat2() inside the volume, whatever links its owner
 * puts there, and bound through the descriptor, so that it cannot be exchanged meanwhile. */
#include "kubelet/files.h"
#include "kubelet/pod_config.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/syscall.h>

enum {
    POD_DIR_MODE = 0750,
    MESSAGE_FILE_MODE = 0666,
    HOSTS_MODE = 0644,
    HOSTS_MAX = 1024 * 1024,
};

struct planned {
    const char *container_path;
    const char *host_path;
    bool read_only;
    Runtime__V1__MountPropagation propagation;
    /* A part of the volume: @volume / @sub is bound at host_path. NULL: the whole. */
    const char *volume, *sub;
};
struct mount_plan {
    struct arena *arena;
    const char *pod_dir;
    const char *hosts_file, *hosts_beside; /* NULL: not managed */
    const char *message_file;              /* NULL: none */
    bool host_network;
    const struct core_pod *pod; /* borrowed; the caller keeps the object */
    const char *const *ips;
    size_t n_ips;
    char *hostname, *domain;
    struct planned *list;
    size_t n;
};

static struct planned *add(struct mount_plan *p)
{
    p->list = arena_grow(p->arena, p->list, p->n, p->n + 1, sizeof(*p->list));
    return &p->list[p->n++];
}

static bool sub_path_ok(struct str s)
{
    struct str part;

    if (s.len > 0 && s.p[0] == '/')
        return false;
    while (s.p) {
        part = str_cut(s, '/', &s);
        if (str_eq(part, STR("..")))
            return false;
    }
    return true;
}

static int plan_sub_path(struct mount_plan *p, struct planned *m, const struct kcontainer *kc,
                         const struct core_volume_mount *vm, size_t at, const struct env *env,
                         struct err *err)
{
    struct str sub = vm->sub_path;
    bool missing = false;

    if (!str_empty(vm->sub_path_expr)) {
        sub = env_expand(env, NULL, vm->sub_path_expr, p->arena, &missing);
        if (missing)
            return err_new(err, ERR_INVALID, "missing value for \"%.*s\"",
                           STR_ARG(vm->sub_path_expr));
    }
    if (str_empty(sub))
        return 0;
    if (!sub_path_ok(sub))
        return err_new(err, ERR_INVALID, "error SubPath `%.*s` must be a local path without '..'",
                       STR_ARG(sub));
    m->volume = m->host_path;
    m->sub = str_dupz(p->arena, sub);
    m->host_path = arena_printf(p->arena, "%s/volume-subpaths/%.*s/%s/%zu", p->pod_dir,
                                STR_ARG(vm->name), kc->name, at);
    return 0;
}

static int plan_volume(struct mount_plan *p, const struct kcontainer *kc,
                       const struct core_volume_mount *vm, size_t at, const struct env *env,
                       struct err *err)
{
    struct planned m = {0};
    struct volume_path path;
    struct str propagation = vm->mount_propagation ? *vm->mount_propagation : STR("None");
    int r = volume_find(kc->pod, vm->name, p->arena, &path, err);

    if (r < 0)
        return r;
    m.container_path = str_has_prefix(vm->mount_path, STR("/"))
                           ? str_dupz(p->arena, vm->mount_path)
                           : arena_printf(p->arena, "/%.*s", STR_ARG(vm->mount_path));
    m.host_path = path.path;
    m.read_only = vm->read_only || path.read_only;
    if (str_eq(propagation, STR("HostToContainer")))
        m.propagation = RUNTIME__V1__MOUNT_PROPAGATION__PROPAGATION_HOST_TO_CONTAINER;
    else if (str_eq(propagation, STR("Bidirectional")))
        m.propagation = RUNTIME__V1__MOUNT_PROPAGATION__PROPAGATION_BIDIRECTIONAL;
    r = plan_sub_path(p, &m, kc, vm, at, env, err);
    if (r == 0)
        *add(p) = m;
    return r;
}

static bool mounts_at(const struct core_container *c, const char *path)
{
    for (size_t i = 0; i < c->volume_mounts.n; i++) {
        if (str_eqz(c->volume_mounts.v[i].mount_path, path))
            return true;
    }
    return false;
}

static int plan_hosts(struct mount_plan *p, const struct kcontainer *kc,
                      const struct core_container *c, struct err *err)
{
    const struct kpod *kp = kc->pod;
    char **ips = arena_calloc(p->arena, kp->sandbox.ips.n + 1, sizeof(*ips));
    struct planned *m;
    int r;

    if (mounts_at(c, "/etc/hosts") || kp->sandbox.ips.n == 0)
        return 0;
    r = pod_hostname(kp, p->arena, &p->hostname, &p->domain, err);
    if (r < 0)
        return r;
    for (size_t i = 0; i < kp->sandbox.ips.n; i++)
        ips[i] = arena_strdup(p->arena, kp->sandbox.ips.v[i]);
    p->ips = (const char *const *)ips;
    p->n_ips = kp->sandbox.ips.n;
    p->hosts_file = arena_printf(p->arena, "%s/etc-hosts", p->pod_dir);
    p->hosts_beside = arena_printf(p->arena, "%s/etc-hosts-%s", p->pod_dir, kc->name);
    m = add(p);
    m->container_path = "/etc/hosts";
    m->host_path = p->hosts_file;
    return 0;
}

int mounts_plan(const struct kcontainer *kc, const struct core_container *c, const struct env *env,
                struct arena *a, struct mount_plan **ret_plan, struct err *err)
{
    struct mount_plan *p = arena_new(a, struct mount_plan);
    struct planned *m;
    int r;

    p->arena = a;
    p->pod = kc->pod->pod;
    p->host_network = p->pod->spec.host_network;
    p->pod_dir = kpod_dir(kc->pod->kl, kc->pod->uid, a);
    if (c->volume_devices.n > 0)
        return err_new(err, ERR_INVALID, "block volumes are not supported by this node");
    for (size_t i = 0; i < c->volume_mounts.n; i++) {
        r = plan_volume(p, kc, &c->volume_mounts.v[i], i, env, err);
        if (r < 0)
            return r;
    }
    r = plan_hosts(p, kc, c, err);
    if (r < 0)
        return r;
    if (!str_empty(c->termination_message_path)) {
        p->message_file = kcontainer_message_file(kc, kc->attempt, a);
        m = add(p);
        m->container_path = str_dupz(a, c->termination_message_path);
        m->host_path = p->message_file;
    }
    *ret_plan = p;
    return 0;
}

struct str hosts_text(const struct core_pod *pod, const char *const *ips, size_t n_ips,
                      const char *hostname, const char *domain, const char *host_file,
                      struct arena *a)
{
    auto_buf b = {0};

    if (host_file) {
        buf_printf(&b, "# Kubernetes-managed hosts file (host network).\n%s", host_file);
    } else {
        buf_puts(&b, "# Kubernetes-managed hosts file.\n"
                     "127.0.0.1\tlocalhost\n"
                     "::1\tlocalhost ip6-localhost ip6-loopback\n"
                     "fe00::0\tip6-localnet\n"
                     "fe00::0\tip6-mcastprefix\n"
                     "fe00::1\tip6-allnodes\n"
                     "fe00::2\tip6-allrouters\n");
        for (size_t i = 0; i < n_ips; i++) {
            if (domain)
                buf_printf(&b, "%s\t%s.%s\t%s\n", ips[i], hostname, domain, hostname);
            else
                buf_printf(&b, "%s\t%s\n", ips[i], hostname);
        }
    }
    if (pod->spec.host_aliases.n > 0)
        buf_puts(&b, "\n# Entries added by HostAliases.\n");
    for (size_t i = 0; i < pod->spec.host_aliases.n; i++) {
        const struct core_host_alias *h = &pod->spec.host_aliases.v[i];

        buf_str(&b, h->ip);
        for (size_t k = 0; k < h->hostnames.n; k++) {
            buf_putc(&b, '\t');
            buf_str(&b, h->hostnames.v[k]);
        }
        buf_putc(&b, '\n');
    }
    return str_dup(a, buf_view(&b));
}

/* Replaced as a whole, and only if it changed: containers keep what they have mounted. */
static int write_hosts(const struct mount_plan *p, struct err *err)
{
    struct str own, text, old;
    const char *host_file = NULL;
    struct err ignored = {0};
    int r;

    if (p->host_network) {
        r = kfile_read("/etc/hosts", HOSTS_MAX, p->arena, &own, err);
        if (r < 0)
            return r;
        host_file = str_dupz(p->arena, own);
    }
    text = hosts_text(p->pod, p->ips, p->n_ips, p->hostname, p->domain, host_file, p->arena);
    if (kfile_read(p->hosts_file, HOSTS_MAX, p->arena, &old, &ignored) == 0 && str_eq(old, text))
        return 0;
    r = kfile_write(p->hosts_beside, text, HOSTS_MODE, err);
    if (r == 0 && rename(p->hosts_beside, p->hosts_file) < 0)
        r = err_new(err, ERR_IO, "write %s: %s", p->hosts_file, strerror(errno));
    return r;
}

static int make_parent(const struct mount_plan *p, const char *path, struct err *err)
{
    long slash = str_rfind_char(str_from(path), '/');

    return kfolder_make(arena_memdupz(p->arena, path, (size_t)slash), POD_DIR_MODE, err);
}

static int open_inside(int dir, const char *path, uint64_t flags)
{
    struct open_how how = {.flags = flags | O_CLOEXEC,
                           .resolve = RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS};

    return (int)syscall(SYS_openat2, dir, path, &how, sizeof(how));
}

/* Makes what is missing of @sub inside the volume, folder by folder. */
static int make_inside(const struct mount_plan *p, int root, const char *sub, struct err *err)
{
    struct str rest = str_from(sub), part, done = STR("");
    struct stat st;

    if (fstat(root, &st) < 0)
        return err_new(err, ERR_IO, "look at the volume: %s", strerror(errno));

    while (rest.p) {
        auto_fd dir = -1, found = -1;
        const char *above = str_empty(done) ? "." : str_dupz(p->arena, done), *name;

        part = str_cut(rest, '/', &rest);
        if (str_empty(part) || str_eq(part, STR(".")))
            continue;
        name = str_dupz(p->arena, part);
        dir = open_inside(root, above, O_PATH | O_DIRECTORY);
        if (dir < 0)
            return err_new(err, ERR_IO, "open %s in the volume: %s", above, strerror(errno));
        done = str_printf(p->arena, "%s/%s", above, name);
        found = open_inside(root, done.p, O_PATH);
        if (found >= 0)
            continue;
        if (mkdirat(dir, name, 0700) == 0) { /* who may use the volume may use its part */
            if (fchmodat(dir, name, st.st_mode & 07777, 0) < 0)
                return err_new(err, ERR_IO, "make %s in the volume: %s", sub, strerror(errno));
        } else if (errno != EEXIST) {
            return err_new(err, ERR_IO, "make %s in the volume: %s", sub, strerror(errno));
        }
    }
    return 0;
}

static int touch(const char *path, mode_t mode, struct err *err)
{
    auto_fd fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC | O_NOFOLLOW, mode);

    if (fd < 0 || fchmod(fd, mode) < 0)
        return err_new(err, ERR_IO, "make %s: %s", path, strerror(errno));
    return 0;
}

static int bind_part(const struct mount_plan *p, const struct planned *m, struct err *err)
{
    auto_fd root = open(m->volume, O_PATH | O_DIRECTORY | O_CLOEXEC), part = -1;
    struct stat st;
    int r;

    if (root < 0)
        return err_new(err, ERR_IO, "open %s: %s", m->volume, strerror(errno));
    part = open_inside(root, m->sub, O_PATH);
    if (part < 0 && errno == ENOENT) {
        r = make_inside(p, root, m->sub, err);
        if (r < 0)
            return r;
        part = open_inside(root, m->sub, O_PATH);
    }
    if (part < 0 || fstat(part, &st) < 0)
        return err_new(err, ERR_IO, "open subPath %s: %s", m->sub, strerror(errno));
    r = make_parent(p, m->host_path, err);
    if (r < 0)
        return r;
    (void)umount2(m->host_path, MNT_DETACH | UMOUNT_NOFOLLOW); /* of an earlier attempt */
    r = S_ISDIR(st.st_mode) ? kfolder_make(m->host_path, POD_DIR_MODE, err)
                            : touch(m->host_path, 0640, err);
    if (r == 0 && mount(arena_printf(p->arena, "/proc/self/fd/%d", part), m->host_path, NULL,
                        MS_BIND | MS_REC, NULL) < 0)
        r = err_new(err, ERR_IO, "bind subPath %s: %s", m->sub, strerror(errno));
    return r;
}

int mounts_prepare(struct mount_plan *p, struct err *err)
{
    int r = kfolder_make(p->pod_dir, POD_DIR_MODE, err);

    if (r == 0 && p->hosts_file)
        r = write_hosts(p, err);
    if (r == 0 && p->message_file) {
        r = make_parent(p, p->message_file, err);
        if (r == 0)
            r = touch(p->message_file, MESSAGE_FILE_MODE, err);
    }
    for (size_t i = 0; i < p->n && r == 0; i++) {
        if (p->list[i].sub)
            r = bind_part(p, &p->list[i], err);
    }
    return r;
}

void mounts_apply(const struct mount_plan *p, Runtime__V1__ContainerConfig *c)
{
    c->mounts = arena_calloc(p->arena, p->n + 1, sizeof(*c->mounts));
    for (size_t i = 0; i < p->n; i++) {
        Runtime__V1__Mount *m = arena_new(p->arena, Runtime__V1__Mount);

        runtime__v1__mount__init(m);
        m->container_path = arena_strdup(p->arena, p->list[i].container_path);
        m->host_path = arena_strdup(p->arena, p->list[i].host_path);
        m->readonly = p->list[i].read_only;
        m->propagation = p->list[i].propagation;
        c->mounts[c->n_mounts++] = m;
    }
}
