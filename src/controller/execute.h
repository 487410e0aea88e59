/* execute.h - carries out a plan: batches in order, the ops of a batch in parallel.
 *
 * Creates of a batch start slowly - 1, then 2, 4, 8 ... - so that a refusal that would meet all of
 * them (a quota, a webhook) is met by few. The first failure ends the plan after what is under way.
 * Layer: controller. Threads: the client's loop. */
#pragma once
#include "client/events.h"
#include "controller/controller.h"

/**
 * Runs @p with @c; Events go to @r. @on_op after each op, @on_end once at the end, never from
 * inside this call unless the plan is empty. @p must live until then.
 */
void execute_plan(struct client *c, struct event_recorder *r, const struct plan *p,
                  void (*on_op)(void *arg, const struct plan_op *op, const struct client_result *r),
                  void (*on_end)(void *arg), void *arg);
/** "create", "update", ... */
const char *plan_op_name(enum plan_op_kind kind);
