/* SPDX-License-Identifier: Apache-2.0 */
/* validate_core.c - ConfigMap, Secret, Namespace, Node, Event. Layer: api. */
#include "api/validate_core.h"
#include "codec/json.h"
#include "schema/format.h"
#include "schema/typed.h"

enum { DATA_MAX = 1024 * 1024, EVENT_TEXT_MAX = 128, EVENT_MESSAGE_MAX = 1024 };

/* ---- ConfigMap, Secret ---- */

/* Fields of an object that was declared immutable; @data names them, NULL-terminated. */
static void check_frozen(struct field_errors *errs, const struct type *type, const void *obj,
                         const void *old, const bool *now, const bool *was, const char *const *data)
{
    static const char why[] = "field is immutable when `immutable` is set";

    if (!was || !*was)
        return;
    if (!now || !*now)
        err_forbidden(errs, AT(NULL, "immutable"), why);
    for (; *data; data++) {
        const struct field *f = type_field(type, str_from(*data));
        const struct type one = {.name = "", .fields = f, .n_fields = 1, .metadata_offset = -1};

        if (f && !typed_equal(&one, obj, old))
            err_forbidden(errs, AT(NULL, *data), why);
    }
}

void validate_configmap(const void *obj, const void *old, struct field_errors *errs)
{
    static const char *const data[] = {"data", "binaryData", NULL};
    const struct core_config_map *c = obj, *was = old;
    auto_map binary = {0};
    size_t total = 0;

    for (size_t i = 0; i < c->binary_data.n; i++)
        (void)map_set(&binary, c->binary_data.v[i].key, &binary);
    for (size_t i = 0; i < c->data.n; i++) {
        const struct path *p = AT_KEY(AT(NULL, "data"), c->data.v[i].key);

        check_why(errs, p, c->data.v[i].key, format_config_key(c->data.v[i].key));
        if (map_find(&binary, c->data.v[i].key))
            check_why(errs, p, c->data.v[i].key, "duplicate of key present in binaryData");
        total += c->data.v[i].value.len;
    }
    for (size_t i = 0; i < c->binary_data.n; i++) {
        check_why(errs, AT_KEY(AT(NULL, "binaryData"), c->binary_data.v[i].key),
                  c->binary_data.v[i].key, format_config_key(c->binary_data.v[i].key));
        total += c->binary_data.v[i].value.len;
    }
    if (total > DATA_MAX)
        err_too_long(errs, AT(NULL, ""), DATA_MAX);
    if (was)
        check_frozen(errs, &type_core_config_map, obj, old, c->immutable, was->immutable, data);
}

static const struct str *secret_value(const struct core_secret *s, const char *key)
{
    for (size_t i = 0; i < s->data.n; i++) {
        if (str_eqz(s->data.v[i].key, key))
            return &s->data.v[i].value;
    }
    return NULL;
}

static const struct path *data_key(struct path *room, const struct path *data, const char *key)
{
    *room = (struct path){data, str_from(key), -1, true};
    return room;
}

static void check_secret_key(struct field_errors *errs, const struct core_secret *s,
                             const char *key, bool json, bool filled)
{
    const struct path *data = AT(NULL, "data");
    const struct str *v = secret_value(s, key);
    auto_arena a = {0};
    struct path room;
    struct doc d;

    if (!v || (filled && !v->len))
        err_required(errs, data_key(&room, data, key), "");
    else if (json && json_parse(*v, &a, &d, NULL, NULL) < 0)
        check_why(errs, data_key(&room, data, key), STR("<secret contents redacted>"),
                  "invalid character or structure in JSON");
}

static void check_secret_type(struct field_errors *errs, const struct core_secret *s)
{
    const struct path *annotations = AT(AT(NULL, "metadata"), "annotations");

    if (str_eqz(s->type, "kubernetes.io/service-account-token")) {
        struct str key = STR("kubernetes.io/service-account.name");

        if (!string_map_get(&s->metadata.annotations, key).len)
            err_required(errs, AT_KEY(annotations, key), "");
    } else if (str_eqz(s->type, "kubernetes.io/dockercfg")) {
        check_secret_key(errs, s, ".dockercfg", true, false);
    } else if (str_eqz(s->type, "kubernetes.io/dockerconfigjson")) {
        check_secret_key(errs, s, ".dockerconfigjson", true, false);
    } else if (str_eqz(s->type, "kubernetes.io/basic-auth")) {
        if (!secret_value(s, "username") && !secret_value(s, "password")) {
            check_secret_key(errs, s, "username", false, false);
            check_secret_key(errs, s, "password", false, false);
        }
    } else if (str_eqz(s->type, "kubernetes.io/ssh-auth")) {
        check_secret_key(errs, s, "ssh-privatekey", false, true);
    } else if (str_eqz(s->type, "kubernetes.io/tls")) {
        check_secret_key(errs, s, "tls.crt", false, false);
        check_secret_key(errs, s, "tls.key", false, false);
    }
}

void validate_secret(const void *obj, const void *old, struct field_errors *errs)
{
    static const char *const data[] = {"data", NULL};
    const struct core_secret *s = obj, *was = old;
    size_t total = 0;

    for (size_t i = 0; i < s->data.n; i++) {
        check_why(errs, AT_KEY(AT(NULL, "data"), s->data.v[i].key), s->data.v[i].key,
                  format_config_key(s->data.v[i].key));
        total += s->data.v[i].value.len;
    }
    if (total > DATA_MAX)
        err_too_long(errs, AT(NULL, "data"), DATA_MAX);
    check_secret_type(errs, s);
    if (!was)
        return;
    check_same(errs, AT(NULL, "type"), str_eq(s->type, was->type), doc_string(s->type));
    check_frozen(errs, &type_core_secret, obj, old, s->immutable, was->immutable, data);
}

/* ---- Namespace ---- */

static void check_finalizers(struct field_errors *errs, const struct core_namespace *ns)
{
    const struct path *at = AT(AT(NULL, "spec"), "finalizers");

    for (size_t i = 0; i < ns->spec.finalizers.n; i++) {
        struct str f = ns->spec.finalizers.v[i];
        const char *why = format_qualified_name(f);

        if (!why && str_find_char(f, '/') < 0 && !str_eqz(f, "kubernetes"))
            why = "name is neither a standard finalizer name nor is it fully qualified";
        check_why(errs, AT_INDEX(at, i), f, why);
    }
}

void validate_namespace(const void *obj, const void *old, struct field_errors *errs)
{
    (void)old;
    check_finalizers(errs, obj);
}

void validate_namespace_status(const void *obj, const void *old, struct field_errors *errs)
{
    const struct core_namespace *ns = obj;
    const struct path *p = AT(AT(NULL, "status"), "Phase");
    bool deleting = ns->metadata.deletion_timestamp.set;

    (void)old;
    if (!deleting && !str_eqz(ns->status.phase, "Active"))
        check_why(errs, p, ns->status.phase,
                  "may only be 'Active' if `deletionTimestamp` is empty");
    if (deleting && !str_eqz(ns->status.phase, "Terminating"))
        check_why(errs, p, ns->status.phase,
                  "may only be 'Terminating' if `deletionTimestamp` is not empty");
}

/* ---- Node ---- */

static void check_taints(struct field_errors *errs, const struct path *at,
                         const struct core_node *n)
{
    static const char *const effects[] = {"NoSchedule", "PreferNoSchedule", "NoExecute", NULL};
    auto_map seen = {0};

    for (size_t i = 0; i < n->spec.taints.n; i++) {
        const struct core_taint *t = &n->spec.taints.v[i];
        const struct path *p = AT_INDEX(at, i);
        struct str key = str_printf(errs->arena, "%.*s\n%.*s", STR_ARG(t->key), STR_ARG(t->effect));
        struct doc d = typed_to_doc(&type_core_taint, t, errs->arena);
        struct str text = json_to_str(errs->arena, &d);

        check_why(errs, AT(p, "key"), t->key, format_qualified_name(t->key));
        check_why(errs, AT(p, "value"), t->value, format_label_value(t->value));
        check_one_of_given(errs, AT(p, "effect"), t->effect, effects);
        if (map_set(&seen, key, &seen))
            err_add(errs, FIELD_ERROR_DUPLICATE, p,
                    "Duplicate value: %.*s: taints must be unique by key and effect pair",
                    STR_ARG(text));
    }
}

static void check_pod_cidrs(struct field_errors *errs, const struct path *at,
                            const struct core_node_spec *s)
{
    const struct path *p = AT(at, "podCIDRs");
    unsigned n_v6 = 0;

    for (size_t i = 0; i < s->pod_cidrs.n; i++) {
        check_why(errs, AT_INDEX(p, i), s->pod_cidrs.v[i], format_cidr(s->pod_cidrs.v[i]));
        n_v6 += str_find_char(s->pod_cidrs.v[i], ':') >= 0;
    }
    if (s->pod_cidrs.n > 2 || (s->pod_cidrs.n == 2 && n_v6 != 1))
        err_add(errs, FIELD_ERROR_INVALID, p,
                "Invalid value: []: may specify no more than one CIDR for each IP family");
}

static void check_node_update(struct field_errors *errs, const struct path *at,
                              const struct core_node_spec *s, const struct core_node_spec *was)
{
    bool same = s->pod_cidrs.n == was->pod_cidrs.n;

    for (size_t i = 0; same && i < s->pod_cidrs.n; i++)
        same = str_eq(s->pod_cidrs.v[i], was->pod_cidrs.v[i]);
    if (was->pod_cidrs.n && !same)
        err_forbidden(errs, AT(at, "podCIDRs"),
                      "node updates may not change podCIDR except from \"\" to valid");
    if (was->provider_id.len && !str_eq(s->provider_id, was->provider_id))
        err_forbidden(errs, AT(at, "providerID"),
                      "node updates may not change providerID except from \"\" to valid");
}

static void check_node_amounts(struct field_errors *errs, const struct path *at,
                               const struct quantity_map *m)
{
    for (size_t i = 0; i < m->n; i++)
        check_quantity(errs, AT_KEY(at, m->v[i].key), m->v[i].key, m->v[i].value);
}

void validate_node(const void *obj, const void *old, struct field_errors *errs)
{
    const struct core_node *n = obj;
    const struct path *spec = AT(NULL, "spec"), *status = AT(NULL, "status");
    auto_map seen = {0};

    check_taints(errs, AT(spec, "taints"), n);
    check_node_amounts(errs, AT(status, "capacity"), &n->status.capacity);
    check_node_amounts(errs, AT(status, "allocatable"), &n->status.allocatable);
    check_pod_cidrs(errs, spec, &n->spec);
    for (size_t i = 0; i < n->status.addresses.n; i++) {
        const struct core_node_address *a = &n->status.addresses.v[i];
        struct doc d = typed_to_doc(&type_core_node_address, a, errs->arena);

        if (map_set(&seen,
                    str_printf(errs->arena, "%.*s\n%.*s", STR_ARG(a->type), STR_ARG(a->address)),
                    &seen))
            err_duplicate(errs, AT_INDEX(AT(status, "addresses"), i), d);
    }
    if (old)
        check_node_update(errs, spec, &n->spec, &((const struct core_node *)old)->spec);
}

/* ---- Event ---- */

static void check_event_text(struct field_errors *errs, const struct path *p, struct str s)
{
    if (str_empty(s))
        err_required(errs, p, "");
    if (s.len > EVENT_TEXT_MAX)
        err_invalid(errs, p, doc_string(STR("")), "can have at most %d characters", EVENT_TEXT_MAX);
}

void validate_event(const void *obj, const void *old, struct field_errors *errs)
{
    const struct core_event *e = obj;
    struct str ns = e->metadata.namespace, about = e->involved_object.namespace;

    (void)old;
    if (about.len ? !str_eq(ns, about) : !str_eqz(ns, "default"))
        check_why(errs, AT(AT(NULL, "involvedObject"), "namespace"), about,
                  "does not match event.namespace");
    if (!e->event_time.set)
        return;
    check_named(errs, AT(NULL, "reportingController"), e->reporting_component,
                format_qualified_name);
    check_event_text(errs, AT(NULL, "reportingInstance"), e->reporting_instance);
    check_event_text(errs, AT(NULL, "action"), e->action);
    check_event_text(errs, AT(NULL, "reason"), e->reason);
    if (e->message.len > EVENT_MESSAGE_MAX)
        err_invalid(errs, AT(NULL, "message"), doc_string(STR("")),
                    "can have at most %d characters", EVENT_MESSAGE_MAX);
}
