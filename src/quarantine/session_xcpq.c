/*
 * What XCPQ asks of the holder: who may say HELLO, how the service is (STATUS), whether a key is held (QUERY).
 *
 * Called by smtp/cpq_server for each conversation. Owns nothing. On the socket file the serial number must be ours; on a
 * manager's port it is that of the certificate, and the port tells the class. STATUS is answered to every enrolled gateway,
 * whether its mail is taken or not: it says what is missing.
 */
#include "conf/hidden.h"
#include "quarantine/session.h"
#include "smtp/cpq_tls.h"

enum { RESCAN_MESSAGES = 1000, RESCAN_RULE_MAX = 200 };
static const uint64_t RESCAN_EXIT_MAX = 253402300799000ULL; /* end of the year 9999 */

struct str session_serial(const struct quarantine *q)
{
    struct str serial = quarantine_conf(q)->system.serial;

    return serial.n ? serial : str_lit("unknown");
}

const struct conf_cpq_peer *session_peer(const struct session *x)
{
    const struct tls_facts *f = x->cs.s.c.tls;
    const struct conf_cpq_peer *p = f ? cpq_peer_by_print(quarantine_conf(x->q), f->peer_print) : NULL;

    return p && p->role == CPQ_PEER_GATEWAY ? p : NULL;
}

/* ---- HELLO -------------------------------------------------------------------------------------------------------------
 */

static size_t connections_of(const struct session *x, const struct cpq_hello *h)
{
    size_t n = 0;

    for (const struct session *o = x->q->sessions; o; o = o->next)
        n += o != x && o->cs.said_hello && o->cs.hello.class == h->class && str_eqi(o->cs.hello.serial, h->serial);
    return n;
}

static enum rc on_hello(struct cpq_server *cs, const struct cpq_hello *h, struct err *e)
{
    struct session *x = session_of(&cs->s);
    const struct conf_cpq_peer *p = session_peer(x);

    if (x->q->stopping)
        return err_set(e, RC_SHUTTING_DOWN, "shutting down");
    if (h->class != CPQ_PVO && h->class != CPQ_SPAM)
        return err_set(e, RC_NOT_PERMITTED, "releases are not taken here");
    if (x->door->local)
        return str_eqi(h->serial, session_serial(x->q)) ? RC_OK
                                                        : err_set(e, RC_NOT_PERMITTED, "that serial is not enrolled here");
    if (!p || !str_eqi(p->serial, h->serial))
        return err_set(e, RC_NOT_PERMITTED, "that serial is not enrolled with this certificate");
    if (h->class != x->door->class)
        return err_set(e, RC_NOT_PERMITTED, "mail of class %s is not taken on this port", cpq_class_name(h->class));
    if (connections_of(x, h) >= quarantine_conf(x->q)->quarantine_service.max_connections)
        return err_set(e, RC_TOO_MANY_CONNECTIONS, "too many connections of this gateway");
    cs->s.idle_ms = 300000;
    run_feat(x->q, h->class, h->serial, h->feat);
    return RC_OK;
}

/* ---- is the service on? --------------------------------------------------------------------------------------------------
 */

struct service {
    bool configured, ticked, migration, suspended;
    const struct conf_appliance *row;
};

static struct service service_of(const struct session *x)
{
    const struct conf *c = quarantine_conf(x->q);
    struct service s = {.row = map_appliance(c, x->cs.hello.serial), .suspended = c->central.suspended || x->q->stopping};

    if (x->cs.hello.class == CPQ_SPAM) {
        s.configured = conf_listens_euq(c);
        s.ticked = s.row && s.row->spam;
        s.migration = true; /* nothing to choose */
    } else {
        s.configured = conf_listens_cpq(c);
        s.ticked = s.row && s.row->pvo;
        s.migration = s.row && s.row->migration != 0;
    }
    return s;
}

enum rc session_allowed(const struct session *x, struct err *e)
{
    struct service s;

    if (x->door->local)
        return RC_OK;
    s = service_of(x);
    if (!session_peer(x))
        return err_set(e, RC_NOT_PERMITTED, "this gateway is not enrolled any more");
    if (s.suspended)
        return err_set(e, RC_SUSPENDED, "transfers are suspended");
    if (!s.configured || !s.ticked)
        return err_set(e, RC_NOT_PERMITTED, "the service is off for this gateway");
    return RC_OK;
}

/* ---- STATUS
 * --------------------------------------------------------------------------------------------------------------- */

static void status_number(struct cpq_server *cs, const char *key, uint64_t v)
{
    char text[24];
    struct buf b = {.p = text, .cap = sizeof text, .max = sizeof text};

    buf_add_u64(&b, v);
    cpq_status_line(cs, key, buf_str(&b));
}

static const char *state_of(const struct session *x, bool full, const char **why)
{
    struct service s = service_of(x);
    bool spam = x->cs.hello.class == CPQ_SPAM;

    *why = NULL;
    if (x->door->local)
        return x->q->stopping ? "suspended" : full ? "full" : "ready";
    if (!s.configured)
        *why = spam ? "the spam quarantine is not enabled on the manager"
                    : "policy, virus and outbreak quarantines are not enabled on the manager";
    else if (!s.ticked)
        *why = "the service is not ticked for this gateway on the manager";
    else if (!s.migration)
        *why = "no migration is chosen for this gateway on the manager";
    if (*why)
        return s.configured ? "not-ready" : "not-configured";
    if (s.suspended)
        *why = "transfers are suspended on the manager";
    else if (full)
        *why = "the space for held mail is used up on the manager";
    return s.suspended ? "suspended" : full ? "full" : "ready";
}

static const char *migration_of(const struct session *x, const struct run *r)
{
    const struct conf_appliance *row = service_of(x).row;

    if (!row || !row->migration || x->door->local)
        return "none";
    return r->state == RUN_RUNNING ? "running" : r->state == RUN_DONE ? "done" : "chosen";
}

static void on_status(struct cpq_server *cs)
{
    struct session *x = session_of(&cs->s);
    struct quarantine *q = x->q;
    const struct conf *c = quarantine_conf(q);
    uint64_t class = cs->hello.class, serial = sql_number(&q->sql, Q_name_id, 0, "s", cs->hello.serial);
    uint64_t limit = class == CPQ_SPAM ? c->spam_quarantine.max_bytes : c->quarantine_service.max_bytes;
    sqlite3_stmt *st = sql_bind(&q->sql, Q_pool, "i", class);
    uint64_t used = sql_step(&q->sql, st) ? sql_u64(st, 1) : 0;
    const char *why, *state;
    struct run run;

    sqlite3_reset(st);
    state = state_of(x, used >= limit, &why);
    run_get(q, cs->hello.class, serial, &run);
    cpq_status_line(cs, "state", str_c(state));
    if (why)
        cpq_status_line(cs, "reason", str_c(why));
    cpq_status_line(cs, "migration", str_c(migration_of(x, &run)));
    status_number(cs, "stored", sql_number(&q->sql, Q_key_held, 0, "ii", class, serial));
    status_number(cs, "migrated", run.ever);
    status_number(cs, "free", used < limit ? limit - used : 0);
    if (class == CPQ_PVO)
        map_status(cs, c, service_of(x).row);
}

/* ---- QUERY
 * ---------------------------------------------------------------------------------------------------------------- */

/* A gateway asks for its own keys alone. */
static enum rc on_query(struct cpq_server *cs, struct str serial, uint64_t mid, struct str release, struct buf *text)
{
    static const char hex[] = "0123456789abcdef";
    struct quarantine *q = session_of(&cs->s)->q;
    uint64_t name = sql_number(&q->sql, Q_name_id, 0, "s", serial);
    sqlite3_stmt *st;
    struct str digest;
    bool there;

    if (!str_eqi(serial, cs->hello.serial))
        return RC_NOT_FOUND;
    st = sql_bind(&q->sql, Q_key_find, "iii", (uint64_t)cs->hello.class, name, mid);
    there = !release.n && sql_step(&q->sql, st);
    digest = there ? sql_str(st, 1) : STR_NONE;
    if (there) {
        buf_addf(text, "id=%llu state=%s sha256=", (unsigned long long)sql_u64(st, 0), sql_u64(st, 3) ? "deleted" : "held");
        for (size_t i = 0; i < digest.n; i++) {
            buf_addc(text, hex[(unsigned char)digest.p[i] >> 4]);
            buf_addc(text, hex[(unsigned char)digest.p[i] & 15]);
        }
    }
    sqlite3_reset(st);
    return there ? RC_OK : RC_NOT_FOUND;
}

/* ---- RESCAN ------------------------------------------------------------------------------------------------------------
 */

struct rescanned {
    bool held;
    uint64_t mid, exit_ms;
    struct str rule;
};

static enum rc rescan_words(const struct cpq_pairs *p, struct rescanned *out, struct err *e)
{
    struct str verdict = cpq_pair(p, "verdict");

    out->held = str_eqi(verdict, str_lit("hold"));
    out->rule = cpq_pair(p, "rule");
    if (!str_u64(cpq_pair(p, "mid"), &out->mid) || (!out->held && !str_eqi(verdict, str_lit("clean"))))
        return err_set(e, RC_SYNTAX, "RESCAN needs mid, verdict=clean or hold, and rule");
    if (out->held &&
        (!str_u64(cpq_pair(p, "exit"), &out->exit_ms) || out->exit_ms > RESCAN_EXIT_MAX || out->rule.n > RESCAN_RULE_MAX))
        return err_set(e, RC_INVALID, "that exit or rule makes no sense");
    return RC_OK;
}

/* One number may stand for several messages: its recipients came in portions. What was moved there by hand stays. */
static enum rc rescan_decide(struct quarantine *q, uint64_t serial, const struct rescanned *r, struct err *e)
{
    uint64_t quarantine = outbreak_quarantine(q), ids[RESCAN_MESSAGES];
    sqlite3_stmt *st = sql_bind(&q->sql, Q_hold_of_key, "iiiii", serial, r->mid, quarantine, (uint64_t)CPQ_OUTBREAK,
                                (uint64_t)RESCAN_MESSAGES);
    size_t n = 0;

    while (n < RESCAN_MESSAGES && sql_step(&q->sql, st))
        ids[n++] = sql_u64(st, 0);
    sqlite3_reset(st);
    if (!n)
        return err_set(e, RC_NOT_FOUND, "no such message in the Outbreak quarantine");
    decide_begin(q);
    for (size_t i = 0; i < n; i++)
        if (r->held)
            decide_exit(q, ids[i], quarantine, r->exit_ms, r->rule);
        else
            decide_hold(q, ids[i], quarantine, HOLD_RELEASE, BY_RULE, STR_NONE);
    return decide_end(q, e);
}

/* A gateway speaks of its own mail alone: the serial number is that of its certificate. */
static enum rc on_rescan(struct cpq_server *cs, const struct cpq_pairs *p, struct err *e)
{
    struct session *x = session_of(&cs->s);
    struct rescanned r = {0};

    TRY(rescan_words(p, &r, e));
    TRY(session_allowed(x, e));
    return rescan_decide(x->q, sql_number(&x->q->sql, Q_name_id, 0, "s", cs->hello.serial), &r, e);
}

const struct cpq_server_handler session_xcpq = {
    .hello = on_hello, .status = on_status, .query = on_query, .rescan = on_rescan};
