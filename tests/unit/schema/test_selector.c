/* test_selector.c - selectors: their text, what they match, and what is said of bad ones. */
#include "schema/selector.h"
#include "test.h"

static struct selector parse_labels(struct arena *a, const char *text)
{
    struct err err = {0};
    struct selector s;

    assert_ok(selector_parse_labels(str_from(text), a, &s, &err), &err);
    return s;
}

static void test_label_selectors_have_a_canonical_text(void **state)
{
    static const char *const cases[][2] = {
        {"", ""},
        {"a=b", "a=b"},
        {" a == b ", "a=b"},
        {"b!=c,a", "a,b!=c"},
        {"!a", "!a"},
        {"a in (c,b,c)", "a in (b,c)"},
        {"a in(b)", "a=b"},
        {"a notin (b, c)", "a notin (b,c)"},
        {"a notin (b)", "a!=b"},
        {"a=", "a="},
        {"a in ()", "a="},
        {"a in (,)", "a="},
        {"a in (,x)", "a in (,x)"},
        {"a in (x,,y)", "a in (,x,y)"},
        {"a>1,b<2", "a>1,b<2"},
        {"in in (notin)", "in=notin"},
        {"notin=in", "notin=in"},
        {"a\t=\r\nb,c", "a=b,c"},
        {"z=1,a=2,z=0", "a=2,z=1,z=0"},
    };

    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        auto_arena a = {0};
        auto_buf b = {0};
        struct selector s = parse_labels(&a, cases[i][0]);

        selector_write(&s, &b);
        assert_str_equal(buf_view(&b), cases[i][1]);
    }
}

static void test_bad_label_selectors_say_why(void **state)
{
    static const char *const cases[][2] = {
        {",a", "found ',', expected: !, identifier, or 'end of string'"},
        {"a,", "found '', expected: identifier after ','"},
        {"a b", "unable to parse requirement: found 'b', expected: in, notin, =, ==, !=, gt, lt"},
        {"a=b c", "found 'c', expected: ',' or 'end of string'"},
        {"!", "unable to parse requirement: found '', expected: identifier"},
        {"!a=b", "found '=', expected: ',' or 'end of string'"},
        {"a in b", "unable to parse requirement: found 'b' expected: '('"},
        {"a in (b", "unable to parse requirement: found '', expected: ',' or ')'"},
        {"a in (", "unable to parse requirement: found '', expected: ',', ')' or identifier"},
        {"a in (b=", "unable to parse requirement: found '=', expected: ',' or ')'"},
        {"a==(", "unable to parse requirement: found '(', expected: identifier"},
        {"a>x", "unable to parse requirement: values[0]: Invalid value: \"x\": for 'Gt', 'Lt' "
                "operators, the value must be an integer"},
        {"a/b/c",
         "unable to parse requirement: <nil>: Invalid value: \"a/b/c\": a valid label key"},
        {"a=-", "unable to parse requirement: values[0][a]: Invalid value: \"-\": a valid label"},
    };

    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        auto_arena a = {0};
        struct err err = {0};
        struct selector s;

        assert_int_equal(selector_parse_labels(str_from(cases[i][0]), &a, &s, &err),
                         ERR_BAD_REQUEST);
        if (strncmp(err.msg, cases[i][1], strlen(cases[i][1])))
            fail_msg("'%s': %s", cases[i][0], err.msg);
    }
}

static void test_label_selectors_match(void **state)
{
    static const struct {
        const char *selector;
        bool matches;
    } cases[] = {
        {"", true},
        {"app=web", true},
        {"app=db", false},
        {"app!=web", false},
        {"app!=db", true},
        {"gone!=x", true},
        {"gone=x", false},
        {"app", true},
        {"gone", false},
        {"!gone", true},
        {"!app", false},
        {"n>2", true},
        {"n>3", false},
        {"n<4", true},
        {"app>1", false},
        {"gone>1", false},
        {"gone<1", false},
        {"app in (a,web)", true},
        {"app in (a,b)", false},
        {"gone in (a)", false},
        {"gone notin (a)", true},
        {"empty=", true},
        {"app=", false},
        {"app=web,n=3", true},
        {"app=web,n=4", false},
    };
    struct string_pair labels[] = {{STR_INIT("app"), STR_INIT("web")},
                                   {STR_INIT("empty"), STR_INIT("")},
                                   {STR_INIT("n"), STR_INIT("3")}};
    struct string_map map = {labels, ARRAY_LEN(labels)};
    struct object o = {.labels = labels, .n_labels = ARRAY_LEN(labels)};

    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        auto_arena a = {0};
        struct selector s = parse_labels(&a, cases[i].selector);

        if (selector_match_map(&s, &map) != cases[i].matches ||
            selector_match_labels(&s, &o) != cases[i].matches)
            fail_msg("%s", cases[i].selector);
    }
}

static void test_nothing_matches_nothing(void **state)
{
    struct selector s = {.nothing = true};
    struct string_map map = {0};
    struct object o = {0};

    assert_false(selector_match_map(&s, &map));
    assert_false(selector_match_labels(&s, &o));
    assert_false(selector_match_fields(&s, &o));
}

static void test_selector_from_map_needs_all_pairs(void **state)
{
    auto_arena a = {0};
    struct string_pair two[] = {{STR_INIT("a"), STR_INIT("1")}, {STR_INIT("b"), STR_INIT("2")}};
    struct string_map both = {two, 2}, first = {two, 1}, none = {0};
    struct selector s = selector_from_map(&both, &a), all = selector_from_map(&none, &a);

    assert_true(selector_match_map(&s, &both));
    assert_false(selector_match_map(&s, &first));
    assert_true(selector_match_map(&all, &none));
    assert_str_equal(selector_required(&s, STR("b")), "2");
    assert_null(selector_required(&s, STR("c")).p);
}

static void test_required_is_only_of_equality(void **state)
{
    auto_arena a = {0};
    struct selector s = parse_labels(&a, "a!=1,b in (1,2),c=3");

    assert_null(selector_required(&s, STR("a")).p);
    assert_null(selector_required(&s, STR("b")).p);
    assert_str_equal(selector_required(&s, STR("c")), "3");
}

static const struct selectable pod_fields[] = {{.name = "spec.nodeName"}, {.name = "status.phase"}};
static const struct resource pods = {.group = "",
                                     .version = "v1",
                                     .plural = "pods",
                                     .kind = "Pod",
                                     .flags = RESOURCE_NAMESPACED,
                                     .selectable = pod_fields,
                                     .n_selectable = 2};
static const struct resource nodes = {.group = "",
                                      .version = "v1",
                                      .plural = "nodes",
                                      .kind = "Node",
                                      .selectable = pod_fields,
                                      .n_selectable = 1};
static const struct resource roles = {.group = "rbac.authorization.k8s.io",
                                      .version = "v1",
                                      .plural = "clusterroles",
                                      .kind = "ClusterRole"};
static const struct selectable job_fields[] = {{.name = "status.successful"}};
static const struct resource jobs = {.group = "batch",
                                     .version = "v1",
                                     .plural = "jobs",
                                     .kind = "Job",
                                     .flags = RESOURCE_NAMESPACED,
                                     .selectable = job_fields,
                                     .n_selectable = 1};
static const struct resource crontabs = {
    .group = "stable.example.com", .version = "v1", .plural = "crontabs", .kind = "CronTab"};

static void test_field_selectors_parse(void **state)
{
    static const struct {
        const struct resource *res;
        const char *text, *canonical;
    } cases[] = {
        {&pods, "", ""},
        {&pods, "metadata.name=x", "metadata.name=x"},
        {&pods, "metadata.namespace==x,,spec.nodeName!=y", "metadata.namespace=x,spec.nodeName!=y"},
        {&pods, "spec.host=n", "spec.nodeName=n"},
        {&pods, "status.phase=", "status.phase="},
        {&pods, "metadata.name=a\\,b\\=c\\\\d", "metadata.name=a,b=c\\d"},
        {&nodes, "metadata.name=x", "metadata.name=x"},
        {&roles, "metadata.namespace=x", "metadata.namespace=x"},
        {&crontabs, "metadata.name!=x", "metadata.name!=x"},
    };

    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        auto_arena a = {0};
        auto_buf b = {0};
        struct err err = {0};
        struct selector s;

        assert_ok(selector_parse_fields(cases[i].res, str_from(cases[i].text), &a, &s, &err), &err);
        selector_write(&s, &b);
        assert_str_equal(buf_view(&b), cases[i].canonical);
    }
}

static void test_bad_field_selectors_say_why(void **state)
{
    static const struct {
        const struct resource *res;
        const char *text, *why;
    } cases[] = {
        {&pods, "spec.x=1", "field label not supported: spec.x"},
        {&nodes, "metadata.namespace=x", "field label not supported: metadata.namespace"},
        {&roles, "spec.x=1",
         "\"spec.x\" is not a known field selector: only \"metadata.name\", "
         "\"metadata.namespace\""},
        {&jobs, "spec.x=1", "field label \"spec.x\" not supported for Job"},
        {&crontabs, "metadata.namespace=x", "field label not supported: metadata.namespace"},
        {&pods, "a=1,metadata.name", "field label not supported: a"},
        {&pods, "metadata.name",
         "invalid selector: 'metadata.name'; can't understand "
         "'metadata.name'"},
        {&pods, "metadata.name=a=b", "invalid field selector: unescaped character in value: 61"},
        {&pods, "metadata.name=a\\b", "invalid field selector: invalid escape sequence: \\b"},
        {&pods, "metadata.name=a\\", "invalid field selector: invalid escape sequence: \\"},
    };

    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        auto_arena a = {0};
        struct err err = {0};
        struct selector s;

        assert_int_equal(selector_parse_fields(cases[i].res, str_from(cases[i].text), &a, &s, &err),
                         ERR_BAD_REQUEST);
        assert_string_equal(err.msg, cases[i].why);
    }
}

static void test_field_selectors_match_what_objects_show(void **state)
{
    static const struct {
        const char *text;
        bool matches;
    } cases[] = {
        {"spec.nodeName=n1", true},
        {"spec.nodeName!=n1", false},
        {"metadata.name=p", true},
        {"metadata.name!=p", false},
        {"status.phase=", true},
        {"status.phase!=Running", true},
        {"metadata.namespace=ns,spec.nodeName=n1", true},
        {"metadata.namespace=ns,spec.nodeName=n2", false},
    };
    const struct str fields[] = {STR_INIT("n1"), STR_INIT("")};
    struct object o = {.res = &pods, .ns = STR("ns"), .name = STR("p"), .fields = fields};

    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        auto_arena a = {0};
        struct err err = {0};
        struct selector s;

        assert_ok(selector_parse_fields(&pods, str_from(cases[i].text), &a, &s, &err), &err);
        if (selector_match_fields(&s, &o) != cases[i].matches)
            fail_msg("%s", cases[i].text);
    }
}

static void test_large_selectors_take_no_time(void **state)
{
    auto_arena a = {0};
    auto_buf b = {0};
    struct selector s;
    struct err err = {0};

    for (int i = 20000; i > 0; i--)
        buf_printf(&b, "k%d in (v%d,w),", i, i);
    b.len--;
    assert_ok(selector_parse_labels(buf_view(&b), &a, &s, &err), &err);
    assert_int_equal(s.n, 20000);
    assert_str_equal(s.terms[0].key, "k1");
}

static void test_long_lists_are_searched_fast(void **state)
{
    auto_arena a = {0};
    auto_buf b = {0};
    struct string_pair in[] = {{STR_INIT("a"), STR_INIT("v777")}};
    struct string_pair out[] = {{STR_INIT("a"), STR_INIT("v20000")}};
    struct string_map in_map = {in, 1}, out_map = {out, 1};
    struct selector s;
    struct err err = {0};

    buf_puts(&b, "a in (");
    for (int i = 0; i < 20000; i++)
        buf_printf(&b, "%sv%d", i ? "," : "", i);
    buf_putc(&b, ')');
    assert_ok(selector_parse_labels(buf_view(&b), &a, &s, &err), &err);
    for (int i = 0; i < 20000; i++) {
        assert_true(selector_match_map(&s, &in_map));
        assert_false(selector_match_map(&s, &out_map));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_label_selectors_have_a_canonical_text),
        cmocka_unit_test(test_bad_label_selectors_say_why),
        cmocka_unit_test(test_label_selectors_match),
        cmocka_unit_test(test_nothing_matches_nothing),
        cmocka_unit_test(test_selector_from_map_needs_all_pairs),
        cmocka_unit_test(test_required_is_only_of_equality),
        cmocka_unit_test(test_field_selectors_parse),
        cmocka_unit_test(test_bad_field_selectors_say_why),
        cmocka_unit_test(test_field_selectors_match_what_objects_show),
        cmocka_unit_test(test_large_selectors_take_no_time),
        cmocka_unit_test(test_long_lists_are_searched_fast),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
