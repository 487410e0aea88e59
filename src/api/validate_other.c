/* SPDX-License-Identifier: Apache-2.0 */
/* validate_other.c - checks shared by the smaller groups, and the kinds of those that have but one:
 * PriorityClass, Lease, RuntimeClass, APIService, Event of events.k8s.io. Layer: api. */
#include "api/validate_other.h"
#include "schema/format.h"

enum {
    REASON_MAX = 1024,
    MESSAGE_MAX = 32 * 1024,
    EVENT_TEXT_MAX = 128,
    EVENT_NOTE_MAX = 1024,
    CSI_NAME_MAX = 63,
    USER_PRIORITY_MAX = 1000000000,
    GROUP_PRIORITY_MAX = 20000,
    VERSION_PRIORITY_MAX = 1000
};

/* ---- what several share ---- */

struct doc strings_doc(const struct string_list *list, struct arena *a)
{
    struct doc d = doc_array();

    for (size_t i = 0; i < list->n; i++)
        doc_append(a, &d, doc_string(list->v[i]));
    return d;
}

struct doc quantity_doc(struct quantity q, struct arena *a)
{
    return doc_string(quantity_str(a, q));
}

bool has_string(const struct string_list *list, const char *z)
{
    for (size_t i = 0; i < list->n; i++) {
        if (str_eqz(list->v[i], z))
            return true;
    }
    return false;
}

struct str lower_text(struct arena *a, struct str s)
{
    char *z = str_dupz(a, s);

    for (size_t i = 0; i < s.len; i++) {
        if (z[i] >= 'A' && z[i] <= 'Z')
            z[i] = (char)(z[i] - 'A' + 'a');
    }
    return (struct str){z, s.len};
}

bool same_text(const struct str *x, const struct str *y)
{
    return !x == !y && (!x || str_eq(*x, *y));
}

static bool is_letter(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

/* A word in the form of Go's identifiers, with "," and ":" inside. */
static const char *reason_error(struct str s)
{
    bool good = s.len && is_letter(s.p[0]);

    for (size_t i = 0; good && i < s.len; i++) {
        char c = s.p[i];

        good = is_letter(c) || is_digit(c) || c == '_' || ((c == ',' || c == ':') && i + 1 < s.len);
    }
    if (good)
        return NULL;
    return "a condition reason must start with alphabetic character, optionally followed by a "
           "string of alphanumeric characters or '_,:', and must end with an alphanumeric "
           "character or '_' (e.g. 'my_name',  or 'MY_NAME',  or 'MyName',  or 'ReasonA,ReasonB',  "
           "or 'ReasonA:ReasonB', regex used for validation is "
           "'[A-Za-z]([A-Za-z0-9_,:]*[A-Za-z0-9_])?')";
}

static void check_condition(struct field_errors *errs, const struct path *p,
                            const struct meta_condition *c)
{
    static const char *const statuses[] = {"False", "True", "Unknown", NULL};

    check_why(errs, AT(p, "type"), c->type, format_qualified_name(c->type));
    check_one_of(errs, AT(p, "status"), c->status, statuses);
    if (c->observed_generation < 0)
        err_invalid(errs, AT(p, "observedGeneration"), doc_int(c->observed_generation),
                    "must be greater than or equal to zero");
    if (!c->last_transition_time.set)
        err_required(errs, AT(p, "lastTransitionTime"), "must be set");
    if (str_empty(c->reason))
        err_required(errs, AT(p, "reason"), "must be set");
    else
        check_why(errs, AT(p, "reason"), c->reason, reason_error(c->reason));
    if (c->reason.len > REASON_MAX)
        err_too_long(errs, AT(p, "reason"), REASON_MAX);
    if (c->message.len > MESSAGE_MAX)
        err_too_long(errs, AT(p, "message"), MESSAGE_MAX);
}

void check_conditions(struct field_errors *errs, const struct path *p,
                      const struct meta_condition *v, size_t n)
{
    auto_map seen = {0};

    for (size_t i = 0; i < n; i++) {
        const struct path *at = AT_INDEX(p, i);

        check_unique(errs, &seen, AT(at, "type"), v[i].type);
        check_condition(errs, at, &v[i]);
    }
}

void check_domain_path(struct field_errors *errs, const struct path *p, struct str value)
{
    struct str path, host = str_cut(value, '/', &path);

    if (str_empty(value)) {
        err_required(errs, p, "");
        return;
    }
    if (str_empty(host) || str_empty(path)) {
        err_invalid(errs, p, doc_string(value),
                    "must be a domain-prefixed path (such as \"acme.io/foo\")");
        return;
    }
    check_why(errs, p, host, format_dns_subdomain(host));
    for (size_t i = 0; i < path.len; i++) {
        char c = path.p[i];

        if (is_letter(c) || is_digit(c) || (c && strchr("/-._~%!$&'()*+,;=:", c)))
            continue;
        err_invalid(errs, p, doc_string(path),
                    "Invalid path (regex used for validation is "
                    "'[A-Za-z0-9/\\-._~%%!$&'()*+,;=:]+')");
        return;
    }
}

void check_short_text(struct field_errors *errs, const struct path *p, struct str value, size_t max)
{
    check_given(errs, p, value);
    if (value.len > max)
        err_invalid(errs, p, doc_string(STR("")), "can have at most %zu characters", max);
}

void check_csi_driver_name(struct field_errors *errs, const struct path *p, struct str value)
{
    check_given(errs, p, value);
    if (value.len > CSI_NAME_MAX)
        err_too_long(errs, p, CSI_NAME_MAX);
    if (value.len)
        check_why(errs, p, value, format_dns_subdomain(lower_text(errs->arena, value)));
}

/* ---- PriorityClass ---- */

static const struct {
    const char *name;
    int32_t value;
} system_priorities[] = {{"system-node-critical", 2000001000},
                         {"system-cluster-critical", 2000000000}};

/* Why a name that is kept for the system may not be used so; NULL: it may. In @a. */
static const char *reserved_error(const struct scheduling_priority_class *c, struct arena *a)
{
    struct str name = c->metadata.name, why = STR_NULL;

    for (size_t i = 0; i < ARRAY_LEN(system_priorities); i++) {
        if (!str_eqz(name, system_priorities[i].name))
            continue;
        if (c->value != system_priorities[i].value)
            why = str_printf(a, "value of %.*s PriorityClass must be %d", STR_ARG(name),
                             system_priorities[i].value);
        else if (c->global_default)
            why = str_printf(a, "globalDefault of %.*s PriorityClass must be false", STR_ARG(name));
        return why.p;
    }
    return str_printf(a, "%.*s is not a known system priority class", STR_ARG(name)).p;
}

static void validate_priorityclass(const void *obj, const void *old_obj, struct field_errors *errs)
{
    static const char *const policies[] = {"Never", "PreemptLowerPriority", NULL};
    const struct scheduling_priority_class *c = obj, *old = old_obj;

    if (old) {
        if (c->value != old->value)
            err_forbidden(errs, AT(NULL, "value"), "may not be changed in an update.");
        check_same(errs, AT(NULL, "preemptionPolicy"),
                   same_text(c->preemption_policy, old->preemption_policy),
                   c->preemption_policy ? doc_string(*c->preemption_policy) : doc_null());
        return;
    }
    if (str_has_prefix(c->metadata.name, STR("system-"))) {
        const char *why = reserved_error(c, errs->arena);

        if (why)
            err_forbidden(errs, AT(AT(NULL, "metadata"), "name"),
                          "priority class names with 'system-' prefix are reserved for system use "
                          "only. error: %s",
                          why);
    } else if (c->value > USER_PRIORITY_MAX) {
        err_forbidden(errs, AT(NULL, "value"),
                      "maximum allowed value of a user defined priority is %d", USER_PRIORITY_MAX);
    }
    if (c->preemption_policy)
        check_one_of_given(errs, AT(NULL, "preemptionPolicy"), *c->preemption_policy, policies);
}

/* Its generation never changes: all but its description is immutable. */
static void priority_prepare_create(void *obj, struct arena *a)
{
    (void)a;
    ((struct scheduling_priority_class *)obj)->metadata.generation = 1;
}

const struct strategy strategy_priorityclasses = {
    .prepare_create = priority_prepare_create,
    .validate = validate_priorityclass,
};

/* ---- Lease ---- */

static void validate_lease(const void *obj, const void *old, struct field_errors *errs)
{
    const struct coordination_lease_spec *s = &((const struct coordination_lease *)obj)->spec;
    const struct path *p = AT(NULL, "spec");

    (void)old;
    if (s->lease_duration_seconds && *s->lease_duration_seconds <= 0)
        err_invalid(errs, AT(p, "leaseDurationSeconds"), doc_int(*s->lease_duration_seconds),
                    "must be greater than 0");
    check_nonneg_ptr(errs, AT(p, "leaseTransitions"), s->lease_transitions);
}

const struct strategy strategy_leases = {.validate = validate_lease};

/* ---- RuntimeClass ---- */

static void validate_runtimeclass(const void *obj, const void *old_obj, struct field_errors *errs)
{
    const struct node_runtime_class *c = obj, *old = old_obj;
    const struct path *p;

    if (old) {
        check_same(errs, AT(NULL, "handler"), str_eq(c->handler, old->handler),
                   doc_string(c->handler));
        return;
    }
    check_why(errs, AT(NULL, "handler"), c->handler, format_dns_label(c->handler));
    if (c->overhead) {
        p = AT(AT(NULL, "overhead"), "limits");
        for (size_t i = 0; i < c->overhead->pod_fixed.n; i++) {
            struct str name = c->overhead->pod_fixed.v[i].key;

            check_container_resource_name(errs, AT_KEY(p, name), name);
            check_quantity(errs, AT_KEY(p, name), name, c->overhead->pod_fixed.v[i].value);
        }
    }
    if (c->scheduling) {
        p = AT(NULL, "scheduling");
        check_labels(errs, AT(p, "nodeSelector"), &c->scheduling->node_selector);
        check_tolerations(errs, AT(p, "tolerations"), c->scheduling->tolerations.v,
                          c->scheduling->tolerations.n);
    }
}

const struct strategy strategy_runtimeclasses = {.validate = validate_runtimeclass};

/* ---- APIService ---- */

static void check_api_service(struct field_errors *errs, const struct path *p,
                              const struct apiregistration_api_service_spec *s)
{
    const struct path *at = AT(p, "service");
    const struct apiregistration_service_reference *service = s->service;

    if (!service) {
        if (s->ca_bundle.len)
            err_invalid(errs, AT(p, "caBundle"),
                        doc_string(str_printf(errs->arena, "%zu bytes", s->ca_bundle.len)),
                        "local APIServices may not have a caBundle");
        if (s->insecure_skip_tls_verify)
            err_invalid(errs, AT(p, "insecureSkipTLSVerify"), doc_bool(true),
                        "local APIServices may not have insecureSkipTLSVerify");
        return;
    }
    check_given(errs, AT(at, "namespace"), service->namespace);
    check_given(errs, AT(at, "name"), service->name);
    if (service->port && (*service->port < 1 || *service->port > 65535))
        err_invalid(errs, AT(at, "port"), doc_int(*service->port),
                    "port is not valid: must be between 1 and 65535, inclusive");
    if (s->insecure_skip_tls_verify && s->ca_bundle.len)
        err_invalid(errs, AT(p, "insecureSkipTLSVerify"), doc_bool(true),
                    "may not be true if caBundle is present");
}

static void validate_apiservice(const void *obj, const void *old, struct field_errors *errs)
{
    const struct apiregistration_api_service *o = obj;
    const struct apiregistration_api_service_spec *s = &o->spec;
    const struct path *p = AT(NULL, "spec");
    struct str want = str_printf(errs->arena, "%.*s.%.*s", STR_ARG(s->version), STR_ARG(s->group));

    (void)old;
    if (!str_eq(o->metadata.name, want))
        err_invalid(errs, AT(AT(NULL, "metadata"), "name"), doc_string(o->metadata.name),
                    "must be `spec.version+\".\"+spec.group`: \"%s\"", want.p);
    if (str_empty(s->group) && !str_eqz(s->version, "v1"))
        err_required(errs, AT(p, "group"),
                     "only v1 may have an empty group and it better be legacy kube");
    check_if_set(errs, AT(p, "group"), s->group, format_dns_subdomain);
    check_why(errs, AT(p, "version"), s->version, format_dns1035_label(s->version));
    if (s->group_priority_minimum <= 0 || s->group_priority_minimum > GROUP_PRIORITY_MAX)
        err_invalid(errs, AT(p, "groupPriorityMinimum"), doc_int(s->group_priority_minimum),
                    "must be positive and less than %d", GROUP_PRIORITY_MAX);
    if (s->version_priority <= 0 || s->version_priority > VERSION_PRIORITY_MAX)
        err_invalid(errs, AT(p, "versionPriority"), doc_int(s->version_priority),
                    "must be positive and less than %d", VERSION_PRIORITY_MAX);
    check_api_service(errs, p, s);
}

/* What this server itself serves is available from the first moment. */
static void apiservice_prepare_create(void *obj, struct arena *a)
{
    struct apiregistration_api_service *s = obj;
    struct apiregistration_api_service_condition *c;

    if (s->spec.service)
        return;
    c = arena_new(a, struct apiregistration_api_service_condition);
    c->type = STR("Available");
    c->status = STR("True");
    c->last_transition_time = s->metadata.creation_timestamp;
    c->reason = STR("Local");
    c->message = STR("Local APIServices are always available");
    s->status.conditions.v = c;
    s->status.conditions.n = 1;
}

const struct strategy strategy_apiservices = {
    .prepare_create = apiservice_prepare_create,
    .validate = validate_apiservice,
    .name_format = "path-segment",
};

/* ---- Event of events.k8s.io ---- */

static void validate_event(const void *obj, const void *old_obj, struct field_errors *errs)
{
    const struct events_event *e = obj;
    const struct path *at = AT(AT(NULL, "involvedObject"), "namespace");
    struct str ns = e->metadata.namespace;

    if (!e->event_time.set) { /* an old one, made through the core group */
        if (!old_obj)
            err_required(errs, AT(NULL, "eventTime"), "");
        return;
    }
    if (str_empty(e->regarding.namespace) && !str_eqz(ns, "default") && !str_eqz(ns, "kube-system"))
        err_invalid(errs, at, doc_string(e->regarding.namespace), "does not match event.namespace");
    check_given(errs, AT(NULL, "reportingController"), e->reporting_controller);
    check_why(errs, AT(NULL, "reportingController"), e->reporting_controller,
              format_qualified_name(e->reporting_controller));
    check_short_text(errs, AT(NULL, "reportingInstance"), e->reporting_instance, EVENT_TEXT_MAX);
    check_short_text(errs, AT(NULL, "action"), e->action, EVENT_TEXT_MAX);
    check_short_text(errs, AT(NULL, "reason"), e->reason, EVENT_TEXT_MAX);
    if (e->note.len > EVENT_NOTE_MAX)
        err_invalid(errs, AT(NULL, "message"), doc_string(STR("")),
                    "can have at most %d characters", EVENT_NOTE_MAX);
    if (e->series && e->series->count < 2)
        err_invalid(errs, AT(AT(NULL, "series"), "count"), doc_int(e->series->count),
                    "should be at least 2");
    if (e->series && !e->series->last_observed_time.set)
        err_required(errs, AT(AT(NULL, "series"), "lastObservedTime"), "");
}

const struct strategy strategy_events_events = {.validate = validate_event};
