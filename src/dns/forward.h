/* forward.h - asks the servers of resolv.conf what is not ours, each question from a fresh random
 * port with a random id. Bounded. Layer: dns. Threads: its loop. */
#pragma once
#include "base/loop.h"
#include "base/str.h"

enum { FORWARD_MAX = 512, FORWARD_TIMEOUT_MS = 2000, FORWARD_SERVERS_MAX = 3 };
struct forwarder;
/** Reads the name servers of @resolv_conf; without any, questions fail at once. @skip is left out
 *  (our own address). @port is the servers' port, 53 but for tests. */
struct forwarder *forwarder_new(struct loop *l, const char *resolv_conf, const char *skip,
                                uint16_t port);
/** Answers what is under way with an empty answer, then frees. NULL is a no-op; returns NULL. */
struct forwarder *forwarder_free(struct forwarder *f);
/** Asks @query (copied). @done(arg, answer) comes once, never from inside this call, with the
 *  query's own id; @answer is borrowed, empty if no server answered. */
void forward_query(struct forwarder *f, struct str query,
                   void (*done)(void *arg, struct str answer), void *arg);
