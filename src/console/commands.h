/*
 * The commands of a session: rows of spec/verbs.def and the functions cmd_NAME of their column dialogue.
 *
 * A new command is one row there and one function here (none when `plain` or `menu` will do).
 */
#ifndef CONSOLE_COMMANDS_H
#define CONSOLE_COMMANDS_H

#include "console/session.h"

struct command {
    const char *name, *aliases;
    const char *product; /* GATEWAY, MANAGER, BOTH */
    const char *least, *effect;
    enum rc (*run)(struct session *s);
    const char *usage, *help;
};

/* By name or alias, ASCII case ignored; hidden ones too; NULL when there is none. */
const struct command *command_find(struct str name);
const struct command *command_row(size_t i); /* NULL beyond the last */
bool command_permitted(const struct session *s, const struct command *c);
/* A first passphrase must be changed before anything else; false when it was not. */
bool command_first_passphrase(struct session *s);

#define VERB(name, aliases, product, least, scope, effect, dialogue, function, usage, help) \
    enum rc cmd_##dialogue(struct session *s);
#include "spec/verbs.def"
#undef VERB

#endif
