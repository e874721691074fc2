/*
 * Author domains out of From fields, as any mail client might read them. See dmarc.h.
 *
 * Called by dmarc. A field is read mailbox by mailbox (RFC 5322 3.4): what stands in angle brackets is the address, without
 * brackets the text itself is. Quotes and comments hide what is inside; when one never ends, the field is read once more as
 * if quotes and comments meant nothing, since some clients do that. Owns nothing; the result lies in the arena.
 */
#include "mail/dmarc.h"
#include "mail/domain.h"
#include "mail/header.h"

enum { VALUE_MAX = 65536 };

struct authors {
    struct arena *a;
    struct str *domains;
    size_t n;
    bool too_many;
};

/* A mailbox while it is read: octets outside quotes, comments and brackets; inside brackets. */
struct mailbox {
    char *bare, *angle;
    size_t n_bare, n_angle;
    bool in_angle, angle_used;
};

static bool is_space(char c)
{
    return (unsigned char)c <= 0x20 || c == 0x7f;
}

/* The domain behind the last @ of an address: white space around dots goes, what follows other white space too. */
static struct str domain_part(struct arena *a, struct str address)
{
    size_t at = str_find_last(address, '@'), n = 0;
    struct str d = str_from(address, at + 1);
    char *to = arena_alloc(a, d.n + 1);

    if (at == address.n || !to)
        return STR_NONE;
    for (size_t i = 0; i < d.n; i++) {
        size_t next = i;

        while (next < d.n && is_space(d.p[next]))
            next++;
        if (next > i && n > 0 && to[n - 1] != '.' && (next == d.n || d.p[next] != '.'))
            break;
        if (next == d.n)
            break;
        i = next;
        to[n++] = d.p[i];
    }
    return str_of(to, n);
}

static bool add_author(struct authors *x, struct str address)
{
    struct str domain;

    if (!domain_ascii(x->a, domain_part(x->a, address), 1, &domain))
        return false;
    for (size_t i = 0; i < x->n; i++)
        if (str_eq(x->domains[i], domain))
            return true;
    if (x->n == DMARC_AUTHORS_MAX)
        x->too_many = true;
    else
        x->domains[x->n++] = domain;
    return true;
}

/* Leaves brackets: every bracketed address of a mailbox counts, since clients differ in which they take. */
static void end_angle(struct authors *x, struct mailbox *m)
{
    if (m->in_angle && add_author(x, str_of(m->angle, m->n_angle)))
        m->angle_used = true;
    m->in_angle = false;
    m->n_angle = 0;
}

static void end_mailbox(struct authors *x, struct mailbox *m)
{
    end_angle(x, m);
    if (!m->angle_used)
        add_author(x, str_of(m->bare, m->n_bare));
    m->n_bare = 0;
    m->angle_used = false;
}

static void add_octet(struct mailbox *m, char c)
{
    if (m->in_angle)
        m->angle[m->n_angle++] = c;
    else
        m->bare[m->n_bare++] = c;
}

/* One octet outside quotes and comments. Commas in brackets belong to a source route. */
static void plain_octet(struct authors *x, struct mailbox *m, char c)
{
    if (c == '<') {
        end_angle(x, m);
        m->in_angle = true;
    } else if (c == '>') {
        end_angle(x, m);
    } else if ((c == ',' && !m->in_angle) || c == ';') {
        end_mailbox(x, m);
    } else {
        add_octet(m, c);
    }
}

/* Reads a value. False when a quote, comment or bracket never ended. */
static bool read_value(struct authors *x, struct mailbox *m, struct str value, bool quoting)
{
    bool quoted = false, closed;
    unsigned comments = 0;

    for (size_t i = 0; i < value.n; i++) {
        char c = value.p[i];

        if (quoting && c == '\\' && (quoted || comments) && i + 1 < value.n)
            i++;
        else if (quoting && c == '"' && !comments)
            quoted = !quoted;
        else if (quoting && c == '(' && !quoted)
            comments++;
        else if (quoting && c == ')' && comments)
            comments--;
        else if (!quoted && !comments)
            plain_octet(x, m, c);
        else if (quoted && m->in_angle && c != '@')
            add_octet(m, c);
    }
    closed = !quoted && !comments && !m->in_angle;
    end_mailbox(x, m);
    return closed;
}

static void read_field(struct authors *x, struct str value)
{
    struct mailbox m = {0};

    value = str_first(value, VALUE_MAX);
    m.bare = arena_alloc(x->a, value.n + 1);
    m.angle = arena_alloc(x->a, value.n + 1);
    if (m.bare && m.angle && !read_value(x, &m, value, true))
        read_value(x, &m, value, false);
}

bool dmarc_author_domains(struct arena *a, struct str headers, struct str out[DMARC_AUTHORS_MAX], size_t *n_out)
{
    struct authors x = {.a = a, .domains = out};
    struct header_field f;

    while (header_next(&headers, &f))
        if (str_eqi(f.name, str_lit("From")))
            read_field(&x, f.value);
    *n_out = x.n;
    return !x.too_many;
}
