/* SPDX-License-Identifier: Apache-2.0 */
/* cmd_snapshot.c - `skiff snapshot save|status|restore FILE`. */
#include "client/client_https.h"
#include "cmd/cmd.h"
#include "cmd/files.h"
#include "cmd/flags.h"
#include "cmd/snapshot.h"
#include "cmd/snapshot_pki.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>

struct options {
    const char *data_dir, *kubeconfig, *output;
    bool include_pki;
};
struct saving {
    struct loop *loop;
    struct http_call *call;
    int fd, status, code;
    struct buf text; /* of an answer that is no snapshot */
    struct err err;
};

int snapshot_read(const char *path, struct backup_reader *r, struct err *err)
{
    auto_fd fd = open(path, O_RDONLY | O_CLOEXEC);
    char piece[64 * 1024];
    ssize_t n = 1;
    int code = 0;

    if (fd < 0)
        return err_new(err, ERR_IO, "open %s: %s", path, strerror(errno));
    while (n > 0 && code == 0) {
        n = read(fd, piece, sizeof(piece));
        if (n < 0)
            return err_new(err, ERR_IO, "read %s: %s", path, strerror(errno));
        code = backup_feed(r, (struct str){piece, (size_t)n}, err);
    }
    if (code == 0)
        code = backup_finish(r, err);
    return code < 0 ? err_wrap(err, code, "%s", path) : 0;
}

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
    loop_hold(s->loop, true);
    loop_run(s->loop);
    loop_hold(s->loop, false);
}

static int fetch_into(int fd, const struct kubeconfig *k, struct err *err)
{
    struct saving s = {.fd = fd, .loop = loop_new("snapshot"), .text.limit_bytes = 64 * 1024};
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

static int save_beside(const char *beside, const struct options *o, struct backup_reader *r,
                       struct err *err)
{
    auto_arena a = {0};
    auto_fd fd = open(beside, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    const char *path = o->kubeconfig ? o->kubeconfig
                                     : arena_printf(&a, "%s/admin.kubeconfig", o->data_dir);
    struct kubeconfig k = {0};
    int code;

    if (fd < 0)
        return err_new(err, ERR_IO, "create %s: %s", beside, strerror(errno));
    code = kubeconfig_load(path, NULL, &k, err);
    if (code == 0)
        code = fetch_into(fd, &k, err);
    kubeconfig_deinit(&k);
    if (code == 0 && o->include_pki)
        code = snapshot_add_pki(fd, o->data_dir, err);
    return code < 0 ? code : snapshot_read(beside, r, err);
}

static int save(const char *path, const struct options *o, struct backup_reader *r,
                struct err *err)
{
    auto_arena a = {0};
    const char *beside = arena_printf(&a, "%s.partial", path);
    int code = save_beside(beside, o, r, err);

    if (code == 0)
        code = file_rename(beside, path, err);
    if (code < 0)
        (void)unlink(beside);
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
    int64_t revision;
    int code;

    if (strcmp(what, "restore") == 0) {
        if (!o->data_dir)
            return err_new(err, ERR_BAD_REQUEST, "restore wants --data-dir");
        code = snapshot_restore(path, o->data_dir, &revision, err);
        if (code == 0)
            printf("restored to revision %lld\n", (long long)revision);
        return code;
    }
    backup_reader_init(&r);
    code = strcmp(what, "save") == 0 ? save(path, o, &r, err) : snapshot_read(path, &r, err);
    if (code == 0)
        print_status(&r, strcmp(o->output, "json") == 0);
    backup_reader_deinit(&r);
    return code;
}

static int check_words(int words, char **argv, struct options *o, struct err *err)
{
    if (words != 2 || (strcmp(argv[1], "save") != 0 && strcmp(argv[1], "status") != 0 &&
                       strcmp(argv[1], "restore") != 0))
        return err_new(err, ERR_BAD_REQUEST, "save, status or restore, and a file; see --help");
    if (strcmp(o->output, "table") != 0 && strcmp(o->output, "json") != 0)
        return err_new(err, ERR_BAD_REQUEST, "--output: \"%s\" is none of table, json", o->output);
    if (o->include_pki && (!o->data_dir || strcmp(argv[1], "save") != 0))
        return err_new(err, ERR_BAD_REQUEST, "--include-pki is of save, and wants --data-dir");
    if (!o->data_dir && strcmp(argv[1], "save") == 0)
        o->data_dir = "/var/lib/skiff";
    return 0;
}

int cmd_snapshot(int argc, char **argv)
{
    struct options o = {.output = "table"};
    const struct flag flags[] = {
        {"data-dir", FLAG_STRING, &o.data_dir, "DIR",
         "restore: the new folder; save: where the server's admin.kubeconfig and pki are"},
        {"kubeconfig", FLAG_STRING, &o.kubeconfig, "FILE",
         "save: an administrator's; <data-dir>/admin.kubeconfig if unset"},
        {"include-pki", FLAG_BOOL, &o.include_pki, NULL,
         "save: with <data-dir>/pki, so that restore makes the same server of it"},
        {"output", FLAG_STRING, &o.output, "FORM", "save, status: table or json"},
        {0}};
    struct err err = {0};
    int words = 0, r = flags_parse(flags, argc, argv, &words, &err);

    if (r == FLAGS_HELP) {
        flags_help(flags, "Usage: skiff snapshot save|status|restore FILE [flags]\n\n"
                          "Saves what a running server's own store holds, checks such a file, or\n"
                          "makes a new data folder of it. The file holds all Secrets.", stdout);
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
