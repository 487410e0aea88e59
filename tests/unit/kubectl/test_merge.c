/* SPDX-License-Identifier: Apache-2.0 */
#include "test.h"

#include "api/api.h"
#include "base/buf.h"
#include "codec/json.h"
#include "kubectl/merge.h"

/* With ' for ". */
static struct doc doc(struct arena *a, const char *json)
{
    char *text = arena_strdup(a, json);
    struct doc d;
    struct err err = {0};

    for (char *p = text; *p; p++)
        *p = *p == '\'' ? '"' : *p;
    assert_ok(json_parse(str_from(text), a, &d, NULL, &err), &err);
    return d;
}

/* @last NULL: never applied. */
static void expect(const struct resource *res, const char *last, const char *file,
                   const char *live, const char *want)
{
    auto_arena a = {0};
    struct doc before = last ? doc(&a, last) : doc_null(), now = doc(&a, file);
    struct doc have = doc(&a, live), wanted = doc(&a, want);
    struct err err = {0};

    assert_ok(merge_apply(&a, res->type, last ? &before : NULL, &now, &have, &err), &err);
    if (!doc_equal(&have, &wanted))
        fail_msg("%.*s\ninstead of\n%.*s", STR_ARG(json_to_str(&a, &have)),
                 STR_ARG(json_to_str(&a, &wanted)));
}

static void test_what_the_file_dropped_goes(void **state)
{
    (void)state;
    expect(&res_core_configmaps, "{'data':{'a':'1','b':'2'}}", "{'data':{'a':'1'}}",
           "{'data':{'a':'1','b':'2','c':'3'}}", "{'data':{'a':'1','c':'3'}}");
    expect(&res_core_configmaps, "{'data':{'a':'1'},'immutable':false}", "{'data':{'a':'1'}}",
           "{'data':{'a':'1'},'immutable':false}", "{'data':{'a':'1'}}");
    expect(&res_core_configmaps, "{'data':{'a':'1'}}", "{}", "{'data':{'a':'1','c':'3'}}", "{}");
}

static void test_what_others_set_stays(void **state)
{
    (void)state;
    expect(&res_core_configmaps, "{'metadata':{'labels':{'x':'1'}}}",
           "{'metadata':{'labels':{'x':'2'}}}",
           "{'metadata':{'uid':'u','labels':{'x':'9','y':'1'}},'data':{'k':'v'}}",
           "{'metadata':{'uid':'u','labels':{'x':'2','y':'1'}},'data':{'k':'v'}}");
    expect(&res_core_configmaps, NULL, "{'data':{'a':'1'}}", "{'data':{'b':'2'}}",
           "{'data':{'a':'1','b':'2'}}"); /* nothing is known of before */
}

static void test_null_takes_away(void **state)
{
    (void)state;
    expect(&res_core_configmaps, "{'data':{'a':'1'}}", "{'data':{'a':null}}",
           "{'data':{'a':'1','b':'2'}}", "{'data':{'b':'2'}}");
}

#define POD(containers) "{'spec':{'containers':[" containers "]}}"

static void test_lists_go_by_their_key(void **state)
{
    (void)state;
    expect(&res_core_pods, POD("{'name':'a','image':'i'},{'name':'b','image':'i'}"),
           POD("{'name':'a','image':'j'}"),
           POD("{'name':'a','image':'i','imagePullPolicy':'Always'},{'name':'b','image':'i'},"
               "{'name':'injected','image':'k'}"),
           POD("{'name':'a','image':'j','imagePullPolicy':'Always'},"
               "{'name':'injected','image':'k'}"));
    /* Within an item too. */
    expect(&res_core_pods,
           POD("{'name':'a','image':'i','env':[{'name':'X','value':'1'},{'name':'Y','value':'2'}],"
               "'command':['c']}"),
           POD("{'name':'a','image':'i','env':[{'name':'Y','value':'3'}]}"),
           POD("{'name':'a','image':'i','env':[{'name':'X','value':'1'},{'name':'Y','value':'2'},"
               "{'name':'Z','value':'0'}],'command':['c']}"),
           POD("{'name':'a','image':'i','env':[{'name':'Y','value':'3'},"
               "{'name':'Z','value':'0'}]}"));
    expect(&res_core_services, "{'spec':{'ports':[{'port':80},{'port':81,'name':'x'}]}}",
           "{'spec':{'ports':[{'port':80}]}}",
           "{'spec':{'ports':[{'port':80,'nodePort':30080},{'port':81,'name':'x'}]}}",
           "{'spec':{'ports':[{'port':80,'nodePort':30080}]}}");
}

static void test_lists_of_values(void **state)
{
    (void)state;
    /* Merged ones: what the file dropped goes, what others put there stays. */
    expect(&res_core_configmaps, "{'metadata':{'finalizers':['a/1','b/2']}}",
           "{'metadata':{'finalizers':['a/1']}}", "{'metadata':{'finalizers':['b/2','a/1','c/3']}}",
           "{'metadata':{'finalizers':['a/1','c/3']}}");
    /* Others are replaced whole. */
    expect(&res_core_pods, POD("{'name':'a','args':['1','2']}"), POD("{'name':'a','args':['1']}"),
           POD("{'name':'a','args':['1','2','3']}"), POD("{'name':'a','args':['1']}"));
}

static void test_damaged_sides_do_no_harm(void **state)
{
    static const char *const odd[] = {
        "null", "7", "[]", "{'spec':7}", "{'spec':{'containers':{}}}", "{'spec':null}",
        POD("7,null,{},{'name':{}},{'name':'a','env':5}"), "{'metadata':{'finalizers':{}}}"};
    const char *file = POD("{'name':'a','image':'i'}");

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(odd); i++)
        expect(&res_core_pods, odd[i], file, file, file);
}

static void test_bad_files_are_refused(void **state)
{
    auto_arena a = {0};
    struct doc file = doc(&a, POD("{'image':'no merge key'}")), live = doc(&a, POD(""));
    struct err err = {0};

    (void)state;
    assert_int_equal(merge_apply(&a, res_core_pods.type, NULL, &file, &live, &err),
                     ERR_BAD_REQUEST);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_what_the_file_dropped_goes),
        cmocka_unit_test(test_what_others_set_stays),
        cmocka_unit_test(test_null_takes_away),
        cmocka_unit_test(test_lists_go_by_their_key),
        cmocka_unit_test(test_lists_of_values),
        cmocka_unit_test(test_damaged_sides_do_no_harm),
        cmocka_unit_test(test_bad_files_are_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
