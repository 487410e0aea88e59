/* cron.h - schedules of cron jobs: "0 3 * * 1-5", "@daily", "@every 90s".
 * Layer: api. Threads: any. */
#pragma once
#include "base/err.h"
#include "base/str.h"

struct cron_schedule {                          /* bit n of a mask: the value n matches */
    uint64_t minute, hour, day, month, weekday; /* days and months from 1, weekdays from Sunday */
    bool any_day, any_weekday; /* "*": then the other one alone decides, else either does */
    int64_t every_sec;         /* of "@every"; 0: the masks count */
};

/** Parses a schedule. ERR_INVALID with the texts that cron users know. */
MUST_USE int cron_parse(struct str text, struct cron_schedule *ret_s, struct err *err);
