/* bolt.c - writes a bolt database, from keys that rise: what etcd's tools read as a snapshot.
 *
 * The file is written once, front to back: two meta pages, an empty freelist, then the pages of
 * each bucket (leaves in order, above them branches), last the root that names the buckets.
 * https://github.com/etcd-io/bbolt/blob/main/page.go and bucket.go; all numbers little-endian.
 */
#include "etcd/etcd_internal.h"

enum {
    PAGE_BYTES = 4096,
    PAGE_HEADER_BYTES = 16,
    ITEM_BYTES = 16, /* of leaves and branches */
    ITEMS_MAX = 0xfff0,
    FIRST_PAGE = 3, /* after the metas and the freelist */
    FLAG_BRANCH = 1,
    FLAG_LEAF = 2,
    FLAG_META = 4,
    FLAG_FREELIST = 0x10,
    ITEM_BUCKET = 1,
    META_SUM_AT = 56,
};
#define BOLT_MAGIC UINT32_C(0xED0CDAED)
enum { BOLT_VERSION = 2, TXID = 1 };

struct item { /* of the page being filled; key and value in bytes */
    size_t key_len, value_len;
    uint64_t page; /* of a branch */
    bool bucket;
};
struct child { /* a finished page of the level below: its first key */
    char *key;
    size_t key_len;
    uint64_t page;
};
typedef VEC(struct child) children;
struct bolt {
    struct buf file;
    uint64_t next_page;
    VEC(struct item) items;
    struct buf bytes; /* key, value, key, value, ... of the items */
    size_t filled;    /* bytes the page would have */
    children leaves;
    const char *bucket; /* open, or NULL */
    children roots;     /* of the buckets that are done */
};

static void put16(struct buf *b, unsigned v)
{
    buf_putc(b, (char)v);
    buf_putc(b, (char)(v >> 8));
}

static void put32(struct buf *b, uint32_t v)
{
    put16(b, v & 0xffff);
    put16(b, v >> 16);
}

static void put64(struct buf *b, uint64_t v)
{
    put32(b, (uint32_t)v);
    put32(b, (uint32_t)(v >> 32));
}

/* Writes the items as one page, which may run over into pages behind it. Its number. */
static uint64_t page_write(struct bolt *b, unsigned flags)
{
    uint64_t id = b->next_page, pages = (b->filled + PAGE_BYTES - 1) / PAGE_BYTES;
    size_t n = b->items.n, data = 0, end;

    pages = MAX(pages, (uint64_t)1);
    end = b->file.len + (size_t)pages * PAGE_BYTES;
    put64(&b->file, id);
    put16(&b->file, flags);
    put16(&b->file, (unsigned)n);
    put32(&b->file, (uint32_t)(pages - 1));
    for (size_t i = 0; i < n; i++) {
        const struct item *it = &b->items.v[i];
        uint32_t pos = (uint32_t)((n - i) * ITEM_BYTES + data);

        if (flags == FLAG_LEAF) {
            put32(&b->file, it->bucket ? ITEM_BUCKET : 0);
            put32(&b->file, pos);
            put32(&b->file, (uint32_t)it->key_len);
            put32(&b->file, (uint32_t)it->value_len);
        } else {
            put32(&b->file, pos);
            put32(&b->file, (uint32_t)it->key_len);
            put64(&b->file, it->page);
        }
        data += it->key_len + it->value_len;
    }
    buf_str(&b->file, buf_view(&b->bytes));
    while (b->file.len < end)
        buf_putc(&b->file, 0);
    b->next_page += pages;
    return id;
}

static void page_begin(struct bolt *b)
{
    vec_clear(&b->items);
    buf_reset(&b->bytes);
    b->filled = PAGE_HEADER_BYTES;
}

/* Ends the page being filled, and notes it for the level above. */
static void page_end(struct bolt *b, unsigned flags, children *above)
{
    struct child c = {0};

    if (b->items.n) {
        c.key_len = b->items.v[0].key_len;
        c.key = xmemdupz(b->bytes.p, c.key_len);
    }
    c.page = page_write(b, flags);
    vec_push(above, c);
    page_begin(b);
}

static void page_add(struct bolt *b, unsigned flags, children *above, struct item it,
                     struct str key, struct str value)
{
    size_t more = ITEM_BYTES + key.len + value.len;

    if (b->items.n && (b->filled + more > PAGE_BYTES || b->items.n == ITEMS_MAX))
        page_end(b, flags, above);
    it.key_len = key.len;
    it.value_len = value.len;
    vec_push(&b->items, it);
    buf_str(&b->bytes, key);
    buf_str(&b->bytes, value);
    b->filled += more;
}

static void children_deinit(children *c)
{
    for (size_t i = 0; i < c->n; i++)
        free(c->v[i].key);
    vec_deinit(c);
}

/* Builds branches until there is one page; its number. */
static uint64_t tree_finish(struct bolt *b)
{
    uint64_t root;

    page_end(b, FLAG_LEAF, &b->leaves);
    while (b->leaves.n > 1) {
        children above = {0};

        for (size_t i = 0; i < b->leaves.n; i++) {
            const struct child *c = &b->leaves.v[i];

            page_add(b, FLAG_BRANCH, &above, (struct item){.page = c->page},
                     (struct str){c->key, c->key_len}, STR_NULL);
        }
        page_end(b, FLAG_BRANCH, &above);
        children_deinit(&b->leaves);
        b->leaves = above;
    }
    root = b->leaves.v[0].page;
    children_deinit(&b->leaves);
    return root;
}

struct bolt *bolt_new(void)
{
    struct bolt *b = xnew(struct bolt);

    b->next_page = FIRST_PAGE;
    while (b->file.len < FIRST_PAGE * PAGE_BYTES)
        buf_putc(&b->file, 0);
    page_begin(b);
    return b;
}

static void bucket_end(struct bolt *b)
{
    struct child c = {0};

    if (!b->bucket)
        return;
    c.key = xstrdup(b->bucket);
    c.key_len = strlen(b->bucket);
    c.page = tree_finish(b);
    vec_push(&b->roots, c);
    b->bucket = NULL;
}

void bolt_bucket(struct bolt *b, const char *name)
{
    bucket_end(b);
    b->bucket = name;
}

void bolt_put(struct bolt *b, struct str key, struct str value)
{
    page_add(b, FLAG_LEAF, &b->leaves, (struct item){0}, key, value);
}

static uint64_t fnv1a(struct str s)
{
    uint64_t h = UINT64_C(0xcbf29ce484222325);

    for (size_t i = 0; i < s.len; i++)
        h = (h ^ (unsigned char)s.p[i]) * UINT64_C(0x100000001b3);
    return h;
}

static void meta_write(struct bolt *b, uint64_t id, uint64_t root)
{
    auto_buf m = {0};

    put64(&m, id);
    put16(&m, FLAG_META);
    put16(&m, 0);
    put32(&m, 0);
    put32(&m, BOLT_MAGIC);
    put32(&m, BOLT_VERSION);
    put32(&m, PAGE_BYTES);
    put32(&m, 0);
    put64(&m, root);
    put64(&m, 0);              /* the root bucket's sequence */
    put64(&m, FIRST_PAGE - 1); /* the freelist */
    put64(&m, b->next_page);   /* pages in the file */
    put64(&m, TXID - 1 + id);
    put64(&m, fnv1a(str_sub(buf_view(&m), PAGE_HEADER_BYTES, META_SUM_AT)));
    memcpy(b->file.p + id * PAGE_BYTES, m.p, m.len);
}

static void freelist_write(struct bolt *b)
{
    auto_buf m = {0};

    put64(&m, FIRST_PAGE - 1);
    put16(&m, FLAG_FREELIST);
    put16(&m, 0);
    put32(&m, 0);
    memcpy(b->file.p + (FIRST_PAGE - 1) * PAGE_BYTES, m.p, m.len);
}

void bolt_finish(struct bolt *b, struct buf *ret_file)
{
    uint64_t root;

    bucket_end(b);
    for (size_t i = 0; i < b->roots.n; i++) {
        const struct child *c = &b->roots.v[i];
        auto_buf value = {0};

        put64(&value, c->page);
        put64(&value, 0); /* sequence */
        page_add(b, FLAG_LEAF, &b->leaves, (struct item){.bucket = true},
                 (struct str){c->key, c->key_len}, buf_view(&value));
    }
    root = tree_finish(b);
    freelist_write(b);
    meta_write(b, 0, root);
    meta_write(b, 1, root);
    *ret_file = b->file;
    children_deinit(&b->roots);
    vec_deinit(&b->items);
    buf_deinit(&b->bytes);
    free(b);
}
