/* Tests of the protobuf form: what upstream's generated code writes, spelled out in hex. */
#include "api/api.h"
#include "base/buf.h"
#include "codec/pb.h"
#include "schema/typed.h"
#include "test.h"

static struct str unhex(struct arena *a, const char *hex)
{
    char *out = arena_alloc(a, strlen(hex) / 2 + 1);
    size_t n = 0;

    for (; *hex; hex++) {
        char byte[3] = {hex[0], hex[0] == ' ' ? '\0' : hex[1], '\0'};

        if (*hex == ' ')
            continue;
        out[n++] = (char)strtoul(byte, NULL, 16);
        hex++;
    }
    return (struct str){out, n};
}

static char *hex(struct arena *a, struct str s)
{
    char *out = arena_alloc(a, 2 * s.len + 1);

    for (size_t i = 0; i < s.len; i++)
        (void)snprintf(out + 2 * i, 3, "%02x", (unsigned char)s.p[i]);
    return out;
}

/* @json is written as @want_hex, and that is read back to the same. */
static void check(const struct type *t, const char *json, const char *want_hex)
{
    auto_arena a = {0};
    auto_buf out = {0}, again = {0};
    struct err err = {0};
    struct str want = unhex(&a, want_hex);
    void *obj, *back = arena_alloc(&a, t->size);

    assert_ok(typed_from_json(t, str_from(json), &a, &obj, &err), &err);
    typed_write_pb(t, obj, &out);
    assert_string_equal(hex(&a, buf_view(&out)), hex(&a, want));
    assert_ok(typed_from_pb(t, want, &a, back, &err), &err);
    assert_true(typed_equal(t, obj, back));
    typed_write_pb(t, back, &again);
    assert_string_equal(hex(&a, buf_view(&again)), hex(&a, want));
}

static void test_plain_members_are_written_when_zero(void **state)
{
    (void)state;
    check(&type_core_container_port, "{}", "0a00 1000 1800 2200 2a00");
    check(&type_core_container_port,
          "{\"name\":\"web\",\"containerPort\":80,\"protocol\":\"TCP\",\"hostPort\":-1}",
          "0a03776562 10ffffffffffffffffff01 1850 2203544350 2a00");
    check(&type_meta_owner_reference, "{\"controller\":false}", "0a00 1a00 2200 2a00 3000");
}

static void test_times(void **state)
{
    (void)state;
    check(&type_core_node_condition, "{\"lastHeartbeatTime\":\"1970-01-01T00:00:05Z\"}",
          "0a00 1200 1a0408051000 2200 2a00 3200");
    check(&type_coordination_lease_spec, "{\"renewTime\":\"1970-01-01T00:00:01.000002Z\"}",
          "2205 080110d00f");
}

static void test_quantities_and_int_or_strings(void **state)
{
    (void)state;
    check(&type_core_http_get_action, "{\"port\":\"a\"}", "0a00 1207 0801 1000 1a0161 1a00 2200");
    check(&type_core_resource_requirements, "{\"limits\":{\"cpu\":\"1\",\"b\":\"1Ki\"}}",
          "0a0a 0a0162 12050a03314b69 0a0a 0a03637075 12030a0131");
}

static void test_maps_and_lists(void **state)
{
    (void)state;
    check(&type_authentication_user_info, "{\"extra\":{\"b\":[\"x\",\"y\"],\"a\":[]}}",
          "0a00 1200 2205 0a0161 1200 220b 0a0162 1206 0a0178 0a0179");
    check(&type_core_secret, "{\"data\":{\"k\":\"\"}}",
          "0a10 0a00 1200 1a00 2200 2a00 3200 3800 4200 1205 0a016b 1200 1a00");
}

static void test_embedded_messages_hold_inlined_members(void **state)
{
    (void)state;
    check(&type_core_volume, "{\"name\":\"v\"}", "0a0176 1200");
    check(&type_core_volume, "{\"name\":\"v\",\"emptyDir\":{\"medium\":\"M\"}}",
          "0a0176 1205 1203 0a014d");
    check(&type_admissionregistration_named_rule_with_operations,
          "{\"resourceNames\":[\"n\"],\"operations\":[\"*\"],\"apiGroups\":[\"\"]}",
          "0a016e 1207 0a012a 1202 0a00");
}

static void test_raw_documents(void **state)
{
    (void)state;
    check(&type_meta_managed_fields_entry, "{\"fieldsV1\":{\"f:a\":{}}}",
          "0a00 1200 1a00 3200 3a0c 0a0a 7b22663a61223a7b7d7d 4200");
    check(&type_apiextensions_custom_resource_subresources, "{\"status\":{}}", "0a00");
    check(&type_apps_controller_revision, "{}",
          "0a10 0a00 1200 1a00 2200 2a00 3200 3800 4200 1200 1800");
}

/* Only the alternatives: what else JSONSchemaProps writes is cut off. */
static void check_schema(const char *json)
{
    const struct type *t = &type_apiextensions_json_schema_props;
    auto_arena a = {0};
    auto_buf out = {0}, text = {0};
    struct err err = {0};
    void *obj, *back = arena_alloc(&a, t->size);

    assert_ok(typed_from_json(t, str_from(json), &a, &obj, &err), &err);
    typed_write_pb(t, obj, &out);
    assert_ok(typed_from_pb(t, buf_view(&out), &a, back, &err), &err);
    typed_write_json(t, back, &text);
    assert_str_equal(buf_view(&text), json);
}

static void test_json_schema_alternatives_come_back(void **state)
{
    (void)state;
    check_schema("{\"items\":{\"type\":\"string\"}}");
    check_schema("{\"items\":[{\"type\":\"string\"},{\"maximum\":1.5}]}");
    check_schema("{\"additionalProperties\":true}");
    check_schema("{\"additionalProperties\":false}");
    check_schema("{\"additionalProperties\":{\"nullable\":true}}");
    check_schema("{\"dependencies\":{\"a\":{\"type\":\"x\"},\"b\":[\"c\",\"d\"]}}");
    check_schema("{\"default\":[1,\"a\",null],\"enum\":[1,\"b\"],\"not\":{\"not\":{}}}");
}

static void test_reads_any_order_packed_numbers_and_unknown_fields(void **state)
{
    auto_arena a = {0};
    struct err err = {0};
    struct core_pod_security_context sc = {0};
    struct core_container_port port = {0};

    (void)state;
    /* supplementalGroups: one alone, then three packed */
    assert_ok(typed_from_pb(&type_core_pod_security_context, unhex(&a, "2001 2203 020304"), &a, &sc,
                            &err),
              &err);
    assert_int_equal(sc.supplemental_groups.n, 4);
    assert_int_equal(sc.supplemental_groups.v[0], 1);
    assert_int_equal(sc.supplemental_groups.v[3], 4);
    assert_ok(typed_from_pb(&type_core_container_port, unhex(&a, "1850 fa07 03616263 0a0178"), &a,
                            &port, &err),
              &err);
    assert_int_equal(port.container_port, 80);
    assert_str_equal(port.name, "x");
}

static void test_maps_are_sorted_and_the_last_of_a_key_wins(void **state)
{
    auto_arena a = {0};
    struct err err = {0};
    struct core_config_map cm = {0};

    (void)state;
    assert_ok(typed_from_pb(&type_core_config_map,
                            unhex(&a, "1206 0a0162 120131 1206 0a0161 120132 1206 0a0162 120133"),
                            &a, &cm, &err),
              &err);
    assert_int_equal(cm.data.n, 2);
    assert_str_equal(cm.data.v[0].key, "a");
    assert_str_equal(cm.data.v[1].value, "3");
}

static void check_bad(const struct type *t, const char *hex_text)
{
    auto_arena a = {0};
    struct err err = {0};

    assert_int_equal(typed_from_pb(t, unhex(&a, hex_text), &a, arena_alloc(&a, t->size), &err),
                     ERR_PARSE);
    assert_true(err.msg[0] != '\0');
}

static void test_damage_is_an_error(void **state)
{
    (void)state;
    check_bad(&type_core_container_port, "0a05 61"); /* cut short */
    check_bad(&type_core_container_port, "0801");    /* a number for a string */
    check_bad(&type_core_volume, "1001");            /* a number for an embedded message */
    check_bad(&type_core_node_condition, "1a0b 08ffffffffffffffff7f");       /* beyond year 9999 */
    check_bad(&type_core_resource_requirements, "0a09 0a0161 12040a027878"); /* no quantity */
    check_bad(&type_meta_managed_fields_entry, "3a03 0a017b");               /* no JSON */
    check_bad(&type_apiextensions_json_schema_props, "49 000000000000f07f"); /* infinity */
}

static void test_deep_messages_are_refused(void **state)
{
    auto_arena a = {0};
    auto_buf b = {0};
    struct err err = {0};
    struct apiextensions_json_schema_props props = {0};
    size_t marks[200];

    (void)state;
    for (int i = 0; i < 200; i++)
        marks[i] = pb_begin(&b, 28); /* not */
    for (int i = 199; i >= 0; i--)
        pb_end(&b, marks[i]);
    assert_int_equal(
        typed_from_pb(&type_apiextensions_json_schema_props, buf_view(&b), &a, &props, &err),
        ERR_PARSE);
}

/* Each level holds all below it: handling one must not handle those again. */
static void test_nested_alternatives_take_linear_memory(void **state)
{
    const struct type *t = &type_apiextensions_json_schema_props;
    auto_arena a = {0};
    auto_buf json = {0}, pb = {0}, again = {0};
    struct err err = {0};
    void *obj, *back = arena_alloc(&a, t->size);

    (void)state;
    for (int i = 0; i < 60; i++)
        buf_puts(&json, "{\"items\":");
    buf_puts(&json, "{\"enum\":[0");
    for (int i = 0; i < 10000; i++)
        buf_puts(&json, ",1");
    buf_puts(&json, "]}");
    for (int i = 0; i < 60; i++)
        buf_putc(&json, '}');
    assert_ok(typed_from_json(t, buf_view(&json), &a, &obj, &err), &err);
    typed_write_pb(t, obj, &pb);
    assert_ok(typed_from_pb(t, buf_view(&pb), &a, back, &err), &err);
    typed_write_json(t, back, &again);
    assert_true(str_eq(buf_view(&again), buf_view(&json)));
    assert_in_range(a.used_bytes, 0, 8 << 20);
}

static void test_deep_raw_json_is_refused(void **state)
{
    auto_arena a = {0};
    auto_buf b = {0};
    struct err err = {0};
    struct meta_managed_fields_entry entry = {0};
    char deep[300];
    size_t mark;

    (void)state;
    memset(deep, '[', 150);
    memset(deep + 150, ']', 150);
    mark = pb_begin(&b, 7); /* fieldsV1 */
    pb_put_bytes(&b, 1, (struct str){deep, sizeof(deep)});
    pb_end(&b, mark);
    assert_int_equal(typed_from_pb(&type_meta_managed_fields_entry, buf_view(&b), &a, &entry, &err),
                     ERR_TOO_LARGE);
}

static void test_envelope(void **state)
{
    auto_arena a = {0};
    auto_buf out = {0};
    struct err err = {0};
    struct pb_envelope env;

    (void)state;
    pb_envelope_write(&out, STR("v1"), STR("Pod"), STR("xy"));
    assert_string_equal(hex(&a, buf_view(&out)), "6b387300"
                                                 "0a090a0276311203506f64"
                                                 "12027879"
                                                 "1a002200");
    assert_ok(pb_envelope_open(buf_view(&out), &env, &err), &err);
    assert_str_equal(env.api_version, "v1");
    assert_str_equal(env.kind, "Pod");
    assert_str_equal(env.raw, "xy");
    assert_str_equal(env.content_type, "");
    assert_int_equal(pb_envelope_open(STR("{\"a\":1}"), &env, &err), ERR_PARSE);
    assert_string_equal(err.msg, "provided data does not appear to be a protobuf message, expected "
                                 "prefix [107 56 115 0]");
    assert_int_equal(pb_envelope_open(str_sub(buf_view(&out), 0, 9), &env, &err), ERR_PARSE);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_plain_members_are_written_when_zero),
        cmocka_unit_test(test_times),
        cmocka_unit_test(test_quantities_and_int_or_strings),
        cmocka_unit_test(test_maps_and_lists),
        cmocka_unit_test(test_embedded_messages_hold_inlined_members),
        cmocka_unit_test(test_raw_documents),
        cmocka_unit_test(test_json_schema_alternatives_come_back),
        cmocka_unit_test(test_reads_any_order_packed_numbers_and_unknown_fields),
        cmocka_unit_test(test_maps_are_sorted_and_the_last_of_a_key_wins),
        cmocka_unit_test(test_damage_is_an_error),
        cmocka_unit_test(test_deep_messages_are_refused),
        cmocka_unit_test(test_nested_alternatives_take_linear_memory),
        cmocka_unit_test(test_deep_raw_json_is_refused),
        cmocka_unit_test(test_envelope),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
