/* read_rig.h - a server that only reads, on simulated time: the real pipeline over a store in
 * memory, everybody allowed, with an HTTP exchange that keeps what it is answered. For tests. */
#pragma once
#include "apiserver/stages.h"
#include "test.h"

struct rig {
    struct sim *sim;
    struct loop *loop;
    struct store *store;
    struct apiserver *as;
};
struct http_exchange { /* one request and its answer */
    struct rig *rig;
    struct arena arena;
    struct http_request head;
    int status;          /* 0: not answered */
    char *type;
    struct buf headers;  /* "Name: value\n"... */
    struct buf body;     /* what has been pulled so far */
    int64_t length;      /* as announced; -1 unknown */
    struct http_source source;
    bool has_source, waiting, ended, resumed;
    size_t step;         /* bytes a read may give; 0: 64 KiB */
    struct websocket *ws; /* accepted; messages go to body, binary ones in hex */
    void (*on_abort)(void *arg);
    void *abort_arg;
};

struct rig *rig_new(void);
void rig_free(struct rig *r);
/** Creates or replaces the object of @res in @json; returns its revision. */
int64_t rig_put(struct rig *r, const struct resource *res, const char *json);
/** Deletes by key; returns the revision of the deletion. */
int64_t rig_remove(struct rig *r, const char *key);
/** Sends GET @target; @headers: "name", "value", ..., NULL (may be NULL). Runs until it waits. */
struct http_exchange *rig_get(struct rig *r, const char *target, const char *const *headers);
/** Pulls what the answer has to give now; returns the body so far (NUL-terminated). */
const char *rig_pull(struct http_exchange *x);
/** Forgets the body so far, lets time pass, and pulls again. */
const char *rig_more(struct http_exchange *x, uint64_t ms);
/** The peer goes away, or has read everything. */
void rig_close(struct http_exchange *x);
/** Asserts that GET @target answers @status with exactly @body. @accept may be NULL. */
void rig_expect(struct rig *r, const char *target, const char *accept, int status,
                const char *body);
/** A value of an answer's header, copied (free it), or NULL. */
char *rig_header(const struct http_exchange *x, const char *name);
