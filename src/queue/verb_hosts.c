/*
 * Verbs about destinations: tophosts, hoststatus, hostrate (cli.md 7.2).
 *
 * Called through verbs.c; changes nothing. Internal destinations are always there, whether mail is queued for them or not;
 * their hoststatus shows the peer in place of addresses and MX records. What deliver found out (destination_facts) and queue
 * itself knows is shown, nothing is looked up for an answer.
 */
#include "queue/internal.h"
#include "queue/verbs.h"

#include "base/clock.h"
#include "base/must.h"
#include "event/render.h"

#include <inttypes.h>

enum { TOP = 20 };

/* --- tophosts --------------------------------------------------------------------------------------------------------- */

static uint64_t connections(const struct destination *d)
{
    return d->flying < d->max_connections ? d->flying : d->max_connections;
}

/* Pieces with deliver that no connection has yet, as far as there may be connections. */
static uint64_t pending(const struct destination *d)
{
    uint64_t ready = d->pieces > d->flying && !d->down && !d->suspended ? d->pieces - d->flying : 0, room;

    room = d->max_connections - connections(d);
    return d->first && ready ? (ready < room ? ready : room) : 0;
}

static uint64_t key_active(const struct destination *d)
{
    return d->recipients;
}

static uint64_t key_delivered(const struct destination *d)
{
    return d->delivered;
}

static uint64_t key_soft(const struct destination *d)
{
    return d->soft;
}

static uint64_t key_hard(const struct destination *d)
{
    return d->hard;
}

static const struct {
    const char *name;
    uint64_t (*key)(const struct destination *d);
} orders[] = {{"active_rcpts", key_active},
              {"conn_out", connections},
              {"deliv_recip", key_delivered},
              {"soft_bounced", key_soft},
              {"hard_bounced", key_hard}};

struct tops {
    const struct destination *list[TOP];
    size_t n;
    struct destination sums[FAMILY_COUNT];
};

static void place(struct tops *t, const struct destination *d, uint64_t (*key)(const struct destination *d))
{
    size_t at = t->n;

    while (at && key(t->list[at - 1]) < key(d))
        at--;
    if (at == TOP)
        return;
    t->n = t->n < TOP ? t->n + 1 : TOP;
    memmove(&t->list[at + 1], &t->list[at], (t->n - at - 1) * sizeof *t->list);
    t->list[at] = d;
}

/* The `TOP` destinations with the largest keys, in order; a family is one. */
static void top(struct queue *q, uint64_t (*key)(const struct destination *d), struct tops *out)
{
    out->n = 0;
    for (uint32_t i = 1; i < q->destinations.end; i++)
        if (destination_at(q, i)->name && !destination_at(q, i)->family)
            place(out, destination_at(q, i), key);
    for (unsigned family = 1; family < FAMILY_COUNT; family++)
        if (internal_sum(q, family, &out->sums[family]))
            place(out, &out->sums[family], key);
}

void verb_tophosts(struct verb_question *v)
{
    struct tops tops;
    size_t order = 0;
    uint64_t number;

    while (order < 5 && v->n_args && !verb_arg_is(v, 0, orders[order].name))
        order++;
    if (v->n_args && str_u64(v->args[0], &number) && number >= 1 && number <= 5)
        order = number - 1;
    if (order == 5 || v->n_args > 1) {
        verb_bad_arguments(v);
        return;
    }
    top(v->q, orders[order].key, &tops);
    verb_as_of(v);
    buf_add(&v->text, str_lit("Hosts marked with '*' were down as of the last delivery attempt.\n\n"
                              "                                  Active    Conn.   Deliv.     Soft     Hard\n"
                              " #   Recipient Host               Recip.      Out   Recip.  Bounced  Bounced\n"));
    buf_addc(&v->json, '[');
    for (size_t i = 0; i < tops.n; i++) {
        const struct destination *d = tops.list[i];

        buf_addf(&v->text, "%2zu%c  %-26s %8" PRIu64 " %8" PRIu64 " %8" PRIu64 " %8" PRIu64 " %8" PRIu64 "\n", i + 1,
                 d->down ? '*' : ' ', d->name, d->recipients, connections(d), d->delivered, d->soft, d->hard);
        buf_add(&v->json, str_c(i ? ",{\"host\":" : "{\"host\":"));
        verb_json_str(&v->json, str_c(d->name));
        buf_addf(&v->json,
                 ",\"down\":%s,\"active\":%" PRIu64 ",\"connections\":%" PRIu64 ",\"delivered\":%" PRIu64
                 ",\"soft_bounced\":%" PRIu64 ",\"hard_bounced\":%" PRIu64 "}",
                 d->down ? "true" : "false", d->recipients, connections(d), d->delivered, d->soft, d->hard);
    }
    buf_addc(&v->json, ']');
    verb_answer(v, RC_OK);
}

/* --- hoststatus ------------------------------------------------------------------------------------------------------- */

struct host {
    const struct destination *d; /* valid for one look: destinations may move */
    struct destination blank;    /* in place of one that is not in memory, or of a family */
    struct str name;
    uint64_t oldest_ms;
    struct selector which;
};

static const char *state_of(const struct destination *d)
{
    return d->down ? "down" : d->ever_up ? "up" : "unknown";
}

/* The destination that an argument names; false: the answer was given. */
static bool find_host(struct verb_question *v, struct host *h)
{
    struct queue *q = v->q;

    h->name = destination_lower(&v->arena, str_trim(v->args[0]));
    h->which = internal_select(q, h->name);
    h->blank.name = (char *)(uintptr_t)arena_printf(&v->arena, "%.*s", STR(h->name)).p;
    if (!h->which.destination && !internal_is(h->name)) {
        buf_add(&v->text, str_lit("Host '"));
        render_plain(str_first(v->args[0], 255), &v->text);
        verb_say(v, RC_NOT_FOUND, "' does not exist in memory: there is no mail for it and there was none lately.");
        return false;
    }
    return true;
}

/* As it is now: destinations come and go while an answer is being made. */
static void look_again(const struct queue *q, struct host *h)
{
    h->which = internal_select(q, h->name);
    h->d = h->which.destination && !h->which.family ? destination_at(q, h->which.destination) : &h->blank;
    if (h->which.family)
        internal_sum(q, h->which.family, &h->blank);
}

static void put_time(struct buf *out, const char *label, uint64_t ms, const char *none)
{
    char when[24];

    if (!ms) {
        buf_addf(out, "%-30s%s\n", label, none);
        return;
    }
    render_ctime(ms, when);
    buf_addf(out, "%-30s%.24s\n", label, when);
}

static void host_counters(struct buf *out, const struct destination *d)
{
    buf_addf(out,
             "\nCounters:\n"
             "  Queue\n"
             "    Soft Bounced Events         %12" PRIu64 "\n"
             "  Completion\n"
             "    Completed Recipients        %12" PRIu64 "\n"
             "      Hard Bounced Recipients   %12" PRIu64 "\n"
             "        DNS Hard Bounces        %12" PRIu64 "\n"
             "        5XX Hard Bounces        %12" PRIu64 "\n"
             "        Filter Hard Bounces     %12d\n"
             "        Expired Hard Bounces    %12" PRIu64 "\n"
             "        Other Hard Bounces      %12" PRIu64 "\n"
             "      Delivered Recipients      %12" PRIu64 "\n"
             "      Deleted Recipients        %12" PRIu64 "\n",
             d->soft, d->hard + d->delivered + d->deleted, d->hard, d->dns_hard, d->five_hard, 0, d->expired_hard,
             d->other_hard, d->delivered, d->deleted);
    buf_addf(out,
             "\nGauges:\n"
             "  Queue\n"
             "    Active Recipients           %12" PRIu64 "\n"
             "      Unattempted Recipients    %12" PRIu64 "\n"
             "      Attempted Recipients      %12" PRIu64 "\n"
             "  Connections\n"
             "    Current Outbound Connections%12" PRIu64 "\n"
             "    Pending Outbound Connections%12" PRIu64 "\n\n",
             d->recipients, d->recipients - d->attempted, d->attempted, connections(d), pending(d));
}

/* Lines "PREFERENCE IP PORT": the preference once, its addresses beside it. */
static void put_addresses(struct buf *out, const struct destination *d)
{
    struct str rest = str_c(d->addresses), line, before = STR_NONE;
    char when[24];

    buf_addf(out, "%-30s", "Ordered IP addresses:");
    if (!rest.n) {
        buf_add(out, str_lit("(not looked up)\n"));
        return;
    }
    render_ctime(d->expires_ms, when);
    buf_addf(out, "(expiring at %.24s)\n     Preference   IPs\n", when);
    while (str_split(&rest, '\n', &line)) {
        struct str preference, ip;

        if (!str_word(&line, &preference) || !str_word(&line, &ip))
            continue;
        if (str_eq(preference, before))
            buf_addf(out, "                  %.*s\n", STR(ip));
        else
            buf_addf(out, "     %-10.*s   %.*s\n", STR(preference), STR(ip));
        before = preference;
    }
}

static void put_mx(struct buf *out, const struct destination *d)
{
    struct str rest = str_c(d->mx), line, preference;

    buf_add(out, str_lit("MX Records:\n     Preference   Hostname\n"));
    if (!rest.n)
        buf_add(out, str_lit("     None\n"));
    while (rest.n && str_split(&rest, '\n', &line))
        if (str_word(&line, &preference)) {
            buf_addf(out, "     %-10.*s   ", STR(preference));
            render_plain(str_trim(line), out);
            buf_addc(out, '\n');
        }
}

/* "Last 5XX Error:", then the text between rules, as when. */
static void put_error(struct buf *out, const char *label, const char *text, uint64_t ms)
{
    char when[24];

    if (!text) {
        buf_addf(out, "%-30sNone\n", label);
        return;
    }
    render_ctime(ms, when);
    buf_addf(out, "%s\n----------\n", label);
    render_plain(str_c(text), out);
    buf_addf(out, "\n(at %.24s)\n----------\n", when);
}

static void put_peer(struct verb_question *v, const struct destination *d)
{
    struct str rest = str_c(d->addresses), preference = STR_NONE, ip = STR_NONE, port = STR_NONE, line = STR_NONE;
    uint64_t now = loop_now_ms(v->q->loop);

    if (str_split(&rest, '\n', &line) && str_word(&line, &preference) && str_word(&line, &ip))
        str_word(&line, &port);
    buf_addf(&v->text, "%-30s%.*s\n", "Peer:", STR(ip.n ? ip : str_lit("unknown")));
    buf_addf(&v->text, "%-30s%.*s\n", "Port:", STR(port.n ? port : str_lit("unknown")));
    buf_addf(&v->text, "%-30s%s\n", "TLS:", d->tls ? d->tls : "none yet");
    buf_addf(&v->text, "%-30s%" PRIu32 "\n", "Refused Messages:", d->set_aside);
    put_error(&v->text, "Last Error:", d->reason, d->reason_ms);
    put_time(&v->text, "Next Retry:", d->blocked_until_ms > now ? clock_wall_ms() + d->blocked_until_ms - now : 0,
             d->recipients ? "now" : "none");
}

/* One block for each gateway that mail was released to, with the age of its answer (where it takes mail). */
static void put_family(struct verb_question *v, unsigned family)
{
    uint64_t now = clock_wall_ms();
    unsigned n = 0;

    for (uint32_t i = 0; (i = internal_next(v->q, family, i)); n++) {
        const struct destination *d = destination_at(v->q, i);
        struct str name = str_c(d->name), serial = str_from(name, internal_base(name).n + 1);

        if (!serial.n)
            continue;
        buf_addf(&v->text, "\nGateway:                      %s (%.*s)\n", d->mx ? d->mx : "unknown", STR(serial));
        buf_addf(&v->text, "%-30s%s%s\n", "Host up/down:", state_of(d),
                 internal_suspended(v->q, d) ? " (delivery suspended)" : "");
        buf_addf(&v->text, "%-30s%" PRIu64 "\n", "Active Recipients:", d->recipients);
        put_peer(v, d);
        if (d->expires_ms)
            buf_addf(&v->text, "%-30s%" PRIu64 " s ago\n",
                     "Port Told:", now > d->expires_ms ? (now - d->expires_ms) / 1000 : 0);
        else
            buf_addf(&v->text, "%-30snever\n", "Port Told:");
    }
    if (!n)
        put_peer(v, &(struct destination){0});
}

static void put_gateway(struct verb_question *v, const struct destination *d)
{
    struct str name = conf_now(v->q->conf)->delivery.source_interface;

    buf_addf(&v->text, "\nVirtual gateway information:\n%s\n%.*s:\n",
             "============================================================", STR(name.n ? name : str_lit("Auto")));
    buf_addf(&v->text, "     Host up/down:            %s\n", state_of(d));
    put_time(&v->text, "     Last Activity:", d->active_ms, "None");
    buf_addf(&v->text, "     Recipients:              %" PRIu64 "\n", d->recipients);
}

static void put_json_text(struct buf *out, const char *name, const char *text)
{
    buf_addf(out, ",\"%s\":", name);
    verb_json_str(out, str_c(text));
}

static void json_members(struct verb_question *v, const struct destination *d, struct str name, uint64_t oldest_ms)
{
    uint64_t now = loop_now_ms(v->q->loop);

    buf_add(&v->json, str_lit("{\"host\":"));
    verb_json_str(&v->json, name);
    buf_addf(&v->json,
             ",\"state\":\"%s\",\"suspended\":%s,\"active\":%" PRIu64 ",\"attempted\":%" PRIu64 ",\"connections\":%" PRIu64
             ",\"pending_connections\":%" PRIu64 ",\"delivered\":%" PRIu64 ",\"soft_bounced\":%" PRIu64
             ",\"hard_bounced\":%" PRIu64 ",\"dns_hard_bounced\":%" PRIu64 ",\"5xx_hard_bounced\":%" PRIu64
             ",\"expired_hard_bounced\":%" PRIu64 ",\"other_hard_bounced\":%" PRIu64 ",\"deleted\":%" PRIu64
             ",\"oldest_ms\":%" PRIu64 ",\"last_activity_ms\":%" PRIu64 ",\"last_5xx_ms\":%" PRIu64
             ",\"last_error_ms\":%" PRIu64 ",\"last_tls_error_ms\":%" PRIu64 ",\"expires_ms\":%" PRIu64
             ",\"next_retry_ms\":%" PRIu64,
             state_of(d), internal_suspended(v->q, d) || v->q->delivery_suspended ? "true" : "false", d->recipients,
             d->attempted, connections(d), pending(d), d->delivered, d->soft, d->hard, d->dns_hard, d->five_hard,
             d->expired_hard, d->other_hard, d->deleted, oldest_ms, d->active_ms, d->last_5xx_ms, d->reason_ms,
             d->tls_error_ms, d->expires_ms, d->blocked_until_ms > now ? clock_wall_ms() + d->blocked_until_ms - now : 0);
    buf_addf(&v->json, ",\"refused\":%" PRIu32, d->set_aside);
    put_json_text(&v->json, "addresses", d->addresses);
    put_json_text(&v->json, "mx", d->mx);
    put_json_text(&v->json, "tls", d->tls);
    put_json_text(&v->json, "last_5xx", d->last_5xx);
    put_json_text(&v->json, "last_error", d->reason);
    put_json_text(&v->json, "last_tls_error", d->tls_error);
}

static void host_json(struct verb_question *v, const struct host *h)
{
    bool any = false;

    json_members(v, h->d, h->name, h->oldest_ms);
    if (h->which.family) {
        buf_add(&v->json, str_lit(",\"gateways\":["));
        for (uint32_t i = 0; (i = internal_next(v->q, h->which.family, i)); any = true) {
            if (any)
                buf_addc(&v->json, ',');
            json_members(v, destination_at(v->q, i), str_c(destination_at(v->q, i)->name), 0);
            buf_addc(&v->json, '}');
        }
        buf_addc(&v->json, ']');
    }
    buf_addc(&v->json, '}');
}

static void host_text(struct verb_question *v, const struct host *h)
{
    const struct destination *d = h->d;

    buf_addf(&v->text, "Host mail status for: '%s'\n", d->name);
    verb_as_of(v);
    buf_addf(&v->text, "Host up/down:                 %s%s\n", state_of(d),
             internal_suspended(v->q, d) || v->q->delivery_suspended ? " (delivery suspended)" : "");
    host_counters(&v->text, d);
    put_time(&v->text, "Oldest Message", h->oldest_ms, "No Messages");
    put_time(&v->text, "Last Activity", d->active_ms, "None");
    if (h->which.family) {
        put_family(v, h->which.family);
    } else if (internal_is(h->name)) {
        put_peer(v, d);
    } else {
        put_addresses(&v->text, d);
        put_mx(&v->text, d);
        put_error(&v->text, "Last Connection Error:", d->reason, d->reason_ms);
    }
    put_error(&v->text, "Last 5XX Error:", d->last_5xx, d->last_5xx_ms);
    put_error(&v->text, "Last TLS Error:", d->tls_error, d->tls_error_ms);
    put_gateway(v, d);
}

static bool find_oldest(struct verb_question *v, uint32_t piece)
{
    const struct piece *p = piece_at(v->q, piece);
    struct host *h = v->state;

    if (p->state != PIECE_FREE && internal_meant(v->q, &h->which, p->destination)) {
        uint64_t ms = message_at(v->q, p->message)->entered_ms;

        if (!h->oldest_ms || ms < h->oldest_ms)
            h->oldest_ms = ms;
    }
    return true;
}

static void host_found(struct verb_question *v)
{
    struct host *h = v->state;

    look_again(v->q, h);
    host_text(v, h);
    host_json(v, h);
    verb_answer(v, RC_OK);
}

static struct host *host_begin(struct verb_question *v)
{
    struct host *h = arena_must_alloc(&v->arena, sizeof *h);

    *h = (struct host){0};
    v->state = h;
    return h;
}

static bool has_pieces(const struct queue *q, struct host *h)
{
    look_again(q, h);
    return h->d->pieces != 0;
}

void verb_hoststatus(struct verb_question *v)
{
    struct host *h = host_begin(v);

    if (v->n_args != 1)
        verb_bad_arguments(v);
    else if (find_host(v, h))
        verb_walk(v, &v->q->pieces, has_pieces(v->q, h) ? 1 : v->q->pieces.end, find_oldest, host_found);
}

/* --- hostrate --------------------------------------------------------------------------------------------------------- */

/* One sample; `hostrate NAME next DELIVERED SOFT HARD` is the next one, with what happened since. */
void verb_hostrate(struct verb_question *v)
{
    struct host *h = host_begin(v);
    const struct destination *d;
    uint64_t since[3];
    bool next = verb_take_next(v, 1, since, 3);

    if (v->n_args != 1) {
        verb_bad_arguments(v);
        return;
    }
    if (!find_host(v, h))
        return;
    look_again(v->q, h);
    d = h->d;
    if (!next) {
        buf_add(&v->text, str_lit("Time      Host      CrtCnc    Active   DltDelv DltSftBnc DltHrdBnc\n"
                                  "          Status       Out     Recip\n"));
        since[0] = d->delivered, since[1] = d->soft, since[2] = d->hard;
    }
    for (size_t i = 0; i < 3; i++) { /* reset meanwhile: from nothing */
        const uint64_t now[3] = {d->delivered, d->soft, d->hard};

        since[i] = since[i] > now[i] ? 0 : since[i];
    }
    verb_time_of_day(v);
    buf_addf(&v->text, "  %-8s %7" PRIu64 " %9" PRIu64 " %9" PRIu64 " %9" PRIu64 " %9" PRIu64 "\n", state_of(d),
             connections(d), d->recipients, d->delivered - since[0], d->soft - since[1], d->hard - since[2]);
    buf_addf(&v->json, "{\"next\":\"%" PRIu64 " %" PRIu64 " %" PRIu64 "\",\"host\":", d->delivered, d->soft, d->hard);
    verb_json_str(&v->json, h->name);
    buf_addf(&v->json,
             ",\"state\":\"%s\",\"connections\":%" PRIu64 ",\"active\":%" PRIu64 ",\"delivered\":%" PRIu64
             ",\"soft_bounced\":%" PRIu64 ",\"hard_bounced\":%" PRIu64 "}",
             state_of(d), connections(d), d->recipients, d->delivered, d->soft, d->hard);
    verb_answer(v, RC_OK);
}
