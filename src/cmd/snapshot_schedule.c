/* SPDX-License-Identifier: Apache-2.0 */
#include "cmd/snapshot_schedule.h"

#include "base/log.h"
#include "base/vec.h"
#include "cmd/files.h"
#include "cmd/snapshot.h"
#include "cmd/snapshot_name.h"
#include "cmd/snapshot_pki.h"
#include "cmd/snapshot_place.h"
#include "codec/timefmt.h"
#include "store/backup_stream.h"

#include <errno.h>
#include <fcntl.h>

enum { LOOK_MS = 60 * 1000, RETRY_MAX_MS = 10 * 60 * 1000, MS_NS = 1000000 };

struct snapshot_schedule {
    struct snapshot_schedule_opts opts;
    struct timer timer;
    struct snapshot_figures figures;
    int64_t due_ms;   /* wall clock */
    int64_t retry_ms; /* the next wait after a failure */
    bool looked;      /* what is in the place is known */
    bool busy, freed; /* busy: on a pool thread */
    void (*next)(struct snapshot_schedule *s); /* after what is there */
    atomic_bool cancel;

    /* Of the snapshot under way. */
    struct backup_stream *stream;
    struct buf piece;
    bool last_piece;
    int fd;        /* of path, or -1 */
    char *path;    /* of the unfinished file */
    int64_t began_ms;
    int64_t revision;

    /* Of the work under way. */
    int code;
    struct err err;
    struct snapshot_name made;
    uint64_t bytes;
    struct err old_err; /* old ones that were not deleted; code 0: none */
};

int snapshot_flags_check(const struct snapshot_flags *f, bool etcd, struct err *err)
{
    struct snapshot_place p = {0};
    int r;

    if (!f->interval_ms && !f->to)
        return 0;
    if (etcd)
        return err_new(err, ERR_BAD_REQUEST,
                       "--snapshot-interval saves the store of this server, and --etcd-servers "
                       "says that it has none: run etcdctl snapshot save for the etcd");
    if (!f->interval_ms || !f->to)
        return err_new(err, ERR_BAD_REQUEST,
                       "--snapshot-interval and --snapshot-to want each other");
    if (f->interval_ms < SNAPSHOT_INTERVAL_MIN_MS)
        return err_new(err, ERR_BAD_REQUEST, "--snapshot-interval: not below 1s");
    if (f->retention < 1 || f->retention > SNAPSHOT_RETENTION_MAX)
        return err_new(err, ERR_BAD_REQUEST, "--snapshot-retention: from 1 to %d",
                       SNAPSHOT_RETENTION_MAX);
    r = snapshot_place_open(f->to, &f->s3, NULL, &p, err);
    snapshot_place_close(&p);
    return r < 0 ? err_wrap(err, r, "--snapshot-to") : 0;
}

/* ---- on a pool thread ---- */

static bool to_folder(const struct snapshot_schedule *s)
{
    return !s3_url_is(s->opts.flags->to);
}

static const char *work_folder(const struct snapshot_schedule *s)
{
    return to_folder(s) ? s->opts.flags->to : s->opts.data_dir;
}

/* Files that a server which was killed did not finish. */
static int remove_stale(const char *folder, struct err *err)
{
    const struct s3_flags none = {0};
    struct snapshot_files files = {0};
    struct snapshot_place p = {0};
    auto_arena a = {0};
    int r = snapshot_place_open(folder, &none, NULL, &p, err);

    if (r == 0)
        r = snapshot_place_list(&p, &a, &files, err);
    for (size_t i = 0; i < files.n && r == 0; i++) {
        struct str name = str_from(files.v[i].name), end = STR(SNAPSHOT_PARTIAL);
        struct snapshot_name n;

        if (files.v[i].regular && str_has_suffix(name, end) &&
            snapshot_name_parse(str_dupz(&a, str_sub(name, 0, name.len - end.len)), &n))
            r = snapshot_place_remove(&p, files.v[i].name, err);
    }
    vec_deinit(&files);
    snapshot_place_close(&p);
    return r;
}

static int find_newest(struct snapshot_schedule *s, struct snapshot_place *p, struct err *err)
{
    struct snapshot_files files = {0};
    auto_arena a = {0};
    int r = snapshot_place_list(p, &a, &files, err);

    s->made = (struct snapshot_name){0};
    for (size_t i = 0; i < files.n && r == 0; i++) {
        struct snapshot_name n;

        /* One of the future was made while the clock was wrong: nobody knows when. */
        if (!files.v[i].regular || !snapshot_name_parse(files.v[i].name, &n) ||
            n.sec > s->began_ms / 1000 || snapshot_name_cmp(n, s->made) < 0)
            continue;
        s->made = n;
        s->bytes = files.v[i].bytes;
    }
    vec_deinit(&files);
    return r;
}

static void look(void *arg)
{
    struct snapshot_schedule *s = arg;
    const struct snapshot_flags *f = s->opts.flags;
    struct snapshot_place p = {0};
    int r = to_folder(s) ? folder_make(f->to, 0700, &s->err) : 0;

    if (r == 0)
        r = remove_stale(work_folder(s), &s->err);
    if (r == 0)
        r = snapshot_place_open(f->to, &f->s3, &s->cancel, &p, &s->err);
    if (r == 0)
        r = find_newest(s, &p, &s->err);
    snapshot_place_close(&p);
    s->code = r;
}

static int make_file(struct snapshot_schedule *s, struct err *err)
{
    struct snapshot_name n = {.sec = s->began_ms / 1000, .revision = s->revision};
    char name[SNAPSHOT_NAME_BYTES];
    auto_arena a = {0};

    snapshot_name_write(n, name);
    s->path = xstrdup(arena_printf(&a, "%s/%s%s", work_folder(s), name, SNAPSHOT_PARTIAL));
    s->fd = open(s->path, O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
    if (s->fd >= 0)
        return 0;
    (void)err_new(err, ERR_IO, "create %s: %s", s->path, strerror(errno));
    free(steal(s->path)); /* not ours to remove */
    return ERR_IO;
}

static void write_piece(void *arg)
{
    struct snapshot_schedule *s = arg;
    struct str left = buf_view(&s->piece);

    s->code = s->fd < 0 ? make_file(s, &s->err) : 0;
    while (left.len > 0 && s->code == 0) {
        ssize_t n = write(s->fd, left.p, left.len);

        if (n < 0)
            s->code = err_new(&s->err, ERR_IO, "write %s: %s", s->path, strerror(errno));
        else
            left = str_sub(left, (size_t)n, left.len);
    }
    buf_reset(&s->piece);
}

/* Reads back what was written. */
static int verify(struct snapshot_schedule *s, struct err *err)
{
    struct backup_reader r = {0};
    int code;

    backup_reader_init(&r);
    code = snapshot_read_fd(s->fd, &r, &s->cancel, err);
    s->made = (struct snapshot_name){.sec = time_from_ns(r.time_ns).sec, .revision = r.revision};
    s->bytes = r.bytes;
    backup_reader_deinit(&r);
    return code < 0 ? err_wrap(err, code, "%s", s->path) : 0;
}

struct dated {
    struct snapshot_name name;
    const char *text;
    bool future; /* later than the one just made */
};

/* What claims to be of the future was made before, by a clock that was wrong: it goes first. */
static int newest_first(const void *a, const void *b)
{
    const struct dated *x = a, *y = b;

    return x->future != y->future ? x->future - y->future : snapshot_name_cmp(y->name, x->name);
}

/* Deletes of @files what is beyond the retention; @made stays, whatever its time. */
static int remove_old(struct snapshot_schedule *s, struct snapshot_place *p,
                      const struct snapshot_files *files, const char *made, struct err *err)
{
    VEC(struct dated) ours = {0};
    int r = 0;

    for (size_t i = 0; i < files->n; i++) {
        struct dated d = {.text = files->v[i].name};

        if (!files->v[i].regular || strcmp(d.text, made) == 0 ||
            !snapshot_name_parse(d.text, &d.name))
            continue;
        d.future = snapshot_name_cmp(d.name, s->made) > 0;
        vec_push(&ours, d);
    }
    if (ours.n)
        qsort(ours.v, ours.n, sizeof(ours.v[0]), newest_first);
    for (size_t i = (size_t)s->opts.flags->retention - 1; i < ours.n && r == 0; i++)
        r = atomic_load(&s->cancel) ? ERR_CANCELED : snapshot_place_remove(p, ours.v[i].text, err);
    vec_deinit(&ours);
    return r;
}

static bool is_there(const struct snapshot_files *files, const char *name, uint64_t bytes)
{
    for (size_t i = 0; i < files->n; i++)
        if (strcmp(files->v[i].name, name) == 0)
            return files->v[i].regular && files->v[i].bytes == bytes;
    return false;
}

/* Deletes old ones, once the place itself says that it has @made. */
static int retain(struct snapshot_schedule *s, struct snapshot_place *p, const char *made,
                  struct err *err)
{
    struct snapshot_files files = {0};
    auto_arena a = {0};
    int r = 0;

    if (snapshot_place_list(p, &a, &files, &s->old_err) == 0) {
        if (is_there(&files, made, s->bytes))
            (void)remove_old(s, p, &files, made, &s->old_err);
        else
            r = err_new(err, ERR_IO,
                        "%s was taken, and is not there with its %llu bytes; nothing was deleted",
                        made, (unsigned long long)s->bytes);
    }
    vec_deinit(&files);
    return r;
}

static int keep(struct snapshot_schedule *s, struct err *err)
{
    const struct snapshot_flags *f = s->opts.flags;
    char name[SNAPSHOT_NAME_BYTES];
    struct snapshot_place p = {0};
    int r = snapshot_place_open(f->to, &f->s3, &s->cancel, &p, err);

    snapshot_name_write(s->made, name);
    if (r == 0)
        r = snapshot_place_put(&p, s->path, s->fd, name, err);
    if (r == 0 && to_folder(s))
        free(steal(s->path)); /* it has its name */
    if (r == 0)
        r = retain(s, &p, name, err);
    snapshot_place_close(&p);
    return r;
}

static void discard_file(struct snapshot_schedule *s)
{
    if (s->fd >= 0)
        (void)close(s->fd);
    s->fd = -1;
    if (s->path)
        (void)unlink(s->path);
    free(steal(s->path));
}

static void finish(void *arg)
{
    struct snapshot_schedule *s = arg;

    s->code = fsync(s->fd) < 0 ? err_new(&s->err, ERR_IO, "sync %s: %s", s->path, strerror(errno))
                               : verify(s, &s->err);
    if (s->code == 0 && s->opts.flags->include_pki) {
        s->code = snapshot_add_pki(s->fd, s->opts.data_dir, &s->err);
        if (s->code == 0)
            s->code = verify(s, &s->err);
    }
    if (s->code == 0)
        s->code = keep(s, &s->err);
    discard_file(s);
}

static void discard(void *arg)
{
    discard_file(arg);
}

/* ---- on the loop ---- */

static void release(struct snapshot_schedule *s)
{
    discard_file(s);
    buf_deinit(&s->piece);
    free(s);
}

static void on_worked(void *arg)
{
    struct snapshot_schedule *s = arg;

    s->busy = false;
    if (s->freed)
        release(s);
    else
        s->next(s);
}

static void work(struct snapshot_schedule *s, void (*fn)(void *arg),
                 void (*next)(struct snapshot_schedule *s))
{
    s->busy = true;
    s->next = next;
    loop_work(s->opts.loop, fn, on_worked, s);
}

static int64_t now_ms(const struct snapshot_schedule *s)
{
    return loop_wall_ns(s->opts.loop) / MS_NS;
}

/* The wall clock may be set, and machines sleep: it is looked at now and then. Nothing is due later
 * than in an interval, or what was due before the clock was set back would wait for its old time.
 */
static void arm(struct snapshot_schedule *s)
{
    int64_t left;

    s->due_ms = MIN(s->due_ms, now_ms(s) + s->opts.flags->interval_ms);
    left = s->due_ms - now_ms(s);
    timer_start(&s->timer, (uint64_t)MIN(MAX(left, 0), LOOK_MS), 0);
}

static const char *advice(const struct snapshot_schedule *s, int code)
{
    if (to_folder(s))
        return "look whether there is room and whether the server may write there";
    if (code == ERR_FORBIDDEN)
        return "look at credentials, clock, region and the rights on the bucket";
    if (code == ERR_NOT_FOUND)
        return "look whether the bucket is there";
    return "look at the endpoint, the network, and the room in the data folder";
}

static void fail_later(struct snapshot_schedule *s)
{
    int64_t wait_ms = s->retry_ms;

    s->retry_ms = MIN(2 * s->retry_ms, MIN(s->opts.flags->interval_ms, RETRY_MAX_MS));
    s->due_ms = now_ms(s) + wait_ms;
    LOG_ERROR("server", "snapshot failed, trying again in %lld s: %s (%s) place=%s",
              (long long)((wait_ms + 999) / 1000), s->err.msg, advice(s, s->code),
              s->opts.flags->to);
    s->figures.failures++;
    s->opts.on_figures(s->opts.arg, &s->figures);
    arm(s);
}

static void fail(struct snapshot_schedule *s)
{
    s->stream = backup_stream_close(s->stream);
    work(s, discard, fail_later);
}

static void set_retry(struct snapshot_schedule *s)
{
    int64_t tenth = s->opts.flags->interval_ms / 10;

    s->retry_ms = MAX(MIN(tenth, 10000), SNAPSHOT_INTERVAL_MIN_MS);
}

/* The newest is of @s->made: the next is an interval later, but not at once. */
static void succeed(struct snapshot_schedule *s)
{
    s->figures.last_sec = s->made.sec;
    s->figures.revision = s->made.revision;
    s->figures.bytes = s->bytes;
    if (s->old_err.code)
        s->figures.failures++;
    s->opts.on_figures(s->opts.arg, &s->figures);
    set_retry(s);
    s->due_ms =
        MAX(s->made.sec * 1000 + s->opts.flags->interval_ms, now_ms(s) + SNAPSHOT_INTERVAL_MIN_MS);
    arm(s);
}

static void on_finished(struct snapshot_schedule *s)
{
    if (s->code < 0) {
        fail_later(s);
        return;
    }
    LOG_INFO("server", "snapshot saved revision=%lld bytes=%llu after_ms=%lld place=%s",
             (long long)s->made.revision, (unsigned long long)s->bytes,
             (long long)(now_ms(s) - s->began_ms), s->opts.flags->to);
    if (s->old_err.code)
        LOG_ERROR("server", "old snapshots were not deleted: %s (%s) place=%s", s->old_err.msg,
                  advice(s, s->old_err.code), s->opts.flags->to);
    succeed(s);
}

static void next_piece(struct snapshot_schedule *s);

static void on_written(struct snapshot_schedule *s)
{
    if (s->code < 0) {
        fail(s);
    } else if (!s->last_piece) {
        next_piece(s);
    } else {
        s->stream = backup_stream_close(s->stream);
        s->old_err = (struct err){0};
        work(s, finish, on_finished);
    }
}

static void on_piece(void *arg, int r, const struct err *err)
{
    struct snapshot_schedule *s = arg;

    if (r < 0) {
        s->code = r;
        s->err = *err;
        fail(s);
        return;
    }
    s->last_piece = r == 1;
    s->revision = backup_stream_revision(s->stream);
    work(s, write_piece, on_written);
}

static void next_piece(struct snapshot_schedule *s)
{
    backup_stream_next(s->stream, &s->piece, on_piece, s);
}

static void on_looked(struct snapshot_schedule *s)
{
    if (s->code < 0) {
        fail_later(s);
        return;
    }
    s->looked = true;
    s->due_ms = now_ms(s);
    s->old_err = (struct err){0};
    if (s->made.sec)
        succeed(s);
    else
        arm(s);
}

static void on_timer(struct timer *t)
{
    struct snapshot_schedule *s = container_of(t, struct snapshot_schedule, timer);

    if (!s->looked && now_ms(s) >= s->due_ms) {
        s->began_ms = now_ms(s);
        work(s, look, on_looked);
    } else if (now_ms(s) < s->due_ms) {
        arm(s);
    } else {
        s->began_ms = now_ms(s);
        s->stream = backup_stream_open(s->opts.store, s->opts.loop);
        next_piece(s);
    }
}

struct snapshot_schedule *snapshot_schedule_new(const struct snapshot_schedule_opts *opts)
{
    struct snapshot_schedule *s = xnew(struct snapshot_schedule);

    s->opts = *opts;
    s->fd = -1;
    set_retry(s);
    opts->on_figures(opts->arg, &s->figures);
    timer_init(&s->timer, opts->loop, on_timer);
    timer_start(&s->timer, 0, 0);
    return s;
}

struct snapshot_schedule *snapshot_schedule_free(struct snapshot_schedule *s)
{
    if (!s)
        return NULL;
    atomic_store(&s->cancel, true);
    timer_stop(&s->timer);
    s->stream = backup_stream_close(s->stream);
    s->freed = true;
    if (!s->busy)
        release(s);
    return NULL;
}
