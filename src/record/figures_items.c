/*
 * Messages and connections under way. See figures_items.h.
 *
 * Called by figures_fold.c. Owns them. At most FOLD_ITEMS_MOST of a kind: when there are more, those whose number lies far
 * behind go first (their process died, or they lie in a queue and were counted long ago).
 */
#include "record/figures_items.h"

#include "base/must.h"

#include <stdlib.h>

enum { TEXT_MOST = 320, RECIPIENTS_MOST = 64 << 10 };

static struct fold_item **place_of(const struct fold_table *t, uint64_t id)
{
    struct fold_item **at = (struct fold_item **)&t->places[id % FOLD_PLACES];

    while (*at && (*at)->id != id)
        at = &(*at)->next;
    return at;
}

struct fold_item *fold_get(const struct fold_table *t, uint64_t id)
{
    return *place_of(t, id);
}

static void item_free(struct fold_item *i)
{
    for (unsigned k = 0; k < FOLD_TEXTS; k++)
        buf_done(&i->texts[k]);
    free(i);
}

static void remove_before(struct fold_table *t, uint64_t id)
{
    for (size_t i = 0; i < FOLD_PLACES; i++)
        for (struct fold_item **at = &t->places[i]; *at;) {
            struct fold_item *one = *at;

            if (one->id >= id) {
                at = &one->next;
                continue;
            }
            *at = one->next;
            item_free(one);
            t->n--;
        }
}

struct fold_item *fold_new(struct fold_table *t, uint64_t id)
{
    struct fold_item **at;

    if (!id)
        return NULL;
    if (t->n >= FOLD_ITEMS_MOST && id > FOLD_ITEMS_MOST)
        remove_before(t, id - FOLD_ITEMS_MOST);
    if (t->n >= FOLD_ITEMS_MOST)
        return NULL;
    fold_remove(t, id);
    at = place_of(t, id);
    must((*at = calloc(1, sizeof **at)));
    (*at)->id = id;
    for (unsigned k = 0; k < FOLD_TEXTS; k++)
        (*at)->texts[k] = BUF(k == TEXT_RECIPIENTS ? RECIPIENTS_MOST : TEXT_MOST);
    t->n++;
    return *at;
}

void fold_remove(struct fold_table *t, uint64_t id)
{
    struct fold_item **at = place_of(t, id), *one = *at;

    if (!one)
        return;
    *at = one->next;
    item_free(one);
    t->n--;
}

void fold_set(struct fold_item *i, enum fold_text which, struct str value)
{
    buf_clear(&i->texts[which]);
    buf_add(&i->texts[which], str_first(value, i->texts[which].max));
}

struct str fold_text(const struct fold_item *i, enum fold_text which)
{
    return buf_str(&i->texts[which]);
}

void fold_add_recipient(struct fold_item *i, struct str address)
{
    size_t before = i->texts[TEXT_RECIPIENTS].n;

    buf_put_str(&i->texts[TEXT_RECIPIENTS], str_first(address, TEXT_MOST));
    if (i->texts[TEXT_RECIPIENTS].failed) { /* too many to remember: counted, not named */
        i->texts[TEXT_RECIPIENTS].failed = false;
        i->texts[TEXT_RECIPIENTS].n = before;
    }
    i->recipients++;
}

void fold_drop_recipient(struct fold_item *i, struct str address)
{
    struct str rest = fold_text(i, TEXT_RECIPIENTS), one, before;

    if (i->recipients)
        i->recipients--;
    for (before = rest; get_str(&rest, &one); before = rest)
        if (str_eq(one, str_first(address, TEXT_MOST))) {
            struct buf *b = &i->texts[TEXT_RECIPIENTS];

            memmove(b->p + (b->n - before.n), rest.p, rest.n);
            b->n -= before.n - rest.n;
            return;
        }
}

void fold_table_done(struct fold_table *t)
{
    remove_before(t, UINT64_MAX);
}

void fold_table_save(const struct fold_table *t, struct buf *out)
{
    buf_put_varint(out, t->n);
    for (size_t i = 0; i < FOLD_PLACES; i++)
        for (const struct fold_item *one = t->places[i]; one; one = one->next) {
            buf_put_varint(out, one->id);
            buf_put_varint(out, one->parent);
            buf_put_varint(out, one->flags);
            buf_put_varint(out, one->recipients);
            for (unsigned k = 0; k < FOLD_TEXTS; k++)
                buf_put_str(out, buf_str(&one->texts[k]));
        }
}

bool fold_table_restore(struct fold_table *t, struct str *in)
{
    uint64_t n;

    if (!get_varint(in, &n))
        return false;
    while (n--) {
        struct fold_item one = {0}, *i;
        struct str texts[FOLD_TEXTS];

        if (!get_varint(in, &one.id) || !get_varint(in, &one.parent) || !get_varint(in, &one.flags) ||
            !get_varint(in, &one.recipients))
            return false;
        for (unsigned k = 0; k < FOLD_TEXTS; k++)
            if (!get_str(in, &texts[k]))
                return false;
        i = fold_new(t, one.id);
        if (!i)
            continue;
        i->parent = one.parent;
        i->flags = one.flags;
        i->recipients = one.recipients;
        for (unsigned k = 0; k < FOLD_TEXTS; k++)
            fold_set(i, (enum fold_text)k, texts[k]);
    }
    return true;
}
