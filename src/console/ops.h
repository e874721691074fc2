/*
 * Dialogues of several operations that are no plain menu over a section: a table of rows, each a function.
 *
 * Between two operations the menu comes back. An operation that does not end with RC_OK changes nothing: the working copy is
 * put back to what it was before, and the dialogue goes on. With arguments one operation is done and its code returned; when
 * the arguments end at a menu the dialogue goes on by questions.
 */
#ifndef CONSOLE_OPS_H
#define CONSOLE_OPS_H

#include "console/menu.h"

struct op {
    const char *name, *what;
    bool some; /* only shown while `count` is not 0; named on the command line it finds nothing then */
    enum rc (*run)(struct session *s, void *ctx);
};

struct ops {
    const struct op *list;
    size_t n;
    void (*state)(struct session *s, void *ctx);         /* lines before the menu; may be NULL */
    size_t (*count)(const struct session *s, void *ctx); /* may be NULL: always some */
};

enum rc ops_talk(struct session *s, const struct ops *o, void *ctx);
/* No argument answers the next questions: the dialogue goes on by hand. */
void ops_by_hand(struct session *s);
/* A copy of the working copy as it is now; freed with the command unless ops_back() puts it back. */
struct conf_draft **ops_keep(struct session *s);
void ops_back(struct session *s, struct conf_draft **kept);

/* One of the items of a section, by number or name; `now` (may be empty) is the default. Empty when there is none. */
struct str ops_choose(struct session *s, const char *question, const char *section, struct str now);
/* Settings of an item: arguments that are left are SETTING=VALUE, without any the rows ask (fields as in fields_ask). */
enum rc ops_fields(struct session *s, const char *section, struct str name, const char *fields);
/* Asks a name that is free (or `from` itself) and gives it to the item, and to whatever names it. The new name. */
struct str ops_rename(struct session *s, const char *section, const char *noun, struct str from);

/* Files of /configuration: asks the name and reads, or writes; what is wrong is said. */
enum rc ops_import(struct session *s, const char *what, struct str *content_out);
enum rc ops_export(struct session *s, const char *what, struct str content);
/* The words of a value separated by commas, one view each, in the arena. */
struct strs ops_list(struct session *s, struct str text);
/* The same the other way, as conf_value takes it: commas inside a value escaped. */
struct str ops_join(struct session *s, struct strs list);
/* A list with line `at` replaced, or removed when `line` is empty; at SIZE_MAX: appended. */
struct strs ops_with(struct session *s, struct strs list, size_t at, struct str line);
bool ops_put_list(struct session *s, const char *section, const char *field, struct strs list);
/* Asks which of the lines by number or text; arguments answer it too. */
size_t ops_pick_line(struct session *s, const char *question, struct strs list);
/* Check of a question: a mail address. An empty answer fits. */
bool ops_mail_fits(struct session *s, void *ctx, struct str answer);
/* Check of a question: a name or address of a host, with :port when ctx is not NULL. */
bool ops_host_fits(struct session *s, void *ctx, struct str answer);
/* Check of a question: a host name this machine may have: labels, three at least on a manager. */
bool ops_hostname_fits(struct session *s, void *ctx, struct str answer);
/* Check of a question: next hops of a route, by commas. An empty answer fits. */
bool ops_next_hop_fits(struct session *s, void *ctx, struct str answer);
/* The section, which exists. */
const struct conf_section *ops_section(const char *name);

#endif
