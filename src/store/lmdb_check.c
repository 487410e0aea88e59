/* lmdb_check.c - looks at the trees in data.mdb (or a copy) before LMDB does.
 *
 * LMDB trusts its pages: a damaged one makes it read and write anywhere. So each open walks the
 * trees of the newest meta page and checks all that LMDB goes by: page numbers, kinds and bounds,
 * places and sizes of nodes, the order of keys, that no page is used twice or both used and free,
 * and the counts. What records hold has checksums of its own. Pages are read as LMDB 0.9 lays them
 * out on a 64-bit little-endian machine:
 *
 *     page: u64 number, u16 pad, u16 flags, u16 lower, u16 upper (overflow: u32 pages),
 *           u16 node places up to lower; nodes from upper to the end
 *     node: u16 low, u16 high (leaf: size of the data; branch: page), u16 flags (branch: the page's
 *           highest bits), u16 size of the key, key, data
 *     tree: u32 pad, u16 flags, u16 depth, u64 branches, leaves, overflow pages, entries, root
 *     meta: page header, u32 magic, u32 version, u64 address, u64 map size, two trees: free pages
 *           and tables, u64 last page, u64 transaction
 */
#include "store/lmdb_internal.h"
#include <endian.h>
#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>

enum {
    PAGE_HEADER = 16,
    NODE_HEADER = 8,
    TREE_BYTES = 48,
    META_BYTES = 136,
    META_TREES = 24,
    META_LAST = 120,
    META_TXN = 128,
    KIND_BRANCH = 1,
    KIND_LEAF = 2,
    KIND_OVERFLOW = 4,
    NODE_BIG = 1,
    NODE_TREE = 2,
    DEPTH_MAX = 32,
    KEY_BYTES = 511,
    FIRST_PAGE = 2,
    SPARE_PAGES = 16384, /* the last page may be so far behind the end of the file */
};
static const uint64_t NO_ROOT = UINT64_MAX;

struct key {
    unsigned char p[KEY_BYTES];
    size_t len;
};
struct tree {
    uint16_t flags, depth;
    uint64_t branches, leaves, overflow, entries, root;
};
struct level {
    unsigned char *page;
    unsigned i, n; /* the node to look at next, and how many there are */
};
struct check {
    int fd;
    const char *dir, *name;
    struct err *err;
    size_t page_bytes;
    uint64_t pages;
    unsigned char *seen; /* a bit for each page */
    unsigned char *buf;  /* of DEPTH_MAX + 1 pages */
    struct tree tables[8];
    size_t n_tables;
};
struct walk { /* of one tree */
    struct check *c;
    const struct tree *tree;
    struct tree found; /* counted */
    struct level levels[DEPTH_MAX];
    unsigned depth;
    bool free_pages;      /* the tree of them: keys are numbers, values page numbers */
    bool is_main;         /* values are trees */
    struct key last, low; /* the last key seen; what the next one must reach */
    bool have_last, have_low;
};

static unsigned get16(const unsigned char *p)
{
    return (unsigned)p[0] | (unsigned)p[1] << 8;
}

static uint32_t get32(const unsigned char *p)
{
    return get16(p) | (uint32_t)get16(p + 2) << 16;
}

static uint64_t get64(const unsigned char *p)
{
    return get32(p) | (uint64_t)get32(p + 4) << 32;
}

static int damaged(struct check *c, uint64_t page, const char *what)
{
    return err_new(c->err, ERR_PARSE, "store in %s: page %llu of %s is damaged: %s", c->dir,
                   (unsigned long long)page, c->name, what);
}

static int read_at(struct check *c, void *p, size_t n, uint64_t at)
{
    size_t done = 0;

    memset(p, 0, n);
    while (done < n) { /* behind the end there are zeros, which are no page */
        ssize_t r = pread(c->fd, (char *)p + done, n - done, (off_t)(at + done));

        if (r < 0 && errno == EINTR)
            continue;
        if (r < 0)
            return err_new(c->err, ERR_IO, "store in %s: read %s: %s", c->dir, c->name,
                           strerror(errno));
        if (r == 0)
            return 0;
        done += (size_t)r;
    }
    return 0;
}

/* Each page has one place. */
static int mark(struct check *c, uint64_t page, uint64_t from)
{
    if (page < FIRST_PAGE || page >= c->pages)
        return damaged(c, from, "it refers to a page that there is not");
    if (c->seen[page / 8] & 1u << page % 8)
        return damaged(c, page, "it is used twice");
    c->seen[page / 8] |= (unsigned char)(1u << page % 8);
    return 0;
}

static struct tree tree_read(const unsigned char *p)
{
    return (struct tree){.flags = (uint16_t)get16(p + 4),
                         .depth = (uint16_t)get16(p + 6),
                         .branches = get64(p + 8),
                         .leaves = get64(p + 16),
                         .overflow = get64(p + 24),
                         .entries = get64(p + 32),
                         .root = get64(p + 40)};
}

static int key_cmp(const struct walk *w, const struct key *a, const struct key *b)
{
    if (w->free_pages) {
        uint64_t x = get64(a->p), y = get64(b->p);

        return x < y ? -1 : x > y;
    }
    return str_cmp((struct str){(const char *)a->p, a->len},
                   (struct str){(const char *)b->p, b->len});
}

static int overflow_check(struct walk *w, uint64_t page, size_t bytes, uint64_t from)
{
    struct check *c = w->c;
    unsigned char h[PAGE_HEADER];
    uint64_t n = (PAGE_HEADER - 1 + (uint64_t)bytes) / c->page_bytes + 1;
    int r = 0;

    for (uint64_t i = 0; i < n && r == 0; i++)
        r = mark(c, page + i, from);
    if (r == 0)
        r = read_at(c, h, sizeof(h), page * c->page_bytes);
    if (r < 0)
        return r;
    w->found.overflow += n;
    if (get64(h) != page || get16(h + 10) != KIND_OVERFLOW || get32(h + 12) != n)
        return damaged(c, page, "not the overflow page that it should be");
    return 0;
}

/* The pages that @bytes of a value of the tree of free pages lists; in descending order. */
static int free_list(struct check *c, const unsigned char *p, size_t bytes, uint64_t page)
{
    uint64_t n = bytes >= 8 ? get64(p) : 0;
    int r = 0;

    if (bytes < 8 || bytes % 8 || n > bytes / 8 - 1)
        return damaged(c, page, "a list of free pages of a wrong length");
    for (uint64_t i = 1; i <= n && r == 0; i++) {
        if (i > 1 && get64(p + 8 * i) >= get64(p + 8 * (i - 1)))
            return damaged(c, page, "a list of free pages out of order");
        r = mark(c, get64(p + 8 * i), page);
    }
    return r;
}

static int value_check(struct walk *w, const unsigned char *node, size_t bytes, uint64_t page)
{
    struct check *c = w->c;
    unsigned flags = get16(node + 4);
    const unsigned char *data = node + NODE_HEADER + get16(node + 6);
    unsigned char *list = NULL;
    int r = 0;

    if (flags & NODE_BIG) {
        r = overflow_check(w, get64(data), bytes, page);
        if (r < 0 || !w->free_pages)
            return r;
        list = xcalloc(1, bytes);
        r = read_at(c, list, bytes, get64(data) * c->page_bytes + PAGE_HEADER);
        data = list;
    }
    if (r == 0 && w->free_pages)
        r = free_list(c, data, bytes, page);
    free(list);
    if (!w->is_main)
        return r;
    if (flags != NODE_TREE || bytes != TREE_BYTES || c->n_tables == ARRAY_LEN(c->tables))
        return damaged(c, page, "not a table");
    c->tables[c->n_tables++] = tree_read(data);
    return 0;
}

/* Keys rise, and those below a branch's key reach it. */
static int order_check(struct walk *w, const unsigned char *node, bool leaf, uint64_t page)
{
    struct key k = {.len = get16(node + 6)};

    if (k.len == 0 || k.len > KEY_BYTES || (w->free_pages && k.len != 8))
        return damaged(w->c, page, "a key of a wrong length");
    memcpy(k.p, node + NODE_HEADER, k.len);
    if ((w->have_last && key_cmp(w, &k, &w->last) <= 0) ||
        (w->have_low && key_cmp(w, &k, &w->low) < 0))
        return damaged(w->c, page, "keys out of order");
    w->have_low = !leaf;
    if (leaf) {
        w->last = k;
        w->have_last = true;
    } else {
        w->low = k;
    }
    return 0;
}

static int header_check(struct walk *w, const unsigned char *p, uint64_t page)
{
    size_t size = w->c->page_bytes;
    unsigned lower = get16(p + 12), upper = get16(p + 14), kind = get16(p + 10);
    unsigned n = (lower - PAGE_HEADER) / 2;

    if (get64(p) != page)
        return damaged(w->c, page, "it has another's number");
    if (kind != (w->depth == w->tree->depth ? KIND_LEAF : KIND_BRANCH))
        return damaged(w->c, page, "of a wrong kind");
    if (lower < PAGE_HEADER || lower % 2 || lower > upper || upper > size)
        return damaged(w->c, page, "wrong bounds");
    if (n < (kind == KIND_LEAF ? 1u : 2u))
        return damaged(w->c, page, "it is empty");
    return 0;
}

/* Where nodes lie, and that they do not lie on each other: their sizes fill the page. */
static int nodes_check(struct walk *w, const unsigned char *p, uint64_t page)
{
    unsigned n = (get16(p + 12) - PAGE_HEADER) / 2, upper = get16(p + 14);
    bool leaf = get16(p + 10) == KIND_LEAF;
    size_t size = w->c->page_bytes, sum = 0;

    for (unsigned i = 0; i < n; i++) {
        size_t at = get16(p + PAGE_HEADER + 2 * i), bytes = NODE_HEADER;

        if (at < upper || at % 2 || at + NODE_HEADER > size)
            return damaged(w->c, page, "a node in a wrong place");
        bytes += get16(p + at + 6);
        if (leaf && get16(p + at + 4) & ~(unsigned)(NODE_BIG | NODE_TREE))
            return damaged(w->c, page, "a node of an unknown kind");
        if (leaf)
            bytes += get16(p + at + 4) & NODE_BIG ? 8 : get32(p + at);
        if (bytes > size - at)
            return damaged(w->c, page, "a node that is too long");
        sum += (bytes + 1) & ~(size_t)1;
    }
    if (sum != size - upper)
        return damaged(w->c, page, "nodes that lie on each other");
    return 0;
}

/* Goes down to @page. */
static int enter(struct walk *w, uint64_t page, uint64_t from)
{
    struct check *c = w->c;
    struct level *l = &w->levels[w->depth];
    int r;

    if (w->depth >= w->tree->depth)
        return damaged(c, from, "deeper than its tree");
    r = mark(c, page, from);
    l->page = c->buf + w->depth++ * c->page_bytes;
    if (r == 0)
        r = read_at(c, l->page, c->page_bytes, page * c->page_bytes);
    if (r == 0)
        r = header_check(w, l->page, page);
    if (r == 0)
        r = nodes_check(w, l->page, page);
    if (r < 0)
        return r;
    l->i = 0;
    l->n = (get16(l->page + 12) - PAGE_HEADER) / 2;
    if (w->depth == w->tree->depth) {
        w->found.leaves++;
        w->found.entries += l->n;
    } else {
        w->found.branches++;
    }
    return 0;
}

/* The next node of the page at hand. */
static int step(struct walk *w)
{
    struct level *l = &w->levels[w->depth - 1];
    const unsigned char *node = l->page + get16(l->page + PAGE_HEADER + 2 * l->i);
    uint64_t page = get64(l->page);
    bool leaf = w->depth == w->tree->depth;
    int r = leaf || l->i ? order_check(w, node, leaf, page) : 0; /* a branch's first has no key */

    l->i++;
    if (r < 0)
        return r;
    if (leaf)
        return value_check(w, node, get32(node), page);
    return enter(w, get32(node) | (uint64_t)get16(node + 4) << 32, page);
}

static int tree_check(struct check *c, const struct tree *t, unsigned flags, bool free_pages,
                      bool is_main)
{
    struct walk w = {.c = c, .tree = t, .free_pages = free_pages, .is_main = is_main};
    int r = 0;

    if (t->flags != flags || t->depth > DEPTH_MAX || (t->root == NO_ROOT) != (t->depth == 0))
        return damaged(c, 0, "a tree of an unknown kind");
    if (t->root != NO_ROOT)
        r = enter(&w, t->root, 0);
    while (r == 0 && w.depth) {
        if (w.levels[w.depth - 1].i < w.levels[w.depth - 1].n)
            r = step(&w);
        else
            w.depth--;
    }
    if (r == 0 && (w.found.branches != t->branches || w.found.leaves != t->leaves ||
                   w.found.overflow != t->overflow || w.found.entries != t->entries))
        return damaged(c, 0, "a tree with other pages than it says");
    return r;
}

/* Both meta pages are of one file, written in turn; @ret_meta: the newer. */
static int metas_check(struct check *c, unsigned char ret_meta[META_BYTES])
{
    unsigned char m[2][PAGE_HEADER + META_BYTES];
    uint64_t txn[2];
    int r = read_at(c, m[0], sizeof(m[0]), 0);

    c->page_bytes = get32(m[0] + PAGE_HEADER + META_TREES);
    if (r == 0 && (c->page_bytes < 4096 || c->page_bytes > 65536 ||
                   (c->page_bytes & (c->page_bytes - 1))))
        return damaged(c, 0, "an impossible size of pages");
    if (r == 0)
        r = read_at(c, m[1], sizeof(m[1]), c->page_bytes);
    for (unsigned i = 0; i < 2 && r == 0; i++) {
        const unsigned char *p = m[i] + PAGE_HEADER;

        txn[i] = get64(p + META_TXN);
        if (get64(m[i]) != i || get16(m[i] + 10) != 8 || get32(p) != 0xBEEFC0DE ||
            get32(p + 4) != 1 || get32(p + META_TREES) != c->page_bytes)
            return damaged(c, i, "not a meta page");
        if (txn[i] % 2 != i)
            return damaged(c, i, "a number that is not its own");
    }
    if (r < 0)
        return r;
    if (txn[0] + 1 != txn[1] && txn[1] + 1 != txn[0])
        return damaged(c, txn[1] > txn[0], "the meta pages do not follow each other");
    memcpy(ret_meta, m[txn[1] > txn[0]] + PAGE_HEADER, META_BYTES);
    return 0;
}

static int check_all(struct check *c, uint64_t file_bytes)
{
    unsigned char meta[META_BYTES];
    struct tree free_tree, main_tree;
    uint64_t last;
    int r = metas_check(c, meta);

    if (r < 0)
        return r;
    last = get64(meta + META_LAST);
    if (last < 1 || last > 2 * (file_bytes / c->page_bytes) + SPARE_PAGES)
        return damaged(c, 0, "an impossible number of pages");
    c->pages = last + 1;
    c->seen = xcalloc(1, c->pages / 8 + 1);
    c->buf = xcalloc(DEPTH_MAX, c->page_bytes);
    free_tree = tree_read(meta + META_TREES);
    free_tree.flags &= (uint16_t)~MDB_NOSUBDIR; /* the environment's flag, of data_make() */
    main_tree = tree_read(meta + META_TREES + TREE_BYTES);
    r = tree_check(c, &free_tree, MDB_INTEGERKEY, true, false);
    if (r == 0)
        r = tree_check(c, &main_tree, 0, false, true);
    for (size_t i = 0; i < c->n_tables && r == 0; i++)
        r = tree_check(c, &c->tables[i], 0, false, false);
    return r;
}

int lmdb_check(const char *dir, const char *name, struct err *err)
{
    auto_arena a = {0};
    auto_fd fd = open(arena_printf(&a, "%s/%s", dir, name), O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
    struct check c = {.fd = fd, .dir = dir, .name = name, .err = err};
    struct stat st;
    int r;

    if (fd < 0 || fstat(fd, &st))
        return err_new(err, ERR_IO, "store in %s: open %s: %s", dir, name, strerror(errno));
    r = check_all(&c, (uint64_t)st.st_size);
    free(c.seen);
    free(c.buf);
    return r;
}
