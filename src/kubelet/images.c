/* SPDX-License-Identifier: Apache-2.0 */
/* images.c - images of containers: asked about, pulled by policy, with back-off and credentials. */
#include "kubelet/pod_internal.h"

#include "base/log.h"
#include "kubelet/pause_image.h"

enum {
    PULLS_MAX = 3,
    BACKOFF_MIN_MS = 10000,
    BACKOFF_MAX_MS = 300000,
    IMPORT_POLL_MS = 50,
    IMPORT_POLLS_MAX = 100,
};

struct backoff { /* of one image for one pod */
    uint64_t since_ms;
    uint32_t ms;
    char *error;
};
struct wait { /* a container that needs its image; holds a reference to the pod */
    struct images *images;
    struct wait *prev, *next; /* all, oldest first */
    struct kcontainer *kc;
    images_done done; /* NULL: told */
    void *arg;
    struct arena arena;
    struct str image;  /* with a tag */
    struct str policy; /* of the container */
    struct str key;    /* of its back-off */
    bool busy;         /* a call is under way, whose callback frees it if it was told */
    bool queued, pulling, pulled;
    uint64_t queued_ms, pull_ms;
    size_t next_secret;
    VEC(struct image_auth) auths;
    size_t next_auth;
};
struct images {
    struct kubelet *kl;
    struct wait *first, *last;
    unsigned pulling;
    struct map backoffs;
};

static char *text(const char *s)
{
    return (char *)(uintptr_t)s;
}

struct images *images_new(struct kubelet *kl)
{
    struct images *im = xnew(struct images);

    im->kl = kl;
    return im;
}

static void wait_free(struct wait *w)
{
    struct images *im = w->images;

    if (im) {
        *(w->prev ? &w->prev->next : &im->first) = w->next;
        *(w->next ? &w->next->prev : &im->last) = w->prev;
    }
    vec_deinit(&w->auths);
    arena_deinit(&w->arena);
    kpod_unref(w->kc->pod);
    free(w);
}

/* Tells the outcome, once; frees unless a call's callback is still to come. */
static void settle(struct wait *w, const char *reason, struct str message)
{
    images_done done = w->done;

    w->done = NULL;
    if (done)
        done(w->arg, reason, message);
    if (!w->busy)
        wait_free(w);
}

struct images *images_free(struct images *im)
{
    struct wait *w, *next;
    struct str key;
    void *value;

    if (!im)
        return NULL;
    for (w = im->first; w; w = next) {
        next = w->next;
        w->queued = false;
        settle(w, "Canceled", STR("the kubelet stops"));
    }
    for (w = im->first; w; w = w->next)
        w->images = NULL; /* their callbacks come later, and free them */
    for (size_t it = 0; map_next(&im->backoffs, &it, &key, &value);) {
        free(((struct backoff *)value)->error);
        free(value);
    }
    map_deinit(&im->backoffs);
    free(im);
    return NULL;
}

/* A callback of @w begins. True if nobody waits any more: @w is freed. */
static bool told(struct wait *w)
{
    w->busy = false;
    if (w->done && w->images)
        return false;
    if (!w->done)
        wait_free(w);
    else
        settle(w, "Canceled", STR("the kubelet stops"));
    return true;
}

static void note_failure(struct wait *w, struct str message)
{
    struct images *im = w->images;
    struct backoff *b = map_find(&im->backoffs, w->key);
    uint64_t now = loop_now_ms(im->kl->loop);

    if (!b) {
        b = xnew(struct backoff);
        map_set(&im->backoffs, w->key, b);
    }
    b->ms = b->ms == 0 || now - b->since_ms > 2 * (uint64_t)BACKOFF_MAX_MS
                ? BACKOFF_MIN_MS
                : MIN(b->ms * 2, BACKOFF_MAX_MS);
    b->since_ms = now;
    set_string(&b->error, message);
}

/* Forgets back-offs that no longer count, so that the table stays as small as what fails. */
static void forget_old(struct images *im)
{
    uint64_t now = loop_now_ms(im->kl->loop);
    struct str key;
    void *value;

    for (size_t it = 0; map_next(&im->backoffs, &it, &key, &value);) {
        struct backoff *b = value;

        if (now - b->since_ms > 2 * (uint64_t)BACKOFF_MAX_MS) {
            map_remove(&im->backoffs, key);
            free(b->error);
            free(b);
        }
    }
}

static void take_image(struct kcontainer *kc, const Runtime__V1__Image *image)
{
    set_string(&kc->image_ref, str_from(image->id));
    kc->image_has_uid = image->uid != NULL;
    kc->image_uid = image->uid ? image->uid->value : 0;
    set_string(&kc->image_user, str_from(image->username));
}

static void ask(struct wait *w, cri_done done)
{
    Runtime__V1__ImageStatusRequest rq = RUNTIME__V1__IMAGE_STATUS_REQUEST__INIT;
    Runtime__V1__ImageSpec spec = RUNTIME__V1__IMAGE_SPEC__INIT;

    spec.image = text(w->image.p);
    rq.image = &spec;
    w->busy = true;
    cri_call(w->images->kl->cri, CRI_IMAGE_STATUS, &rq.base, CRI_TIMEOUT_DEFAULT, done, w);
}

static void pull_next(struct images *im);

static void pull_over(struct images *im)
{
    if (im) {
        im->pulling--;
        pull_next(im);
    }
}

static void say_pulled(struct wait *w, uint64_t size)
{
    uint64_t now = loop_now_ms(w->images->kl->loop);
    auto_buf pull = {0}, all = {0};

    duration_write(&pull, (int64_t)(now - w->pull_ms) * 1000000);
    duration_write(&all, (int64_t)(now - w->queued_ms) * 1000000);
    kpod_event(w->kc->pod, w->kc, "Normal", "Pulled",
               "Successfully pulled image \"%.*s\" in %s (%s including waiting). Image size: %llu "
               "bytes.",
               STR_ARG(w->image), buf_cstr(&pull), buf_cstr(&all), (unsigned long long)size);
}

static void pull_failed(struct wait *w, struct str message)
{
    struct str copy = str_dup(&w->arena, message);

    note_failure(w, copy);
    kpod_event(w->kc->pod, w->kc, "Warning", "Failed", "Failed to pull image \"%.*s\": %.*s",
               STR_ARG(w->image), STR_ARG(copy));
    kpod_event(w->kc->pod, w->kc, "Warning", "Failed", "Error: ErrImagePull");
    settle(w, "ErrImagePull", copy);
}

static void on_pulled_status(void *arg, enum grpc_status status, struct str why,
                             const ProtobufCMessage *response)
{
    const Runtime__V1__ImageStatusResponse *rp = (const void *)response;
    struct wait *w = arg;

    if (told(w))
        return;
    if (status != GRPC_OK || !rp->image) {
        pull_failed(w, status == GRPC_OK ? STR("the image is not there after its pull") : why);
        return;
    }
    take_image(w->kc, rp->image);
    say_pulled(w, rp->image->size);
    settle(w, NULL, STR_NULL);
}

static void pull(struct wait *w);

static void on_pulled(void *arg, enum grpc_status status, struct str why,
                      const ProtobufCMessage *response)
{
    struct wait *w = arg;
    struct images *im = w->images;

    (void)response;
    if (status != GRPC_OK && w->done && im && w->next_auth < w->auths.n) {
        w->busy = false;
        pull(w); /* with the next credentials */
        return;
    }
    if (told(w)) {
        pull_over(im);
        return;
    }
    if (status == GRPC_OK)
        ask(w, on_pulled_status);
    else
        pull_failed(w, why);
    pull_over(im);
}

static void pull(struct wait *w)
{
    Runtime__V1__PullImageRequest rq = RUNTIME__V1__PULL_IMAGE_REQUEST__INIT;
    Runtime__V1__ImageSpec spec = RUNTIME__V1__IMAGE_SPEC__INIT;
    Runtime__V1__AuthConfig auth = RUNTIME__V1__AUTH_CONFIG__INIT;

    spec.image = text(w->image.p);
    rq.image = &spec;
    if (w->next_auth < w->auths.n) {
        const struct image_auth *ia = &w->auths.v[w->next_auth++];

        auth.username = str_dupz(&w->arena, ia->username);
        auth.password = str_dupz(&w->arena, ia->password);
        auth.identity_token = str_dupz(&w->arena, ia->identity_token);
        auth.registry_token = str_dupz(&w->arena, ia->registry_token);
        rq.auth = &auth;
    }
    w->busy = true;
    cri_call(w->images->kl->cri, CRI_PULL_IMAGE, &rq.base, CRI_TIMEOUT_DEFAULT, on_pulled, w);
}

static void pull_next(struct images *im)
{
    struct wait *next;

    for (struct wait *w = im->first; w && im->pulling < PULLS_MAX; w = next) {
        next = w->next;
        if (!w->queued)
            continue;
        w->queued = false;
        im->pulling++;
        w->pull_ms = loop_now_ms(im->kl->loop);
        pull(w);
    }
}

static void get_secrets(struct wait *w);

static void on_secret(void *arg, const struct client_result *r)
{
    struct wait *w = arg;
    const struct core_secret *secret;

    if (told(w))
        return;
    if (r->code < 0) {
        kpod_event(w->kc->pod, NULL, "Warning", "FailedToRetrieveImagePullSecret",
                   "Unable to retrieve some image pull secrets (%.*s); attempting to pull the "
                   "image may not succeed.",
                   STR_ARG(w->kc->pod->pod->spec.image_pull_secrets.v[w->next_secret - 1].name));
    } else {
        secret = OBJECT_AS(core_secret, r->object);
        for (size_t i = 0; i < secret->data.n; i++) {
            struct str key = secret->data.v[i].key;
            struct str json = str_dup(&w->arena, secret->data.v[i].value);
            bool legacy = str_eqz(key, ".dockercfg");
            struct image_auth auth;

            if ((legacy || str_eqz(key, ".dockerconfigjson")) &&
                pull_secret_find(json, legacy, w->image, &w->arena, &auth))
                vec_push(&w->auths, auth);
        }
    }
    get_secrets(w);
}

/* Fetches the pod's pull secrets one by one, then queues the pull. */
static void get_secrets(struct wait *w)
{
    const struct kpod *kp = w->kc->pod;
    const struct core_pod_spec *spec = &kp->pod->spec;

    while (w->next_secret < spec->image_pull_secrets.n) {
        struct str name = spec->image_pull_secrets.v[w->next_secret++].name;

        if (str_empty(name))
            continue;
        w->busy = true;
        client_get(kp->kl->client, &res_core_secrets, str_from(kp->ns), name, NULL, on_secret, w);
        return;
    }
    w->queued = true;
    pull_next(w->images);
}

static void want_pull(struct wait *w)
{
    struct backoff *b = map_find(&w->images->backoffs, w->key);
    uint64_t now = loop_now_ms(w->images->kl->loop);
    struct kcontainer *kc = w->kc;

    if (b && now - b->since_ms < b->ms) {
        kpod_event(kc->pod, kc, "Normal", "BackOff", "Back-off pulling image \"%.*s\"",
                   STR_ARG(w->image));
        kpod_event(kc->pod, kc, "Warning", "Failed", "Error: ImagePullBackOff");
        settle(w, "ImagePullBackOff",
               str_printf(&w->arena, "Back-off pulling image \"%.*s\": ErrImagePull: %s",
                          STR_ARG(w->image), b->error ? b->error : ""));
        return;
    }
    kpod_event(kc->pod, kc, "Normal", "Pulling", "Pulling image \"%.*s\"", STR_ARG(w->image));
    w->queued_ms = now;
    get_secrets(w);
}

static void on_image_status(void *arg, enum grpc_status status, struct str why,
                            const ProtobufCMessage *response)
{
    const Runtime__V1__ImageStatusResponse *rp = (const void *)response;
    struct wait *w = arg;
    struct kcontainer *kc = w->kc;
    bool present;

    if (told(w))
        return;
    if (status != GRPC_OK) {
        struct str text = str_printf(&w->arena, "Failed to inspect image \"%.*s\": %.*s",
                                     STR_ARG(w->image), STR_ARG(why));

        kpod_event(kc->pod, kc, "Warning", "InspectFailed", "%.*s", STR_ARG(text));
        settle(w, "ImageInspectError", text);
        return;
    }
    present = rp->image && *rp->image->id;
    if (present && !str_eqz(w->policy, "Always")) {
        take_image(kc, rp->image);
        kpod_event(kc->pod, kc, "Normal", "Pulled",
                   "Container image \"%.*s\" already present on machine and can be accessed by "
                   "the pod",
                   STR_ARG(w->image));
        settle(w, NULL, STR_NULL);
    } else if (!present && str_eqz(w->policy, "Never")) {
        struct str text =
            str_printf(&w->arena,
                       "Container image \"%.*s\" is not present with pull policy of Never",
                       STR_ARG(w->image));

        kpod_event(kc->pod, kc, "Warning", "ErrImageNeverPull", "%.*s", STR_ARG(text));
        settle(w, "ErrImageNeverPull", text);
    } else {
        want_pull(w);
    }
}

static void settle_invalid(void *arg)
{
    struct wait *w = arg;
    struct kcontainer *kc = w->kc;
    struct str text;

    if (told(w))
        return;
    text = str_printf(&w->arena,
                      "Failed to apply default image tag \"%.*s\": couldn't parse image name "
                      "\"%.*s\": invalid reference format",
                      STR_ARG(w->image), STR_ARG(w->image));
    kpod_event(kc->pod, kc, "Warning", "InspectFailed", "%.*s", STR_ARG(text));
    settle(w, "InvalidImageName", text);
}

void images_ensure(struct kcontainer *kc, images_done done, void *arg)
{
    const struct core_container *c = kcontainer_spec(kc);
    struct images *im = kc->pod->kl->images;
    struct wait *w = xnew(struct wait);

    kpod_ref(kc->pod);
    w->images = im;
    w->kc = kc;
    w->done = done;
    w->arg = arg;
    w->prev = im->last;
    *(im->last ? &im->last->next : &im->first) = w;
    im->last = w;
    w->policy = str_dup(&w->arena, c->image_pull_policy);
    forget_old(im);
    if (!image_ref_parse(c->image, &w->arena, &w->image)) {
        w->image = str_dup(&w->arena, c->image);
        w->busy = true;
        loop_post(im->kl->loop, settle_invalid, w);
        return;
    }
    w->key = str_printf(&w->arena, "%s_%.*s", kc->pod->uid, STR_ARG(w->image));
    ask(w, on_image_status);
}

void images_cancel(struct kcontainer *kc)
{
    struct images *im = kc->pod->kl->images;

    for (struct wait *w = im->first; w; w = w->next) {
        if (w->kc == kc && w->done) {
            w->queued = false;
            settle(w, "Canceled", STR("the pod ends"));
            return;
        }
    }
}

struct import { /* of the built-in sandbox image */
    struct kubelet *kl;
    kpod_done done;
    void *arg;
    struct timer poll;
    unsigned polls;
    int code;
    struct err err;
    bool imported;
};

static void import_end(struct import *i)
{
    i->done(i->arg, i->code, &i->err);
    kubelet_unref(i->kl);
    free(i);
}

static void import_ask(struct import *i);

static void on_poll(struct timer *t)
{
    import_ask(container_of(t, struct import, poll));
}

static void run_import(void *arg)
{
    struct import *i = arg;
    const char *endpoint = i->kl->opts.runtime_endpoint;
    const char *socket = strncmp(endpoint, "unix://", 7) == 0 ? endpoint + 7 : endpoint;
    const char *argv[] = {"ctr", "-a", socket, "-n", "k8s.io", "images", "import", "-", NULL};

    i->code = host_run(argv, (struct str){(const char *)pause_image, pause_image_len}, &i->err);
}

static void import_ran(void *arg)
{
    struct import *i = arg;

    i->imported = true;
    if (i->code < 0 || i->kl->stopping)
        import_end(i);
    else
        import_ask(i);
}

static void on_import_status(void *arg, enum grpc_status status, struct str why,
                             const ProtobufCMessage *response)
{
    const Runtime__V1__ImageStatusResponse *rp = (const void *)response;
    struct import *i = arg;

    if (i->kl->stopping || (status == GRPC_OK && rp->image && *rp->image->id)) {
        import_end(i);
    } else if (i->polls++ >= IMPORT_POLLS_MAX) {
        i->code = err_new(&i->err, ERR_UNAVAILABLE, "the sandbox image does not appear: %.*s",
                          STR_ARG(why));
        import_end(i);
    } else if (!i->imported) {
        loop_work(i->kl->loop, run_import, import_ran, i);
    } else {
        timer_start(&i->poll, IMPORT_POLL_MS, 0);
    }
}

static void import_ask(struct import *i)
{
    Runtime__V1__ImageStatusRequest rq = RUNTIME__V1__IMAGE_STATUS_REQUEST__INIT;
    Runtime__V1__ImageSpec spec = RUNTIME__V1__IMAGE_SPEC__INIT;

    if (i->kl->stopping) {
        import_end(i);
        return;
    }
    spec.image = text(i->kl->opts.pause_image);
    rq.image = &spec;
    cri_call(i->kl->cri, CRI_IMAGE_STATUS, &rq.base, CRI_TIMEOUT_DEFAULT, on_import_status, i);
}

void images_import_pause(struct kubelet *kl, kpod_done done, void *arg)
{
    struct import *i = xnew(struct import);

    i->kl = kubelet_ref(kl);
    i->done = done;
    i->arg = arg;
    timer_init(&i->poll, kl->loop, on_poll);
    import_ask(i);
}
