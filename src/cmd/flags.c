/* SPDX-License-Identifier: Apache-2.0 */
#include "cmd/flags.h"

#include "base/log.h"
#include "base/str.h"
#include "codec/timefmt.h"

static const struct flag *flag_find(const struct flag *flags, struct str name)
{
    for (const struct flag *f = flags; f->name; f++) {
        if (str_eqz(name, f->name))
            return f;
    }
    return NULL;
}

static int set_value(const struct flag *f, const char *text, struct err *err)
{
    int64_t ns;

    switch (f->kind) {
    case FLAG_STRING:
        *(const char **)f->value = text;
        return 0;
    case FLAG_BOOL:
        if (strcmp(text, "true") == 0 || strcmp(text, "1") == 0)
            *(bool *)f->value = true;
        else if (strcmp(text, "false") == 0 || strcmp(text, "0") == 0)
            *(bool *)f->value = false;
        else
            return err_new(err, ERR_BAD_REQUEST, "--%s: \"%s\" is neither true nor false", f->name,
                           text);
        return 0;
    case FLAG_INT:
        if (!str_to_i64(str_from(text), f->value))
            return err_new(err, ERR_BAD_REQUEST, "--%s: \"%s\" is no whole number", f->name, text);
        return 0;
    case FLAG_DURATION:
        if (duration_parse(str_from(text), &ns, err) < 0)
            return err_wrap(err, ERR_BAD_REQUEST, "--%s", f->name);
        if (ns < 0)
            return err_new(err, ERR_BAD_REQUEST, "--%s: \"%s\" is negative", f->name, text);
        *(int64_t *)f->value = ns / 1000000;
        return 0;
    }
    return err_new(err, ERR_INTERNAL, "--%s: unknown kind of flag", f->name);
}

/* One argument that begins with "--"; @next is what follows it. Sets *@ret_used to 1 if @next was
 * taken. */
static int parse_one(const struct flag *flags, const char *arg, const char *next, int *ret_used,
                     struct err *err)
{
    struct str value = STR_NULL;
    struct str name = str_cut(str_from(arg + 2), '=', &value);
    const struct flag *f = flag_find(flags, name);

    *ret_used = 0;
    if (!f)
        return err_new(err, ERR_BAD_REQUEST, "unknown flag --%.*s; see --help", STR_ARG(name));
    if (value.p)
        return set_value(f, value.p, err);
    if (f->kind == FLAG_BOOL)
        return set_value(f, "true", err);
    if (!next)
        return err_new(err, ERR_BAD_REQUEST, "--%s needs a value; see --help", f->name);
    *ret_used = 1;
    return set_value(f, next, err);
}

int flags_parse(const struct flag *flags, int argc, char **argv, int *ret_words, struct err *err)
{
    bool only_words = false;
    int words = 0;

    for (int i = 1; i < argc; i++) {
        char *arg = argv[i];
        int used, r;

        if (only_words || strncmp(arg, "-", 1) != 0 || strcmp(arg, "-") == 0) {
            argv[++words] = arg;
            continue;
        }
        if (strcmp(arg, "--") == 0) {
            only_words = true;
            continue;
        }
        if (strcmp(arg, "--help") == 0 || strcmp(arg, "-h") == 0)
            return FLAGS_HELP;
        if (strncmp(arg, "--", 2) != 0)
            return err_new(err, ERR_BAD_REQUEST, "unknown flag %s; see --help", arg);
        r = parse_one(flags, arg, i + 1 < argc ? argv[i + 1] : NULL, &used, err);
        if (r < 0)
            return r;
        i += used;
    }
    *ret_words = words;
    return 0;
}

int flags_set(const struct flag *flags, const char *name, const char *text, struct err *err)
{
    const struct flag *f = flag_find(flags, str_from(name));

    return f ? set_value(f, text, err) : err_new(err, ERR_BAD_REQUEST, "unknown flag --%s", name);
}

static void print_default(const struct flag *f, FILE *out)
{
    const char *s;

    switch (f->kind) {
    case FLAG_STRING:
        s = *(const char **)f->value;
        if (s && *s)
            fprintf(out, " (default %s)", s);
        return;
    case FLAG_BOOL:
        if (*(bool *)f->value)
            fprintf(out, " (default true)");
        return;
    case FLAG_INT:
        fprintf(out, " (default %lld)", (long long)*(int64_t *)f->value);
        return;
    case FLAG_DURATION:
        fprintf(out, " (default %lldms)", (long long)*(int64_t *)f->value);
        return;
    }
}

void flags_help(const struct flag *flags, const char *usage, FILE *out)
{
    fprintf(out, "%s\n\nFlags:\n", usage);
    for (const struct flag *f = flags; f->name; f++) {
        int n = fprintf(out, "  --%s%s%s", f->name, f->argument ? "=" : "",
                        f->argument ? f->argument : "");
        fprintf(out, "%*s%s", n < 38 ? 38 - n : 2, "", f->help);
        print_default(f, out);
        fputc('\n', out);
    }
}

int flags_set_log_level(const char *level, struct err *err)
{
    static const char *const names[] = {"debug", "info", "warn", "error"};

    for (size_t i = 0; i < ARRAY_LEN(names); i++) {
        if (strcmp(level, names[i]) == 0) {
            log_set_level((enum log_level)i);
            return 0;
        }
    }
    return err_new(err, ERR_BAD_REQUEST, "--log-level: \"%s\" is none of debug, info, warn, error",
                   level);
}
