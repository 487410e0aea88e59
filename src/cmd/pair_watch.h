/* pair_watch.h - a certificate and its key in files, taken anew while a TLS context is in use.
 * Layer: cmd. Threads: the loop's; looking blocks on the disk. */
#pragma once
#include "base/loop.h"
#include "net/tls.h"

struct pair_watch;
/** Of @context, which has @cert and @key of the files @cert_path and @key_path (all but the context
 *  copied; it must live on). @what is named in the log: static. */
struct pair_watch *pair_watch_new(const char *what, struct tls_context *context,
                                  const char *cert_path, const char *key_path, struct str cert,
                                  struct str key);
/** Looks at the files from now on, every two seconds: the context gets what is new. */
void pair_watch_start(struct pair_watch *w, struct loop *loop);
struct pair_watch *pair_watch_free(struct pair_watch *w); /** NULL is a no-op; returns NULL. */
