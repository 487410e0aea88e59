/* validate_workloads.h - the checks of the kinds that make pods. Internal to api/.
 * Layer: api. Threads: any; all are pure. */
#pragma once
#include "api/validate.h"

/** The labels of a template as errors show them; in @a. */
struct doc labels_doc(const struct string_map *m, struct arena *a);
/** Any struct of @type as errors show it; in the errors' arena. */
struct doc value_doc(struct field_errors *errs, const struct type *type, const void *obj);

/* For strategies, of validate_apps.c. */
void validate_deployment(const void *obj, const void *old,
                         struct field_errors *errs); /** As struct strategy says. */
void validate_deployment_status(const void *obj, const void *old,
                                struct field_errors *errs); /** As struct strategy says. */
void validate_replicaset(const void *obj, const void *old,
                         struct field_errors *errs); /** As struct strategy says. */
void validate_replicaset_status(const void *obj, const void *old,
                                struct field_errors *errs); /** As struct strategy says. */
void validate_daemonset(const void *obj, const void *old,
                        struct field_errors *errs); /** As struct strategy says. */
void validate_daemonset_status(const void *obj, const void *old,
                               struct field_errors *errs); /** As struct strategy says. */
void validate_statefulset(const void *obj, const void *old,
                          struct field_errors *errs); /** As struct strategy says. */
void validate_statefulset_status(const void *obj, const void *old,
                                 struct field_errors *errs); /** As struct strategy says. */
void validate_rc(const void *obj, const void *old,
                 struct field_errors *errs); /** As struct strategy says. */
void validate_rc_status(const void *obj, const void *old,
                        struct field_errors *errs); /** As struct strategy says. */
void validate_controllerrevision(const void *obj, const void *old,
                                 struct field_errors *errs); /** As struct strategy says. */
/* ... of validate_batch.c */
void validate_job(const void *obj, const void *old,
                  struct field_errors *errs); /** As struct strategy says. */
void validate_job_status(const void *obj, const void *old,
                         struct field_errors *errs); /** As struct strategy says. */
void validate_cronjob(const void *obj, const void *old,
                      struct field_errors *errs); /** As struct strategy says. */
