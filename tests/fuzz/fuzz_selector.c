/* fuzz_selector.c - a selector that is taken has a canonical text, which is taken and is its own.
 */
#include "fuzz.h"
#include "schema/selector.h"
#include <stdlib.h>

static void check_labels(struct str text)
{
    auto_arena a = {0};
    auto_buf first = {0}, second = {0};
    struct string_map none = {0};
    struct selector s, again;
    struct err err = {0};

    if (selector_parse_labels(text, &a, &s, &err) < 0) {
        if (err.code != ERR_BAD_REQUEST || !err.msg[0])
            abort();
        return;
    }
    selector_write(&s, &first);
    if (selector_parse_labels(buf_view(&first), &a, &again, &err) < 0)
        abort();
    selector_write(&again, &second);
    if (!str_eq(buf_view(&first), buf_view(&second)))
        abort();
    if (selector_match_map(&s, &none) != selector_match_map(&again, &none))
        abort();
}

static void check_fields(struct str text)
{
    static const struct resource res = {
        .group = "", .version = "v1", .plural = "things", .kind = "Thing"};
    static const struct string_pair no_labels[1];
    auto_arena a = {0};
    struct object o = {.res = &res, .name = STR("x"), .labels = no_labels};
    struct selector s;
    struct err err = {0};

    if (selector_parse_fields(&res, text, &a, &s, &err) < 0)
        return;
    (void)selector_match_fields(&s, &o);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct str text = {(const char *)data, size};

    check_labels(text);
    check_fields(text);
    return 0;
}
