/*
 * Actions on the addresses (URLs) in texts: made harmless, led over a service that looks at them, or replaced. See action.h.
 *
 * Called by the runners of filters through action_do(). Owns nothing beyond the message's arena. Links in HTML and addresses
 * in text change alike; texts with none of the wanted addresses stay as they were received.
 */
#include "policy/action.h"

#include "policy/part.h"
#include "policy/rules.h"
#include "policy/variables.h"

#include <stdlib.h>

#define ACTION(name) \
    enum rc action_##name(struct message *m, const struct filter_action *a, struct filter_run *r, struct err *e)

enum what { DEFANG, REDIRECT, REPLACE };
enum by { BY_CATEGORY, BY_SCORE, BY_NONE };

struct work {
    struct message *m;
    const struct filter_action *a;
    enum what what;
    enum by by;
    size_t rest; /* first argument behind those that choose: the text of a replacement, then list, then "unsigned only" */
    struct str text;
};

/* --- which
 * ----------------------------------------------------------------------------------------------------------------- */

static bool is_wanted(const struct work *w, const struct mime_url *u)
{
    const struct filter_action *a = w->a;
    struct opinion o = {0};
    bool known;

    if (rule_url_listed(w->m, filter_text(a->args, a->n_args, w->rest + (w->what == REPLACE)), u->url))
        return false;
    known = rule_opinion(w->m, OPINION_URL, u->url, STR_NONE, &o);
    if (w->by == BY_NONE)
        return !known;
    if (w->by == BY_SCORE)
        return known && o.score >= filter_decimal(a->args, a->n_args, 0, 0) &&
               o.score <= filter_decimal(a->args, a->n_args, 1, 0);
    return known && rule_listed(filter_list(a->args, a->n_args, 0), o.text);
}

/* --- what comes in the place
 * ------------------------------------------------------------------------------------------------- */

/* hxxp://host[.]tld/path: still to be read, no longer to be followed. */
static void put_defanged(struct str url, struct buf *out)
{
    size_t at = str_find_str(url, str_lit("://")), end;

    if (at == url.n) {
        buf_add(out, url);
        return;
    }
    buf_add(out, str_startsi(url, str_lit("http")) ? str_lit("hxxp") : str_lit("fxp"));
    buf_add(out, at == 5 ? str_lit("s://") : str_lit("://"));
    at += 3;
    end = at + str_find(str_from(url, at), '/');
    for (; at < end; at++)
        buf_add(out, url.p[at] == '.' ? str_lit("[.]") : str_of(url.p + at, 1));
    buf_add(out, str_from(url, end));
}

static void put_escaped(struct str s, struct buf *out)
{
    for (size_t i = 0; i < s.n; i++) {
        char c = s.p[i];

        if (ascii_alpha(c) || ascii_digit(c) || strchr("-._~", c))
            buf_addc(out, c);
        else
            buf_addf(out, "%%%02X", (unsigned)(unsigned char)c);
    }
}

static void put_instead(const struct work *w, const struct mime_url *u, struct buf *out)
{
    struct str service = w->m->conf ? w->m->conf->url.redirect : STR_NONE;
    size_t at = str_find_str(service, str_lit("$url"));

    if (w->what == REPLACE) {
        buf_add(out, w->text);
    } else if (w->what == REDIRECT && at < service.n) {
        buf_add(out, str_first(service, at));
        put_escaped(u->url, out);
        buf_add(out, str_from(service, at + 4));
    } else {
        put_defanged(u->url, out);
    }
}

/* --- texts
 * ------------------------------------------------------------------------------------------------------------------- */

static int by_place(const void *a, const void *b)
{
    const struct mime_url *x = a, *y = b;

    return x->place.p < y->place.p ? -1 : x->place.p > y->place.p;
}

/* The text with the wanted addresses changed; how many there were. */
static size_t rewrite(const struct work *w, struct mime_part *p, struct str text, const struct mime_url *urls, size_t n,
                      struct buf *out)
{
    bool html = str_eq(p->type, str_lit("text/html"));
    size_t done = 0, changed = 0;

    for (size_t i = 0; i < n; i++) {
        struct str place = urls[i].place;
        struct buf by = BUF(1 << 20);
        size_t at;

        if (place.p < text.p + done || place.p + place.n > text.p + text.n || !is_wanted(w, &urls[i]))
            continue;
        at = (size_t)(place.p - text.p);
        buf_add(out, str_of(text.p + done, at - done));
        put_instead(w, &urls[i], &by);
        if (html)
            variables_html(buf_str(&by), out);
        else
            buf_add(out, buf_str(&by));
        buf_done(&by);
        done = at + place.n;
        changed++;
    }
    buf_add(out, str_from(text, done));
    return changed;
}

static void rewrite_part(const struct work *w, struct part_changes *c, struct mime_part *p, const struct mime_urls *all)
{
    struct mime_url *urls = arena_array(w->m->arena, struct mime_url, all->n + 1);
    struct str text = mime_text(c->mime, p);
    struct buf out = BUF(64 << 20);
    size_t n = 0;

    for (size_t i = 0; urls && i < all->n; i++)
        if (all->items[i].part == p && all->items[i].place.n)
            urls[n++] = all->items[i];
    if (n) {
        qsort(urls, n, sizeof *urls, by_place);
        if (rewrite(w, p, text, urls, n, &out) && !out.failed)
            part_set_text(c, p, arena_str(w->m->arena, buf_str(&out)));
    }
    buf_done(&out);
}

static bool is_signed(const struct mime *mime)
{
    for (const struct mime_part *p = mime->all; p; p = p->all_next)
        if (str_eq(p->type, str_lit("multipart/signed")) || str_eq(p->type, str_lit("application/pkcs7-mime")) ||
            str_eq(p->type, str_lit("application/x-pkcs7-mime")))
            return true;
    return false;
}

static enum rc run(struct work w, struct filter_run *r)
{
    struct part_changes c;
    struct mime_urls urls;

    part_changes_begin(&c, w.m);
    if (filter_number(w.a->args, w.a->n_args, w.rest + 1 + (w.what == REPLACE), 0) && is_signed(c.mime))
        return RC_OK;
    if (w.what == REPLACE)
        w.text = action_text(w.m, w.a, r, w.rest);
    urls = mime_urls(c.mime);
    for (struct mime_part *p = c.mime->all; p; p = p->all_next)
        if (!p->member && !p->inside && !p->alternative && str_starts(p->type, str_lit("text/")))
            rewrite_part(&w, &c, p, &urls);
    part_changes_make(&c);
    return RC_OK;
}

#define URLS(name, what, by, rest) \
    ACTION(url_##name) \
    { \
        (void)e; \
        return run((struct work){m, a, what, by, rest, STR_NONE}, r); \
    }
URLS(category_defang, DEFANG, BY_CATEGORY, 1)
URLS(category_redirect, REDIRECT, BY_CATEGORY, 1)
URLS(category_replace, REPLACE, BY_CATEGORY, 1)
URLS(reputation_defang, DEFANG, BY_SCORE, 2)
URLS(reputation_redirect, REDIRECT, BY_SCORE, 2)
URLS(reputation_replace, REPLACE, BY_SCORE, 2)
URLS(no_reputation_defang, DEFANG, BY_NONE, 0)
URLS(no_reputation_redirect, REDIRECT, BY_NONE, 0)
URLS(no_reputation_replace, REPLACE, BY_NONE, 0)
