/* SPDX-License-Identifier: Apache-2.0 */
/* validate_probe.c - probes of containers, and hooks of their lives. Layer: api. */
#include "api/validate.h"
#include "schema/format.h"

static const char *const schemes[] = {"HTTP", "HTTPS", NULL};

struct handler { /* of a probe or a hook */
    const struct core_exec_action *exec;
    const struct core_http_get_action *http_get;
    const struct core_tcp_socket_action *tcp_socket;
    const struct core_grpc_action *grpc;
    const struct core_sleep_action *sleep;
};

static const char *header_name(struct str s)
{
    for (size_t i = 0; i < s.len; i++) {
        char c = s.p[i];

        if (!((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
              c == '-'))
            s.len = 0;
    }
    return s.len ? NULL
                 : "a valid HTTP header must consist of alphanumeric characters or '-' (e.g. "
                   "'X-Header-Name', regex used for validation is '[-A-Za-z0-9]+')";
}

static void check_http_get(struct field_errors *errs, const struct path *at,
                           const struct core_http_get_action *h)
{
    check_given(errs, AT(at, "path"), h->path);
    check_port_ref(errs, AT(at, "port"), &h->port);
    check_one_of(errs, AT(at, "scheme"), h->scheme, schemes);
    for (size_t i = 0; i < h->http_headers.n; i++)
        check_why(errs, AT(at, "httpHeaders"), h->http_headers.v[i].name,
                  header_name(h->http_headers.v[i].name));
}

static void check_sleep(struct field_errors *errs, const struct path *at,
                        const struct core_sleep_action *s, const struct core_pod_spec *spec)
{
    int64_t grace =
        spec->termination_grace_period_seconds ? *spec->termination_grace_period_seconds : 30;

    if (s->seconds < 0 || s->seconds > grace)
        err_invalid(errs, AT(at, "seconds"), doc_int(s->seconds),
                    "must be non-negative and less than terminationGracePeriodSeconds (%lld)",
                    (long long)grace);
}

/* Exactly one of the handlers must be there. */
static void check_handler(struct field_errors *errs, const struct path *at, const struct handler *h,
                          const struct core_pod_spec *spec)
{
    static const char more[] = "may not specify more than 1 handler type";
    unsigned n = 0;

    if (h->exec) {
        n++;
        if (!h->exec->command.n)
            err_required(errs, AT(AT(at, "exec"), "command"), "");
    }
    if (h->http_get && n++)
        err_forbidden(errs, AT(at, "httpGet"), more);
    else if (h->http_get)
        check_http_get(errs, AT(at, "httpGet"), h->http_get);
    if (h->tcp_socket && n++)
        err_forbidden(errs, AT(at, "tcpSocket"), more);
    else if (h->tcp_socket)
        check_port_ref(errs, AT(AT(at, "tcpSocket"), "port"), &h->tcp_socket->port);
    if (h->grpc && n++)
        err_forbidden(errs, AT(at, "grpc"), more);
    else if (h->grpc)
        check_port(errs, AT(AT(at, "grpc"), "port"), h->grpc->port);
    if (h->sleep && n++)
        err_forbidden(errs, AT(at, "sleep"), more);
    else if (h->sleep)
        check_sleep(errs, AT(at, "sleep"), h->sleep, spec);
    if (!n)
        err_required(errs, at, "must specify a handler type");
}

static void check_probe(struct field_errors *errs, const struct path *at,
                        const struct core_probe *p, const struct core_pod_spec *spec)
{
    struct handler h = {p->exec, p->http_get, p->tcp_socket, p->grpc, NULL};

    check_handler(errs, at, &h, spec);
    check_nonneg(errs, AT(at, "initialDelaySeconds"), p->initial_delay_seconds);
    check_nonneg(errs, AT(at, "timeoutSeconds"), p->timeout_seconds);
    check_nonneg(errs, AT(at, "periodSeconds"), p->period_seconds);
    check_nonneg(errs, AT(at, "successThreshold"), p->success_threshold);
    check_nonneg(errs, AT(at, "failureThreshold"), p->failure_threshold);
    if (p->termination_grace_period_seconds && *p->termination_grace_period_seconds <= 0)
        err_invalid(errs, AT(at, "terminationGracePeriodSeconds"),
                    doc_int(*p->termination_grace_period_seconds), "must be greater than 0");
}

static void check_hook(struct field_errors *errs, const struct path *at,
                       const struct core_lifecycle_handler *l, const struct core_pod_spec *spec)
{
    struct handler h;

    if (!l)
        return;
    h = (struct handler){l->exec, l->http_get, l->tcp_socket, NULL, l->sleep};
    check_handler(errs, at, &h, spec);
}

static void check_succeeds_once(struct field_errors *errs, const struct path *at,
                                const struct core_probe *p)
{
    if (p->success_threshold != 1)
        err_invalid(errs, AT(at, "successThreshold"), doc_int(p->success_threshold), "must be 1");
}

void check_probes(struct field_errors *errs, const struct path *at, const struct core_container *c,
                  const struct core_pod_spec *spec)
{
    if (c->lifecycle) {
        const struct path *p = AT(at, "lifecycle");

        check_hook(errs, AT(p, "postStart"), c->lifecycle->post_start, spec);
        check_hook(errs, AT(p, "preStop"), c->lifecycle->pre_stop, spec);
        if (c->lifecycle->stop_signal && !spec->os)
            err_forbidden(errs, AT(p, "stopSignal"),
                          "may not be set for containers with empty `spec.os.name`");
    }
    if (c->liveness_probe) {
        check_probe(errs, AT(at, "livenessProbe"), c->liveness_probe, spec);
        check_succeeds_once(errs, AT(at, "livenessProbe"), c->liveness_probe);
    }
    if (c->readiness_probe) {
        const struct path *p = AT(at, "readinessProbe");

        check_probe(errs, p, c->readiness_probe, spec);
        if (c->readiness_probe->termination_grace_period_seconds)
            err_invalid(errs, AT(p, "terminationGracePeriodSeconds"),
                        doc_int(*c->readiness_probe->termination_grace_period_seconds),
                        "must not be set for readinessProbes");
    }
    if (c->startup_probe) {
        check_probe(errs, AT(at, "startupProbe"), c->startup_probe, spec);
        check_succeeds_once(errs, AT(at, "startupProbe"), c->startup_probe);
    }
}
