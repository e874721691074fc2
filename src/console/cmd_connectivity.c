/*
 * connectivity (spec/cli.md 12.2): every outgoing path of the table of ports is tried, and the four central services are
 * told with the reason when one does not work. The table is policy/firewall.h, a try is probe.h, the services are
 * connectivity_services.c.
 *
 * Called through spec/verbs.def. Owns nothing. Fails (exit status 1) when a path that is in use does not work.
 */
#include "console/commands.h"
#include "console/connectivity.h"

#include "base/json.h"
#include "policy/firewall.h"

#include <inttypes.h>

enum { JSON_MOST = 4 << 20 };

static const uint64_t tunnel_ports[] = {22, 25, 53, 80, 443, 4766};

/* --- lines --------------------------------------------------------------------------------------------------------------
 */

static void member(struct buf *out, const char *name, struct str value)
{
    buf_addf(out, "\"%s\":", name);
    json_str(out, value);
}

/* "FW-09 downloads" */
static struct str row_name(struct session *s, const struct firewall_row *row)
{
    struct str ids = str_c(row ? row->ids : ""), id = STR_NONE;

    str_word(&ids, &id);
    return row && *row->service ? arena_printf(&s->arena, "%.*s %s", STR(id), row->service) : id;
}

static void show(struct connectivity *c, const struct firewall_row *row, const struct probe *p)
{
    struct session *s = c->s;
    struct str name = row_name(s, row), at = arena_printf(&s->arena, "%.*s:%" PRIu64, STR(p->host), p->port);

    if (p->result == RESULT_OFF)
        at = p->host;

    c->failed += p->result != RESULT_OK && p->result != RESULT_OFF;
    if (c->json) {
        buf_add(c->json, c->json->n ? str_lit(",{") : str_lit("{"));
        member(c->json, "row", name);
        buf_addc(c->json, ',');
        member(c->json, "host", p->host);
        buf_addf(c->json, ",\"port\":%" PRIu64 ",", p->port);
        member(c->json, "address", p->address);
        buf_addf(c->json, ",\"result\":\"%s\",\"ms\":%" PRIu64 ",", probe_result_word(p->result), p->ms);
        member(c->json, "text", p->text);
        buf_addc(c->json, '}');
        return;
    }
    say(s, "%-22.*s %-34.*s %-16.*s %-12s %5" PRIu64 " ms  %.*s\n", STR(name), STR(at), STR(p->address),
        probe_result_word(p->result), p->ms, STR(p->text));
    say_flush(s);
}

/* --- which rows ---------------------------------------------------------------------------------------------------------
 */

static enum probe_kind kind_of(const struct firewall_line *l)
{
    static const struct {
        const char *id;
        enum probe_kind kind;
    } rows[] = {{"FW-01", PROBE_FTP}, {"FW-03", PROBE_SSH},      {"FW-05", PROBE_SMTP}, {"FW-07", PROBE_DNS},
                {"FW-15", PROBE_NTP}, {"FW-18", PROBE_DATAGRAM}, {"FW-53", PROBE_SSH}};
    struct str ids = str_c(l->row->ids), first;

    if (str_eqi(l->protocol, str_lit("UDP")) && !str_startsi(ids, str_lit("FW-15")))
        return PROBE_DATAGRAM;
    str_word(&ids, &first);
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        if (str_eq(first, str_c(rows[i].id)))
            return rows[i].kind;
    if (str_eq(str_c(l->row->purpose), str_lit("policies of mail domains (MTA-STS)")))
        return PROBE_TLS;
    return probe_usual(firewall_usual_port(l->row) ? firewall_usual_port(l->row) : l->number, 0);
}

static bool outgoing(const struct firewall_line *l)
{
    return l->on && l->direction != FIREWALL_IN && l->direction != FIREWALL_NONE;
}

/* The central services have lines of their own. */
static bool central(const struct firewall_row *row)
{
    return str_eq(str_c(row->ids), str_lit("FW-45")) || str_eq(str_c(row->ids), str_lit("FW-46")) ||
           str_eq(str_c(row->ids), str_lit("FW-54"));
}

static bool named(const struct firewall_row *row, struct str word)
{
    struct str ids = str_c(row->ids), id;

    while (str_word(&ids, &id))
        if (str_eqi(id, word))
            return true;
    return *row->service && str_eqi(str_c(row->service), word);
}

static bool tunnel(const struct firewall_row *row)
{
    return str_starts(str_c(row->service), str_lit("tunnel_"));
}

static void try_one(struct connectivity *c, const struct firewall_line *l, uint64_t port)
{
    const struct conf_service_host *h =
        *l->row->service ? conf_find(&session_conf(c->s)->service_host, str_c(l->row->service)) : NULL;
    struct probe p = {.host = l->address, .port = port, .kind = kind_of(l), .ca_file = h ? h->ca : STR_NONE};

    if (!l->address.n || str_find(l->address, ' ') < l->address.n || str_find(l->address, '/') < l->address.n) {
        p.host = l->address.n ? l->address : str_c(l->row->peer);
        p.result = RESULT_OFF;
        p.text = str_lit("not tried: no host of its own (connectivity HOST PORT tries one)");
    } else {
        probe_run(c->s, &p, &c->names_fail);
    }
    show(c, l->row, &p);
}

static void try_line(struct connectivity *c, const struct firewall_line *l)
{
    if (!tunnel(l->row) || l->number) {
        try_one(c, l, l->number ? l->number : firewall_usual_port(l->row));
        return;
    }
    for (size_t i = 0; i < sizeof tunnel_ports / sizeof *tunnel_ports; i++)
        try_one(c, l, tunnel_ports[i]);
}

/* Rows that pass `wanted`; how many lines were tried. */
static size_t try_rows(struct connectivity *c, bool (*wanted)(const struct firewall_row *row, struct str word),
                       struct str word)
{
    struct firewall_lines lines = firewall_lines(session_conf(c->s), true, &c->s->arena);
    size_t n = 0;

    for (size_t i = 0; i < lines.n; i++) {
        const struct firewall_line *l = &lines.items[i];
        struct probe off = {.host = str_c(l->row->peer),
                            .port = firewall_usual_port(l->row),
                            .result = RESULT_OFF,
                            .text = str_lit("this service is off")};

        if (!wanted(l->row, word) || l->direction == FIREWALL_IN || central(l->row))
            continue;
        n++;
        if (outgoing(l))
            try_line(c, l);
        else if (word.n)
            show(c, l->row, &off);
    }
    return n;
}

static bool any(const struct firewall_row *row, struct str word)
{
    (void)word;
    return !tunnel(row);
}

static bool any_tunnel(const struct firewall_row *row, struct str word)
{
    (void)word;
    return tunnel(row);
}

static bool is_central_row(struct str word)
{
    return str_eqi(word, str_lit("FW-45")) || str_eqi(word, str_lit("FW-46")) || str_eqi(word, str_lit("FW-54"));
}

/* --- the command --------------------------------------------------------------------------------------------------------
 */

static bool run(struct connectivity *c, struct strs args)
{
    struct session *s = c->s;
    uint64_t port;

    if (args.n == 2 && str_u64(args.items[1], &port) && port && port <= UINT16_MAX) {
        struct probe p = {.host = args.items[0], .port = port, .kind = probe_usual(port, session_conf(s)->system.lab_base)};

        probe_run(s, &p, &c->names_fail);
        show(c, NULL, &p);
        return true;
    }
    if (args.n > 1)
        return false;
    if (args.n == 0 || str_eqi(args.items[0], str_lit("all"))) {
        try_rows(c, any, STR_NONE);
        connectivity_services(c);
        return true;
    }
    if (str_eqi(args.items[0], str_lit("services")) || is_central_row(args.items[0])) {
        connectivity_services(c);
        return true;
    }
    if (str_eqi(args.items[0], str_lit("tunnel")))
        return try_rows(c, any_tunnel, args.items[0]) > 0;
    return try_rows(c, named, args.items[0]) > 0;
}

enum rc cmd_connectivity(struct session *s)
{
    struct connectivity c = {.s = s};
    bool json = s->args.n && arg_is(s, s->args.n - 1, "--json");
    struct strs args = {s->args.items, s->args.n - json};

    c.json = json ? session_buf(s, JSON_MOST) : NULL;
    c.services = json ? session_buf(s, JSON_MOST) : NULL;
    s->taken = s->args.n;
    if (!run(&c, args))
        return session_usage(s);
    if (json) {
        say_raw(s, str_lit("{\"probes\":["));
        say_raw(s, buf_str(c.json));
        say_raw(s, str_lit("],\"services\":["));
        say_raw(s, buf_str(c.services));
        say_raw(s, str_lit("]}\n"));
    }
    return c.failed ? RC_UNAVAILABLE : RC_OK;
}
