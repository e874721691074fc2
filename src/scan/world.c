/*
 * The surroundings of a worker. See world.h.
 *
 * Called by scan.c. Owns the compiled form of the newest snapshot and the asker of DNS questions. Answers are waited for on
 * the bus: lookup away or slow is a temporary failure.
 */
#include "scan/world.h"

#include "policy/slbl.h"

#include "bus/ldap_ask.h"

static void conf_changed(void *ctx, const struct conf *now, const struct conf *old)
{
    struct scan_world *w = ctx;
    struct compiled *made = NULL;
    struct err e = ERR_NONE;

    (void)old;
    if (compiled_new(now, &made, &e) != RC_OK && w->events)
        event(w->events, compile_failed, .why = str_c(err_text(&e)));
    compiled_free(w->compiled);
    w->compiled = made;
}

/* Empty query: the one of the message's listener. Without any nobody belongs to a group. */
static enum rc in_group(void *ctx, struct message *m, struct str query, struct str address, struct str group)
{
    static const enum rc codes[] = {
        [LDAP_FOUND] = RC_OK, [LDAP_NOT_FOUND] = RC_NOT_FOUND, [LDAP_TEMPORARY] = RC_UNAVAILABLE};
    struct scan_world *w = ctx;
    const struct conf_listener *l = conf_find(&m->conf->listener, m->env->listener);
    struct ldap_question q = {.query = query, .address = address, .from = m->env->sender, .group = group};
    const struct ldap_answer *a;

    if (!q.query.n && l)
        q.query = l->ldap_group;
    if (!q.query.n)
        return RC_NOT_FOUND;
    a = ldap_ask_wait(w->bus, m->arena, &q, 1, LDAP_ASK_MS);
    if (m->events && a->result != LDAP_TEMPORARY)
        event(m->events, ldap_query, .outcome = a->result == LDAP_FOUND ? str_lit("Group") : str_lit("No Match"),
              .query = q.query, .mid = m->mid, .address = address, .to = a->result == LDAP_FOUND ? group : STR_NONE);
    return codes[a->result];
}

static uint64_t work_queue(void *ctx)
{
    const struct scan_world *w = ctx;

    return w->board ? board_gauge(w->board, GAUGE_WORK_QUEUE) : 0;
}

static void content(void *ctx, struct message *m, struct mime *mime)
{
    const struct scan_world *w = ctx;

    if (w->content)
        content_read(w->content, mime, &m->conf->scanning);
}

/* An engine went away or came back: said once, in the log of its kind. */
static void engine_changed(void *ctx, enum engine_kind kind, bool up, struct str why)
{
    struct scan_world *w = ctx;
    struct str name = engine_kind_name(kind);

    if (kind == ENGINE_CLAMD && up)
        event(w->events, antivirus_back, .engine = name);
    else if (kind == ENGINE_CLAMD)
        event(w->events, antivirus_away, .engine = name, .why = why);
    else if (up)
        event(w->events, antispam_back, .engine = name);
    else
        event(w->events, antispam_away, .engine = name, .why = why);
}

static void on_lists(void *ctx, const struct bus_in *in)
{
    const struct bus_slbl_lists *m = in->msg;
    struct scan_world *w = ctx;
    struct slbl *made = slbl_new(m->text);

    if (!made)
        return; /* those of before stay */
    slbl_free(w->slbl);
    w->slbl = made;
}

void world_init(struct scan_world *w)
{
    struct engine_dialer dialer;

    bus_on(w->bus, BUS_slbl_lists, on_lists, w);
    w->dial = engine_dial_new(w->bus);
    dialer = engine_dial_dialer(w->dial);
    w->engines = engines_new(&dialer, engine_changed, w);
    if (w->board)
        engines_share(w->engines, &w->board->engines_away);
    w->calls.ctx = w;
    w->calls.in_group = in_group;
    w->calls.content = content;
    w->calls.work_queue = work_queue;
    w->dns = dns_asker_new(w->bus, w->loop);
    w->auth = world_auth_new(w);
    conf_on_change(w->conf, conf_changed, w);
}

void world_done(struct scan_world *w)
{
    slbl_free(w->slbl);
    engines_free(w->engines);
    engine_dial_free(w->dial);
    world_auth_free(w->auth);
    dns_asker_free(w->dns);
    compiled_free(w->compiled);
}
