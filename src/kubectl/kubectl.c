/* SPDX-License-Identifier: Apache-2.0 */
/* kubectl.c - `skiff kubectl`: flags, the table of commands, the connection. */
#include "kubectl/kubectl.h"

#include "codec/timefmt.h"
#include "kubectl/main.h"

static const struct kubectl_command commands[] = {
    {"get",
     "get (TYPE[/NAME] ... | --raw PATH) [-o wide|json|yaml|name|jsonpath=T] [-w] [-A] "
     "[-l SELECTOR]",
     "show objects", kubectl_get},
    {"describe", "describe TYPE [NAME]", "tell about objects and their events", kubectl_describe},
    {"apply", "apply -f FILE", "make objects be as files say", kubectl_apply},
    {"create",
     "create (-f FILE | namespace NAME | deployment NAME --image=I | "
     "configmap NAME --from-literal=K=V)",
     "create objects", kubectl_create},
    {"delete", "delete (-f FILE | TYPE NAME ... | TYPE --all | TYPE -l SELECTOR)", "delete objects",
     kubectl_delete},
    {"logs", "logs POD [-c CONTAINER] [-f] [-p] [--tail=N] [--since=D]", "print a container's log",
     kubectl_logs},
    {"exec", "exec POD [-c CONTAINER] [-i] [-t] -- COMMAND [ARG...]",
     "run a command in a container", kubectl_exec},
    {"wait", "wait TYPE/NAME --for=(condition=C[=V] | delete | jsonpath=P=V) [--timeout=30s]",
     "wait until something is so", kubectl_wait},
};

struct flag_def {
    const char *name; /* long */
    char letter;      /* or 0 */
    enum { TEXT, SWITCH, LIST } kind;
    size_t offset, count_offset;
    const char *help;
};
#define AT(member) offsetof(struct kubectl, member)
static const struct flag_def flags[] = {
    {"kubeconfig", 0, TEXT, AT(kubeconfig), 0, "file that names the cluster and who you are"},
    {"context", 0, TEXT, AT(context), 0, "context of the kubeconfig"},
    {"namespace", 'n', TEXT, AT(ns), 0, "namespace to work in"},
    {"output", 'o', TEXT, AT(output), 0, "form: wide, json, yaml, name, jsonpath=TEMPLATE"},
    {"selector", 'l', TEXT, AT(selector), 0, "only objects whose labels match"},
    {"field-selector", 0, TEXT, AT(field_selector), 0, "only objects whose fields match"},
    {"filename", 'f', LIST, AT(files), AT(n_files), "file, folder, or - for standard input"},
    {"all-namespaces", 'A', SWITCH, AT(all_namespaces), 0, "objects of every namespace"},
    {"watch", 'w', SWITCH, AT(watch), 0, "go on and show changes"},
    {"follow", 0, SWITCH, AT(follow), 0, "go on and show what comes"},
    {"stdin", 'i', SWITCH, AT(stdin_), 0, "pass standard input on"},
    {"tty", 't', SWITCH, AT(tty), 0, "standard input is a terminal"},
    {"previous", 'p', SWITCH, AT(previous), 0, "of the container's former run"},
    {"timestamps", 0, SWITCH, AT(timestamps), 0, "with the time of each line"},
    {"no-headers", 0, SWITCH, AT(no_headers), 0, "without the names of columns"},
    {"all", 0, SWITCH, AT(all), 0, "all objects of the type"},
    {"show-labels", 0, SWITCH, AT(show_labels), 0, "with the labels"},
    {"force", 0, SWITCH, AT(force), 0, "at once, without waiting for the node"},
    {"ignore-not-found", 0, SWITCH, AT(ignore_not_found), 0, "a missing object is fine"},
    {"all-containers", 0, SWITCH, AT(all_containers), 0, "of every container"},
    {"container", 'c', TEXT, AT(container), 0, "container of the pod"},
    {"raw", 0, TEXT, AT(raw), 0, "path to ask the server for as it is"},
    {"tail", 0, TEXT, AT(tail), 0, "only so many last lines"},
    {"since", 0, TEXT, AT(since), 0, "only what is younger, e.g. 10m"},
    {"for", 0, TEXT, AT(condition), 0, "what to wait for"},
    {"timeout", 0, TEXT, AT(timeout), 0, "how long to wait, e.g. 30s"},
    {"image", 0, TEXT, AT(image), 0, "image of the container"},
    {"replicas", 0, TEXT, AT(replicas), 0, "number of pods"},
    {"port", 0, TEXT, AT(port), 0, "port of the container"},
    {"cascade", 0, TEXT, AT(cascade), 0, "background, foreground or orphan"},
    {"grace-period", 0, TEXT, AT(grace_period), 0, "seconds that pods get to end"},
    {"dry-run", 0, TEXT, AT(dry_run), 0, "server: change nothing; client: only print"},
    {"from-literal", 0, LIST, AT(literals), AT(n_literals), "key=value of a ConfigMap or Secret"},
    {"wait", 0, SWITCH, AT(wait), 0, "wait until deleted objects are gone"},
};

static const struct flag_def *find_flag(struct str name)
{
    for (size_t i = 0; i < ARRAY_LEN(flags); i++) {
        if (str_eqz(name, flags[i].name) ||
            (name.len == 1 && flags[i].letter && name.p[0] == flags[i].letter))
            return &flags[i];
    }
    return NULL;
}

static void add_to(struct kubectl *k, const char ***list, size_t *n, const char *text)
{
    *list = arena_grow(&k->arena, *list, *n, *n + 1, sizeof(**list));
    (*list)[(*n)++] = text;
}

static bool set_flag(struct kubectl *k, const struct flag_def *f, const char *value)
{
    char *at = (char *)k + f->offset;

    switch (f->kind) {
    case TEXT:
        *(const char **)(void *)at = value;
        return true;
    case SWITCH:
        *(bool *)at = !value || strcmp(value, "true") == 0;
        return true;
    case LIST:
        add_to(k, (const char ***)(void *)at, (size_t *)(void *)((char *)k + f->count_offset),
               value);
        return true;
    }
    return false;
}

/* "-it" is "-i -t"; the last letter of such a word may take a value. */
static bool parse_letters(struct kubectl *k, const char *arg, const char *next, bool *ret_used)
{
    for (const char *p = arg + 1; *p; p++) {
        const struct flag_def *f = find_flag((struct str){p, 1});

        /* -f is a file for most commands, and "go on" for logs. */
        if (*p == 'f' && k->n_words > 0 && strcmp(k->words[0], "logs") == 0) {
            k->follow = true;
            continue;
        }
        if (!f)
            return fail("unknown flag -%c; see --help", *p) < 0;
        if (f->kind == SWITCH) {
            set_flag(k, f, NULL);
            continue;
        }
        if (p[1] == '=' || p[1] != '\0')
            return set_flag(k, f, p[1] == '=' ? p + 2 : p + 1);
        if (!next)
            return fail("flag -%c needs a value", *p) < 0;
        *ret_used = true;
        return set_flag(k, f, next);
    }
    return true;
}

static bool parse_long(struct kubectl *k, const char *arg, const char *next, bool *ret_used)
{
    struct str value = STR_NULL, name = str_cut(str_from(arg + 2), '=', &value);
    const struct flag_def *f = find_flag(name);

    if (!f || name.len == 1)
        return fail("unknown flag --%.*s; see --help", STR_ARG(name)) < 0;
    if (value.p || f->kind == SWITCH)
        return set_flag(k, f, value.p);
    if (!next)
        return fail("flag --%s needs a value", f->name) < 0;
    *ret_used = true;
    return set_flag(k, f, next);
}

static bool parse(struct kubectl *k, int argc, char **argv)
{
    for (int i = 1; i < argc; i++) {
        bool used = false, good = true;

        if (strcmp(argv[i], "--") == 0) {
            k->command = (const char **)(void *)&argv[i + 1];
            k->n_command = (size_t)(argc - i - 1);
            return true;
        }
        if (argv[i][0] == '-' && argv[i][1] == '-')
            good = parse_long(k, argv[i], i + 1 < argc ? argv[i + 1] : NULL, &used);
        else if (argv[i][0] == '-' && argv[i][1])
            good = parse_letters(k, argv[i], i + 1 < argc ? argv[i + 1] : NULL, &used);
        else
            add_to(k, &k->words, &k->n_words, argv[i]);
        if (!good)
            return false;
        i += used;
    }
    return true;
}

static void help(FILE *out)
{
    fprintf(out, "skiff kubectl - control a cluster\n\nUsage:\n");
    for (size_t i = 0; i < ARRAY_LEN(commands); i++)
        fprintf(out, "  %s\n      %s\n", commands[i].usage, commands[i].help);
    fprintf(out, "\nFlags:\n");
    for (size_t i = 0; i < ARRAY_LEN(flags); i++) {
        char letter[8] = "";

        if (flags[i].letter)
            (void)snprintf(letter, sizeof(letter), "-%c, ", flags[i].letter);
        fprintf(out, "  %4s--%-18s %s\n", letter, flags[i].name, flags[i].help);
    }
}

static int open_client(struct kubectl *k)
{
    const char *path = k->kubeconfig ? k->kubeconfig : getenv("KUBECONFIG");
    const char *home = getenv("HOME");

    if (!path || !*path)
        path = arena_printf(&k->arena, "%s/.kube/config", home ? home : "");
    if (kubeconfig_load(path, k->context, &k->config, &k->err) < 0)
        return fail("%s (give --kubeconfig or set KUBECONFIG)", k->err.msg);
    if (client_https_new(k->loop, &k->config, &k->client, &k->err) < 0)
        return fail("%s", k->err.msg);
    return 0;
}

static const struct kubectl_command *find_command(const char *name)
{
    for (size_t i = 0; name && i < ARRAY_LEN(commands); i++) {
        if (strcmp(commands[i].name, name) == 0)
            return &commands[i];
    }
    return NULL;
}

int kubectl_main(int argc, char **argv)
{
    struct kubectl k = {.wait = true};
    const struct kubectl_command *c;
    int status = 1;

    for (int i = 1; i < argc && strcmp(argv[i], "--") != 0; i++) {
        if (strcmp(argv[i], "--help") == 0 || strcmp(argv[i], "-h") == 0) {
            help(stdout);
            return 0;
        }
    }
    if (!parse(&k, argc, argv)) {
        arena_deinit(&k.arena);
        return 1;
    }
    c = find_command(k.n_words > 0 ? k.words[0] : NULL);
    if (!c) {
        if (k.n_words > 0)
            (void)fail("unknown command \"%s\"", k.words[0]);
        help(stderr);
        arena_deinit(&k.arena);
        return 1;
    }
    k.words++;
    k.n_words--;
    k.loop = loop_new("kubectl");
    if (open_client(&k) == 0) {
        status = c->run(&k);
        k.client = client_free(k.client);
        loop_run(k.loop);
    }
    (void)fflush(stdout);
    k.loop = loop_free(k.loop);
    kubeconfig_deinit(&k.config);
    arena_deinit(&k.arena);
    return status;
}
