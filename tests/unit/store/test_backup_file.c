/* The file of a snapshot: what is written is read back; every damage is refused. */
#include "store/backup_file.h"
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

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_reads_back),
        cmocka_unit_test(test_every_flip_is_refused),
        cmocka_unit_test(test_every_other_length_is_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
