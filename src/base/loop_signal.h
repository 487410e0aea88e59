/* loop_signal.h - process signals as loop events. Production loops only.
 * Layer: base. Threads: the loop's. */
#pragma once
#include "base/loop.h"

struct loop_signal;
/** Runs @fn(@arg) on @l each time the process gets @signum. Does not hold the loop alive. */
struct loop_signal *loop_signal_new(struct loop *l, int signum, void (*fn)(void *arg), void *arg);
/** Stops it; the memory is freed by the loop. NULL is a no-op; returns NULL. */
struct loop_signal *loop_signal_free(struct loop_signal *s);
