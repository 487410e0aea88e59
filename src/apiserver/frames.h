/* frames.h - how the objects of an answer are shown: alone, in a list, in a watch event; as JSON or
 * protobuf; whole, as PartialObjectMetadata or as Table. Internal to apiserver/.
 *
 * A committed object is not encoded again: an answer is pieces of bytes that exist already - a
 * prefix with kind and apiVersion, and the record's JSON or protobuf - put one behind the other.
 * YAML is made from the JSON of the whole answer (frame_yaml()), indentation by a filter
 * (filters.h).
 *
 * Layer: apiserver. Threads: the request's loop.
 */
#pragma once
#include "apiserver/request.h"

enum { PIECES_MAX = 6 };
struct pieces { /* bytes to hand out in order, borrowed; {0} is empty */
    struct str v[PIECES_MAX];
    unsigned n, at;
};
void pieces_add(struct pieces *p, struct str s); /** Appends @s; empty ones are left out. */
/** Copies up to @cap bytes to @to and moves on; 0: nothing is left. */
size_t pieces_copy(struct pieces *p, char *to, size_t cap);
size_t pieces_len(const struct pieces *p); /** Bytes left. */
/** Appends what is left to @out; @p is empty then. */
void pieces_drain(struct pieces *p, struct buf *out);

struct view { /* made by view_init(); strings live in the request's arena */
    const struct resource *res; /* as asked for: what objects are converted to */
    enum media media;           /* MEDIA_YAML is framed as JSON */
    enum transform form;
    struct str api_version;     /* "apps/v1" */
    struct str head;            /* {"kind":"Deployment","apiVersion":"apps/v1", */
    bool items_typed;           /* list items carry kind and apiVersion (custom resources) */
    unsigned include;           /* of Table rows: table_include of the request */
    bool columns_sent;          /* watch: a Table has shown its columns */
    int64_t now_sec;
};
struct list_meta {
    int64_t revision;
    struct str next;   /* continue token; empty: complete */
    int64_t remaining; /* -1: not said */
};

/** Sets up @v for the answer to @rq. */
void view_init(struct view *v, struct request *rq);
/** @o as @res shows it: a reference to @o, or to a new object of another version. The caller's. */
struct object *object_as(struct object *o, const struct resource *res);
/** "application/json", "application/vnd.kubernetes.protobuf;stream=watch", ... Static. */
const char *view_content_type(const struct view *v, bool watch);

/* What follows takes objects of v->res, see object_as(). The bytes stay valid as long as @o and
 * @scratch are untouched; @scratch is emptied first. */
/** A document of its own. */
void view_object(struct view *v, struct object *o, struct buf *scratch, struct pieces *out);
/** An item of a list (or a row of a Table), without separator. JSON and protobuf. */
void view_item(struct view *v, struct object *o, struct buf *scratch, struct pieces *out);
/** A frame of a watch; @type "ADDED", ... */
void view_event(struct view *v, const char *type, struct object *o, struct buf *scratch,
                struct pieces *out);
/** The last frame of a watch that failed: ERROR with the Status of @code and @text. */
void view_error(struct view *v, int code, const char *text, struct buf *scratch,
                struct pieces *out);
/** Appends what stands before the first item of a JSON list. */
void view_list_head(struct view *v, const struct list_meta *m, struct buf *out);
/** Appends what stands behind the last. */
void view_list_tail(struct view *v, struct buf *out);
/** Protobuf: appends envelope and list up to the first item; @items_len: bytes of all items
 *  with their tags. */
void view_pb_head(struct view *v, const struct list_meta *m, size_t items_len, struct buf *out);
/** What closes a protobuf envelope. */
struct str view_pb_tail(void);
/** How many bytes view_item() gives in protobuf. */
size_t view_pb_item_len(struct view *v, struct object *o);

/** The JSON text of member @name of the object @json (valid, compact or not), or STR_NULL. */
struct str json_member(struct str json, const char *name);
/** Appends the YAML form of the JSON @text, which is valid. */
void frame_yaml(struct str text, struct buf *out);
/** Appends the protobuf WatchEvent frame (length and message) around @raw, an enveloped object. */
void frame_pb_event(const char *type, struct str raw, struct buf *out);
