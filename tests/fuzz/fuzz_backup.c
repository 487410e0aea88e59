/* fuzz_backup.c - whether a snapshot's file is taken does not depend on the pieces it comes in. */
#include "fuzz.h"
#include "store/backup_file.h"
#include <stdlib.h>

static int read_in(struct str file, size_t step)
{
    struct backup_reader r = {0};
    struct err err = {0};
    int code = 0;

    backup_reader_init(&r);
    for (size_t at = 0; at < file.len && code == 0; at += step)
        code = backup_feed(&r, str_sub(file, at, step), &err);
    if (code == 0)
        code = backup_finish(&r, &err);
    backup_reader_deinit(&r);
    return code;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct str file = {(const char *)data, size};

    if (read_in(file, 4096) != read_in(file, 5))
        abort();
    return 0;
}
