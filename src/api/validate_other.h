/* validate_other.h - more checks, shared by the validators of the smaller groups. Internal to api/.
 * Each adds to @errs what is wrong with a value whose place is @p, as in validate.h.
 * Layer: api. Threads: any; all are pure. */
#pragma once
#include "api/validate.h"

/** The strings as errors show a list; views, the array in @a. */
struct doc strings_doc(const struct string_list *list, struct arena *a);
/** A quantity as errors show it; text in @a. */
struct doc quantity_doc(struct quantity q, struct arena *a);
/** True if @z is in the list. */
bool has_string(const struct string_list *list, const char *z);
/** @s in lower case (ASCII), in @a. */
struct str lower_text(struct arena *a, struct str s);
/** Conditions as metav1 has them: unique types, a known status, a time and a reason. */
void check_conditions(struct field_errors *errs, const struct path *p,
                      const struct meta_condition *v, size_t n);
/** "example.com/path": required. */
void check_domain_path(struct field_errors *errs, const struct path *p, struct str value);
/** Text that is required and may have at most @max bytes; the error never shows it. */
void check_short_text(struct field_errors *errs, const struct path *p, struct str value,
                      size_t max);
/** The name of a CSI driver: required, at most 63 bytes, a subdomain but for its capitals. */
void check_csi_driver_name(struct field_errors *errs, const struct path *p, struct str value);
/** True if both are absent or have the same value. */
bool same_text(const struct str *x, const struct str *y);
