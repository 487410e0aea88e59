/* write.h - what the writing verbs share: decode, metadata, commit; and the hooks of kinds whose
 * writes touch more than one object. Internal to apiserver/.
 *
 * Objects in a request (rq->obj, rq->old_typed) are structs of rq->res->type; what is stored and
 * answered (rq->old, rq->result) is of rq->res->storage. commit.c and respond.c convert.
 *
 * Layer: apiserver. Threads: the request's loop.
 */
#pragma once
#include "apiserver/stages.h"
#include "schema/check.h"

struct meta_object_meta;
struct change;

/* decode.c */
/** Parses rq->body into rq->body_doc by rq->in_media (protobuf bodies leave it DOC_NULL) and fills
 * a new struct of @type with defaults *unset*, in *@ret_obj: checks kind and apiVersion against
 *  @type (other versions of the group are 400 too unless the type is meta), unknown and duplicate
 *  fields by write.field_validation, drops gated fields. In-process: a deep copy of the
 *  caller's struct. STAGE_NEXT when *@ret_obj is set; else the answer has been given. */
enum stage_result decode_body(struct request *rq, const struct type *type, void **ret_obj);
/** As decode_body() from a document already parsed (a patched object). @dups may be NULL. */
enum stage_result decode_doc(struct request *rq, const struct type *type, const struct doc *doc,
                             const struct json_dup *dups, void **ret_obj);
/** kind and apiVersion of @doc against @type. 400. STAGE_NEXT when good. */
enum stage_result decode_kind(struct request *rq, const struct type *type, const struct doc *doc);

/* metadata.c */
/** The metadata of @obj, a struct of @type (which has one). */
struct meta_object_meta *metadata_of(const struct type *type, const void *obj);
/** What the server sets on create: uid, creationTimestamp, generation, a name from generateName;
 *  clears what a client may not give. */
void metadata_init(struct request *rq, struct meta_object_meta *m);
/** A random name: @base cut to 58 bytes, and five characters. */
struct str metadata_generate_name(struct request *rq, struct str base);
/** Upstream's checks of the metadata of all kinds; @old NULL on create. */
void metadata_validate(const struct resource *res, const struct meta_object_meta *m,
                       const struct meta_object_meta *old, struct field_errors *errs);
/** Namespace of the body against that of the URL: sets it when empty. 400. STAGE_NEXT when good. */
enum stage_result metadata_check_namespace(struct request *rq, struct meta_object_meta *m);

/* commit.c */
/** Commits the state rq->obj: a PUT expecting rq->old's revision (or absence), with rq->extra_ops,
 *  then resumes at @then with rq->txn answered; if its code is 0, rq->result is the committed
 * object. dry_run: writes nothing and runs @then at once, with rq->result NULL. Returns STAGE_WAIT
 * or what @then returned. */
enum stage_result commit_put(struct request *rq, stage_fn then);
/** Commits the removal of rq->old at exactly its revision, with rq->extra_ops; rq->result becomes
 * the removed object with the deletion's revision. Otherwise as commit_put(). */
enum stage_result commit_delete(struct request *rq, stage_fn then);
/** Adds an operation to the same transaction (allocations, budgets). Takes over @op->object; op.key
 *  must live as long as the request. Dropped and made anew when the write is tried again. */
void commit_add(struct request *rq, struct store_op op);
/** Answers with the outcome of commit_put(): rq->result, or after a dry run rq->obj. */
enum stage_result commit_answer(struct request *rq, int status);
/** The answer to a commit that failed for good: conflict, too many, a disk that refuses. */
enum stage_result commit_failed(struct request *rq);
/** The object of (ns, name) of the storage resource of @res, converted to @res: a reference in
 *  *@ret_o, the struct (in the request's arena or of the object) as result; NULL if absent. */
const void *stored_find(struct request *rq, const struct resource *res, struct str ns,
                        struct str name, struct object **ret_o);

/* create.c */
/** Creates rq->obj, which is decoded, defaulted and checked against the URL, from mutating
 * admission on: the rest of POST, and of PUT to a name that does not exist. */
enum stage_result create_object(struct request *rq);

/* update.c: what PUT, PATCH and change_object() have in common */
struct update {
    stage_fn again;              /* starts anew from the newest state, after a conflict */
    bool retry;                  /* a conflict is not the client's: it named no resourceVersion */
    stage_fn answer;             /* NULL: 200 with the object */
    const struct change *change; /* change.c's */
};
/** Reads the stored object into rq->old and rq->old_typed, dropping what was read before and the
 *  operations that hooks added. False if there is none. */
bool update_read(struct request *rq);
/** rq->obj against the stored resourceVersion and uid. 409, 422. @ret_given: it named one. */
enum stage_result update_check_version(struct request *rq, bool *ret_given);
/** Writes rq->obj over rq->old: hook, prepare, metadata, validation, validating admission, commit;
 *  removes the object when its last finalizer went. */
enum stage_result update_object(struct request *rq, const struct update *u);
/** Commits rq->obj over rq->old as it is. */
enum stage_result update_commit(struct request *rq, const struct update *u);
/** Runs a kind's warnings. */
void write_warnings(struct request *rq);

/* sub_update.c: subresources that are views of the object: what their updates may change */
struct sub_update {
    const struct resource *res;
    const char *sub;
    /* Puts back into @obj what the subresource may not change. Shares memory of @old. */
    void (*prepare)(void *obj, const void *old, struct arena *a);
    void (*validate)(const void *obj, const void *old, struct field_errors *errs);
};
/** The one of @res and @sub, or NULL (also for "" and "status"). */
const struct sub_update *sub_update_find(const struct resource *res, struct str sub);
/** Keeps of @obj, a struct of @type, what status writes may change; takes the rest from @old. */
void sub_update_keep_status(const struct type *type, void *obj, const void *old);
/** Takes field @name of @obj from @old, sharing its memory; nothing if there is no such field. */
void sub_update_take(const struct type *type, void *obj, const void *old, struct str name);

/* change.c: reading, changing and writing one object whose body is not the request's (binding,
 * scale, approval by a component). Runs again from the newest state on a conflict. */
struct change {
    /* rq->old, rq->old_typed: the stored object; rq->obj: a copy to be changed in place. STAGE_NEXT
     * to validate and write it; STAGE_DONE when it has answered (a refusal). Must not wait. */
    stage_fn apply;
    /* After the commit (or when nothing changed): answers with what rq->result says. */
    stage_fn answer;
    bool as_update; /* the new state passes prepare_update, validation and validating admission like
                       the body of a PUT; else it is written as apply() left it */
};
/** Runs @ch (static) on the object rq->ns, rq->name of @rq->res. 404 when it is absent. */
enum stage_result change_object(struct request *rq, const struct change *ch);

/* delete.c */
/** Deletes rq->res rq->ns rq->name by rq->del (which the caller has filled), with rq->extra_ops and
 *  without admission (the caller's own request had it), then
 *  runs @answer with rq->result set: the removed object, or the one that now is being deleted. A
 *  NULL @answer gives the usual answer of DELETE. A lost race is run again here, but when there
 *  are extra_ops, which a commit uses up: then @answer gets it, with rq->txn.code < 0, and may call
 *  delete_object() again with new ones. Eviction uses it. */
enum stage_result delete_object(struct request *rq, stage_fn answer);

/* write_hooks.c: kinds whose writes change more than themselves. A hook fills fields of rq->obj and
 * may add operations with commit_add(), or ends the request. It runs again when the write is
 * tried again, and with write.dry_run set too. Must not wait. */
struct write_hook {
    const struct resource *res;
    stage_fn create; /* after metadata_init(), before prepare_create and validation */
    stage_fn update; /* after the checks of resourceVersion, before prepare_update */
    stage_fn subresource; /* as update, for writes through a subresource */
    stage_fn remove; /* just before the removal of rq->old is committed */
};
/** Ended by a NULL res. */
extern const struct write_hook write_hooks[];
/** The hook of @res, or NULL. */
const struct write_hook *write_hook_find(const struct resource *res);
/** Allocates cluster IPs and node ports of a Service. service_alloc.c */
enum stage_result service_alloc_create(struct request *rq);
enum stage_result service_alloc_update(struct request *rq); /** Likewise on update. */
enum stage_result service_alloc_remove(struct request *rq); /** Gives them back. */
