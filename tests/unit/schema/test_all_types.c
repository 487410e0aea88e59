/* Tests every type of the API: empty and with every field set, through every encoding. */
#include "api/api.h"
#include "base/buf.h"
#include "schema/typed.h"
#include "test.h"

enum { FILL_DEPTH = 5 };

static struct doc sample_object(struct arena *a, const struct type *t, int depth);

static struct doc sample_value(struct arena *a, const struct field *f, int depth)
{
    struct doc raw = doc_object();

    switch ((enum field_kind)f->kind) {
    case FIELD_STRING:
        return doc_string(f->name);
    case FIELD_BOOL:
        return doc_bool(true);
    case FIELD_INT32:
        return doc_int(-7);
    case FIELD_INT64:
        return doc_int(INT64_C(1) << 40);
    case FIELD_UINT64:
        return doc_int(9);
    case FIELD_DOUBLE:
        return doc_double(1.5);
    case FIELD_BYTES:
        return doc_string(STR("aGVsbG8="));
    case FIELD_QUANTITY:
        return doc_string(STR("1500m"));
    case FIELD_INT_OR_STRING:
        return doc_string(STR("25%"));
    case FIELD_TIME:
        return doc_string(STR("2024-02-29T01:02:03Z"));
    case FIELD_MICRO_TIME:
        return doc_string(STR("2024-02-29T01:02:03.000004Z"));
    case FIELD_DURATION:
        return doc_string(STR("1m30s"));
    case FIELD_RAW:
        if (f->raw_form == RAW_JSON)
            doc_add(a, &raw, STR("k"), doc_int(1));
        return raw;
    case FIELD_MESSAGE:
        /* The one type that holds itself would grow without end. */
        return sample_object(a, f->type,
                             f->type == &type_apiextensions_json_schema_props ? depth + 3
                                                                              : depth + 1);
    }
    return doc_null();
}

static struct doc sample_field(struct arena *a, const struct field *f, int depth)
{
    struct doc list = doc_array(), map = doc_object();

    switch ((enum field_card)f->card) {
    case CARD_ONE:
    case CARD_PTR:
        return sample_value(a, f, depth);
    case CARD_LIST:
        doc_append(a, &list, sample_value(a, f, depth));
        doc_append(a, &list, sample_value(a, f, depth));
        return list;
    case CARD_MAP:
        doc_add(a, &map, STR("k1"), sample_value(a, f, depth));
        doc_add(a, &map, STR("k2"), sample_value(a, f, depth));
        return map;
    case CARD_MAP_LIST:
        doc_append(a, &list, sample_value(a, f, depth));
        doc_add(a, &map, STR("k"), list);
        return map;
    }
    return doc_null();
}

static struct doc sample_object(struct arena *a, const struct type *t, int depth)
{
    struct doc d = doc_object();

    for (unsigned i = 0; i < t->n_fields && depth < FILL_DEPTH; i++)
        doc_add(a, &d, t->fields[i].name, sample_field(a, &t->fields[i], depth));
    return d;
}

static void check_both_json_writers(const struct type *t, const void *obj)
{
    auto_arena a = {0};
    auto_buf direct = {0};
    struct doc d = typed_to_doc(t, obj, &a), parsed;
    struct err err = {0};

    typed_write_json(t, obj, &direct);
    assert_str_equal(buf_view(&direct), json_to_str(&a, &d).p);
    assert_ok(json_parse(buf_view(&direct), &a, &parsed, NULL, &err), &err);
    if (!doc_equal(&d, &parsed))
        fail_msg("%s: %s", t->name, buf_cstr(&direct));
}

/* A struct read from JSON comes back from its JSON, its clone and - but for members that have no
 * number - its protobuf. */
static void check_round_trips(const struct type *t, const struct doc *d)
{
    auto_arena a = {0};
    auto_buf json = {0}, pb = {0}, pb_again = {0};
    struct err err = {0};
    void *obj = arena_alloc(&a, t->size), *by_pb = arena_alloc(&a, t->size), *by_json;

    assert_ok(typed_from_doc(t, d, &a, obj, &err), &err);
    check_both_json_writers(t, obj);
    typed_write_json(t, obj, &json);
    assert_ok(typed_from_json(t, buf_view(&json), &a, &by_json, &err), &err);
    if (!typed_equal(t, obj, by_json))
        fail_msg("%s.%s: %s", t->group, t->name, buf_cstr(&json));
    assert_true(typed_equal(t, obj, typed_clone(t, obj, &a, true)));

    typed_write_pb(t, obj, &pb);
    assert_ok(typed_from_pb(t, buf_view(&pb), &a, by_pb, &err), &err);
    typed_write_pb(t, by_pb, &pb_again);
    assert_int_equal(pb.len, pb_again.len);
    if (pb.len)
        assert_memory_equal(pb.p, pb_again.p, pb.len);
    typed_default(t, obj, &a);
    typed_drop_gated(t, obj);
}

static void test_every_type_empty(void **state)
{
    struct doc empty = doc_object();

    (void)state;
    for (size_t i = 0; i < api_n_types; i++)
        check_round_trips(api_types[i], &empty);
}

static void test_every_type_full(void **state)
{
    (void)state;
    for (size_t i = 0; i < api_n_types; i++) {
        auto_arena a = {0};
        struct doc d = sample_object(&a, api_types[i], 0);

        check_round_trips(api_types[i], &d);
    }
}

/* A full struct's protobuf holds every member that has a number. */
static void test_full_protobuf_is_complete(void **state)
{
    auto_arena a = {0};
    struct doc d = sample_object(&a, &type_core_pod, 0);
    struct core_pod from_json = {0}, from_pb = {0};
    struct err err = {0};
    auto_buf pb = {0};

    (void)state;
    doc_remove(&d, STR("kind"));
    doc_remove(&d, STR("apiVersion"));
    assert_ok(typed_from_doc(&type_core_pod, &d, &a, &from_json, &err), &err);
    typed_write_pb(&type_core_pod, &from_json, &pb);
    assert_ok(typed_from_pb(&type_core_pod, buf_view(&pb), &a, &from_pb, &err), &err);
    assert_true(typed_equal(&type_core_pod, &from_json, &from_pb));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_type_empty),
        cmocka_unit_test(test_every_type_full),
        cmocka_unit_test(test_full_protobuf_is_complete),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
