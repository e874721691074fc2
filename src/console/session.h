/*
 * A session: one login on the command line, one process, plain blocking code (spec/cli.md).
 *
 * Commands are functions `enum rc cmd_NAME(struct session *s)` named in the column dialogue of spec/verbs.def. They read
 * answers (console/ask.h), print with say(), and change the working copy (session_draft). Whatever a command takes from
 * s->arena lives until the prompt comes back. Ctrl-C, a hang-up and a missing answer leave the command by longjmp to the
 * prompt (session_leave): a command must not hold anything that is not in the arena across a question.
 */
#ifndef CONSOLE_SESSION_H
#define CONSOLE_SESSION_H

#include "base/arena.h"
#include "base/buf.h"
#include "base/err.h"
#include "conf/draft.h"

#include <setjmp.h>

/* Index of user.role. */
enum { ROLE_ADMINISTRATOR, ROLE_OPERATOR, ROLE_READ_ONLY, ROLE_GUEST, ROLE_TECHNICIAN };

struct command;

struct relays {
    uint64_t mark[32]; /* of a group and a listener */
    size_t n;
};

struct history {
    struct str line[100]; /* newest last; malloc'd */
    size_t n;
};

struct session {
    /* how it was started */
    const char *home;
    int in, out, control;
    bool local;    /* the local console: files of whoever typed the command; else those of the virtual root */
    bool exec;     /* commands came with the login: no banner, prompt, echo, pager */
    bool terminal; /* someone sits there: line editing, pager */
    bool must_change;
    struct str user, peer; /* peer: address, or "console" */
    uint64_t role;
    unsigned rows, columns;

    /* input that came and is not used yet; output since the last question */
    struct buf ahead, screen;
    bool end_of_input, after_cr;
    unsigned line; /* lines shown on this page */
    bool quiet;    /* q at the pager: the rest of this command's output is dropped */
    struct history history;
    unsigned replies_owed; /* answers of control that nobody waits for any more */

    /* the configuration: as it was, as this login wants it, as the running command changes it (NULL: not yet) */
    struct conf_draft *base, *work, *trial;
    /* RELAY rules on public listeners that were confirmed (relay.h): by this command, in what is staged */
    struct relays relay_asked, relay_confirmed;

    /* the running command */
    const struct command *running;
    struct arena arena;
    struct strs args; /* without the verb */
    size_t taken;     /* arguments that have answered questions */
    jmp_buf prompt;
    bool inside; /* prompt is valid */
};

/* ABORT: Ctrl-C. REFUSED: what is wrong has been said. */
enum { LEAVE_ABORT = 1, LEAVE_REFUSED, LEAVE_NO_ANSWER, LEAVE_END, LEAVE_IDLE };

/* Asks control who this is and takes the configuration; fails when control cannot be reached. */
enum rc session_open(struct session *s, struct err *e);
void session_close(struct session *s);
/* Banner, prompt, commands until the end; exit status. */
int session_talk(struct session *s);
/* The commands of a line (`;` between them) until one fails; exit status 0 or 1. */
int session_exec(struct session *s, struct str line);
/* Back to the prompt: why is LEAVE_... */
_Noreturn void session_leave(struct session *s, int why);

/* --- configuration -------------------------------------------------------------------------------------------------- */

/* The working copy as the running command sees it, to read; and to change. */
const struct conf *session_conf(const struct session *s);
struct conf_draft *session_draft(struct session *s);
/* Replaces the working copy as the running command sees it; d is taken. */
void session_take_draft(struct session *s, struct conf_draft *d);
/* One operation of a menu: when it fails, what it changed is undone (and only that). Its code in batch form, else RC_OK: the
 * menu goes on. */
enum rc session_step(struct session *s, enum rc (*run)(struct session *s, void *ctx), void *ctx);
/* path=value on the working copy; a bad value is said and false returned. */
bool session_set(struct session *s, const char *path, struct str value);
bool session_staged(const struct session *s);
/* What the running command has changed so far is staged, as when it ends with RC_OK. */
void session_stage(struct session *s);
/* Fetches the configuration in force anew: after a commit, and before a command when nothing is staged. */
enum rc session_refresh(struct session *s, struct err *e);
/* Version `number` (0 = in force) as a draft of the caller's. */
enum rc session_fetch(struct session *s, uint64_t number, struct conf_draft **out, struct err *e);

/* --- control ---------------------------------------------------------------------------------------------------------- */

/* One verb of control; texts are added to text and json (either may be NULL). Ctrl-C leaves. The code is the verb's, or that
 * of a broken connection (told). */
enum rc session_ask(struct session *s, const struct str *words, size_t n, struct buf *text, struct buf *json);
/* The same with words as C strings, ended by NULL; the text is printed. */
enum rc session_run(struct session *s, const char *first, ...) __attribute__((sentinel));
/* The same, nothing printed. */
enum rc session_call(struct session *s, struct buf *text, struct buf *json, const char *first, ...)
    __attribute__((sentinel));

/* --- output ------------------------------------------------------------------------------------------------------------ */

/* Shown with control characters and terminal escapes made harmless, a page at a time when someone sits there. */
void say(struct session *s, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
void say_str(struct session *s, struct str text);
/* What was said reaches the other side now. */
void say_flush(struct session *s);
/* Octets as they are: a file, an editor's cursor movement. */
void say_raw(struct session *s, struct str octets);

/* --- input ---------------------------------------------------------------------------------------------------------------
 */

/* A line after `prompt` (shown as it is). False at the end of input. The line lives in a. */
bool session_line(struct session *s, struct arena *a, struct str prompt, bool secret, struct str *out);
/* Waits at most `ms`; true when something came on descriptor `also` (-1 = none). Ctrl-C leaves. */
bool session_wait(struct session *s, int also, unsigned ms);
/* True when nobody reads our output any more (commands that follow something end then). */
bool session_gone(struct session *s);

/* --- help for commands ---------------------------------------------------------------------------------------------------
 */

/* The n-th argument, or empty. */
struct str arg(const struct session *s, size_t n);
bool arg_is(const struct session *s, size_t n, const char *word);
/* Bad arguments: the fixed line and the usage. */
enum rc session_usage(struct session *s);
/* "NAME does not exist" */
enum rc session_missing(struct session *s, const char *noun, struct str name);
enum rc session_fail(struct session *s, const struct err *e);
/* A buffer that lives as long as the command. */
struct buf *session_buf(struct session *s, size_t max);

#endif
