/* SPDX-License-Identifier: Apache-2.0 */
/* validate_storage_group.c - how the kinds of the storage group are made, changed and checked.
 * Layer: api. */
#include "api/validate_other.h"
#include "schema/format.h"
#include "schema/typed.h"

enum {
    PARAMETERS_MAX = 512,
    PARAMETERS_BYTES_MAX = 256 * 1024,
    METADATA_BYTES_MAX = 256 * 1024,
    VOLUME_ERROR_MAX = 1024,
    NODE_ID_MAX = 256,
    TOKEN_MIN_SEC = 600,
    UPDATE_PERIOD_MIN_SEC = 10
};
#define TOKEN_MAX_SEC (1LL << 32)

/* ---- StorageClass, VolumeAttributesClass ---- */

static void check_provisioner(struct field_errors *errs, const struct path *p, struct str value)
{
    if (str_empty(value))
        err_required(errs, p, "");
    else
        check_why(errs, p, value, format_qualified_name(lower_text(errs->arena, value)));
}

static void check_parameters(struct field_errors *errs, const struct path *p,
                             const struct string_map *m)
{
    size_t total = 0;

    if (m->n > PARAMETERS_MAX) {
        err_too_long(errs, p, PARAMETERS_MAX);
        return;
    }
    for (size_t i = 0; i < m->n; i++) {
        if (str_empty(m->v[i].key))
            err_invalid(errs, p, doc_string(STR("")), "field can not be empty.");
        total += m->v[i].key.len + m->v[i].value.len;
    }
    if (total > PARAMETERS_BYTES_MAX)
        err_too_long(errs, p, PARAMETERS_BYTES_MAX);
}

/* Entries of maps lie in order. */
static bool same_map(const struct string_map *x, const struct string_map *y)
{
    bool same = x->n == y->n;

    for (size_t i = 0; same && i < x->n; i++) {
        struct str other = string_map_get(y, x->v[i].key);

        same = other.p && str_eq(other, x->v[i].value);
    }
    return same;
}

static void check_topology(struct field_errors *errs, const struct path *p,
                           const struct core_topology_selector_term *t)
{
    auto_map keys = {0};

    for (size_t i = 0; i < t->match_label_expressions.n; i++) {
        const struct core_topology_selector_label_requirement *r = &t->match_label_expressions.v[i];
        const struct path *at = AT_INDEX(AT(p, "matchLabelExpressions"), i);
        auto_map seen = {0};

        if (!r->values.n)
            err_required(errs, AT(at, "values"), "");
        for (size_t k = 0; k < r->values.n; k++)
            check_unique(errs, &seen, AT_INDEX(AT(at, "values"), k), r->values.v[k]);
        check_why(errs, AT(at, "key"), r->key, format_qualified_name(r->key));
        check_unique(errs, &keys, AT(at, "key"), r->key);
    }
}

static void check_topologies(struct field_errors *errs, const struct path *p,
                             const struct core_topology_selector_term *v, size_t n)
{
    auto_map seen = {0};

    for (size_t i = 0; i < n; i++) {
        auto_buf text = {0};

        check_topology(errs, AT_INDEX(p, i), &v[i]);
        typed_write_json(&type_core_topology_selector_term, &v[i], &text);
        if (map_set(&seen, buf_view(&text), &seen))
            err_duplicate(errs, AT(AT_INDEX(p, i), "matchLabelExpressions"), doc_string(STR("")));
    }
}

static struct doc text_doc(const struct str *s)
{
    return s ? doc_string(*s) : doc_null();
}

static void check_class_update(struct field_errors *errs, const struct storage_storage_class *c,
                               const struct storage_storage_class *old)
{
    if (!same_map(&c->parameters, &old->parameters))
        err_forbidden(errs, AT(NULL, "parameters"), "updates to parameters are forbidden.");
    check_same(errs, AT(NULL, "provisioner"), str_eq(c->provisioner, old->provisioner),
               doc_string(c->provisioner));
    check_same(errs, AT(NULL, "reclaimPolicy"), same_text(c->reclaim_policy, old->reclaim_policy),
               text_doc(c->reclaim_policy));
    check_same(errs, AT(NULL, "volumeBindingMode"),
               same_text(c->volume_binding_mode, old->volume_binding_mode),
               text_doc(c->volume_binding_mode));
}

static void validate_class(const void *obj, const void *old, struct field_errors *errs)
{
    static const char *const policies[] = {"Delete", "Retain", NULL};
    static const char *const modes[] = {"Immediate", "WaitForFirstConsumer", NULL};
    const struct storage_storage_class *c = obj;

    if (old) {
        check_class_update(errs, c, old);
        return;
    }
    check_provisioner(errs, AT(NULL, "provisioner"), c->provisioner);
    check_parameters(errs, AT(NULL, "parameters"), &c->parameters);
    if (c->reclaim_policy && c->reclaim_policy->len)
        check_one_of(errs, AT(NULL, "reclaimPolicy"), *c->reclaim_policy, policies);
    if (c->volume_binding_mode)
        check_one_of(errs, AT(NULL, "volumeBindingMode"), *c->volume_binding_mode, modes);
    else
        err_required(errs, AT(NULL, "volumeBindingMode"), "");
    check_topologies(errs, AT(NULL, "allowedTopologies"), c->allowed_topologies.v,
                     c->allowed_topologies.n);
}

const struct strategy strategy_storageclasses = {.validate = validate_class};

static void validate_attributes(const void *obj, const void *old_obj, struct field_errors *errs)
{
    const struct storage_volume_attributes_class *c = obj, *old = old_obj;

    if (old && !str_eq(c->driver_name, old->driver_name))
        err_forbidden(errs, AT(NULL, "driverName"), "updates to driverName are forbidden.");
    if (old && !same_map(&c->parameters, &old->parameters))
        err_forbidden(errs, AT(NULL, "parameters"), "updates to parameters are forbidden.");
    check_provisioner(errs, AT(NULL, "driverName"), c->driver_name);
    check_parameters(errs, AT(NULL, "parameters"), &c->parameters);
    if (!c->parameters.n)
        err_required(errs, AT(NULL, "parameters"), "must contain at least one key/value pair");
}

const struct strategy strategy_volumeattributesclasses = {.validate = validate_attributes};

/* ---- VolumeAttachment ---- */

static void check_volume_error(struct field_errors *errs, const struct path *p,
                               const struct storage_volume_error *e)
{
    if (e && e->message.len > VOLUME_ERROR_MAX)
        err_too_long(errs, AT(p, "message"), VOLUME_ERROR_MAX);
    if (e && e->error_code && *e->error_code < 0)
        check_range_of(errs, AT(p, "errorCode"), *e->error_code, 0, INT32_MAX);
}

static void validate_attachment_status(const void *obj, const void *old, struct field_errors *errs)
{
    const struct storage_volume_attachment_status *s =
        &((const struct storage_volume_attachment *)obj)->status;
    const struct path *p = AT(NULL, "status");
    size_t total = 0;

    (void)old;
    for (size_t i = 0; i < s->attachment_metadata.n; i++)
        total += s->attachment_metadata.v[i].key.len + s->attachment_metadata.v[i].value.len;
    if (total > METADATA_BYTES_MAX)
        err_too_long(errs, AT(p, "attachmentMetadata"), METADATA_BYTES_MAX);
    check_volume_error(errs, AT(p, "attachError"), s->attach_error);
    check_volume_error(errs, AT(p, "detachError"), s->detach_error);
}

static void check_source(struct field_errors *errs, const struct path *p,
                         const struct storage_volume_attachment_source *s)
{
    if (!s->inline_volume_spec && !s->persistent_volume_name)
        err_required(errs, p,
                     "must specify exactly one of inlineVolumeSpec and persistentVolumeName");
    else if (s->inline_volume_spec && s->persistent_volume_name)
        err_forbidden(errs, p,
                      "must specify exactly one of inlineVolumeSpec and persistentVolumeName");
    else if (s->persistent_volume_name && !s->persistent_volume_name->len)
        err_required(errs, AT(p, "persistentVolumeName"),
                     "must specify non empty persistentVolumeName");
}

/* The spec in the form in which errors show it. */
static struct doc attachment_doc(const struct storage_volume_attachment_spec *s, struct arena *a)
{
    struct doc d = doc_object(), source = doc_object();

    doc_add(a, &source, STR("PersistentVolumeName"), text_doc(s->source.persistent_volume_name));
    doc_add(a, &source, STR("InlineVolumeSpec"),
            s->source.inline_volume_spec
                ? typed_to_doc(&type_core_persistent_volume_spec, s->source.inline_volume_spec, a)
                : doc_null());
    doc_add(a, &d, STR("Attacher"), doc_string(s->attacher));
    doc_add(a, &d, STR("Source"), source);
    doc_add(a, &d, STR("NodeName"), doc_string(s->node_name));
    return d;
}

static void validate_attachment(const void *obj, const void *old_obj, struct field_errors *errs)
{
    const struct storage_volume_attachment *o = obj, *old = old_obj;
    const struct storage_volume_attachment_spec *s = &o->spec;
    const struct path *p = AT(NULL, "spec");

    check_given(errs, AT(p, "attacher"), s->attacher);
    check_source(errs, AT(p, "source"), &s->source);
    check_named(errs, AT(p, "nodeName"), s->node_name, format_dns_subdomain);
    if (old) {
        check_same(errs, p, typed_equal(&type_storage_volume_attachment_spec, s, &old->spec),
                   attachment_doc(s, errs->arena));
        return;
    }
    if (s->attacher.len)
        check_csi_driver_name(errs, AT(p, "attacher"), s->attacher);
    if (s->source.persistent_volume_name)
        check_if_set(errs, AT(AT(p, "source"), "persistentVolumeName"),
                     *s->source.persistent_volume_name, format_dns_subdomain);
}

const struct strategy strategy_volumeattachments = {
    .validate = validate_attachment,
    .validate_status = validate_attachment_status,
};

/* ---- CSIDriver ---- */

static void check_token_requests(struct field_errors *errs, const struct path *p,
                                 const struct storage_token_request *v, size_t n)
{
    auto_map audiences = {0};

    for (size_t i = 0; i < n; i++) {
        const struct path *at = AT_INDEX(p, i), *seconds = AT(at, "expirationSeconds");
        const int64_t *sec = v[i].expiration_seconds;

        if (map_set(&audiences, v[i].audience, &audiences)) {
            err_duplicate(errs, AT(at, "audience"), doc_string(v[i].audience));
            continue;
        }
        if (sec && *sec < TOKEN_MIN_SEC)
            err_invalid(errs, seconds, doc_int(*sec),
                        "may not specify a duration less than 10 minutes");
        if (sec && *sec > TOKEN_MAX_SEC)
            err_invalid(errs, seconds, doc_int(*sec),
                        "may not specify a duration larger than 2^32 seconds");
    }
}

static bool same_flag(const bool *x, const bool *y)
{
    return !x == !y && (!x || *x == *y);
}

static bool same_list(const struct string_list *x, const struct string_list *y)
{
    bool same = x->n == y->n;

    for (size_t i = 0; same && i < x->n; i++)
        same = str_eq(x->v[i], y->v[i]);
    return same;
}

static void validate_driver(const void *obj, const void *old_obj, struct field_errors *errs)
{
    static const char *const policies[] = {"File", "None", "ReadWriteOnceWithFSType", NULL};
    static const char *const modes[] = {"Ephemeral", "Persistent", NULL};
    const struct storage_csi_driver *o = obj, *old = old_obj;
    const struct storage_csi_driver_spec *s = &o->spec;
    const struct path *p = AT(NULL, "spec"), *seconds = AT(p, "nodeAllocatableUpdatePeriodSeconds");

    if (!old)
        check_csi_driver_name(errs, AT(AT(NULL, "metadata"), "name"), o->metadata.name);
    if (!s->attach_required)
        err_required(errs, AT(p, "attachedRequired"), ""); /* sic */
    if (!s->pod_info_on_mount)
        err_required(errs, AT(p, "podInfoOnMount"), "");
    if (!s->storage_capacity)
        err_required(errs, AT(p, "storageCapacity"), "");
    if (s->fs_group_policy)
        check_one_of(errs, AT(p, "fsGroupPolicy"), *s->fs_group_policy, policies);
    check_token_requests(errs, AT(p, "tokenRequests"), s->token_requests.v, s->token_requests.n);
    for (size_t i = 0; i < s->volume_lifecycle_modes.n; i++)
        check_one_of(errs, AT(p, "volumeLifecycleModes"), s->volume_lifecycle_modes.v[i], modes);
    if (s->node_allocatable_update_period_seconds &&
        *s->node_allocatable_update_period_seconds < UPDATE_PERIOD_MIN_SEC)
        err_invalid(errs, seconds, doc_int(*s->node_allocatable_update_period_seconds),
                    "must be greater than or equal to 10 seconds");
    if (!old)
        return;
    check_same(errs, AT(p, "attachedRequired"),
               same_flag(s->attach_required, old->spec.attach_required),
               s->attach_required ? doc_bool(*s->attach_required) : doc_null());
    check_same(errs, AT(p, "volumeLifecycleModes"),
               same_list(&s->volume_lifecycle_modes, &old->spec.volume_lifecycle_modes),
               strings_doc(&s->volume_lifecycle_modes, errs->arena));
}

/* Counts changes, from 0. */
static void driver_prepare_update(void *obj, const void *old_obj, struct arena *a)
{
    struct storage_csi_driver *o = obj;
    const struct storage_csi_driver *old = old_obj;

    (void)a;
    if (!typed_equal(&type_storage_csi_driver_spec, &o->spec, &old->spec))
        o->metadata.generation = old->metadata.generation + 1;
}

/* As a subdomain, but capitals are allowed: the name is the driver's own. */
const struct strategy strategy_csidrivers = {
    .prepare_update = driver_prepare_update,
    .validate = validate_driver,
    .name_format = "path-segment",
};

/* ---- CSINode ---- */

static void check_node_driver(struct field_errors *errs, const struct path *p,
                              const struct storage_csi_node_driver *d)
{
    auto_map keys = {0};

    check_csi_driver_name(errs, AT(p, "name"), d->name);
    check_given(errs, AT(p, "nodeID"), d->node_id);
    if (d->node_id.len > NODE_ID_MAX)
        err_invalid(errs, AT(p, "nodeID"), doc_string(d->node_id), "must be %d characters or less",
                    NODE_ID_MAX);
    if (d->allocatable)
        check_nonneg_ptr(errs, AT(AT(p, "allocatable"), "count"), d->allocatable->count);
    for (size_t i = 0; i < d->topology_keys.n; i++) {
        check_given(errs, p, d->topology_keys.v[i]);
        check_unique(errs, &keys, p, d->topology_keys.v[i]);
        check_why(errs, p, d->topology_keys.v[i], format_qualified_name(d->topology_keys.v[i]));
    }
}

/* The driver in the form in which errors show it; what may change is left out. */
static struct doc node_driver_doc(const struct storage_csi_node_driver *d, struct arena *a)
{
    struct doc out = doc_object();

    doc_add(a, &out, STR("Name"), doc_string(d->name));
    doc_add(a, &out, STR("NodeID"), doc_string(d->node_id));
    doc_add(a, &out, STR("TopologyKeys"),
            d->topology_keys.v ? strings_doc(&d->topology_keys, a) : doc_null());
    doc_add(a, &out, STR("Allocatable"), doc_null());
    return out;
}

static void check_driver_change(struct field_errors *errs, const struct path *p,
                                const struct storage_csi_node_driver *d,
                                const struct storage_csi_node_driver *old)
{
    check_same(errs, p,
               str_eq(d->node_id, old->node_id) &&
                   same_list(&d->topology_keys, &old->topology_keys),
               node_driver_doc(d, errs->arena));
}

static void validate_node(const void *obj, const void *old_obj, struct field_errors *errs)
{
    const struct storage_csi_node *o = obj, *old = old_obj;
    const struct path *p = AT(AT(NULL, "spec"), "drivers");
    auto_map names = {0};

    for (size_t i = 0; i < o->spec.drivers.n; i++) {
        const struct path *at = AT_INDEX(p, i);

        check_node_driver(errs, at, &o->spec.drivers.v[i]);
        if (map_set(&names, o->spec.drivers.v[i].name, &o->spec.drivers.v[i]))
            err_duplicate(errs, AT(at, "name"), doc_string(o->spec.drivers.v[i].name));
    }
    for (size_t i = 0; old && i < old->spec.drivers.n; i++) {
        const struct storage_csi_node_driver *d = map_find(&names, old->spec.drivers.v[i].name);

        if (d)
            check_driver_change(errs, p, d, &old->spec.drivers.v[i]);
    }
}

const struct strategy strategy_csinodes = {.validate = validate_node};

/* ---- CSIStorageCapacity ---- */

static bool same_selector(const struct meta_label_selector *x, const struct meta_label_selector *y)
{
    if (!x || !y)
        return !x && !y;
    return typed_equal(&type_meta_label_selector, x, y);
}

static void validate_capacity(const void *obj, const void *old_obj, struct field_errors *errs)
{
    const struct storage_csi_storage_capacity *c = obj, *old = old_obj;

    check_selector(errs, AT(NULL, "nodeTopology"), c->node_topology);
    check_named(errs, AT(NULL, "storageClassName"), c->storage_class_name, format_dns_subdomain);
    if (c->capacity.set && quantity_sign(c->capacity) < 0)
        err_invalid(errs, AT(NULL, "capacity"), quantity_doc(c->capacity, errs->arena),
                    MUST_BE_NONNEG);
    if (!old)
        return;
    check_same(errs, AT(NULL, "nodeTopology"), same_selector(c->node_topology, old->node_topology),
               c->node_topology
                   ? typed_to_doc(&type_meta_label_selector, c->node_topology, errs->arena)
                   : doc_null());
    check_same(errs, AT(NULL, "storageClassName"),
               str_eq(c->storage_class_name, old->storage_class_name),
               doc_string(c->storage_class_name));
}

const struct strategy strategy_csistoragecapacities = {.validate = validate_capacity};
