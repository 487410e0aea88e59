/* validate_admission.h - checks that webhooks and admission policies share. Internal to api/.
 * Each adds to @errs what is wrong with a value whose place is @p, as in validate.h.
 * Layer: api. Threads: any; all are pure. */
#pragma once
#include "api/validate_other.h"

/** What requests a rule is for. */
void check_admission_rule(struct field_errors *errs, const struct path *p,
                          const struct admissionregistration_rule_with_operations *r);
/** Conditions have names of their own and an expression. */
void check_match_conditions(struct field_errors *errs, const struct path *p,
                            const struct admissionregistration_match_condition *v, size_t n);
/** "Fail" or "Ignore", unless NULL. */
void check_failure_policy(struct field_errors *errs, const struct path *p,
                          const struct str *policy);
/** "Equivalent" or "Exact", unless NULL. */
void check_match_policy(struct field_errors *errs, const struct path *p, const struct str *policy);
/** "IfNeeded" or "Never". */
void check_reinvocation(struct field_errors *errs, const struct path *p, struct str policy);
