/*
 * An SMTP conversation of a listener: what it holds, how it begins and ends.
 *
 * Called by the SMTP server room through the handler table. Each step's decisions are in a file of their own: connect.c,
 * sender.c, recipient.c, data.c, auth.c. A session holds the compiled settings it began with. It gives back its place in the
 * rates, its look-ups and an unfinished message at its end, whatever ended it.
 */
#include "receive/inside.h"

enum { KIND_TIMEOUT_MS = 300000 };

const struct smtp_server_handler session_handler = {
    .begin = session_begin,
    .connect = session_connect,
    .hello = session_hello,
    .mail = session_mail,
    .rcpt = session_rcpt,
    .data_start = session_data_start,
    .data = session_data,
    .data_end = session_data_end,
    .reset = session_reset,
    .auth = session_auth,
    .tls = session_tls,
    .verify = session_verify,
    .refused = session_refused,
    .end = session_end,
};

const struct conversation_kind session_kind = {
    .name = "smtp",
    .first = smtp_server_first,
    .broken = smtp_server_broken,
    .done = smtp_server_done,
    .size = sizeof(struct session),
    .timeout_ms = KIND_TIMEOUT_MS,
    .max_in = SMTP_MAX_IN,
};

void session_begin(struct smtp_server *s)
{
    struct session *se = session_of(s);
    struct listener *l = s->c.ctx;
    const struct conf_receiving *c;

    se->listener = l;
    se->receive = l->receive;
    se->tables = tables_ref(l->receive->tables);
    se->terms = tables_find(se->tables, l->name);
    must(se->terms != NULL);
    listener_count(l, 1);
    receive_session_opened(se->receive, se);
    c = &se->tables->conf->receiving;
    s->host_name = se->terms->host_name;
    s->idle_ms = c->idle_ms;
    s->max_errors = (unsigned)c->max_errors;
    s->addresses = se->terms->conf->address_parser ? ADDRESS_LOOSE : ADDRESS_STRICT;
    s->reject_bare = se->terms->conf->line_ends == 1;
    if (c->smtputf8)
        s->offers |= SMTP_OFFER_UTF8;
    if (c->chunking)
        s->offers |= SMTP_OFFER_CHUNKING;
    if (ip_table_find(&se->terms->xclient, &s->peer.ip) != IP_TABLE_NONE)
        s->offers |= SMTP_OFFER_XCLIENT;
    if (ip_table_find(&se->terms->proxy, &s->peer.ip) != IP_TABLE_NONE)
        s->proxy = se->terms->conf->proxy == 1 ? SMTP_PROXY_OPTIONAL : SMTP_PROXY_REQUIRED;
    se->origin = (struct origin){.receive = se->receive, .tables = se->tables, .terms = se->terms};
}

/* RFC 3848 and RFC 6531 3.7.3: one name for each of HELO, EHLO, TLS, AUTH, SMTPUTF8. */
const char *session_protocol(const struct smtp_server *s)
{
    static const char *const names[2][2][2] = {
        {{"ESMTP", "ESMTPA"}, {"ESMTPS", "ESMTPSA"}},
        {{"UTF8SMTP", "UTF8SMTPA"}, {"UTF8SMTPS", "UTF8SMTPSA"}},
    };

    return s->extended ? names[s->sender.utf8][s->c.tls != NULL][s->user.n != 0] : "SMTP";
}

enum smtp_next session_hello(struct smtp_server *s, struct str name)
{
    struct session *se = session_of(s);

    se->origin.hello = name;
    return SMTP_DONE;
}

void session_tls(struct smtp_server *s, bool ok)
{
    struct session *se = session_of(s);
    struct events *ev = se->receive->o.events;

    if (!ok) {
        event(ev, tls_incoming_failed, .icid = se->icid, .code = s->c.tls_code, .why = s->c.why);
        return;
    }
    se->origin.tls = s->c.tls;
    event(ev, tls_incoming, .icid = se->icid, .protocol = s->c.tls->version, .cipher = s->c.tls->cipher);
}

enum smtp_next session_verify(struct smtp_server *s, struct str what)
{
    struct session *se = session_of(s);
    struct str local, domain;
    struct rat_result found;

    if (!se->tables->conf->receiving.vrfy)
        return SMTP_DONE;
    what = str_trim(what);
    if (what.n > 1 && what.p[0] == '<' && what.p[what.n - 1] == '>')
        what = str_of(what.p + 1, what.n - 2);
    if (!address_cut(what, &local, &domain))
        return SMTP_DONE;
    found = rat_match(se->terms->rat, local, domain);
    if (!found.accept)
        smtp_refuse(s, found.ours ? RC_UNKNOWN_RECIPIENT : RC_NO_RELAY, NULL);
    return SMTP_DONE;
}

/* Commands this side could not make sense of go to the log. */
void session_refused(struct smtp_server *s, const struct err *e, struct str line)
{
    struct session *se = session_of(s);
    struct events *ev = se->receive->o.events;
    struct str text = str_first(line, 200);

    if (e->rc == RC_UNKNOWN_COMMAND)
        event(ev, command_unknown, .icid = se->icid, .command = text);
    else if (e->rc == RC_TLS_REQUIRED)
        event(ev, tls_incoming_missing, .icid = se->icid);
    else if (e->rc == RC_TOO_LARGE)
        event(ev, receiving_failed, .icid = se->icid, .reason = str_lit("Message size exceeds limit"));
    else if (s->in_mail && str_startsi(line, str_lit("TO:")))
        event(ev, recipient_invalid, .icid = se->icid, .mid = se->message.mid, .error = str_c(e->text), .command = text);
    else if (str_startsi(line, str_lit("FROM:")))
        event(ev, sender_invalid, .icid = se->icid, .error = str_c(e->text), .part = text);
    else
        event(ev, command_bad_syntax, .icid = se->icid, .command = text);
}

static void end_events(struct session *se, enum smtp_end how)
{
    struct events *ev = se->receive->o.events;
    char ip[46];

    if (!se->icid)
        return;
    if (how == SMTP_END_TIMEOUT)
        event(ev, connection_timeout, .icid = se->icid, .peer_ip = ip_text(&se->s.peer.ip, ip));
    if (how == SMTP_END_LOST)
        event(ev, connection_lost, .icid = se->icid);
    event(ev, connection_closed, .icid = se->icid);
}

void session_end(struct smtp_server *s, enum smtp_end how)
{
    struct session *se = session_of(s);

    if (!se->receive)
        return;
    if (se->asking)
        names_cancel(se->asking);
    if (se->call)
        bus_cancel(se->receive->o.bus, se->call);
    announce_forget(se->receive->announce, se);
    if (se->stored)
        message_forget(se->stored);
    if (se->counted)
        rate_connected(se->receive, se->rate_key, -1);
    end_events(se, how);
    listener_count(se->listener, -1);
    receive_session_closed(se->receive, se);
    tables_unref(se->tables);
}

struct asking *session_asking(struct session *se)
{
    if (!se->asking)
        se->asking = arena_new(&se->s.c.arena, struct asking);
    if (!se->asking)
        return NULL;
    *se->asking = (struct asking){.asker = se->receive->asker, .conversation = &se->s.c};
    return se->asking;
}
