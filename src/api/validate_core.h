/* validate_core.h - the validators of the core group's kinds, for strategies. Internal to api/.
 * Layer: api. Threads: any; all are pure. */
#pragma once
#include "api/validate.h"

/* validate_service.c */
void validate_service(const void *obj, const void *old,
                      struct field_errors *errs); /** As struct strategy says. */
void validate_service_status(const void *obj, const void *old,
                             struct field_errors *errs); /** As struct strategy says. */
void validate_endpoints(const void *obj, const void *old,
                        struct field_errors *errs); /** As struct strategy says. */
/** An address that traffic may be sent to from anywhere. */
void check_endpoint_ip(struct field_errors *errs, const struct path *p, struct str ip);
/* validate_core.c */
void validate_configmap(const void *obj, const void *old,
                        struct field_errors *errs); /** As struct strategy says. */
void validate_secret(const void *obj, const void *old,
                     struct field_errors *errs); /** As struct strategy says. */
void validate_namespace(const void *obj, const void *old,
                        struct field_errors *errs); /** As struct strategy says. */
void validate_namespace_status(const void *obj, const void *old,
                               struct field_errors *errs); /** As struct strategy says. */
void validate_node(const void *obj, const void *old,
                   struct field_errors *errs); /** As struct strategy says. */
void validate_event(const void *obj, const void *old,
                    struct field_errors *errs); /** As struct strategy says. */
/* validate_quota.c */
void validate_limitrange(const void *obj, const void *old,
                         struct field_errors *errs); /** As struct strategy says. */
void validate_quota(const void *obj, const void *old,
                    struct field_errors *errs); /** As struct strategy says. */
