/*
 * A link: one SMTP connection to a hop of a destination, and what the SMTP client tells about it.
 *
 * Opened by destination.c, driven by smtp/client. Owns the strings of its options. Every end comes through on_closed().
 */
#include "deliver/inside.h"

#include "base/must.h"

#include <stdlib.h>

enum { LINK_ARENA = 64 << 10 };

static struct piece *piece_of(struct smtp_job *job)
{
    return (struct piece *)(void *)job;
}

/* To the quarantines of this machine: no connection that the log would show. */
static bool local_leg(const struct link *l)
{
    return l->to->quarantine && !l->central;
}

static void set_idle(struct link *l, bool idle)
{
    if (l->idle == idle)
        return;
    l->idle = idle;
    l->to->n_idle += idle ? 1 : (size_t)-1;
}

static void set_woken(struct link *l, bool woken)
{
    if (l->woken == woken)
        return;
    l->woken = woken;
    l->to->n_woken += woken ? 1 : (size_t)-1;
}

static void set_started(struct link *l)
{
    if (l->starting)
        l->to->n_starting--;
    l->starting = false;
}

/* ---- what the client tells -------------------------------------------------------------------------------------- */

static void on_connected(void *ctx, struct smtp_client *cl)
{
    struct link *l = ctx;
    struct deliver *d = l->to->d;
    char local[46], remote[46];

    l->client = cl;
    if (l->to->quarantine)
        holder_connected(l);
    if (local_leg(l))
        return;
    conversation_addresses(smtp_client_conversation(cl), &l->local, l->via_link ? NULL : &l->ip);
    l->dcid = board_next(d->o.board, NUMBER_DCID);
    event(d->o.events, delivery_connection, .dcid = l->dcid,
          .local_ip = l->via_link ? str_lit("link") : ip_text(&l->local, local), .remote_ip = ip_text(&l->ip, remote),
          .port = l->ip.port, .domain = l->to->name);
}

static void on_ready(void *ctx, struct smtp_client *cl)
{
    struct link *l = ctx;

    (void)cl;
    set_started(l);
}

static void damaged(struct deliver *d, struct piece *p, const struct err *e)
{
    if (e->rc == RC_CORRUPT || e->rc == RC_NOT_FOUND)
        outcome_damaged(d, p);
    else
        outcome_connection(d, p, "4.3.0", str_c(err_text(e)));
}

static struct smtp_job *on_next(void *ctx, struct smtp_client *cl)
{
    struct link *l = ctx;
    struct deliver *d = l->to->d;
    struct err e = ERR_NONE;

    (void)cl;
    set_idle(l, false);
    set_woken(l, false);
    for (;;) {
        struct piece *p = d->stopping ? NULL : pieces_pop(&l->to->pending);

        if (!p)
            break;
        if (p->moved && !l->central) { /* from this machine's holder, which would know it and say that it has it */
            outcome_connection(d, p, "4.3.2", str_lit("the way to the manager is being made"));
            continue;
        }
        p->tries++;
        if (piece_load(d, p, &e) == RC_OK)
            return &p->job;
        damaged(d, p, &e);
    }
    set_idle(l, true);
    return NULL;
}

static void on_begin(void *ctx, struct smtp_client *cl, struct smtp_job *job)
{
    struct link *l = ctx;
    struct deliver *d = l->to->d;
    struct piece *p = piece_of(job);

    (void)cl;
    if (l->to->quarantine) {
        holder_begin(l, p);
        return;
    }
    buf_clear(&d->rids);
    for (size_t i = 0; i < job->n_recipients; i++)
        buf_put_varint(&d->rids, job->recipients[i]);
    event(d->o.events, delivery_start, .dcid = l->dcid, .mid = p->mid, .rids = buf_str(&d->rids));
}

static enum rc on_read(void *ctx, struct smtp_job *job, uint64_t at, char *out, size_t n)
{
    struct link *l = ctx;

    return piece_read(l->to->d, piece_of(job), at, out, n);
}

static enum rc on_downgrade(void *ctx, struct smtp_job *job)
{
    struct link *l = ctx;

    return piece_downgrade(l->to->d, piece_of(job));
}

static void on_dot(void *ctx, struct smtp_job *job)
{
    struct link *l = ctx;
    struct deliver *d = l->to->d;
    struct piece *p = piece_of(job);

    if (p->slot < BOARD_SLOTS)
        board_store(&d->o.board->slots[d->o.column][p->slot].state, SLOT_DOT_SENT);
}

static void on_done(void *ctx, struct smtp_client *cl, struct smtp_job *job, const struct delivery_result *r, size_t n)
{
    struct link *l = ctx;

    (void)cl;
    for (size_t i = 0; i < n && !l->useful; i++)
        l->useful = r[i].class == RESULT_DELIVERED || r[i].class == RESULT_BOUNCED;
    if (l->to->quarantine)
        holder_results(l, piece_of(job), r, n);
    else
        outcome_results(l->to->d, piece_of(job), l->dcid, r, n);
}

static void on_tls(void *ctx, struct smtp_client *cl, bool ok, struct str why)
{
    struct link *l = ctx;
    struct deliver *d = l->to->d;
    const struct tls_facts *f = smtp_client_conversation(cl)->tls;
    char remote[46];

    if (!ok && l->central && l->to->pins_why[0])
        why = str_c(l->to->pins_why);
    facts_tls(l->to, ok ? f : NULL, why);
    if (ok)
        event(d->o.events, delivery_tls, .dcid = l->dcid, .protocol = f->version, .cipher = f->cipher,
              .cn = l->verify && !l->dane && !l->sts ? f->peer_name : STR_NONE,
              .host = l->dane || l->sts ? l->options.host : STR_NONE);
    else if (l->options.tls == SMTP_TLS_REQUIRED && !l->central)
        event(d->o.events, delivery_tls_required, .dcid = l->dcid, .remote_ip = ip_text(&l->ip, remote));
    else
        event(d->o.events, delivery_tls_failed, .dcid = l->dcid, .why = why);
}

static void on_auth(void *ctx, struct smtp_client *cl, bool ok, struct str why)
{
    struct link *l = ctx;
    char remote[46];

    (void)cl;
    event(l->to->d->o.events, delivery_auth, .dcid = l->dcid, .remote_ip = ip_text(&l->ip, remote),
          .profile = l->to->auth_profile, .why = ok ? STR_NONE : why);
}

static void connection_error(struct link *l, const struct smtp_client_failure *f)
{
    char local[46], remote[46];
    struct str local_text = l->local.family ? ip_text(&l->local, local) : str_lit("0.0.0.0");

    event(l->to->d->o.events, connection_error, .dcid = l->dcid, .domain = l->to->name, .remote_ip = ip_text(&l->ip, remote),
          .port = l->ip.port, .details = f->text, .local_ip = local_text,
          .reason = f->rc == RC_TIMEOUT ? str_lit("timeout") : str_lit("network error"));
}

static const char *enhanced_of(const struct smtp_client_failure *f)
{
    switch (f->stage) {
    case SMTP_AT_CONNECT:
        return "4.4.1";
    case SMTP_AT_TLS:
    case SMTP_AT_AUTH:
        return "4.7.0";
    default:
        return f->code ? "4.3.2" : "4.4.2";
    }
}

static void on_failed(void *ctx, struct smtp_client *cl, const struct smtp_client_failure *f)
{
    struct link *l = ctx;
    struct destination *to = l->to;
    struct piece *p = f->job ? piece_of(f->job) : NULL;

    (void)cl;
    if (to->asks)
        to->asks->failed(l, f);
    else if (to->quarantine)
        holder_failed(l, p ? p : to->pending.first, f);
    if (!local_leg(l) && !(to->asks && to->asks->is_silent && to->asks->is_silent(to)))
        connection_error(l, f);
    if (p && f->rc == RC_CORRUPT)
        outcome_damaged(to->d, p);
    else if (p && p->tries < PIECE_TRIES && !to->held)
        pieces_push_front(&to->pending, p);
    else if (p)
        outcome_connection(to->d, p, enhanced_of(f), f->text);
    l->failed_enhanced = enhanced_of(f);
    l->failed_text = arena_str(&l->arena, str_first(f->text, 1000));
    if (f->tls_only && l->hop < to->n_hops && l->hops_life == to->hops_life)
        to->hops[l->hop].no_tls = true;
    else
        l->hop_bad = !l->useful && !to->held;
}

static void check_stopped(struct deliver *d)
{
    if (d->stopping && d->n_links == 0 && d->stopped)
        d->stopped(d->stopped_ctx);
}

static void on_closed(void *ctx, struct smtp_client *cl)
{
    struct link *l = ctx;
    struct destination *to = l->to;
    struct deliver *d = to->d;

    (void)cl;
    if (l->dcid)
        event(d->o.events, delivery_closed, .dcid = l->dcid);
    set_started(l);
    set_idle(l, false);
    set_woken(l, false);
    if (l->prev)
        l->prev->next = l->next;
    else
        to->links = l->next;
    if (l->next)
        l->next->prev = l->prev;
    to->n_links--;
    d->n_links--;
    board_gauge_add(d->o.board, d->o.column, GAUGE_CONN_OUT, -1);
    if (to->asks) {
        arena_done(&l->arena);
        free(l);
        to->asks->closed(to);
        check_stopped(d);
        return;
    }
    if (l->hop_bad)
        destination_hop_failed(to, l->hops_life == to->hops_life ? l->hop : to->n_hops, l->failed_text, l->failed_enhanced);
    else if (!to->n_links) /* those beside it found every hop dead and left the rest to this one */
        destination_hop_failed(to, to->n_hops, l->failed_text.n ? l->failed_text : str_lit("connection closed"),
                               l->failed_enhanced ? l->failed_enhanced : "4.4.2");
    arena_done(&l->arena);
    free(l);
    destination_pump(to);
    if (d->waiting) {
        d->waiting = false;
        destination_each(d, destination_pump);
    }
    check_stopped(d);
}

static void on_answered(void *ctx, struct smtp_client *cl, unsigned code, struct str lines)
{
    struct link *l = ctx;

    (void)cl;
    l->to->asks->answered(l, code, lines);
}

static const struct smtp_client_handler HANDLER = {
    .connected = on_connected,
    .ready = on_ready,
    .next = on_next,
    .begin = on_begin,
    .read = on_read,
    .downgrade = on_downgrade,
    .dot = on_dot,
    .done = on_done,
    .tls = on_tls,
    .auth = on_auth,
    .answered = on_answered,
    .failed = on_failed,
    .closed = on_closed,
};

/* ---- opening ------------------------------------------------------------------------------------------------------ */

static const struct conf_interface *source_interface(const struct conf *c)
{
    return c->delivery.source_interface.n ? conf_find(&c->interface, c->delivery.source_interface) : NULL;
}

bool link_source(const struct conf *c, const struct address_ip *to, struct address_ip *out)
{
    const struct conf_interface *i = source_interface(c);
    struct str text = !i ? STR_NONE : to->family == AF_INET ? i->address : i->address6;

    return text.n && !str_eq(text, str_lit("0.0.0.0")) && !str_eq(text, str_lit("::")) && ip_parse(text, out);
}

static struct str helo_name(const struct conf *c)
{
    const struct conf_interface *i = source_interface(c);

    if (c->delivery.host_name.n)
        return c->delivery.host_name;
    return i && i->hostname.n ? i->hostname : c->system.hostname;
}

static void fill_options(struct link *l, const struct hop *h, const struct conf *c, const struct conf_destination *row)
{
    struct smtp_client_options *o = &l->options;
    uint64_t mode = row ? row->tls : TLS_MODE_PREFERRED;

    o->helo = arena_str(&l->arena, helo_name(c));
    o->host = arena_str(&l->arena, h->host);
    o->pipelining = c->delivery.pipelining;
    o->auth_user = arena_str(&l->arena, l->to->auth_user);
    o->auth_password = arena_str(&l->arena, l->to->auth_password);
    o->auth_plain_text = l->to->auth_plain_text;
    o->greeting_ms = c->delivery.greeting_ms;
    o->command_ms = c->delivery.command_ms;
    o->block_ms = c->delivery.block_ms;
    o->dot_ms = c->delivery.dot_ms;
    o->idle_ms = c->delivery.idle_ms;
    o->max_messages = row ? row->max_messages_per_connection : 50;
    o->max_recipients = c->delivery.max_recipients;
    l->dane = h->dane;
    l->sts = h->sts && !h->dane;
    l->verify = l->dane || l->sts || mode >= TLS_MODE_REQUIRED_VERIFY;
    if (l->verify || h->encrypt || mode == TLS_MODE_REQUIRED || (row && row->dane == DANE_MANDATORY))
        o->tls = SMTP_TLS_REQUIRED;
    else
        o->tls = mode == TLS_MODE_NONE || h->no_tls ? SMTP_TLS_NONE : SMTP_TLS_PREFERRED;
}

/* Whose name must the certificate carry: the next hop's if nobody could have forged it, else the recipient domain's. MTA-STS
 * asks for the host's own name and no other (RFC 8461 4.1); an address as next hop has no name. */
static void set_tls(struct link *l, const struct hop *h, uint64_t mode)
{
    struct tls_client how = {.check = TLS_CHECK_NONE, .name = h->host};
    struct str names[2];
    struct address_ip ip;

    if (l->dane) {
        how.check = TLS_CHECK_DANE;
        how.records = h->records;
        how.n_records = h->n_records;
        names[how.n_names++] = l->to->name;
    } else if (l->sts) {
        how.check = TLS_CHECK_NAME;
    } else if (l->verify) {
        how.check = TLS_CHECK_NAME;
        names[how.n_names++] = l->to->name;
        if (ip_parse(h->host, &ip) || (!h->secure_host && mode != TLS_MODE_REQUIRED_VERIFY_HOSTED))
            how.name = l->to->name;
    }
    how.names = names;
    conversation_tls_client(l->conversation, &how);
}

bool link_open(struct destination *to, size_t hop)
{
    struct deliver *d = to->d;
    const struct conf *c = deliver_conf(d);
    const struct conf_destination *row = destination_settings(c, to->name);
    const struct hop *h = &to->hops[hop];
    struct link *l = calloc(1, sizeof *l);
    struct address_ip source;

    must(l);
    arena_init(&l->arena, 512, LINK_ARENA);
    l->to = to;
    l->hop = hop;
    l->hops_life = to->hops_life;
    l->ip = h->ip;
    l->starting = true;
    fill_options(l, h, c, row);
    l->setup = (struct smtp_client_setup){&HANDLER, &l->options, l};
    l->next = to->links;
    if (l->next)
        l->next->prev = l;
    to->links = l;
    to->n_links++;
    to->n_starting++;
    d->n_links++;
    board_gauge_add(d->o.board, d->o.column, GAUGE_CONN_OUT, 1);
    if (to->release)
        l->conversation = releaser_connect(l);
    else if (to->quarantine)
        l->conversation = holder_connect(l);
    else
        l->conversation = conversation_connect(d->o.loop, &h->ip, link_source(c, &h->ip, &source) ? &source : NULL,
                                               c->delivery.connect_ms, &smtp_client_kind, d->tls, &l->setup);
    if (!l->conversation) {
        l->hop_bad = true;
        l->failed_text = str_lit("out of memory");
        l->failed_enhanced = "4.3.0";
        on_closed(l, NULL);
        return false;
    }
    if (l->options.tls != SMTP_TLS_NONE && !to->quarantine)
        set_tls(l, h, row ? row->tls : TLS_MODE_PREFERRED);
    return true;
}

void link_wake(struct link *l)
{
    set_idle(l, false);
    set_woken(l, true);
    smtp_client_wake(l->client);
}

void link_finish(struct link *l)
{
    if (l->client)
        smtp_client_finish(l->client);
    else
        conversation_abort(l->conversation, STR_NONE);
}

void link_abort_all(struct destination *to)
{
    for (struct link *l = to->links, *next; l; l = next) {
        next = l->next;
        conversation_abort(l->conversation, STR_NONE);
    }
}
