/* continue_token.h - where a list that comes in chunks goes on, as clients carry it. Internal to
 * apiserver/. Layer: apiserver. Threads: any. */
#pragma once
#include "base/str.h"
#include "base/err.h"

struct continue_token {
    int64_t revision; /* -1: whatever is newest */
    struct str start; /* of the key, behind the prefix of the list */
};
/** The token's text, in @a. */
struct str continue_encode(const struct continue_token *t, struct arena *a);
/** Reads a token. ERR_BAD_REQUEST "invalid continue token: ..." */
MUST_USE int continue_decode(struct str text, struct arena *a, struct continue_token *ret_t,
                             struct err *err);
