/* SPDX-License-Identifier: Apache-2.0 */
#include "client/events.h"

#include "base/log.h"
#include "base/map.h"
#include "codec/json.h"

/* As client-go's correlator: repeats of one event count up; more than SIMILAR_MAX events that
 * differ only in their text within SIMILAR_MS are told as one; a source that floods one object is
 * cut. */
enum {
    KNOWN_MAX = 4096,
    SIMILAR_MAX = 10,
    SIMILAR_MS = 600 * 1000,
    BURST = 25,
    REFILL_MS = 300 * 1000,
    MESSAGE_MAX = 1024,
    IN_FLIGHT_MAX = 256,
};
#define COMBINED "(combined from similar events): "

struct known { /* an event that has been written */
    char *name;
    int32_t count;
    struct time_value first;
};
struct similar { /* events of one object that differ in their text only */
    uint64_t since_ms;
    unsigned n;
};
struct bucket { /* tokens of one object */
    uint64_t at_ms;
    unsigned left;
};
struct event_recorder {
    struct client *client;
    const char *component, *host;
    struct map known, similar, buckets;
    unsigned in_flight;
    uint64_t last_stamp;
    bool freed;
};
struct sent { /* a write under way */
    struct event_recorder *recorder;
    struct arena arena;
    struct str key, ns;
    struct core_event *event;
    bool patch, retried;
};

static void free_known(struct map *m)
{
    struct str key;
    void *value;

    for (size_t it = 0; map_next(m, &it, &key, &value);) {
        free(((struct known *)value)->name);
        free(value);
    }
    map_deinit(m);
}

static void free_plain(struct map *m)
{
    struct str key;
    void *value;

    for (size_t it = 0; map_next(m, &it, &key, &value);)
        free(value);
    map_deinit(m);
}

struct event_recorder *event_recorder_new(struct client *c, const char *component, const char *host)
{
    struct event_recorder *r = xnew(struct event_recorder);

    r->client = c;
    r->component = component;
    r->host = host;
    return r;
}

static void release(struct event_recorder *r)
{
    if (r->freed && r->in_flight == 0)
        free(r);
}

struct event_recorder *event_recorder_free(struct event_recorder *r)
{
    if (!r)
        return NULL;
    free_known(&r->known);
    free_plain(&r->similar);
    free_plain(&r->buckets);
    r->freed = true;
    release(r);
    return NULL;
}

struct event_target event_target_of(const struct object *o)
{
    return (struct event_target){
        .res = o->res, .kind = o->res->kind, .ns = o->ns, .name = o->name, .uid = o->uid};
}

static void send_create(struct sent *s);

static void remember(struct sent *s)
{
    struct event_recorder *r = s->recorder;
    struct known *k = map_find(&r->known, s->key);

    if (r->known.n >= KNOWN_MAX)
        free_known(&r->known);
    if (!k || r->known.n == 0) {
        k = xnew(struct known);
        (void)map_set(&r->known, s->key, k);
    }
    free(k->name);
    k->name = xmemdupz(s->event->metadata.name.p, s->event->metadata.name.len);
    k->count = s->event->count;
    k->first = s->event->first_timestamp;
}

static void on_sent(void *arg, const struct client_result *res)
{
    struct sent *s = arg;
    struct event_recorder *r = s->recorder;

    if (s->patch && res->code == ERR_NOT_FOUND && !r->freed && !s->retried) {
        s->retried = true;
        s->patch = false;
        s->event->count = 1;
        s->event->first_timestamp = s->event->last_timestamp;
        send_create(s);
        return;
    }
    if (res->code < 0)
        LOG_DEBUG("events", "event %.*s dropped: %s", STR_ARG(s->event->reason), res->err->msg);
    else if (!r->freed)
        remember(s);
    r->in_flight--;
    release(r);
    arena_deinit(&s->arena);
    free(s);
}

static void send_create(struct sent *s)
{
    struct event_recorder *r = s->recorder;
    uint64_t now = (uint64_t)loop_wall_ns(client_loop(r->client));
    uint64_t stamp = MAX(now, r->last_stamp + 1); /* names are made of it */

    r->last_stamp = stamp;
    s->event->metadata.name = str_printf(
        &s->arena, "%.*s.%llx", STR_ARG(s->event->involved_object.name), (unsigned long long)stamp);
    client_create(r->client, &res_core_events, s->ns, STR_NULL, NULL, s->event, NULL, on_sent, s);
}

static void send_patch(struct sent *s, const struct known *k)
{
    auto_buf patch = {0};

    s->patch = true;
    s->event->metadata.name = str_dup(&s->arena, str_from(k->name));
    s->event->count = k->count + 1;
    s->event->first_timestamp = k->first;
    buf_printf(&patch, "{\"count\":%d,\"message\":", s->event->count);
    json_write_string(&patch, s->event->message);
    buf_puts(&patch, ",\"lastTimestamp\":\"");
    time_write(&patch, s->event->last_timestamp);
    buf_puts(&patch, "\"}");
    client_patch(s->recorder->client, &res_core_events, s->ns, s->event->metadata.name,
                 CLIENT_STRATEGIC_PATCH, buf_view(&patch), NULL, on_sent, s);
}

/* False when this object has had its share. */
static bool take_token(struct event_recorder *r, struct str object_key, uint64_t now_ms)
{
    struct bucket *b = map_find(&r->buckets, object_key);
    uint64_t fresh;

    if (!b) {
        if (r->buckets.n >= KNOWN_MAX)
            free_plain(&r->buckets);
        b = xnew(struct bucket);
        *b = (struct bucket){now_ms, BURST};
        (void)map_set(&r->buckets, object_key, b);
    }
    fresh = (now_ms - b->at_ms) / REFILL_MS;
    b->at_ms += fresh * REFILL_MS;
    b->left = (unsigned)MIN(fresh + b->left, BURST);
    if (b->left == 0)
        return false;
    b->left--;
    return true;
}

/* True when @key has had many different texts lately: they are told as one from now on. */
static bool too_similar(struct event_recorder *r, struct str key, uint64_t now_ms)
{
    struct similar *s = map_find(&r->similar, key);

    if (!s) {
        if (r->similar.n >= KNOWN_MAX)
            free_plain(&r->similar);
        s = xnew(struct similar);
        s->since_ms = now_ms;
        (void)map_set(&r->similar, key, s);
    }
    if (now_ms - s->since_ms > SIMILAR_MS)
        *s = (struct similar){now_ms, 0};
    return ++s->n > SIMILAR_MAX;
}

static void fill(struct sent *s, const struct event_target *t, const char *type, const char *reason,
                 struct str message)
{
    struct event_recorder *r = s->recorder;
    struct core_event *e = arena_new(&s->arena, struct core_event);
    struct time_value now = time_from_ns(loop_wall_ns(client_loop(r->client)));

    now.nsec = 0;
    s->ns = t->ns.len > 0 ? str_dup(&s->arena, t->ns) : STR("default");
    s->event = e;
    e->metadata.namespace = s->ns;
    e->involved_object = (struct core_object_reference){
        .kind = str_from(arena_strdup(&s->arena, t->kind)),
        .namespace = str_dup(&s->arena, t->ns),
        .name = str_dup(&s->arena, t->name),
        .uid = str_dup(&s->arena, t->uid),
        .api_version = t->res ? resource_api_version(t->res, &s->arena)
                              : str_from(arena_strdup(&s->arena, t->api_version)),
        .resource_version = str_dup(&s->arena, t->resource_version),
        .field_path = str_dup(&s->arena, t->field_path)};
    e->reason = str_from(arena_strdup(&s->arena, reason));
    e->message = str_sub(message, 0, MESSAGE_MAX);
    e->type = str_from(type);
    e->source.component = str_from(r->component);
    e->source.host = str_from(r->host);
    e->reporting_component = str_from(r->component);
    e->reporting_instance = str_from(r->host);
    e->first_timestamp = e->last_timestamp = now;
    e->count = 1;
}

void event_record(struct event_recorder *r, const struct event_target *t, const char *type,
                  const char *reason, const char *fmt, ...)
{
    uint64_t now_ms = loop_now_ms(client_loop(r->client));
    struct str object_key, group_key, message;
    const struct known *k;
    struct sent *s;
    va_list args;

    if (r->in_flight >= IN_FLIGHT_MAX) {
        LOG_DEBUG("events", "event %s dropped: too many under way", reason);
        return;
    }
    s = xnew(struct sent);
    s->recorder = r;
    va_start(args, fmt);
    message = str_from(arena_vprintf(&s->arena, NULL, fmt, args));
    va_end(args);
    object_key = str_printf(&s->arena, "%s/%.*s/%.*s/%.*s", t->kind, STR_ARG(t->ns),
                            STR_ARG(t->name), STR_ARG(t->uid));
    if (!take_token(r, object_key, now_ms)) {
        arena_deinit(&s->arena);
        free(s);
        return;
    }
    group_key = str_printf(&s->arena, "%.*s/%.*s/%s/%s", STR_ARG(object_key),
                           STR_ARG(t->field_path), type, reason);
    s->key = str_printf(&s->arena, "%.*s/%.*s", STR_ARG(group_key), STR_ARG(message));
    k = map_find(&r->known, s->key);
    if (!k && too_similar(r, group_key, now_ms)) {
        s->key = group_key;
        message = str_printf(&s->arena, COMBINED "%.*s", STR_ARG(message));
        k = map_find(&r->known, s->key);
    }
    fill(s, t, type, reason, message);
    r->in_flight++;
    if (k)
        send_patch(s, k);
    else
        send_create(s);
}
