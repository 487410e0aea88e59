/* SPDX-License-Identifier: Apache-2.0 */
/* cmd_snapshot.c - `skiff snapshot save|status|restore|list`. */
#include "client/client_https.h"
#include "cmd/cmd.h"
#include "cmd/files.h"
#include "cmd/flags.h"
#include "cmd/snapshot.h"
#include "cmd/snapshot_pki.h"
#include "cmd/snapshot_place.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/stat.h>

enum { TIMEOUT_MS = 60 * 1000 };

struct options {
    const char *data_dir, *kubeconfig, *output;
    bool include_pki, verify;
    int64_t timeout_ms;
    struct s3_flags s3;
};
struct saving {
    struct loop *loop;
    struct http_call *call;
    struct timer stall; /* since the server's last byte */
    uint64_t timeout_ms;
    int fd, status, code;
    struct buf text; /* of an answer that is no snapshot */
    struct err err;
};

/* ---- save ---- */

static void on_head(void *arg, int status, const struct http_header *headers, size_t n)
{
    (void)headers;
    (void)n;
    ((struct saving *)arg)->status = status;
}

static void on_data(void *arg, struct str piece)
{
    struct saving *s = arg;

    if (s->code == 0)
        timer_start(&s->stall, s->timeout_ms, 0);
    if (s->status != 200) {
        buf_str(&s->text, piece);
        return;
    }
    while (piece.len > 0 && s->code == 0) {
        ssize_t n = write(s->fd, piece.p, piece.len);

        if (n < 0) {
            s->code = err_new(&s->err, ERR_IO, "write: %s", strerror(errno));
            http_call_cancel(s->call);
            return;
        }
        piece = str_sub(piece, (size_t)n, piece.len);
    }
}

static void on_stall(struct timer *t)
{
    struct saving *s = container_of(t, struct saving, stall);

    s->code = err_new(&s->err, ERR_TIMEOUT, "the server has sent nothing for %llu s (--timeout)",
                      (unsigned long long)(s->timeout_ms / 1000));
    http_call_cancel(s->call);
}

static void on_done(void *arg, const struct err *err)
{
    struct saving *s = arg;

    if (s->code == 0 && err) {
        s->err = *err;
        s->code = err->code;
    }
    if (s->code == 0 && s->status != 200)
        s->code = err_new(&s->err, ERR_IO, "the server answers %d: %.*s", s->status,
                          STR_ARG(str_trim(buf_view(&s->text))));
    timer_stop(&s->stall);
    loop_stop(s->loop);
}

static void fetch(struct saving *s, struct client *c)
{
    struct http_client_request rq = {.method = "GET",
                                     .target = STR("/skiff/v1/snapshot"),
                                     .on_head = on_head,
                                     .on_data = on_data,
                                     .on_done = on_done,
                                     .arg = s};

    rq.n_headers = client_https_headers(c, &rq.headers);
    s->call = http_client_send(client_https_http(c), &rq);
    timer_init(&s->stall, s->loop, on_stall);
    timer_start(&s->stall, s->timeout_ms, 0);
    loop_hold(s->loop, true);
    loop_run(s->loop);
    loop_hold(s->loop, false);
}

static int fetch_into(int fd, const struct kubeconfig *k, int64_t timeout_ms, struct err *err)
{
    struct saving s = {.fd = fd,
                       .loop = loop_new("snapshot"),
                       .timeout_ms = (uint64_t)timeout_ms,
                       .text.limit_bytes = 64 * 1024};
    struct client *c;

    s.code = client_https_new(s.loop, k, &c, &s.err);
    if (s.code == 0) {
        fetch(&s, c);
        (void)client_free(c);
        loop_run(s.loop);
    }
    (void)loop_free(s.loop);
    buf_deinit(&s.text);
    if (s.code == 0 && fsync(fd) < 0)
        s.code = err_new(&s.err, ERR_IO, "sync: %s", strerror(errno));
    *err = s.err;
    return s.code;
}

/* What the server sends, verified. */
static int save_into(int fd, const struct options *o, struct backup_reader *r, struct err *err)
{
    auto_arena a = {0};
    const char *path = o->kubeconfig ? o->kubeconfig
                                     : arena_printf(&a, "%s/admin.kubeconfig", o->data_dir);
    struct kubeconfig k = {0};
    int code = kubeconfig_load(path, NULL, &k, err);

    if (code == 0)
        code = fetch_into(fd, &k, o->timeout_ms, err);
    kubeconfig_deinit(&k);
    if (code == 0 && o->include_pki)
        code = snapshot_add_pki(fd, o->data_dir, err);
    return code < 0 ? code : snapshot_read_fd(fd, r, NULL, err);
}

/* What @fd has, which another save may have left, is an unfinished snapshot, or nothing at all. */
static bool is_remains(int fd, const struct stat *st)
{
    static const char begin[] = "SKIFFBAK";
    char piece[sizeof(begin) - 1];
    ssize_t n = pread(fd, piece, sizeof(piece), 0);

    return S_ISREG(st->st_mode) && st->st_uid == geteuid() && st->st_nlink == 1 && n >= 0 &&
           memcmp(piece, begin, (size_t)n) == 0;
}

/* Opens @beside for this process alone, and empties it: a new file, or one that a save which was
 * killed has left behind. The lock goes with @ret_fd. ERR_EXISTS: it is somebody else's. */
static int open_beside(const char *beside, int *ret_fd, struct err *err)
{
    int fd = open(beside, O_RDWR | O_CREAT | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC, 0600), code = 0;
    struct stat st, named;

    if (fd < 0)
        return err_new(err, ERR_IO, "create %s: %s", beside, strerror(errno));
    if (flock(fd, LOCK_EX | LOCK_NB) < 0)
        code = errno == EWOULDBLOCK
                   ? err_new(err, ERR_EXISTS, "%s is being written by another save", beside)
                   : err_new(err, ERR_IO, "lock %s: %s", beside, strerror(errno));
    else if (fstat(fd, &st) < 0 || lstat(beside, &named) < 0 || st.st_dev != named.st_dev ||
             st.st_ino != named.st_ino) /* another save has ended since it was opened */
        code = err_new(err, ERR_EXISTS, "%s has just been renamed by another save", beside);
    else if (!is_remains(fd, &st))
        code = err_new(err, ERR_EXISTS,
                       "%s is in the way, and is no unfinished snapshot of this user: move it away",
                       beside);
    else if (ftruncate(fd, 0) < 0 || fchmod(fd, 0600) < 0)
        code = err_new(err, ERR_IO, "empty %s: %s", beside, strerror(errno));
    if (code < 0)
        (void)close(fd);
    else
        *ret_fd = fd;
    return code;
}

static int save_to_s3(const char *url, const struct options *o, struct backup_reader *r,
                      struct err *err)
{
    auto_fd fd = -1;
    int code = snapshot_temporary(snapshot_tmpdir(), &fd, err);

    if (code == 0)
        code = save_into(fd, o, r, err);
    return code < 0 ? code : snapshot_store(url, &o->s3, fd, err);
}

static int save(const char *path, const struct options *o, struct backup_reader *r,
                struct err *err)
{
    auto_arena a = {0};
    const char *beside = arena_printf(&a, "%s.partial", path);
    auto_fd fd = -1;
    int code;

    if (s3_url_is(path))
        return save_to_s3(path, o, r, err);
    code = open_beside(beside, &fd, err);
    if (code < 0)
        return code;
    code = save_into(fd, o, r, err);
    if (code == 0)
        code = file_rename(beside, path, err);
    if (code < 0)
        (void)unlink(beside);
    return code;
}

/* ---- status, restore ---- */

static int fetch_verified(const char *url, const char *tmp, const struct options *o, int *ret_fd,
                          struct backup_reader *r, struct err *err)
{
    int fd, code = snapshot_temporary(tmp, &fd, err);

    if (code < 0)
        return code;
    code = snapshot_fetch(url, &o->s3, fd, err);
    if (code == 0) {
        code = snapshot_read_fd(fd, r, NULL, err);
        if (code < 0)
            code = err_wrap(err, code, "%.200s", url);
    }
    if (code < 0)
        (void)close(fd);
    else
        *ret_fd = fd;
    return code;
}

static int status(const char *path, const struct options *o, struct backup_reader *r,
                  struct err *err)
{
    auto_fd fd = -1;

    if (s3_url_is(path))
        return fetch_verified(path, snapshot_tmpdir(), o, &fd, r, err);
    return snapshot_read(path, r, err);
}

static int restore_from_s3(const char *url, const char *data_dir, const struct options *o,
                           int64_t *ret_revision, struct err *err)
{
    struct backup_reader r = {0};
    auto_arena a = {0};
    auto_fd fd = -1;
    char *beside = arena_strdup(&a, data_dir), *slash = strrchr(beside, '/');
    int code;

    /* Beside the new folder: there is room for it, or there is none for the folder either. */
    if (slash)
        slash[slash == beside] = '\0';
    backup_reader_init(&r);
    code = fetch_verified(url, slash ? beside : ".", o, &fd, &r, err);
    backup_reader_deinit(&r);
    if (code < 0)
        return code;
    return snapshot_restore(arena_printf(&a, "/proc/self/fd/%d", fd), data_dir, ret_revision, err);
}

/* @dir without the slashes at its end: a folder beside it is not one in it. */
static const char *folder_name(const char *dir, struct arena *a)
{
    size_t n = strlen(dir);

    while (n > 1 && dir[n - 1] == '/')
        n--;
    return arena_memdupz(a, dir, n);
}

static int restore(const char *path, const struct options *o, struct err *err)
{
    auto_arena a = {0};
    const char *data_dir;
    int64_t revision;
    int code;

    if (!o->data_dir || !*o->data_dir)
        return err_new(err, ERR_BAD_REQUEST, "restore wants --data-dir");
    data_dir = folder_name(o->data_dir, &a);
    code = s3_url_is(path) ? restore_from_s3(path, data_dir, o, &revision, err)
                           : snapshot_restore(path, data_dir, &revision, err);
    if (code == 0)
        printf("restored to revision %lld\n", (long long)revision);
    return code;
}

/* ---- the command ---- */

static void print_status(const struct backup_reader *r, bool json)
{
    char hex[65];

    for (size_t i = 0; i < sizeof(r->sha256); i++)
        (void)snprintf(hex + 2 * i, 3, "%02x", r->sha256[i]);
    printf(json ? "{\"revision\":%lld,\"keys\":%llu,\"bytes\":%llu,\"time\":%lld,"
                  "\"sha256\":\"%s\",\"pki\":%s}\n"
                : "REVISION  KEYS  BYTES  TIME  SHA256  PKI\n%lld  %llu  %llu  %lld  %s  %s\n",
           (long long)r->revision, (unsigned long long)r->records, (unsigned long long)r->bytes,
           (long long)(r->time_ns / 1000000000), hex, r->pki_files ? "true" : "false");
}

static int act(const char *what, const char *path, const struct options *o, struct err *err)
{
    struct backup_reader r = {0};
    bool json = strcmp(o->output, "json") == 0;
    int code;

    if (strcmp(what, "restore") == 0)
        return restore(path, o, err);
    if (strcmp(what, "list") == 0)
        return snapshot_list(path, &o->s3, json, o->verify, err);
    backup_reader_init(&r);
    code = strcmp(what, "save") == 0 ? save(path, o, &r, err) : status(path, o, &r, err);
    if (code == 0)
        print_status(&r, json);
    backup_reader_deinit(&r);
    return code;
}

static int check_words(int words, char **argv, struct options *o, struct err *err)
{
    if (words != 2 || (strcmp(argv[1], "save") != 0 && strcmp(argv[1], "status") != 0 &&
                       strcmp(argv[1], "restore") != 0 && strcmp(argv[1], "list") != 0))
        return err_new(err, ERR_BAD_REQUEST,
                       "save, status or restore, and a file; or list, and a folder; see --help");
    if (strcmp(o->output, "table") != 0 && strcmp(o->output, "json") != 0)
        return err_new(err, ERR_BAD_REQUEST, "--output: \"%s\" is none of table, json", o->output);
    if (o->timeout_ms < 1000 || o->timeout_ms > 3600 * 1000)
        return err_new(err, ERR_BAD_REQUEST, "--timeout: from 1s to 1h");
    if (o->include_pki && (!o->data_dir || strcmp(argv[1], "save") != 0))
        return err_new(err, ERR_BAD_REQUEST, "--include-pki is of save, and wants --data-dir");
    if (!o->data_dir && strcmp(argv[1], "save") == 0)
        o->data_dir = "/var/lib/skiff";
    return 0;
}

static const char usage[] =
    "Usage: skiff snapshot save|status|restore FILE|s3://BUCKET/KEY [flags]\n"
    "       skiff snapshot list DIR|s3://BUCKET/PREFIX [flags]\n\n"
    "Saves what a running server's own store holds, checks such a file, makes a new data folder\n"
    "of it, or lists what is in a folder or bucket. The file holds all Secrets.";

int cmd_snapshot(int argc, char **argv)
{
    struct options o = {.output = "table", .timeout_ms = TIMEOUT_MS, .s3 = S3_FLAGS_DEFAULT};
    const struct flag flags[] = {
        {"data-dir", FLAG_STRING, &o.data_dir, "DIR",
         "restore: the new folder; save: where the server's admin.kubeconfig and pki are"},
        {"kubeconfig", FLAG_STRING, &o.kubeconfig, "FILE",
         "save: an administrator's; <data-dir>/admin.kubeconfig if unset"},
        {"include-pki", FLAG_BOOL, &o.include_pki, NULL,
         "save: with <data-dir>/pki, so that restore makes the same server of it"},
        {"timeout", FLAG_DURATION, &o.timeout_ms, "TIME",
         "save: give up when the server has sent nothing for so long; 1m if unset"},
        {"output", FLAG_STRING, &o.output, "FORM", "save, status, list: table or json"},
        {"verify", FLAG_BOOL, &o.verify, NULL,
         "list: read all snapshots to their ends; those of S3 are fetched for it"},
        S3_FLAGS(&o.s3),
        {0}};
    struct err err = {0};
    int words = 0, r = flags_parse(flags, argc, argv, &words, &err);

    if (r == FLAGS_HELP) {
        flags_help(flags, usage, stdout);
        return 0;
    }
    if (r == 0)
        r = check_words(words, argv, &o, &err);
    if (r < 0) {
        fprintf(stderr, "skiff snapshot: %s\n", err.msg);
        return 2;
    }
    r = act(argv[1], argv[2], &o, &err);
    if (r < 0)
        fprintf(stderr, "skiff snapshot: %s\n", err.msg);
    return r < 0 ? 1 : 0;
}
