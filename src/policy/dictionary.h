/*
 * Dictionaries: words, expressions and smart terms with weights, looked for in headers, bodies and attachments.
 *
 * Compiled with the snapshot; one worker uses one at a time.
 */
#ifndef POLICY_DICTIONARY_H
#define POLICY_DICTIONARY_H

#include "base/arena.h"
#include "conf/conf.h"
#include "policy/entity.h"
#include "policy/patterns.h"

enum { DICTIONARY_WEIGHT_MAX = 10 };

struct compiled_words;
struct dictionary;

struct dictionary_term {
    struct str term;
    uint64_t weight;
};

struct dictionary_result {
    uint64_t score; /* sum of the weights of all matches */
    uint64_t matches;
    size_t from, to; /* the first match, octets of the text */
    bool limited;    /* a match limit was reached: more may be there */
};

/* "term" or "term,weight". RC_INVALID: an empty term, a weight beyond 1 to 10, an expression or smart term that is none. */
enum rc dictionary_term_read(struct str line, struct dictionary_term *out, struct err *e);
/* All dictionaries of a configuration. RC_INVALID names dictionary and term; the others are there. */
enum rc dictionaries_compile(struct arena *a, const struct conf *conf, struct compiled_words **out, struct err *e);
/* NULL: no such dictionary, or one that could not be compiled. */
struct dictionary *dictionary_find(const struct compiled_words *words, struct str name);
/* Terms and their order, for who looks for them together with others (DLP). */
size_t dictionary_size(const struct dictionary *d);
struct dictionary_piece {
    struct pattern pattern;
    const struct entity *entity; /* candidates are checked by entity_fits_end; NULL = none */
    uint64_t weight;
};
struct dictionary_piece dictionary_piece(const struct dictionary *d, size_t i);
/* Counts in a text; stops once the score is `enough` (0 = counts all). */
void dictionary_scan(struct dictionary *d, struct str text, uint64_t enough, struct dictionary_result *out);
/* The terms as written, for forged-email-detection and lists. */
struct strs dictionary_terms(const struct dictionary *d);

#endif
