/* SPDX-License-Identifier: Apache-2.0 */
/* The folder pki in a snapshot's file: what goes in comes out, and nowhere else. */
#include "test.h"

#include "cmd/files.h"
#include "cmd/snapshot_pki.h"
#include "net/crypto.h"

#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

struct rig {
    struct arena arena;
    const char *dir, *to; /* of data: saved, and restored to */
    int fd;               /* a snapshot */
    struct err err;
};

static const char *path_of(struct rig *g, const char *name)
{
    return arena_printf(&g->arena, "%s/pki/%s", g->dir, name);
}

static void rig_init(struct rig *g)
{
    struct backup_writer w;
    auto_buf file = {0};
    char name[] = "/tmp/skiff-pki-XXXXXX";

    *g = (struct rig){0};
    assert_non_null(mkdtemp(name));
    g->dir = arena_strdup(&g->arena, name);
    g->to = arena_printf(&g->arena, "%s/to", g->dir);
    assert_int_equal(mkdir(path_of(g, ""), 0700), 0);
    g->fd = open(arena_printf(&g->arena, "%s/file", g->dir), O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    assert_true(g->fd >= 0);
    backup_begin(&w, 9, 1, &file);
    backup_note(&w, STR("n"), STR("x"), &file);
    backup_end(&w, &file);
    backup_writer_deinit(&w);
    assert_int_equal(write(g->fd, file.p, file.len), (long)file.len);
}

static void rig_deinit(struct rig *g)
{
    const char *rm[] = {"rm", "-rf", g->dir, NULL};
    int status;
    pid_t pid = fork();

    if (pid == 0) {
        execvp(rm[0], (char *const *)(uintptr_t)rm);
        _exit(1);
    }
    assert_int_equal(waitpid(pid, &status, 0), pid);
    (void)close(g->fd);
    arena_deinit(&g->arena);
}

static void put(struct rig *g, const char *name, const char *text, mode_t mode)
{
    assert_ok(file_write(path_of(g, name), str_from(text), mode, &g->err), &g->err);
}

static int restore_one(void *arg, const struct backup_pki_file *f, uint64_t offset, struct err *err)
{
    struct rig *g = arg;

    (void)offset;
    return snapshot_put_pki(g->to, f, err);
}

/* Reads the snapshot, restoring its files. How many there are, or an error. */
static int64_t restore(struct rig *g)
{
    struct backup_reader r = {.on_pki_file = restore_one, .arg = g};
    char bytes[64 * 1024];
    ssize_t n = pread(g->fd, bytes, sizeof(bytes), 0);
    int code;

    assert_true(n > 0);
    backup_reader_init(&r);
    code = backup_feed(&r, (struct str){bytes, (size_t)n}, &g->err);
    if (code == 0)
        code = backup_finish(&r, &g->err);
    assert_true(code < 0 || r.notes == 1);
    backup_reader_deinit(&r);
    return code < 0 ? code : (int64_t)r.pki_files;
}

static void expect_file(struct rig *g, const char *name, const char *text, mode_t mode)
{
    const char *path = arena_printf(&g->arena, "%s/pki/%s", g->to, name);
    struct stat st;
    struct str got;

    assert_ok(file_read(path, &g->arena, &got, &g->err), &g->err);
    assert_str_equal(got, text);
    assert_int_equal(lstat(path, &st), 0);
    assert_int_equal(st.st_mode & 07777, mode);
}

static void test_what_goes_in_comes_out(void **state)
{
    struct rig g;
    struct stat st;

    (void)state;
    rig_init(&g);
    put(&g, "ca.crt", "cert", 0644);
    put(&g, "ca.key", "key", 0600);
    put(&g, "odd.key", "shared", 0750);
    put(&g, "left.crt.new", "half a", 0600);
    assert_int_equal(mkdir(path_of(&g, "sub"), 0755), 0);
    assert_int_equal(mkdir(path_of(&g, "sub/deep"), 0755), 0);
    assert_int_equal(mkdir(path_of(&g, "empty"), 0755), 0);
    put(&g, "sub/deep/x", "", 0400);
    put(&g, "sub/b", "b", 0644);
    assert_ok(snapshot_add_pki(g.fd, g.dir, &g.err), &g.err);
    assert_int_equal(restore(&g), 5);
    expect_file(&g, "ca.crt", "cert", 0644);
    expect_file(&g, "ca.key", "key", 0600);
    expect_file(&g, "odd.key", "shared", 0600);
    expect_file(&g, "sub/deep/x", "", 0600);
    expect_file(&g, "sub/b", "b", 0644);
    assert_int_equal(stat(arena_printf(&g.arena, "%s/pki/sub/deep", g.to), &st), 0);
    assert_int_equal(st.st_mode & 0777, 0700);
    assert_int_equal(snapshot_add_pki(g.fd, g.dir, &g.err), ERR_EXISTS);
    rig_deinit(&g);
}

/* Neither what is there nor where a link points to is written. */
static void test_nothing_is_written_over(void **state)
{
    static const struct backup_pki_file f = {STR_INIT("ca.key"), STR_INIT("new"), 0600},
                                        up = {STR_INIT("../x"), STR_INIT("new"), 0600};
    struct rig g;
    struct str got;

    (void)state;
    rig_init(&g);
    put(&g, "ca.key", "old", 0600);
    assert_int_equal(snapshot_put_pki(g.dir, &f, &g.err), ERR_IO);
    assert_non_null(strstr(g.err.msg, "pki/ca.key: File exists"));
    assert_ok(file_read(path_of(&g, "ca.key"), &g.arena, &got, &g.err), &g.err);
    assert_str_equal(got, "old");
    put(&g, "other", "old", 0600);
    assert_int_equal(unlink(path_of(&g, "ca.key")), 0);
    assert_int_equal(symlink("other", path_of(&g, "ca.key")), 0);
    assert_int_equal(snapshot_put_pki(g.dir, &f, &g.err), ERR_IO);
    assert_ok(file_read(path_of(&g, "other"), &g.arena, &got, &g.err), &g.err);
    assert_str_equal(got, "old");
    assert_int_equal(snapshot_put_pki(g.dir, &up, &g.err), ERR_PARSE);
    rig_deinit(&g);
}

static void test_what_cannot_go_in_is_refused(void **state)
{
    auto_buf large = {0};
    struct rig g;

    (void)state;
    rig_init(&g);
    assert_int_equal(snapshot_add_pki(g.fd, "/nowhere", &g.err), ERR_NOT_FOUND);
    assert_int_equal(snapshot_add_pki(g.fd, g.dir, &g.err), ERR_NOT_FOUND);
    assert_non_null(strstr(g.err.msg, "/pki is empty"));
    put(&g, "ca.key", "key", 0600);
    assert_int_equal(symlink("ca.key", path_of(&g, "link")), 0);
    assert_int_equal(snapshot_add_pki(g.fd, g.dir, &g.err), ERR_NOT_ALLOWED);
    assert_non_null(strstr(g.err.msg, "/pki/link is no plain file or folder"));
    assert_int_equal(unlink(path_of(&g, "link")), 0);
    assert_int_equal(mkfifo(path_of(&g, "fifo"), 0600), 0);
    assert_int_equal(snapshot_add_pki(g.fd, g.dir, &g.err), ERR_NOT_ALLOWED);
    assert_int_equal(unlink(path_of(&g, "fifo")), 0);
    put(&g, ".hidden", "", 0600);
    assert_int_equal(snapshot_add_pki(g.fd, g.dir, &g.err), ERR_NOT_ALLOWED);
    assert_int_equal(unlink(path_of(&g, ".hidden")), 0);
    assert_int_equal(restore(&g), 0); /* untouched so far */
    memset(buf_reserve(&large, BACKUP_FILE_BYTES_MAX + 1), 'x', BACKUP_FILE_BYTES_MAX + 1);
    large.len = BACKUP_FILE_BYTES_MAX + 1;
    assert_ok(file_write(path_of(&g, "large"), buf_view(&large), 0600, &g.err), &g.err);
    assert_int_equal(snapshot_add_pki(g.fd, g.dir, &g.err), ERR_TOO_LARGE);
    assert_non_null(strstr(g.err.msg, "/pki/large is larger than 1048576 bytes"));
    rig_deinit(&g);
}

static void test_too_many_files(void **state)
{
    struct rig g;

    (void)state;
    rig_init(&g);
    for (int i = 0; i <= BACKUP_FILES_MAX; i++) {
        int fd = open(path_of(&g, arena_printf(&g.arena, "f%d", i)), O_CREAT | O_WRONLY, 0600);

        assert_true(fd >= 0);
        (void)close(fd);
    }
    assert_int_equal(snapshot_add_pki(g.fd, g.dir, &g.err), ERR_TOO_LARGE);
    assert_non_null(strstr(g.err.msg, "/pki has more than 256 files"));
    assert_int_equal(unlink(path_of(&g, "f7")), 0);
    assert_ok(snapshot_add_pki(g.fd, g.dir, &g.err), &g.err);
    assert_int_equal(restore(&g), 256);
    rig_deinit(&g);
}

/* A server of before pki could be in a snapshot has sent it. */
static void test_the_first_format_is_refused(void **state)
{
    struct backup_writer w;
    auto_buf file = {0};
    struct rig g;

    (void)state;
    rig_init(&g);
    put(&g, "ca.key", "key", 0600);
    backup_begin(&w, 9, 1, &file);
    file.p[8] = 1;
    w.sha = digest_free(w.sha);
    w.sha = digest_new();
    digest_add(w.sha, buf_view(&file));
    backup_end(&w, &file);
    backup_writer_deinit(&w);
    assert_int_equal(ftruncate(g.fd, 0), 0);
    assert_int_equal(pwrite(g.fd, file.p, file.len, 0), (long)file.len);
    assert_int_equal(snapshot_add_pki(g.fd, g.dir, &g.err), ERR_NOT_ALLOWED);
    assert_string_equal(g.err.msg, "the snapshot is of a format without pki");
    rig_deinit(&g);
}

/* Only what is whole gets a new sum. */
static void test_a_damaged_file_is_refused(void **state)
{
    struct rig g;
    struct stat st;
    char c;

    (void)state;
    rig_init(&g);
    put(&g, "ca.key", "key", 0600);
    assert_int_equal(fstat(g.fd, &st), 0);
    for (off_t at = 0; at < st.st_size; at++) {
        struct stat now;

        assert_int_equal(pread(g.fd, &c, 1, at), 1);
        c ^= 1;
        assert_int_equal(pwrite(g.fd, &c, 1, at), 1);
        assert_int_equal(snapshot_add_pki(g.fd, g.dir, &g.err), ERR_PARSE);
        c ^= 1;
        assert_int_equal(pwrite(g.fd, &c, 1, at), 1);
        assert_int_equal(fstat(g.fd, &now), 0);
        assert_int_equal(now.st_size, st.st_size);
    }
    assert_ok(snapshot_add_pki(g.fd, g.dir, &g.err), &g.err);
    rig_deinit(&g);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_what_goes_in_comes_out),
        cmocka_unit_test(test_nothing_is_written_over),
        cmocka_unit_test(test_what_cannot_go_in_is_refused),
        cmocka_unit_test(test_too_many_files),
        cmocka_unit_test(test_the_first_format_is_refused),
        cmocka_unit_test(test_a_damaged_file_is_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
