/* Tests of decoding, writing, defaulting and comparing C structs, on the API's own types. */
#include "api/api.h"
#include "base/buf.h"
#include "schema/typed.h"
#include "test.h"

static void *decode(struct arena *a, const struct type *t, const char *json)
{
    struct err err = {0};
    void *obj;

    assert_ok(typed_from_json(t, str_from(json), a, &obj, &err), &err);
    return obj;
}

/* What is read from @json is written as @want, by both writers. */
static void check_json(const struct type *t, const char *json, const char *want)
{
    auto_arena a = {0};
    auto_buf out = {0};
    void *obj = decode(&a, t, json);
    struct doc d = typed_to_doc(t, obj, &a);

    typed_write_json(t, obj, &out);
    assert_str_equal(buf_view(&out), want);
    assert_str_equal(json_to_str(&a, &d), want);
}

static void test_embedded_structs_are_written_empty(void **state)
{
    (void)state;
    check_json(&type_core_pod, "{}",
               "{\"metadata\":{},\"spec\":{\"containers\":null},\"status\":{}}");
    check_json(&type_core_container, "{\"name\":\"c\"}", "{\"name\":\"c\",\"resources\":{}}");
    check_json(&type_apps_deployment_spec, "{\"replicas\":0}",
               "{\"replicas\":0,\"selector\":null,\"template\":{\"metadata\":{},\"spec\":{"
               "\"containers\":null}},\"strategy\":{}}");
}

static void test_times_are_null_when_zero_and_creation_is_left_out(void **state)
{
    (void)state;
    check_json(&type_core_pod_condition,
               "{\"type\":\"Ready\",\"status\":\"True\","
               "\"lastTransitionTime\":\"2024-05-06T07:08:09.75+01:00\"}",
               "{\"type\":\"Ready\",\"status\":\"True\",\"lastProbeTime\":null,"
               "\"lastTransitionTime\":\"2024-05-06T06:08:09Z\"}");
    check_json(&type_meta_object_meta, "{\"creationTimestamp\":null,\"name\":\"x\"}",
               "{\"name\":\"x\"}");
    check_json(&type_coordination_lease_spec, "{\"renewTime\":\"2024-01-02T03:04:05.1234567Z\"}",
               "{\"renewTime\":\"2024-01-02T03:04:05.123456Z\"}");
}

static void test_empty_list_differs_from_absent_where_always_written(void **state)
{
    (void)state;
    check_json(&type_rbac_policy_rule, "{}", "{\"verbs\":null}");
    check_json(&type_rbac_policy_rule, "{\"verbs\":[],\"apiGroups\":[]}", "{\"verbs\":[]}");
    check_json(&type_rbac_policy_rule, "{\"apiGroups\":[\"\"],\"verbs\":[\"get\"]}",
               "{\"verbs\":[\"get\"],\"apiGroups\":[\"\"]}");
}

static void test_pointers_keep_zero(void **state)
{
    (void)state;
    check_json(&type_core_security_context, "{\"runAsUser\":0,\"privileged\":false}",
               "{\"privileged\":false,\"runAsUser\":0}");
    check_json(&type_core_key_to_path, "{\"key\":\"k\",\"path\":\"p\",\"mode\":0}",
               "{\"key\":\"k\",\"path\":\"p\",\"mode\":0}");
    check_json(&type_core_persistent_volume_claim_spec, "{\"storageClassName\":\"\"}",
               "{\"resources\":{},\"storageClassName\":\"\"}");
}

static void test_scalars_take_their_forms(void **state)
{
    (void)state;
    check_json(&type_core_resource_requirements,
               "{\"limits\":{\"memory\":\"1024Mi\",\"cpu\":0.5},\"requests\":{\"cpu\":\"1000m\"}}",
               "{\"limits\":{\"cpu\":\"500m\",\"memory\":\"1Gi\"},\"requests\":{\"cpu\":\"1\"}}");
    check_json(&type_core_http_get_action, "{\"port\":\"web\"}", "{\"port\":\"web\"}");
    check_json(&type_core_http_get_action, "{\"port\":8080}", "{\"port\":8080}");
    check_json(&type_core_secret, "{\"data\":{\"b\":\"aGk=\",\"a\":\"\"}}",
               "{\"metadata\":{},\"data\":{\"a\":\"\",\"b\":\"aGk=\"}}");
    check_json(&type_core_env_var_source, "{\"resourceFieldRef\":{\"resource\":\"limits.cpu\"}}",
               "{\"resourceFieldRef\":{\"resource\":\"limits.cpu\",\"divisor\":\"0\"}}");
    check_json(&type_authentication_user_info, "{\"extra\":{\"k\":[\"v\",\"w\"]}}",
               "{\"extra\":{\"k\":[\"v\",\"w\"]}}");
}

static void test_type_meta_and_unknown_members(void **state)
{
    (void)state;
    check_json(&type_core_config_map,
               "{\"apiVersion\":\"v1\",\"kind\":\"ConfigMap\",\"nope\":{\"a\":[1]},"
               "\"metadata\":{\"name\":\"x\",\"labels\":{\"b\":null,\"a\":\"1\"}}}",
               "{\"kind\":\"ConfigMap\",\"apiVersion\":\"v1\","
               "\"metadata\":{\"name\":\"x\",\"labels\":{\"a\":\"1\",\"b\":\"\"}}}");
}

static void test_inlined_members_stand_in_place(void **state)
{
    (void)state;
    check_json(&type_core_volume, "{\"emptyDir\":{},\"name\":\"v\"}",
               "{\"name\":\"v\",\"emptyDir\":{}}");
    check_json(&type_core_secret_key_selector, "{\"key\":\"k\",\"name\":\"n\"}",
               "{\"name\":\"n\",\"key\":\"k\"}");
}

static void test_json_schema_alternatives(void **state)
{
    (void)state;
    check_json(&type_apiextensions_json_schema_props,
               "{\"type\":\"object\",\"additionalProperties\":{\"x\":1,\"type\":\"string\"},"
               "\"additionalItems\":false,\"default\":{\"b\":1,\"a\":null},"
               "\"items\":[{\"type\":\"integer\"}],\"dependencies\":{\"a\":[\"b\"]}}",
               "{\"type\":\"object\",\"default\":{\"b\":1,\"a\":null},"
               "\"items\":[{\"type\":\"integer\"}],"
               "\"additionalProperties\":{\"type\":\"string\"},"
               "\"dependencies\":{\"a\":[\"b\"]},\"additionalItems\":false}");
}

static void check_error(const struct type *t, const char *json, const char *want)
{
    auto_arena a = {0};
    struct err err = {0};
    void *obj;

    assert_int_equal(typed_from_json(t, str_from(json), &a, &obj, &err), ERR_BAD_REQUEST);
    assert_string_equal(err.msg, want);
}

static void test_errors_read_like_go(void **state)
{
    (void)state;
    check_error(&type_apps_deployment, "{\"spec\":{\"replicas\":\"3\"}}",
                "json: cannot unmarshal string into Go struct field DeploymentSpec.spec.replicas "
                "of type int32");
    check_error(&type_apps_deployment, "{\"spec\":{\"replicas\":1.5}}",
                "json: cannot unmarshal number 1.5 into Go struct field "
                "DeploymentSpec.spec.replicas of type int32");
    check_error(&type_apps_deployment, "{\"spec\":{\"replicas\":3000000000}}",
                "json: cannot unmarshal number 3000000000 into Go struct field "
                "DeploymentSpec.spec.replicas of type int32");
    check_error(&type_core_pod, "{\"spec\":{\"containers\":{}}}",
                "json: cannot unmarshal object into Go struct field PodSpec.spec.containers of "
                "type []v1.Container");
    check_error(&type_core_pod, "{\"spec\":{\"containers\":[{\"env\":[{\"value\":1}]}]}}",
                "json: cannot unmarshal number into Go struct field "
                "EnvVar.spec.containers.env.value of type string");
    check_error(&type_core_pod, "{\"metadata\":{\"labels\":[]}}",
                "json: cannot unmarshal array into Go struct field ObjectMeta.metadata.labels of "
                "type map[string]string");
    check_error(&type_core_pod, "{\"spec\":true}",
                "json: cannot unmarshal bool into Go struct field Pod.spec of type v1.PodSpec");
    check_error(&type_core_pod, "[]", "json: cannot unmarshal array into Go value of type v1.Pod");
    check_error(&type_core_service, "{\"spec\":{\"ports\":[{\"targetPort\":1.5}]}}",
                "json: cannot unmarshal number 1.5 into Go value of type int32");
    check_error(&type_core_secret, "{\"data\":{\"a\":\"*\"}}",
                "illegal base64 data at input byte 0");
}

static void test_deep_schemas_are_refused(void **state)
{
    auto_arena a = {0};
    auto_buf json = {0};
    struct err err = {0};
    void *obj;

    (void)state;
    for (int i = 0; i < 200; i++)
        buf_puts(&json, "{\"not\":");
    buf_puts(&json, "{}");
    for (int i = 0; i < 200; i++)
        buf_putc(&json, '}');
    assert_int_equal(
        typed_from_json(&type_apiextensions_json_schema_props, buf_view(&json), &a, &obj, &err),
        ERR_BAD_REQUEST);
    assert_string_equal(err.msg, "JSONSchemaProps: exceeded max depth");
}

static void test_element_budget_stops_amplification(void **state)
{
    auto_arena a = {0};
    struct doc spec = doc_object(), list = doc_array(), empty = doc_object();
    struct core_pod_spec *out = arena_new(&a, struct core_pod_spec);
    struct err err = {0};

    (void)state;
    list.n = list.cap = 1 << 20; /* 1 Mi empty containers would take 344 MiB */
    list.items = arena_calloc(&a, list.n, sizeof(*list.items));
    for (uint32_t i = 0; i < list.n; i++)
        list.items[i] = empty;
    doc_add(&a, &spec, STR("containers"), list);
    assert_int_equal(typed_from_doc(&type_core_pod_spec, &spec, &a, out, &err), ERR_TOO_LARGE);
}

static void test_defaults_fill_only_absent_fields(void **state)
{
    auto_arena a = {0};
    struct core_service_spec *spec =
        decode(&a, &type_core_service_spec, "{\"ports\":[{\"port\":1},{\"protocol\":\"UDP\"}]}");

    (void)state;
    typed_default(&type_core_service_spec, spec, &a);
    assert_str_equal(spec->ports.v[0].protocol, "TCP");
    assert_str_equal(spec->ports.v[1].protocol, "UDP");
}

static void test_defaults_round_amounts_of_resources_up(void **state)
{
    auto_arena a = {0};
    struct core_resource_requirements *r = decode(
        &a, &type_core_resource_requirements,
        "{\"limits\":{\"cpu\":\"100100u\",\"memory\":\"1Gi\"},\"requests\":{\"cpu\":\"1n\"}}");
    struct core_node_status *n =
        decode(&a, &type_core_node_status, "{\"capacity\":{\"cpu\":\"1.0001\"}}");
    struct core_persistent_volume_claim *fine = decode(
        &a, &type_core_persistent_volume_claim,
        "{\"spec\":{\"resources\":{\"requests\":{\"storage\":\"1500m\"}}}}");
    auto_buf text = {0};

    (void)state;
    typed_default(&type_core_resource_requirements, r, &a);
    typed_write_json(&type_core_resource_requirements, r, &text);
    assert_str_equal(buf_view(&text), "{\"limits\":{\"cpu\":\"101m\",\"memory\":\"1Gi\"},"
                                      "\"requests\":{\"cpu\":\"1m\"}}");
    typed_default(&type_core_node_status, n, &a);
    assert_str_equal(quantity_str(&a, n->capacity.v[0].value), "1001m");
    typed_default(&type_core_persistent_volume_claim, fine, &a);
    assert_str_equal(quantity_str(&a, fine->spec.resources.requests.v[0].value), "1500m");
}

static void test_declared_default_of_a_pointer(void **state)
{
    auto_arena a = {0};
    struct core_azure_disk_volume_source *absent =
        decode(&a, &type_core_azure_disk_volume_source, "{}");
    struct core_azure_disk_volume_source *given =
        decode(&a, &type_core_azure_disk_volume_source, "{\"readOnly\":true,\"fsType\":\"\"}");

    (void)state;
    typed_default(&type_core_azure_disk_volume_source, absent, &a);
    assert_non_null(absent->read_only);
    assert_false(*absent->read_only);
    assert_str_equal(*absent->fs_type, "ext4");
    assert_str_equal(*absent->caching_mode, "ReadWrite");
    assert_str_equal(*absent->kind, "Shared");
    typed_default(&type_core_azure_disk_volume_source, given, &a);
    assert_true(*given->read_only);
    assert_str_equal(*given->fs_type, "");
}

static bool equal(const struct type *t, const char *x, const char *y)
{
    auto_arena a = {0};

    return typed_equal(t, decode(&a, t, x), decode(&a, t, y));
}

static void test_equal_is_semantic(void **state)
{
    const struct type *pod = &type_core_pod, *req = &type_core_resource_requirements;

    (void)state;
    assert_true(equal(pod, "{}", "{\"metadata\":{\"labels\":{}},\"spec\":{\"volumes\":[]}}"));
    assert_true(equal(req, "{\"limits\":{\"cpu\":\"1\"}}", "{\"limits\":{\"cpu\":\"1000m\"}}"));
    assert_false(equal(req, "{\"limits\":{\"cpu\":\"1\"}}", "{\"limits\":{\"cpu\":\"2\"}}"));
    assert_false(equal(req, "{\"limits\":{\"cpu\":\"1\"}}", "{\"limits\":{\"memory\":\"1\"}}"));
    assert_false(equal(&type_apps_deployment_spec, "{}", "{\"replicas\":0}"));
    assert_false(equal(&type_core_http_get_action, "{\"port\":\"80\"}", "{\"port\":80}"));
    assert_true(equal(&type_apps_controller_revision, "{\"data\":{\"a\":1,\"b\":2}}",
                      "{\"data\":{\"b\":2,\"a\":1.0}}"));
    assert_true(equal(&type_core_pod_condition,
                      "{\"lastTransitionTime\":\"2024-01-01T01:00:00+01:00\"}",
                      "{\"lastTransitionTime\":\"2024-01-01T00:00:00Z\"}"));
}

static void test_clone_is_independent(void **state)
{
    static const char json[] =
        "{\"metadata\":{\"name\":\"p\",\"labels\":{\"a\":\"1\"},\"managedFields\":[{\"fieldsV1\":{"
        "\"f:a\":{\"x\":[\"y\",1]}}}]},\"spec\":{\"containers\":[{\"name\":\"c\",\"args\":[\"-v\"],"
        "\"securityContext\":{\"runAsUser\":7}}],\"terminationGracePeriodSeconds\":5}}";
    auto_arena kept = {0};
    struct core_pod *copy, *want = decode(&kept, &type_core_pod, json);

    (void)state;
    {
        auto_arena a = {0};
        char *text = arena_strdup(&a, json);
        struct core_pod *pod = decode(&a, &type_core_pod, text);

        copy = typed_clone(&type_core_pod, pod, &kept, true);
        pod->spec.containers.v[0].name = STR("changed");
        *pod->spec.termination_grace_period_seconds = 6;
        memset(text, 'x', strlen(text));
    }
    assert_true(typed_equal(&type_core_pod, copy, want));
}

static void test_clear_and_empty(void **state)
{
    auto_arena a = {0};
    struct core_pod *pod = decode(&a, &type_core_pod, "{\"status\":{\"phase\":\"Running\"}}");
    const struct field *status = type_field(&type_core_pod, STR("status"));

    (void)state;
    assert_false(typed_field_empty(status, pod));
    typed_clear(&type_core_pod, pod, "status");
    assert_true(typed_field_empty(status, pod));
    typed_clear(&type_core_pod, pod, "no such field");
}

static void test_gated_fields_drop_only_when_asked(void **state)
{
    auto_arena a = {0};
    struct core_lifecycle *l = decode(&a, &type_core_lifecycle, "{\"stopSignal\":\"SIGHUP\"}");
    struct core_container c = {.lifecycle = l};

    (void)state;
    assert_non_null(l->stop_signal);
    typed_drop_gated(&type_core_container, &c);
    assert_null(l->stop_signal);
}

static void check_path(const char *json, const char *path, const char *want)
{
    auto_arena a = {0};
    void *pod = decode(&a, &type_core_pod, json);
    char *text = str_dupz(&a, typed_path_text(&type_core_pod, pod, path, &a));

    assert_string_equal(text, want);
}

static void test_path_text(void **state)
{
    (void)state;
    check_path("{\"spec\":{\"nodeName\":\"n1\"}}", "spec.nodeName", "n1");
    check_path("{}", "spec.nodeName", "");
    check_path("{}", "spec.hostNetwork", "false");
    check_path("{\"spec\":{\"hostNetwork\":true}}", "spec.hostNetwork", "true");
    check_path("{\"spec\":{\"priority\":-7}}", "spec.priority", "-7");
    check_path("{}", "spec.priority", "");
    check_path("{\"metadata\":{\"labels\":{\"a.b/c\":\"v\"}}}", "metadata.labels.a.b/c", "v");
    check_path("{\"metadata\":{\"generation\":3}}", "metadata.generation", "3");
    check_path("{}", "status.podIPs", "");
    check_path("{}", "spec", "");
    check_path("{}", "spec.nope", "");
    check_path("{}", "spec.nodeName.more", "");
}

static void test_path_text_in_raw_documents(void **state)
{
    auto_arena a = {0};
    void *rev = decode(&a, &type_apps_controller_revision,
                       "{\"data\":{\"spec\":{\"n\":3,\"s\":\"x\",\"b\":true}}}");
    const struct type *t = &type_apps_controller_revision;

    (void)state;
    assert_str_equal(typed_path_text(t, rev, "data.spec.n", &a), "3");
    assert_str_equal(typed_path_text(t, rev, "data.spec.s", &a), "x");
    assert_str_equal(typed_path_text(t, rev, "data.spec.b", &a), "true");
    assert_str_equal(typed_path_text(t, rev, "data.spec", &a), "");
    assert_str_equal(typed_path_text(t, rev, "data.spec.n.m", &a), "");
}

static void test_string_map(void **state)
{
    auto_arena a = {0};
    struct string_map m = {0};

    (void)state;
    string_map_set(&a, &m, STR("b"), STR("2"));
    string_map_set(&a, &m, STR("a"), STR("1"));
    string_map_set(&a, &m, STR("c"), STR(""));
    string_map_set(&a, &m, STR("b"), STR("3"));
    assert_int_equal(m.n, 3);
    assert_str_equal(m.v[0].key, "a");
    assert_str_equal(string_map_get(&m, STR("b")), "3");
    assert_non_null(string_map_get(&m, STR("c")).p);
    assert_null(string_map_get(&m, STR("d")).p);
    assert_true(string_map_remove(&m, STR("a")));
    assert_false(string_map_remove(&m, STR("a")));
    assert_str_equal(m.v[0].key, "b");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_embedded_structs_are_written_empty),
        cmocka_unit_test(test_times_are_null_when_zero_and_creation_is_left_out),
        cmocka_unit_test(test_empty_list_differs_from_absent_where_always_written),
        cmocka_unit_test(test_pointers_keep_zero),
        cmocka_unit_test(test_scalars_take_their_forms),
        cmocka_unit_test(test_type_meta_and_unknown_members),
        cmocka_unit_test(test_inlined_members_stand_in_place),
        cmocka_unit_test(test_json_schema_alternatives),
        cmocka_unit_test(test_errors_read_like_go),
        cmocka_unit_test(test_deep_schemas_are_refused),
        cmocka_unit_test(test_element_budget_stops_amplification),
        cmocka_unit_test(test_defaults_fill_only_absent_fields),
        cmocka_unit_test(test_defaults_round_amounts_of_resources_up),
        cmocka_unit_test(test_declared_default_of_a_pointer),
        cmocka_unit_test(test_equal_is_semantic),
        cmocka_unit_test(test_clone_is_independent),
        cmocka_unit_test(test_clear_and_empty),
        cmocka_unit_test(test_gated_fields_drop_only_when_asked),
        cmocka_unit_test(test_path_text),
        cmocka_unit_test(test_path_text_in_raw_documents),
        cmocka_unit_test(test_string_map),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
