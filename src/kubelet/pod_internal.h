/* SPDX-License-Identifier: Apache-2.0 */
/* pod_internal.h - what the files that live a pod's life offer each other.
 *
 * Layer: kubelet. Threads: the kubelet's loop, but host_files.c: any. */
#pragma once
#include "base/buf.h"
#include "kubelet/kubelet_internal.h"

#define LABEL_POD_NAME "io.kubernetes.pod.name"
#define LABEL_POD_NAMESPACE "io.kubernetes.pod.namespace"
#define LABEL_POD_UID "io.kubernetes.pod.uid"
#define LABEL_CONTAINER_NAME "io.kubernetes.container.name"
#define ANN_HASH "io.kubernetes.container.hash"
#define ANN_RESTART_COUNT "io.kubernetes.container.restartCount"
#define ANN_MESSAGE_PATH "io.kubernetes.container.terminationMessagePath"
#define ANN_MESSAGE_POLICY "io.kubernetes.container.terminationMessagePolicy"
#define ANN_PRE_STOP "io.kubernetes.container.preStopHandler"
#define ANN_PORTS "io.kubernetes.container.ports"
#define ANN_DELETION_GRACE "io.kubernetes.pod.deletionGracePeriod"
#define ANN_TERMINATION_GRACE "io.kubernetes.pod.terminationGracePeriod"

/* kpod.c */
/** A pod for @o (referenced), known by its UID from now on; one reference, the table's. */
struct kpod *kpod_new(struct kubelet *kl, struct object *o);
/** A pod that only the runtime knows. */
struct kpod *kpod_new_orphan(struct kubelet *kl, struct str uid, struct str ns, struct str name);
/** The object changed: takes a reference, makes containers it has more of. */
void kpod_set_object(struct kpod *kp, struct object *o);
/** Takes it out of the table, dropping the table's reference. */
void kpod_forget(struct kpod *kp);
/** Container @name of an orphan, made if it is not known. */
struct kcontainer *kpod_add_container(struct kpod *kp, struct str name, enum kcontainer_kind kind);
/** Moves on; asserts that the phase only grows. */
void kpod_set_phase(struct kpod *kp, enum kpod_phase phase);
/** Why a container does not run; @reason NULL: nothing special. Strings are copied. */
void kcontainer_set_waiting(struct kcontainer *kc, const char *reason, struct str message);
/** Replaces the heap string *@p by a copy of @s (NULL if absent or empty). */
void set_string(char **p, struct str s);
/** True if the pod's spec was deleted, or the object is gone. */
bool kpod_deleted(const struct kpod *kp);
/** Empties a sandbox record. */
void ksandbox_deinit(struct ksandbox *s);
/** The hash of a container's spec, as kept with what runs: its name and image. */
uint64_t container_hash(const struct core_container *c);
/** Milliseconds until @kc's pod has been told to end for as long as it may; 0: no time left. */
uint64_t kpod_grace_left_ms(const struct kpod *kp);

/* pod_worker.c */
/** Looks at the pod, starts what is to be done next. Only kpod_kick()'s target. */
void kpod_sync(struct kpod *kp);
/** Whether an ended container starts again, by its own rules, its own policy or the pod's. */
bool container_should_restart(const struct kcontainer *kc);
/** Whether a pod that nothing disturbs has ended: no main container runs or will. */
bool kpod_finished(const struct kpod *kp);

/* pod_kill.c */
/** What kpod_sync() does from KPOD_KILL on. */
void kpod_sync_kill(struct kpod *kp);

/* pod_sandbox.c */
/** Makes a sandbox, the ended one (if any) being left to sandbox_drop(). Kicks when done. */
void sandbox_create(struct kpod *kp);
/** Asks for the state and addresses of kp->sandbox. Kicks when done. */
void sandbox_refresh(struct kpod *kp);
/** Stops kp->sandbox (network too); it is kept, not ready. Kicks when done. */
void sandbox_stop(struct kpod *kp);
/** Stops and removes sandbox @id, whatever it holds; failures are seen by the next sweep. */
void sandbox_remove(struct kubelet *kl, const char *id);
/** True if @s, of pod @kp, is neither its sandbox nor may be the one that is being made. */
bool sandbox_replaced(const struct kpod *kp, const Runtime__V1__PodSandbox *s);

/* containers.c */
/** Begins to start @kc: image, configuration, creation, start, postStart. KC_IDLE only. */
void container_start(struct kcontainer *kc);
/** Begins to stop the running @kc within @grace_sec, preStop first. KC_IDLE only. */
void container_stop(struct kcontainer *kc, int64_t grace_sec);
/** Stops a container that is being stopped within the least grace from now on; idempotent. */
void container_stop_now(struct kcontainer *kc);
/** cur ended: reads its termination message, then sets it KRUN_EXITED and kicks. Once per cur. */
void container_exited(struct kcontainer *kc, int32_t exit_code, int64_t finished_ns,
                      const char *reason, struct str message);
/** cur becomes last; the former last is removed from the runtime, with its log. */
void container_rotate(struct kcontainer *kc);
/** Removes attempt @run of @kc from the runtime, with its log; empties it. */
void container_discard(struct kcontainer *kc, struct krun *run);
/** Takes over what the runtime says of @run: times, exit code, image. */
void krun_set_status(struct krun *run, const Runtime__V1__ContainerStatus *st);

/* container_end.c */
struct message_source { /* where an ended container's last words are */
    const char *file;   /* the termination message file; NULL: none */
    const char *log;    /* fall back to this log's end; NULL: do not */
    size_t max_bytes;
};
/** The termination message, in @a; empty if there is none. Reads files: off the loop. */
struct str termination_message(const struct message_source *src, struct arena *a);

/* images.c */
struct images *images_new(struct kubelet *kl);  /** Of @kl (borrowed). */
struct images *images_free(struct images *im);  /** Ends waiting; returns NULL. */
/* @reason NULL: kc->image_ref is set; else why not ("ErrImagePull") and a text. */
typedef void (*images_done)(void *arg, const char *reason, struct str message);
/** Sees to it that @kc's image is there, by its policy. */
void images_ensure(struct kcontainer *kc, images_done done, void *arg);
/** Ends the wait of @kc: its callback runs, inside this call, with a reason. Idempotent. */
void images_cancel(struct kcontainer *kc);
/** Imports the built-in sandbox image unless it is there, then calls @done (always, once). */
void images_import_pause(struct kubelet *kl, kpod_done done, void *arg);

/* pull_secrets.c */
struct image_auth { /* credentials for one registry; views into the arena */
    struct str username, password, identity_token, registry_token;
};
/** The credentials for @image in a docker config: @json of .dockerconfigjson or, with @legacy, of
 *  .dockercfg. False if it has none. */
bool pull_secret_find(struct str json, bool legacy, struct str image, struct arena *a,
                      struct image_auth *ret_auth);
/** True if @image is a well-formed reference; @ret_full (in @a) has a tag or digest. */
bool image_ref_parse(struct str image, struct arena *a, struct str *ret_full);

/* pod_status.c */
/** The status that follows from what is known of @kp, over @base (what the API has: foreign
 *  conditions, times of transition). In @a and views into @kp and @base. Pure. */
void pod_status_make(const struct kpod *kp, const struct core_pod_status *base, int64_t now_ns,
                     struct arena *a, struct core_pod_status *ret_status);

/* status_manager.c */
struct status_manager *status_manager_new(struct kubelet *kl); /** Of @kl (borrowed). */
struct status_manager *status_manager_free(struct status_manager *m); /** Returns NULL. */
/** Writes @kp's status if it differs from what the API has. */
void status_update(struct kpod *kp);
/** True if nothing of @kp's status is still to be written. */
bool status_flushed(const struct kpod *kp);
/** Ends retries: the kubelet stops. */
void status_stop(struct kpod *kp);
/** Frees what kpod @kp keeps here (kp->writer). */
void status_forget(struct kpod *kp);

/* runtime_state.c */
/** Connects, learns what runs, adopts it; then keeps watching. Sets kl->adopted and kicks all. */
struct runtime_state *runtime_state_new(struct kubelet *kl);
struct runtime_state *runtime_state_free(struct runtime_state *rs); /** Returns NULL. */
/** The pods of the API are known: adoption may end. */
void runtime_state_pods_synced(struct runtime_state *rs);

/* log_rotate.c */
struct log_rotator *log_rotator_new(struct kubelet *kl); /** Of @kl (borrowed); begins to look. */
struct log_rotator *log_rotator_free(struct log_rotator *lr); /** Ends it; returns NULL. */

/* admission.c */
/** Whether the pod may run on this node; else fails it (kpod_fail) and returns false. */
bool admission_check(struct kpod *kp);
/** What fits is counted without pods that are over. Sums what admitted pods ask for of @resource
 *  ("cpu", in milli; "memory", in bytes), without @but. */
int64_t admission_used(const struct kubelet *kl, struct str resource, const struct kpod *but);
/** What a pod asks for of @resource: its containers' sum, or its largest init step. */
int64_t admission_request(const struct core_pod *pod, struct str resource);

/* host_files.c: the kubelet's own files on the host. Blocking: off the loop. */
MUST_USE int host_mkdirs(const char *path, unsigned mode, struct err *err); /** As mkdir -p. */
MUST_USE int host_symlink(const char *target, const char *path, struct err *err); /** Replaces. */
void host_unlink(const char *path); /** If it is there. */
void host_unlink_log(const char *path); /** A log and what it was rotated into. */
/** Removes the folder @path and all below, without following links or crossing mounts. */
void host_remove_tree(const char *path);
/** Up to @max bytes of @path, from its start or (with @tail) its end; empty if it cannot be read.
 *  Regular files only, links are not followed. In @a. */
struct str host_read(const char *path, size_t max, bool tail, struct arena *a);
/** Runs program @argv (no shell) with @input on standard input. ERR_IO with its last words. */
MUST_USE int host_run(const char *const *argv, struct str input, struct err *err);
