/*
 * Texts of a message as UTF-8. See mime.h.
 *
 * Called by policy and scan. The text lies in the message's arena, or is the body itself where that is UTF-8 already.
 */
#include "mail/mime_inside.h"

enum { META_WITHIN = 2048 };

/* <meta charset=...> or <meta ... content="text/html; charset=...">: the set HTML names for itself. */
static struct str html_charset(struct str html)
{
    struct str head = str_first(html, META_WITHIN), v;

    for (size_t i = 0; i + 8 < head.n; i++) {
        size_t n = 0;

        if (ascii_lower(head.p[i]) != 'c' || !str_startsi(str_from(head, i), str_lit("charset")))
            continue;
        v = str_trim(str_from(head, i + 7));
        if (!v.n || v.p[0] != '=')
            continue;
        v = str_trim(str_from(v, 1));
        if (v.n && (v.p[0] == '"' || v.p[0] == '\''))
            v = str_from(v, 1);
        while (n < v.n && (ascii_alpha(v.p[n]) || ascii_digit(v.p[n]) || v.p[n] == '-' || v.p[n] == '_'))
            n++;
        return str_first(v, n);
    }
    return STR_NONE;
}

/* A byte order mark says more than any header. */
static struct str mark_charset(struct str *body)
{
    if (str_starts(*body, str_lit("\xef\xbb\xbf"))) {
        *body = str_from(*body, 3);
        return str_lit("utf-8");
    }
    if (str_starts(*body, str_lit("\xff\xfe")) || str_starts(*body, str_lit("\xfe\xff")))
        return str_lit("utf-16");
    return STR_NONE;
}

struct str mime_text(struct mime *m, struct mime_part *p)
{
    struct str body, charset;
    size_t before;
    bool bad = false;

    if (p->texted)
        return p->text;
    if (!str_starts(p->type, str_lit("text/")))
        return STR_NONE;
    body = mime_body(m, p);
    charset = mark_charset(&body);
    if (!charset.n)
        charset = p->charset;
    if (!charset.n && str_eq(p->type, str_lit("text/html")))
        charset = html_charset(body);
    before = m->arena->used;
    p->text = mime_to_utf8(m->arena, body, charset, &bad);
    p->texted = true;
    m->decoded += m->arena->used - before < MIME_DECODED - m->decoded ? m->arena->used - before : MIME_DECODED - m->decoded;
    if (body.n && !p->text.p)
        mime_cut(m, str_lit("memory"));
    if (bad)
        mime_flaw(m, p, MIME_FLAW_BAD_CHARSET);
    return p->text;
}
