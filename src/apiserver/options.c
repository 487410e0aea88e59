/* options.c - what the query (and the body of a DELETE) says beside the object: checked as upstream
 * checks ListOptions, CreateOptions, UpdateOptions, PatchOptions and DeleteOptions. */
#include "apiserver/stages.h"
#include "codec/utf8.h"
#include "codec/yaml.h"
#include "schema/typed.h"

enum { FIELD_MANAGER_MAX = 128, DRY_RUNS_MAX = 16 };
#define META_GROUP "meta.k8s.io"

static struct path at(const char *name)
{
    return path_field(NULL, name);
}

/* An integer parameter; @otherwise when it is not given. */
static enum stage_result take_int(struct request *rq, const char *name, int64_t otherwise,
                                  int64_t *ret_v)
{
    struct str v = request_param(rq, name);
    auto_buf quoted = {0};

    *ret_v = otherwise;
    if (str_empty(v) || str_to_i64(v, ret_v))
        return STAGE_NEXT;
    json_go_quote(&quoted, v);
    return request_failf(rq, ERR_BAD_REQUEST, "strconv.ParseInt: parsing %s: invalid syntax",
                         buf_cstr(&quoted));
}

/* Go's reading of a boolean: -1 when it is not given. */
static int take_bool(const struct request *rq, const char *name)
{
    struct str v = request_param(rq, name);

    if (!v.p)
        return -1;
    return !str_ieq(v, STR("false")) && !str_eqz(v, "0");
}

/* ---- list and watch ---- */

static void check_match_list(const struct request *rq, struct str match, struct field_errors *errs)
{
    static const char *const values[] = {"", "Exact", "NotOlderThan", NULL};
    struct path p = at("resourceVersionMatch"), initial = at("sendInitialEvents");
    struct str rv = rq->list.resource_version;

    if (match.len) {
        if (str_empty(rv))
            err_forbidden(errs, &p,
                          "resourceVersionMatch is forbidden unless resourceVersion is provided");
        if (rq->list.continue_token.len)
            err_forbidden(errs, &p, "resourceVersionMatch is forbidden when continue is provided");
        if (!str_eqz(match, "Exact") && !str_eqz(match, "NotOlderThan"))
            err_not_supported(errs, &p, match, values);
        if (str_eqz(match, "Exact") && str_eqz(rv, "0"))
            err_forbidden(errs, &p,
                          "resourceVersionMatch \"exact\" is forbidden for "
                          "resourceVersion \"0\"");
    }
    if (rq->list.send_initial_events >= 0)
        err_forbidden(errs, &initial, "sendInitialEvents is forbidden for list");
}

static void check_match_watch(const struct request *rq, struct str match, struct field_errors *errs)
{
    static const char *const values[] = {"NotOlderThan", NULL};
    struct path p = at("resourceVersionMatch");
    bool not_older = str_eqz(match, "NotOlderThan");

    if (rq->list.send_initial_events >= 0 && !not_older)
        err_forbidden(errs, &p,
                      "sendInitialEvents requires setting resourceVersionMatch to NotOlderThan");
    if (str_empty(match))
        return;
    if (rq->list.send_initial_events < 0)
        err_forbidden(errs, &p,
                      "resourceVersionMatch is forbidden for watch unless "
                      "sendInitialEvents is provided");
    if (!not_older)
        err_not_supported(errs, &p, match, values);
    if (rq->list.continue_token.len)
        err_forbidden(errs, &p, "resourceVersionMatch is forbidden when continue is provided");
}

const char *options_revision(struct request *rq, struct str text, int64_t *ret_v)
{
    uint64_t v;
    auto_buf quoted = {0};
    bool digits = text.len > 0;

    for (size_t i = 0; i < text.len; i++)
        digits = digits && text.p[i] >= '0' && text.p[i] <= '9';
    json_go_quote(&quoted, text);
    if (digits && str_to_u64(text, &v)) {
        *ret_v = v > INT64_MAX ? INT64_MAX : (int64_t)v;
        return NULL;
    }
    return arena_printf(rq->arena, "strconv.ParseUint: parsing %s: %s", buf_cstr(&quoted),
                        digits ? "value out of range" : "invalid syntax");
}

static enum stage_result take_revision(struct request *rq)
{
    struct list_options *o = &rq->list;
    struct field_errors errs = {.arena = rq->arena};
    struct path p = at("resourceVersion");
    const char *why;
    auto_buf quoted = {0};

    o->revision = -1;
    if (str_empty(o->resource_version))
        return STAGE_NEXT;
    why = options_revision(rq, o->resource_version, &o->revision);
    if (!why)
        return STAGE_NEXT;
    if (rq->verb == VERB_WATCH) {
        err_invalid(&errs, &p, doc_string(o->resource_version), "%s", why);
        return request_fail_invalid(rq, rq->res->group, rq->res->plural, rq->name, &errs);
    }
    json_go_quote(&quoted, o->resource_version);
    return request_failf(rq, ERR_BAD_REQUEST,
                         "invalid resource version: resourceVersion: Invalid value: %s: %s",
                         buf_cstr(&quoted), why);
}

/* A watch of one name by its path is a watch of the collection with that name selected. */
static struct str field_selector_text(struct request *rq)
{
    struct str text = request_param(rq, "fieldSelector");

    if (rq->verb != VERB_WATCH || str_empty(rq->name) || text.len)
        return text;
    return str_printf(rq->arena, "metadata.name=%.*s", STR_ARG(rq->name));
}

static enum stage_result take_selectors(struct request *rq)
{
    struct list_options *o = &rq->list;
    struct err err = {0};

    o->label_text = request_param(rq, "labelSelector");
    o->field_text = field_selector_text(rq);
    if (selector_parse_labels(o->label_text, rq->arena, &o->labels, &err) < 0 ||
        selector_parse_fields(rq->res, o->field_text, rq->arena, &o->fields, &err) < 0)
        return request_fail(rq, &err);
    if (rq->verb == VERB_WATCH && rq->name.len &&
        !str_eq(selector_required(&o->fields, STR("metadata.name")), rq->name))
        return request_failf(rq, ERR_BAD_REQUEST,
                             "fieldSelector metadata.name doesn't match requested name");
    return STAGE_NEXT;
}

static enum stage_result take_numbers(struct request *rq)
{
    struct list_options *o = &rq->list;
    enum stage_result r = take_int(rq, "limit", 0, &o->limit);

    if (r == STAGE_NEXT)
        r = take_int(rq, "timeoutSeconds", 0, &o->timeout_sec);
    o->limit = MAX(o->limit, 0);
    o->timeout_sec = MAX(o->timeout_sec, 0);
    return r;
}

static enum stage_result check_list(struct request *rq)
{
    struct list_options *o = &rq->list;
    struct field_errors errs = {.arena = rq->arena};
    struct str match = request_param(rq, "resourceVersionMatch");

    if (rq->verb == VERB_WATCH)
        check_match_watch(rq, match, &errs);
    else
        check_match_list(rq, match, &errs);
    if (errs.n)
        return request_fail_invalid(rq, META_GROUP, "ListOptions", STR(""), &errs);
    o->match = str_eqz(match, "Exact")          ? MATCH_EXACT
               : str_eqz(match, "NotOlderThan") ? MATCH_NOT_OLDER
                                                : MATCH_UNSET;
    if (o->continue_token.len && o->resource_version.len && !str_eqz(o->resource_version, "0"))
        return request_failf(rq, ERR_BAD_REQUEST,
                             "specifying resource version is not allowed when using continue");
    return take_revision(rq);
}

static enum stage_result take_list(struct request *rq)
{
    struct list_options *o = &rq->list;
    enum stage_result r;

    o->watch = rq->verb == VERB_WATCH;
    o->bookmarks = take_bool(rq, "allowWatchBookmarks") > 0;
    o->resource_version = request_param(rq, "resourceVersion");
    o->continue_token = request_param(rq, "continue");
    o->send_initial_events = take_bool(rq, "sendInitialEvents");
    r = take_numbers(rq);
    if (r == STAGE_NEXT)
        r = take_selectors(rq);
    return r == STAGE_NEXT ? check_list(rq) : r;
}

/* ---- create, update, patch ---- */

static void check_dry_run(const struct string_list *given, struct field_errors *errs, bool *ret_on)
{
    struct path p = at("dryRun");
    struct doc list = doc_array();
    bool good = true;
    auto_buf text = {0};

    *ret_on = given->n > 0;
    for (size_t i = 0; i < given->n; i++) {
        good = good && str_eqz(given->v[i], "All");
        doc_append(errs->arena, &list, doc_string(given->v[i]));
    }
    if (good)
        return;
    json_write(&text, &list);
    err_add(errs, FIELD_ERROR_NOT_SUPPORTED, &p, "Unsupported value: %s: supported values: \"All\"",
            buf_cstr(&text));
}

static struct string_list dry_run_params(struct request *rq)
{
    struct string_list list = {arena_calloc(rq->arena, DRY_RUNS_MAX, sizeof(struct str)), 0};

    for (size_t i = 0; i < rq->n_params && list.n < DRY_RUNS_MAX; i++) {
        if (str_eqz(rq->params[i].name, "dryRun"))
            list.v[list.n++] = rq->params[i].value;
    }
    return list;
}

static void check_field_manager(struct str manager, struct field_errors *errs)
{
    struct path p = at("fieldManager");
    const char *c = manager.p, *end = manager.p + manager.len;

    if (manager.len > FIELD_MANAGER_MAX)
        err_too_long(errs, &p, FIELD_MANAGER_MAX);
    while (c < end) {
        uint32_t cp = 0;
        size_t n = utf8_decode(c, end, &cp);

        if (n == 0 || cp < 0x20 || (cp >= 0x7F && cp <= 0xA0))
            err_invalid(errs, &p, doc_string(manager), "invalid character U+%04X (at position %zu)",
                        (unsigned)cp, (size_t)(c - manager.p));
        c += n ? n : 1;
    }
}

static void check_field_validation(struct request *rq, struct field_errors *errs)
{
    static const char *const values[] = {"", "Ignore", "Strict", "Warn", NULL};
    struct str v = request_param(rq, "fieldValidation");
    struct path p = at("fieldValidation");

    if (str_eqz(v, "Ignore"))
        rq->write.field_validation = FIELDS_IGNORE;
    else if (str_eqz(v, "Strict"))
        rq->write.field_validation = FIELDS_STRICT;
    else if (str_empty(v) || str_eqz(v, "Warn"))
        rq->write.field_validation = FIELDS_WARN;
    else
        err_not_supported(errs, &p, v, values);
}

static struct str default_manager(const struct request *rq)
{
    struct str rest, agent = http_header_find(rq->head, "user-agent");

    return str_sub(str_cut(agent, '/', &rest), 0, FIELD_MANAGER_MAX);
}

static enum stage_result take_write(struct request *rq, const char *kind)
{
    struct write_options *o = &rq->write;
    struct field_errors errs = {.arena = rq->arena};
    struct string_list dry_run = dry_run_params(rq);
    struct path p_force = at("force");
    int force = take_bool(rq, "force");

    o->force_set = force >= 0;
    o->force = force > 0;
    if (rq->verb == VERB_PATCH && o->force_set)
        err_forbidden(&errs, &p_force, "may not be specified for non-apply patch");
    o->field_manager = request_param(rq, "fieldManager");
    check_field_manager(o->field_manager, &errs);
    check_dry_run(&dry_run, &errs, &o->dry_run);
    check_field_validation(rq, &errs);
    if (errs.n)
        return request_fail_invalid(rq, META_GROUP, kind, STR(""), &errs);
    if (str_empty(o->field_manager))
        o->field_manager = default_manager(rq);
    return STAGE_NEXT;
}

/* ---- delete ---- */

static void take_propagation(struct request *rq, const struct meta_delete_options *d,
                             struct field_errors *errs)
{
    static const char *const values[] = {"Background", "Foreground", "Orphan", "nil", NULL};
    struct path p = at("propagationPolicy");
    struct delete_options *o = &rq->del;

    if (d->orphan_dependents) {
        o->propagation = *d->orphan_dependents ? PROPAGATE_ORPHAN : PROPAGATE_BACKGROUND;
        o->orphan_dependents_false = !*d->orphan_dependents;
    }
    if (!d->propagation_policy)
        return;
    if (d->orphan_dependents)
        err_invalid(errs, &p, doc_string(*d->propagation_policy),
                    "orphanDependents and deletionPropagation cannot be both set");
    if (str_eqz(*d->propagation_policy, "Orphan"))
        o->propagation = PROPAGATE_ORPHAN;
    else if (str_eqz(*d->propagation_policy, "Background"))
        o->propagation = PROPAGATE_BACKGROUND;
    else if (str_eqz(*d->propagation_policy, "Foreground"))
        o->propagation = PROPAGATE_FOREGROUND;
    else
        err_not_supported(errs, &p, *d->propagation_policy, values);
}

enum stage_result options_take_delete(struct request *rq, const struct meta_delete_options *d)
{
    struct field_errors errs = {.arena = rq->arena};
    struct delete_options *o = &rq->del;

    if (!d)
        return STAGE_NEXT;
    o->grace_sec = d->grace_period_seconds ? *d->grace_period_seconds : -1;
    if (d->grace_period_seconds && o->grace_sec < 0)
        o->grace_sec = 1; /* upstream's reading of a negative grace */
    if (d->preconditions && d->preconditions->uid)
        o->uid = *d->preconditions->uid;
    if (d->preconditions && d->preconditions->resource_version)
        o->resource_version = *d->preconditions->resource_version;
    take_propagation(rq, d, &errs);
    check_dry_run(&d->dry_run, &errs, &rq->write.dry_run);
    if (errs.n)
        return request_fail_invalid(rq, META_GROUP, "DeleteOptions", STR(""), &errs);
    return STAGE_NEXT;
}

static enum stage_result options_from_query(struct request *rq, struct meta_delete_options *d)
{
    struct str policy = request_param(rq, "propagationPolicy");
    int orphan = take_bool(rq, "orphanDependents");
    int64_t *grace = arena_new(rq->arena, int64_t);
    bool *orphan_p = arena_new(rq->arena, bool);
    struct str *policy_p = arena_new(rq->arena, struct str);
    enum stage_result r = take_int(rq, "gracePeriodSeconds", 0, grace);

    if (r != STAGE_NEXT)
        return r;
    *orphan_p = orphan > 0;
    *policy_p = policy;
    if (request_param(rq, "gracePeriodSeconds").len)
        d->grace_period_seconds = grace;
    if (orphan >= 0)
        d->orphan_dependents = orphan_p;
    if (policy.len)
        d->propagation_policy = policy_p;
    d->dry_run = dry_run_params(rq);
    return STAGE_NEXT;
}

static int parse_options_body(struct request *rq, struct meta_delete_options *d, struct err *err)
{
    const struct type *type = &type_meta_delete_options;
    struct pb_envelope env;
    struct doc doc = doc_null();
    int r;

    if (rq->in_media == MEDIA_PROTOBUF) {
        r = pb_envelope_open(rq->body, &env, err);
        if (r == 0)
            r = typed_from_pb(type, env.raw, rq->arena, d, err);
        if (r == 0 && str_empty(d->kind))
            d->kind = env.kind;
        return r;
    }
    r = rq->in_media == MEDIA_YAML ? yaml_parse(rq->body, rq->arena, &doc, NULL, err)
                                   : json_parse(rq->body, rq->arena, &doc, NULL, err);
    return r < 0 ? r : typed_from_doc(type, &doc, rq->arena, d, err);
}

enum stage_result options_take_delete_body(struct request *rq)
{
    struct meta_delete_options *d = arena_new(rq->arena, struct meta_delete_options);
    struct err err = {0};

    if (str_empty(rq->body)) {
        enum stage_result r = options_from_query(rq, d);

        return r == STAGE_NEXT ? options_take_delete(rq, d) : r;
    }
    if (parse_options_body(rq, d, &err) < 0)
        return request_failf(rq, ERR_BAD_REQUEST,
                             "DeleteOptions in version \"v1\" cannot be handled as a "
                             "DeleteOptions: %s",
                             err.msg);
    if (d->kind.len && !str_eqz(d->kind, "DeleteOptions"))
        return request_failf(rq, ERR_BAD_REQUEST,
                             "decoded object cannot be converted to DeleteOptions");
    return options_take_delete(rq, d);
}

/* ---- all ---- */

static enum stage_result take_timeout(struct request *rq)
{
    struct str v = request_param(rq, "timeout");
    struct err err = {0};
    int64_t ns, max_ms = rq->as->opts.request_timeout_ms;

    if (str_empty(v) || request_long_running(rq))
        return STAGE_NEXT;
    if (duration_parse(v, &ns, &err) < 0)
        return request_failf(rq, ERR_BAD_REQUEST, "invalid timeout specified in the request URL");
    if (ns > 0 && ns / 1000000 < max_ms)
        request_deadline(rq, (uint32_t)MAX(ns / 1000000, 1));
    return STAGE_NEXT;
}

static enum stage_result take_get(struct request *rq)
{
    rq->list.resource_version = request_param(rq, "resourceVersion");
    return take_revision(rq);
}

enum stage_result stage_options(struct request *rq)
{
    enum stage_result r = take_timeout(rq);

    if (r != STAGE_NEXT || !rq->is_resource || !rq->res)
        return r;
    if (str_eqz(rq->sub, "proxy"))
        return STAGE_NEXT; /* query and body are the backend's */
    switch (rq->verb) {
    case VERB_GET:
        return rq->sub.len && !rq->subres ? STAGE_NEXT : take_get(rq);
    case VERB_LIST:
    case VERB_WATCH:
        return take_list(rq);
    case VERB_CREATE:
        return take_write(rq, "CreateOptions");
    case VERB_UPDATE:
        return take_write(rq, "UpdateOptions");
    case VERB_PATCH:
        return take_write(rq, "PatchOptions");
    case VERB_DELETE:
        return options_take_delete_body(rq);
    case VERB_DELETECOLLECTION:
        r = take_list(rq);
        return r == STAGE_NEXT ? options_take_delete_body(rq) : r;
    case VERB__N:
        return STAGE_NEXT;
    }
    return STAGE_NEXT;
}
