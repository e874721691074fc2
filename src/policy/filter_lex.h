/* Tokens of the filter language: between filter_lex.c and filter_parse.c. */
#ifndef POLICY_FILTER_LEX_H
#define POLICY_FILTER_LEX_H

#include "policy/filter.h"

enum filter_token_kind { TOKEN_END, TOKEN_WORD, TOKEN_STRING, TOKEN_NUMBER, TOKEN_MARK };

struct filter_token {
    enum filter_token_kind kind;
    struct str text; /* word, number with its suffix, mark; string: its value */
    struct str raw;  /* as it stands in the source */
    struct filter_place at;
};

struct filter_lexer {
    struct arena *arena;
    struct str source;
    size_t at, line_at; /* offsets: next octet, begin of its line */
    unsigned line;
};

void filter_lex_begin(struct filter_lexer *l, struct arena *a, struct str source);
/* The next token; at the end of the source TOKEN_END, again and again. RC_SYNTAX: an octet that begins nothing, a string
 * without an end. */
enum rc filter_lex_next(struct filter_lexer *l, struct filter_token *out, struct err *e);
/* Whether it is this mark or word. */
bool filter_token_is(const struct filter_token *t, const char *text);
/* What stands there, for errors: "'foo'", "the string \"x\"", "the end of the text"; printable, cut. */
struct str filter_token_found(struct arena *a, const struct filter_token *t);
/* "line 3, column 7: expected WHAT, found ..."; RC_SYNTAX. */
enum rc filter_expected(struct arena *a, const struct filter_token *found, struct err *e, const char *what, ...)
    __attribute__((format(printf, 4, 5)));
/* "line 3, column 7: text"; RC_SYNTAX. */
enum rc filter_wrong(struct filter_place at, struct err *e, const char *fmt, ...) __attribute__((format(printf, 3, 4)));

#endif
