/*
 * Coding of per-recipient delivery results. See results.h.
 *
 * Called by deliver (bus deliver_done, flight board) and by queue. Owns nothing. An entry whose code and texts equal those
 * of the entry before it says so in one bit, so a message with one answer for all costs two octets a recipient. When space
 * is short the texts are cut evenly, codes never. Decoding refuses anything that does not fit exactly.
 *
 *   octet   class (bits 0-1), reason (2-4, 6), same as before (5)     varint  recipient index
 *   unless same: varint code, octet class of the enhanced code (0 = none) [varint subject, varint detail], str text, str mta
 */
#include "smtp/results.h"

enum { SAME = 32, REASON_HIGH = 64, ENTRIES_MAX = 10000 };

struct enhanced {
    uint64_t class, subject, detail;
};

/* "5.1.1" in parts; anything else counts as none. */
static struct enhanced enhanced_parse(struct str s)
{
    struct enhanced out = {0};
    struct str part[3] = {STR_NONE, STR_NONE, STR_NONE};
    struct str rest = s;

    for (int i = 0; i < 3; i++)
        if (!str_split(&rest, '.', &part[i]))
            return (struct enhanced){0};
    if (rest.p || !str_u64(part[0], &out.class) || !str_u64(part[1], &out.subject) || !str_u64(part[2], &out.detail) ||
        out.class > 9 || out.subject > 999 || out.detail > 999)
        return (struct enhanced){0};
    return out;
}

static size_t varint_size(uint64_t v)
{
    size_t n = 1;

    for (; v > 127; v >>= 7)
        n++;
    return n;
}

static bool same_answer(const struct delivery_result *a, const struct delivery_result *b)
{
    return a->code == b->code && str_eq(a->enhanced, b->enhanced) && str_eq(a->text, b->text) && str_eq(a->mta, b->mta);
}

/* Octets of an entry without its texts. */
static size_t bare_size(const struct delivery_result *r, bool same)
{
    size_t n = 1 + varint_size(r->recipient);
    struct enhanced en;

    if (same)
        return n;
    en = enhanced_parse(r->enhanced);
    n += varint_size(r->code) + 1 + 1 + 1;
    return en.class ? n + varint_size(en.subject) + varint_size(en.detail) : n;
}

/* A text of at most `room` octets with its length in front; what it took is taken off *room. */
static void put_text(struct buf *out, struct str text, size_t *room)
{
    size_t n = text.n < *room ? text.n : *room;

    if (n > 127 && varint_size(n) - 1 > *room - n)
        n -= varint_size(n) - 1;
    *room -= n + varint_size(n) - 1;
    buf_put_str(out, str_first(text, n));
}

static void put_entry(struct buf *out, const struct delivery_result *r, bool same, size_t room)
{
    struct enhanced en;
    size_t mta;

    buf_put_u8(out,
               (uint8_t)((r->class & 3) | (r->reason & 7) << 2 | (r->reason & 8 ? REASON_HIGH : 0) | (same ? SAME : 0)));
    buf_put_varint(out, r->recipient);
    if (same)
        return;
    en = enhanced_parse(r->enhanced);
    buf_put_varint(out, r->code);
    buf_put_u8(out, (uint8_t)en.class);
    if (en.class) {
        buf_put_varint(out, en.subject);
        buf_put_varint(out, en.detail);
    }
    mta = r->mta.n < room / 3 ? r->mta.n + 2 : room / 3; /* the text is worth more */
    room -= mta;
    put_text(out, r->text, &room);
    room += mta;
    put_text(out, r->mta, &room);
}

void results_encode(const struct delivery_result *r, size_t n, size_t max, struct buf *out)
{
    size_t bare = 0, texts = 0, room;

    for (size_t i = 0; i < n; i++) {
        bool same = i && same_answer(&r[i], &r[i - 1]);

        bare += bare_size(&r[i], same);
        texts += !same;
    }
    room = bare < max ? max - bare : 0;
    for (size_t i = 0; i < n; i++) {
        bool same = i && same_answer(&r[i], &r[i - 1]);
        size_t share = texts ? room / texts : 0, before = out->n;

        put_entry(out, &r[i], same, share);
        if (same)
            continue;
        room -= out->n > before + bare_size(&r[i], false) ? out->n - before - bare_size(&r[i], false) : 0;
        texts--;
    }
}

static bool get_enhanced(struct arena *a, struct str *in, struct str *out)
{
    uint64_t subject, detail;
    uint8_t class;

    if (!get_u8(in, &class) || class > 9)
        return false;
    *out = STR_NONE;
    if (!class)
        return true;
    if (!get_varint(in, &subject) || !get_varint(in, &detail) || subject > 999 || detail > 999)
        return false;
    *out = arena_printf(a, "%u.%u.%u", class, (unsigned)subject, (unsigned)detail);
    return out->p != NULL;
}

static bool get_entry(struct arena *a, struct str *in, const struct delivery_result *before, struct delivery_result *r)
{
    uint8_t head;

    if (!get_u8(in, &head) || head >= 2 * REASON_HIGH || (head & SAME && !before))
        return false;
    if (head & SAME)
        *r = *before;
    r->class = head & 3;
    r->reason = (head >> 2 & 7) | (head & REASON_HIGH ? 8 : 0);
    if (!get_varint(in, &r->recipient))
        return false;
    if (head & SAME)
        return true;
    return get_varint(in, &r->code) && r->code < 1000 && get_enhanced(a, in, &r->enhanced) && get_str(in, &r->text) &&
           get_str(in, &r->mta);
}

/* Room for one entry more; the list doubles. */
static struct delivery_result *grown(struct arena *a, struct delivery_result *list, size_t n, size_t *room)
{
    struct delivery_result *more;

    if (n < *room)
        return list;
    more = arena_array(a, struct delivery_result, *room * 2);
    if (!more)
        return NULL;
    memcpy(more, list, n * sizeof *list);
    *room *= 2;
    return more;
}

enum rc results_decode(struct arena *a, struct str in, const struct delivery_result **out, size_t *n_out)
{
    size_t room = 8, n = 0;
    struct delivery_result *list = arena_array(a, struct delivery_result, room);

    for (; list && in.n; n++) {
        list = grown(a, list, n, &room);
        if (list && (n == ENTRIES_MAX || !get_entry(a, &in, n ? &list[n - 1] : NULL, &list[n])))
            return RC_CORRUPT;
    }
    if (!list)
        return RC_NO_MEMORY;
    *out = list;
    *n_out = n;
    return RC_OK;
}
