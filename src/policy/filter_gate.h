/*
 * One pass over a text instead of one per expression: each expression that looks through bodies and attachments has a word
 * that every match of it must contain; all these words are looked for at once (policy/patterns.h), and an expression whose
 * word is not there is not tried.
 *
 * Made with the snapshot by compiled.c: begin, add the conditions of all kinds of filters, end. Used by rules_text.c.
 */
#ifndef POLICY_FILTER_GATE_H
#define POLICY_FILTER_GATE_H

#include "policy/filter.h"

struct filter_gate;

enum { FILTER_WORD_LEAST = 3 };

enum rc filter_gate_begin(struct arena *a, struct filter_gate **out, struct err *e);
/* Adds the expressions that the condition's rules take as arguments. Everything of it lives as long as the gate. */
void filter_gate_add(struct filter_gate *g, const struct filter_rule *r);
void filter_gate_add_block(struct filter_gate *g, const struct filter_block *b);
/* Compiles the words. On an error all expressions are tried, as without a gate. */
enum rc filter_gate_end(struct filter_gate *g, struct err *e);

/* How many words there are: bits of filter_gate_scan(). */
size_t filter_gate_words(const struct filter_gate *g);
/* Sets the bits (filter_gate_words() of them, in 64s, zeroed) of the words that stand in the text. */
void filter_gate_scan(const struct filter_gate *g, struct str text, uint64_t *bits);
/* The word of an expression, SIZE_MAX = it has none and must always be tried. */
size_t filter_gate_word(const struct filter_gate *g, const struct filter_regex *regex);

/* The longest run of ASCII that every match contains, in the arena; empty when none is sure. */
struct str filter_regex_word(struct arena *a, struct str pattern);

#endif
