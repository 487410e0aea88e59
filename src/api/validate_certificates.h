/* SPDX-License-Identifier: Apache-2.0 */
/* validate_certificates.h - the check that /approval of a CertificateSigningRequest has alone.
 * Layer: api. Threads: any; it is pure. */
#pragma once
#include "schema/field_error.h"

/** What is wrong with @obj, a request whose conditions are to replace those of @old. */
void validate_csr_approval(const void *obj, const void *old, struct field_errors *errs);
