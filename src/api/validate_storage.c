/* SPDX-License-Identifier: Apache-2.0 */
/* validate_storage.c - persistent volumes and claims. Layer: api. */
#include "api/validate.h"
#include "schema/format.h"
#include "schema/typed.h"

static const char *const access_modes[] = {"ReadWriteOnce", "ReadOnlyMany", "ReadWriteMany",
                                           "ReadWriteOncePod", NULL};
static const char *const volume_modes[] = {"Block", "Filesystem", NULL};

static void check_modes(struct field_errors *errs, const struct path *at, const struct str *v,
                        size_t n)
{
    bool once_pod = false, other = false;

    for (size_t i = 0; i < n; i++) {
        check_one_of(errs, at, v[i], access_modes);
        if (str_eqz(v[i], "ReadWriteOncePod"))
            once_pod = true;
        else
            other = true;
    }
    if (once_pod && other)
        err_forbidden(errs, at, "may not use ReadWriteOncePod with other access modes");
}

static void check_positive(struct field_errors *errs, const struct path *p, struct quantity q)
{
    if (quantity_sign(q) <= 0)
        err_invalid(errs, p, doc_string(quantity_str(errs->arena, q)), "must be greater than zero");
}

static void check_source(struct field_errors *errs, const struct path *at, struct str group,
                         struct str kind, struct str name)
{
    check_given(errs, AT(at, "name"), name);
    check_given(errs, AT(at, "kind"), kind);
    if (str_empty(group) && kind.len && !str_eqz(kind, "PersistentVolumeClaim"))
        check_why(errs, at, kind,
                  "must be 'PersistentVolumeClaim' when referencing the default "
                  "apiGroup");
}

void check_claim_spec(struct field_errors *errs, const struct path *at,
                      const struct core_persistent_volume_claim_spec *s)
{
    const struct path *storage = AT_KEY(AT(at, "resources"), STR("storage"));
    struct quantity size = quantity_map_get(&s->resources.requests, STR("storage"));

    if (!s->access_modes.n)
        err_required(errs, AT(at, "accessModes"), "at least 1 access mode is required");
    check_selector(errs, AT(at, "selector"), s->selector);
    check_modes(errs, AT(at, "accessModes"), s->access_modes.v, s->access_modes.n);
    if (!size.set)
        err_required(errs, storage, "");
    else
        check_positive(errs, storage, size);
    if (s->storage_class_name)
        check_if_set(errs, AT(at, "storageClassName"), *s->storage_class_name,
                     format_dns_subdomain);
    if (s->volume_mode)
        check_one_of(errs, AT(at, "volumeMode"), *s->volume_mode, volume_modes);
    if (s->data_source)
        check_source(errs, AT(at, "dataSource"),
                     s->data_source->api_group ? *s->data_source->api_group : STR_NULL,
                     s->data_source->kind, s->data_source->name);
    if (s->data_source_ref)
        check_source(errs, AT(at, "dataSourceRef"),
                     s->data_source_ref->api_group ? *s->data_source_ref->api_group : STR_NULL,
                     s->data_source_ref->kind, s->data_source_ref->name);
    if (s->data_source && s->data_source_ref &&
        (!str_eq(s->data_source->kind, s->data_source_ref->kind) ||
         !str_eq(s->data_source->name, s->data_source_ref->name)))
        err_add(errs, FIELD_ERROR_INVALID, at,
                "Invalid value: \"\": must match dataSourceRef when both are specified");
    if (s->volume_attributes_class_name)
        check_if_set(errs, AT(at, "volumeAttributesClassName"), *s->volume_attributes_class_name,
                     format_dns_subdomain);
}

static void check_claim_size(struct field_errors *errs,
                             const struct core_persistent_volume_claim *c,
                             const struct core_persistent_volume_claim *was)
{
    const struct path *p = AT(AT(AT(AT(NULL, "spec"), "resources"), "requests"), "storage");
    struct quantity now = quantity_map_get(&c->spec.resources.requests, STR("storage"));
    struct quantity before = quantity_map_get(&was->spec.resources.requests, STR("storage"));
    struct quantity has = quantity_map_get(&was->status.capacity, STR("storage"));

    if (quantity_cmp(now, before) >= 0)
        return;
    if (!has.set || quantity_cmp(now, has) <= 0)
        err_forbidden(errs, p, "field can not be less than status.capacity");
}

static void check_claim_update(struct field_errors *errs,
                               const struct core_persistent_volume_claim *c,
                               const struct core_persistent_volume_claim *was)
{
    struct core_persistent_volume_claim_spec s = c->spec;

    if (str_empty(was->spec.volume_name))
        s.volume_name = was->spec.volume_name;
    if (!was->spec.storage_class_name)
        s.storage_class_name = NULL;
    if (str_eqz(was->status.phase, "Bound")) {
        s.resources.requests = was->spec.resources.requests;
        s.volume_attributes_class_name = was->spec.volume_attributes_class_name;
    }
    if (!typed_equal(&type_core_persistent_volume_claim_spec, &s, &was->spec))
        err_forbidden(errs, AT(NULL, "spec"),
                      "spec is immutable after creation except resources.requests and "
                      "volumeAttributesClassName for bound claims");
    check_claim_size(errs, c, was);
    check_same(errs, AT(AT(NULL, "spec"), "volumeMode"),
               (c->spec.volume_mode && was->spec.volume_mode &&
                str_eq(*c->spec.volume_mode, *was->spec.volume_mode)) ||
                   c->spec.volume_mode == was->spec.volume_mode,
               c->spec.volume_mode ? doc_string(*c->spec.volume_mode) : doc_null());
}

void validate_claim(const void *obj, const void *old, struct field_errors *errs)
{
    const struct core_persistent_volume_claim *c = obj;

    check_claim_spec(errs, AT(NULL, "spec"), &c->spec);
    if (old)
        check_claim_update(errs, c, old);
}

/* ---- volumes ---- */

static bool is_source(const struct field *f)
{
    return f->kind == FIELD_MESSAGE && f->card == CARD_PTR && !str_eqz(f->name, "claimRef") &&
           !str_eqz(f->name, "nodeAffinity");
}

static void check_one_source(struct field_errors *errs, const struct path *at,
                             const struct core_persistent_volume_spec *s)
{
    const struct type *t = &type_core_persistent_volume_spec;
    unsigned n = 0;

    for (size_t i = 0; i < t->n_fields; i++) {
        const struct field *f = &t->fields[i];

        if (!is_source(f) || !*(void **)field_ptr(f, s))
            continue;
        if (n++)
            err_forbidden(errs, AT(at, f->name.p), "may not specify more than 1 volume type");
    }
    if (!n)
        err_required(errs, at, "must specify a volume type");
    if (s->host_path) {
        const struct path *p = AT(AT(at, "hostPath"), "path");

        check_given(errs, p, s->host_path->path);
        check_no_backsteps(errs, p, s->host_path->path);
        if (str_eqz(s->host_path->path, "/") &&
            str_eqz(s->persistent_volume_reclaim_policy, "Recycle"))
            err_forbidden(errs, AT(at, "persistentVolumeReclaimPolicy"),
                          "may not be 'recycle' for a hostPath mount of '/'");
    }
    if (s->nfs) {
        check_given(errs, AT(AT(at, "nfs"), "server"), s->nfs->server);
        check_given(errs, AT(AT(at, "nfs"), "path"), s->nfs->path);
        if (s->nfs->path.len && s->nfs->path.p[0] != '/')
            check_why(errs, AT(AT(at, "nfs"), "path"), s->nfs->path, "must be an absolute path");
    }
    if (s->csi) {
        check_given(errs, AT(AT(at, "csi"), "driver"), s->csi->driver);
        check_given(errs, AT(AT(at, "csi"), "volumeHandle"), s->csi->volume_handle);
    }
    if (s->local) {
        const struct path *p = AT(AT(at, "local"), "path");

        check_given(errs, p, s->local->path);
        check_no_backsteps(errs, p, s->local->path);
        if (!s->node_affinity || !s->node_affinity->required)
            err_required(errs, AT(at, "nodeAffinity"), "Local volume requires node affinity");
    }
}

static void check_capacity(struct field_errors *errs, const struct path *at,
                           const struct quantity_map *m)
{
    static const char *const storage[] = {"storage", NULL};

    if (!m->n)
        err_required(errs, at, "");
    if (m->n > 1 || (m->n == 1 && !str_eqz(m->v[0].key, "storage")))
        err_not_supported(errs, at, m->v[0].key, storage);
    for (size_t i = 0; i < m->n; i++) {
        check_quantity(errs, AT_KEY(at, m->v[i].key), m->v[i].key, m->v[i].value);
        check_positive(errs, AT_KEY(at, m->v[i].key), m->v[i].value);
    }
}

/* A copy of @s that shows only where the volume lies. */
static void keep_source(struct core_persistent_volume_spec *s)
{
    const struct type *t = &type_core_persistent_volume_spec;

    for (size_t i = 0; i < t->n_fields; i++) {
        if (!is_source(&t->fields[i]))
            typed_clear(t, s, t->fields[i].name.p);
    }
}

static void check_volume_update(struct field_errors *errs,
                                const struct core_persistent_volume_spec *s,
                                const struct core_persistent_volume_spec *was)
{
    const struct path *at = AT(NULL, "spec");
    struct core_persistent_volume_spec x = *s, y = *was;

    keep_source(&x);
    keep_source(&y);
    if (!typed_equal(&type_core_persistent_volume_spec, &x, &y))
        err_forbidden(errs, AT(at, "persistentvolumesource"),
                      "spec.persistentvolumesource is immutable after creation");
    check_same(errs, AT(at, "volumeMode"),
               s->volume_mode == was->volume_mode || (s->volume_mode && was->volume_mode &&
                                                      str_eq(*s->volume_mode, *was->volume_mode)),
               s->volume_mode ? doc_string(*s->volume_mode) : doc_null());
    if (was->node_affinity && was->node_affinity->required) {
        bool same = s->node_affinity && typed_equal(&type_core_volume_node_affinity,
                                                    s->node_affinity, was->node_affinity);

        check_same(errs, AT(at, "nodeAffinity"), same,
                   s->node_affinity ? typed_to_doc(&type_core_volume_node_affinity,
                                                   s->node_affinity, errs->arena)
                                    : doc_null());
    }
}

void validate_volume(const void *obj, const void *old, struct field_errors *errs)
{
    static const char *const policies[] = {"Delete", "Recycle", "Retain", NULL};
    const struct core_persistent_volume_spec *s =
        &((const struct core_persistent_volume *)obj)->spec;
    const struct path *at = AT(NULL, "spec");

    if (!s->access_modes.n)
        err_required(errs, AT(at, "accessModes"), "");
    check_modes(errs, AT(at, "accessModes"), s->access_modes.v, s->access_modes.n);
    check_capacity(errs, AT(at, "capacity"), &s->capacity);
    if (s->persistent_volume_reclaim_policy.len)
        check_one_of(errs, AT(at, "persistentVolumeReclaimPolicy"),
                     s->persistent_volume_reclaim_policy, policies);
    if (s->node_affinity) {
        if (!s->node_affinity->required)
            err_required(errs, AT(AT(at, "nodeAffinity"), "required"),
                         "must specify required node constraints");
        else
            check_node_selector(errs, AT(AT(at, "nodeAffinity"), "required"),
                                s->node_affinity->required);
    }
    check_one_source(errs, at, s);
    check_if_set(errs, AT(at, "storageClassName"), s->storage_class_name, format_dns_subdomain);
    if (s->volume_mode)
        check_one_of(errs, AT(at, "volumeMode"), *s->volume_mode, volume_modes);
    if (old)
        check_volume_update(errs, s, &((const struct core_persistent_volume *)old)->spec);
}
