/*
 * Where a role's configuration comes from: decoded snapshots, newest first, counted. See conf.h.
 *
 * Owned by role_main (fed from the bus) or by a test (fed from text). A snapshot lives while it is the newest, or the one
 * before it (so that a view taken earlier in the same turn stays good), or while a conversation holds a reference.
 * A blob that cannot be decoded changes nothing.
 */
#include "base/must.h"
#include "conf/draft.h"
#include "conf/snapshot.h"

#include <stdlib.h>

struct listener {
    void (*fn)(void *ctx, const struct conf *now, const struct conf *old);
    void *ctx;
};

/* A decoded snapshot. Handed out as &snapshot->draft->conf. */
struct snapshot {
    uint64_t refs;
    struct conf_draft draft;
};

struct conf_source {
    const struct conf *now, *before;
    struct listener *listeners;
    size_t n;
};

struct conf_source *conf_source_new(void)
{
    struct conf_source *s = calloc(1, sizeof *s);

    must(s);
    return s;
}

void conf_source_free(struct conf_source *s)
{
    if (!s)
        return;
    conf_unref(s->before);
    conf_unref(s->now);
    free(s->listeners);
    free(s);
}

static struct snapshot *snapshot_of(const struct conf *c)
{
    return (struct snapshot *)(void *)((char *)(uintptr_t)c - offsetof(struct snapshot, draft.conf));
}

const struct conf *conf_now(const struct conf_source *s)
{
    return s->now;
}

const struct conf *conf_ref(const struct conf *c)
{
    if (c)
        snapshot_of(c)->refs++;
    return c;
}

void conf_unref(const struct conf *c)
{
    struct snapshot *s;

    if (!c)
        return;
    s = snapshot_of(c);
    must(s->refs > 0);
    if (--s->refs)
        return;
    arena_done(&s->draft.arena);
    free(s);
}

void conf_on_change(struct conf_source *s, void (*fn)(void *ctx, const struct conf *now, const struct conf *old), void *ctx)
{
    struct listener *more = realloc(s->listeners, (s->n + 1) * sizeof *more);

    must(more);
    more[s->n++] = (struct listener){fn, ctx};
    s->listeners = more;
    if (s->now)
        fn(ctx, s->now, NULL);
}

static void make_newest(struct conf_source *s, struct snapshot *new)
{
    const struct conf *old = s->now;

    new->refs = 1;
    conf_unref(s->before);
    s->before = old;
    s->now = &new->draft.conf;
    for (size_t i = 0; i < s->n; i++)
        s->listeners[i].fn(s->listeners[i].ctx, s->now, old);
}

enum rc conf_source_feed(struct conf_source *s, uint64_t version, struct str blob, struct err *e)
{
    struct conf_draft *d = conf_draft_empty();
    struct snapshot *new = calloc(1, sizeof *new);
    enum rc rc;

    must(d && new);
    rc = conf_decode(d, blob, e);
    if (rc != RC_OK) {
        conf_draft_free(d);
        free(new);
        return rc;
    }
    new->draft = *d; /* the arena holds no pointer to itself */
    free(d);
    new->draft.conf.version = version;
    make_newest(s, new);
    return RC_OK;
}

struct conf_source *conf_source_test(const char *lines, struct err *e)
{
    struct conf_draft *d = conf_draft_new();
    struct conf_source *s = NULL;
    struct buf blob = BUF((size_t)1 << 28);

    must(d);
    if (conf_draft_lines(d, str_c(lines), e) == RC_OK) {
        s = conf_source_new();
        conf_encode(&d->conf, NULL, &blob);
        must(!blob.failed);
        if (conf_source_feed(s, 1, buf_str(&blob), e) != RC_OK) {
            conf_source_free(s);
            s = NULL;
        }
    }
    buf_done(&blob);
    conf_draft_free(d);
    return s;
}

const void *conf_find_item(const void *items, size_t n, size_t size, struct str name)
{
    for (size_t i = 0; i < n; i++) {
        const void *item = (const char *)items + i * size;

        if (str_eqi(name, *(const struct str *)item))
            return item;
    }
    return NULL;
}
