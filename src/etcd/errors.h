/* errors.h - what etcd answers when it refuses: code and text.
 * https://github.com/etcd-io/etcd/blob/main/api/v3rpc/rpctypes/error.go
 * Layer: etcd. Threads: any. */
#pragma once
#include "net/grpc.h"

#define ETCD_REFUSALS(X)                                                                       \
    X(EMPTY_KEY, INVALID_ARGUMENT, "key is not provided")                                      \
    X(KEY_NOT_FOUND, INVALID_ARGUMENT, "key not found")                                        \
    X(VALUE_PROVIDED, INVALID_ARGUMENT, "value is provided")                                   \
    X(LEASE_PROVIDED, INVALID_ARGUMENT, "lease is provided")                                   \
    X(TOO_MANY_OPS, INVALID_ARGUMENT, "too many operations in txn request")                    \
    X(DUPLICATE_KEY, INVALID_ARGUMENT, "duplicate key given in txn request")                   \
    X(INVALID_SORT, INVALID_ARGUMENT, "invalid sort option")                                   \
    X(COMPACTED, OUT_OF_RANGE, "mvcc: required revision has been compacted")                   \
    X(FUTURE_REV, OUT_OF_RANGE, "mvcc: required revision is a future revision")                \
    X(NO_SPACE, RESOURCE_EXHAUSTED, "mvcc: database space exceeded")                           \
    X(LEASE_NOT_FOUND, NOT_FOUND, "requested lease not found")                                 \
    X(LEASE_EXIST, FAILED_PRECONDITION, "lease already exists")                                \
    X(LEASE_TTL, OUT_OF_RANGE, "too large lease TTL")                                          \
    X(REQUEST_TOO_LARGE, INVALID_ARGUMENT, "request is too large")                             \
    X(TOO_MANY_REQUESTS, RESOURCE_EXHAUSTED, "too many requests")                              \
    X(STOPPED, UNAVAILABLE, "server stopped")                                                  \
    X(MEMBER_NOT_FOUND, NOT_FOUND, "member not found")                                         \
    X(MEMBER_NOT_LEARNER, FAILED_PRECONDITION, "can only promote a learner member")            \
    X(BAD_LEADER, FAILED_PRECONDITION, "bad leader transferee")                                \
    X(ROOT_USER, FAILED_PRECONDITION, "root user does not exist")                              \
    X(AUTH_NOT_ENABLED, FAILED_PRECONDITION, "authentication is not enabled")                  \
    X(USER_NOT_FOUND, FAILED_PRECONDITION, "user name not found")                              \
    X(ROLE_NOT_FOUND, FAILED_PRECONDITION, "role name not found")

enum etcd_refusal {
    REFUSE_NONE,
#define X(name, status, text) REFUSE_##name,
    ETCD_REFUSALS(X)
#undef X
    REFUSE__N,
};
/** The code that goes with @refusal. */
enum grpc_status etcd_refusal_status(enum etcd_refusal refusal);
/** Its text ("etcdserver: key is not provided"); static. */
const char *etcd_refusal_text(enum etcd_refusal refusal);
