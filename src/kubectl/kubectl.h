/* kubectl.h - the command-line client: what its commands share.
 *
 * One command runs at a time: requests are made one after another on a loop of the command's own,
 * which runs until the answer is there. A command is one file, and one line in the table of
 * kubectl.c. Layer: kubectl. Threads: main thread. */
#pragma once
#include "api/api.h"
#include "base/buf.h"
#include "client/client_https.h"
#include <stdio.h>

struct kubectl {
    struct loop *loop;
    struct client *client;
    struct kubeconfig config;
    struct arena arena; /* of the command's run */
    struct err err;
    /* Flags that many commands share. */
    const char *kubeconfig, *context, *ns, *output, *selector, *field_selector;
    const char **files;      /* -f, n_files of them */
    size_t n_files;
    bool all_namespaces, watch, follow, stdin_, tty, previous, timestamps, no_headers, all;
    bool show_labels, force, wait, ignore_not_found, all_containers;
    const char *container, *raw, *tail, *since, *condition, *timeout, *image, *replicas, *cascade;
    const char *grace_period, *dry_run, *port;
    const char **literals;   /* --from-literal */
    size_t n_literals;
    const char **words;      /* arguments that are no flags */
    size_t n_words;
    const char **command;    /* what follows "--" */
    size_t n_command;
};
struct kubectl_command {
    const char *name, *usage, *help;
    /* Returns the exit status; prints its own errors. */
    int (*run)(struct kubectl *k);
};
/* Each in its own file. */
int kubectl_get(struct kubectl *k);      /** Lists objects as a table, or in another form. */
int kubectl_apply(struct kubectl *k);    /** Makes objects be as the files say. */
int kubectl_create(struct kubectl *k);   /** Creates objects. */
int kubectl_delete(struct kubectl *k);   /** Deletes objects. */
int kubectl_logs(struct kubectl *k);     /** Prints a container's log. */
int kubectl_exec(struct kubectl *k);     /** Runs a command in a container. */
int kubectl_wait(struct kubectl *k);     /** Waits for a condition or a deletion. */
int kubectl_describe(struct kubectl *k); /** Tells about objects and their events. */

struct answer { /* to a request; body in k->arena */
    int status;
    struct str body;
};
/** Sends and waits for the whole answer. @type NULL: no body type; @accept NULL: JSON. Any HTTP
 *  status is success; ERR_* only if no answer came. */
MUST_USE int request(struct kubectl *k, const char *method, struct str target, const char *accept,
                     const char *type, struct str body, struct answer *ret_a);
/** As request(), handing pieces of a successful body to @on_data as they come. */
MUST_USE int request_stream(struct kubectl *k, struct str target, const char *accept,
                            void (*on_data)(void *arg, struct str piece), void *arg,
                            struct answer *ret_a);
/** Prints "Error from server (NotFound): ..." from a Status body; returns 1. */
int print_status(const struct answer *a);
/** Prints "error: ..." with printf text to standard error; returns 1. */
int fail(const char *fmt, ...) PRINTF_LIKE(1, 2);

/** The resource that a user calls @word ("po", "deployments.apps", "Deployment"), or NULL. */
const struct resource *find_resource(struct str word);
/** The namespace to work in. */
struct str effective_namespace(const struct kubectl *k);
/** "/api/v1/namespaces/ns/pods/name" in k->arena; @name may be empty. */
struct str path_of(struct kubectl *k, const struct resource *res, struct str ns, struct str name);
/** "pod/web" or "deployment.apps/web", as kubectl names objects. In k->arena. */
struct str short_name(struct kubectl *k, const struct resource *res, struct str name);
struct named { /* an object a command speaks of; name empty: all of the resource */
    const struct resource *res;
    struct str name;
};
/** Reads "pods", "pods a b", "pod/a svc/b" or "all" from k->words. Prints what is wrong. False on
 *  error. */
bool parse_names(struct kubectl *k, struct named **ret_n, size_t *ret_count);
struct manifest { /* an object in a file */
    const struct resource *res;
    struct str ns, name; /* ns is the effective one */
    struct doc doc;
};
/** Reads all -f files ("-" is standard input; folders are read); Lists are opened. Prints what is
 *  wrong. */
bool read_manifests(struct kubectl *k, struct manifest **ret_m, size_t *ret_n);
/** Milliseconds from a flag like "30s"; @otherwise if NULL; -1 and a message if malformed. */
int64_t parse_timeout(const char *text, int64_t otherwise);
/** Lets the loop run for @ms. */
void pause_ms(struct kubectl *k, uint64_t ms);
/** Appends "?a=b" or "&a=b" escaped; *@sep starts as '?'. Nothing for NULL or empty values. */
void add_param(struct buf *b, char *sep, const char *name, const char *value);

/** Evaluates a JSONPath template ("{.items[*].metadata.name}") on @d. ERR_BAD_REQUEST. */
MUST_USE int jsonpath_print(struct str template_, const struct doc *d, struct buf *out,
                            struct err *err);
/** Prints @d as -o asks: json, yaml, name, jsonpath=... False and a message for unknown forms. */
bool print_object(struct kubectl *k, const struct doc *d);
/** Prints a Table document; @header false leaves the names of columns out; @prefix
 *  ("pod/", may be empty) goes before each object's name. */
void print_table(struct kubectl *k, const struct doc *table, bool header, struct str prefix);
