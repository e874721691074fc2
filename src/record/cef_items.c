/*
 * What the consolidated event log knows of messages and connections, by number. See cef.h.
 *
 * Called by cef.c. Owns the items and their texts; a list in order of age says which to forget.
 */
#include "record/cef.h"

#include "base/must.h"

#include <stdlib.h>

enum { SLOTS = 1 << 14, VALUE_MOST = 8 << 10 };

void cef_items_init(struct cef_items *t, size_t most)
{
    *t = (struct cef_items){.most = most};
    must((t->slots = calloc(SLOTS, sizeof(struct cef_item *))));
}

static void item_free(struct cef_item *i)
{
    for (size_t k = 0; k < CEF_KEYS; k++)
        free(i->values[k]);
    for (size_t k = 0; k < 3; k++)
        free(i->spf[k]);
    free(i->bounce);
    free(i);
}

void cef_items_done(struct cef_items *t)
{
    while (t->oldest) {
        struct cef_item *i = t->oldest;

        t->oldest = i->newer;
        item_free(i);
    }
    free(t->slots);
}

static struct cef_item **slot_of(const struct cef_items *t, uint64_t id)
{
    struct cef_item **at = &t->slots[id * 0x9E3779B97F4A7C15u >> 50]; /* the upper 14 bits */

    while (*at && (*at)->id != id)
        at = &(*at)->chain;
    return at;
}

struct cef_item *cef_items_find(const struct cef_items *t, uint64_t id)
{
    return *slot_of(t, id);
}

void cef_items_remove(struct cef_items *t, uint64_t id)
{
    struct cef_item **at = slot_of(t, id), *i = *at;

    if (!i)
        return;
    *at = i->chain;
    *(i->older ? &i->older->newer : &t->oldest) = i->newer;
    *(i->newer ? &i->newer->older : &t->newest) = i->older;
    t->n--;
    item_free(i);
}

struct cef_item *cef_items_get(struct cef_items *t, uint64_t id)
{
    struct cef_item *i = cef_items_find(t, id);

    if (i)
        return i;
    if (t->n == t->most) {
        t->forgotten++;
        cef_items_remove(t, t->oldest->id);
    }
    must((i = calloc(1, sizeof *i)));
    i->id = id;
    i->older = t->newest;
    *(t->newest ? &t->newest->newer : &t->oldest) = i;
    t->newest = i;
    *slot_of(t, id) = i;
    t->n++;
    return i;
}

void cef_set(char **to, struct str value)
{
    value = str_first(value, VALUE_MOST);
    free(*to);
    *to = NULL;
    if (value.n)
        must((*to = strndup(value.p, value.n)));
}

/* --- in the state of record ---------------------------------------------------------------------------------------- */

/* The texts of an item in a fixed order. */
static char **text_of(struct cef_item *i, size_t k)
{
    if (k < CEF_KEYS)
        return &i->values[k];
    return k < CEF_KEYS + 3 ? &i->spf[k - CEF_KEYS] : &i->bounce;
}
enum { TEXTS = CEF_KEYS + 4 };

static void save_item(struct cef_item *i, struct buf *out)
{
    size_t n = 0;

    buf_put_varint(out, i->id);
    buf_put_varint(out, i->start_ms);
    buf_put_varint(out, (i->delivered ? 1u : 0u) | (i->split ? 2u : 0u) | (i->dropped ? 4u : 0u) | (i->aborted ? 8u : 0u));
    for (size_t k = 0; k < TEXTS; k++)
        n += *text_of(i, k) != NULL;
    buf_put_varint(out, n);
    for (size_t k = 0; k < TEXTS; k++)
        if (*text_of(i, k)) {
            buf_put_varint(out, k);
            buf_put_str(out, str_c(*text_of(i, k)));
        }
}

void cef_items_save(const struct cef_items *t, size_t most_bytes, struct buf *out)
{
    struct buf items = BUF(most_bytes + (512 << 10)); /* one item more than fits */
    size_t n = 0;

    for (struct cef_item *i = t->newest; i && items.n < most_bytes; i = i->older, n++)
        save_item(i, &items);
    buf_put_varint(out, items.failed ? 0 : n);
    if (!items.failed)
        buf_add(out, buf_str(&items));
    buf_done(&items);
}

static bool restore_item(struct cef_items *t, struct str *in)
{
    struct cef_item *i;
    uint64_t id, flags, n, k;
    struct str text;

    if (!get_varint(in, &id))
        return false;
    i = cef_items_get(t, id);
    if (!get_varint(in, &i->start_ms) || !get_varint(in, &flags) || !get_varint(in, &n) || n > TEXTS)
        return false;
    i->delivered = flags & 1;
    i->split = flags & 2;
    i->dropped = flags & 4;
    i->aborted = flags & 8;
    while (n--) {
        if (!get_varint(in, &k) || k >= TEXTS || !get_str(in, &text))
            return false;
        cef_set(text_of(i, k), text);
    }
    return true;
}

/* Newest came first: the list is turned round afterwards. */
static void turn_round(struct cef_items *t)
{
    struct cef_item *i = t->oldest, *next;

    t->oldest = t->newest;
    t->newest = i;
    for (; i; i = next) {
        next = i->newer;
        i->newer = i->older;
        i->older = next;
    }
}

bool cef_items_restore(struct cef_items *t, struct str *in)
{
    uint64_t n;

    if (!get_varint(in, &n) || n > t->most)
        return false;
    while (n--)
        if (!restore_item(t, in))
            return false;
    turn_round(t);
    return true;
}
