/* SPDX-License-Identifier: Apache-2.0 */
/* The forms of https://kubernetes.io/docs/reference/kubectl/jsonpath/ on such a document. */
#include "kubectl/kubectl.h" /* before cmocka and its fail() */

#include "test.h"

#include "base/buf.h"
#include "codec/json.h"

static const char text[] =
    "{\"kind\":\"List\",\"items\":["
    "{\"kind\":\"None\",\"metadata\":{\"name\":\"127.0.0.1\",\"labels\":"
    "{\"kubernetes.io/hostname\":\"one\"}},"
    "\"status\":{\"capacity\":{\"cpu\":\"4\"},\"ready\":true}},"
    "{\"kind\":\"None\",\"metadata\":{\"name\":\"127.0.0.2\"},\"status\":{\"capacity\":"
    "{\"cpu\":\"8\"},\"addresses\":[{\"type\":\"A\",\"address\":\"x\"},"
    "{\"type\":\"B\",\"address\":\"y\"}]}}],"
    "\"users\":[{\"name\":\"myself\",\"user\":{}},{\"name\":\"e2e\",\"user\":"
    "{\"username\":\"admin\",\"password\":\"secret\",\"n\":7}}],"
    "\"n\":[0,1,2,3,4],\"null\":null,\"odd\":{\"a]b\":1,\"c}d\":2,\"e.f\":3}}";

struct parsed {
    struct arena arena;
    struct doc doc;
};

static int setup(void **state)
{
    struct parsed *p = xnew(struct parsed);
    struct err err = {0};

    assert_ok(json_parse(str_from(text), &p->arena, &p->doc, NULL, &err), &err);
    *state = p;
    return 0;
}

static int teardown(void **state)
{
    struct parsed *p = *state;

    arena_deinit(&p->arena);
    free(p);
    return 0;
}

struct want {
    const char *template_, *out;
};

static void expect(void **state, const struct want *w, size_t n)
{
    struct parsed *p = *state;

    for (size_t i = 0; i < n; i++) {
        auto_buf out = {0};
        struct err err = {0};

        if (jsonpath_print(str_from(w[i].template_), &p->doc, &out, &err) < 0)
            fail_msg("%s: %s", w[i].template_, err.msg);
        if (strcmp(buf_cstr(&out), w[i].out) != 0)
            fail_msg("%s: \"%s\" instead of \"%s\"", w[i].template_, out.p, w[i].out);
    }
}
#define EXPECT(...)                                      \
    do {                                                 \
        static const struct want w[] = {__VA_ARGS__};    \
        expect(state, w, ARRAY_LEN(w));                  \
    } while (0)

static void test_documented_forms(void **state)
{
    EXPECT({"kind is {.kind}", "kind is List"},
           {"{.kind}", "List"},
           {"{['kind']}", "List"},
           {"{$.kind}", "List"},
           {"{@.kind}", "List"},
           {"{..metadata.name}", "127.0.0.1 127.0.0.2"},
           {"{.items[*].metadata.name}", "127.0.0.1 127.0.0.2"},
           {"{.users[0].name}", "myself"},
           {"{.items[*]['metadata.name', 'status.capacity']}",
            "127.0.0.1 127.0.0.2 {\"cpu\":\"4\"} {\"cpu\":\"8\"}"},
           {"{.users[?(@.name==\"e2e\")].user.password}", "secret"},
           {"{range .items[*]}[{.metadata.name}, {.status.capacity}] {end}",
            "[127.0.0.1, {\"cpu\":\"4\"}] [127.0.0.2, {\"cpu\":\"8\"}] "},
           {"{range .items[*]}{.metadata.name}{'\\t'}{end}", "127.0.0.1\t127.0.0.2\t"},
           {"{.items[0].metadata.labels.kubernetes\\.io/hostname}", "one"});
}

static void test_keys_with_dots(void **state)
{
    EXPECT({"{.odd['e.f']}", "3"}, {"{.odd['e\\.f']}", "3"}, {"{.odd.e\\.f}", "3"},
           {"{.odd[\"e.f\"]}", "3"}, {"{.odd['a]b']}", "1"}, {"{.odd['c}d']}", "2"},
           {"{.items[0].metadata.labels['kubernetes.io/hostname']}", "one"},
           {"{.items[0]['metadata.labels.kubernetes\\.io/hostname']}", "one"},
           {"{.items[0]['.metadata.name']}", "127.0.0.1"});
}

static void test_indexes_slices_and_choices(void **state)
{
    EXPECT({"{.n[0:2]}", "0 1"}, {"{.n[1:]}", "1 2 3 4"}, {"{.n[:2]}", "0 1"},
           {"{.n[-1:]}", "4"}, {"{.n[:-3]}", "0 1"}, {"{.n[::2]}", "0 2 4"},
           {"{.n[1:4:2]}", "1 3"}, {"{.n[-99:99]}", "0 1 2 3 4"}, {"{.n[3:1]}", ""},
           {"{.n[9:]}", ""}, {"{.n[0:9223372036854775807:9223372036854775807]}", "0"},
           {"{.n[-1]}", "4"}, {"{.n[5]}", ""}, {"{.n[-6]}", ""}, {"{.n[0,2,-1]}", "0 2 4"},
           {"{.n[3,0:2]}", "3 0 1"}, {"{.n[*]}", "0 1 2 3 4"}, {"{.kind[0]}", ""},
           {"{.kind[0:2]}", ""}, {"{.users[*]['name','user.n']}", "myself e2e 7"});
}

static void test_filters(void **state)
{
    EXPECT({"{.n[?(@>2)]}", "3 4"}, {"{.n[?(@>=2)]}", "2 3 4"}, {"{.n[?(@<1)]}", "0"},
           {"{.n[?(@<=1.5)]}", "0 1"}, {"{.n[?(@!=0)]}", "1 2 3 4"}, {"{.n[?(@==1)]}", "1"},
           {"{.users[?(@.user.n>6)].name}", "e2e"}, {"{.users[?(@.user.n==7)].name}", "e2e"},
           {"{.users[?(@.user.username)].name}", "e2e"},
           {"{.users[?(@.name!='e2e')].name}", "myself"},
           {"{.users[?( @.name == 'e2e' )].name}", "e2e"},
           {"{.items[?(@.status.ready==true)].metadata.name}", "127.0.0.1"},
           {"{.items[?(@.metadata.labels['kubernetes.io/hostname']=='one')].metadata.name}",
            "127.0.0.1"},
           {"{.items[?(@.status.addresses[?(@.type=='B')].address=='y')].metadata.name}",
            "127.0.0.2"},
           {"{.items[*].status.addresses[?(@.type==\"A\")].address}", "x"},
           {"{.users[?(@.name=='a)]b')].name}", ""}, {"{.n[?(@.x==1)]}", ""});
}

static void test_recursive_descent(void **state)
{
    EXPECT({"{..name}", "127.0.0.1 127.0.0.2 myself e2e"}, {"{..cpu}", "4 8"},
           {"{.users..n}", "7"}, {"{..addresses[0].type}", "A"}, {"{.users..[0].name}", "myself"},
           {"{..none}", ""});
}

static void test_texts_and_ranges(void **state)
{
    EXPECT({"", ""}, {"plain", "plain"}, {"{\"}{\"}", "}{"}, {"{'a\\n\\t\\\\'}", "a\n\t\\"},
           {"{ .kind }", "List"}, {"{.none.deeper}|{.kind}", "|List"}, {"{.null}", "null"},
           {"{range .users[*]}{.name}:{range .user.*}{@},{end};{end}.",
            "myself:;e2e:admin,secret,7,;."},
           {"{ range .n[0:2] }<{@}>{ end }", "<0><1>"}, {"{range .none[*]}x{end}y", "y"},
           {"{range .n[0:2]}{\"{end}\"}{end}", "{end}{end}"});
}

static void test_errors_say_what(void **state)
{
    static const char *const bad[] = {
        "{.a", "{.a[0}", "{.a[x]}", "{.n[0:1:0]}", "{.n[0:1:-1]}", "{.n[]}", "{kind}",
        "{end}", "{range .n[*]}x", "{.users[?(name=='a')]}", "{.users[?(@.name==a)]}",
        "{.users[?()]}", "{$kind}", "{.n['a',]}",
        ("{range .n[0]}{range @}{range @}{range @}{range @}{range @}{range @}{range @}{range @}"
         "{end}{end}{end}{end}{end}{end}{end}{end}{end}"),
        "{.n[?(@[?(@[?(@[?(@[?(@==1)]==1)]==1)]==1)]==1)]}"};
    struct parsed *p = *state;

    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        auto_buf out = {0};
        struct err err = {0};
        int r = jsonpath_print(str_from(bad[i]), &p->doc, &out, &err);

        if (i + 1 == ARRAY_LEN(bad)) /* numbers have no items: the filters within are not reached */
            assert_int_equal(r, 0);
        else if (r != ERR_BAD_REQUEST)
            fail_msg("%s: %d", bad[i], r);
    }
}

static void test_work_is_bounded(void **state)
{
    auto_arena a = {0};
    auto_buf json = {0}, out = {0};
    struct doc d;
    struct err err = {0};

    (void)state;
    for (int i = 0; i < 400; i++)
        buf_puts(&json, "[");
    for (int i = 0; i < 400; i++)
        buf_puts(&json, "1]");
    for (size_t i = 0; i + 1 < json.len; i++) {
        if (json.p[i] == ']' && json.p[i + 1] == '1')
            json.p[i + 1] = ' ';
    }
    assert_ok(json_parse(buf_view(&json), &a, &d, NULL, &err), &err);
    assert_int_equal(jsonpath_print(STR("{..........}"), &d, &out, &err), ERR_TOO_LARGE);
}

#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
int main(void)
{
    const struct CMUnitTest tests[] = {
        T(test_documented_forms),
        T(test_keys_with_dots),
        T(test_indexes_slices_and_choices),
        T(test_filters),
        T(test_recursive_descent),
        T(test_texts_and_ranges),
        T(test_errors_say_what),
        cmocka_unit_test(test_work_is_bounded),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
