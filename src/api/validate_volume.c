/* SPDX-License-Identifier: Apache-2.0 */
/* validate_volume.c - volumes of pods. Layer: api. */
#include "api/validate.h"
#include "schema/format.h"
#include "schema/typed.h"

static const char *const file_fields[] = {"metadata.annotations", "metadata.labels",
                                          "metadata.name",        "metadata.namespace",
                                          "metadata.uid",         NULL};

/* A path of a file in a volume: also its first part may not begin with "..". */
static void check_file(struct field_errors *errs, const struct path *p, struct str path)
{
    if (str_empty(path)) {
        err_required(errs, p, "");
        return;
    }
    check_descending(errs, p, path);
    if (str_has_prefix(path, STR("..")) && !str_has_prefix(path, STR("../")) &&
        !str_eqz(path, ".."))
        check_why(errs, p, path, "must not start with '..'");
}

static void check_items(struct field_errors *errs, const struct path *at,
                        const struct core_key_to_path *v, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        const struct path *p = AT_INDEX(AT(at, "items"), i);

        check_given(errs, AT(p, "key"), v[i].key);
        check_file(errs, AT(p, "path"), v[i].path);
        check_mode(errs, AT(p, "mode"), v[i].mode);
    }
}

static void check_downward(struct field_errors *errs, const struct path *at,
                           const struct core_downward_api_volume_file *v, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        const struct path *p = AT(at, "items");

        check_file(errs, AT(p, "path"), v[i].path);
        if (v[i].field_ref) {
            check_field_ref(errs, AT(p, "fieldRef"), v[i].field_ref, file_fields, true);
            if (v[i].resource_field_ref)
                check_why(errs, p, STR("resource"),
                          "fieldRef and resourceFieldRef can not be specified simultaneously");
        } else if (v[i].resource_field_ref) {
            check_resource_ref(errs, AT(p, "resourceFieldRef"), v[i].resource_field_ref, true);
        } else {
            err_required(errs, p, "one of fieldRef and resourceFieldRef is required");
        }
        check_mode(errs, AT(p, "mode"), v[i].mode);
    }
}

static void check_token(struct field_errors *errs, const struct path *at,
                        const struct core_service_account_token_projection *t)
{
    const struct path *p = AT(at, "expirationSeconds");

    if (t->expiration_seconds && *t->expiration_seconds < 600)
        err_invalid(errs, p, doc_int(*t->expiration_seconds),
                    "may not specify a duration less than 10 minutes");
    if (t->expiration_seconds && *t->expiration_seconds > (int64_t)1 << 32)
        err_invalid(errs, p, doc_int(*t->expiration_seconds),
                    "may not specify a duration larger than 2^32 seconds");
    if (str_empty(t->path))
        err_required(errs, AT(at, "path"), "");
    else
        check_file(errs, AT(at, "path"), t->path);
}

static void note_path(struct field_errors *errs, struct map *seen, const struct path *p,
                      struct str path)
{
    if (path.len && map_set(seen, path, seen))
        err_invalid(errs, p, doc_string(path), "conflicting duplicate paths");
}

static void check_projection(struct field_errors *errs, const struct path *at, struct map *seen,
                             const struct core_volume_projection *v)
{
    static const char more[] = "may not specify more than 1 volume type";
    unsigned n = 0;

    if (v->secret && n++ == 0) {
        const struct path *p = AT(at, "secret");

        check_given(errs, AT(p, "name"), v->secret->name);
        check_items(errs, p, v->secret->items.v, v->secret->items.n);
        for (size_t i = 0; i < v->secret->items.n; i++)
            note_path(errs, seen, at, v->secret->items.v[i].path);
    }
    if (v->config_map && n++) {
        err_forbidden(errs, AT(at, "configMap"), more);
    } else if (v->config_map) {
        const struct path *p = AT(at, "configMap");

        check_given(errs, AT(p, "name"), v->config_map->name);
        check_items(errs, p, v->config_map->items.v, v->config_map->items.n);
        for (size_t i = 0; i < v->config_map->items.n; i++)
            note_path(errs, seen, at, v->config_map->items.v[i].path);
    }
    if (v->downward_api && n++) {
        err_forbidden(errs, AT(at, "downwardAPI"), more);
    } else if (v->downward_api) {
        check_downward(errs, AT(at, "downwardAPI"), v->downward_api->items.v,
                       v->downward_api->items.n);
        for (size_t i = 0; i < v->downward_api->items.n; i++)
            note_path(errs, seen, at, v->downward_api->items.v[i].path);
    }
    if (v->service_account_token && n++) {
        err_forbidden(errs, AT(at, "serviceAccountToken"), more);
    } else if (v->service_account_token) {
        check_token(errs, AT(at, "serviceAccountToken"), v->service_account_token);
        note_path(errs, seen, at, v->service_account_token->path);
    }
}

static void check_host_path(struct field_errors *errs, const struct path *at,
                            const struct core_host_path_volume_source *h)
{
    static const char *const types[] = {
        "",     "BlockDevice",  "CharDevice", "Directory", "DirectoryOrCreate",
        "File", "FileOrCreate", "Socket",     NULL};

    if (str_empty(h->path))
        err_required(errs, AT(at, "path"), "");
    else
        check_no_backsteps(errs, AT(at, "path"), h->path);
    if (h->type)
        check_one_of(errs, AT(at, "type"), *h->type, types);
}

static const char *driver_name(struct str s)
{
    auto_arena a = {0};
    char *z = str_dupz(&a, s);

    if (s.len > 63)
        return "must be no more than 63 characters";
    for (size_t i = 0; i < s.len; i++) {
        if (z[i] >= 'A' && z[i] <= 'Z')
            z[i] = (char)(z[i] - 'A' + 'a');
    }
    return format_dns_subdomain((struct str){z, s.len});
}

static void check_claim_template(struct field_errors *errs, const struct path *at,
                                 const struct core_volume *v, struct str pod_name)
{
    const struct core_persistent_volume_claim_template *t = v->ephemeral->volume_claim_template;
    const struct path *p = AT(at, "volumeClaimTemplate");
    struct str name;
    const char *why;

    if (!t) {
        err_required(errs, p, "");
        return;
    }
    check_claim_spec(errs, AT(p, "spec"), &t->spec);
    if (str_empty(pod_name) || str_empty(v->name))
        return;
    name = str_printf(errs->arena, "%.*s-%.*s", STR_ARG(pod_name), STR_ARG(v->name));
    why = format_dns_subdomain(name);
    if (why)
        err_invalid(errs, AT(at->parent, "name"), doc_string(v->name), "PVC name \"%.*s\": %s",
                    STR_ARG(name), why);
}

/* A source whose first fields, all strings, must be given. */
static void check_required(struct field_errors *errs, const struct path *at,
                           const struct type *type, const void *obj, const char *const *names)
{
    for (; *names; names++) {
        const struct field *f = type_field(type, str_from(*names));

        if (f && typed_field_empty(f, obj))
            err_required(errs, AT(at, *names), "");
    }
}

static const struct {
    const char *field;
    const struct type *type;
    const char *required[3];
} plain_sources[] = {
    {"gitRepo", &type_core_git_repo_volume_source, {"repository"}},
    {"gcePersistentDisk", &type_core_gce_persistent_disk_volume_source, {"pdName"}},
    {"awsElasticBlockStore", &type_core_aws_elastic_block_store_volume_source, {"volumeID"}},
    {"nfs", &type_core_nfs_volume_source, {"server", "path"}},
    {"glusterfs", &type_core_glusterfs_volume_source, {"endpoints", "path"}},
    {"persistentVolumeClaim", &type_core_persistent_volume_claim_volume_source, {"claimName"}},
    {"rbd", &type_core_rbd_volume_source, {"monitors", "image"}},
    {"flexVolume", &type_core_flex_volume_source, {"driver"}},
    {"cinder", &type_core_cinder_volume_source, {"volumeID"}},
    {"cephfs", &type_core_ceph_fs_volume_source, {"monitors"}},
    {"azureFile", &type_core_azure_file_volume_source, {"secretName", "shareName"}},
    {"vsphereVolume", &type_core_vsphere_virtual_disk_volume_source, {"volumePath"}},
    {"quobyte", &type_core_quobyte_volume_source, {"registry", "volume"}},
    {"azureDisk", &type_core_azure_disk_volume_source, {"diskName", "diskURI"}},
    {"photonPersistentDisk", &type_core_photon_persistent_disk_volume_source, {"pdID"}},
    {"portworxVolume", &type_core_portworx_volume_source, {"volumeID"}},
    {"scaleIO", &type_core_scale_io_volume_source, {"gateway", "system"}},
    {"iscsi", &type_core_iscsi_volume_source, {"targetPortal", "iqn"}},
};

static void check_plain(struct field_errors *errs, const struct path *at,
                        const struct core_volume *v)
{
    for (size_t i = 0; i < ARRAY_LEN(plain_sources); i++) {
        const struct field *f = type_field(&type_core_volume, str_from(plain_sources[i].field));
        const char *names[4] = {plain_sources[i].required[0], plain_sources[i].required[1]};
        const void *source = f ? *(void *const *)field_ptr(f, v) : NULL;

        if (source)
            check_required(errs, AT(at, plain_sources[i].field), plain_sources[i].type, source,
                           names);
    }
    if (v->nfs && v->nfs->path.len && v->nfs->path.p[0] != '/')
        check_why(errs, AT(AT(at, "nfs"), "path"), v->nfs->path, "must be an absolute path");
    if (v->iscsi)
        check_range_of(errs, AT(AT(at, "iscsi"), "lun"), v->iscsi->lun, 0, 255);
    if (v->fc && !v->fc->target_wwns.n && !v->fc->wwids.n)
        err_required(errs, AT(AT(at, "fc"), "targetWWNs"),
                     "must specify either targetWWNs or wwids, but not both");
    if (v->fc && v->fc->target_wwns.n && v->fc->wwids.n)
        err_invalid(errs, AT(AT(at, "fc"), "targetWWNs"), doc_array(),
                    "targetWWNs and wwids can not be specified simultaneously");
}

static void check_files(struct field_errors *errs, const struct path *at,
                        const struct core_volume *v)
{
    if (v->secret) {
        const struct path *p = AT(at, "secret");

        check_given(errs, AT(p, "secretName"), v->secret->secret_name);
        check_mode(errs, AT(p, "defaultMode"), v->secret->default_mode);
        check_items(errs, p, v->secret->items.v, v->secret->items.n);
    }
    if (v->config_map) {
        const struct path *p = AT(at, "configMap");

        check_given(errs, AT(p, "name"), v->config_map->name);
        check_mode(errs, AT(p, "defaultMode"), v->config_map->default_mode);
        check_items(errs, p, v->config_map->items.v, v->config_map->items.n);
    }
    if (v->downward_api) {
        const struct path *p = AT(at, "downwardAPI");

        check_mode(errs, AT(p, "defaultMode"), v->downward_api->default_mode);
        check_downward(errs, p, v->downward_api->items.v, v->downward_api->items.n);
    }
    if (v->projected) {
        const struct path *p = AT(at, "projected");
        auto_map seen = {0};

        check_mode(errs, AT(p, "defaultMode"), v->projected->default_mode);
        for (size_t i = 0; i < v->projected->sources.n; i++)
            check_projection(errs, AT_INDEX(AT(p, "sources"), i), &seen,
                             &v->projected->sources.v[i]);
    }
}

static void check_source(struct field_errors *errs, const struct path *at,
                         const struct core_volume *v, struct str pod_name)
{
    static const char *const pull_policies[] = {"Always", "IfNotPresent", "Never", NULL};
    unsigned n = 0;

    for (size_t i = 0; i < type_core_volume.n_fields; i++) {
        const struct field *f = &type_core_volume.fields[i];

        /* Every member but the name is a pointer to one kind of source. */
        if (f->card != CARD_PTR || !*(void **)field_ptr(f, v))
            continue;
        if (n++)
            err_forbidden(errs, AT(at, f->name.p), "may not specify more than 1 volume type");
    }
    if (!n)
        err_required(errs, at, "must specify a volume type");
    if (n != 1)
        return;
    if (v->empty_dir && v->empty_dir->size_limit.set && quantity_sign(v->empty_dir->size_limit) < 0)
        err_forbidden(errs, AT(AT(at, "emptyDir"), "sizeLimit"),
                      "SizeLimit field must be a valid resource quantity");
    if (v->host_path)
        check_host_path(errs, AT(at, "hostPath"), v->host_path);
    check_files(errs, at, v);
    check_plain(errs, at, v);
    if (v->csi)
        check_named(errs, AT(AT(at, "csi"), "driver"), v->csi->driver, driver_name);
    if (v->ephemeral)
        check_claim_template(errs, AT(at, "ephemeral"), v, pod_name);
    if (v->image) {
        if (pod_name.len)
            check_given(errs, AT(AT(at, "image"), "reference"), v->image->reference);
        if (v->image->pull_policy.len)
            check_one_of(errs, AT(AT(at, "image"), "pullPolicy"), v->image->pull_policy,
                         pull_policies);
    }
}

void check_volumes(struct field_errors *errs, const struct path *at,
                   const struct core_pod_spec *spec, struct str pod_name)
{
    auto_map seen = {0};

    for (size_t i = 0; i < spec->volumes.n; i++) {
        const struct core_volume *v = &spec->volumes.v[i];
        const struct path *p = AT_INDEX(at, i);
        const char *why = v->name.len ? format_dns_label(v->name) : NULL;

        check_source(errs, p, v, pod_name);
        if (str_empty(v->name))
            err_required(errs, AT(p, "name"), "");
        else if (why)
            check_why(errs, AT(p, "name"), v->name, why);
        else
            check_unique(errs, &seen, AT(p, "name"), v->name);
    }
}
