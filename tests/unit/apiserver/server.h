/* server.h - a whole API server in a test: memory store, simulated loop, and HTTP exchanges that
 * are plain structs instead of sockets. */
#pragma once
#include "test.h"

#include "api/api.h"
#include "apiserver/apiserver_internal.h"
#include "apiserver/write.h"
#include "codec/json.h"

struct server {
    struct sim *sim;
    struct loop *loop;
    struct store *store;
    struct apiserver *as;
    struct arena arena; /* replies live here */
    struct jwt_key *token_key;
};
struct reply {
    int status; /* 0: not answered */
    struct str type, body;
    struct http_header *headers;
    size_t n_headers;
    bool ended; /* the body is whole */
};
/** Starts a server and runs it until it is ready. */
void server_start(struct server *s);
/** Stops it; fails the test when a request lives on. */
void server_stop(struct server *s);

struct call {
    const char *method, *target; /* "GET", "/api/v1/..." */
    const char *type, *accept;   /* NULL: none */
    const char *body;            /* NULL: none */
    struct str bytes;            /* a body that is no text */
    const char *agent;
    const char *bearer;            /* token; NULL: the administrator's; "": none */
    const char *as_user;           /* who the administrator acts as; NULL: himself */
    const char *as_groups[3];      /* his groups */
    const struct http_peer *peer;  /* a client certificate instead of a token */
    uint64_t abort_after_steps;  /* the peer goes away so many steps after the request; 0: never */
    bool dont_wait;              /* return before the loop ran */
};
/** Sends a request as an administrator and runs the loop until it is answered. */
struct reply *server_call(struct server *s, const struct call *c);
struct reply *server_get(struct server *s, const char *target);    /** GET. */
struct reply *server_delete(struct server *s, const char *target); /** DELETE without a body. */
/** POST, PUT of JSON. */
struct reply *server_post(struct server *s, const char *target, const char *json);
struct reply *server_put(struct server *s, const char *target, const char *json); /** PUT. */
/** PATCH; @form is "json", "merge" or "strategic". */
struct reply *server_patch(struct server *s, const char *target, const char *form,
                           const char *json);
/** The value of header @name of @r, or STR_NULL. */
struct str reply_header(const struct reply *r, const char *name);
/** The body as a document. */
struct doc reply_doc(struct server *s, const struct reply *r);
/** The string at @path of the body, NUL-terminated; "" if absent. */
const char *reply_str(struct server *s, const struct reply *r, const char *path);
/** The integer at @path of the body, or -1. */
int64_t reply_int(struct server *s, const struct reply *r, const char *path);
#define assert_reply(r, want_status, want_body)                                       \
    do {                                                                              \
        const struct reply *r_ = (r);                                                 \
        assert_str_equal(r_->body, (want_body));                                      \
        assert_int_equal(r_->status, (want_status));                                  \
    } while (0)
