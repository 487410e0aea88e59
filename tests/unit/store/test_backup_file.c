/* The file of a snapshot: what is written is read back; every damage is refused. */
#include "store/backup_file.h"
#include "net/crypto.h"
#include "test.h"

static int on_record(void *arg, const struct raw_kv *kv, uint64_t offset, struct err *err)
{
    struct buf *out = arg;

    (void)err;
    buf_printf(out, "%llu %.*s=%.*s %lld %lld %lld %lld\n", (unsigned long long)offset,
               STR_ARG(kv->key), STR_ARG(kv->value), (long long)kv->create_revision,
               (long long)kv->mod_revision, (long long)kv->version, (long long)kv->lease);
    return 0;
}

static int on_note(void *arg, struct str name, struct str value, uint64_t offset, struct err *err)
{
    (void)err;
    buf_printf(arg, "%llu note %.*s=%.*s\n", (unsigned long long)offset, STR_ARG(name),
               STR_ARG(value));
    return 0;
}

static int on_pki_file(void *arg, const struct backup_pki_file *f, uint64_t offset,
                       struct err *err)
{
    (void)err;
    buf_printf(arg, "%llu file %.*s=%.*s %o\n", (unsigned long long)offset, STR_ARG(f->name),
               STR_ARG(f->bytes), f->mode);
    return 0;
}

static void write_sample(struct buf *out)
{
    struct backup_writer w;

    backup_begin(&w, 9, 1234567890, out);
    backup_note(&w, STR("n1"), STR("x"), out);
    backup_note(&w, STR("n2"), STR(""), out);
    backup_record(&w, &(struct raw_kv){.key = STR("a"), .value = STR("one"), .create_revision = 2,
                                       .mod_revision = 5, .version = 3, .lease = 77}, out);
    backup_record(&w, &(struct raw_kv){.key = STR("b"), .value = STR(""), .create_revision = 9,
                                       .mod_revision = 9, .version = 1}, out);
    backup_pki_file(&w, &(struct backup_pki_file){STR("ca.crt"), STR("cert"), 0644}, out);
    backup_pki_file(&w, &(struct backup_pki_file){STR("x/y.key"), STR(""), 0600}, out);
    backup_end(&w, out);
    backup_writer_deinit(&w);
}

static int read_all(struct str file, size_t step, struct backup_reader *r, struct buf *seen,
                    struct err *err)
{
    int code = 0;

    *r = (struct backup_reader){.on_record = on_record,
                                .on_note = on_note,
                                .on_pki_file = on_pki_file,
                                .arg = seen};
    backup_reader_init(r);
    for (size_t at = 0; at < file.len && code == 0; at += step)
        code = backup_feed(r, str_sub(file, at, step), err);
    if (code == 0)
        code = backup_finish(r, err);
    backup_reader_deinit(r);
    return code;
}

static void test_reads_back(void **state)
{
    auto_buf file = {0};

    (void)state;
    write_sample(&file);
    for (size_t step = 1; step < 200; step += 7) {
        struct backup_reader r;
        auto_buf seen = {0};
        struct err err = {0};

        assert_int_equal(read_all(buf_view(&file), step, &r, &seen, &err), 0);
        assert_string_equal(buf_cstr(&seen),
                            "41 note n1=x\n57 note n2=\n"
                            "72 a=one 2 5 3 77\n121 b= 9 9 1 0\n"
                            "167 file ca.crt=cert 644\n194 file x/y.key= 600\n");
        assert_int_equal(r.revision, 9);
        assert_int_equal(r.time_ns, 1234567890);
        assert_int_equal(r.records, 2);
        assert_int_equal(r.bytes, file.len);
    }
}

static void test_every_flip_is_refused(void **state)
{
    auto_buf file = {0};

    (void)state;
    write_sample(&file);
    for (size_t i = 0; i < file.len; i++) {
        for (int bit = 0; bit < 8; bit++) {
            struct backup_reader r;
            auto_buf seen = {0};
            struct err err = {0};

            file.p[i] = (char)(file.p[i] ^ (1 << bit));
            assert_int_equal(read_all(buf_view(&file), 64, &r, &seen, &err), ERR_PARSE);
            assert_true(str_has_prefix(str_from(err.msg), STR("at byte ")));
            file.p[i] = (char)(file.p[i] ^ (1 << bit));
        }
    }
}

static void test_every_other_length_is_refused(void **state)
{
    auto_buf file = {0};
    struct backup_reader r;

    (void)state;
    write_sample(&file);
    for (size_t n = 0; n < file.len; n++) {
        auto_buf seen = {0};
        struct err err = {0};

        assert_int_equal(read_all(str_sub(buf_view(&file), 0, n), 64, &r, &seen, &err), ERR_PARSE);
        assert_true(str_find(str_from(err.msg), STR("the file ends too early")) > 0);
    }
    {
        auto_buf seen = {0};
        struct err err = {0};

        buf_putc(&file, 0);
        assert_int_equal(read_all(buf_view(&file), 64, &r, &seen, &err), ERR_PARSE);
        assert_true(str_find(str_from(err.msg), STR("bytes behind the end")) > 0);
    }
}

/* A block whose sums are good, whatever is in it. */
static void any_block(struct backup_writer *w, char type, struct str payload, struct buf *out)
{
    size_t at = out->len;
    uint32_t n = (uint32_t)payload.len + 1, crc = 0;

    buf_append(out, &n, sizeof(n));
    buf_append(out, &crc, sizeof(crc));
    buf_putc(out, type);
    buf_str(out, payload);
    crc = crc32c_add(&w->crc, 0, (struct str){out->p + at, 4});
    crc = crc32c_add(&w->crc, crc, (struct str){out->p + at + 8, n});
    memcpy(out->p + at + 4, &crc, sizeof(crc));
    digest_add(w->sha, (struct str){out->p + at, out->len - at});
    w->blocks++;
}

#define BYTES(text) {text, sizeof(text) - 1}
#define KEY_A "\2\0\0\0\0\0\0\0\5\0\0\0\0\0\0\0\3\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\1\0\0\0a"
#define NOTE(name) "\1\0\0\0" name
#define FILE_A "\200\1\0\0\1\0\0\0a"
struct block {
    char type;
    struct str payload;
};

/* A file of @format with the first of @blocks[3]. */
static int read_blocks(char format, const struct block *blocks, struct err *err)
{
    struct backup_writer w;
    struct backup_reader r;
    auto_buf file = {0}, seen = {0};

    backup_begin(&w, 9, 1, &file);
    file.p[8] = format;
    w.sha = digest_free(w.sha);
    w.sha = digest_new();
    digest_add(w.sha, buf_view(&file));
    for (int i = 0; i < 3 && blocks[i].type; i++)
        any_block(&w, blocks[i].type, blocks[i].payload, &file);
    backup_end(&w, &file);
    backup_writer_deinit(&w);
    return read_all(buf_view(&file), 64, &r, &seen, err);
}

static void test_what_cannot_be_is_refused(void **state)
{
    static const char *const displaced = "a block that does not belong there",
                             *const disordered = "a record that is out of order",
                             *const impossible = "an impossible name, size or mode",
                             *const damaged = "damaged record", *const alien = "not of a snapshot";
    static const struct {
        char format;
        struct block blocks[3];
        const char *why; /* NULL: good */
    } cases[] = {
        {1, {{0}}, NULL},
        {1, {{2, BYTES(KEY_A)}}, NULL},
        {2, {{4, BYTES(NOTE("n"))}, {2, BYTES(KEY_A)}, {5, BYTES(FILE_A)}}, NULL},
        {1, {{4, BYTES(NOTE("n"))}}, displaced},
        {1, {{5, BYTES(FILE_A)}}, displaced},
        {2, {{2, BYTES(KEY_A)}, {4, BYTES(NOTE("n"))}}, displaced},
        {2, {{5, BYTES(FILE_A)}, {2, BYTES(KEY_A)}}, displaced},
        {2, {{1, BYTES("\1\0\0\0\0\0\0\0\1\0\0\0\0\0\0\0")}}, displaced},
        {2, {{0x7f, BYTES("x")}}, displaced},
        {2, {{2, BYTES(KEY_A)}, {2, BYTES(KEY_A)}}, disordered},
        {2, {{4, BYTES(NOTE("n"))}, {4, BYTES(NOTE("m"))}}, disordered},
        {2, {{5, BYTES(FILE_A)}, {5, BYTES(FILE_A)}}, disordered},
        {2, {{4, BYTES("\15\0\0\0store/compact7")}}, alien},
        {2, {{4, BYTES("\17\0\0\0etcd/id/cluster7")}}, alien},
        {2, {{4, BYTES("\22\0\0\0etcd/alarm/nospace1")}}, alien},
        {2, {{4, BYTES("\20\0\0\0etcd/lease/00017")}}, NULL},
        {2, {{4, BYTES("\2\0\0\0n")}}, "a key of 2 bytes"},
        {2, {{4, BYTES("\0\0\0\0n")}}, "a key of 0 bytes"},
        {2, {{4, BYTES("n")}}, damaged},
        {2, {{5, BYTES("\200\1\0\0\1\0\0")}}, damaged},
        {2, {{5, BYTES("\200\1\0\0\2\0\0\0a")}}, "a key of 2 bytes"},
        {2, {{5, BYTES("\244\1\0\0\3\0\0\0a/b")}}, NULL},
        {2, {{5, BYTES("\377\1\0\0\1\0\0\0a")}}, impossible}, /* 0777 */
        {2, {{5, BYTES("\200\11\0\0\1\0\0\0a")}}, impossible}, /* 04600 */
        {2, {{5, BYTES("\200\1\0\0\2\0\0\0..")}}, impossible},
        {2, {{5, BYTES("\200\1\0\0\2\0\0\0/a")}}, impossible},
        {2, {{5, BYTES("\200\1\0\0\4\0\0\0a/..")}}, impossible},
        {2, {{5, BYTES("\200\1\0\0\4\0\0\0a//b")}}, impossible},
        {2, {{5, BYTES("\200\1\0\0\2\0\0\0a/")}}, impossible},
        {2, {{5, BYTES("\200\1\0\0\2\0\0\0a\0")}}, impossible},
        {2, {{5, BYTES("\200\1\0\0\5\0\0\0a/./b")}}, impossible},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct err err = {0};
        int r = read_blocks(cases[i].format, cases[i].blocks, &err);

        if (cases[i].why && (r != ERR_PARSE || !strstr(err.msg, cases[i].why)))
            fail_msg("case %zu: %d %s", i, r, err.msg);
        if (!cases[i].why)
            assert_ok(r, &err);
    }
}

static void test_so_many_files_and_no_more(void **state)
{
    (void)state;
    for (int more = 0; more < 2; more++) {
        struct backup_writer w;
        struct backup_reader r;
        auto_buf file = {0}, seen = {0};
        struct err err = {0};

        backup_begin(&w, 9, 1, &file);
        for (int i = 0; i < BACKUP_FILES_MAX + more; i++) {
            char name[16];

            (void)snprintf(name, sizeof(name), "f%03d", i);
            backup_pki_file(&w, &(struct backup_pki_file){str_from(name), STR("x"), 0600}, &file);
        }
        backup_end(&w, &file);
        backup_writer_deinit(&w);
        assert_int_equal(read_all(buf_view(&file), 512, &r, &seen, &err), more ? ERR_PARSE : 0);
        if (more)
            assert_non_null(strstr(err.msg, "more than 256 files of pki"));
    }
}

/* What is added to a whole file is as if it had been written with it. */
static void test_goes_on_at_the_end(void **state)
{
    static const struct backup_pki_file f = {STR_INIT("ca.key"), STR_INIT("secret"), 0600};
    auto_buf whole = {0}, grown = {0}, seen = {0};
    struct backup_writer w;
    struct backup_reader r = {0};
    struct err err = {0};
    uint64_t at;

    (void)state;
    for (int i = 0; i < 2; i++) {
        struct buf *out = i ? &whole : &grown;

        backup_begin(&w, 9, 1, out);
        backup_note(&w, STR("n"), STR("x"), out);
        if (i)
            backup_pki_file(&w, &f, out);
        backup_end(&w, out);
        backup_writer_deinit(&w);
    }
    backup_reader_init(&r);
    assert_ok(backup_feed(&r, buf_view(&grown), &err), &err);
    assert_ok(backup_finish(&r, &err), &err);
    backup_continue(&w, &r, &at);
    backup_reader_deinit(&r);
    grown.len = at;
    backup_pki_file(&w, &f, &grown);
    backup_end(&w, &grown);
    backup_writer_deinit(&w);
    assert_true(str_eq(buf_view(&grown), buf_view(&whole)));
    assert_ok(read_all(buf_view(&grown), 64, &r, &seen, &err), &err);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_reads_back),
        cmocka_unit_test(test_every_flip_is_refused),
        cmocka_unit_test(test_every_other_length_is_refused),
        cmocka_unit_test(test_what_cannot_be_is_refused),
        cmocka_unit_test(test_so_many_files_and_no_more),
        cmocka_unit_test(test_goes_on_at_the_end),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
