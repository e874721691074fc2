/*
 * Changes of parts: gathered and made, parts taken out, messages wrapped, texts put around what readers see. See part.h.
 *
 * Called by actions and stages. Owns nothing beyond the message's arena; without room the patch fails, and with it the
 * message.
 */
#include "policy/part_inside.h"

#include <inttypes.h>
#include <stdlib.h>

enum { CHANGES_MAX = 10000 };

/* --- changes -------------------------------------------------------------------------------------------------------------
 */

void part_changes_begin(struct part_changes *c, struct message *m)
{
    *c = (struct part_changes){.m = m, .mime = message_content(m)};
}

size_t part_offset(const struct part_changes *c, const char *p)
{
    return (size_t)(p - c->mime->octets.p);
}

void part_change_add(struct part_changes *c, size_t offset, size_t length, struct str by)
{
    if (c->n == c->cap) {
        size_t more = c->cap ? c->cap * 2 : 16;
        struct part_change *grown = more <= 2 * CHANGES_MAX ? arena_array(c->m->arena, struct part_change, more) : NULL;

        if (!grown) {
            c->m->patch.failed = true;
            return;
        }
        if (c->n)
            memcpy(grown, c->items, c->n * sizeof *grown);
        c->items = grown;
        c->cap = more;
    }
    c->items[c->n] = (struct part_change){offset, length, c->n, by};
    c->n++;
}

/* By place; what is put in stands before what is replaced there. */
static int by_place(const void *a, const void *b)
{
    const struct part_change *x = a, *y = b;

    if (x->offset != y->offset)
        return x->offset < y->offset ? -1 : 1;
    if (!x->length != !y->length)
        return x->length ? 1 : -1;
    if (x->length != y->length)
        return x->length > y->length ? -1 : 1;
    return x->order < y->order ? -1 : x->order > y->order;
}

size_t part_changes_make(struct part_changes *c)
{
    size_t n = 0;

    if (!c->n)
        return 0;
    qsort(c->items, c->n, sizeof *c->items, by_place);
    for (size_t i = 0; i < c->n; i++) {
        struct part_change *last = n ? &c->items[n - 1] : NULL;
        size_t end = last ? last->offset + last->length : 0;

        if (last && c->items[i].offset < end) { /* both touch the same octets */
            if (c->items[i].offset + c->items[i].length > end)
                last->length = c->items[i].offset + c->items[i].length - last->offset;
            continue;
        }
        c->items[n++] = c->items[i];
    }
    for (size_t i = n; i-- > 0;)
        patch_replace(&c->m->patch, c->items[i].offset, c->items[i].length, c->items[i].by);
    return n;
}

/* --- header sections of parts
 * ------------------------------------------------------------------------------------------------
 */

void part_set_field(struct part_changes *c, struct mime_part *p, struct str name, struct str value)
{
    struct str rest = p->headers, line;
    struct header_field f;
    bool there = false;

    line = value.n ? arena_printf(c->m->arena, "%.*s: %.*s\r\n", STR(name), STR(value)) : STR_NONE;
    while (header_next(&rest, &f)) {
        if (!str_eqi(f.name, name))
            continue;
        part_change_add(c, part_offset(c, f.whole.p), f.whole.n, there ? STR_NONE : line);
        there = true;
    }
    if (there || !value.n)
        return;
    /* behind the last field; rest begins with the empty line */
    part_change_add(c, rest.n ? part_offset(c, rest.p) : part_offset(c, p->raw.p), 0,
                    rest.n ? line : arena_printf(c->m->arena, "%.*s\r\n", STR(line)));
}

struct mime_part *part_holder(struct mime_part *p)
{
    while ((p->member || p->inside) && p->parent)
        p = p->parent;
    return p;
}

/* Everything that says what the body is. */
static void drop_content_fields(struct part_changes *c, struct mime_part *p, struct buf *kept)
{
    struct str rest = p->headers;
    struct header_field f;

    while (header_next(&rest, &f)) {
        if (!str_startsi(f.name, str_lit("Content-")))
            continue;
        if (kept)
            buf_add(kept, f.whole);
        part_change_add(c, part_offset(c, f.whole.p), f.whole.n, STR_NONE);
    }
}

void part_drop(struct part_changes *c, struct mime_part *part, struct str text)
{
    struct mime_part *p = part_holder(part);
    struct arena *a = c->m->arena;
    size_t from = part_offset(c, p->headers.p), body = part_offset(c, p->raw.p);

    if (p->parent) {
        part_change_add(c, from, body + p->raw.n - from, part_text_entity(a, text));
        return;
    }
    drop_content_fields(c, p, NULL);
    part_set_field(c, p, str_lit("MIME-Version"), str_lit("1.0"));
    part_change_add(c, part_offset(c, p->headers.p), 0,
                    str_lit("Content-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: quoted-printable\r\n"));
    part_change_add(c, body, p->raw.n, part_joined(a, part_quoted(a, text), str_lit("\r\n")));
}

/* --- around the message
 * ------------------------------------------------------------------------------------------------------
 */

static struct str boundary_for(struct message *m, struct str octets)
{
    struct str b;
    uint64_t seed = str_hash(octets);

    do
        b = arena_printf(m->arena, "postern-%016" PRIx64, seed++);
    while (str_find_str(octets, b) < octets.n);
    return b;
}

void part_wrap(struct part_changes *c, struct str text, bool above)
{
    struct mime_part *root = c->mime->root;
    struct arena *a = c->m->arena;
    struct str b = boundary_for(c->m, c->mime->octets), entity = part_text_entity(a, text), body = root->raw;
    struct buf begin = BUF(4 << 20);
    bool line_end = body.n && body.p[body.n - 1] == '\n';

    if (above)
        buf_addf(&begin, "--%.*s\r\n%.*s\r\n", STR(b), STR(entity));
    buf_addf(&begin, "--%.*s\r\n", STR(b));
    drop_content_fields(c, root, &begin);
    buf_add(&begin, str_lit("\r\n"));
    c->m->patch.failed |= begin.failed;
    part_set_field(c, root, str_lit("MIME-Version"), str_lit("1.0"));
    part_change_add(c, part_offset(c, root->headers.p), 0,
                    arena_printf(a, "Content-Type: multipart/mixed; boundary=\"%.*s\"\r\n", STR(b)));
    part_change_add(c, part_offset(c, body.p), 0, arena_str(a, buf_str(&begin)));
    part_change_add(
        c, part_offset(c, body.p) + body.n, 0,
        above ? arena_printf(a, "%s--%.*s--\r\n", line_end ? "" : "\r\n", STR(b))
              : arena_printf(a, "%s--%.*s\r\n%.*s\r\n--%.*s--\r\n", line_end ? "" : "\r\n", STR(b), STR(entity), STR(b)));
    buf_done(&begin);
}

static bool is_closed(const struct mime_part *p)
{
    return str_eq(p->type, str_lit("multipart/signed")) || str_eq(p->type, str_lit("multipart/encrypted"));
}

static size_t first_texts(struct mime_part *p, struct mime_part **out, size_t n)
{
    bool every = str_eq(p->type, str_lit("multipart/alternative"));
    size_t before = n;

    if (p->alternative || p->inside || p->member || p->message || is_closed(p))
        return n;
    if (!p->multipart) {
        bool text = str_eq(p->type, str_lit("text/plain")) || str_eq(p->type, str_lit("text/html"));

        if (text && !p->attachment && n < PART_TEXTS)
            out[n++] = p;
        return n;
    }
    for (struct mime_part *child = p->first; child && (every || n == before); child = child->next)
        n = first_texts(child, out, n);
    return n;
}

size_t part_first_texts(struct mime *mime, struct mime_part **out)
{
    return first_texts(mime->root, out, 0);
}

void part_frame(struct message *m, struct str text, struct str html, bool above)
{
    struct mime_part *texts[PART_TEXTS];
    struct part_changes c;
    size_t n;

    part_changes_begin(&c, m);
    n = part_first_texts(c.mime, texts);
    for (size_t i = 0; i < n; i++)
        part_add_text(&c, texts[i], text, html, above);
    if (!n)
        part_wrap(&c, text, above);
    part_changes_make(&c);
}
