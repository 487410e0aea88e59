/* SPDX-License-Identifier: Apache-2.0 */
/* validate_certificates.c - how CertificateSigningRequests are changed and checked. That the
 * request's signature is good is for those who sign. Layer: api. */
#include "api/validate_certificates.h"
#include "api/validate_other.h"
#include "codec/base64.h"
#include "schema/check.h"
#include "schema/format.h"

enum { DOMAIN_MAX = 253, PATH_MAX_LEN = 253 + 63 + 1, LIFE_MIN_SEC = 600 };

#define PEM_BEGIN     "-----BEGIN CERTIFICATE REQUEST-----"
#define PEM_END       "-----END CERTIFICATE REQUEST-----"
#define LEGACY_SIGNER "kubernetes.io/legacy-unknown"

typedef struct certificates_certificate_signing_request csr;
typedef __typeof__(((csr *)0)->status.conditions) csr_conditions;

/* ---- changes ---- */

/* What was asked for stays, and the answer has endpoints of its own. */
static void csr_prepare_update(void *obj, const void *old, struct arena *a)
{
    csr *c = obj;

    (void)a;
    c->spec = ((const csr *)old)->spec;
    c->status = ((const csr *)old)->status;
}

static bool is_verdict(struct str type)
{
    return str_eqz(type, "Approved") || str_eqz(type, "Denied");
}

static size_t count_conditions(const csr *c, const char *type)
{
    size_t n = 0;

    for (size_t i = 0; i < c->status.conditions.n; i++)
        n += str_eqz(c->status.conditions.v[i].type, type);
    return n;
}

/* The condition @nth of @type, of which there are more. */
static struct certificates_certificate_signing_request_condition *
nth_condition(const csr *c, const char *type, size_t nth)
{
    size_t i = 0;

    while (!str_eqz(c->status.conditions.v[i].type, type) || nth-- > 0)
        i++;
    return &c->status.conditions.v[i];
}

static const char *const verdicts[] = {"Approved", "Denied"};

/* Verdicts are given through /approval only: those that are there stay as they are. One more or
 * less is an error, which validation finds. */
static void csr_prepare_status(void *obj, const void *old, struct arena *a)
{
    csr *c = obj;

    (void)a;
    for (size_t k = 0; k < ARRAY_LEN(verdicts); k++) {
        size_t n = count_conditions(c, verdicts[k]);

        for (size_t i = 0; i < n && n == count_conditions(old, verdicts[k]); i++)
            *nth_condition(c, verdicts[k], i) = *nth_condition(old, verdicts[k], i);
    }
}

/* ---- the request ---- */

/* A PEM block with base64 inside; what that says is for those who sign. */
static bool is_request(struct str pem, struct arena *a)
{
    long begin = str_find(pem, STR(PEM_BEGIN)), end = str_find(pem, STR(PEM_END));
    struct str body, der;
    char *text;
    size_t n = 0;

    if (begin < 0 || end < begin)
        return false;
    begin += (long)sizeof(PEM_BEGIN) - 1;
    body = str_sub(pem, (size_t)begin, end < begin ? 0 : (size_t)(end - begin));
    text = arena_alloc(a, body.len + 1);
    for (size_t i = 0; i < body.len; i++) {
        if (!body.p[i] || !strchr("\r\n\t ", body.p[i]))
            text[n++] = body.p[i];
    }
    return base64_decode((struct str){text, n}, a, &der, NULL) == 0 && der.len;
}

static void check_request(struct field_errors *errs, const struct path *p, struct str request)
{
    auto_buf shown = {0};

    if (is_request(request, errs->arena))
        return;
    base64_write(&shown, request);
    err_invalid(errs, p, doc_string(buf_view(&shown)),
                "PEM block type must be CERTIFICATE REQUEST");
}

static void check_usages(struct field_errors *errs, const struct path *p,
                         const struct string_list *usages)
{
    const struct field *f =
        type_field(&type_certificates_certificate_signing_request_spec, STR("usages"));
    auto_map seen = {0};

    if (!usages->n)
        err_required(errs, p, "");
    for (size_t i = 0; i < usages->n; i++)
        check_enum(f->values, usages->v[i], AT_INDEX(p, i), errs);
    for (size_t i = 0; i < usages->n; i++)
        check_unique(errs, &seen, AT_INDEX(p, i), usages->v[i]);
}

/* Each part of @name between dots by @format. */
static void check_parts(struct field_errors *errs, const struct path *p, struct str name,
                        const char *(*format)(struct str))
{
    struct str rest = name;

    do {
        struct str part = str_cut(rest, '.', &rest);
        const char *why = format(part);

        if (why)
            err_invalid(errs, p, doc_string(name), "validating label \"%.*s\": %s", STR_ARG(part),
                        why);
    } while (rest.p);
}

static void check_signer(struct field_errors *errs, const struct path *p, struct str signer)
{
    struct str path, domain = str_cut(signer, '/', &path);

    if (str_empty(signer)) {
        err_required(errs, p, "");
        return;
    }
    if (!path.p || str_find_char(path, '/') >= 0) {
        err_invalid(errs, p, doc_string(signer),
                    "must be a fully qualified domain and path of the form "
                    "'example.com/signer-name'");
        return;
    }
    if (domain.len > DOMAIN_MAX)
        err_too_long(errs, p, DOMAIN_MAX);
    check_parts(errs, p, domain, format_dns_label);
    if (str_find_char(domain, '.') < 0)
        err_invalid(errs, p, doc_string(domain),
                    "should be a domain with at least two segments separated by dots");
    check_parts(errs, p, path, format_dns_subdomain);
    if (signer.len > DOMAIN_MAX + PATH_MAX_LEN + 1)
        err_too_long(errs, p, DOMAIN_MAX + PATH_MAX_LEN + 1);
}

static void check_csr_conditions(struct field_errors *errs, const csr *c)
{
    static const char *const any[] = {"False", "True", "Unknown", NULL};
    static const char *const only_true[] = {"True", NULL};
    const struct path *p = AT(AT(NULL, "status"), "conditions");
    bool approved = false, denied = false;
    auto_map seen = {0};

    for (size_t i = 0; i < c->status.conditions.n; i++) {
        const struct certificates_certificate_signing_request_condition *x =
            &c->status.conditions.v[i];
        bool is_final = is_verdict(x->type) || str_eqz(x->type, "Failed");
        const struct path *at = AT_INDEX(p, i);

        check_given(errs, AT(at, "type"), x->type);
        check_one_of_given(errs, AT(at, "status"), x->status, is_final ? only_true : any);
        approved = approved || str_eqz(x->type, "Approved");
        denied = denied || str_eqz(x->type, "Denied");
        if (is_verdict(x->type) && approved && denied)
            err_invalid(errs, p, doc_string(x->type),
                        "Approved and Denied conditions are mutually exclusive");
        check_unique(errs, &seen, AT(at, "type"), x->type);
    }
}

static void validate_csr(const void *obj, const void *old, struct field_errors *errs)
{
    const csr *c = obj;
    const struct path *p = AT(NULL, "spec");

    if (old)
        return; /* nothing but metadata can have changed */
    check_request(errs, AT(p, "request"), c->spec.request);
    check_usages(errs, AT(p, "usages"), &c->spec.usages);
    if (str_eqz(c->spec.signer_name, LEGACY_SIGNER))
        err_invalid(errs, AT(p, "signerName"), doc_string(c->spec.signer_name),
                    "the legacy signerName is not allowed via this API version");
    else
        check_signer(errs, AT(p, "signerName"), c->spec.signer_name);
    if (c->spec.expiration_seconds && *c->spec.expiration_seconds < LIFE_MIN_SEC)
        err_invalid(errs, AT(p, "expirationSeconds"), doc_int(*c->spec.expiration_seconds),
                    "may not specify a duration less than 600 seconds (10 minutes)");
    check_csr_conditions(errs, c);
}

/* What holds of every write of an answer. */
static void check_answer(const csr *c, const csr *old, struct field_errors *errs)
{
    static const char *const kept[] = {"Approved", "Denied", "Failed"};
    const struct path *p = AT(NULL, "status"), *at = AT(p, "certificate");
    struct str certificate = c->status.certificate;

    check_csr_conditions(errs, c);
    if (certificate.len && !str_eq(certificate, old->status.certificate) &&
        str_find(certificate, STR("-----BEGIN CERTIFICATE-----")) < 0)
        err_invalid(errs, at, doc_string(STR("<certificate data>")),
                    "must contain at least one CERTIFICATE PEM block");
    for (size_t i = 0; i < ARRAY_LEN(kept); i++) {
        if (count_conditions(c, kept[i]) < count_conditions(old, kept[i]))
            err_forbidden(errs, AT(p, "conditions"),
                          "updates may not remove a condition of type \"%s\"", kept[i]);
    }
}

static void validate_csr_status(const void *obj, const void *old_obj, struct field_errors *errs)
{
    const csr *c = obj, *old = old_obj;
    const struct path *p = AT(NULL, "status");

    check_answer(c, old, errs);
    for (size_t i = 0; i < ARRAY_LEN(verdicts); i++) {
        if (count_conditions(c, verdicts[i]) > count_conditions(old, verdicts[i]))
            err_forbidden(errs, AT(p, "conditions"),
                          "updates may not add a condition of type \"%s\"", verdicts[i]);
    }
    if (old->status.certificate.len && !str_eq(c->status.certificate, old->status.certificate))
        err_forbidden(errs, AT(p, "certificate"),
                      "updates may not modify existing certificate content");
}

void validate_csr_approval(const void *obj, const void *old, struct field_errors *errs)
{
    check_answer(obj, old, errs);
}

const struct strategy strategy_certificatesigningrequests = {
    .prepare_update = csr_prepare_update,
    .prepare_status = csr_prepare_status,
    .validate = validate_csr,
    .validate_status = validate_csr_status,
};
