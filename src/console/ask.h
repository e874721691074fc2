/*
 * Questions of dialogues (spec/cli.md 2). Every question ends with `> `; arguments of the command answer the first ones;
 * a bad answer gets one line and the same question again; Ctrl-C leaves the command. Without a terminal answers come from
 * the input, at its end the default is taken, and without one the command ends.
 *
 * Answers live in s->arena.
 */
#ifndef CONSOLE_ASK_H
#define CONSOLE_ASK_H

#include "console/session.h"

/* True when the answer will do; else it has said why in one line. */
typedef bool ask_check(struct session *s, void *ctx, struct str answer);

/* "Question" / "[initial]> ". initial NULL: no default, an empty answer is asked again unless `check` takes it. */
struct str ask_value(struct session *s, const char *question, const char *initial, ask_check *check, void *ctx);
/* The same, and an empty answer is an answer ("[]> "). */
struct str ask_optional(struct session *s, const char *question, ask_check *check, void *ctx);
/* "Question? [Y]> " */
bool ask_yes(struct session *s, const char *question, bool initial);
/* "Question", lines "1. text", "[n]> "; the number or the text is taken. Returns the index; initial SIZE_MAX: no default. */
size_t ask_choice(struct session *s, const char *question, const struct strs *choices, size_t initial);
/* Choices as C strings, ended by NULL. */
size_t ask_one_of(struct session *s, const char *question, size_t initial, const char *const *choices);
/* Twice, not echoed, until both are equal and `check` takes it. */
struct str ask_secret(struct session *s, const char *question, ask_check *check, void *ctx);
/* Once, not echoed, no `[]> ` of ours: the prompt as it is (passwd's are fixed). */
struct str ask_hidden(struct session *s, const char *prompt);
/* Lines until `.` alone on one; joined with \n. False: the input ended before. */
bool ask_lines(struct session *s, const char *question, struct str *out);
/* Without a question of its own: "[initial]> ". */
struct str ask_option(struct session *s, const char *initial, ask_check *check);
uint64_t ask_number(struct session *s, const char *question, uint64_t initial, uint64_t least, uint64_t most);

/* A menu of operations: rows "NAME - what it does.", those with `when` false left out. Returns the index of the chosen
 * row, SIZE_MAX for an empty answer. The first argument not yet taken chooses without showing the menu. */
struct operation {
    const char *name, *what;
    bool hidden; /* not possible now */
};
size_t ask_operation(struct session *s, const struct operation *ops, size_t n);
/* Arguments that have not answered anything yet: > 0 means the command came in batch form and no menu comes back. */
size_t ask_left(const struct session *s);
struct str ask_next(struct session *s); /* the next argument, taken; empty when there is none */
/* The command came with arguments: operations are done once, no menu comes back. */
bool ask_batch(const struct session *s);

#endif
