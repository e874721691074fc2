/*
 * The filter language: from text to a tree. One language for message filters (whole files of them) and for the conditions
 * and actions of content filters (one line each).
 *
 *   name: if (rule and|or|not ...) { action; ... } elif (...) { ... } else { ... }
 *
 * Called by policy (compiled.c), console (filters, policyconfig) and the checks of a configuration. The tree lies in the
 * arena; texts are views into the source or the arena. Regular expressions are compiled while reading (they are freed with
 * the arena), so what parses can run. Errors: RC_SYNTAX with line, column, what was expected and what was found. What exists
 * in the configuration is no question of the grammar: filter_valid().
 */
#ifndef POLICY_FILTER_H
#define POLICY_FILTER_H

#include "base/arena.h"
#include "base/buf.h"
#include "base/err.h"

enum {
    FILTER_ARGS = 64,     /* arguments of one rule or action */
    FILTER_LIST = 1000,   /* members of one list */
    FILTER_DEPTH = 100,   /* parentheses, nots and blocks inside each other */
    FILTER_TEXT = 4 << 20 /* octets of a source */
};

struct filter_regex; /* policy/filter_regex.h */
struct ip_table;     /* policy/ip_table.h */

/* Counted from 1, columns in octets. */
struct filter_place {
    unsigned line, column;
};

struct filter_value {
    char type;    /* letter of spec/filter_types.def; 0 = nothing */
    bool bracket; /* written as a list in brackets */
    struct filter_place at;
    struct str text;                  /* all types: as written, quotes and escapes removed */
    struct strs list;                 /* l and types with choices: members */
    uint64_t number;                  /* n, z (octets), D (wall clock ms) */
    double decimal;                   /* f, n, z */
    const struct filter_regex *regex; /* r, R */
    const struct ip_table *ips;       /* a */
};

/* --- rules ------------------------------------------------------------------------------------------------------- */
enum filter_node { FILTER_TEST, FILTER_AND, FILTER_OR, FILTER_NOT };
enum filter_operator { FILTER_ALONE, FILTER_EQ, FILTER_NE, FILTER_LT, FILTER_GT, FILTER_LE, FILTER_GE };

struct filter_rule;

struct filter_rule_row {
    const char *name, *arguments, *operators;
    char operand;
    unsigned cost;
};

struct filter_rule {
    enum filter_node node;
    struct filter_place at;
    /* FILTER_TEST */
    const struct filter_rule_row *row;
    enum filter_operator op;
    const struct filter_value *args;
    size_t n_args;
    struct filter_value operand;
    struct str form; /* what it asks: tests with the same form (== and != alike) have the same answer */
    uint64_t key;    /* hash of it */
    /* FILTER_AND, OR: two or more; NOT: one. In the order they are tried; `written` is that of the source */
    struct filter_rule **parts, **written;
    size_t n_parts;
    unsigned cost;
};

/* --- actions ----------------------------------------------------------------------------------------------------- */
enum filter_when { FILTER_NOW, FILTER_LAST, FILTER_FINAL, FILTER_SKIP };

struct filter_action_row {
    const char *name, *arguments;
    enum filter_when when;
};

struct filter_action {
    const struct filter_action_row *row;
    struct filter_place at;
    const struct filter_value *args;
    size_t n_args; /* as given: missing optional ones are not there */
};

/* Argument i of an action or rule, when it was given. */
struct str filter_text(const struct filter_value *args, size_t n, size_t i); /* else empty */
uint64_t filter_number(const struct filter_value *args, size_t n, size_t i, uint64_t otherwise);
double filter_decimal(const struct filter_value *args, size_t n, size_t i, double otherwise);
struct strs filter_list(const struct filter_value *args, size_t n, size_t i);                   /* else empty */
const struct filter_regex *filter_pattern(const struct filter_value *args, size_t n, size_t i); /* else NULL */

/* --- statements and filters -------------------------------------------------------------------------------------- */
struct filter_statement;

struct filter_block {
    const struct filter_statement *items;
    size_t n;
};

struct filter_branch {
    struct filter_rule *rule; /* NULL: else */
    struct filter_block body;
};

struct filter_statement {
    struct filter_action action;          /* row NULL: this is an if */
    const struct filter_branch *branches; /* if, elif ..., else */
    size_t n_branches;
};

struct filter {
    struct str name;
    struct filter_place at;
    struct str text; /* its source, from the name to the last brace */
    struct filter_block body;
};

struct filters {
    const struct filter *items;
    size_t n;
};

/* --- reading ----------------------------------------------------------------------------------------------------- */
/* A whole text: any number of filters; names differ (case ignored). */
enum rc filter_parse(struct arena *a, struct str text, struct filters *out, struct err *e);
/* One condition: "subject == \"x\"", "not (a and b)". */
enum rc filter_parse_rule(struct arena *a, struct str text, struct filter_rule **out, struct err *e);
/* One action, with or without ";" behind it. */
enum rc filter_parse_action(struct arena *a, struct str text, struct filter_action *out, struct err *e);
/* Letters, digits, - and _, a letter or _ first, 1-127, no word of the language. */
bool filter_name_fits(struct str name);

/* The tree as text in our layout: reading it again gives the same tree. */
void filter_write(const struct filter *f, struct buf *out);
void filter_write_rule(const struct filter_rule *r, struct buf *out);
void filter_write_action(const struct filter_action *a, struct buf *out);

/* Rows; NULL beyond the last, and when there is none of that name. */
const struct filter_rule_row *filter_rule_row(size_t i);
const struct filter_rule_row *filter_rule_named(struct str name);
size_t filter_rule_index(const struct filter_rule_row *row);
const struct filter_action_row *filter_action_row(size_t i);
const struct filter_action_row *filter_action_named(struct str name);
size_t filter_action_index(const struct filter_action_row *row);
struct filter_type_row {
    char letter;
    const char *section, *choices, *words;
};
const struct filter_type_row *filter_type(char letter);
/* The name of a rule or action that is written most like this one; NULL when none is near. */
const char *filter_rule_nearest(struct str name);
const char *filter_action_nearest(struct str name);

#endif
