/* Between the files of the filter parser; what others call is in filter.h. */
#ifndef POLICY_FILTER_INSIDE_H
#define POLICY_FILTER_INSIDE_H

#include "policy/filter_args.h"

struct filter_parser {
    struct arena *arena;
    struct filter_lexer lexer;
    struct filter_token now;
    unsigned depth;
    struct err *e;
};

enum rc filter_parser_begin(struct filter_parser *p, struct arena *a, struct str text, struct err *e);
enum rc filter_parser_next(struct filter_parser *p);
/* The mark or word must stand here; it is passed. `what` names it in the error. */
enum rc filter_parser_pass(struct filter_parser *p, const char *text, const char *what);
/* One level deeper: RC_SYNTAX beyond FILTER_DEPTH. */
enum rc filter_parser_deeper(struct filter_parser *p);

/* filter_rule.c: a condition with and, or, not. */
enum rc filter_read_rule(struct filter_parser *p, struct filter_rule **out);
/* "(a, b)" or nothing, checked by the signature. */
enum rc filter_read_args(struct filter_parser *p, const char *name, const char *signature, const struct filter_value **out,
                         size_t *n_out);
/* filter_order.c: cheapest first; what a test asks. */
enum rc filter_order(struct arena *a, struct filter_rule *r, struct err *e);

/* A list that grows in the arena. */
struct filter_grow {
    char *items;
    size_t n, cap;
};
/* Room for one more; NULL when there is none. */
void *filter_grow(struct arena *a, struct filter_grow *g, size_t size);

#endif
