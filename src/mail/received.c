/*
 * The Received field. See received.h.
 *
 * Called by receive for each message, and by trace. Owns nothing, allocates nothing, never fails.
 */
#include "mail/received.h"

struct line {
    char *p;
    size_t n;
};

static void add(struct line *l, struct str s)
{
    if (s.n > RECEIVED_MAX - l->n)
        s.n = RECEIVED_MAX - l->n;
    if (s.n)
        memcpy(l->p + l->n, s.p, s.n);
    l->n += s.n;
}

static void add_name(struct line *l, struct str s)
{
    for (size_t i = 0; i < s.n && l->n < RECEIVED_MAX; i++) {
        unsigned char c = (unsigned char)s.p[i];

        l->p[l->n++] = c <= 32 || c >= 127 || c == '(' || c == ')' || c == '\\' || c == '"' || c == ';' ? '?' : (char)c;
    }
}

struct str received_write(const struct received *r, char out[RECEIVED_MAX])
{
    struct line l = {out, 0};

    add(&l, str_lit("Received: from "));
    add_name(&l, r->hello.n ? r->hello : str_lit("unknown"));
    add(&l, str_lit(" ("));
    add_name(&l, r->name.n ? r->name : str_lit("unknown"));
    add(&l, r->ip6 ? str_lit(" [IPv6:") : str_lit(" ["));
    add(&l, r->ip);
    add(&l, str_lit("])\r\n\tby "));
    add_name(&l, r->by);
    add(&l, str_lit(" with "));
    add(&l, r->protocol);
    add(&l, str_lit(" id "));
    add(&l, r->id);
    if (r->tls_version.n) {
        add(&l, str_lit("\r\n\t("));
        add_name(&l, r->tls_version);
        add(&l, str_lit(" "));
        add_name(&l, r->tls_cipher);
        add(&l, str_lit(")"));
    }
    if (r->recipient.n) {
        add(&l, str_lit("\r\n\tfor <"));
        add(&l, r->recipient);
        add(&l, str_lit(">"));
    }
    add(&l, str_lit("; "));
    add(&l, r->date);
    add(&l, str_lit("\r\n"));
    return str_of(out, l.n);
}
