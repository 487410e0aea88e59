/* Tests of the YAML reader and writer. */
#include "codec/yaml.h"
#include "test.h"

struct text_case {
    const char *text, *want;
};

static const struct text_case scalar_cases[] = {
    {"v: 1", "1"},
    {"v: -1", "-1"},
    {"v: +1", "1"},
    {"v: 1_000", "1000"},
    {"v: 0b101", "5"},
    {"v: -0b101", "-5"},
    {"v: 0o17", "15"},
    {"v: 017", "15"},
    {"v: 0x1F", "31"},
    {"v: 08", "8"},
    {"v: 9223372036854775807", "9223372036854775807"},
    {"v: 9223372036854775808", "9223372036854776000"},
    {"v: 1.5", "1.5"},
    {"v: 1.0", "1"},
    {"v: 1e3", "1000"},
    {"v: .5", "0.5"},
    {"v: -.5", "-0.5"},
    {"v: 1.", "1"},
    {"v: 1e400", "\"1e400\""},
    {"v: 1_0.5", "10.5"},
    {"v: .1_0", "\".1_0\""},
    {"v: _1", "\"_1\""},
    {"v: 0x", "\"0x\""},
    {"v: 0xg", "\"0xg\""},
    {"v: -", "[null]"},
    {"v: 1.2.3", "\"1.2.3\""},
    {"v: 12:30:45", "\"12:30:45\""},
    {"v: 1e", "\"1e\""},
    {"v: yes", "true"},
    {"v: No", "false"},
    {"v: ON", "true"},
    {"v: off", "false"},
    {"v: y", "true"},
    {"v: N", "false"},
    {"v: yEs", "\"yEs\""},
    {"v: True", "true"},
    {"v: 'yes'", "\"yes\""},
    {"v: \"1\"", "\"1\""},
    {"v: ~", "null"},
    {"v:", "null"},
    {"v: Null", "null"},
    {"v: nULL", "\"nULL\""},
    {"v: !!str 1", "\"1\""},
    {"v: !!int '7'", "7"},
    {"v: !!float 3", "3"},
    {"v: !!bool 'on'", "true"},
    {"v: !!binary Zm9v", "\"foo\""},
    {"v: !custom 12", "\"12\""},
    {"v: 2001-01-01", "\"2001-01-01\""},
    {"v: 2001-12-14t21:59:43.10-05:00", "\"2001-12-14t21:59:43.10-05:00\""},
    {"v: |\n  a\n   b\n", "\"a\\n b\\n\""},
    {"v: >-\n  a\n  b\n", "\"a b\""},
    {"v: a: b", NULL},
    {"v: {a: [1, b]}", "{\"a\":[1,\"b\"]}"},
};

static void test_scalars_resolve(void **state)
{
    for (size_t i = 0; i < ARRAY_LEN(scalar_cases); i++) {
        auto_arena a = {0};
        struct err err = {0};
        struct doc d = doc_null();
        int r = yaml_parse(str_from(scalar_cases[i].text), &a, &d, NULL, &err);

        if (!scalar_cases[i].want || str_eqz(str_from(scalar_cases[i].text), "v: -")) {
            assert_int_equal(r, ERR_PARSE);
            continue;
        }
        if (r < 0)
            fail_msg("%s: %s", scalar_cases[i].text, err.msg);
        if (!str_eqz(json_to_str(&a, doc_find(&d, STR("v"))), scalar_cases[i].want))
            fail_msg("%s: %s", scalar_cases[i].text, str_dupz(&a, json_to_str(&a, &d)));
    }
}

static void test_documents_read(void **state)
{
    static const struct text_case cases[] = {
        {"", "null"},
        {"# only\n", "null"},
        {"---\n", "null"},
        {"a: 1\n---\nb: 2\n", "{\"a\":1}"},
        {"{\"a\": [1, \"x\", null]}", "{\"a\":[1,\"x\",null]}"},
        {"a:\n- b\n- c: 1\n  d: []\n", "{\"a\":[\"b\",{\"c\":1,\"d\":[]}]}"},
        {"1: a\nyes: b\n1.5: c\n2001-01-01: d\n'~': e\n",
         "{\"1\":\"a\",\"true\":\"b\",\"1.5\":\"c\",\"2001-01-01\":\"d\",\"~\":\"e\"}"},
        {"a: &x {k: 1}\nb: *x\nc: [*x, *x]\n",
         "{\"a\":{\"k\":1},\"b\":{\"k\":1},\"c\":[{\"k\":1},{\"k\":1}]}"},
        {"&k key: v\nx: *k\n*k : again\n", "{\"key\":\"again\",\"x\":\"key\"}"},
        {"a: &s str\nb: *s\n", "{\"a\":\"str\",\"b\":\"str\"}"},
        {"base: &b {x: 1, y: 2}\nd:\n  <<: *b\n  y: 3\n",
         "{\"base\":{\"x\":1,\"true\":2},\"d\":{\"true\":3,\"x\":1}}"},
        {"d:\n  z: 0\n  <<: [{p: 1, q: 1}, {q: 2, r: 2}]\n  p: 9\n",
         "{\"d\":{\"z\":0,\"p\":9,\"q\":1,\"r\":2}}"},
        {"'<<': 1\n", "{\"\\u003c\\u003c\":1}"},
    };

    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        auto_arena a = {0};
        struct err err = {0};
        struct doc d;

        assert_ok(yaml_parse(str_from(cases[i].text), &a, &d, NULL, &err), &err);
        assert_str_equal(json_to_str(&a, &d), cases[i].want);
    }
}

static void test_clone_of_an_alias_is_its_own(void **state)
{
    auto_arena a = {0};
    struct err err = {0};
    struct doc d;

    assert_ok(yaml_parse(STR("a: &x [1]\nb: *x\n"), &a, &d, NULL, &err), &err);
    d.members[0].value.items[0] = doc_int(7);
    assert_str_equal(json_to_str(&a, &d), "{\"a\":[7],\"b\":[1]}");
}

static void test_errors_name_their_line(void **state)
{
    static const struct text_case cases[] = {
        {"a: 1\nb: 2\nc 2\nd: 3\n", "yaml: line 4: could not find expected ':'"},
        {"a: b: c\n", "yaml: mapping values are not allowed in this context"},
        {"x: 1\na: b: c\n", "yaml: line 2: mapping values are not allowed in this context"},
        {"a: *nope\n", "yaml: unknown anchor 'nope' referenced"},
        {"a: &x {b: *x}\n", "yaml: anchor 'x' value contains itself"},
        {"a: 1\nb:\n  <<: 5\n", "yaml: map merge requires map or sequence of maps as the value"},
        {"a: !!int foo\n", "yaml: cannot decode !!str `foo` as a !!int"},
        {"a: !!binary '***'\n", "yaml: !!binary value contains invalid base64 data"},
        {"a: \x01\n", "yaml: control characters are not allowed"},
        {"? [a, b]\n: 1\n", "yaml: invalid map key of type: array"},
        {"~: 1\n", "yaml: unsupported map key of type: null"},
        {"a: .inf\n", "json: unsupported value: +Inf"},
        {"a: .nan\n", "json: unsupported value: NaN"},
        {"a: \xff\n", "yaml: invalid leading UTF-8 octet"},
    };

    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        auto_arena a = {0};
        struct err err = {0};
        struct doc d;

        assert_int_equal(yaml_parse(str_from(cases[i].text), &a, &d, NULL, &err), ERR_PARSE);
        assert_string_equal(err.msg, cases[i].want);
    }
}

static int parse_text(struct buf *b, struct err *err)
{
    auto_arena a = {0};
    struct doc d;

    return yaml_parse(buf_view(b), &a, &d, NULL, err);
}

static void test_alias_bombs_are_refused(void **state)
{
    auto_buf wide = {0}, deep = {0};
    struct err err = {0};

    buf_puts(&wide, "a0: &a0 [0,0,0,0,0,0,0,0,0]\n");
    for (int i = 1; i < 9; i++) {
        buf_printf(&wide, "a%d: &a%d [", i, i);
        for (int k = 0; k < 9; k++)
            buf_printf(&wide, "%s*a%d", k ? "," : "", i - 1);
        buf_puts(&wide, "]\n");
    }
    assert_int_equal(parse_text(&wide, &err), ERR_TOO_LARGE);
    assert_string_equal(err.msg, "yaml: document contains excessive aliasing");
    buf_puts(&deep, "a0: &a0 []\n");
    for (int i = 1; i < 600; i++)
        buf_printf(&deep, "a%d: &a%d [*a%d]\n", i, i, i - 1);
    assert_int_equal(parse_text(&deep, &err), ERR_TOO_LARGE);
    assert_string_equal(err.msg, "yaml: exceeded max depth");
}

static void test_depth_is_limited(void **state)
{
    auto_buf flow = {0}, block = {0};
    struct err err = {0};

    for (int i = 0; i < 100000; i++) {
        buf_putc(&flow, '[');
        buf_puts(&block, "- ");
    }
    assert_int_equal(parse_text(&flow, &err), ERR_TOO_LARGE);
    assert_string_equal(err.msg, "yaml: exceeded max depth");
    assert_int_equal(parse_text(&block, &err), ERR_TOO_LARGE);
    block.len = 2 * DOC_DEPTH_MAX;
    assert_ok(parse_text(&block, &err), &err);
}

static void test_duplicates_are_reported(void **state)
{
    auto_arena a = {0};
    struct err err = {0};
    struct json_dup *dups;
    struct doc d;

    assert_ok(yaml_parse(STR("spec:\n- name: a\n- name: b\n  name: c\n"), &a, &d, &dups, &err),
              &err);
    assert_str_equal(json_to_str(&a, &d), "{\"spec\":[{\"name\":\"a\"},{\"name\":\"c\"}]}");
    assert_string_equal(dups->path, "spec[1].name");
    assert_null(dups->next);
}

static void test_all_documents_but_empty_ones(void **state)
{
    auto_arena a = {0};
    struct err err = {0};
    struct doc d;

    assert_ok(yaml_parse_all(STR("---\na: &x 1\n---\n# none\n---\n- b\n...\n---\n"), &a, &d, &err),
              &err);
    assert_str_equal(json_to_str(&a, &d), "[{\"a\":1},[\"b\"]]");
    assert_ok(yaml_parse_all(STR(""), &a, &d, &err), &err);
    assert_int_equal(d.n, 0);
    assert_int_equal(yaml_parse_all(STR("a: &x 1\n---\nb: *x\n"), &a, &d, &err), ERR_PARSE);
}

static void test_writer_prints_as_the_clients_do(void **state)
{
    static const struct text_case cases[] = {
        {"{}", "{}\n"},
        {"[]", "[]\n"},
        {"null", "null\n"},
        {"\"x\"", "x\n"},
        {"{\"<<\":{}}", "\"<<\": {}\n"},
        {"{\"b\":1,\"a\":[{\"x\":1,\"n\":{}},[],[1,[2]]],\"c\":null}",
         "a:\n- \"n\": {}\n  x: 1\n- []\n- - 1\n  - - 2\nb: 1\nc: null\n"},
        {"{\"k10\":1,\"k2\":2,\"k02\":3,\"K\":4,\"_\":5,\"k\":6,\"1\":7}",
         "_: 5\n\"1\": 7\nK: 4\nk: 6\nk2: 2\nk02: 3\nk10: 1\n"},
        {"[\"true\",\"yes\",\"y\",\"1\",\"1.5\",\"0x1F\",\"null\",\"~\",\"\",\"2001-01-01\","
         "\"12:30:45\",\"1e3\",\"<<\"]",
         "- \"true\"\n- \"yes\"\n- \"y\"\n- \"1\"\n- \"1.5\"\n- \"0x1F\"\n- \"null\"\n- \"~\"\n"
         "- \"\"\n- \"2001-01-01\"\n- \"12:30:45\"\n- \"1e3\"\n- <<\n"},
        {"[\"- a\",\"a: b\",\"a #b\",\"#c\",\" lead\",\"trail \",\"*x\",\"{a\",\"a:b\",\"it's\"]",
         "- '- a'\n- 'a: b'\n- 'a #b'\n- '#c'\n- ' lead'\n- 'trail '\n- '*x'\n- '{a'\n- a:b\n"
         "- it's\n"},
        {"[\"a\\tb\",\"\\u0001\",\"\\u00e9\",\"\\ud83d\\ude00\"]",
         "- \"a\\tb\"\n- \"\\x01\"\n- \xc3\xa9\n- \"\\U0001F600\"\n"},
        {"{\"s\":\"a\\nb\\n\",\"t\":\"a\\n b\",\"u\":\"a\\n\\n\",\"v\":\"a "
         "\\nb\",\"w\":\"a\\tb\\n\"}",
         "s: |\n  a\n  b\nt: |-\n  a\n   b\nu: |+\n  a\n\nv: \"a \\nb\"\nw: \"a\\tb\\n\"\n"},
        {"{\"z\":\"a\\n\\n\"}", "z: |+\n  a\n\n"},
        {"[1,-1,1.5,1234567.5,0.00001,1e21,2.0,1e30,9223372036854775808]",
         "- 1\n- -1\n- 1.5\n- 1.2345675e+06\n- 1e-05\n- 1e+21\n- 2\n- 1e+30\n"
         "- 9223372036854775808\n"},
        {"{\"m\":\"0123456789 0123456789 0123456789 0123456789 0123456789 0123456789 0123456789 "
         "0123456789 end\"}",
         "m: 0123456789 0123456789 0123456789 0123456789 0123456789 0123456789 0123456789 "
         "0123456789\n  end\n"},
    };

    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        auto_arena a = {0};
        auto_buf b = {0};
        struct err err = {0};
        struct doc d, back;

        assert_ok(json_parse(str_from(cases[i].text), &a, &d, NULL, &err), &err);
        buf_puts(&b, "#");
        yaml_write(&b, &d);
        assert_string_equal(buf_cstr(&b) + 1, cases[i].want);
        buf_consume(&b, 1);
        assert_ok(yaml_parse(buf_view(&b), &a, &back, NULL, &err), &err);
        assert_true(doc_equal(&d, &back));
    }
}

static void test_writer_mends_bad_utf8(void **state)
{
    auto_buf b = {0};
    struct doc d = doc_string(STR("a\xff"));

    yaml_write(&b, &d);
    assert_string_equal(buf_cstr(&b), "a\xef\xbf\xbd\n");
}

static void test_writer_heeds_the_limit(void **state)
{
    auto_buf b = {.limit_bytes = 4};
    struct doc d = doc_string(STR("0123456789"));

    yaml_write(&b, &d);
    assert_true(b.overflow);
    assert_true(b.len <= 4);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_scalars_resolve),
        cmocka_unit_test(test_documents_read),
        cmocka_unit_test(test_clone_of_an_alias_is_its_own),
        cmocka_unit_test(test_errors_name_their_line),
        cmocka_unit_test(test_alias_bombs_are_refused),
        cmocka_unit_test(test_depth_is_limited),
        cmocka_unit_test(test_duplicates_are_reported),
        cmocka_unit_test(test_all_documents_but_empty_ones),
        cmocka_unit_test(test_writer_prints_as_the_clients_do),
        cmocka_unit_test(test_writer_mends_bad_utf8),
        cmocka_unit_test(test_writer_heeds_the_limit),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
