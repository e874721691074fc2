/*
 * What the classifiers find in a message: one pass over each text. See dlp.h.
 *
 * Called by dlp.c. Memory is the message's arena; beyond DLP_MATCHES_MAX matches the search ends and says so. Candidates of
 * entities are checked; a longer match at the same place replaces the shorter one.
 */
#include "policy/dlp_inside.h"

struct search {
    struct compiled_dlp *d;
    struct dlp_found *found;
    struct str text;
    uint32_t number;
};

static bool add(struct search *s, const struct dlp_match *match)
{
    if (s->found->n == DLP_MATCHES_MAX) {
        s->found->limited = true;
        return false;
    }
    s->found->items[s->found->n++] = *match;
    return true;
}

/* An expression is told at each of its ends: the last of those that begin at the same place stays. */
static bool longer_one(struct search *s, const struct dlp_match *m)
{
    for (size_t i = s->found->n; i-- > 0 && i + 8 > s->found->n;) {
        struct dlp_match *old = &s->found->items[i];

        if (old->classifier == m->classifier && old->rule == m->rule && old->text == m->text && old->from <= m->from &&
            old->to > m->from) {
            if (old->from == m->from)
                old->to = m->to;
            return true;
        }
    }
    return false;
}

static bool found(void *ctx, size_t pattern, size_t from, size_t to)
{
    struct search *s = ctx;
    struct dlp_owner owner = s->d->owners[pattern];
    const struct dlp_rule *rule = &s->d->classifiers[owner.classifier].rules[owner.rule];
    struct dlp_match m = {owner.classifier, owner.rule, s->number, from, to, 1};

    if (rule->entity && !entity_fits(rule->entity, s->text, from, to))
        return true;
    return longer_one(s, &m) || add(s, &m);
}

static void dictionaries(struct search *s)
{
    for (size_t c = 0; c < s->d->n; c++)
        for (size_t r = 0; r < s->d->classifiers[c].n; r++) {
            struct dictionary *dict = s->d->classifiers[c].rules[r].dictionary;
            struct dictionary_result result = {0};

            if (!dict)
                continue;
            dictionary_scan(dict, s->text, 0, &result);
            s->found->limited |= result.limited;
            if (result.matches)
                add(s, &(struct dlp_match){(uint32_t)c, (uint32_t)r, s->number, result.from, result.to, result.score});
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

void dlp_find(struct compiled_dlp *d, struct message *m, struct dlp_found *out)
{
    size_t parts = message_content(m)->n_parts + 2;

    *out = (struct dlp_found){.items = arena_array(m->arena, struct dlp_match, DLP_MATCHES_MAX),
                              .texts = arena_array(m->arena, struct str, parts),
                              .parts = arena_array(m->arena, const struct mime_part *, parts)};
    if (!out->items || !out->texts || !out->parts) {
        out->limited = true;
        return;
    }
    collect(m, out);
    for (size_t i = 0; i < out->n_texts && !out->limited; i++) {
        struct search s = {d, out, out->texts[i], (uint32_t)i};

        if (d->patterns && patterns_scan(d->patterns, s.text, found, &s) != RC_OK)
            out->limited = true;
        dictionaries(&s);
    }
}
