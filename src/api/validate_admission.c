/* SPDX-License-Identifier: Apache-2.0 */
/* validate_admission.c - how admission policies and their bindings are checked. Expressions are
 * compiled by those who run them. Layer: api. */
#include "api/validate_admission.h"
#include "schema/format.h"

enum { ANNOTATIONS_MAX = 20, VALUE_EXPRESSION_MAX = 5 * 1024 };

#define WANTS_ITEMS "validations or auditAnnotations must contain at least one item"

/* ---- what policies share ---- */

static bool is_blank(struct str s)
{
    return str_empty(str_trim(s));
}

static void check_param_version(struct field_errors *errs, const struct path *p, struct str version)
{
    struct str rest, group = str_cut(version, '/', &rest);
    const char *why;

    if (str_empty(version)) {
        err_required(errs, p, "");
        return;
    }
    if (str_find_char(rest, '/') >= 0) {
        err_invalid(errs, p, doc_string(version), "unexpected GroupVersion string: %.*s",
                    STR_ARG(version));
        return;
    }
    if (!rest.p) { /* of the core group */
        rest = group;
        group = STR_NULL;
    }
    check_if_set(errs, p, group, format_dns_subdomain);
    why = format_dns1035_label(rest);
    if (str_empty(rest))
        err_invalid(errs, p, doc_string(version), "version must be specified");
    else
        check_why(errs, p, rest, why);
}

static void check_param_kind(struct field_errors *errs, const struct path *p,
                             const struct admissionregistration_param_kind *k)
{
    const char *why;

    if (!k)
        return;
    check_param_version(errs, AT(p, "apiVersion"), k->api_version);
    if (str_empty(k->kind)) {
        err_required(errs, AT(p, "kind"), "");
        return;
    }
    why = format_dns1035_label(lower_text(errs->arena, k->kind));
    if (why)
        err_invalid(errs, AT(p, "kind"), doc_string(k->kind),
                    "may have mixed case, but should otherwise match: %s", why);
}

static void check_named_rule(struct field_errors *errs, const struct path *p,
                             const struct admissionregistration_named_rule_with_operations *n)
{
    const struct admissionregistration_rule_with_operations rule = {
        .operations = n->operations,
        .api_groups = n->api_groups,
        .api_versions = n->api_versions,
        .resources = n->resources,
        .scope = n->scope,
    };
    auto_map seen = {0};

    for (size_t i = 0; i < n->resource_names.n; i++) {
        const struct path *at = AT_INDEX(AT(p, "resourceNames"), i);

        check_why(errs, at, n->resource_names.v[i], format_path_segment(n->resource_names.v[i]));
        check_unique(errs, &seen, at, n->resource_names.v[i]);
    }
    check_admission_rule(errs, p, &rule);
}

static void check_match(struct field_errors *errs, const struct path *p,
                        const struct admissionregistration_match_resources *m)
{
    if (!m->match_policy)
        err_required(errs, AT(p, "matchPolicy"), "");
    check_match_policy(errs, AT(p, "matchPolicy"), m->match_policy);
    if (!m->namespace_selector)
        err_required(errs, AT(p, "namespaceSelector"), "");
    check_selector(errs, AT(p, "namespaceSelector"), m->namespace_selector);
    if (!m->object_selector)
        err_required(errs, AT(p, "objectSelector"), "");
    check_selector(errs, AT(p, "objectSelector"), m->object_selector);
    for (size_t i = 0; i < m->resource_rules.n; i++)
        check_named_rule(errs, AT_INDEX(AT(p, "resourceRules"), i), &m->resource_rules.v[i]);
    for (size_t i = 0; i < m->exclude_resource_rules.n; i++)
        check_named_rule(errs, AT_INDEX(AT(p, "excludeResourceRules"), i),
                         &m->exclude_resource_rules.v[i]);
}

/* What a policy is for: it must name resources, so that their types are known. */
static void check_constraints(struct field_errors *errs, const struct path *p,
                              const struct admissionregistration_match_resources *m)
{
    if (!m) {
        err_required(errs, p, "");
        return;
    }
    check_match(errs, p, m);
    if (!m->resource_rules.n)
        err_required(errs, AT(p, "resourceRules"), "");
}

static bool is_identifier(struct str s)
{
    for (size_t i = 0; i < s.len; i++) {
        char c = s.p[i];
        bool letter = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_';

        if (!letter && (i == 0 || c < '0' || c > '9'))
            return false;
    }
    return s.len > 0;
}

static void check_variables(struct field_errors *errs, const struct path *p,
                            const struct admissionregistration_variable *v, size_t n)
{
    auto_map names = {0};

    for (size_t i = 0; i < n; i++) {
        const struct path *at = AT_INDEX(p, i), *name = AT(at, "name");

        if (is_blank(v[i].name))
            err_required(errs, name, "name is not specified");
        else if (!is_identifier(v[i].name))
            err_invalid(errs, name, doc_string(v[i].name), "name is not a valid CEL identifier");
        else
            check_unique(errs, &names, name, v[i].name);
        if (is_blank(v[i].expression))
            err_required(errs, AT(at, "expression"), "expression is not specified");
    }
}

/* ---- ValidatingAdmissionPolicy ---- */

static void check_validation(struct field_errors *errs, const struct path *p,
                             const struct admissionregistration_validation *v)
{
    static const char *const reasons[] = {"Forbidden", "Invalid", "RequestEntityTooLarge",
                                          "Unauthorized", NULL};
    struct str message = str_trim(v->message);

    if (is_blank(v->expression))
        err_required(errs, AT(p, "expression"), "expression is not specified");
    if (v->message_expression.len && is_blank(v->message_expression))
        err_invalid(errs, AT(p, "messageExpression"), doc_string(v->message_expression),
                    "must be non-empty if specified");
    if (v->message.len && !message.len)
        err_invalid(errs, AT(p, "message"), doc_string(v->message),
                    "message must be non-empty if specified");
    else if (str_find_char(message, '\n') >= 0)
        err_invalid(errs, AT(p, "message"), doc_string(v->message),
                    "message must not contain line breaks");
    if (v->reason)
        check_one_of(errs, AT(p, "reason"), *v->reason, reasons);
}

static void check_annotations(struct field_errors *errs, const struct path *p, struct str policy,
                              const struct admissionregistration_audit_annotation *v, size_t n)
{
    auto_map keys = {0};

    for (size_t i = 0; i < n; i++) {
        const struct path *at = AT_INDEX(p, i), *key = AT(at, "key");
        struct str full = str_printf(errs->arena, "%.*s/%.*s", STR_ARG(policy), STR_ARG(v[i].key));
        struct str expression = str_trim(v[i].value_expression);

        if (str_empty(policy))
            full = v[i].key;
        if (str_empty(v[i].key))
            err_required(errs, key, "");
        else
            check_why(errs, key, v[i].key, format_qualified_name(full));
        if (str_empty(expression))
            err_required(errs, AT(at, "valueExpression"), "");
        else if (expression.len > VALUE_EXPRESSION_MAX)
            err_required(errs, AT(at, "valueExpression"),
                         "must not exceed 5kb in length"); /* Required, as upstream has it */
        check_unique(errs, &keys, key, v[i].key);
    }
}

static void validate_validating(const void *obj, const void *old, struct field_errors *errs)
{
    const struct admissionregistration_validating_admission_policy *o = obj;
    const struct admissionregistration_validating_admission_policy_spec *s = &o->spec;
    const struct path *p = AT(NULL, "spec"), *annotations = AT(p, "auditAnnotations");

    (void)old;
    if (!s->failure_policy)
        err_required(errs, AT(p, "failurePolicy"), "");
    check_failure_policy(errs, AT(p, "failurePolicy"), s->failure_policy);
    check_param_kind(errs, AT(p, "paramKind"), s->param_kind);
    check_constraints(errs, AT(p, "matchConstraints"), s->match_constraints);
    check_match_conditions(errs, AT(p, "matchConditions"), s->match_conditions.v,
                           s->match_conditions.n);
    check_variables(errs, AT(p, "variables"), s->variables.v, s->variables.n);
    if (!s->validations.n && !s->audit_annotations.n) {
        err_required(errs, AT(p, "validations"), WANTS_ITEMS);
        err_required(errs, annotations, WANTS_ITEMS);
        return;
    }
    for (size_t i = 0; i < s->validations.n; i++)
        check_validation(errs, AT_INDEX(AT(p, "validations"), i), &s->validations.v[i]);
    if (s->audit_annotations.n > ANNOTATIONS_MAX)
        err_too_many(errs, annotations, s->audit_annotations.n, ANNOTATIONS_MAX);
    check_annotations(errs, annotations, o->metadata.name, s->audit_annotations.v,
                      s->audit_annotations.n);
}

const struct strategy strategy_validatingadmissionpolicies = {.validate = validate_validating};

/* ---- MutatingAdmissionPolicy ---- */

static void check_mutation(struct field_errors *errs, const struct path *p,
                           const struct admissionregistration_mutation *m)
{
    static const char *const types[] = {"ApplyConfiguration", "JSONPatch", NULL};
    bool apply = str_eqz(m->patch_type, "ApplyConfiguration");
    const struct path *wanted = AT(p, apply ? "applyConfiguration" : "jsonPatch");

    check_one_of_given(errs, AT(p, "patchType"), m->patch_type, types);
    if (!one_of(m->patch_type, types))
        return;
    if (apply ? !m->apply_configuration : !m->json_patch)
        err_add(errs, FIELD_ERROR_REQUIRED, wanted,
                "Required value: must be specified when patchType is %.*s", STR_ARG(m->patch_type));
    else if (is_blank(apply ? m->apply_configuration->expression : m->json_patch->expression))
        err_required(errs, AT(wanted, "expression"), "expression is not specified");
    if (apply ? m->json_patch != NULL : m->apply_configuration != NULL)
        err_forbidden(errs, AT(p, apply ? "jsonPatch" : "applyConfiguration"),
                      "must not be specified when patchType is %.*s", STR_ARG(m->patch_type));
}

static void validate_mutating(const void *obj, const void *old, struct field_errors *errs)
{
    const struct admissionregistration_mutating_admission_policy_spec *s =
        &((const struct admissionregistration_mutating_admission_policy *)obj)->spec;
    const struct path *p = AT(NULL, "spec"), *mutations = AT(p, "mutations");

    (void)old;
    if (!s->failure_policy)
        err_required(errs, AT(p, "failurePolicy"), "");
    check_failure_policy(errs, AT(p, "failurePolicy"), s->failure_policy);
    check_param_kind(errs, AT(p, "paramKind"), s->param_kind);
    check_constraints(errs, AT(p, "matchConstraints"), s->match_constraints);
    check_match_conditions(errs, AT(p, "matchConditions"), s->match_conditions.v,
                           s->match_conditions.n);
    check_variables(errs, AT(p, "variables"), s->variables.v, s->variables.n);
    if (!s->mutations.n)
        err_required(errs, mutations, "mutations must contain at least one item");
    for (size_t i = 0; i < s->mutations.n; i++)
        check_mutation(errs, AT_INDEX(mutations, i), &s->mutations.v[i]);
    if (str_empty(s->reinvocation_policy))
        err_required(errs, AT(p, "reinvocationPolicy"), "");
    else
        check_reinvocation(errs, AT(p, "reinvocationPolicy"), s->reinvocation_policy);
}

const struct strategy strategy_mutatingadmissionpolicies = {.validate = validate_mutating};

/* ---- bindings ---- */

static void check_param_ref(struct field_errors *errs, const struct path *p,
                            const struct admissionregistration_param_ref *r)
{
    static const char *const actions[] = {"Allow", "Deny", NULL};
    const struct path *action = AT(p, "parameterNotFoundAction");

    if (!r)
        return;
    check_if_set(errs, AT(p, "name"), r->name, format_path_segment);
    if (r->name.len && r->selector) {
        err_forbidden(errs, AT(p, "name"), "name and selector are mutually exclusive");
        err_forbidden(errs, AT(p, "selector"), "name and selector are mutually exclusive");
    }
    check_selector(errs, AT(p, "selector"), r->selector);
    if (!r->name.len && !r->selector)
        err_required(errs, p, "one of name or selector must be specified");
    if (!r->parameter_not_found_action || !r->parameter_not_found_action->len)
        err_required(errs, action, "");
    else
        check_one_of(errs, action, *r->parameter_not_found_action, actions);
}

static void check_actions(struct field_errors *errs, const struct path *p,
                          const struct string_list *v)
{
    static const char *const actions[] = {"Audit", "Deny", "Warn", NULL};
    auto_map seen = {0};

    for (size_t i = 0; i < v->n; i++) {
        check_one_of(errs, AT_INDEX(p, i), v->v[i], actions);
        check_unique(errs, &seen, AT_INDEX(p, i), v->v[i]);
    }
    if (has_string(v, "Deny") && has_string(v, "Warn"))
        err_invalid(errs, p, strings_doc(v, errs->arena),
                    "must not contain both Deny and Warn (repeating the same validation failure "
                    "information in the API response and headers serves no purpose)");
    if (!v->n)
        err_required(errs, p, "at least one validation action is required");
}

static void check_policy_name(struct field_errors *errs, const struct path *p, struct str name)
{
    check_named(errs, p, name, format_dns_subdomain);
}

static void validate_validating_binding(const void *obj, const void *old, struct field_errors *errs)
{
    const struct admissionregistration_validating_admission_policy_binding_spec *s =
        &((const struct admissionregistration_validating_admission_policy_binding *)obj)->spec;
    const struct path *p = AT(NULL, "spec");

    (void)old;
    check_policy_name(errs, AT(p, "policyName"), s->policy_name);
    check_param_ref(errs, AT(p, "paramRef"), s->param_ref);
    if (s->match_resources)
        check_match(errs, AT(p, "matchResources"), s->match_resources);
    check_actions(errs, AT(p, "validationActions"), &s->validation_actions);
}

static void validate_mutating_binding(const void *obj, const void *old, struct field_errors *errs)
{
    const struct admissionregistration_mutating_admission_policy_binding_spec *s =
        &((const struct admissionregistration_mutating_admission_policy_binding *)obj)->spec;
    const struct path *p = AT(NULL, "spec");

    (void)old;
    check_policy_name(errs, AT(p, "policyName"), s->policy_name);
    check_param_ref(errs, AT(p, "paramRef"), s->param_ref);
    if (s->match_resources)
        check_match(errs, AT(p, "matchResources"), s->match_resources);
}

const struct strategy strategy_validatingadmissionpolicybindings = {
    .validate = validate_validating_binding,
};
const struct strategy strategy_mutatingadmissionpolicybindings = {
    .validate = validate_mutating_binding,
};
