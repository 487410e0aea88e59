/* fresh.h - reads at a revision that this server has not seen yet: wait a little for it, then give
 * up. Internal to apiserver/. Layer: apiserver. Threads: the request's loop. */
#pragma once
#include "apiserver/stages.h"

enum { FRESH_WAIT_MS = 3000 };
/** STAGE_NEXT if the store has reached @revision. Else waits (STAGE_WAIT) and then runs @again, or
 *  answers with 504 "Too large resource version" after FRESH_WAIT_MS. */
enum stage_result fresh_wait(struct request *rq, int64_t revision, stage_fn again);
