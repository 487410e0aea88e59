/* Tests against sample objects of every encoding, in a folder that SKIFF_VECTORS names. */
#include "api/api.h"
#include "base/buf.h"
#include "codec/yaml.h"
#include "schema/typed.h"
#include "test.h"
#include <glob.h>
#include <stdio.h>

static struct str read_file(struct arena *a, const char *path)
{
    FILE *f = fopen(path, "re");
    auto_buf all = {0};
    char chunk[65536];
    size_t n;

    if (!f)
        fail_msg("cannot open %s", path);
    while ((n = fread(chunk, 1, sizeof(chunk), f)) > 0)
        buf_append(&all, chunk, n);
    (void)fclose(f);
    return str_dup(a, buf_view(&all));
}

static const struct type *type_of(const struct doc *d)
{
    struct str group, version;
    const struct type *t;

    api_split_version(doc_path_str(d, "apiVersion"), &group, &version);
    t = api_find_type(group, version, doc_path_str(d, "kind"));
    assert_non_null(t);
    return t;
}

static void check_same_json(const struct type *t, const void *obj, const struct doc *want,
                            const char *path)
{
    auto_arena a = {0};
    auto_buf json = {0};
    struct doc back = typed_to_doc(t, obj, &a), parsed;
    struct err err = {0};

    if (!doc_equal(&back, want))
        fail_msg("%s: to document: %.3000s", path, json_to_str(&a, &back).p);
    typed_write_json(t, obj, &json);
    assert_ok(json_parse(buf_view(&json), &a, &parsed, NULL, &err), &err);
    if (!doc_equal(&parsed, want))
        fail_msg("%s: to JSON: %.3000s", path, buf_cstr(&json));
    /* Members come in the order of the Go types, as in the sample. */
    assert_str_equal(buf_view(&json), arena_strdup(&a, json_to_str(&a, want).p));
}

static void check_pb(const struct type *t, const void *obj, const struct doc *d, struct str want,
                     const char *path)
{
    auto_buf raw = {0}, out = {0};

    typed_write_pb(t, obj, &raw);
    pb_envelope_write(&out, doc_path_str(d, "apiVersion"), doc_path_str(d, "kind"), buf_view(&raw));
    for (size_t i = 0; i < want.len && i < out.len; i++)
        if (out.p[i] != want.p[i])
            fail_msg("%s: byte %zu differs, after %.40s", path, i, want.p + (i > 40 ? i - 40 : 0));
    assert_int_equal(out.len, want.len);
}

static void check_sample(const char *stem)
{
    auto_arena a = {0};
    struct err err = {0};
    struct str json = read_file(&a, arena_printf(&a, "%s.json", stem));
    struct str yaml = read_file(&a, arena_printf(&a, "%s.yaml", stem));
    struct str pb = read_file(&a, arena_printf(&a, "%s.pb", stem));
    struct pb_envelope env;
    const struct type *t;
    struct doc doc, from_yaml;
    void *obj, *by_pb, *by_yaml, *copy;

    assert_ok(json_parse(json, &a, &doc, NULL, &err), &err);
    t = type_of(&doc);
    obj = arena_alloc(&a, t->size);
    assert_ok(typed_from_doc(t, &doc, &a, obj, &err), &err);
    check_same_json(t, obj, &doc, stem);
    check_pb(t, obj, &doc, pb, stem);

    by_pb = arena_alloc(&a, t->size);
    assert_ok(pb_envelope_open(pb, &env, &err), &err);
    assert_true(str_eq(env.kind, doc_path_str(&doc, "kind")));
    assert_ok(typed_from_pb(t, env.raw, &a, by_pb, &err), &err);
    check_pb(t, by_pb, &doc, pb, stem);
    typed_clear(t, obj, "kind");
    typed_clear(t, obj, "apiVersion");
    assert_true(typed_equal(t, obj, by_pb));

    assert_ok(yaml_parse(yaml, &a, &from_yaml, NULL, &err), &err);
    by_yaml = arena_alloc(&a, t->size);
    assert_ok(typed_from_doc(t, &from_yaml, &a, by_yaml, &err), &err);
    copy = typed_clone(t, by_yaml, &a, true);
    check_same_json(t, copy, &doc, stem);
}

static void test_samples_round_trip(void **state)
{
    const char *folder = getenv("SKIFF_VECTORS");
    auto_arena a = {0};
    glob_t found;

    if (!folder)
        skip();
    assert_int_equal(glob(arena_printf(&a, "%s/*.pb", folder), 0, NULL, &found), 0);
    assert_true(found.gl_pathc > 0);
    for (size_t i = 0; i < found.gl_pathc; i++) {
        struct str pb = str_from(found.gl_pathv[i]);

        check_sample(str_dupz(&a, str_sub(pb, 0, pb.len - strlen(".pb"))));
    }
    globfree(&found);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_samples_round_trip),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
