/*
 * The tree of a message: making parts, limits, walks over it. See mime.h.
 *
 * Called by policy and scan, and by the other files of the reader. Owns nothing: parts lie in the message's arena. Where a
 * limit or the arena ends, the tree ends, and `cut` says so.
 */
#include "mail/mime_inside.h"

enum { BUDGET_LEAST = 64 << 20, BUDGET_FACTOR = 16 };

const char *mime_flaw_name(enum mime_flaw f)
{
    static const char *const words[] = {
#define FLAW(name, word, help) word,
#include "spec/mime_flaws.def"
#undef FLAW
    };

    return f < MIME_FLAWS ? words[f] : "";
}

void mime_flaw(struct mime *m, struct mime_part *p, enum mime_flaw f)
{
    m->flaws |= 1ULL << f;
    if (p)
        p->flaws |= 1ULL << f;
}

void mime_cut(struct mime *m, struct str why)
{
    if (!m->cut)
        m->cut_why = why;
    m->cut = true;
}

bool mime_spend(struct mime *m, size_t n)
{
    if (n > m->budget) {
        m->budget = 0;
        mime_cut(m, str_lit("too many readings"));
        mime_flaw(m, NULL, MIME_FLAW_TOO_MANY);
        return false;
    }
    m->budget -= n;
    return true;
}

char *mime_room(struct mime *m, size_t n)
{
    char *p = n <= MIME_DECODED - m->decoded ? arena_alloc(m->arena, n + 1) : NULL;

    if (!p)
        mime_cut(m, str_lit("decoded size"));
    else
        m->decoded += n;
    return p;
}

struct str mime_lower(struct arena *a, struct str s)
{
    struct str copy = arena_str(a, s);
    char *p = (char *)(uintptr_t)copy.p;

    for (size_t i = 0; i < copy.n; i++)
        p[i] = ascii_lower(p[i]);
    return copy;
}

/* "1.2", for another reading "1.2~2"; "1" for the root. */
static struct str path_of(struct mime *m, const struct mime_part *p)
{
    unsigned n = p->parent ? p->parent->n_children : 1;
    struct str above = p->parent ? p->parent->path : STR_NONE;

    if (above.n > MIME_PATH)
        return above;
    if (m->reading && !(p->parent && p->parent->alternative))
        return arena_printf(m->arena, "%.*s%s%u~%u", STR(above), above.n ? "." : "", n, m->reading + 1);
    return arena_printf(m->arena, "%.*s%s%u", STR(above), above.n ? "." : "", n);
}

static void link_part(struct mime *m, struct mime_part *p)
{
    struct mime_part **last = p->parent ? &p->parent->last : &m->root;

    if (!p->parent)
        for (; *last; last = &(*last)->next)
            ;
    else if (p->parent->last)
        last = &p->parent->last->next;
    else
        last = &p->parent->first;
    *last = p;
    if (p->parent)
        p->parent->last = p;
    if (m->all_last)
        m->all_last->all_next = p;
    else
        m->all = p;
    m->all_last = p;
    m->n_parts++;
}

struct mime_part *mime_part_new(struct mime *m, struct mime_part *parent)
{
    struct mime_part *p;

    if (m->n_parts >= MIME_PARTS || (parent && parent->depth + 1 >= MIME_DEPTH)) {
        bool many = m->n_parts >= MIME_PARTS;

        mime_flaw(m, parent, many ? MIME_FLAW_TOO_MANY : MIME_FLAW_TOO_DEEP);
        mime_cut(m, many ? str_lit("too many parts") : str_lit("nested too deep"));
        return NULL;
    }
    p = arena_new(m->arena, struct mime_part);
    if (!p) {
        mime_cut(m, str_lit("memory"));
        return NULL;
    }
    p->parent = parent;
    p->depth = parent ? parent->depth + 1 : 0;
    if (parent)
        parent->n_children++;
    p->alternative = m->reading || (parent && parent->alternative);
    p->inside = parent && parent->inside;
    p->path = path_of(m, p);
    link_part(m, p);
    return p;
}

struct mime *mime_read(struct arena *a, struct str message)
{
    struct mime *m = arena_new(a, struct mime);

    if (!m)
        return NULL;
    *m = (struct mime){.arena = a, .octets = message, .budget = BUDGET_LEAST + (uint64_t)message.n * BUDGET_FACTOR};
    mime_entity(m, NULL, message, false);
    if (!m->root && !mime_part_new(m, NULL))
        return NULL;
    m->headers = m->root->headers;
    for (const struct mime_part *p = m->all; p; p = p->all_next)
        m->ambiguous |= p->alternative;
    return m;
}

void mime_read_inside(struct mime *m, struct mime_part *p)
{
    struct str body = mime_body(m, p);
    const struct mime_part *before = m->all_last;

    if (p->first || !body.n)
        return;
    p->message = true;
    mime_entity(m, p, body, true);
    for (const struct mime_part *q = before->all_next; q; q = q->all_next)
        m->ambiguous |= q->alternative;
}

struct mime_part *mime_add_member(struct mime *m, struct mime_part *archive, struct str name, struct str body)
{
    struct mime_part *p = mime_part_new(m, archive);

    if (!p)
        return NULL;
    p->type = str_lit("application/octet-stream");
    p->member = p->attachment = p->inside = p->decoded = true;
    p->body = body;
    p->size = body.n;
    name = mime_name_set(m, p, name);
    if (archive->path.n + name.n < MIME_PATH)
        p->path = arena_printf(m->arena, "%.*s/%.*s", STR(archive->path), STR(name.n ? name : str_lit("-")));
    return p;
}

struct mime_part *mime_first_text(const struct mime *m)
{
    struct mime_part *html = NULL;

    for (struct mime_part *p = m->all; p; p = p->all_next) {
        if (p->attachment || p->alternative || p->multipart)
            continue;
        if (str_eq(p->type, str_lit("text/plain")))
            return p;
        if (!html && str_eq(p->type, str_lit("text/html")))
            html = p;
    }
    return html;
}
