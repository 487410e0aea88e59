/* cmd.h - the subcommands of skiff: one file each, one line in the table of main.c.
 * Layer: cmd. Threads: main thread. */
#pragma once
#include "base/err.h"

struct command {
    const char *name;    /* "server" */
    const char *summary; /* one line of `skiff --help` */
    /* @argv[0] is the subcommand's name. Returns the exit status. */
    int (*run)(int argc, char **argv);
};
int cmd_server(int argc, char **argv);  /** All components in one process. */
int cmd_apiserver(int argc, char **argv); /** The API server alone. */
int cmd_check(int argc, char **argv);   /** What this machine lacks, and what to do about it. */
int cmd_etcd(int argc, char **argv);    /** The store alone, as an etcd. */
int cmd_snapshot(int argc, char **argv); /** Saves, checks and restores the embedded store. */
int cmd_version(int argc, char **argv); /** Prints version and build. */
int cmd_kubectl(int argc, char **argv); /** The command-line client. */
