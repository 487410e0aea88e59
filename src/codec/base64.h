/* base64.h - RFC 4648 base64, standard and URL alphabets. Layer: codec. Threads: any. */
#pragma once
#include "base/buf.h"
#include "base/err.h"

void base64_write(struct buf *out, struct str bytes);     /** Standard alphabet, padded. */
void base64url_write(struct buf *out, struct str bytes);  /** URL alphabet, not padded. */
/** Decodes the standard alphabet with padding; ignores CR and LF as Go does.
 *  ERR_INVALID "illegal base64 data at input byte N". */
MUST_USE int base64_decode(struct str text, struct arena *a, struct str *ret_bytes,
                           struct err *err);
/** Decodes the URL alphabet without padding. Errors as above. */
MUST_USE int base64url_decode(struct str text, struct arena *a, struct str *ret_bytes,
                              struct err *err);
