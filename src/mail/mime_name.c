/*
 * The file name of a part: what most readers show, and what others would. See mime.h.
 *
 * Called by mime_part.c and mime.c. Names lie in the message's arena. A name with hidden characters, one that readers take
 * from different fields, or one that a file system would change, sets the flaw BAD_NAME.
 */
#include "mail/mime_inside.h"

enum { NAMES = 6, NAME_MOST = 4096, SPACES_HIDE = 5 };

/* Marks that turn the direction of writing, characters without width, and controls. */
static bool hides(uint32_t c)
{
    return c < 0x20 || c == 0x7f || (c >= 0x80 && c < 0xa0) || c == 0xad || c == 0x61c || (c >= 0x200b && c <= 0x200f) ||
           (c >= 0x2028 && c <= 0x202e) || (c >= 0x2060 && c <= 0x206f) || c == 0xfeff || c == 0xfffd || c == 0x115f ||
           c == 0x3164;
}

/* Next character of UTF-8 that is known to be well formed. */
static uint32_t next_char(struct str *s)
{
    unsigned char c = (unsigned char)s->p[0];
    size_t n = c < 0x80 ? 1 : c < 0xe0 ? 2 : c < 0xf0 ? 3 : 4;
    uint32_t v = n == 1 ? c : c & (0xffu >> (n + 1));

    for (size_t i = 1; i < n && i < s->n; i++)
        v = v << 6 | ((unsigned char)s->p[i] & 0x3f);
    *s = str_from(*s, n);
    return v;
}

static bool has_hidden(struct str name)
{
    size_t spaces = 0;

    while (name.n) {
        uint32_t c = next_char(&name);

        if (hides(c))
            return true;
        spaces = c == ' ' || c == 0xa0 || c == 0x3000 || (c >= 0x2000 && c <= 0x200a) ? spaces + 1 : 0;
        if (spaces >= SPACES_HIDE)
            return true;
    }
    return false;
}

static struct str base_of(struct str name)
{
    for (size_t i = name.n; i-- > 0;)
        if ((name.p[i] == '/' || name.p[i] == '\\') && i + 1 < name.n)
            return str_from(name, i + 1);
    return name;
}

/* As a file system that ends names at NUL and drops dots and spaces at the end makes it. */
static struct str as_stored(struct str name)
{
    name = str_first(name, str_find(name, '\0'));
    while (name.n && (name.p[name.n - 1] == '.' || name.p[name.n - 1] == ' '))
        name.n--;
    return name;
}

static struct str decoded(struct mime *m, const struct mime_param *v, bool plain)
{
    struct str s = plain ? v->plain : v->value;

    if (s.n > NAME_MOST)
        s.n = NAME_MOST;
    return str_trim(mime_decode_words(m->arena, s));
}

static void add(struct str *all, size_t *n, struct str name)
{
    name = base_of(name);
    for (size_t i = 0; i < *n; i++)
        if (str_eq(all[i], name))
            return;
    if (name.n && *n < NAMES)
        all[(*n)++] = name;
}

static void take(struct mime *m, struct str *all, size_t *n, const struct mime_params *ps, struct str name, bool extended)
{
    for (size_t i = 0; i < ps->n; i++)
        if (ps->items[i].extended == extended && str_eq(ps->items[i].name, name))
            add(all, n, decoded(m, &ps->items[i], false));
}

static void settle(struct mime *m, struct mime_part *p, const struct str *all, size_t n)
{
    if (!n)
        return;
    p->name = all[0];
    p->other_name = n > 1 ? all[1] : STR_NONE;
    if (n > 1 || has_hidden(p->name))
        mime_flaw(m, p, MIME_FLAW_BAD_NAME);
    if (as_stored(p->name).n < p->name.n) {
        mime_flaw(m, p, MIME_FLAW_BAD_NAME);
        if (!p->other_name.n)
            p->other_name = as_stored(p->name);
    }
}

void mime_name_choose(struct mime *m, struct mime_part *p, const struct mime_params *disposition,
                      const struct mime_params *type)
{
    struct str all[NAMES];
    size_t n = 0;

    take(m, all, &n, disposition, str_lit("filename"), true);
    take(m, all, &n, disposition, str_lit("filename"), false);
    take(m, all, &n, type, str_lit("name"), true);
    take(m, all, &n, type, str_lit("name"), false);
    settle(m, p, all, n);
}

struct str mime_name_set(struct mime *m, struct mime_part *p, struct str name)
{
    bool bad = false;
    struct str all[NAMES];
    size_t n = 0;

    if (name.n > NAME_MOST)
        name.n = NAME_MOST;
    name = arena_str(m->arena, mime_to_utf8(m->arena, name, STR_NONE, &bad));
    add(all, &n, name);
    settle(m, p, all, n);
    return name;
}
