/*
 * A set of addresses. See address_set.h.
 *
 * Called by receive for the recipients of one message, so at most ENVELOPE_RECIPIENTS of them: hostile ones cost no more
 * than comparing each with each. All memory is the arena's; what growing leaves behind goes with it.
 */
#include "policy/address_set.h"

enum { FIRST = 16 };

void address_set_begin(struct address_set *s, struct arena *a)
{
    *s = (struct address_set){.arena = a};
}

/* The slot that holds it, or the free one where it belongs. */
static struct str *slot_of(const struct address_set *s, struct str address)
{
    size_t i = (size_t)str_hash(address) & (s->max - 1);

    while (s->slots[i].p && !str_eq(s->slots[i], address))
        i = (i + 1) & (s->max - 1);
    return &s->slots[i];
}

static enum rc grow(struct address_set *s)
{
    struct address_set larger = {s->arena, NULL, s->n, s->max ? s->max * 2 : FIRST};

    larger.slots = arena_array(s->arena, struct str, larger.max);
    if (!larger.slots)
        return RC_NO_MEMORY;
    memset(larger.slots, 0, larger.max * sizeof *larger.slots);
    for (size_t i = 0; i < s->max; i++)
        if (s->slots[i].p)
            *slot_of(&larger, s->slots[i]) = s->slots[i];
    *s = larger;
    return RC_OK;
}

enum rc address_set_add(struct address_set *s, struct str address)
{
    struct str *slot;

    if (s->n * 2 >= s->max)
        TRY(grow(s));
    slot = slot_of(s, address);
    if (slot->p)
        return RC_EXISTS;
    *slot = address.p ? address : str_lit("");
    s->n++;
    return RC_OK;
}
