/*
 * Words that expressions need, looked for in one pass. See filter_gate.h.
 *
 * Called by compiled.c and rules_text.c. Everything lies in the arena of the snapshot. ASCII letters match in either case;
 * the two characters outside ASCII that do so too (long s, Kelvin sign) open the gate for all.
 */
#include "policy/filter_gate.h"
#include "policy/filter_regex.h"
#include "policy/patterns.h"

#include <stdlib.h>

struct entry {
    const struct filter_regex *regex;
    size_t word;
};

struct filter_gate {
    struct arena *arena;
    struct entry *entries; /* sorted by regex once ended */
    size_t n, cap;
    struct pattern *words;
    size_t n_words, cap_words;
    struct patterns *patterns; /* NULL = always open */
};

enum rc filter_gate_begin(struct arena *a, struct filter_gate **out, struct err *e)
{
    struct filter_gate *g = arena_new(a, struct filter_gate);

    if (!g)
        return err_set(e, RC_NO_MEMORY, "expressions of filters");
    g->arena = a;
    *out = g;
    return RC_OK;
}

static void add_regex(struct filter_gate *g, const struct filter_regex *regex)
{
    struct str word = filter_regex_word(g->arena, filter_regex_source(regex));
    size_t i = 0;

    if (!word.n || word.n > PATTERN_MAX)
        return;
    while (i < g->n_words && !str_eq(g->words[i].text, word))
        i++;
    if (i == g->n_words) {
        if (!arena_room(g->arena, &g->words, g->n_words, &g->cap_words, sizeof *g->words))
            return;
        g->words[g->n_words++] = (struct pattern){.text = word, .literal = true};
    }
    if (arena_room(g->arena, &g->entries, g->n, &g->cap, sizeof *g->entries))
        g->entries[g->n++] = (struct entry){regex, i};
}

void filter_gate_add(struct filter_gate *g, const struct filter_rule *r)
{
    for (size_t i = 0; i < r->n_args; i++)
        if (r->args[i].regex)
            add_regex(g, r->args[i].regex);
    for (size_t i = 0; i < r->n_parts; i++)
        filter_gate_add(g, r->parts[i]);
}

void filter_gate_add_block(struct filter_gate *g, const struct filter_block *b)
{
    for (size_t i = 0; i < b->n; i++)
        for (size_t j = 0; j < b->items[i].n_branches; j++) {
            const struct filter_branch *branch = &b->items[i].branches[j];

            if (branch->rule)
                filter_gate_add(g, branch->rule);
            filter_gate_add_block(g, &branch->body);
        }
}

static int compare(const void *left, const void *right)
{
    const struct entry *a = left, *b = right;

    return (uintptr_t)a->regex < (uintptr_t)b->regex ? -1 : (uintptr_t)a->regex > (uintptr_t)b->regex;
}

enum rc filter_gate_end(struct filter_gate *g, struct err *e)
{
    size_t bad;

    if (g->n)
        qsort(g->entries, g->n, sizeof *g->entries, compare);
    return g->n_words ? patterns_new(g->arena, g->words, g->n_words, &g->patterns, &bad, e) : RC_OK;
}

size_t filter_gate_words(const struct filter_gate *g)
{
    return g->patterns ? g->n_words : 0;
}

struct scan {
    uint64_t *bits;
    size_t left;
};

static bool found(void *ctx, size_t word, size_t from, size_t to)
{
    struct scan *s = ctx;
    uint64_t bit = (uint64_t)1 << word % 64;

    (void)from;
    (void)to;
    s->left -= !(s->bits[word / 64] & bit);
    s->bits[word / 64] |= bit;
    return s->left > 0;
}

void filter_gate_scan(const struct filter_gate *g, struct str text, uint64_t *bits)
{
    struct scan s = {bits, g->n_words};
    bool other_letters = text.n && (memmem(text.p, text.n, "\xc5\xbf", 2) || memmem(text.p, text.n, "\xe2\x84\xaa", 3));

    if (other_letters || (text.n && patterns_scan(g->patterns, text, found, &s) != RC_OK))
        memset(bits, 0xff, (g->n_words + 63) / 64 * sizeof *bits);
}

size_t filter_gate_word(const struct filter_gate *g, const struct filter_regex *regex)
{
    struct entry wanted = {regex, 0};
    const struct entry *e = g->patterns && g->n ? bsearch(&wanted, g->entries, g->n, sizeof *g->entries, compare) : NULL;

    return e ? e->word : SIZE_MAX;
}
