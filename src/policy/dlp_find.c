/*
 * What the classifiers find in a message: one pass over each text. See dlp.h.
 *
 * Called by dlp.c. Memory is the message's arena. Candidates of entities are checked; a longer match at the same place
 * replaces the shorter one. What a rule without proximity finds in a text beyond its maximum changes nothing and is not
 * kept; beyond DLP_MATCHES_MAX matches the search ends and says so.
 */
#include "policy/dlp_inside.h"

#include <stdlib.h>

struct search {
    struct compiled_dlp *d;
    struct dlp_found *found;
    const bool *wanted; /* by classifier */
    struct progress {
        uint64_t seen; /* weight of its matches in this text */
        size_t last;   /* its last match here, counted from 1; 0 = none */
    } * rules;
    struct str text;
    uint32_t number;
};

/* An expression is told at each of its ends: the last of those that begin at the same place stays. */
static bool longer_one(struct search *s, const struct progress *rule, const struct dlp_match *m)
{
    struct dlp_match *old = rule->last ? &s->found->items[rule->last - 1] : NULL;

    if (!old || old->from > m->from || old->to <= m->from)
        return false;
    if (old->from == m->from && m->to > old->to)
        old->to = m->to;
    old->weight = old->weight > m->weight ? old->weight : m->weight;
    return true;
}

static bool found(void *ctx, size_t pattern, size_t from, size_t to)
{
    struct search *s = ctx;
    const struct dlp_owner *owner = &s->d->owners[pattern];
    const struct dlp_classifier *c = &s->d->classifiers[owner->classifier];
    struct progress *rule = &s->rules[c->first + owner->rule];
    struct dlp_match m = {.classifier = owner->classifier, .rule = owner->rule, .text = s->number};

    if (!s->wanted[owner->classifier] || (owner->entity && !entity_fits_end(owner->entity, s->text, &from, to)))
        return true;
    m.from = from;
    m.to = to;
    m.weight = owner->weight;
    if (longer_one(s, rule, &m) || (!c->conf->proximity && rule->seen >= c->rules[owner->rule].max))
        return true;
    rule->seen += m.weight;
    if (s->found->n == DLP_MATCHES_MAX) {
        s->found->limited = true;
        return false;
    }
    s->found->items[s->found->n++] = m;
    rule->last = s->found->n;
    return true;
}

/* --- nearness -------------------------------------------------------------------------------------------------------- */

static int by_place(const void *a, const void *b)
{
    const struct dlp_match *x = a, *y = b;

#define BY(field) \
    if (x->field != y->field) \
        return x->field < y->field ? -1 : 1;
    BY(text)
    BY(classifier)
    BY(from)
    BY(to)
    BY(rule)
#undef BY
    return 0;
}

/* The best places of two different rules: whichever rule a match has, one of them is another's. */
struct nearest {
    struct place {
        uint32_t rule;
        size_t at;
        bool there;
    } best, next;
};

static const size_t *of_another(const struct nearest *n, uint32_t rule)
{
    if (n->best.there && n->best.rule != rule)
        return &n->best.at;
    return n->next.there ? &n->next.at : NULL;
}

/* Farthest ends: `at` may be less than what stands there. */
static void keep_farthest(struct nearest *n, uint32_t rule, size_t at)
{
    struct place new = {rule, at, true};

    if (n->best.there && n->best.rule == rule) {
        n->best.at = at > n->best.at ? at : n->best.at;
    } else if (!n->best.there || at > n->best.at) {
        n->next = n->best;
        n->best = new;
    } else if (!n->next.there || at > n->next.at) {
        n->next = new;
    }
}

/* Next beginnings: each is before those noted so far. */
static void keep_latest(struct nearest *n, uint32_t rule, size_t at)
{
    if (n->best.there && n->best.rule != rule)
        n->next = n->best;
    n->best = (struct place){rule, at, true};
}

/* Matches [first, last) are of one classifier in one text, in the order of their beginnings: is one of another rule within
 * `reach` octets of each? Once forwards with the farthest ends so far, once backwards with the next beginnings. */
static void find_company(struct dlp_match *items, size_t first, size_t last, uint64_t reach)
{
    struct nearest before = {0}, behind = {0};
    const size_t *at;

    for (size_t i = first; i < last; i++) {
        struct dlp_match *m = &items[i];

        at = of_another(&before, m->rule);
        m->company = !reach || (at && (*at >= m->from || m->from - *at <= reach));
        keep_farthest(&before, m->rule, m->to);
    }
    for (size_t i = last; reach && i-- > first;) {
        struct dlp_match *m = &items[i];

        at = of_another(&behind, m->rule);
        m->company |= at && (*at <= m->to || *at - m->to <= reach);
        keep_latest(&behind, m->rule, m->from);
    }
}

static void add_text(struct dlp_found *f, struct str text, const struct mime_part *part)
{
    if (!text.n)
        return;
    f->texts[f->n_texts] = text;
    f->parts[f->n_texts++] = part;
}

/* Subject, texts as a reader sees them, and whatever else is in attachments. */
static void collect(struct message *m, struct dlp_found *f)
{
    struct mime *mime = message_content(m);

    add_text(f, mime_header(mime, str_lit("Subject")), NULL);
    for (struct mime_part *p = mime->all; p; p = p->all_next) {
        if (p->multipart || p->message)
            continue;
        if (str_eq(p->type, str_lit("text/html")))
            add_text(f, mime_html_text(m->arena, mime_text(mime, p)), p);
        else if (str_starts(p->type, str_lit("text/")))
            add_text(f, mime_text(mime, p), p);
        else if (!p->archive)
            add_text(f, mime_body(mime, p), p);
    }
}

static void sort_matches(const struct compiled_dlp *d, struct dlp_found *f)
{
    size_t last;

    qsort(f->items, f->n, sizeof *f->items, by_place);
    for (size_t i = 0; i < f->n; i = last) {
        const struct dlp_match *m = &f->items[i];

        for (last = i + 1; last < f->n && f->items[last].text == m->text && f->items[last].classifier == m->classifier;)
            last++;
        find_company(f->items, i, last, d->classifiers[m->classifier].conf->proximity);
    }
}

void dlp_find(struct compiled_dlp *d, struct message *m, const bool *wanted, struct dlp_found *out)
{
    size_t parts = message_content(m)->n_parts + 2;
    struct search s = {
        .d = d, .found = out, .wanted = wanted, .rules = arena_array(m->arena, struct progress, d->n_rules + 1)};

    *out = (struct dlp_found){.items = arena_array(m->arena, struct dlp_match, DLP_MATCHES_MAX),
                              .texts = arena_array(m->arena, struct str, parts),
                              .parts = arena_array(m->arena, const struct mime_part *, parts)};
    if (!out->items || !out->texts || !out->parts || !s.rules) {
        out->limited = true;
        return;
    }
    collect(m, out);
    for (size_t i = 0; i < out->n_texts && d->patterns; i++) {
        s.text = out->texts[i];
        s.number = (uint32_t)i;
        memset(s.rules, 0, d->n_rules * sizeof *s.rules);
        if (patterns_scan(d->patterns, s.text, found, &s) != RC_OK)
            out->limited = true;
    }
    sort_matches(d, out);
}
