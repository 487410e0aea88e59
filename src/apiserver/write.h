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
struct meta_type_meta;

/* decode.c */
/** Parses rq->body into rq->body_doc by rq->in_media (protobuf bodies leave it DOC_NULL) and fills a
 *  new struct of @type with defaults *unset*, in *@ret_obj: checks kind and apiVersion against
 *  @type (other versions of the group are 400 too unless the type is meta), unknown and duplicate
 *  fields by write.field_validation, drops gated fields. In-process: a deep copy of the
 *  caller's struct. STAGE_NEXT when *@ret_obj is set; else the answer has been given. */
enum stage_result decode_body(struct request *rq, const struct type *type, void **ret_obj);
/** As decode_body() from a document already parsed (a patched object). @dups may be NULL. */
enum stage_result decode_doc(struct request *rq, const struct type *type, const struct doc *doc,
                             const struct json_dup *dups, void **ret_obj);
/** True if the request has a body, also in-process. */
bool decode_has_body(const struct request *rq);

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
 *  then resumes at @then with rq->txn answered; if its code is 0, rq->result is the committed object.
 *  dry_run: writes nothing and runs @then at once, with rq->result NULL.
 *  Returns STAGE_WAIT or what @then returned. */
enum stage_result commit_put(struct request *rq, stage_fn then);
/** Commits the removal of rq->old at exactly its revision, with rq->extra_ops; rq->result becomes the
 *  removed object with the deletion's revision. Otherwise as commit_put(). */
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

/* change.c: reading, changing and writing one object whose body is not the request's (binding,
 * scale, approval by a component). Runs again from the newest state on a conflict. */
struct change {
    /* rq->old, rq->old_typed: the stored object; rq->obj: a copy to be changed in place. STAGE_NEXT to
     * validate and write it; STAGE_DONE when it has answered (a refusal). Must not wait. */
    stage_fn apply;
    /* After the commit (or when nothing changed): answers with what rq->result says. */
    stage_fn answer;
    bool as_update; /* the new state passes prepare_update, validation and validating admission like
                       the body of a PUT; else it is written as apply() left it */
};
/** Runs @ch (static) on the object rq->ns, rq->name of @rq->res. 404 when it is absent. */
enum stage_result change_object(struct request *rq, const struct change *ch);

/* delete.c */
/** Deletes rq->res rq->ns rq->name by rq->del (which the caller has filled), with rq->extra_ops, then
 *  runs @answer with rq->result set: the removed object, or the one that now is being deleted. A
 *  NULL @answer gives the usual answer of DELETE. Eviction uses it. */
enum stage_result delete_object(struct request *rq, stage_fn answer);

/* write_hooks.c: kinds whose writes change more than themselves. A hook fills fields of rq->obj and
 * may add operations with commit_add(), or ends the request. It runs again when the write is
 * tried again, and with write.dry_run set too. Must not wait. */
struct write_hook {
    const struct resource *res;
    stage_fn create; /* after metadata_init(), before prepare_create and validation */
    stage_fn update; /* after the checks of resourceVersion, before prepare_update */
    stage_fn remove; /* just before the removal of rq->old is committed */
};
/** Ended by a NULL res. */
extern const struct write_hook write_hooks[];
/** The hook of @res, or NULL. */
const struct write_hook *write_hook_find(const struct resource *res);
/** Allocates cluster IPs and node ports of a Service. service_alloc.c */
enum stage_result service_alloc_create(struct request *rq);
enum stage_result service_alloc_update(struct request *rq); /** Likewise on update. service_alloc.c */
enum stage_result service_alloc_remove(struct request *rq); /** Gives them back. service_alloc.c */
