/* message.h - DNS messages on the wire: a question out of bytes, an answer into bytes (ldns).
 * Layer: dns. Threads: any. */
#pragma once
#include "base/buf.h"
#include "dns/zone.h"

enum message_rcode { MESSAGE_OK = 0, MESSAGE_FORMAT_ERROR = 1, MESSAGE_SERVER_FAILURE = 2,
                     MESSAGE_NO_SUCH_NAME = 3, MESSAGE_NOT_IMPLEMENTED = 4, MESSAGE_REFUSED = 5 };
struct question {
    uint16_t id, flags;
    uint16_t type, class_; /* on the wire */
    struct str name;       /* lower case, without the final dot, presentation form */
    struct str asked;      /* the name in the letters of the question, with the final dot */
    size_t reply_max;      /* bytes of a UDP answer: 512, or what EDNS says, at most 1232 */
    bool edns;             /* the question has an OPT record, so the answer gets one */
    bool known_type;       /* record is valid */
    enum record_type record;
};
/** Reads the one question of @bytes. ERR_PARSE (no query, not exactly one question, malformed). */
MUST_USE int message_question(struct str bytes, struct arena *a, struct question *ret_q,
                              struct err *err);
/** Appends the answer to @q. What exceeds @max bytes is left out, with the bit TC set. */
void message_answer(const struct question *q, const struct zone *z, const struct answer *answer,
                    size_t max, struct buf *out);
/** Appends an answer without records, with @rcode. */
void message_error(struct str query, enum message_rcode rcode, struct buf *out);
