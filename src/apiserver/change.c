/* change.c - changes of one stored object that are not its body: binding, scale, and their like. */
#include "apiserver/write.h"
#include "schema/typed.h"

static enum stage_result again(struct request *rq);

static enum stage_result run(struct request *rq, const struct change *ch)
{
    struct update u = {.again = again, .retry = true, .answer = ch->answer};
    enum stage_result r;

    if (!update_read(rq))
        return request_fail_object(rq, ERR_NOT_FOUND, rq->res, rq->name, NULL);
    rq->obj = typed_clone(rq->res->type, rq->old_typed, rq->arena, false);
    r = ch->apply(rq);
    if (r != STAGE_NEXT)
        return r;
    u.change = ch;
    return ch->as_update ? update_object(rq, &u) : update_commit(rq, &u);
}

static enum stage_result again(struct request *rq)
{
    const struct update *u = rq->state;

    return run(rq, u->change);
}

enum stage_result change_object(struct request *rq, const struct change *ch)
{
    return run(rq, ch);
}
