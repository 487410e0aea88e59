/* Tests against sample objects in JSON and YAML, in a folder that SKIFF_VECTORS names. */
#include "base/buf.h"
#include "codec/json.h"
#include "codec/yaml.h"
#include "test.h"
#include <glob.h>
#include <stdio.h>

static void read_file(const char *path, struct buf *ret)
{
    FILE *f = fopen(path, "re");
    char chunk[65536];
    size_t n;

    if (!f)
        fail_msg("cannot open %s", path);
    while ((n = fread(chunk, 1, sizeof(chunk), f)) > 0)
        buf_append(ret, chunk, n);
    (void)fclose(f);
}

/* JSON and YAML of one object are the same document, and stay so when written and read again. */
static void check_pair(const char *json_path, const char *yaml_path)
{
    auto_arena a = {0};
    auto_buf json = {0}, yaml = {0}, out = {0};
    struct err err = {0};
    struct json_dup *dups = NULL;
    struct doc from_json, from_yaml, back;

    read_file(json_path, &json);
    read_file(yaml_path, &yaml);
    assert_ok(json_parse(buf_view(&json), &a, &from_json, &dups, &err), &err);
    assert_null(dups);
    assert_ok(yaml_parse(buf_view(&yaml), &a, &from_yaml, &dups, &err), &err);
    assert_null(dups);
    if (!doc_equal(&from_json, &from_yaml))
        fail_msg("%s and %s differ", json_path, yaml_path);
    json_write_pretty(&out, &from_json);
    assert_ok(json_parse(buf_view(&out), &a, &back, NULL, &err), &err);
    assert_true(doc_equal(&from_json, &back));
    buf_reset(&out);
    yaml_write(&out, &from_json);
    assert_string_equal(buf_cstr(&out), buf_cstr(&yaml));
}

static void test_samples_agree(void **state)
{
    const char *folder = getenv("SKIFF_VECTORS");
    auto_arena a = {0};
    glob_t found;

    if (!folder)
        skip();
    assert_int_equal(glob(arena_printf(&a, "%s/*.yaml", folder), 0, NULL, &found), 0);
    for (size_t i = 0; i < found.gl_pathc; i++) {
        struct str yaml = str_from(found.gl_pathv[i]);
        struct str stem = str_sub(yaml, 0, yaml.len - strlen(".yaml"));

        check_pair(arena_printf(&a, "%.*s.json", STR_ARG(stem)), found.gl_pathv[i]);
    }
    globfree(&found);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_samples_agree),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
