/*
 * Coding of what travels with a judged message. See carried.h.
 *
 * Called by scan, queue, deliver. Owns nothing. Each member is a key and a value, so members may be added; what is empty is
 * left out, an unknown key is passed over.
 */
#include "mail/carried.h"

enum { NUMBER = 0, TEXT = 1 }; /* low bit of a key */

/* Keys never change. */
static const struct member {
    uint64_t key;
    size_t offset;
} members[] = {
    {1 << 1 | NUMBER, offsetof(struct carried, resume)},
    {2 << 1 | NUMBER, offsetof(struct carried, skip)},
    {3 << 1 | TEXT, offsetof(struct carried, policy)},
    {4 << 1 | TEXT, offsetof(struct carried, route)},
    {5 << 1 | TEXT, offsetof(struct carried, bounce_profile)},
    {6 << 1 | TEXT, offsetof(struct carried, source_interface)},
    {7 << 1 | TEXT, offsetof(struct carried, tags)},
    {8 << 1 | TEXT, offsetof(struct carried, edits)},
    {9 << 1 | TEXT, offsetof(struct carried, meta)},
    {10 << 1 | TEXT, offsetof(struct carried, spam)},
    {11 << 1 | TEXT, offsetof(struct carried, holds)},
    {12 << 1 | TEXT, offsetof(struct carried, encrypt)},
    {13 << 1 | NUMBER, offsetof(struct carried, original_mid)},
    {14 << 1 | TEXT, offsetof(struct carried, release)},
    {15 << 1 | TEXT, offsetof(struct carried, release_key)},
};

enum { MEMBERS = sizeof members / sizeof *members };

static struct str *text_at(const struct carried *c, const struct member *m)
{
    return (struct str *)((uintptr_t)c + m->offset);
}

static uint64_t *number_at(const struct carried *c, const struct member *m)
{
    return (uint64_t *)((uintptr_t)c + m->offset);
}

void carried_encode(const struct carried *c, struct buf *out)
{
    for (size_t i = 0; i < MEMBERS; i++) {
        const struct member *m = &members[i];

        if (m->key & TEXT && text_at(c, m)->n) {
            buf_put_varint(out, m->key);
            buf_put_str(out, *text_at(c, m));
        } else if (!(m->key & TEXT) && *number_at(c, m)) {
            buf_put_varint(out, m->key);
            buf_put_varint(out, *number_at(c, m));
        }
    }
}

static const struct member *member_of(uint64_t key)
{
    for (size_t i = 0; i < MEMBERS; i++)
        if (members[i].key == key)
            return &members[i];
    return NULL;
}

enum rc carried_decode(struct str in, struct carried *out, struct err *e)
{
    struct carried c = {0};

    while (in.n) {
        const struct member *m;
        uint64_t key, number = 0;
        struct str text = STR_NONE;

        if (!get_varint(&in, &key) || !(key & TEXT ? get_str(&in, &text) : get_varint(&in, &number)))
            return err_set(e, RC_CORRUPT, "what travels with the message is cut");
        m = member_of(key);
        if (m && key & TEXT)
            *text_at(&c, m) = text;
        else if (m)
            *number_at(&c, m) = number;
    }
    *out = c;
    return RC_OK;
}
