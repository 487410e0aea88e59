/* flags.h - command-line flags from a table: --name=value, --name value, --bool, --help.
 * Layer: cmd. Threads: main thread. */
#pragma once
#include "base/err.h"
#include <stdio.h>

enum flag_kind { FLAG_STRING, FLAG_BOOL, FLAG_INT, FLAG_DURATION /* ms, from "10s" */ };
struct flag {
    const char *name;
    enum flag_kind kind;
    void *value;          /* const char **, bool *, int64_t *, int64_t * */
    const char *argument; /* shown in help: "DIR"; NULL for booleans */
    const char *help;
};
enum { FLAGS_HELP = 1 }; /* --help was asked for */
/**
 * Parses @argv[1..]: sets the values of @flags (ended by a NULL name), which hold the defaults.
 * Words that are no flags are moved to the front of argv[1..], *@ret_words of them.
 * Returns 0, FLAGS_HELP, or ERR_BAD_REQUEST ("unknown flag --x; see --help").
 */
MUST_USE int flags_parse(const struct flag *flags, int argc, char **argv, int *ret_words,
                         struct err *err);
/** Sets one of @flags to what @text says; a string points to @text. ERR_BAD_REQUEST (unknown,
 *  bad). */
MUST_USE int flags_set(const struct flag *flags, const char *name, const char *text,
                       struct err *err);
/** Prints @usage and a line for each flag with its default. */
void flags_help(const struct flag *flags, const char *usage, FILE *out);
/** Sets the log's level to what --log-level says. ERR_BAD_REQUEST. */
MUST_USE int flags_set_log_level(const char *level, struct err *err);
