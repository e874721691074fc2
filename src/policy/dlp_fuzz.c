/*
 * Lines of classifiers and dictionaries from anywhere (imported files, an API): reading ends with a rule or an error that
 * says something, and what a check takes can be compiled and looked for.
 */
#include "policy/dlp_inside.h"

#include <stdlib.h>

static bool any(void *ctx, size_t pattern, size_t from, size_t to)
{
    const struct str *text = ctx;

    if (pattern || from > to || to > text->n)
        abort();
    return true;
}

/* Takes what pattern_check takes, and stays inside the text. */
static void use(struct arena *a, struct pattern p)
{
    struct str text = str_lit("pay 4111 1111 1111 1111 to GB82 WEST 1234 5698 7654 32 aaaaaaaa");
    struct patterns *made = NULL;
    struct err e = ERR_NONE;

    if (pattern_check(a, &p, &e) != RC_OK) {
        if (!err_text(&e)[0])
            abort();
        return;
    }
    if (patterns_new(a, &p, 1, &made, NULL, &e) != RC_OK) {
        if (e.rc != RC_NO_MEMORY)
            abort();
        return;
    }
    patterns_scan(made, text, any, &text);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const struct conf empty;
    struct str line = str_of(data, size);
    struct dictionary_term term;
    struct dlp_rule rule;
    struct err e = ERR_NONE;
    struct arena a;

    if (size > 300) /* compile time grows with the expression */
        return 0;
    arena_init(&a, 4096, 64 << 20);
    if (dlp_rule_read(&a, &empty, line, &rule, &e) == RC_OK)
        use(&a, dlp_rule_pattern(&rule));
    else if (!err_text(&e)[0])
        abort();
    if (dictionary_term_read(line, &term, &e) == RC_OK && term.term.p[0] != '*')
        use(&a, (struct pattern){.text = term.term, .literal = pattern_is_literal(term.term), .whole_word = true});
    arena_done(&a);
    return 0;
}
