/* conformance.h - what every store must do, whatever is below it: each takes an empty one. */
#pragma once
#include "stores.h"

static inline void expectations(struct fixture *f)
{
    struct one o;
    struct object *got;

    assert_int_equal(put_if(f->st, f->loop, "a", "1", STORE_ABSENT), 2);
    assert_int_equal(put_if(f->st, f->loop, "a", "2", STORE_ABSENT), ERR_EXISTS);
    assert_int_equal(put_if(f->st, f->loop, "a", "2", 3), ERR_CONFLICT);
    assert_int_equal(put_if(f->st, f->loop, "b", "2", 3), ERR_NOT_FOUND);
    assert_int_equal(delete_if(f->st, f->loop, "b", STORE_ANY), ERR_NOT_FOUND);
    assert_int_equal(delete_if(f->st, f->loop, "a", 7), ERR_CONFLICT);
    assert_int_equal(store_revision(f->st), 2);
    assert_int_equal(put_if(f->st, f->loop, "a", "3", 2), 3);
    got = find(f->st, "a");
    assert_int_equal(got->revision, 3);
    assert_int_equal(got->create_revision, 2);
    assert_int_equal(got->version, 2);
    assert_str_equal(got->json, "{\"metadata\":{\"name\":\"a\",\"namespace\":\"n\","
                                "\"resourceVersion\":\"3\",\"labels\":{\"v\":\"3\"}}}");
    object_unref(got);

    one_init(&o, STORE_PUT, CONFIGMAPS, "a", "4", 2);
    assert_int_equal(one_run(&o, f->st, f->loop), ERR_CONFLICT);
    assert_non_null(o.txn.current);
    assert_string_equal(value_of(o.txn.current), "3");
    assert_non_null(strstr(o.txn.err.msg, "/registry/configmaps/n/a is at revision 3, not 2"));
    one_deinit(&o);

    one_init(&o, STORE_DELETE, CONFIGMAPS, "a", NULL, 3);
    assert_int_equal(one_run(&o, f->st, f->loop), 0);
    assert_int_equal(o.txn.revision, 4);
    assert_int_equal(o.txn.removed->revision, 4);
    assert_str_equal(o.txn.removed->json, "{\"metadata\":{\"name\":\"a\",\"namespace\":\"n\","
                                          "\"resourceVersion\":\"4\",\"labels\":{\"v\":\"3\"}}}");
    one_deinit(&o);
    assert_null(find(f->st, "a"));
    one_init(&o, STORE_CHECK, CONFIGMAPS, "a", NULL, STORE_ABSENT);
    assert_int_equal(one_run(&o, f->st, f->loop), 0);
    assert_int_equal(o.txn.revision, 4);
    one_init(&o, STORE_CHECK, CONFIGMAPS, "a", NULL, 3);
    assert_int_equal(one_run(&o, f->st, f->loop), ERR_NOT_FOUND);
}

static inline void many_done(struct store_txn *txn)
{
    loop_stop(txn->loop);
}

static inline void several_ops(struct fixture *f)
{
    struct store_op ops[3] = {
        {.kind = STORE_PUT, .res = CONFIGMAPS, .object = object_of(CONFIGMAPS, "a", "1"),
         .expect_revision = STORE_ABSENT},
        {.kind = STORE_PUT, .res = SECRETS, .object = object_of(SECRETS, "s", "1"),
         .expect_revision = STORE_ABSENT},
        {.kind = STORE_CHECK, .res = CONFIGMAPS, .key = STR("/registry/configmaps/n/b"),
         .expect_revision = STORE_ABSENT},
    };
    struct store_txn txn = {.ops = ops, .n = 3, .loop = f->loop, .on_done = many_done};
    struct object *o;

    store_commit(f->st, &txn);
    loop_run(f->loop);
    assert_int_equal(txn.code, 0);
    assert_int_equal(txn.revision, 2);
    o = cache_find(store_cache(f->st, SECRETS), STR("/registry/secrets/n/s"));
    assert_int_equal(o->revision, 2);
    object_unref(o);

    ops[0].object = object_of(CONFIGMAPS, "b", "1");
    ops[1].object = object_of(SECRETS, "s", "2"); /* exists: nothing happens */
    store_commit(f->st, &txn);
    loop_run(f->loop);
    assert_int_equal(txn.code, ERR_EXISTS);
    assert_int_equal(txn.failed_op, 1);
    assert_string_equal(value_of(txn.current), "1");
    txn.current = object_unref(txn.current);
    assert_null(find(f->st, "b"));
    assert_int_equal(store_revision(f->st), 2);

    ops[0].object = object_of(CONFIGMAPS, "c", "1");
    ops[1] = (struct store_op){.kind = STORE_DELETE,
                               .res = CONFIGMAPS,
                               .key = STR("/registry/configmaps/n/c"),
                               .expect_revision = STORE_ANY};
    ops[0].expect_revision = STORE_ANY;
    assert_int_equal(put(f->st, f->loop, "c", "0"), 3);
    store_commit(f->st, &txn);
    loop_run(f->loop);
    assert_int_equal(txn.code, ERR_BAD_REQUEST); /* written twice */
    txn.current = object_unref(txn.current);
}

/* Two events of one revision: a cursor between them has not seen that revision. */
static inline void inside_a_revision(struct fixture *f)
{
    struct store_op ops[2];
    struct store_txn txn = {.ops = ops, .n = 2, .on_done = many_done};
    struct watch_cursor w, again;
    struct event ev;
    struct cache *c;
    struct err err = {0};

    c = store_cache(f->st, CONFIGMAPS);
    txn.loop = f->loop;
    for (int i = 0; i < 2; i++)
        ops[i] = (struct store_op){.kind = STORE_PUT,
                                   .res = CONFIGMAPS,
                                   .object = object_of(CONFIGMAPS, i ? "b" : "a", "1"),
                                   .expect_revision = STORE_ABSENT};
    assert_ok(watch_open(c, 1, &w, &err), &err);
    store_commit(f->st, &txn);
    loop_run(f->loop);
    assert_int_equal(txn.code, 0);
    assert_int_equal(watch_next(c, &w, &ev, &err), 1);
    assert_int_equal(ev.revision, 2);
    assert_int_equal(w.revision, 1);
    assert_ok(watch_open(c, w.revision, &again, &err), &err);
    for (int i = 0; i < 2; i++)
        assert_int_equal(watch_next(c, &again, &ev, &err), 1);
    watch_close(&again);
    assert_int_equal(watch_next(c, &w, &ev, &err), 1);
    assert_int_equal(ev.revision, 2);
    assert_int_equal(w.revision, 2);
    assert_int_equal(watch_next(c, &w, &ev, &err), 0);
    watch_close(&w);
}

static inline void reopens(struct fixture *f)
{
    struct object *o;
    struct watch_cursor w;
    struct err err = {0};

    put(f->st, f->loop, "a", "1");
    put(f->st, f->loop, "a", "2");
    put(f->st, f->loop, "b", "1");
    put_lazy(f->st, f->loop, "c", "1");
    delete_if(f->st, f->loop, "b", STORE_ANY);
    f->st = store_close(f->st);
    fixture_open(f, NULL);
    assert_int_equal(store_revision(f->st), 6);
    o = find(f->st, "a");
    assert_string_equal(value_of(o), "2");
    assert_int_equal(o->revision, 3);
    assert_int_equal(o->create_revision, 2);
    assert_int_equal(o->version, 2);
    object_unref(o);
    o = find(f->st, "c");
    assert_int_equal(o->revision, 5);
    object_unref(o);
    assert_null(find(f->st, "b"));
    assert_int_equal(watch_open(store_cache(f->st, CONFIGMAPS), 5, &w, &err), ERR_EXPIRED);
    assert_ok(watch_open(store_cache(f->st, CONFIGMAPS), 6, &w, &err), &err);
    assert_int_equal(put_if(f->st, f->loop, "a", "3", 3), 7);
    watch_close(&w);
}

static inline void expect_event(struct cache *c, struct watch_cursor *w, enum event_type type,
                         int64_t revision, const char *value, const char *prev)
{
    struct event ev;
    struct err err = {0};

    assert_int_equal(watch_next(c, w, &ev, &err), 1);
    assert_int_equal(ev.type, type);
    assert_int_equal(ev.revision, revision);
    assert_int_equal(ev.object->revision, revision);
    assert_string_equal(value_of(ev.object), value);
    if (prev)
        assert_string_equal(value_of(ev.prev), prev);
    else
        assert_null(ev.prev);
    assert_int_equal(w->revision, revision);
}

static inline void watches(struct fixture *f)
{
    struct cache *c = store_cache(f->st, CONFIGMAPS);
    struct watch_cursor w, late;
    struct event ev;
    struct err err = {0};

    assert_ok(watch_open(c, store_revision(f->st), &w, &err), &err);
    assert_ok(watch_open(c, 4, &late, &err), &err); /* of the future */
    assert_int_equal(watch_next(c, &w, &ev, &err), 0);
    put(f->st, f->loop, "a", "1");
    put(f->st, f->loop, "a", "2");
    delete_if(f->st, f->loop, "a", STORE_ANY);
    put_lazy(f->st, f->loop, "a", "3");
    expect_event(c, &w, EVENT_ADDED, 2, "1", NULL);
    expect_event(c, &w, EVENT_MODIFIED, 3, "2", "1");
    expect_event(c, &w, EVENT_DELETED, 4, "2", "2");
    expect_event(c, &w, EVENT_ADDED, 5, "3", NULL);
    assert_int_equal(watch_next(c, &w, &ev, &err), 0);
    expect_event(c, &late, EVENT_ADDED, 5, "3", NULL);
    assert_int_equal(watch_next(c, &late, &ev, &err), 0);
    watch_close(&late);
    watch_close(&late);
    assert_ok(watch_open(c, 3, &late, &err), &err);
    expect_event(c, &late, EVENT_DELETED, 4, "2", "2");
    watch_close(&late);
    assert_int_equal(watch_next(store_cache(f->st, SECRETS), &(struct watch_cursor){.revision = 1},
                                &ev, &err),
                     0);
    watch_close(&w);
}

static inline void quiet_resource(struct fixture *f)
{
    struct watch_cursor w;
    struct event ev;
    struct err err = {0};

    assert_ok(watch_open(store_cache(f->st, SECRETS), 1, &w, &err), &err);
    for (int i = 0; i < 10; i++)
        put(f->st, f->loop, "a", "1");
    assert_int_equal(watch_next(store_cache(f->st, SECRETS), &w, &ev, &err), 0);
    assert_int_equal(w.revision, 11);
    watch_close(&w);
}

static inline void snapshots(struct fixture *f)
{
    struct snapshot *before, *after;
    auto_buf b = {0};

    put(f->st, f->loop, "a", "1");
    put(f->st, f->loop, "b", "1");
    before = cache_snapshot(store_cache(f->st, CONFIGMAPS));
    delete_if(f->st, f->loop, "a", STORE_ANY);
    put(f->st, f->loop, "b", "2");
    after = cache_snapshot(store_cache(f->st, CONFIGMAPS));
    assert_int_equal(before->revision, 3);
    assert_int_equal(after->revision, 5);
    print_objects(before, &b);
    assert_string_equal(buf_cstr(&b), "a=1@2 b=1@3 ");
    buf_reset(&b);
    print_objects(after, &b);
    assert_string_equal(buf_cstr(&b), "b=2@5 ");
    snapshot_unref(before);
    snapshot_unref(after);
    after = cache_snapshot(store_cache(f->st, SECRETS)); /* none, at the store's revision */
    assert_int_equal(after->revision, 5);
    assert_int_equal(after->objects.n, 0);
    snapshot_unref(after);
}

static inline void recorded_history(struct fixture *f)
{
    struct random_seeded rnd;
    struct cache *c;
    char *history[402] = {0};
    struct err err = {0};
    struct snapshot *s;

    random_seeded_init(&rnd, 7);
    c = store_cache(f->st, CONFIGMAPS);
    for (int i = 0; i < 400; i++) {
        auto_buf b = {0};
        char name[8], value[16];
        int64_t rev;

        (void)snprintf(name, sizeof(name), "k%d", (int)random_below(&rnd.base, 12));
        (void)snprintf(value, sizeof(value), "%d", i);
        rev = random_below(&rnd.base, 3) ? put(f->st, f->loop, name, value)
                                         : delete_if(f->st, f->loop, name, STORE_ANY);
        if (rev < 0)
            rev = put(f->st, f->loop, name, value);
        assert_int_equal(rev, i + 2);
        s = cache_snapshot(c);
        print_objects(s, &b);
        history[rev] = xstrdup(buf_cstr(&b));
        snapshot_unref(s);
    }
    for (int64_t rev = 2; rev <= 401; rev++) {
        auto_buf b = {0};

        assert_ok(cache_snapshot_at(c, rev, &s, &err), &err);
        assert_int_equal(s->revision, rev);
        print_objects(s, &b);
        assert_string_equal(buf_cstr(&b), history[rev]);
        free(history[rev]);
        snapshot_unref(s);
    }
    assert_ok(cache_snapshot_at(c, 1, &s, &err), &err);
    assert_int_equal(s->objects.n, 0);
    snapshot_unref(s);
    assert_int_equal(cache_snapshot_at(c, 402, &s, &err), ERR_TIMEOUT);
}
