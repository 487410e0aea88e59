/* SPDX-License-Identifier: Apache-2.0 */
/* table.c - all controllers: one line each. */
#include "controller/controller.h"

const struct controller *const controllers_table[] = {
    NULL,
};
