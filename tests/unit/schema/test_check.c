/* test_check.c - unknown and duplicate fields, and declared constraints. */
#include "base/buf.h"
#include "patch_types.h"
#include "schema/check.h"
#include "test.h"

static const char *joined(struct arena *a, const struct type *type, const char *json)
{
    struct string_list texts = {0};
    struct json_dup *dups;
    struct err err = {0};
    auto_buf out = {0};
    struct doc d;

    assert_ok(json_parse(str_from(json), a, &d, &dups, &err), &err);
    check_fields(type, &d, dups, a, &texts);
    for (size_t i = 0; i < texts.n; i++) {
        if (i)
            buf_puts(&out, ", ");
        buf_str(&out, texts.v[i]);
    }
    return arena_strdup(a, buf_cstr(&out));
}

static void test_unknown_fields_are_found_in_order(void **state)
{
    static const char *const cases[][2] = {
        {"{\"n\":1,\"labels\":{\"anything\":\"x\"},\"raw\":{\"any\":{\"thing\":1}}}", ""},
        {"{\"N\":1}", "unknown field \"N\""},
        {"{\"b\":1,\"boxes\":[{\"name\":\"x\"},{\"z\":1,\"env\":[{\"q\":null}]}],\"a\":{}}",
         "unknown field \"b\", unknown field \"boxes[1].z\", unknown field \"boxes[1].env[0].q\", "
         "unknown field \"a\""},
        {"{\"byName\":{\"k\":{\"x\":1}}}", "unknown field \"byName.k.x\""},
        {"{\"strategy\":{\"a\\\"b\":1}}", "unknown field \"strategy.a\\\"b\""},
        {"{\"boxes\":{\"x\":1},\"strategy\":[1],\"byName\":[1],\"atoms\":[1,null]}", ""},
        {"{\"n\":1,\"n\":2,\"x\":1}", "unknown field \"x\", duplicate field \"n\""},
        {"{\"boxes\":[{\"name\":\"a\",\"name\":\"b\"}]}", "duplicate field \"boxes[0].name\""},
        {"[]", ""},
    };

    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        auto_arena a = {0};

        assert_string_equal(joined(&a, &thing_type, cases[i][0]), cases[i][1]);
    }
}

static void test_unknown_fields_are_limited(void **state)
{
    auto_arena a = {0};
    auto_buf b = {0};
    struct string_list texts = {0};
    struct err err = {0};
    struct doc d;

    for (int i = 0; i < 200; i++)
        buf_printf(&b, "%s\"x%d\":1", i ? "," : "{", i);
    buf_putc(&b, '}');
    assert_ok(json_parse(buf_view(&b), &a, &d, NULL, &err), &err);
    check_fields(&thing_type, &d, NULL, &a, &texts);
    assert_int_equal(texts.n, 100);
    assert_str_equal(texts.v[99], "unknown field \"x99\"");
}

/* A type with every constraint, and its struct. */
struct part {
    struct str name;
    int32_t port;
};
struct limited {
    struct str mode;
    int32_t count;
    struct int_or_string flex;
    struct string_list hosts;
    struct str label;
    struct string_map notes;
    struct {
        struct part *v;
        size_t n;
    } parts;
    struct part *either, *other;
};
static const char *const modes[] = {"Fast", "Slow"};
static const struct enum_def mode_enum = {"Mode", modes, 2};
static const char *const part_keys[] = {"name", NULL};
static const char *const unions[] = {"either", "other", "", NULL};
static const struct field_limits mode_limits = {.closed_enum = true};
static const struct field_limits count_limits = {
    .has_min = true, .has_max = true, .min = 1, .max = 10};
static const struct field_limits flex_limits = {.has_min = true, .min = 0};
static const struct field_limits host_limits = {.format = "dns-label", .max_items = 2};
static const struct field_limits label_limits = {.max_length = 4, .min_length = 2};
static const struct field_limits note_limits = {.max_length = 3};
static const struct field_limits port_limits = {.has_max = true, .max = 65535};
#define AT(s, m) .offset = offsetof(struct s, m)
static const struct field part_fields[] = {FIELD_("name", FIELD_STRING, CARD_ONE, AT(part, name)),
                                           FIELD_("port", FIELD_INT32, CARD_ONE, AT(part, port),
                                                  .limits = &port_limits,
                                                  .flags = FIELD_IMMUTABLE)};
static const struct type part_type = {.name = "Part",
                                      .size = sizeof(struct part),
                                      .metadata_offset = -1,
                                      .fields = part_fields,
                                      .n_fields = 2,
                                      .by_name = two_by_name};
static const struct field limited_fields[] = {
    FIELD_("mode", FIELD_STRING, CARD_ONE, AT(limited, mode), .limits = &mode_limits,
           .values = &mode_enum, .flags = FIELD_REQUIRED | FIELD_IMMUTABLE),
    FIELD_("count", FIELD_INT32, CARD_ONE, AT(limited, count), .limits = &count_limits),
    FIELD_("flex", FIELD_INT_OR_STRING, CARD_ONE, AT(limited, flex), .limits = &flex_limits),
    FIELD_("hosts", FIELD_STRING, CARD_LIST, AT(limited, hosts), .limits = &host_limits),
    FIELD_("label", FIELD_STRING, CARD_ONE, AT(limited, label), .limits = &label_limits,
           .flags = 0),
    FIELD_("notes", FIELD_STRING, CARD_MAP, AT(limited, notes), .limits = &note_limits),
    FIELD_("parts", FIELD_MESSAGE, CARD_LIST, AT(limited, parts), .type = &part_type,
           .map_keys = part_keys, .list_type = LIST_MAP),
    FIELD_("either", FIELD_MESSAGE, CARD_PTR, AT(limited, either), .type = &part_type,
           .flags = FIELD_UNION),
    FIELD_("other", FIELD_MESSAGE, CARD_PTR, AT(limited, other), .type = &part_type,
           .flags = FIELD_UNION)};
static const uint16_t limited_by_name[] = {1, 7, 2, 3, 4, 0, 5, 8, 6};
static const struct type limited_type = {.name = "Limited",
                                         .size = sizeof(struct limited),
                                         .metadata_offset = -1,
                                         .fields = limited_fields,
                                         .n_fields = 9,
                                         .by_name = limited_by_name,
                                         .unions = unions};

static void expect(const struct limited *obj, const struct limited *old, const char *message)
{
    auto_arena a = {0};
    struct field_errors e = {.arena = &a};
    struct path spec = path_field(NULL, "spec");

    check_typed(&limited_type, obj, old, &spec, &e);
    assert_str_equal(field_errors_message(&e), message);
}

static void test_constraints_are_checked(void **state)
{
    struct part one = {STR("p"), 1};
    const struct limited good = {.mode = STR("Fast"), .either = &one};
    struct limited x = good;
    struct str hosts[] = {STR("a"), STR("B."), STR("c")};
    struct string_pair notes[] = {{STR("k"), STR("long")}};

    expect(&good, NULL, "");
    x.mode = STR_NULL;
    expect(&x, NULL, "spec.mode: Required value");
    x.mode = STR("slow");
    expect(&x, NULL,
           "spec.mode: Unsupported value: \"slow\": supported values: \"Fast\", \"Slow\"");
    x = good;
    x.count = 11;
    expect(&x, NULL, "spec.count: Invalid value: 11: must be between 1 and 10, inclusive");
    x = good;
    x.flex = (struct int_or_string){.kind = INT_OR_STRING_INT, .i = -1};
    expect(&x, NULL, "spec.flex: Invalid value: -1: must be greater than or equal to 0");
    x.flex = (struct int_or_string){.kind = INT_OR_STRING_STRING, .s = STR("-1%")};
    expect(&x, NULL, "");
    x = good;
    x.label = STR("abcde");
    expect(&x, NULL, "spec.label: Too long: may not be more than 4 bytes");
    x.label = STR("a");
    expect(&x, NULL, "spec.label: Too short: must be at least 2 characters");
    x = good;
    x.hosts = (struct string_list){hosts, 1};
    expect(&x, NULL, "");
    x.hosts.n = 3;
    hosts[1] = STR("a.b");
    expect(&x, NULL,
           "[spec.hosts: Too many: 3: must have at most 2 items, spec.hosts[1]: Invalid "
           "value: \"a.b\": must not contain dots]");
    x = good;
    x.notes = (struct string_map){notes, 1};
    expect(&x, NULL, "spec.notes[k]: Too long: may not be more than 3 bytes");
    x = good;
    one.port = 65536;
    expect(&x, NULL, "spec.either.port: Invalid value: 65536: must be less than or equal to 65535");
}

static void test_unions_hold_exactly_one(void **state)
{
    struct part one = {STR("p"), 1};
    struct limited x = {.mode = STR("Fast")};

    expect(&x, NULL, "spec: Invalid value: \"\": must specify one of: `either`, `other`");
    x.either = &one;
    x.other = &one;
    expect(&x, NULL,
           "spec: Invalid value: \"{either, other}\": must specify exactly one of: "
           "`either`, `other`");
}

static void test_immutable_fields_are_held_against_the_old_object(void **state)
{
    struct part one = {STR("p"), 1};
    struct part old_parts[] = {{STR("a"), 1}, {STR("b"), 2}, {STR("c"), 3}};
    struct part new_parts[] = {{STR("b"), 2}, {STR("new"), 9}, {STR("a"), 7}};
    struct limited old = {.mode = STR("Fast"), .either = &one}, x = old;

    expect(&x, &old, "");
    x.mode = STR("Slow");
    expect(&x, &old, "spec.mode: Invalid value: \"Slow\": field is immutable");
    x.mode = old.mode;
    old.parts.v = old_parts;
    old.parts.n = 3;
    x.parts.v = new_parts;
    x.parts.n = 3;
    expect(&x, &old, "spec.parts[2].port: Invalid value: 7: field is immutable");
    expect(&x, NULL, "");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_unknown_fields_are_found_in_order),
        cmocka_unit_test(test_unknown_fields_are_limited),
        cmocka_unit_test(test_constraints_are_checked),
        cmocka_unit_test(test_unions_hold_exactly_one),
        cmocka_unit_test(test_immutable_fields_are_held_against_the_old_object),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
