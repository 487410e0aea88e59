/* fuzz_json.c - whatever the JSON reader takes must survive being written and read again. */
#include "codec/json.h"
#include "fuzz.h"
#include <stdlib.h>

static void check_text(struct str text, const struct doc *d)
{
    auto_arena a = {0};
    struct doc back;

    if (json_parse(text, &a, &back, NULL, NULL) < 0 || !doc_equal(d, &back))
        abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    auto_arena a = {0}, copies = {0};
    auto_buf out = {0};
    struct json_dup *dups;
    struct err err = {0};
    struct doc d, copy;

    if (json_parse((struct str){(const char *)data, size}, &a, &d, &dups, &err) < 0)
        return 0;
    json_write(&out, &d);
    check_text(buf_view(&out), &d);
    buf_reset(&out);
    json_write_pretty(&out, &d);
    check_text(buf_view(&out), &d);
    copy = doc_clone(&copies, &d, true);
    if (!doc_equal(&d, &copy))
        abort();
    return 0;
}
