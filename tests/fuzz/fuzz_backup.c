/* fuzz_backup.c - whether a snapshot's file is taken does not depend on the pieces it comes in, and
 * what is taken can be added to. */
#include "fuzz.h"
#include "store/backup_file.h"
#include <stdlib.h>

/* The reader is to be deinitialized. */
static int read_in(struct str file, size_t step, struct backup_reader *r)
{
    struct err err = {0};
    int code = 0;

    *r = (struct backup_reader){0};
    backup_reader_init(r);
    for (size_t at = 0; at < file.len && code == 0; at += step)
        code = backup_feed(r, str_sub(file, at, step), &err);
    if (code == 0)
        code = backup_finish(r, &err);
    return code;
}

static void add_to(struct str file, struct backup_reader *r)
{
    struct backup_writer w;
    struct backup_reader again;
    auto_buf grown = {0};
    uint64_t at;

    backup_continue(&w, r, &at);
    buf_str(&grown, str_sub(file, 0, at));
    backup_pki_file(&w, &(struct backup_pki_file){STR("a"), STR("b"), 0600}, &grown);
    backup_end(&w, &grown);
    backup_writer_deinit(&w);
    if (read_in(buf_view(&grown), 4096, &again) != 0 || again.pki_files != 1)
        abort();
    backup_reader_deinit(&again);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct str file = {(const char *)data, size};
    struct backup_reader a, b;
    int code = read_in(file, 4096, &a);

    if (code != read_in(file, 5, &b))
        abort();
    if (code == 0 && a.format >= 2 && !a.pki_files)
        add_to(file, &a);
    backup_reader_deinit(&a);
    backup_reader_deinit(&b);
    return 0;
}
