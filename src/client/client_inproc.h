/* client_inproc.h - the transport into an API server of the same process. Layer: client. */
#pragma once
#include "client/client.h"

struct apiserver;
/** A client as @user of @groups (NULL-terminated, static) on loop @l. @as is borrowed. */
struct client *client_inproc_new(struct apiserver *as, struct loop *l, const char *user,
                                 const char *const *groups);
