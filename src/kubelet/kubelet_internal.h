/* kubelet_internal.h - what the files of the kubelet share: the node's state, the pods at work.
 *
 * One pod is one struct kpod, found by its UID. Its worker (pod_worker.c) is level-triggered:
 * whatever changes, kpod_kick() runs it soon, and it starts what is missing. Everything that takes
 * time holds a reference to the pod, and the pod one to the kubelet; a callback that comes after
 * kubelet_free() finds kl->stopping set, and touches nothing but its own memory.
 *
 * Layer: kubelet. Threads: the kubelet's loop, unless said. Callbacks never run inside the call.
 */
#pragma once
#include "base/map.h"
#include "base/vec.h"
#include "client/events.h"
#include "client/informer.h"
#include "kubelet/cri.h"
#include "kubelet/kubelet.h"

struct images;
struct log_rotator;
struct probe_set;
struct runtime_state;
struct status_manager;

enum {
    STOP_GRACE_MIN_SEC = 2, /* the least that StopContainer is given */
    STOP_GRACE_DEFAULT_SEC = 30,
    KUBELET_PERIOD_MS = 60000, /* each pod is looked at this often, even if nothing happens */
};

struct kubelet {
    struct kubelet_opts opts; /* strings copied */
    struct arena arena;       /* of opts' strings */
    unsigned refs;
    bool stopping; /* kubelet_free() was called: client, cri and informers are gone */
    bool adopted;  /* the pods of the API and of the runtime are known: workers may act */
    struct loop *loop;
    struct client *client;
    struct informers *informers;
    struct informer *pods;     /* of this node */
    struct informer *services; /* all: for environments */
    struct informer *node;     /* this node only */
    struct event_recorder *events;
    struct cri *cri;
    char *runtime_name, *runtime_version; /* "containerd", "1.6.20"; NULL until known */
    bool runtime_up;                      /* the last call to it was answered */
    struct map by_uid;                    /* uid -> struct kpod */
    struct images *images;
    struct runtime_state *runtime;
    struct status_manager *status;
    struct log_rotator *logs;
    /* Of the other files, by their start functions; each is freed by its stop function. */
    struct volumes *volumes;
    struct cgroups *cgroups;
    struct probes *probes;
    struct node_agent *node_agent;
    struct kubelet_server *server;
};
/** One more reference; returns @kl. */
struct kubelet *kubelet_ref(struct kubelet *kl);
void kubelet_unref(struct kubelet *kl); /** Drops one; the last frees. NULL is a no-op. */

/* One container of the runtime: one attempt at running a container of a pod. */
enum krun_state { KRUN_NONE, KRUN_CREATED, KRUN_RUNNING, KRUN_EXITED, KRUN_UNKNOWN };
struct krun { /* strings on the heap */
    enum krun_state state;
    char *id; /* without "containerd://" */
    uint32_t attempt;
    uint64_t hash; /* of the container's spec it was made from */
    int64_t created_ns, started_ns, finished_ns; /* since 1970 */
    int32_t exit_code;
    char *reason, *message; /* of the end; NULL: none */
    char *image, *image_id; /* as status shows them */
};
void krun_deinit(struct krun *r); /** Frees the strings; empty afterwards. */

enum kcontainer_kind { KC_INIT, KC_SIDECAR, KC_MAIN, KC_EPHEMERAL };
enum kcontainer_op { /* what is under way */
    KC_IDLE,
    KC_PULLING,
    KC_CONFIGURING,
    KC_CREATING,
    KC_STARTING,
    KC_POST_START,
    KC_STOPPING,
};
struct kcontainer {
    struct kpod *pod;
    char *name;
    enum kcontainer_kind kind;
    enum kcontainer_op op;
    struct krun cur, last; /* the newest attempt, and the one that ended before it */
    uint32_t restarts;     /* as status shows; the next attempt's number is this + 1 once one ran */
    uint32_t attempt;      /* of the container being made */
    bool started;          /* startup probe passed (or none) and postStart done */
    bool ready;            /* readiness probe's verdict, or started if there is none */
    bool startup_ok;       /* startup probe's verdict; true without one */
    bool readiness_ok;     /* readiness probe's verdict; true without one */
    bool post_start_done;
    char *waiting_reason, *waiting_message; /* why it does not run; NULL: nothing special */
    /* The image, once it is there: what CreateContainer is given, and its configured user. */
    char *image_ref;
    bool image_has_uid;
    int64_t image_uid;
    char *image_user; /* name; NULL: none */
    /* Crash back-off: how long after the last end no start is due, and when that was chosen. */
    uint32_t backoff_ms;
    int64_t backoff_chosen_ns;
    bool oom;              /* cur ran out of memory */
    bool exiting;          /* cur's end is known; its termination message is being read */
    bool restart_wanted;   /* once it has ended it starts again, whatever its policy says */
    uint64_t retry_after_ms; /* a start failed: none before this loop time */
    bool ran;              /* some attempt was ever made: the next one counts as a restart */
    char *kill_message;       /* why it is being stopped, for the event; NULL: the pod ends */
    int64_t kill_grace_sec;   /* with kill_message; -1: the pod's */
    bool kill_told;           /* the event was recorded */
    bool hurried;             /* it was told to stop a second time, at once */
    struct probe_set *probes; /* of probes.c; NULL: none run */
};

struct ksandbox {
    char *id; /* NULL: none */
    uint32_t attempt;
    int64_t created_ns;
    bool ready;
    bool known;   /* the runtime has told its state and addresses */
    bool stopped; /* asked to, successfully */
    bool host_network;
    VEC(char *) ips; /* of the pod network; the node's with host network */
};
enum kpod_phase { /* of the worker; only forward */
    KPOD_RUN,       /* make it run */
    KPOD_KILL,      /* stop its containers and sandbox */
    KPOD_CLEAN,     /* volumes and cgroup go */
    KPOD_FINAL,     /* over; if it was deleted, the last status is written, the object goes */
    KPOD_DONE,      /* nothing is left here; forgotten once the object is gone */
};
struct kpod {
    struct kubelet *kl;
    unsigned refs;
    char *uid, *ns, *name;
    struct object *object;      /* the newest; kept when it vanished */
    const struct core_pod *pod; /* of object */
    bool gone;                  /* the object is no longer in the API */
    bool orphan;                /* never had an object: found in the runtime only (pod NULL) */
    enum kpod_phase phase;
    bool admitted, kicked;
    /* Preparation: each is asked for once, and again on failure after a while. */
    enum { PREP_NO, PREP_BUSY, PREP_YES } volumes, cgroup;
    bool sandbox_busy; /* being made, asked about or stopped */
    bool clean_busy, delete_busy;
    struct ksandbox sandbox;
    uint32_t sandbox_attempt; /* of the one being made */
    VEC(struct kcontainer *) containers; /* init, then main, then ephemeral; in spec's order */
    bool initialized;                    /* init containers are through, in this sandbox */
    int64_t start_ns;                    /* status.startTime */
    char *fail_reason, *fail_message;    /* the kubelet failed it: admission, deadline, eviction */
    const char *terminal;                /* "Succeeded" or "Failed" for good; NULL: not over */
    uint64_t retry_after_ms; /* preparation or clean-up failed: none before this loop time */
    bool removed;            /* the API has been told to forget the object */
    int64_t kill_grace_sec;              /* of the whole pod; -1: its own */
    uint64_t kill_start_ms;
    struct timer again;                  /* the next look, by back-off or period */
    struct pod_writer *writer;           /* of status_manager.c */
};
struct kpod *kpod_ref(struct kpod *kp); /** One more reference; returns @kp. */
void kpod_unref(struct kpod *kp);       /** Drops one; the last frees. */
/** Runs the worker soon, on the loop. */
void kpod_kick(struct kpod *kp);
/** Runs the worker in @delay_ms, or earlier if it is due earlier. */
void kpod_kick_after(struct kpod *kp, uint64_t delay_ms);
/** The pod @uid at work, borrowed, or NULL. */
struct kpod *kpod_find_uid(const struct kubelet *kl, struct str uid);
/** The newest pod (@ns, @name) at work, borrowed, or NULL. */
struct kpod *kpod_find(const struct kubelet *kl, struct str ns, struct str name);
/** Its container @name, or NULL. */
struct kcontainer *kpod_container(const struct kpod *kp, struct str name);
/** The runtime's id of container @name: of the running attempt, with @previous of the one before
 *  (the last that ended). NULL if there is none. Borrowed. */
const char *kpod_container_id(const struct kpod *kp, struct str name, bool previous);
/** The container's spec in the newest object, NULL if it is no longer there. An ephemeral
 *  container's begins like a container's. */
const struct core_container *kcontainer_spec(const struct kcontainer *kc);
/** "<log_dir>/<ns>_<name>_<uid>", in @a. */
char *kpod_log_dir(const struct kpod *kp, struct arena *a);
/** "<root_dir>/pods/<uid>", in @a. */
char *kpod_dir(const struct kubelet *kl, const char *uid, struct arena *a);
/** The file on the host that @attempt of @kc writes its termination message into; made, and
 *  mounted, by container_config_make(): "<pod dir>/containers/<name>/<attempt>". In @a. */
char *kcontainer_message_file(const struct kcontainer *kc, uint32_t attempt, struct arena *a);
/** The pod's address (status.podIP), or NULL. Borrowed. */
const char *kpod_ip(const struct kpod *kp);
/** Fails the pod: containers are stopped, its phase becomes Failed with @reason and @message.
 *  @grace_sec -1: its own. The first call counts. */
void kpod_fail(struct kpod *kp, const char *reason, int64_t grace_sec, const char *fmt, ...)
    PRINTF_LIKE(4, 5);
/** Records an Event about the pod, and about one container of it unless @kc is NULL. */
void kpod_event(struct kpod *kp, const struct kcontainer *kc, const char *type,
                const char *reason, const char *fmt, ...) PRINTF_LIKE(5, 6);

enum probe_kind { PROBE_LIVENESS, PROBE_READINESS, PROBE_STARTUP };
/** What a probe of container @kc decided (after thresholds). Liveness and startup: false kills the
 *  container with the probe's grace period or the pod's. */
void kpod_probe_result(struct kcontainer *kc, enum probe_kind kind, bool success);

/* ---- What the worker asks of the other files ---- */
/* The end of something: @code 0 or an error whose text is for people. */
typedef void (*kpod_done)(void *arg, int code, const struct err *err);

/* volumes.c */
/** Starts the volume manager. */
void volumes_start(struct kubelet *kl);
void volumes_stop(struct kubelet *kl); /** Ends it: callbacks under way may still come. */
/** Mounts and fills the pod's volumes and keeps them current until teardown. May be called again
 *  at any time: what is there is left as it is. The error's text is that of event FailedMount. */
void volumes_setup(struct kpod *kp, kpod_done done, void *arg);
/** Unmounts and removes all of pod @uid's folder. Also for pods of an earlier life. */
void volumes_teardown(struct kubelet *kl, const char *uid, kpod_done done, void *arg);

/* qos.c */
/* All that skiff makes is below one cgroup of its own. */
#define CGROUP_SKIFF "/skiff"
#define CGROUP_PODS CGROUP_SKIFF "/kubepods"
/** Makes the node's cgroups (CGROUP_PODS and the two below). */
MUST_USE int cgroups_start(struct kubelet *kl, struct err *err);
void cgroups_stop(struct kubelet *kl);
/** Makes and fills the pod's cgroup. */
void cgroup_pod_ensure(struct kpod *kp, kpod_done done, void *arg);
/** Removes it; what still runs in it is killed. Not there is fine. */
void cgroup_pod_remove(struct kubelet *kl, const char *uid, kpod_done done, void *arg);
/** "Guaranteed", "Burstable" or "BestEffort". Static. */
const char *qos_class(const struct core_pod *pod);

/* container_config.c, sandbox_config.c */
/* The whole configuration: metadata with kp->sandbox_attempt, labels, log folder, DNS, ports,
 * cgroup, namespaces. In @a. */
MUST_USE int sandbox_config_make(struct kpod *kp, struct arena *a,
                                 Runtime__V1__PodSandboxConfig **ret_config, struct err *err);
struct container_config_result {
    Runtime__V1__ContainerConfig *config; /* in the arena; NULL: failed */
    const char *reason;                   /* "CreateContainerConfigError" ...; static */
    struct str message;
};
typedef void (*container_config_done)(void *arg, const struct container_config_result *r);
/** Makes everything of @kc's configuration but metadata, image, labels, annotations and log_path,
 *  which the caller sets: command, environment, mounts, resources, security. @a lives, and @kc
 *  keeps its spec's object, until @done has returned. */
void container_config_make(struct kcontainer *kc, struct arena *a, container_config_done done,
                           void *arg);

/* probes.c, hooks.c */
void probes_stop(struct kcontainer *kc); /** Ends its probes, if any run (kc->probes = NULL). */
/** Starts the probes of @kc, whose kc->cur runs. Once the pod ends (phase past KPOD_RUN) only
 *  readiness goes on. @was_ready: it ran before this kubelet did, and
 *  keeps its verdicts until the first probe. */
void probes_start(struct kcontainer *kc, bool was_ready);
struct core_lifecycle_handler;
/** Runs a postStart or preStop handler in the running @kc, for @timeout_sec at most (0: none). */
void hooks_run(struct kcontainer *kc, const struct core_lifecycle_handler *h, int64_t timeout_sec,
               kpod_done done, void *arg);

/* node_status.c and node_lease.c: registers the node, keeps its status and its Lease. */
void node_agent_start(struct kubelet *kl);
void node_agent_stop(struct kubelet *kl); /** Ends it. */
/** The node's allocatable amount of resource @name; false if unknown. */
bool node_allocatable(const struct kubelet *kl, struct str name, struct quantity *ret_q);

/* server.c */
/** Listens. ERR_IO. */
MUST_USE int kubelet_server_start(struct kubelet *kl, struct err *err);
void kubelet_server_stop(struct kubelet *kl); /** Closes it. */
