/* Tests of the committed object and of resources' names and keys. */
#include "api/api.h"
#include "base/buf.h"
#include "base/omap.h"
#include "schema/object.h"
#include "schema/typed.h"
#include "test.h"
#include <pthread.h>

static void *decode(struct arena *a, const struct type *t, const char *json)
{
    struct err err = {0};
    void *obj;

    assert_ok(typed_from_json(t, str_from(json), a, &obj, &err), &err);
    return obj;
}

static struct object *pod_of(const char *json)
{
    auto_arena a = {0};

    return object_new(&res_core_pods, decode(&a, &type_core_pod, json));
}

static void test_new_leaves_out_version_and_type_meta(void **state)
{
    struct object *o =
        pod_of("{\"kind\":\"Pod\",\"apiVersion\":\"v1\",\"metadata\":{\"name\":\"p\","
               "\"namespace\":\"ns\",\"uid\":\"u-1\",\"resourceVersion\":\"9\","
               "\"labels\":{\"b\":\"2\",\"a\":\"1\"}},"
               "\"spec\":{\"nodeName\":\"n1\"}}");

    (void)state;
    assert_str_equal(object_stored_json(o),
                     "{\"metadata\":{\"name\":\"p\",\"namespace\":\"ns\",\"uid\":\"u-1\","
                     "\"labels\":{\"a\":\"1\",\"b\":\"2\"}},"
                     "\"spec\":{\"containers\":null,\"nodeName\":\"n1\"},\"status\":{}}");
    assert_str_equal(o->key, "/registry/pods/ns/p");
    assert_str_equal(o->ns, "ns");
    assert_str_equal(o->name, "p");
    assert_str_equal(o->uid, "u-1");
    assert_str_equal(object_label(o, STR("b")), "2");
    assert_null(object_label(o, STR("c")).p);
    assert_str_equal(object_field(o, STR("spec.nodeName")), "n1");
    assert_str_equal(object_field(o, STR("spec.hostNetwork")), "false");
    assert_str_equal(object_field(o, STR("metadata.name")), "p");
    assert_str_equal(object_field(o, STR("metadata.namespace")), "ns");
    assert_null(object_field(o, STR("spec.nope")).p);
    object_unref(o);
}

static void check_publish(const char *json, int64_t revision, const char *want)
{
    struct object *o = pod_of(json);

    object_publish(o, revision, 3, 2);
    assert_str_equal(o->json, want);
    assert_int_equal(o->revision, revision);
    assert_int_equal(o->create_revision, 3);
    assert_int_equal(o->version, 2);
    assert_str_equal(((const struct core_pod *)object_typed(o))->metadata.uid,
                     o->uid.len ? "u" : "");
    object_unref(o);
}

static void test_publish_puts_the_version_after_uid(void **state)
{
    (void)state;
    check_publish(
        "{\"metadata\":{\"name\":\"p\",\"namespace\":\"n\",\"uid\":\"u\",\"generation\":1}}", 7,
        "{\"metadata\":{\"name\":\"p\",\"namespace\":\"n\",\"uid\":\"u\","
        "\"resourceVersion\":\"7\",\"generation\":1},\"spec\":{\"containers\":null},"
        "\"status\":{}}");
    check_publish("{\"metadata\":{\"name\":\"p\"}}", INT64_MAX,
                  "{\"metadata\":{\"name\":\"p\",\"resourceVersion\":\"9223372036854775807\"},"
                  "\"spec\":{\"containers\":null},\"status\":{}}");
    check_publish("{\"metadata\":{\"generation\":4}}", 1,
                  "{\"metadata\":{\"resourceVersion\":\"1\",\"generation\":4},"
                  "\"spec\":{\"containers\":null},\"status\":{}}");
    check_publish("{}", 1,
                  "{\"metadata\":{\"resourceVersion\":\"1\"},\"spec\":{\"containers\":null},"
                  "\"status\":{}}");
}

static void test_publish_after_first_use_shows_the_version(void **state)
{
    struct object *o = pod_of("{\"metadata\":{\"name\":\"p\"}}");

    (void)state;
    assert_str_equal(object_meta(o)->resource_version, "");
    assert_true(object_pb(o).len > 0);
    object_publish(o, 12, 12, 1);
    assert_str_equal(object_meta(o)->resource_version, "12");
    assert_non_null(memmem(object_pb(o).p, object_pb(o).len,
                           "\x32\x02"
                           "12",
                           4));
    object_unref(o);
}

static struct object *stored(const char *key, const char *json)
{
    struct err err = {0};
    struct object *o = NULL;

    assert_ok(object_from_stored(&res_core_configmaps, str_from(key), str_from(json), &o, &err),
              &err);
    return o;
}

/* A look at the metadata alone says what the whole struct says, and leaves nothing behind. */
static void test_metadata_alone(void **state)
{
    struct object *o = pod_of("{\"metadata\":{\"name\":\"p\",\"uid\":\"u\",\"labels\":{\"}\":"
                              "\"\\\"{\"},\"ownerReferences\":[{\"apiVersion\":\"apps/v1\","
                              "\"kind\":\"ReplicaSet\",\"name\":\"r\",\"uid\":\"w\"}]},"
                              "\"spec\":{\"nodeName\":\"n\"}}");
    auto_arena a = {0};
    const struct meta_object_meta *m, *whole;

    (void)state;
    object_publish(o, 12, 12, 1);
    m = object_meta_in(o, &a);
    assert_str_equal(m->name, "p");
    assert_str_equal(m->resource_version, "12");
    assert_str_equal(string_map_get(&m->labels, STR("}")), "\"{");
    assert_int_equal(m->owner_references.n, 1);
    assert_str_equal(m->owner_references.v[0].name, "r");
    assert_ptr_not_equal(object_meta_in(o, &a), m);
    whole = object_meta(o);
    assert_true(typed_equal(&type_meta_object_meta, m, whole));
    assert_ptr_equal(object_meta_in(o, &a), whole); /* what is there anyway is used */
    object_unref(o);
}

static void test_from_stored(void **state)
{
    static const char json[] = "{\"metadata\":{\"name\":\"c\",\"namespace\":\"n\",\"labels\":"
                               "{\"l\":\"\\u0041\"}},\"data\":{\"k\":\"a\\nb\"}}";
    struct object *o = stored("/registry/configmaps/n/c", json);

    (void)state;
    assert_str_equal(o->json, json);
    assert_str_equal(object_label(o, STR("l")), "A");
    object_publish(o, 5, 5, 1);
    assert_str_equal(OBJECT_AS(core_config_map, o)->data.v[0].value, "a\nb");
    assert_str_equal(object_meta(o)->resource_version, "5");
    object_unref(o);
}

static void test_from_stored_brings_foreign_json_into_form(void **state)
{
    struct object *o = stored("/registry/configmaps/n/c",
                              "{ \"data\": {}, \"apiVersion\": \"v1\", \"kind\": \"ConfigMap\",\n"
                              "\"metadata\": {\"labels\": {\"a\": \"}\\\"\"}, \"name\": \"c\", "
                              "\"namespace\": \"n\", \"resourceVersion\": \"1\"}}");

    (void)state;
    assert_str_equal(o->json, "{\"data\":{},\"metadata\":{\"labels\":{\"a\":\"}\\\"\"},"
                              "\"name\":\"c\",\"namespace\":\"n\"}}");
    object_publish(o, 2, 2, 1);
    assert_str_equal(o->json, "{\"data\":{},\"metadata\":{\"resourceVersion\":\"2\",\"labels\":"
                              "{\"a\":\"}\\\"\"},\"name\":\"c\",\"namespace\":\"n\"}}");
    object_unref(o);
}

static void test_damaged_stored_objects_are_errors(void **state)
{
    static const char *const bad[] = {
        "{\"metadata\":",
        "[]",
        "{\"metadata\":{\"name\":1}}",
        "{\"metadata\":{\"name\":\"other\",\"namespace\":\"n\"}}",
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        struct err err = {0};
        struct object *o = NULL;

        assert_int_equal(object_from_stored(&res_core_configmaps, STR("/registry/configmaps/n/c"),
                                            str_from(bad[i]), &o, &err),
                         ERR_PARSE);
        assert_null(o);
    }
}

static void test_from_wire(void **state)
{
    struct err err = {0};
    struct object *o;
    auto_buf out = {0};

    (void)state;
    assert_ok(object_from_wire(&res_apps_deployments,
                               STR("{\"kind\":\"Deployment\",\"apiVersion\":\"apps/v1\","
                                   "\"metadata\":{\"name\":\"d\",\"namespace\":\"n\","
                                   "\"resourceVersion\":\"44\"},\"spec\":{\"replicas\":2}}"),
                               &o, &err),
              &err);
    assert_int_equal(o->revision, 44);
    assert_str_equal(o->key, "/registry/deployments/n/d");
    assert_str_equal(o->json, "{\"metadata\":{\"name\":\"d\",\"namespace\":\"n\","
                              "\"resourceVersion\":\"44\"},\"spec\":{\"replicas\":2}}");
    assert_int_equal(*OBJECT_AS(apps_deployment, o)->spec.replicas, 2);
    object_write_json(o, &out);
    assert_str_equal(buf_view(&out), "{\"kind\":\"Deployment\",\"apiVersion\":\"apps/v1\","
                                     "\"metadata\":{\"name\":\"d\",\"namespace\":\"n\","
                                     "\"resourceVersion\":\"44\"},\"spec\":{\"replicas\":2}}");
    object_unref(o);
}

static void *first_use(void *arg)
{
    const struct object *o = arg;

    (void)object_pb(o);
    return (void *)object_typed(o);
}

static void test_threads_agree_on_one_struct(void **state)
{
    struct object *o = pod_of("{\"metadata\":{\"name\":\"p\",\"annotations\":{\"a\":\"\\\"\"}}}");
    pthread_t threads[4];
    void *got[4];

    (void)state;
    object_publish(o, 1, 1, 1);
    for (int i = 0; i < 4; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, first_use, o), 0);
    for (int i = 0; i < 4; i++)
        assert_int_equal(pthread_join(threads[i], &got[i]), 0);
    for (int i = 0; i < 4; i++)
        assert_ptr_equal(got[i], object_typed(o));
    object_unref(o);
}

static void test_omap_holds_references(void **state)
{
    struct omap m;
    struct object *o = pod_of("{\"metadata\":{\"name\":\"p\",\"namespace\":\"n\"}}");

    (void)state;
    omap_init(&m, &object_omap_ops);
    omap_put(&m, o);
    assert_ptr_equal(omap_find(&m, STR("/registry/pods/n/p")), o);
    assert_null(object_unref(o)); /* the map's reference is left */
    omap_deinit(&m);
    assert_null(object_unref(NULL));
}

static void test_resource_names_and_keys(void **state)
{
    auto_arena a = {0};

    (void)state;
    assert_str_equal(resource_qualified(&res_core_pods, &a), "pods");
    assert_str_equal(resource_qualified(&res_apps_deployments, &a), "deployments.apps");
    assert_str_equal(resource_api_version(&res_core_pods, &a), "v1");
    assert_str_equal(resource_api_version(&res_apps_deployments, &a), "apps/v1");
    assert_str_equal(resource_key(&res_core_nodes, STR(""), STR("n"), &a), "/registry/minions/n");
    assert_str_equal(resource_key(&res_core_services, STR("x"), STR("s"), &a),
                     "/registry/services/specs/x/s");
    assert_non_null(resource_subresource(&res_core_pods, STR("eviction")));
    assert_null(resource_subresource(&res_core_pods, STR("scale")));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_new_leaves_out_version_and_type_meta),
        cmocka_unit_test(test_publish_puts_the_version_after_uid),
        cmocka_unit_test(test_publish_after_first_use_shows_the_version),
        cmocka_unit_test(test_metadata_alone),
        cmocka_unit_test(test_from_stored),
        cmocka_unit_test(test_from_stored_brings_foreign_json_into_form),
        cmocka_unit_test(test_damaged_stored_objects_are_errors),
        cmocka_unit_test(test_from_wire),
        cmocka_unit_test(test_threads_agree_on_one_struct),
        cmocka_unit_test(test_omap_holds_references),
        cmocka_unit_test(test_resource_names_and_keys),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
