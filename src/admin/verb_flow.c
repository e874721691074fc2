/*
 * topin and dnsstatus (cli.md 7.1).
 *
 * Called through spec/verbs.def. Each receive process says who is connected to it, a line "IP<tab>listener<tab>name<tab>N"
 * each; they are added up here. The counters of look-ups stand on the board.
 */
#include "admin/verbs.h"

#include "base/clock.h"
#include "event/render.h"

#include <inttypes.h>
#include <stdlib.h>

enum { PEERS_MOST = 200000, PEERS_SHOWN = 1000 };

struct connected {
    struct str ip, listener, name;
    uint64_t n;
};

struct topin {
    struct connected *list;
    size_t n, room;
};

static void put_as_of(struct verb_call *c)
{
    char when[24];

    render_ctime(clock_wall_ms(), when);
    buf_addf(&c->text, "Status as of:                 %.24s\n", when);
}

static void take_connected(struct verb_call *c, const struct bus_verb_reply *r)
{
    struct topin *t = c->state;
    struct str rest = arena_str(&c->arena, r->text), line, n;

    while (rest.n && str_split(&rest, '\n', &line)) {
        struct connected *p;

        if (t->n == t->room && t->n < PEERS_MOST) {
            struct connected *more = arena_alloc(&c->arena, (t->room * 2 + 64) * sizeof *more);

            if (!more)
                return;
            if (t->n)
                memcpy(more, t->list, t->n * sizeof *more);
            t->list = more;
            t->room = t->room * 2 + 64;
        }
        if (t->n == t->room)
            return;
        p = &t->list[t->n];
        if (str_split(&line, '\t', &p->ip) && str_split(&line, '\t', &p->listener) && str_split(&line, '\t', &p->name) &&
            str_split(&line, '\t', &n) && str_u64(n, &p->n))
            t->n++;
    }
}

static int by_peer(const void *a, const void *b)
{
    const struct connected *x = a, *y = b;
    int order = str_cmp(x->ip, y->ip);

    return order ? order : str_cmp(x->listener, y->listener);
}

static int by_connections(const void *a, const void *b)
{
    const struct connected *x = a, *y = b;

    return x->n != y->n ? (x->n < y->n) - (x->n > y->n) : by_peer(a, b);
}

/* Equal peers of several processes become one; a name one of them knows is its name. */
static void add_up(struct topin *t)
{
    size_t n = 0;

    if (t->n)
        qsort(t->list, t->n, sizeof *t->list, by_peer);
    for (size_t i = 0; i < t->n; i++) {
        if (n && by_peer(&t->list[n - 1], &t->list[i]) == 0) {
            t->list[n - 1].n += t->list[i].n;
            if (!t->list[n - 1].name.n)
                t->list[n - 1].name = t->list[i].name;
        } else {
            t->list[n++] = t->list[i];
        }
    }
    t->n = n;
    if (n)
        qsort(t->list, n, sizeof *t->list, by_connections);
}

static void put_json_str(struct buf *out, struct str s)
{
    buf_addc(out, '"');
    for (size_t i = 0; i < s.n; i++)
        if (s.p[i] == '"' || s.p[i] == '\\' || (unsigned char)s.p[i] < 32)
            buf_addf(out, "\\u%04x", (unsigned char)s.p[i]);
        else
            buf_addc(out, s.p[i]);
    buf_addc(out, '"');
}

static void show_connected(struct verb_call *c)
{
    struct topin *t = c->state;

    add_up(t);
    put_as_of(c);
    buf_add(
        &c->text,
        str_lit("\n   #  Remote hostname                Remote IP addr.                 listener             Conn. In\n"));
    buf_addc(&c->json, '[');
    for (size_t i = 0; i < t->n && i < PEERS_SHOWN; i++) {
        const struct connected *p = &t->list[i];
        size_t begin = c->text.n;

        buf_addf(&c->text, "%4zu  ", i + 1);
        render_plain(p->name, &c->text);
        while (c->text.n < begin + 36 && !c->text.failed)
            buf_addc(&c->text, ' ');
        buf_addf(&c->text, " %-31.*s %-20.*s %8" PRIu64 "\n", STR(p->ip), STR(p->listener), p->n);
        buf_add(&c->json, str_c(i ? ",{\"ip\":" : "{\"ip\":"));
        put_json_str(&c->json, p->ip);
        buf_add(&c->json, str_lit(",\"name\":"));
        put_json_str(&c->json, p->name);
        buf_add(&c->json, str_lit(",\"listener\":"));
        put_json_str(&c->json, p->listener);
        buf_addf(&c->json, ",\"connections\":%" PRIu64 "}", p->n);
    }
    buf_addc(&c->json, ']');
    if (t->n > PEERS_SHOWN)
        buf_addf(&c->text, "and %zu more\n", t->n - PEERS_SHOWN);
}

void verb_topin(struct verb_call *c)
{
    if (c->args.n) {
        verb_usage(c);
        return;
    }
    c->state = arena_must_alloc(&c->arena, sizeof(struct topin));
    *(struct topin *)c->state = (struct topin){0};
    c->take = take_connected;
    c->last = show_connected;
    verb_ask(c, ROLE_receive, "topin", (struct strs){0});
    verb_wait(c);
}

void verb_dnsstatus(struct verb_call *c)
{
    static const struct {
        const char *label, *name;
        enum board_gauge gauge;
    } rows[] = {{"DNS Requests", "dns_requests", GAUGE_DNS_REQUESTS},
                {"Network Requests", "network_requests", GAUGE_NET_REQUESTS},
                {"Cache Hits", "cache_hits", GAUGE_CACHE_HITS},
                {"Cache Misses", "cache_misses", GAUGE_CACHE_MISSES},
                {"Cache Exceptions", "cache_exceptions", GAUGE_CACHE_EXCEPTIONS},
                {"Cache Expired", "cache_expired", GAUGE_CACHE_EXPIRED}};

    if (c->args.n) {
        verb_usage(c);
        return;
    }
    put_as_of(c);
    buf_add(&c->text, str_lit("\nCounters:                              Uptime\n"));
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        uint64_t n = c->admin->board ? board_gauge(c->admin->board, rows[i].gauge) : 0;

        buf_addf(&c->text, "  %-20s %22" PRIu64 "\n", rows[i].label, n);
        buf_addf(&c->json, "%s\"%s\":%" PRIu64, i ? "," : "{", rows[i].name, n);
    }
    buf_addc(&c->json, '}');
    verb_end(c, RC_OK);
}
