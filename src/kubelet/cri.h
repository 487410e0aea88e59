/* cri.h - the Container Runtime Interface: every call the kubelet makes, as a line of a table.
 *
 * A request is a protobuf-c message of cri.proto on the caller's stack; it is packed before
 * cri_call() returns. The answer lives in an arena of the call and is borrowed by the callback.
 * A runtime that does not know a call answers GRPC_UNIMPLEMENTED.
 *
 * Layer: kubelet. Threads: its loop. Never blocks.
 * Not here: what to do with the answers, retries (the callers reconcile). */
#pragma once
#include "base/loop.h"
#include "net/grpc.h"
#undef linux /* the GNU dialect's macro, and a field of some messages */
#include "kubelet/cri.pb-c.h"

/* Method, service, call, request, response, and the timeout if the caller names none (ms). */
#define CRI_METHODS(X)                                                                       \
    X(VERSION, Runtime, Version, version_request, version_response, 10000)                   \
    X(STATUS, Runtime, Status, status_request, status_response, 10000)                       \
    X(RUNTIME_CONFIG, Runtime, RuntimeConfig, runtime_config_request,                        \
      runtime_config_response, 10000)                                                        \
    X(UPDATE_RUNTIME_CONFIG, Runtime, UpdateRuntimeConfig, update_runtime_config_request,    \
      update_runtime_config_response, 120000)                                                \
    X(RUN_POD_SANDBOX, Runtime, RunPodSandbox, run_pod_sandbox_request,                      \
      run_pod_sandbox_response, 240000)                                                      \
    X(STOP_POD_SANDBOX, Runtime, StopPodSandbox, stop_pod_sandbox_request,                   \
      stop_pod_sandbox_response, 120000)                                                     \
    X(REMOVE_POD_SANDBOX, Runtime, RemovePodSandbox, remove_pod_sandbox_request,             \
      remove_pod_sandbox_response, 120000)                                                   \
    X(POD_SANDBOX_STATUS, Runtime, PodSandboxStatus, pod_sandbox_status_request,             \
      pod_sandbox_status_response, 120000)                                                   \
    X(LIST_POD_SANDBOX, Runtime, ListPodSandbox, list_pod_sandbox_request,                   \
      list_pod_sandbox_response, 120000)                                                     \
    X(UPDATE_POD_SANDBOX_RESOURCES, Runtime, UpdatePodSandboxResources,                      \
      update_pod_sandbox_resources_request, update_pod_sandbox_resources_response, 120000)   \
    X(CREATE_CONTAINER, Runtime, CreateContainer, create_container_request,                  \
      create_container_response, 120000)                                                     \
    X(START_CONTAINER, Runtime, StartContainer, start_container_request,                     \
      start_container_response, 120000)                                                      \
    X(STOP_CONTAINER, Runtime, StopContainer, stop_container_request,                        \
      stop_container_response, 120000)                                                       \
    X(REMOVE_CONTAINER, Runtime, RemoveContainer, remove_container_request,                  \
      remove_container_response, 120000)                                                     \
    X(LIST_CONTAINERS, Runtime, ListContainers, list_containers_request,                     \
      list_containers_response, 120000)                                                      \
    X(CONTAINER_STATUS, Runtime, ContainerStatus, container_status_request,                  \
      container_status_response, 120000)                                                     \
    X(UPDATE_CONTAINER_RESOURCES, Runtime, UpdateContainerResources,                         \
      update_container_resources_request, update_container_resources_response, 120000)       \
    X(REOPEN_CONTAINER_LOG, Runtime, ReopenContainerLog, reopen_container_log_request,       \
      reopen_container_log_response, 120000)                                                 \
    X(CHECKPOINT_CONTAINER, Runtime, CheckpointContainer, checkpoint_container_request,      \
      checkpoint_container_response, 120000)                                                 \
    X(EXEC_SYNC, Runtime, ExecSync, exec_sync_request, exec_sync_response, 120000)           \
    X(EXEC, Runtime, Exec, exec_request, exec_response, 120000)                              \
    X(ATTACH, Runtime, Attach, attach_request, attach_response, 120000)                      \
    X(PORT_FORWARD, Runtime, PortForward, port_forward_request, port_forward_response,       \
      120000)                                                                                \
    X(CONTAINER_STATS, Runtime, ContainerStats, container_stats_request,                     \
      container_stats_response, 120000)                                                      \
    X(LIST_CONTAINER_STATS, Runtime, ListContainerStats, list_container_stats_request,       \
      list_container_stats_response, 120000)                                                 \
    X(POD_SANDBOX_STATS, Runtime, PodSandboxStats, pod_sandbox_stats_request,                \
      pod_sandbox_stats_response, 120000)                                                    \
    X(LIST_POD_SANDBOX_STATS, Runtime, ListPodSandboxStats, list_pod_sandbox_stats_request,  \
      list_pod_sandbox_stats_response, 120000)                                               \
    X(LIST_METRIC_DESCRIPTORS, Runtime, ListMetricDescriptors,                               \
      list_metric_descriptors_request, list_metric_descriptors_response, 120000)             \
    X(LIST_POD_SANDBOX_METRICS, Runtime, ListPodSandboxMetrics,                              \
      list_pod_sandbox_metrics_request, list_pod_sandbox_metrics_response, 120000)           \
    X(LIST_IMAGES, Image, ListImages, list_images_request, list_images_response, 120000)     \
    X(IMAGE_STATUS, Image, ImageStatus, image_status_request, image_status_response, 120000) \
    X(PULL_IMAGE, Image, PullImage, pull_image_request, pull_image_response,                 \
      CRI_NO_TIMEOUT)                                                                        \
    X(REMOVE_IMAGE, Image, RemoveImage, remove_image_request, remove_image_response, 120000) \
    X(IMAGE_FS_INFO, Image, ImageFsInfo, image_fs_info_request, image_fs_info_response,      \
      120000)

enum cri_method {
#define X(name, service, call, request, response, timeout_ms) CRI_##name,
    CRI_METHODS(X)
#undef X
    CRI__N
};
enum { CRI_TIMEOUT_DEFAULT = 0 };
#define CRI_NO_TIMEOUT UINT32_MAX

struct cri;
/** A client of the runtime at @endpoint ("unix:///run/x.sock"); connects at first use. */
struct cri *cri_new(struct loop *l, const char *endpoint);
/** Ends every call (each callback with GRPC_CANCELLED), then frees. NULL ok. Returns NULL. */
struct cri *cri_free(struct cri *c);

struct cri_call;
/* The end of a call, exactly once: @response is the method's response message with GRPC_OK, else
 * NULL. @text and @response are borrowed. */
typedef void (*cri_done)(void *arg, enum grpc_status status, struct str text,
                         const ProtobufCMessage *response);
/**
 * Starts @method with @request, its request message (asserted; packed here, not kept).
 * @timeout_ms: CRI_TIMEOUT_DEFAULT for the table's, CRI_NO_TIMEOUT for none.
 * @done never runs from inside this call. The handle is valid until then.
 */
struct cri_call *cri_call(struct cri *c, enum cri_method method, const ProtobufCMessage *request,
                          uint32_t timeout_ms, cri_done done, void *arg);
/* The calls that only name a container or a sandbox. Timeouts are the table's; stopping has
 * @grace_sec more. */
/** StartContainer. */
struct cri_call *cri_start_container(struct cri *c, const char *id, cri_done done, void *arg);
/** StopContainer: SIGTERM (or the image's signal), SIGKILL after @grace_sec. */
struct cri_call *cri_stop_container(struct cri *c, const char *id, int64_t grace_sec, cri_done done,
                                    void *arg);
/** RemoveContainer. */
struct cri_call *cri_remove_container(struct cri *c, const char *id, cri_done done, void *arg);
/** ContainerStatus. */
struct cri_call *cri_container_status(struct cri *c, const char *id, cri_done done, void *arg);
/** StopPodSandbox: kills what runs in it, takes its network down. */
struct cri_call *cri_stop_pod_sandbox(struct cri *c, const char *id, cri_done done, void *arg);
/** RemovePodSandbox. */
struct cri_call *cri_remove_pod_sandbox(struct cri *c, const char *id, cri_done done, void *arg);
/** PodSandboxStatus. */
struct cri_call *cri_pod_sandbox_status(struct cri *c, const char *id, cri_done done, void *arg);

/** Unpacks @bytes into @a as a message of @d; NULL if they are malformed. */
ProtobufCMessage *cri_unpack(struct arena *a, const ProtobufCMessageDescriptor *d,
                             struct str bytes);
/** Packs @m into @a. */
struct str cri_pack(struct arena *a, const ProtobufCMessage *m);
