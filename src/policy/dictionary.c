/*
 * Dictionaries, compiled. See dictionary.h.
 *
 * Called by compiled.c (all of a snapshot), rules and DLP (scanning), control (checks). Memory is the snapshot's arena. A
 * term that cannot be compiled makes its dictionary fail, not the others.
 */
#include "policy/dictionary.h"

#include "policy/check.h"

struct dictionary {
    const struct conf_dictionary *conf;
    struct patterns *patterns;
    struct dictionary_term *terms;
    const struct entity **entities; /* by term, NULL = none */
    struct pattern *texts;
    size_t n;
};

struct compiled_words {
    struct dictionary *items;
    size_t n;
};

/* What is looked for; *entity_out = NULL where it is no smart term ("email" is a word). */
static struct pattern pattern_of(const struct conf_dictionary *c, struct str term, const struct entity **entity_out)
{
    /* "email" is a word */
    *entity_out = term.p[0] == '*' ? entity_find(term) : NULL;
    if (*entity_out)
        return (struct pattern){.text = str_c((*entity_out)->expression), .want_from = true};
    return (struct pattern){
        .text = term, .literal = pattern_is_literal(term), .match_case = c->match_case, .whole_word = c->whole_words};
}

static enum rc compile_one(struct arena *a, const struct conf_dictionary *c, struct dictionary *d, struct err *e)
{
    struct pattern *patterns = arena_array(a, struct pattern, c->terms.n + 1);
    size_t bad = 0;

    d->texts = patterns;
    d->conf = c;
    d->terms = arena_array(a, struct dictionary_term, c->terms.n + 1);
    d->entities = arena_array(a, const struct entity *, c->terms.n + 1);
    if (!patterns || !d->terms || !d->entities)
        return err_set(e, RC_NO_MEMORY, "dictionary");
    for (size_t i = 0; i < c->terms.n; i++) {
        TRY(dictionary_term_read(c->terms.items[i], &d->terms[i], e));
        patterns[i] = pattern_of(c, d->terms[i].term, &d->entities[i]);
    }
    d->n = c->terms.n;
    return d->n ? patterns_new(a, patterns, d->n, &d->patterns, &bad, e) : RC_OK;
}

enum rc dictionaries_compile(struct arena *a, const struct conf *conf, struct compiled_words **out, struct err *e)
{
    struct compiled_words *w = arena_new(a, struct compiled_words);
    enum rc result = RC_OK;

    if (!w || !(w->items = arena_array(a, struct dictionary, conf->dictionary.n + 1)))
        return err_set(e, RC_NO_MEMORY, "dictionaries");
    for (size_t i = 0; i < conf->dictionary.n; i++) {
        const struct conf_dictionary *c = &conf->dictionary.items[i];
        enum rc rc = compile_one(a, c, &w->items[w->n], result == RC_OK ? e : NULL);

        if (rc == RC_OK)
            w->n++;
        else if (result == RC_OK)
            result = err_wrap(e, rc, "dictionary %.*s", STR(c->name));
    }
    *out = w;
    return result;
}

struct dictionary *dictionary_find(const struct compiled_words *words, struct str name)
{
    for (size_t i = 0; words && i < words->n; i++)
        if (str_eqi(words->items[i].conf->name, name))
            return &words->items[i];
    return NULL;
}

struct count {
    struct dictionary *d;
    struct str text;
    struct dictionary_result *out;
    uint64_t enough;
    size_t last, last_to; /* expressions tell every end: one match a place is counted */
};

static bool found(void *ctx, size_t pattern, size_t from, size_t to)
{
    struct count *c = ctx;
    const struct entity *entity = c->d->entities[pattern];

    if (entity && (!entity_fits_end(entity, c->text, &from, to) || (c->last == pattern + 1 && from < c->last_to)))
        return true;
    if (!entity && c->last == pattern + 1 && to == c->last_to + 1 && from == to)
        c->out->matches--, c->out->score -= c->d->terms[pattern].weight; /* the same match, one octet longer */
    c->last = pattern + 1;
    c->last_to = to;
    if (!c->out->matches++) {
        c->out->from = from;
        c->out->to = to;
    }
    c->out->score += c->d->terms[pattern].weight;
    return !c->enough || c->out->score < c->enough;
}

void dictionary_scan(struct dictionary *d, struct str text, uint64_t enough, struct dictionary_result *out)
{
    struct count c = {.d = d, .text = text, .out = out, .enough = enough};

    *out = (struct dictionary_result){0};
    if (d->patterns)
        out->limited = patterns_scan(d->patterns, text, found, &c) != RC_OK;
}

size_t dictionary_size(const struct dictionary *d)
{
    return d->n;
}

struct dictionary_piece dictionary_piece(const struct dictionary *d, size_t i)
{
    return (struct dictionary_piece){d->texts[i], d->entities[i], d->terms[i].weight};
}

/* --- checks before a commit ------------------------------------------------------------------------------------------ */

static enum rc check_term(const struct conf_dictionary *c, struct str line, struct err *e)
{
    struct dictionary_term term;
    const struct entity *entity;
    struct pattern pattern;
    struct arena a;
    enum rc rc;

    TRY(dictionary_term_read(line, &term, e));
    pattern = pattern_of(c, term.term, &entity);
    if (entity || pattern.literal)
        return RC_OK;
    arena_init(&a, 8192, 4 << 20);
    rc = pattern_check(&a, &pattern, e);
    arena_done(&a);
    return rc;
}

enum rc dictionaries_check(const struct conf *c, struct err *e)
{
    for (size_t i = 0; i < c->dictionary.n; i++) {
        const struct conf_dictionary *d = &c->dictionary.items[i];

        for (size_t k = 0; k < d->terms.n; k++)
            if (check_term(d, d->terms.items[k], e) != RC_OK)
                return err_wrap(e, RC_INVALID, "dictionary.%.*s.terms, entry %zu", STR(d->name), k + 1);
    }
    return RC_OK;
}

struct strs dictionary_terms(const struct dictionary *d)
{
    return d->conf->terms;
}
