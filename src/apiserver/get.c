/* get.c - one object: a look-up, and its bytes. */
#include "apiserver/fresh.h"
#include "apiserver/respond.h"

enum stage_result stage_get(struct request *rq)
{
    enum stage_result r = fresh_wait(rq, rq->list.revision, stage_get);
    struct object *o;

    if (r != STAGE_NEXT)
        return r;
    o = cache_find(store_cache(rq->as->store, rq->res),
                   resource_key(rq->res->storage, resource_namespaced(rq->res) ? rq->ns : STR(""),
                                rq->name, rq->arena));
    if (!o)
        return request_fail_object(rq, ERR_NOT_FOUND, rq->res, rq->name, NULL);
    r = respond_object(rq, 200, o);
    (void)object_unref(o);
    return r;
}
