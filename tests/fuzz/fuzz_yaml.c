/* fuzz_yaml.c - whatever the YAML reader takes must survive being written and read again. */
#include "codec/yaml.h"
#include "fuzz.h"
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    auto_arena a = {0};
    auto_buf out = {0};
    struct str text = {(const char *)data, size};
    struct json_dup *dups;
    struct err err = {0};
    struct doc d, back, all;

    if (yaml_parse_all(text, &a, &all, &err) == 0 && all.kind != DOC_ARRAY)
        abort();
    if (yaml_parse(text, &a, &d, &dups, &err) < 0)
        return 0;
    yaml_write(&out, &d);
    if (yaml_parse(buf_view(&out), &a, &back, NULL, &err) < 0 || !doc_equal(&d, &back))
        abort();
    return 0;
}
