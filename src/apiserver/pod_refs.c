/* SPDX-License-Identifier: Apache-2.0 */
/* pod_refs.c - the references of pods and volumes. See pod_refs.h. */
#include "apiserver/pod_refs.h"
#include "schema/typed.h"

static const struct ref_type { /* a type that is a reference, and the member that names */
    const struct type *type;
    enum pod_ref_kind kind;
    const char *name, *ns; /* JSON names; ns NULL: none */
} ref_types[] = {
    {&type_core_secret_key_selector, POD_REF_SECRET, "name", NULL},
    {&type_core_secret_env_source, POD_REF_SECRET, "name", NULL},
    {&type_core_secret_projection, POD_REF_SECRET, "name", NULL},
    {&type_core_secret_volume_source, POD_REF_SECRET, "secretName", NULL},
    {&type_core_azure_file_volume_source, POD_REF_SECRET, "secretName", NULL},
    {&type_core_azure_file_persistent_volume_source, POD_REF_SECRET, "secretName",
     "secretNamespace"},
    /* Within pods and volumes these name nothing but secrets, but for configmaps, which embed it.
     */
    {&type_core_local_object_reference, POD_REF_SECRET, "name", NULL},
    {&type_core_secret_reference, POD_REF_SECRET, "name", "namespace"},
    {&type_core_config_map_key_selector, POD_REF_CONFIG_MAP, "name", NULL},
    {&type_core_config_map_env_source, POD_REF_CONFIG_MAP, "name", NULL},
    {&type_core_config_map_projection, POD_REF_CONFIG_MAP, "name", NULL},
    {&type_core_config_map_volume_source, POD_REF_CONFIG_MAP, "name", NULL},
    {&type_core_persistent_volume_claim_volume_source, POD_REF_CLAIM, "claimName", NULL},
};

struct walk {
    bool (*visit)(void *arg, enum pod_ref_kind kind, struct str ns, struct str name);
    void *arg;
};

static struct str member(const struct type *type, const void *obj, const char *name)
{
    const struct field *f = name ? type_field(type, str_from(name)) : NULL;
    const void *p;

    if (!f)
        return STR_NULL;
    p = field_ptr(f, obj);
    if (f->card != CARD_PTR)
        return *(const struct str *)p;
    p = *(void *const *)p;
    return p ? *(const struct str *)p : STR_NULL;
}

static bool visit_self(const struct type *type, const void *obj, const struct walk *w)
{
    for (size_t i = 0; i < ARRAY_LEN(ref_types); i++) {
        const struct ref_type *t = &ref_types[i];
        struct str name;

        if (t->type != type)
            continue;
        name = member(type, obj, t->name);
        return !str_empty(name) && w->visit(w->arg, t->kind, member(type, obj, t->ns), name);
    }
    return false;
}

/* Recurses over types; those below pods and volumes do not hold themselves. */
static bool walk(const struct type *type, const void *obj, const struct walk *w)
{
    if (visit_self(type, obj, w))
        return true;
    for (unsigned i = 0; i < type->n_fields; i++) {
        const struct field *f = &type->fields[i];
        const void *p = field_ptr(f, obj);
        size_t n = 1;

        if (f->kind != FIELD_MESSAGE || f->card == CARD_MAP || f->card == CARD_MAP_LIST)
            continue;
        if (f->card == CARD_PTR) {
            p = *(void *const *)p;
            n = p ? 1 : 0;
        } else if (f->card == CARD_LIST) {
            n = ((const struct any_list *)p)->n;
            p = ((const struct any_list *)p)->v;
        }
        for (size_t j = 0; j < n; j++)
            if (walk(f->type, (const char *)p + j * field_elem_size(f), w))
                return true;
    }
    return false;
}

bool pod_refs_visit(const struct type *type, const void *obj,
                    bool (*visit)(void *arg, enum pod_ref_kind kind, struct str ns,
                                  struct str name),
                    void *arg)
{
    struct walk w = {visit, arg};

    return walk(type, obj, &w);
}

struct wanted {
    unsigned kinds;
    struct str name;
};

static bool is_wanted(void *arg, enum pod_ref_kind kind, struct str ns, struct str name)
{
    struct wanted *w = arg;

    return (w->kinds & kind) && str_eq(name, w->name);
}

bool pod_refers_to(const struct core_pod *pod, unsigned kinds, struct str name)
{
    struct wanted w = {kinds, name};

    if (pod_refs_visit(&type_core_pod_spec, &pod->spec, is_wanted, &w))
        return true;
    for (size_t i = 0; (kinds & POD_REF_CLAIM) && i < pod->spec.volumes.n; i++) {
        const struct core_volume *v = &pod->spec.volumes.v[i];
        struct str p = pod->metadata.name;

        /* The claim of an ephemeral volume is called "<pod>-<volume>". */
        if (v->ephemeral && name.len == p.len + 1 + v->name.len && str_has_prefix(name, p) &&
            name.p[p.len] == '-' && str_has_suffix(name, v->name))
            return true;
    }
    return false;
}
