/* patch_types.h - a small type with every way of merging, for tests. */
#pragma once
#include "schema/type.h"

#define FIELD_(n, k, c, ...)                                                                       \
    {                                                                                              \
        .name = STR_INIT(n), .kind = (k), .card = (c), ##__VA_ARGS__                               \
    }

static const struct field env_fields[] = {FIELD_("name", FIELD_STRING, CARD_ONE),
                                          FIELD_("value", FIELD_STRING, CARD_ONE)};
static const uint16_t two_by_name[] = {0, 1};
static const struct type env_type = {.name = "Env",
                                     .group = "",
                                     .version = "v1",
                                     .fields = env_fields,
                                     .n_fields = 2,
                                     .by_name = two_by_name};
static const struct field box_fields[] = {FIELD_("args", FIELD_STRING, CARD_LIST),
                                          FIELD_("env", FIELD_MESSAGE, CARD_LIST, .type = &env_type,
                                                 .flags = FIELD_PATCH_MERGE, .patch_key = "name"),
                                          FIELD_("image", FIELD_STRING, CARD_ONE),
                                          FIELD_("name", FIELD_STRING, CARD_ONE)};
static const uint16_t box_by_name[] = {0, 1, 2, 3};
static const struct type box_type = {.name = "Box",
                                     .group = "",
                                     .version = "v1",
                                     .fields = box_fields,
                                     .n_fields = 4,
                                     .by_name = box_by_name};
static const struct field strategy_fields[] = {FIELD_("rolling", FIELD_STRING, CARD_MAP),
                                               FIELD_("type", FIELD_STRING, CARD_ONE)};
static const struct type strategy_type = {.name = "Strategy",
                                          .group = "",
                                          .version = "v1",
                                          .fields = strategy_fields,
                                          .n_fields = 2,
                                          .by_name = two_by_name};
static const struct field thing_fields[] = {
    FIELD_("atoms", FIELD_MESSAGE, CARD_LIST, .type = &env_type),
    FIELD_("boxes", FIELD_MESSAGE, CARD_LIST, .type = &box_type, .flags = FIELD_PATCH_MERGE,
           .patch_key = "name"),
    FIELD_("byName", FIELD_MESSAGE, CARD_MAP, .type = &box_type),
    FIELD_("keyless", FIELD_MESSAGE, CARD_LIST, .type = &env_type, .flags = FIELD_PATCH_MERGE),
    FIELD_("labels", FIELD_STRING, CARD_MAP),
    FIELD_("n", FIELD_INT32, CARD_ONE),
    FIELD_("raw", FIELD_RAW, CARD_ONE),
    FIELD_("set", FIELD_STRING, CARD_LIST, .flags = FIELD_PATCH_MERGE),
    FIELD_("strategy", FIELD_MESSAGE, CARD_ONE, .type = &strategy_type,
           .flags = FIELD_PATCH_RETAIN_KEYS),
    FIELD_("whole", FIELD_MESSAGE, CARD_ONE, .type = &strategy_type, .flags = FIELD_PATCH_REPLACE)};
static const uint16_t thing_by_name[] = {0, 1, 2, 3, 4, 5, 6, 7, 8, 9};
static const struct type thing_type = {.name = "Thing",
                                       .group = "",
                                       .version = "v1",
                                       .fields = thing_fields,
                                       .n_fields = 10,
                                       .by_name = thing_by_name};
