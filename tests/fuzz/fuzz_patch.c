/* fuzz_patch.c - input [object, patch]: every form of patch leaves a document within the limits,
 * and does not touch the patch. */
#include "codec/json.h"
#include "fuzz.h"
#include "schema/patch.h"
#include <stdlib.h>

/* A type that holds itself in every way of merging. */
static const struct type type_node;
static const struct field fields[] = {
    {.name = STR_INIT("a"),
     .kind = FIELD_MESSAGE,
     .card = CARD_LIST,
     .type = &type_node,
     .flags = FIELD_PATCH_MERGE,
     .patch_key = "k"},
    {.name = STR_INIT("b"), .kind = FIELD_MESSAGE, .card = CARD_PTR, .type = &type_node},
    {.name = STR_INIT("c"), .kind = FIELD_MESSAGE, .card = CARD_MAP, .type = &type_node},
    {.name = STR_INIT("k"), .kind = FIELD_STRING},
    {.name = STR_INIT("s"), .kind = FIELD_STRING, .card = CARD_LIST, .flags = FIELD_PATCH_MERGE},
};
static const uint16_t by_name[] = {0, 1, 2, 3, 4};
static const struct type type_node = {.name = "Node",
                                      .group = "",
                                      .version = "v1",
                                      .fields = fields,
                                      .n_fields = 5,
                                      .by_name = by_name,
                                      .metadata_offset = -1};

static int strategic(struct arena *a, struct doc *d, const struct doc *patch, struct err *err)
{
    return patch_strategic(a, &type_node, d, patch, err);
}

static void check(int (*run)(struct arena *, struct doc *, const struct doc *, struct err *),
                  const struct doc *object, const struct doc *patch)
{
    auto_arena a = {0};
    auto_buf before = {0}, after = {0}, result = {0};
    struct doc d = doc_clone(&a, object, false), back;
    struct err err = {0};
    int r;

    json_write(&before, patch);
    r = run(&a, &d, patch, &err);
    json_write(&after, patch);
    if (!str_eq(buf_view(&before), buf_view(&after)) || (r < 0) != (err.code != 0))
        abort();
    if (r < 0)
        return;
    json_write(&result, &d);
    if (json_parse(buf_view(&result), &a, &back, NULL, &err) < 0 || !doc_equal(&d, &back))
        abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    auto_arena a = {0};
    struct err err = {0};
    struct doc d;

    if (json_parse((struct str){(const char *)data, size}, &a, &d, NULL, &err) < 0)
        return 0;
    if (d.kind != DOC_ARRAY || d.n != 2)
        return 0;
    check(patch_json, &d.items[0], &d.items[1]);
    check(patch_merge, &d.items[0], &d.items[1]);
    check(strategic, &d.items[0], &d.items[1]);
    return 0;
}
