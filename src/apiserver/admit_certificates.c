/* SPDX-License-Identifier: Apache-2.0 */
/* admit_certificates.c - who may approve and sign certificate requests. */
#include "apiserver/admit.h"
#include "schema/typed.h"

static bool may_for_signer(struct request *rq, const char *verb, struct str signer)
{
    struct str rest, domain = str_cut(signer, '/', &rest);
    struct authz_attributes at = {.user = &rq->user,
                                  .verb = str_from(verb),
                                  .api_group = STR("certificates.k8s.io"),
                                  .api_version = STR("*"),
                                  .resource = STR("signers"),
                                  .name = signer,
                                  .is_resource = true};

    if (authorize(rq->as, rq->arena, &at, NULL))
        return true;
    at.name = str_printf(rq->arena, "%.*s/*", STR_ARG(domain));
    return authorize(rq->as, rq->arena, &at, NULL);
}

static enum stage_result refuse(struct request *rq, const char *what, struct str signer)
{
    return admit_forbid(rq, "user not permitted to %s requests with signerName \"%.*s\"", what,
                        STR_ARG(signer));
}

enum stage_result admit_certificates(struct request *rq)
{
    const struct certificates_certificate_signing_request *csr = rq->obj, *old = rq->old_typed;
    struct str signer;

    if (rq->res != &res_certificates_certificatesigningrequests || !old)
        return STAGE_NEXT;
    signer = old->spec.signer_name;
    if (str_eqz(rq->sub, "approval") && !may_for_signer(rq, "approve", signer))
        return refuse(rq, "approve", signer);
    if (str_eqz(rq->sub, "status") && !str_eq(old->status.certificate, csr->status.certificate) &&
        !may_for_signer(rq, "sign", signer))
        return refuse(rq, "sign", signer);
    return STAGE_NEXT;
}
