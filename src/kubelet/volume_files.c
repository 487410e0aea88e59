/* SPDX-License-Identifier: Apache-2.0 */
/* volume_files.c - a volume on the host's disk: its folder, its files, its end. */
#include "kubelet/volume_files.h"

#include "kubelet/files.h"
#include "kubelet/pod_internal.h"
#include "net/crypto.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <sys/mount.h>
#include <sys/stat.h>

enum { DIR_MODE = 0777, PARENT_MODE = 0750, DATA_DIR_MODE = 0755 };

static int io_error(struct err *err, const char *what, const char *path)
{
    return err_new(err, ERR_IO, "%s %s: %s", what, path, strerror(errno));
}

static bool is_mount(const char *path)
{
    auto_arena a = {0};
    struct stat st, above;

    return stat(path, &st) == 0 && stat(arena_printf(&a, "%s/..", path), &above) == 0 &&
           st.st_dev != above.st_dev;
}

static int mount_tmpfs(const struct volume_work *w, struct err *err)
{
    auto_arena a = {0};
    const char *options = w->tmpfs_bytes > 0
                              ? arena_printf(&a, "mode=0777,size=%lld", (long long)w->tmpfs_bytes)
                              : "mode=0777";

    if (is_mount(w->path))
        return 0;
    if (mount("tmpfs", w->path, "tmpfs", 0, options) < 0)
        return io_error(err, "mount tmpfs at", w->path);
    return 0;
}

/* The group owns the folder, and what is made in it. */
static int give_to_group(const struct volume_work *w, struct err *err)
{
    struct stat st;

    if (w->fs_group == VOLUME_ID_NONE)
        return 0;
    if (stat(w->path, &st) < 0 || chown(w->path, (uid_t)-1, (gid_t)w->fs_group) < 0 ||
        chmod(w->path, (st.st_mode & 07777) | 02770) < 0)
        return io_error(err, "set the group of", w->path);
    return 0;
}

static int make_folder(const struct volume_work *w, struct err *err)
{
    auto_arena a = {0};
    long slash = str_rfind_char(str_from(w->path), '/');
    struct stat st;
    int r = kfolder_make(arena_memdupz(&a, w->path, (size_t)slash), PARENT_MODE, err);

    if (r < 0)
        return r;
    if (mkdir(w->path, DIR_MODE) < 0 && errno != EEXIST)
        return io_error(err, "make folder", w->path);
    if (w->tmpfs)
        r = mount_tmpfs(w, err);
    /* mkdir() heeds the umask; a folder with a group of its own has been here before. */
    if (r == 0 && (stat(w->path, &st) < 0 ||
                   (!(st.st_mode & S_ISGID) && chmod(w->path, DIR_MODE) < 0)))
        r = io_error(err, "open to all", w->path);
    return r == 0 ? give_to_group(w, err) : r;
}

static bool path_ok(struct str path)
{
    struct str rest = path, part;

    if (str_empty(path) || path.p[0] == '/')
        return false;
    while (rest.p) {
        part = str_cut(rest, '/', &rest);
        if (str_empty(part) || str_eq(part, STR("..")) || str_eq(part, STR(".")))
            return false;
    }
    return true;
}

static int write_file(const struct volume_work *w, const char *dir, const struct volume_file *f,
                      struct err *err)
{
    auto_arena a = {0};
    bool group = w->fs_group != VOLUME_ID_NONE;
    const char *path = arena_printf(&a, "%s/%.*s", dir, STR_ARG(f->path));
    struct str rest = f->data;
    auto_fd fd = -1;
    char *slash;

    /* Folders in between, each for all to enter. */
    for (slash = strchr(path + strlen(dir) + 1, '/'); slash; slash = strchr(slash + 1, '/')) {
        *slash = '\0';
        if ((mkdir(path, DATA_DIR_MODE) < 0 && errno != EEXIST) ||
            (group && chown(path, (uid_t)-1, (gid_t)w->fs_group) < 0) ||
            chmod(path, DATA_DIR_MODE) < 0)
            return io_error(err, "make folder", path);
        *slash = '/';
    }
    fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (fd < 0)
        return io_error(err, "make", path);
    while (rest.len > 0) {
        ssize_t n = write(fd, rest.p, rest.len);

        if (n < 0)
            return io_error(err, "write", path);
        rest = str_sub(rest, (size_t)n, rest.len);
    }
    if (fchown(fd, f->uid == VOLUME_ID_NONE ? 0 : (uid_t)f->uid,
               group ? (gid_t)w->fs_group : 0) < 0 ||
        fchmod(fd, f->mode | (group ? 0440 : 0)) < 0)
        return io_error(err, "set the owner of", path);
    return 0;
}

static bool in_payload(const struct volume_work *w, const char *name)
{
    for (size_t i = 0; i < w->n_files; i++) {
        if (str_eqz(str_cut(w->files[i].path, '/', &(struct str){0}), name))
            return true;
    }
    return false;
}

/* Links for what is there now, none for what is no longer; old data folders go. */
static int tidy(const struct volume_work *w, struct err *err)
{
    auto_arena a = {0};
    struct dirent *e;
    DIR *d;

    for (size_t i = 0; i < w->n_files; i++) {
        struct str first = str_cut(w->files[i].path, '/', &(struct str){0});
        const char *link = arena_printf(&a, "%s/%.*s", w->path, STR_ARG(first));

        if (symlink(arena_printf(&a, "..data/%.*s", STR_ARG(first)), link) < 0 && errno != EEXIST)
            return io_error(err, "link", link);
    }
    d = opendir(w->path);
    while (d && (e = readdir(d))) {
        const char *path = arena_printf(&a, "%s/%s", w->path, e->d_name);

        if (strcmp(e->d_name, ".") == 0 || strcmp(e->d_name, "..") == 0 ||
            strcmp(e->d_name, "..data") == 0 || strcmp(e->d_name, w->stamp) == 0)
            continue;
        if (strncmp(e->d_name, "..", 2) == 0)
            host_remove_tree(path);
        else if (!in_payload(w, e->d_name))
            (void)unlink(path);
    }
    if (d)
        (void)closedir(d);
    return 0;
}

int volume_write_files(const struct volume_work *w, struct err *err)
{
    auto_arena a = {0};
    const char *dir = arena_printf(&a, "%s/%s", w->path, w->stamp);
    const char *link = arena_printf(&a, "%s/..data", w->path);
    const char *beside = arena_printf(&a, "%s/..data_tmp", w->path);

    for (size_t i = 0; i < w->n_files; i++) {
        if (!path_ok(w->files[i].path))
            return err_new(err, ERR_INVALID, "invalid path: %.*s", STR_ARG(w->files[i].path));
    }
    if (mkdir(dir, DATA_DIR_MODE) < 0 || chmod(dir, DATA_DIR_MODE) < 0)
        return io_error(err, "make folder", dir);
    for (size_t i = 0; i < w->n_files; i++) {
        int r = write_file(w, dir, &w->files[i], err);

        if (r < 0) {
            host_remove_tree(dir);
            return r;
        }
    }
    (void)unlink(beside);
    if (symlink(w->stamp, beside) < 0 || rename(beside, link) < 0)
        return io_error(err, "link", link);
    return tidy(w, err);
}

static void digest_of(const struct volume_work *w, uint8_t ret_digest[VOLUME_DIGEST_BYTES])
{
    auto_buf b = {0};

    buf_i64(&b, w->fs_group);
    for (size_t i = 0; i < w->n_files; i++) {
        const struct volume_file *f = &w->files[i];

        buf_printf(&b, "\n%zu %zu %o %lld\n", f->path.len, f->data.len, f->mode,
                   (long long)f->uid);
        buf_str(&b, f->path);
        buf_str(&b, f->data);
    }
    sha256(buf_view(&b), ret_digest);
}

static int bring_files(struct volume_work *w, struct err *err)
{
    uint8_t digest[VOLUME_DIGEST_BYTES];
    int r;

    digest_of(w, digest);
    if (w->written && memcmp(digest, w->digest, sizeof(digest)) == 0)
        return 0;
    r = make_folder(w, err);
    if (r == 0)
        r = volume_write_files(w, err);
    if (r == 0) {
        memcpy(w->digest, digest, sizeof(digest));
        w->written = true;
    }
    return r;
}

struct host_kind {
    const char *type, *what;
    mode_t format;
};
static const struct host_kind host_kinds[] = {
    {"Directory", "directory", S_IFDIR},
    {"DirectoryOrCreate", "directory", S_IFDIR},
    {"File", "file", S_IFREG},
    {"FileOrCreate", "file", S_IFREG},
    {"Socket", "socket file", S_IFSOCK},
    {"CharDevice", "character device", S_IFCHR},
    {"BlockDevice", "block device", S_IFBLK},
};

static int make_host_path(const struct volume_work *w, struct err *err)
{
    if (str_eq(w->host_type, STR("DirectoryOrCreate")))
        return kfolder_make(w->path, 0755, err);
    if (str_eq(w->host_type, STR("FileOrCreate"))) {
        auto_fd fd = open(w->path, O_WRONLY | O_CREAT | O_CLOEXEC, 0644);

        return fd < 0 ? io_error(err, "make", w->path) : 0;
    }
    return 0;
}

static int check_host_path(const struct volume_work *w, struct err *err)
{
    struct stat st;

    if (str_empty(w->host_type))
        return 0;
    if (stat(w->path, &st) < 0) {
        int r = errno == ENOENT ? make_host_path(w, err) : 0;

        if (r < 0)
            return r;
    }
    for (size_t i = 0; i < ARRAY_LEN(host_kinds); i++) {
        if (!str_eqz(w->host_type, host_kinds[i].type))
            continue;
        if (stat(w->path, &st) == 0 && (st.st_mode & S_IFMT) == host_kinds[i].format)
            return 0;
        return err_new(err, ERR_INVALID, "hostPath type check failed: %s is not a %s", w->path,
                       host_kinds[i].what);
    }
    return err_new(err, ERR_INVALID, "%.*s is an invalid volume type", STR_ARG(w->host_type));
}

int volume_bring_about(struct volume_work *w, struct err *err)
{
    if (w->kind == VOLUME_HOST_PATH)
        return check_host_path(w, err);
    return w->kind == VOLUME_FILES ? bring_files(w, err) : make_folder(w, err);
}

/* Unmounts what is at, or @depth levels below, @path. */
static void unmount_below(const char *path, unsigned depth)
{
    auto_arena a = {0};
    struct dirent *e;
    DIR *d = depth > 0 ? opendir(path) : NULL;

    while (d && (e = readdir(d))) {
        const char *below = arena_printf(&a, "%s/%s", path, e->d_name);

        if (strcmp(e->d_name, ".") == 0 || strcmp(e->d_name, "..") == 0)
            continue;
        if (depth > 1 && e->d_type == DT_DIR)
            unmount_below(below, depth - 1);
        if (depth == 1)
            (void)umount2(below, UMOUNT_NOFOLLOW | MNT_DETACH); /* EINVAL: nothing is mounted */
    }
    if (d)
        (void)closedir(d);
}

int volume_remove_all(const char *pod_dir, struct err *err)
{
    auto_arena a = {0};

    unmount_below(arena_printf(&a, "%s/volume-subpaths", pod_dir), 3);
    unmount_below(arena_printf(&a, "%s/volumes", pod_dir), 2);
    host_remove_tree(pod_dir);
    if (access(pod_dir, F_OK) == 0)
        return err_new(err, ERR_IO, "cannot remove all of %s", pod_dir);
    return 0;
}
