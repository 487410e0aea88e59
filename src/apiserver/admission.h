/* admission.h - admission steps: one file a plugin, one line in the table of admission.c.
 * Layer: apiserver. Threads: the request's loop. */
#pragma once
#include "apiserver/request.h"

enum admission_op { ADMIT_CREATE = 1, ADMIT_UPDATE = 2, ADMIT_DELETE = 4, ADMIT_CONNECT = 8 };
struct admission {
    const char *name;
    unsigned ops; /* admission_op bits it wants */
    /* May change rq->obj. Ends the request to refuse it. NULL: none. */
    stage_fn mutate;
    /* Looks only. NULL: none. */
    stage_fn validate;
};
/** All plugins in upstream's order, ended by a NULL name. */
extern const struct admission admission_plugins[];
/** The operation of @rq. */
enum admission_op admission_op_of(const struct request *rq);
/** Runs all mutate steps in order from the first; STAGE_WAIT is not allowed in them yet. */
enum stage_result admission_mutate(struct request *rq);
/** Runs all validate steps. */
enum stage_result admission_validate(struct request *rq);
