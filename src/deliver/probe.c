/*
 * Asks the manager how its quarantines are: opens its port, XCPQ HELLO, XCPQ STATUS (central.md 9, Enabling).
 *
 * Asked by control (verb `pvo probe CLASS`), by quarantine (manager_question) and, while mail waits because the manager does
 * not answer, by itself every ten seconds, so that it goes at once when contact returns. A probe is a destination without
 * mail, with one link, of the same addresses, pins and log lines as the mail would have. Owns the probes under way; each
 * answers once.
 */
#include "deliver/inside.h"

#include "base/json.h"
#include "base/must.h"
#include "smtp/cpq_status.h"

#include <stdio.h>
#include <stdlib.h>

enum { LOOK_MS = 10000, LINES_MAX = 1 << 20, JSON_MAX = 4 << 20, ARENA_MAX = 1 << 20 };

struct probe {
    struct destination to; /* first */
    struct probe *next;
    struct bus_peer *from; /* who asked; NULL = we ourselves */
    unsigned life;
    uint64_t call;
    bool question; /* by quarantine, which wants the lines and no log */
    char feat[40];
    bool answered;
    char why[300]; /* it did not */
    struct buf lines;
    struct str host;
    char ip[46];
    uint64_t port;
};

static struct probe *probe_of(struct destination *to)
{
    return (struct probe *)(void *)to;
}

static struct str value_of(struct probe *p, const char *key)
{
    return cpq_status_value(&p->to.arena, buf_str(&p->lines), key);
}

static void put_text(struct buf *out, const char *key, struct str text)
{
    buf_addf(out, ",\"%s\":", key);
    json_str(out, text);
}

static void put_number(struct buf *out, const char *key, struct str text)
{
    uint64_t n = 0;

    str_u64(text, &n);
    buf_addf(out, ",\"%s\":%llu", key, (unsigned long long)n);
}

/* All values of a key. */
static void put_list(struct probe *p, struct buf *out, const char *member, const char *key)
{
    struct str rest = buf_str(&p->lines), value;
    bool any = false;

    buf_addf(out, ",\"%s\":[", member);
    for (; cpq_status_next(&p->to.arena, &rest, key, &value); any = true) {
        buf_add(out, any ? str_lit(",") : STR_NONE);
        json_str(out, value);
    }
    buf_addc(out, ']');
}

static struct str state_of(struct probe *p)
{
    return p->answered ? value_of(p, "state") : str_lit("unreachable");
}

static struct str reason_of(struct probe *p)
{
    return p->answered ? value_of(p, "reason") : str_c(p->why);
}

static void answer(struct probe *p)
{
    struct buf json = BUF(JSON_MAX);

    buf_addf(&json, "{\"reachable\":%s", p->answered ? "true" : "false");
    put_text(&json, "class", str_c(cpq_class_name(p->to.class)));
    put_text(&json, "host", p->host);
    put_text(&json, "address", str_c(p->ip));
    buf_addf(&json, ",\"port\":%llu", (unsigned long long)p->port);
    put_text(&json, "state", state_of(p));
    put_text(&json, "reason", reason_of(p));
    put_text(&json, "migration", value_of(p, "migration"));
    put_number(&json, "stored", value_of(p, "stored"));
    put_number(&json, "migrated", value_of(p, "migrated"));
    put_number(&json, "free", value_of(p, "free"));
    put_text(&json, "kind", value_of(p, "migration-kind"));
    put_list(p, &json, "quarantines", "quarantine");
    put_list(p, &json, "map", "migration-map");
    put_list(p, &json, "settings", "quarantine-settings");
    buf_addc(&json, '}');
    bus_reply(p->to.d->o.bus, p->from, p->call, BUS_verb_reply,
              &(struct bus_verb_reply){.rc = RC_OK, .text = state_of(p), .json = buf_str(&json)});
    buf_done(&json);
}

/* Mail that waits here for it may go, and what queue holds back. */
static void contact(struct probe *p)
{
    struct deliver *d = p->to.d;
    const struct conf_manager *m = holder_manager(deliver_conf(d));
    struct str name = p->to.class == CPQ_SPAM ? str_lit("the.euq.queue") : str_lit("the.cpq.host");

    destination_get(d, name)->away_since_ms = 0;
    if (d->o.bus && m)
        bus_send(d->o.bus, bus_peer(d->o.bus, ROLE_queue, 0), BUS_manager_contact,
                 &(struct bus_manager_contact){.serial = m->serial});
}

static void say(struct probe *p)
{
    struct events *ev = p->to.d->o.events;
    struct str why = reason_of(p);

    if (p->answered && str_eq(state_of(p), str_lit("ready")))
        event(ev, cpq_ready, .host = p->host, .ip = str_c(p->ip), .port = p->port);
    else
        event(ev, cpq_not_ready, .host = p->host, .ip = str_c(p->ip), .port = p->port, .why = why.n ? why : state_of(p));
}

static void tell_lines(struct probe *p)
{
    if (p->from->life == p->life)
        bus_reply(p->to.d->o.bus, p->from, p->call, BUS_manager_status,
                  &(struct bus_manager_status){.answered = p->answered, .lines = buf_str(&p->lines), .why = str_c(p->why)});
}

static void finish(struct probe *p)
{
    struct deliver *d = p->to.d;

    if (p->from && p->question) {
        tell_lines(p);
    } else if (p->from) {
        say(p);
        answer(p);
    }
    if (p->answered)
        contact(p);
    for (struct probe **at = &d->probes; *at; at = &(*at)->next)
        if (*at == p) {
            *at = p->next;
            break;
        }
    resolve_cancel(&p->to);
    holder_forget(&p->to);
    arena_done(&p->to.arena);
    buf_done(&p->lines);
    free(p);
}

/* ---- its course ------------------------------------------------------------------------------------------------------- */

static void on_resolved(struct destination *to, const struct no_hop *none)
{
    struct probe *p = probe_of(to);

    if (!none && to->n_hops) {
        to->state = DESTINATION_READY;
        p->host = to->hops->host;
        ip_text(&to->hops->ip, p->ip);
        p->port = to->hops->ip.port;
        link_open(to, 0); /* when it cannot, it has closed already */
        return;
    }
    snprintf(p->why, sizeof p->why, "%.*s", STR(none ? str_first(none->text, 250) : str_lit("no address")));
    finish(p);
}

static void on_answered(struct link *l, unsigned code, struct str lines)
{
    struct probe *p = probe_of(l->to);

    if (code / 100 != 2) {
        snprintf(p->why, sizeof p->why, "%u %.*s", code, STR(str_first(lines, 200)));
        return;
    }

    buf_clear(&p->lines);
    buf_add(&p->lines, str_first(lines, LINES_MAX - 1));
    p->answered = true;
}

static void on_failed(struct link *l, const struct smtp_client_failure *f)
{
    struct probe *p = probe_of(l->to);
    struct str text = str_first(f->text, 200);

    if (l->to->pins_why[0] && f->stage == SMTP_AT_TLS)
        text = str_c(l->to->pins_why);
    if (f->stage == SMTP_AT_CONNECT)
        snprintf(p->why, sizeof p->why, "port %llu not answered: %.*s", (unsigned long long)p->port, STR(text));
    else if (f->code)
        snprintf(p->why, sizeof p->why, "%llu %.*s", (unsigned long long)f->code, STR(text));
    else
        snprintf(p->why, sizeof p->why, "%s%.*s", f->stage == SMTP_AT_TLS ? "TLS failed: " : "", STR(text));
}

static bool is_silent(const struct destination *to)
{
    const struct probe *p = (const struct probe *)(const void *)to;

    return !p->from || p->question;
}

static void on_closed(struct destination *to)
{
    struct probe *p = probe_of(to);

    if (!p->answered && !p->why[0])
        snprintf(p->why, sizeof p->why, "connection closed by the other side");
    finish(p);
}

static const struct asking ASKING = {
    .resolved = on_resolved, .answered = on_answered, .failed = on_failed, .closed = on_closed, .is_silent = is_silent};

static struct probe *make(struct deliver *d, enum cpq_class class)
{
    struct probe *p = calloc(1, sizeof *p);

    must(p);
    p->to.d = d;
    p->to.name = class == CPQ_SPAM ? str_lit("the.euq.queue") : str_lit("the.cpq.host");
    p->to.class = class;
    p->to.quarantine = p->to.central = true;
    p->to.asks = &ASKING;
    p->to.commands = str_lit("XCPQ STATUS");
    p->to.limit = 1;
    arena_init(&p->to.arena, 1024, ARENA_MAX);
    p->lines = BUF(LINES_MAX);
    return p;
}

static void begin(struct probe *p)
{
    struct deliver *d = p->to.d;

    p->next = d->probes;
    d->probes = p;
    p->to.state = DESTINATION_RESOLVING;
    resolve_start(&p->to);
}

static void begin_for(struct probe *p, const struct bus_in *in)
{
    p->from = in->from;
    p->life = in->from->life;
    p->call = in->call;
    begin(p);
}

/* ---- who asks ----------------------------------------------------------------------------------------------------------
 */

static void on_verb(void *ctx, const struct bus_in *in)
{
    struct deliver *d = ctx;
    const struct bus_verb_call *m = in->msg;
    struct str rest = m->args, word = STR_NONE, class = STR_NONE;

    get_str(&rest, &word);
    get_str(&rest, &class);
    if (!str_eqi(m->verb, str_lit("pvo")) || !str_eqi(word, str_lit("probe")) || d->stopping)
        bus_reply(d->o.bus, in->from, in->call, BUS_verb_reply, &(struct bus_verb_reply){.rc = RC_SYNTAX});
    else
        begin_for(make(d, str_eqi(class, str_lit("spam")) ? CPQ_SPAM : CPQ_PVO), in);
}

static void on_question(void *ctx, const struct bus_in *in)
{
    const struct bus_manager_question *m = in->msg;
    struct deliver *d = ctx;
    struct probe *p;

    if (d->stopping) {
        bus_reply(d->o.bus, in->from, in->call, BUS_manager_status,
                  &(struct bus_manager_status){.why = str_lit("stopping")});
        return;
    }
    p = make(d, str_eqi(m->class, str_lit("spam")) ? CPQ_SPAM : CPQ_PVO);
    p->question = true;
    snprintf(p->feat, sizeof p->feat, "%.*s", STR(m->feat));
    p->to.feat = str_c(p->feat);
    begin_for(p, in);
}

static bool under_way(const struct deliver *d, enum cpq_class class)
{
    for (const struct probe *p = d->probes; p; p = p->next)
        if (p->to.class == class)
            return true;
    return false;
}

static void look_at(struct destination *to)
{
    const struct conf *c = deliver_conf(to->d);
    bool central = to->class == CPQ_SPAM ? c->spam_quarantine.central : c->pvo.central;

    if (to->quarantine && !to->release && central && to->away_since_ms && !to->n_links && !under_way(to->d, to->class))
        begin(make(to->d, to->class));
}

static void look(void *ctx)
{
    struct deliver *d = ctx;

    if (!d->stopping)
        destination_each(d, look_at);
    loop_timer_set(d->o.loop, &d->probe_timer, LOOK_MS, look, d);
}

void probe_init(struct deliver *d)
{
    if (d->o.bus) {
        bus_on(d->o.bus, BUS_verb_call, on_verb, d);
        bus_on(d->o.bus, BUS_manager_question, on_question, d);
    }
    loop_timer_set(d->o.loop, &d->probe_timer, LOOK_MS, look, d);
}

void probe_done(struct deliver *d)
{
    loop_timer_cancel(d->o.loop, &d->probe_timer);
    while (d->probes) {
        struct probe *p = d->probes;

        p->from = NULL;
        if (p->to.links)
            link_abort_all(&p->to); /* closes, which ends it */
        else
            finish(p);
    }
}
