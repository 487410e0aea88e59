/* SPDX-License-Identifier: Apache-2.0 */
/* snapshot_list.c - `skiff snapshot list`: what of a folder or a bucket is a snapshot, and of when.
 *
 * Of a file, the head tells; of an object in S3, its name, unless it is fetched to be verified.
 */
#include "base/vec.h"
#include "cmd/snapshot.h"
#include "cmd/snapshot_name.h"
#include "cmd/snapshot_place.h"
#include "codec/json.h"
#include "codec/timefmt.h"

enum state { STATE_OTHER, STATE_UNVERIFIED, STATE_GOOD, STATE_DAMAGED, STATE__N };
static const char *const state_names[STATE__N] = {"other", "unverified", "good", "damaged"};
struct line {
    const struct snapshot_file *file;
    enum state state;
    const char *reason; /* of STATE_OTHER and STATE_DAMAGED */
    int64_t time_ns, revision;
};
struct listing {
    struct snapshot_place place;
    struct arena arena;
    struct snapshot_files files;
    VEC(struct line) lines;
    bool verify;
    size_t n_damaged;
};

static void say(struct listing *s, struct line *l, enum state state, const char *reason)
{
    l->state = state;
    l->reason = arena_strdup(&s->arena, reason);
    if (state == STATE_DAMAGED)
        s->n_damaged++;
}

static void verify_open(struct listing *s, int fd, struct line *l)
{
    struct backup_reader r = {0};
    struct err err = {0};

    backup_reader_init(&r);
    if (snapshot_read_fd(fd, &r, NULL, &err) < 0)
        say(s, l, STATE_DAMAGED, err.msg);
    else
        l->state = STATE_GOOD;
    backup_reader_deinit(&r);
}

static void look_into(struct listing *s, int fd, struct line *l)
{
    struct err err = {0};
    int r = snapshot_read_head(fd, &l->revision, &l->time_ns, &err);
    struct snapshot_name n;

    l->state = STATE_UNVERIFIED;
    if (r < 0) /* what bears the name of one is one that is damaged */
        say(s, l, snapshot_name_parse(l->file->name, &n) ? STATE_DAMAGED : STATE_OTHER, err.msg);
    else if (s->verify)
        verify_open(s, fd, l);
}

/* False: neither name nor kind speak against it. */
static bool told_by_name(struct listing *s, struct line *l)
{
    struct snapshot_name n;

    if (!l->file->regular) {
        say(s, l, STATE_OTHER, "no regular file");
        return true;
    }
    if (str_has_suffix(str_from(l->file->name), STR(SNAPSHOT_PARTIAL))) {
        say(s, l, STATE_OTHER, "unfinished");
        return true;
    }
    if (!s->place.s3)
        return false;
    if (!snapshot_name_parse(l->file->name, &n)) {
        say(s, l, STATE_OTHER, "not named like one");
        return true;
    }
    l->state = STATE_UNVERIFIED;
    l->time_ns = time_ns((struct time_value){.sec = n.sec, .set = true});
    l->revision = n.revision;
    return !s->verify;
}

static int examine(struct listing *s, struct line *l, struct err *err)
{
    int fd = -1, r;

    if (told_by_name(s, l))
        return 0;
    r = snapshot_place_get(&s->place, l->file->name, snapshot_tmpdir(), &fd, err);
    if (r < 0) {
        if (s->place.s3 && r != ERR_NOT_FOUND) /* deleted since it was listed */
            return r;
        say(s, l, STATE_OTHER, err->msg);
        return 0;
    }
    look_into(s, fd, l);
    (void)close(fd);
    return 0;
}

/* Snapshots first, by their time. */
static int by_time(const void *a, const void *b)
{
    const struct line *x = a, *y = b;

    if (!x->time_ns != !y->time_ns)
        return x->time_ns ? -1 : 1;
    if (x->time_ns != y->time_ns)
        return x->time_ns < y->time_ns ? -1 : 1;
    return strcmp(x->file->name, y->file->name);
}

/* ---- printing ---- */

/* A name may be anything: no control characters for a terminal. */
static const char *shown(struct listing *s, const char *text)
{
    char *z = arena_strdup(&s->arena, text);

    for (char *p = z; *p; p++) {
        if ((uint8_t)*p < ' ' || *p == 127)
            *p = '?';
    }
    return z;
}

static const char *time_of(struct listing *s, const struct line *l)
{
    return l->time_ns ? time_str(&s->arena, time_from_ns(l->time_ns)).p : "-";
}

static void print_table(struct listing *s)
{
    int width = (int)strlen("NAME");

    for (size_t i = 0; i < s->lines.n; i++)
        width = MAX(width, (int)MIN(strlen(s->lines.v[i].file->name), 60));
    printf("%-*s  %-20s  %-10s  %-10s  %s\n", width, "NAME", "TIME", "REVISION", "BYTES", "STATE");
    for (size_t i = 0; i < s->lines.n; i++) {
        const struct line *l = &s->lines.v[i];
        auto_arena a = {0};
        const char *revision =
            l->time_ns ? arena_printf(&a, "%lld", (long long)l->revision) : "-";

        printf("%-*s  %-20s  %-10s  %-10llu  %s%s%s\n", width, shown(s, l->file->name),
               time_of(s, l), revision, (unsigned long long)l->file->bytes,
               l->state == STATE_OTHER ? "no snapshot" : state_names[l->state],
               l->reason ? ": " : "", l->reason ? shown(s, l->reason) : "");
    }
}

static void print_json(struct listing *s)
{
    auto_buf out = {0};

    buf_putc(&out, '[');
    for (size_t i = 0; i < s->lines.n; i++) {
        const struct line *l = &s->lines.v[i];

        buf_puts(&out, i ? ",\n{\"name\":" : "{\"name\":");
        json_write_string(&out, str_from(l->file->name));
        buf_printf(&out, ",\"bytes\":%llu,\"state\":\"%s\"", (unsigned long long)l->file->bytes,
                   state_names[l->state]);
        if (l->time_ns)
            buf_printf(&out, ",\"time\":\"%s\",\"revision\":%lld", time_of(s, l),
                       (long long)l->revision);
        if (l->reason) {
            buf_puts(&out, ",\"reason\":");
            json_write_string(&out, str_from(l->reason));
        }
        buf_putc(&out, '}');
    }
    printf("%s]\n", buf_cstr(&out));
}

static int run(struct listing *s, bool json, struct err *err)
{
    int r = snapshot_place_list(&s->place, &s->arena, &s->files, err);

    for (size_t i = 0; i < s->files.n && r == 0; i++) {
        struct line l = {.file = &s->files.v[i]};

        r = examine(s, &l, err);
        vec_push(&s->lines, l);
    }
    if (r < 0)
        return r;
    if (s->lines.n)
        qsort(s->lines.v, s->lines.n, sizeof(s->lines.v[0]), by_time);
    if (json)
        print_json(s);
    else
        print_table(s);
    return s->n_damaged && s->verify
               ? err_new(err, ERR_PARSE, "damaged: %zu of %zu", s->n_damaged, s->lines.n)
               : 0;
}

int snapshot_list(const char *where, const struct s3_flags *s3, bool json, bool verify,
                  struct err *err)
{
    struct listing s = {.verify = verify};
    int r = snapshot_place_open(where, s3, NULL, &s.place, err);

    if (r == 0)
        r = run(&s, json, err);
    snapshot_place_close(&s.place);
    vec_deinit(&s.lines);
    vec_deinit(&s.files);
    arena_deinit(&s.arena);
    return r;
}
