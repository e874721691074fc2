/*
 * The table of ports and its lines. See firewall.h.
 *
 * Called by the dialogues and pages that print or probe it. Owns nothing: lines live in the caller's arena. A full arena
 * ends the process (arena_must_alloc): lines are few and small.
 */
#include "policy/firewall_find.h"

#include "base/json.h"

#include <inttypes.h>

static const struct firewall_row rows[] = {
#define FIREWALL(ids, ports, protocol, gateway, manager, peer, purpose, service, find) \
    {ids, ports, protocol, FIREWALL_##gateway, FIREWALL_##manager, peer, purpose, service},
#include "spec/firewall.def"
#undef FIREWALL
};

static void (*const finders[])(struct finding *f) = {
#define FIREWALL(ids, ports, protocol, gateway, manager, peer, purpose, service, find) find_##find,
#include "spec/firewall.def"
#undef FIREWALL
};

enum { ROWS = sizeof rows / sizeof *rows, MANAGER = 1 /* choice of system.role */ };

const struct firewall_row *firewall_row(size_t i)
{
    return i < ROWS ? &rows[i] : NULL;
}

const struct firewall_row *firewall_service(struct str service)
{
    for (size_t i = 0; i < ROWS; i++)
        if (*rows[i].service && str_eqi(service, str_c(rows[i].service)))
            return &rows[i];
    return NULL;
}

uint64_t firewall_usual_port(const struct firewall_row *row)
{
    uint64_t port = 0;

    for (const char *p = row->ports; ascii_digit(*p); p++)
        port = port * 10 + (uint64_t)(*p - '0');
    return port;
}

enum firewall_direction firewall_direction(const struct firewall_row *row, const struct conf *c)
{
    return c->system.role == MANAGER ? row->manager : row->gateway;
}

/* --- lines ------------------------------------------------------------------------------------------------------------ */

static struct firewall_line *more(struct finding *f)
{
    if (f->n == f->room) {
        struct firewall_line *bigger = arena_must_alloc(f->a, (2 * f->room + 64) * sizeof *bigger);

        if (f->n)
            memcpy(bigger, f->items, f->n * sizeof *bigger);
        f->items = bigger;
        f->room = 2 * f->room + 64;
    }
    return &f->items[f->n++];
}

void finding_add(struct finding *f, enum firewall_direction d, const char *protocol, uint64_t port, struct str address,
                 struct str owner)
{
    *more(f) = (struct firewall_line){
        .row = f->row,
        .on = true,
        .protocol = str_c(*protocol ? protocol : f->row->protocol),
        .port = port ? arena_printf(f->a, "%" PRIu64, port) : str_c(f->row->ports),
        .number = port,
        .direction = d,
        .address = address,
        .owner = owner,
    };
}

struct firewall_lines firewall_lines(const struct conf *c, bool all, struct arena *a)
{
    struct finding f = {.c = c, .a = a};

    for (size_t i = 0; i < ROWS; i++) {
        enum firewall_direction d = firewall_direction(&rows[i], c);
        size_t before = f.n;

        f.row = &rows[i];
        finders[i](&f);
        if (f.n == before && all && d != FIREWALL_NONE)
            *more(&f) = (struct firewall_line){
                .row = &rows[i], .protocol = str_c(rows[i].protocol), .port = str_c(rows[i].ports), .direction = d};
    }
    return (struct firewall_lines){f.items, f.n};
}

/* --- as text ------------------------------------------------------------------------------------------------------------
 */

const char *firewall_direction_text(enum firewall_direction d)
{
    static const char *const words[] = {"-", "in", "out", "in/out", "in or out"};

    return words[d];
}

static void add_reference(const struct firewall_row *row, struct buf *out)
{
    struct str rest = str_c(row->peer), host;
    bool first = true;

    buf_add(out, str_c(row->service));
    while (str_word(&rest, &host)) {
        buf_add(out, first ? str_lit(" (") : str_lit(", "));
        buf_add(out, host);
        first = false;
    }
    if (!first)
        buf_addc(out, ')');
}

void firewall_peer(const struct firewall_line *l, struct buf *out)
{
    if (!l->address.n && *l->row->service) {
        add_reference(l->row, out);
        return;
    }
    if (l->direction != FIREWALL_OUT && l->address.n && str_eq(str_c(l->row->peer), str_lit("this machine")))
        buf_add(out, str_lit("this machine "));
    buf_add(out, l->address.n ? l->address : str_c(l->row->peer));
    if (l->owner.n)
        buf_addf(out, " (%.*s)", STR(l->owner));
}

enum { COLUMNS = 4 };

static struct str peer_of(const struct firewall_line *l, struct buf *b)
{
    buf_clear(b);
    firewall_peer(l, b);
    return buf_str(b);
}

static void wider(size_t *width, struct str s)
{
    if (s.n > *width)
        *width = s.n;
}

void firewall_text(struct firewall_lines l, struct buf *out)
{
    enum { PEER_MOST = 60 };
    size_t width[COLUMNS] = {4, 8, 9, 4};
    struct buf peer = BUF(8192);

    for (size_t i = 0; i < l.n; i++) {
        wider(&width[0], l.items[i].port);
        wider(&width[1], l.items[i].protocol);
        wider(&width[3], str_first(peer_of(&l.items[i], &peer), PEER_MOST));
    }
    buf_addf(out, "%-*s  %-*s  %-*s  %-*s  %s\n", (int)width[0], "Port", (int)width[1], "Protocol", (int)width[2],
             "Direction", (int)width[3], "Peer", "Purpose");
    for (size_t i = 0; i < l.n; i++) {
        const struct firewall_line *x = &l.items[i];
        struct str who = peer_of(x, &peer);

        buf_addf(out, "%-*.*s  %-*.*s  %-*s  %-*.*s  %s%s\n", (int)width[0], STR(x->port), (int)width[1], STR(x->protocol),
                 (int)width[2], firewall_direction_text(x->direction), (int)width[3], STR(who), x->row->purpose,
                 x->on ? "" : " [off]");
    }
    buf_done(&peer);
}

static void member(struct buf *out, const char *name, struct str value)
{
    buf_addf(out, "\"%s\":", name);
    json_str(out, value);
}

void firewall_json(struct firewall_lines l, struct buf *out)
{
    struct buf peer = BUF(8192);

    buf_add(out, str_lit("{\"rows\":["));
    for (size_t i = 0; i < l.n; i++) {
        const struct firewall_line *x = &l.items[i];
        struct str ids = str_c(x->row->ids), id;

        buf_add(out, i ? str_lit(",{\"ids\":[") : str_lit("{\"ids\":["));
        for (bool first = true; str_word(&ids, &id); first = false) {
            buf_add(out, first ? STR_NONE : str_lit(","));
            json_str(out, id);
        }
        buf_addf(out, "],\"state\":\"%s\",", x->on ? "on" : "off");
        member(out, "port", x->port);
        if (x->number)
            buf_addf(out, ",\"number\":%" PRIu64, x->number);
        buf_addc(out, ',');
        member(out, "protocol", x->protocol);
        buf_addf(out, ",\"direction\":\"%s\",", firewall_direction_text(x->direction));
        member(out, "peer", peer_of(x, &peer));
        buf_addc(out, ',');
        member(out, "address", x->address);
        buf_addc(out, ',');
        member(out, "owner", x->owner);
        buf_addc(out, ',');
        member(out, "service", str_c(x->row->service));
        buf_addc(out, ',');
        member(out, "purpose", str_c(x->row->purpose));
        buf_addc(out, '}');
    }
    buf_add(out, str_lit("]}"));
    buf_done(&peer);
}

/* --- lab hosts ------------------------------------------------------------------------------------------------------------
 */

/* Address ranges are no hosts that a stand-in could be. */
size_t firewall_lab_hosts(const struct firewall_row *row)
{
    struct str rest = str_c(row->peer), host;
    size_t n = 0;

    if (!*row->service || str_find(rest, '/') < rest.n)
        return 0;
    while (str_word(&rest, &host))
        n++;
    return n ? n : 1;
}

struct str firewall_lab_host(const struct firewall_row *row, size_t i, struct arena *a)
{
    char name[64];
    size_t n = 0;

    for (const char *p = row->service; *p && n + 1 < sizeof name; p++)
        name[n++] = *p == '_' ? '-' : *p;
    name[n] = '\0';
    return firewall_lab_hosts(row) > 1 ? arena_printf(a, "%s-%zu.lab.test", name, i + 1)
                                       : arena_printf(a, "%s.lab.test", name);
}
