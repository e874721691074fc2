/*
 * The piece table of a message that is being judged. See patch.h.
 *
 * Called by policy and scan. Each piece is a run of the original or text that a stage added. A change splits the pieces at
 * its ends and puts one of its own between them; thus offsets of the current form need no bookkeeping elsewhere. Owns
 * nothing beyond the arena. When there is no room, or more than EDITS_MOST changes, `failed` sticks and the current form
 * stays as it was.
 */
#include "mail/patch.h"

struct patch_piece {
    struct str text;
    bool added; /* not from the original */
};

enum { FOLD_AT = 78 };

void patch_init(struct patch *p, struct arena *a, struct str original)
{
    *p = (struct patch){.arena = a, .original = original, .current = original, .length = original.n};
    p->cap = 16;
    p->pieces = arena_array(a, struct patch_piece, p->cap);
    p->failed = !p->pieces;
    if (original.n && !p->failed)
        p->pieces[p->n++] = (struct patch_piece){original, false};
}

void patch_copy(struct patch *p, const struct patch *from)
{
    *p = *from;
    p->pieces = arena_array(p->arena, struct patch_piece, p->cap);
    if (p->pieces)
        memcpy(p->pieces, from->pieces, p->n * sizeof *p->pieces);
    else
        p->failed = true;
}

bool patch_changed(const struct patch *p)
{
    return p->changes > 0;
}

struct str patch_octets(struct patch *p)
{
    size_t total = 0, at = 0;
    char *whole;

    if (!p->stale)
        return p->current;
    for (size_t i = 0; i < p->n; i++)
        total += p->pieces[i].text.n;
    whole = arena_alloc(p->arena, total + 1);
    if (!whole) {
        p->failed = true;
        return p->current;
    }
    for (size_t i = 0; i < p->n; i++) {
        memcpy(whole + at, p->pieces[i].text.p, p->pieces[i].text.n);
        at += p->pieces[i].text.n;
    }
    p->current = str_of(whole, total);
    p->stale = false;
    return p->current;
}

static bool room_for(struct patch *p, size_t more)
{
    struct patch_piece *grown;

    if (p->n + more <= p->cap)
        return true;
    grown = p->n + more <= 2 * EDITS_MOST ? arena_array(p->arena, struct patch_piece, p->cap * 2) : NULL;
    if (!grown)
        return false;
    memcpy(grown, p->pieces, p->n * sizeof *grown);
    p->pieces = grown;
    p->cap *= 2;
    return true;
}

/* Makes a piece begin at this offset of the current form; its index. */
static size_t cut_at(struct patch *p, size_t offset)
{
    size_t i = 0;

    for (; i < p->n && offset >= p->pieces[i].text.n; i++)
        offset -= p->pieces[i].text.n;
    if (i == p->n || !offset)
        return i;
    memmove(&p->pieces[i + 1], &p->pieces[i], (p->n - i) * sizeof *p->pieces);
    p->n++;
    p->pieces[i].text = str_first(p->pieces[i].text, offset);
    p->pieces[i + 1].text = str_from(p->pieces[i + 1].text, offset);
    return i + 1;
}

void patch_replace(struct patch *p, size_t offset, size_t length, struct str by)
{
    size_t whole = p->length, from, to, fill = by.n ? 1 : 0;
    struct str copy = by.n ? arena_str(p->arena, by) : STR_NONE;

    if (p->failed || offset > whole || length > whole - offset || (!length && !by.n))
        return;
    if (!room_for(p, 3) || (by.n && !copy.p)) {
        p->failed = true;
        return;
    }
    from = cut_at(p, offset);
    to = cut_at(p, offset + length);
    memmove(&p->pieces[from + fill], &p->pieces[to], (p->n - to) * sizeof *p->pieces);
    p->n = p->n - (to - from) + fill;
    if (fill)
        p->pieces[from] = (struct patch_piece){copy, true};
    p->length = whole - length + by.n;
    p->stale = true;
    p->changes++;
}

void patch_replace_view(struct patch *p, struct str view, struct str by)
{
    struct str now = patch_octets(p);

    if (view.p >= now.p && view.p + view.n <= now.p + now.n)
        patch_replace(p, (size_t)(view.p - now.p), view.n, by);
}

/* A space within the first FOLD_AT octets where the line may be broken, 0 = none. */
static size_t fold_place(struct str line, size_t used)
{
    size_t place = 0;

    for (size_t i = 1; i < line.n; i++) {
        if (place && used + i > FOLD_AT)
            break;
        if (line.p[i] == ' ')
            place = i;
    }
    return used + line.n > FOLD_AT ? place : 0;
}

/* Where a word ends: at a space, of a quoted string behind its closing quote. */
static size_t word_end(struct str value, size_t from)
{
    size_t to = from;

    if (value.p[from] == '"')
        for (to++; to < value.n && value.p[to] != '"'; to++)
            to += value.p[to] == '\\' && to + 1 < value.n;
    return to < value.n ? to + str_find(str_from(value, to), ' ') : value.n;
}

/* Words that are plain stay as they are (addresses among them), runs of others become encoded words. */
static void put_words(struct str value, struct buf *out)
{
    size_t from = 0;

    while (from < value.n) {
        size_t to = from, end = from;
        bool plain = true;

        while (to < value.n) { /* a word, or as many as must be encoded one after the other */
            size_t next = word_end(value, to);
            struct str word = str_of(value.p + to, next - to);

            if (to == from)
                plain = header_is_plain(word);
            else if (plain || header_is_plain(word))
                break;
            end = next;
            to = next + 1;
        }
        if (plain)
            buf_add(out, str_of(value.p + from, end - from));
        else
            header_encode_word(str_of(value.p + from, end - from), out);
        if (end < value.n)
            buf_addc(out, ' ');
        from = end + 1;
    }
}

static void put_field(struct buf *out, struct str name, struct str value)
{
    struct buf words = BUF(1 << 20);
    struct str rest;
    size_t used = name.n + 2, at;

    put_words(value, &words);
    rest = buf_str(&words);
    buf_add(out, name);
    buf_add(out, str_lit(": "));
    while ((at = fold_place(rest, used)) > 0) {
        buf_add(out, str_first(rest, at));
        buf_add(out, str_lit("\r\n"));
        rest = str_from(rest, at);
        used = 0;
    }
    buf_add(out, rest);
    buf_add(out, str_lit("\r\n"));
    buf_done(&words);
}

/* Where the header section ends: offset of the empty line, or of what is no field. */
static size_t fields_end(struct str message)
{
    struct str rest = message;
    struct header_field f;

    while (header_next(&rest, &f))
        ;
    return message.n - rest.n;
}

void patch_header_add(struct patch *p, struct str name, struct str value, bool first)
{
    struct buf field = BUF(2 << 20);

    put_field(&field, name, value);
    if (field.failed)
        p->failed = true;
    else
        patch_replace(p, first ? 0 : fields_end(patch_octets(p)), 0, buf_str(&field));
    buf_done(&field);
}

void patch_header_set(struct patch *p, struct header_field field, struct str value)
{
    struct buf b = BUF(2 << 20);

    put_field(&b, field.name, value);
    if (b.failed)
        p->failed = true;
    else
        patch_replace_view(p, field.whole, buf_str(&b));
    buf_done(&b);
}

void patch_header_put(struct patch *p, struct str name, struct str value)
{
    struct header_field f;

    if (!header_find(patch_octets(p), name, &f)) {
        patch_header_add(p, name, value, false);
        return;
    }
    while (header_count(patch_octets(p), name, 2) > 1 && header_find(patch_octets(p), name, &f) && !p->failed)
        patch_replace_view(p, f.whole, STR_NONE);
    if (header_find(patch_octets(p), name, &f))
        patch_header_set(p, f, value);
}

size_t patch_header_remove(struct patch *p, struct str name)
{
    struct header_field f;
    size_t removed = 0;

    while (!p->failed && header_find(patch_octets(p), name, &f)) {
        patch_replace_view(p, f.whole, STR_NONE);
        removed++;
    }
    return removed;
}

/* The edit that stands for everything between two runs of the original. */
static bool put_edit(struct arena *a, struct edit *out, uint64_t from, uint64_t to, const struct patch_piece *added,
                     size_t n)
{
    size_t total = 0, at = 0;
    char *text;

    for (size_t i = 0; i < n; i++)
        total += added[i].text.n;
    text = arena_alloc(a, total + 1);
    if (!text)
        return false;
    for (size_t i = 0; i < n; i++) {
        memcpy(text + at, added[i].text.p, added[i].text.n);
        at += added[i].text.n;
    }
    *out = (struct edit){from, to - from, str_of(text, total)};
    return true;
}

struct edits patch_edits(struct patch *p)
{
    struct edit *items = arena_array(p->arena, struct edit, p->n + 1);
    size_t n = 0, i = 0;
    uint64_t at = 0;

    if (!items) {
        p->failed = true;
        return (struct edits){0};
    }
    while (i <= p->n) {
        size_t first = i;
        uint64_t to;

        while (i < p->n && p->pieces[i].added)
            i++;
        to = i < p->n ? (uint64_t)(p->pieces[i].text.p - p->original.p) : p->original.n;
        if (i > first || to > at) {
            if (n == EDITS_MOST || !put_edit(p->arena, &items[n], at, to, &p->pieces[first], i - first)) {
                p->failed = true;
                return (struct edits){0};
            }
            n++;
        }
        if (i < p->n)
            at = to + p->pieces[i].text.n;
        i++;
    }
    return (struct edits){items, n};
}
