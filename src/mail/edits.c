/*
 * Lists of edits as octets. See edits.h.
 *
 * Called by patch (what judging changed), by queue and deliver (rope). Owns nothing; a list that does not fit its message is
 * RC_CORRUPT, since applying it would send something that nobody judged.
 */
#include "mail/edits.h"

void edits_encode(struct edits edits, struct buf *out)
{
    buf_put_varint(out, edits.n);
    for (size_t i = 0; i < edits.n; i++) {
        buf_put_varint(out, edits.items[i].offset);
        buf_put_varint(out, edits.items[i].length);
        buf_put_str(out, edits.items[i].replacement);
    }
}

static bool decode_one(struct str *in, uint64_t from, uint64_t body_bytes, struct edit *out)
{
    return get_varint(in, &out->offset) && get_varint(in, &out->length) && get_str(in, &out->replacement) &&
           out->offset >= from && out->offset <= body_bytes && out->length <= body_bytes - out->offset;
}

enum rc edits_decode(struct arena *a, struct str in, uint64_t body_bytes, struct edits *out, struct err *e)
{
    struct edit *items;
    uint64_t n = 0, from = 0;

    if (in.n && (!get_varint(&in, &n) || n > EDITS_MOST || n > in.n))
        return err_set(e, RC_CORRUPT, "list of edits is cut");
    items = arena_array(a, struct edit, n + 1);
    if (!items)
        return err_set(e, RC_NO_MEMORY, "list of edits");
    for (size_t i = 0; i < n; i++) {
        if (!decode_one(&in, from, body_bytes, &items[i]))
            return err_set(e, RC_CORRUPT, "edit %zu does not fit the message", i);
        from = items[i].offset + items[i].length;
    }
    *out = (struct edits){items, (size_t)n};
    return RC_OK;
}
