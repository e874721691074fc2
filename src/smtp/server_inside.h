/* What the files of the server conversation share; nobody else includes this. */
#ifndef SMTP_SERVER_INSIDE_H
#define SMTP_SERVER_INSIDE_H

#include "smtp/server.h"

typedef struct step smtp_command_fn(struct smtp_server *s, struct str args);

#define COMMAND(name, function, when, plain, group) smtp_command_fn smtp_command_##function;
#include "smtp/commands.def"
#undef COMMAND

/* Reads and runs the next command. */
struct step smtp_server_command(struct conversation *c);
/* What the handler's answer means; `finish` runs when it is done. */
struct step smtp_server_then(struct smtp_server *s, enum smtp_next next, smtp_finish_fn *finish);
/* Calls the handler's connect and goes on to commands. */
struct step smtp_server_connect(struct smtp_server *s);
/* Waits for the optional or required PROXY header. */
struct step smtp_server_proxy(struct conversation *c);
/* Ends a transaction without a message (RSET, EHLO, failure told by rc). */
void smtp_server_reset(struct smtp_server *s, enum rc rc, const struct err *e);
/* The transaction is over, its message taken: memory of the message goes. */
void smtp_server_forget(struct smtp_server *s);
/* A refusal of this room: reply, count, log. */
struct step smtp_server_bad(struct smtp_server *s, enum rc rc, const char *text, struct str line);
struct step smtp_server_bad_err(struct smtp_server *s, const struct err *e, struct str line);
/* The peer sends no more. */
struct step smtp_server_lost(struct smtp_server *s);

static inline struct step smtp_server_go_on(void)
{
    return step_goto(smtp_server_command);
}

static inline bool smtp_reply_good(const struct smtp_server *s)
{
    return s->code >= 200 && s->code < 400;
}

#endif
