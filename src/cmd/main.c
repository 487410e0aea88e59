/* SPDX-License-Identifier: Apache-2.0 */
/* main.c - one binary, many commands: `skiff server`, or a link named after a command. */
#include "base/map.h"
#include "base/random.h"
#include "cmd/cmd.h"

#include <signal.h>
#include <stdio.h>

static const struct command commands[] = {
    {"server", "run a whole cluster in one process", cmd_server},
    {"apiserver", "run an API server, over an etcd that several may share", cmd_apiserver},
    {"etcd", "run the store alone, served as etcd v3", cmd_etcd},
    {"kubectl", "control a cluster: get, apply, logs, exec, ...", cmd_kubectl},
    {"snapshot", "save the state of a cluster to a file, check and restore it", cmd_snapshot},
    {"check", "tell what this machine lacks to run a node, and what to do", cmd_check},
    {"version", "print the version", cmd_version},
};

static void help(FILE *out)
{
    fprintf(out, "skiff - Kubernetes in one small binary\n\n"
                 "Usage: skiff COMMAND [flags]\n\nCommands:\n");
    for (size_t i = 0; i < ARRAY_LEN(commands); i++)
        fprintf(out, "  %-10s %s\n", commands[i].name, commands[i].summary);
    fprintf(out, "\n`skiff COMMAND --help` tells the flags of a command.\n");
}

static const struct command *command_find(const char *name)
{
    for (size_t i = 0; i < ARRAY_LEN(commands); i++) {
        if (strcmp(commands[i].name, name) == 0)
            return &commands[i];
    }
    return NULL;
}

int main(int argc, char **argv)
{
    const char *slash = strrchr(argv[0], '/');
    const char *self = slash ? slash + 1 : argv[0];
    const struct command *c = command_find(self);

    map_seed(random_u64(random_kernel()), random_u64(random_kernel()));
    (void)signal(SIGPIPE, SIG_IGN);
    if (c)
        return c->run(argc, argv);
    if (argc < 2) {
        help(stderr);
        return 2;
    }
    if (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0 ||
        strcmp(argv[1], "help") == 0) {
        help(stdout);
        return 0;
    }
    c = command_find(strcmp(argv[1], "--version") == 0 ? "version" : argv[1]);
    if (!c) {
        fprintf(stderr, "skiff: unknown command \"%s\"; `skiff --help` lists them\n", argv[1]);
        return 2;
    }
    return c->run(argc - 1, argv + 1);
}
