/* driver.h - runs one controller: the only code of this folder that does I/O.
 * Layer: controller. Threads: the manager's loop. */
#pragma once
#include "controller/controller.h"
#include "controller/manager.h"

struct driver_opts {
    const struct controller *controller;
    struct informers *informers;            /* shared by all drivers; borrowed */
    struct client *client;                  /* with the controller's identity; borrowed */
    const struct controllers_opts *manager; /* borrowed */
};
/** Watches, and plans once the informers are synced. */
struct driver *driver_new(const struct driver_opts *opts);
/** Stops; what is under way ends first, so free the client (which cancels it) after this. Informers
 * must have been freed before. NULL is a no-op; returns NULL. */
struct driver *driver_free(struct driver *d);
