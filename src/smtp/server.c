/*
 * The SMTP server conversation: its steps, the choice of the command, the end.
 *
 * Run by the runtime of net/conversation.h for kinds that receive and quarantine define. Owns the arena of the transaction.
 * A peer that breaks rules gets a reply and goes on, until max_errors; a peer that goes away ends the conversation. Nothing
 * a peer sends can fail harder than that.
 */
#include "smtp/server_inside.h"

enum { BODY_ARENA = 1024, BODY_ARENA_MAX = 4 << 20, OUT_HIGH = 32768, PARKED_MS = 600000 };

enum when { WHEN_ANY, WHEN_GREETED, WHEN_MAIL };
enum plain { PLAIN_PLAIN, PLAIN_TLS };
enum group { GROUP_GROUP, GROUP_LAST, GROUP_ALONE };

struct command {
    struct str name;
    smtp_command_fn *run;
    enum when when;
    enum plain plain;
    enum group group;
};

static const struct command commands[] = {
#define COMMAND(name, function, when, plain, group) \
    {{name, sizeof name - 1}, smtp_command_##function, WHEN_##when, PLAIN_##plain, GROUP_##group},
#include "smtp/commands.def"
#undef COMMAND
};

enum { COMMANDS = sizeof commands / sizeof *commands };

static const struct command *command_find(struct str name)
{
    for (size_t i = 0; i < COMMANDS; i++)
        if (commands[i].name.n == name.n && str_eqi(commands[i].name, name))
            return &commands[i];
    return NULL;
}

static struct step resumed(struct conversation *c)
{
    struct smtp_server *s = smtp_server_of(c);
    smtp_then_fn *then = s->then;

    s->then = NULL;
    return smtp_server_then(s, then(s), s->finish);
}

struct step smtp_server_then(struct smtp_server *s, enum smtp_next next, smtp_finish_fn *finish)
{
    s->finish = finish;
    if (next == SMTP_WAIT)
        return step_call(resumed, PARKED_MS);
    s->finish = NULL;
    if (next == SMTP_CLOSE) {
        s->how = SMTP_END_CLOSED;
        return step_end();
    }
    return finish ? finish(s) : smtp_server_go_on();
}

void smtp_server_forget(struct smtp_server *s)
{
    s->in_mail = false;
    s->recipients = s->refused_recipients = 0;
    s->data.on = s->data.discard = s->data.last = false;
    s->data.left = 0;
    s->data.rc = RC_OK;
    s->sender = (struct smtp_mail){0};
    if (s->extra)
        s->extra->forget(s);
    arena_reset(&s->message);
}

void smtp_server_reset(struct smtp_server *s, enum rc rc, const struct err *e)
{
    if (s->in_mail && s->handler->reset)
        s->handler->reset(s, rc, e);
    smtp_server_forget(s);
}

struct step smtp_server_bad_err(struct smtp_server *s, const struct err *e, struct str line)
{
    smtp_refuse(s, e->rc, e);
    if (s->handler->refused)
        s->handler->refused(s, e, line);
    if (++s->errors < s->max_errors || !s->max_errors)
        return smtp_server_go_on();
    smtp_reply(s, SMTP_TOO_MANY_ERRORS);
    s->how = SMTP_END_CLOSED;
    return step_end();
}

struct step smtp_server_bad(struct smtp_server *s, enum rc rc, const char *text, struct str line)
{
    struct err e = ERR_NONE;

    e.rc = rc;
    if (text)
        err_set(&e, rc, "%s", text);
    return smtp_server_bad_err(s, &e, line);
}

struct step smtp_server_lost(struct smtp_server *s)
{
    s->how = SMTP_END_LOST;
    return step_end();
}

static bool has_control(struct str line)
{
    for (size_t i = 0; i < line.n; i++)
        if ((unsigned char)line.p[i] < 32 && line.p[i] != '\t')
            return true;
    return false;
}

/* A command of the protocol on top; step.what is STEP_READ and next NULL when there is none of that name. */
static struct step run_extra(struct smtp_server *s, struct str name, struct str args)
{
    for (size_t i = 0; i < s->extra->n_commands; i++)
        if (str_eqi(s->extra->commands[i].name, name))
            return s->extra->commands[i].run(s, args);
    return step_read(NULL, 0);
}

static struct step ended_by_bare(struct smtp_server *s, struct str line)
{
    smtp_server_bad(s, RC_LINE_TOO_LONG, "bare CR or LF, or another control character, in a command", line);
    s->how = SMTP_END_CLOSED;
    return step_end();
}

static struct step run(struct smtp_server *s, struct str line)
{
    size_t n = str_find(line, ' ');
    const struct command *k = command_find(str_first(line, n));
    struct str args = str_trim(str_from(line, n));
    enum rc rc;

    s->code = 0;
    if (s->strict && has_control(line))
        return ended_by_bare(s, line);
    if (s->extra) {
        struct step step = run_extra(s, str_first(line, n), args);

        if (step.what != STEP_READ || step.next)
            return step;
        rc = k && k->run != smtp_command_bdat ? s->extra->permits(s, k->name) : RC_OK;
        if (rc != RC_OK)
            return smtp_server_bad(s, rc, NULL, line);
    }
    if (!k)
        return smtp_server_bad(s, RC_UNKNOWN_COMMAND, NULL, line);
    if (has_control(line))
        return smtp_server_bad(s, RC_SYNTAX, "control characters in command", line);
    if (k->run == smtp_command_bdat)
        return k->run(s, args); /* its octets follow whatever the answer is (RFC 3030 2) */
    if (k->when == WHEN_GREETED && s->in_mail)
        return smtp_server_bad(s, RC_WRONG_ORDER, NULL, line);
    if (k->plain == PLAIN_TLS && s->tls_required && !s->c.tls)
        return smtp_server_bad(s, RC_TLS_REQUIRED, NULL, line);
    if (k->when == WHEN_MAIL && !s->in_mail)
        return smtp_server_bad(s, RC_WRONG_ORDER, NULL, line);
    if (k->group == GROUP_ALONE && conversation_input(&s->c).n) {
        smtp_reply(s, SMTP_EARLY_TEXT);
        s->how = SMTP_END_CLOSED;
        return step_end();
    }
    return k->run(s, args);
}

struct step smtp_server_command(struct conversation *c)
{
    struct smtp_server *s = smtp_server_of(c);
    struct str line;
    enum rc rc;

    if (c->out.n > OUT_HIGH)
        return step_flush(smtp_server_command, s->idle_ms);
    rc = conversation_line(c, s->extended ? SMTP_LINE_EXTENDED : SMTP_LINE, &line);
    if (rc == RC_UNAVAILABLE)
        return c->eof ? smtp_server_lost(s) : step_read(smtp_server_command, s->idle_ms);
    if (rc == RC_LINE_TOO_LONG)
        return smtp_server_bad(s, RC_LINE_TOO_LONG, NULL, str_lit("(line too long)"));
    return run(s, line);
}

struct step smtp_server_connect(struct smtp_server *s)
{
    if (s->handler->connect)
        return smtp_server_then(s, s->handler->connect(s), NULL);
    smtp_greet(s, STR_NONE);
    return smtp_server_go_on();
}

struct step smtp_server_first(struct conversation *c)
{
    struct smtp_server *s = smtp_server_of(c);

    s->handler = ((const struct smtp_server_ctx *)c->ctx)->handler;
    arena_init(&s->message, BODY_ARENA, BODY_ARENA_MAX);
    s->how = SMTP_END_CLOSED;
    s->idle_ms = 300000;
    conversation_addresses(c, &s->peer.local, &s->peer.ip);
    if (s->handler->begin)
        s->handler->begin(s);
    if (s->proxy == SMTP_PROXY_NONE)
        return smtp_server_connect(s);
    return smtp_server_proxy(c);
}

struct step smtp_server_broken(struct conversation *c)
{
    struct smtp_server *s = smtp_server_of(c);

    s->how = SMTP_END_LOST;
    if (c->rc == RC_TIMEOUT) {
        s->how = SMTP_END_TIMEOUT;
        smtp_reply(s, SMTP_TIMED_OUT);
    }
    return step_end();
}

void smtp_server_done(struct conversation *c)
{
    struct smtp_server *s = smtp_server_of(c);

    if (s->handler) {
        smtp_server_reset(s, RC_CLOSED, NULL);
        if (s->handler->end)
            s->handler->end(s, s->how);
    }
    arena_done(&s->message);
}
