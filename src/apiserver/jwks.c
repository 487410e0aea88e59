/* SPDX-License-Identifier: Apache-2.0 */
/* jwks.c - what others need to check the tokens of ServiceAccounts: OpenID discovery and the key.
 */
#include "apiserver/stages.h"
#include "net/crypto.h"

enum stage_result stage_openid_configuration(struct request *rq)
{
    struct str issuer = str_from(rq->as->opts.token_issuer);
    auto_buf out = {0};

    buf_puts(&out, "{\"issuer\":");
    json_write_string(&out, issuer);
    buf_puts(&out, ",\"jwks_uri\":");
    json_write_string(&out, str_printf(rq->arena, "https://%s:%u/openid/v1/jwks",
                                       rq->as->opts.advertise_address, rq->as->opts.secure_port));
    buf_puts(&out, ",\"response_types_supported\":[\"id_token\"],"
                   "\"subject_types_supported\":[\"public\"],"
                   "\"id_token_signing_alg_values_supported\":[\"ES256\"]}");
    return request_answer_bytes(rq, 200, "application/json", buf_view(&out));
}

enum stage_result stage_openid_jwks(struct request *rq)
{
    auto_buf out = {0};

    buf_puts(&out, "{\"keys\":[");
    if (rq->as->opts.token_key)
        jwt_key_jwk(rq->as->opts.token_key, &out);
    buf_puts(&out, "]}");
    return request_answer_bytes(rq, 200, "application/jwk-set+json", buf_view(&out));
}
