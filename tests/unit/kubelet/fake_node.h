/* fake_node.h - a kubelet under simulation: virtual time, an API and a runtime of memory.
 *
 * The fakes define the functions of cri.c, cri_events.c and of the kubelet's other half (volumes,
 * configuration, probes, node) themselves; the linker then leaves the real ones out. */
#pragma once
#include "test.h"
/* after test.h: cmocka wants to be first */
#include "kubelet/cri_events.h"
#include "kubelet/pod_internal.h"

struct fake_container {
    char *id, *sandbox, *name, *pod_uid, *pod_ns, *pod_name, *hash;
    uint32_t attempt;
    Runtime__V1__ContainerState state;
    int64_t created_ns, started_ns, finished_ns;
    int32_t exit_code;
    const char *reason;
    bool removed;
};
struct fake_sandbox {
    char *id, *pod_uid, *pod_ns, *pod_name;
    uint32_t attempt;
    int64_t created_ns;
    bool ready, removed;
};
struct fake_node {
    struct sim *sim;
    struct loop *loop;
    struct client *client;
    struct kubelet *kl;
    char dir[64];
    /* The API. */
    VEC(struct object *) objects;
    VEC(char *) events;         /* "Reason: message", in order */
    int64_t revision;
    unsigned patches, deletes;  /* of pods */
    int patch_code;             /* not 0: what status patches answer */
    /* The runtime. */
    VEC(struct fake_container *) containers;
    VEC(struct fake_sandbox *) sandboxes;
    unsigned next_id;
    unsigned runs, stops, pulls; /* sandboxes made, containers told to stop, images pulled */
    bool down;                  /* it does not answer */
    bool no_events;             /* exits are not told, only found */
    bool refuses_removal;       /* of sandboxes */
    bool keeps_failed;          /* a sandbox that failed leaves its record, as with containerd */
    const char *run_error, *create_error, *start_error, *pull_error; /* NULL: works */
    bool image_missing;
    int32_t stop_exit_code;     /* of a container that is told to stop */
    uint32_t stop_ms;           /* how long it takes for that */
    int64_t last_grace_sec;     /* of the last StopContainer */
    /* The other half. */
    const char *volumes_error, *config_error, *hook_error;
    unsigned setups, teardowns, probe_starts, probe_stops, hooks;
    uint32_t hook_ms;
    int64_t cpu_milli; /* allocatable; 0: unknown */
};
/** Sets up simulation, API and runtime; fake_start() starts the kubelet. For cmocka. */
int fake_setup(void **state);
int fake_teardown(void **state); /** Stops it and frees everything. */
void fake_start(struct fake_node *f);   /** Starts the kubelet, runs until it is idle. */
void fake_restart(struct fake_node *f); /** Another kubelet on the same API and runtime. */
/** Stores a pod made of @json (metadata.name "p" and uid "u1" are set if absent). */
void fake_pod(struct fake_node *f, const char *json);
/** Changes pod @name by a strategic merge patch @json, as a client would. */
void fake_patch(struct fake_node *f, const char *name, const char *json);
/** Marks pod @name as being deleted with @grace_sec, as the API server would. */
void fake_delete(struct fake_node *f, const char *name, int64_t grace_sec);
void fake_remove(struct fake_node *f, const char *name); /** Takes it away at once. */
/** The pod as the API has it, NULL if it is gone. */
const struct core_pod *fake_get(struct fake_node *f, const char *name);
void fake_run(struct fake_node *f, uint64_t ms); /** Lets virtual time pass. */
/** How often an event "Reason: message" that contains @text was recorded. */
unsigned fake_events(const struct fake_node *f, const char *text);
/** The newest container @name that is still in the runtime, or NULL. */
struct fake_container *fake_container(const struct fake_node *f, const char *name);
/** Ends a running container by itself. */
void fake_exit(struct fake_node *f, struct fake_container *c, int32_t code);
/** Containers that run. */
unsigned fake_running(const struct fake_node *f);
/** Containers in the runtime. */
unsigned fake_containers(const struct fake_node *f);
/** Sandboxes in the runtime. */
unsigned fake_sandboxes(const struct fake_node *f);
/** The status of container @name in @pod; fails the test if there is none. */
const struct core_container_status *fake_status(const struct core_pod *pod, const char *name);
/** The condition @type; fails the test if there is none. */
const struct core_pod_condition *fake_condition(const struct core_pod *pod, const char *type);

/* fake_api.c, fake_runtime.c: for fake_node.c. */
/** A client of the API; freed by client_free(). */
struct client *fake_api_new(struct fake_node *f);
/** Whose runtime cri_new() reaches from now on. */
void fake_runtime_use(struct fake_node *f);
