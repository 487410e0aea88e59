/* components.c - ComponentStatus: the health of the parts of the control plane. Computed when asked
 * for: controllers and scheduler give signs of life, the store is looked at. */
#include "apiserver/respond.h"
#include "apiserver/write.h"

static const char *const names[] = {
    [COMPONENT_CONTROLLER_MANAGER] = "controller-manager", [COMPONENT_SCHEDULER] = "scheduler"};
static_assert(ARRAY_LEN(names) == COMPONENT__N, "a component has no name");
static const char store_name[] = "etcd-0";

void apiserver_component_beat(struct apiserver *as, enum component c)
{
    uint64_t now_ms = loop_clock(as->loop)->mono_ns(loop_clock(as->loop)) / 1000000;

    atomic_store(&as->component_beats[c], MAX(now_ms, 1));
}

void apiserver_component_ended(struct apiserver *as, enum component c)
{
    atomic_store(&as->component_beats[c], 0);
}

/* What is wrong with @c, in the request's arena; NULL: nothing. */
static const char *component_fault(struct request *rq, enum component c)
{
    struct apiserver *as = rq->as;
    uint64_t now_ms = loop_clock(as->loop)->mono_ns(loop_clock(as->loop)) / 1000000;
    uint64_t beat_ms = atomic_load(&as->component_beats[c]);

    if (beat_ms == 0)
        return "does not run in this process";
    if (now_ms > beat_ms + COMPONENT_SILENT_MS)
        return arena_printf(rq->arena, "has given no sign of life for %llu s",
                            (unsigned long long)(now_ms - beat_ms) / 1000);
    return NULL;
}

static struct object *status_object(struct request *rq, const char *name, const char *fault)
{
    struct core_component_condition condition = {.type = STR("Healthy"),
                                                 .status = fault ? STR("False") : STR("True"),
                                                 .message = str_from(fault ? fault : "ok")};
    struct core_component_status s = {.metadata.name = str_from(name)};

    s.conditions.v = &condition;
    s.conditions.n = 1;
    return object_new(rq->res, &s);
}

static struct object *component_object(struct request *rq, size_t i)
{
    if (i < COMPONENT__N)
        return status_object(rq, names[i], component_fault(rq, (enum component)i));
    return status_object(rq, store_name, health_store(rq->as) ? NULL : "the store does not answer");
}

static enum stage_result get_component(struct request *rq)
{
    size_t i = 0;
    struct object *o;

    while (i < COMPONENT__N && !str_eqz(rq->name, names[i]))
        i++;
    if (i == COMPONENT__N && !str_eqz(rq->name, store_name))
        return status_fail_plain(
            rq, 500, arena_printf(rq->arena, "Component not found: %.*s", STR_ARG(rq->name)));
    o = component_object(rq, i);
    (void)respond_object(rq, 200, o);
    (void)object_unref(o);
    return STAGE_DONE;
}

static enum stage_result list_components(struct request *rq)
{
    struct omap all;
    struct snapshot *snap;

    omap_init(&all, &object_omap_ops);
    for (size_t i = 0; i <= COMPONENT__N; i++) {
        struct object *o = component_object(rq, i);

        (void)omap_put(&all, o);
        (void)object_unref(o);
    }
    snap = snapshot_new(&all, 0);
    omap_deinit(&all);
    return list_snapshot(rq, snap);
}

enum stage_result stage_component_status(struct request *rq)
{
    return rq->verb == VERB_LIST ? list_components(rq) : get_component(rq);
}
