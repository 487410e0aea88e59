/* Tests of the generated tables: what is in them, and that they hold together. */
#include "api/api.h"
#include "test.h"

static void test_find(void **state)
{
    (void)state;
    assert_ptr_equal(api_find(STR(""), STR("v1"), STR("pods")), &res_core_pods);
    assert_ptr_equal(api_find(STR("apps"), STR("v1"), STR("deployments")), &res_apps_deployments);
    assert_null(api_find(STR("apps"), STR("v1"), STR("pods")));
    assert_null(api_find(STR("apps"), STR("v2"), STR("deployments")));
    assert_ptr_equal(api_find_kind(STR(""), STR("v1"), STR("Node")), &res_core_nodes);
    assert_null(api_find_kind(STR(""), STR("v1"), STR("node")));
    assert_ptr_equal(api_find_type(STR("apps"), STR("v1"), STR("Deployment")),
                     &type_apps_deployment);
    assert_ptr_equal(api_find_type(STR("apps"), STR("v1"), STR("DeleteOptions")),
                     &type_meta_delete_options);
    assert_ptr_equal(api_find_type(STR(""), STR("v1"), STR("Status")), &type_meta_status);
    assert_null(api_find_type(STR("apps"), STR("v1"), STR("Status")));
    assert_null(api_find_type(STR(""), STR("v1"), STR("PodSpec")));
}

static void test_split_version(void **state)
{
    struct str group, version;

    (void)state;
    api_split_version(STR("v1"), &group, &version);
    assert_str_equal(group, "");
    assert_str_equal(version, "v1");
    api_split_version(STR("apps/v1"), &group, &version);
    assert_str_equal(group, "apps");
    assert_str_equal(version, "v1");
}

static void test_resources_know_their_place(void **state)
{
    (void)state;
    assert_int_equal(api_n_resources, 68);
    for (size_t i = 0; i < api_n_resources; i++) {
        const struct resource *r = api_resources[i];

        assert_int_equal(r->index, i);
        assert_ptr_equal(api_find(str_from(r->group), str_from(r->version), str_from(r->plural)),
                         r);
        assert_non_null(r->storage);
        if (!(r->flags & RESOURCE_EPHEMERAL) && (r->verbs & VERB_BIT(VERB_CREATE)))
            assert_string_not_equal(r->store_prefix, "");
    }
    assert_string_equal(api_groups[0].name, "apiregistration.k8s.io");
    assert_string_equal(api_groups[1].name, "");
    assert_string_equal(api_groups[6].name, "autoscaling");
    assert_string_equal(api_groups[6].versions[0], "v2");
    assert_string_equal(api_groups[6].versions[1], "v1");
    assert_null(api_groups[6].versions[2]);
}

static void test_flags_and_subresources(void **state)
{
    const struct subresource *s;

    (void)state;
    assert_true(res_core_pods.flags & RESOURCE_STATUS);
    assert_int_equal(res_core_pods.generation, 1);
    assert_string_equal(res_core_pods.generation_paths[0], "spec");
    assert_null(res_core_pods.generation_paths[1]);
    assert_int_equal(res_core_nodes.generation, 0);
    assert_null(res_core_nodes.generation_paths);
    assert_false(resource_namespaced(&res_core_nodes));
    assert_true(res_coordination_leases.flags & RESOURCE_LAZY);
    assert_ptr_equal(res_events_events.storage, &res_core_events);
    assert_ptr_equal(res_autoscaling_horizontalpodautoscalers.storage,
                     &res_autoscaling_v2_horizontalpodautoscalers);
    s = resource_subresource(&res_apps_deployments, STR("scale"));
    assert_string_equal(s->kind_group, "autoscaling");
    assert_string_equal(s->kind, "Scale");
    assert_ptr_equal(s->type, &type_autoscaling_scale);
    assert_null(resource_subresource(&res_core_pods, STR("exec"))->type);
    assert_null(resource_subresource(&res_core_pods, STR("log"))->type);
    assert_ptr_equal(resource_subresource(&res_core_pods, STR("eviction"))->type,
                     &type_policy_eviction);
}

/* Both indexes of each type are complete and in order, and numbers are unique in their message. */
static void test_indexes_are_sound(void **state)
{
    (void)state;
    for (size_t i = 0; i < api_n_types; i++) {
        const struct type *t = api_types[i];

        for (unsigned k = 0; k < t->n_fields; k++) {
            const struct field *f = &t->fields[k];

            assert_ptr_equal(type_field(t, f->name), f);
            assert_true(f->offset + field_elem_size(f) <= t->size || f->card != CARD_ONE);
            assert_int_equal(f->kind == FIELD_MESSAGE, f->type && f->kind != FIELD_RAW);
        }
        for (unsigned k = 1; k < t->n_fields; k++) {
            const struct field *x = &t->fields[t->by_number[k - 1]];
            const struct field *y = &t->fields[t->by_number[k]];
            bool skip = (x->flags | y->flags) & (FIELD_NO_PROTO | FIELD_TYPE_META);

            assert_true(skip || x->inline_number != y->inline_number ||
                        x->inline_number2 != y->inline_number2 || x->number < y->number);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_find),
        cmocka_unit_test(test_split_version),
        cmocka_unit_test(test_resources_know_their_place),
        cmocka_unit_test(test_flags_and_subresources),
        cmocka_unit_test(test_indexes_are_sound),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
