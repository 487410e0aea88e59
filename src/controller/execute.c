/* SPDX-License-Identifier: Apache-2.0 */
#include "controller/execute.h"

struct run {
    struct client *client;
    struct event_recorder *recorder;
    const struct plan *plan;
    void (*on_op)(void *arg, const struct plan_op *op, const struct client_result *r);
    void (*on_end)(void *arg);
    void *arg;
    size_t next; /* op to start next */
    size_t in_flight;
    size_t slow; /* creates that may start in the present step */
    unsigned batch;
    bool failed, stepping;
};
struct op_call {
    struct run *run;
    const struct plan_op *op;
};

const char *plan_op_name(enum plan_op_kind kind)
{
    static const char *const names[] = {[PLAN_CREATE] = "create",
                                        [PLAN_UPDATE] = "update",
                                        [PLAN_UPDATE_STATUS] = "update status of",
                                        [PLAN_PATCH] = "patch",
                                        [PLAN_DELETE] = "delete",
                                        [PLAN_DELETE_COLLECTION] = "delete collection of",
                                        [PLAN_CONFIRM_EMPTY] = "look for",
                                        [PLAN_CONFIRM_ABSENT] = "look for"};

    return names[kind];
}

/* @text with {name} and {error} filled in. */
static struct str expand(struct arena *a, const char *text, struct str name, const char *error)
{
    auto_buf b = {0};

    for (const char *p = text; *p;) {
        if (strncmp(p, "{name}", 6) == 0) {
            buf_str(&b, name);
            p += 6;
        } else if (strncmp(p, "{error}", 7) == 0) {
            buf_puts(&b, error);
            p += 7;
        } else {
            buf_putc(&b, *p++);
        }
    }
    return str_dup(a, buf_view(&b));
}

static void tell(struct run *run, const struct plan_op *op, const struct client_result *r)
{
    auto_arena a = {0};
    struct event_target target;
    struct str name = r->object ? r->object->name : op->name, text;

    if (!op->event_on)
        return;
    target = event_target_of(op->event_on);
    if (r->code == 0 && op->ok_reason) {
        text = expand(&a, op->ok_text, name, "");
        event_record(run->recorder, &target, "Normal", op->ok_reason, "%.*s", STR_ARG(text));
    } else if (r->code < 0 && r->code != ERR_CANCELED && op->fail_reason) {
        text = expand(&a, op->fail_text, name, r->err->msg);
        event_record(run->recorder, &target, "Warning", op->fail_reason, "%.*s", STR_ARG(text));
    }
}

static void step(struct run *run);

static bool harmless(const struct plan_op *op, int code)
{
    return (code == ERR_EXISTS && op->ignore_exists) ||
           (code == ERR_NOT_FOUND && op->ignore_missing);
}

/* Turns the answer to a list into that of CONFIRM_EMPTY. */
static struct client_result confirm_empty(const struct plan_op *op, const struct client_result *r,
                                          struct err *err)
{
    struct client_result result = {.err = err};

    if (r->code < 0)
        return *r;
    if (r->n_objects > 0)
        result.code = err_new(err, ERR_CONFLICT, "%zu %s of %.*s are still there", r->n_objects,
                              op->res->plural, STR_ARG(op->ns));
    return result;
}

/* Turns the answer to a GET into that of CONFIRM_ABSENT. */
static struct client_result confirm(const struct plan_op *op, const struct client_result *r,
                                    struct err *err)
{
    struct client_result result = {.err = err};

    if (r->code == ERR_NOT_FOUND)
        return result;
    if (r->code < 0)
        return *r;
    if (op->uid.len == 0 || str_eq(r->object->uid, op->uid))
        result.code = err_new(err, ERR_CONFLICT, "%s \"%.*s\" is still there", op->res->plural,
                              STR_ARG(op->name));
    return result;
}

static void on_answer(void *arg, const struct client_result *r)
{
    struct op_call *call = arg;
    struct run *run = call->run;
    struct client_result confirmed;
    struct err err = {0};

    if (call->op->kind == PLAN_CONFIRM_ABSENT) {
        confirmed = confirm(call->op, r, &err);
        r = &confirmed;
    } else if (call->op->kind == PLAN_CONFIRM_EMPTY) {
        confirmed = confirm_empty(call->op, r, &err);
        r = &confirmed;
    }
    if (r->code < 0 && !harmless(call->op, r->code))
        run->failed = true;
    if (!harmless(call->op, r->code))
        tell(run, call->op, r);
    run->on_op(run->arg, call->op, r);
    run->in_flight--;
    free(call);
    step(run);
}

static void start_op(struct run *run, const struct plan_op *op)
{
    struct op_call *call = xnew(struct op_call);
    struct client_opts opts = {.sub = op->sub,
                               .uid_precondition = op->uid,
                               .rv_precondition = op->rv,
                               .propagation = op->propagation,
                               .grace_sec_plus1 = op->grace_sec_plus1};

    call->run = run;
    call->op = op;
    run->in_flight++;
    switch (op->kind) {
    case PLAN_CREATE:
        client_create(run->client, op->res, op->ns, op->sub ? op->name : STR_NULL, op->body_type,
                      op->obj, &opts, on_answer, call);
        return;
    case PLAN_UPDATE_STATUS:
        opts.sub = "status";
        client_update(run->client, op->res, op->ns, op->name, op->obj, &opts, on_answer, call);
        return;
    case PLAN_UPDATE:
        client_update(run->client, op->res, op->ns, op->name, op->obj, &opts, on_answer, call);
        return;
    case PLAN_PATCH:
        client_patch(run->client, op->res, op->ns, op->name, op->patch_type, op->patch, &opts,
                     on_answer, call);
        return;
    case PLAN_DELETE:
        client_delete(run->client, op->res, op->ns, op->name, &opts, on_answer, call);
        return;
    case PLAN_DELETE_COLLECTION:
        client_delete_collection(run->client, op->res, op->ns, &opts, on_answer, call);
        return;
    case PLAN_CONFIRM_EMPTY:
        client_list(run->client, op->res, op->ns, NULL, on_answer, call);
        return;
    case PLAN_CONFIRM_ABSENT:
        client_get(run->client, op->res, op->ns, op->name, NULL, on_answer, call);
        return;
    }
}

/* Starts what may start now; ends the run when nothing is left. */
static void step(struct run *run)
{
    const struct plan *p = run->plan;

    if (run->in_flight > 0)
        return;
    if (run->failed || run->next == p->n) {
        void (*on_end)(void *arg) = run->on_end;
        void *arg = run->arg;

        free(run);
        on_end(arg);
        return;
    }
    if (p->batches[run->next] != run->batch) {
        run->batch = p->batches[run->next];
        run->slow = 1;
    }
    for (size_t creates = 0; run->next < p->n && p->batches[run->next] == run->batch;) {
        const struct plan_op *op = &p->ops[run->next];

        if (op->kind == PLAN_CREATE && creates++ == run->slow)
            break;
        run->next++;
        start_op(run, op);
    }
    run->slow *= 2;
}

void execute_plan(struct client *c, struct event_recorder *r, const struct plan *p,
                  void (*on_op)(void *arg, const struct plan_op *op, const struct client_result *r),
                  void (*on_end)(void *arg), void *arg)
{
    struct run *run = xnew(struct run);

    run->client = c;
    run->recorder = r;
    run->plan = p;
    run->on_op = on_op;
    run->on_end = on_end;
    run->arg = arg;
    run->slow = 1;
    for (size_t i = 0; i < p->n_events; i++) {
        const struct plan_event_text *e = &p->events[i];
        struct event_target target = event_target_of(e->on);

        event_record(r, &target, e->type, e->reason, "%.*s", STR_ARG(e->text));
    }
    step(run);
}
