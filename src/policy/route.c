/*
 * SMTP routes: which settings row holds for a domain, and what its hosts say (central.md 16).
 *
 * Called by deliver, by tlsverify and by trace. Pure reading of the settings snapshot; results live in the caller's arena,
 * strings are views into the snapshot. A host that cannot be read is left out: settings are checked when they are committed,
 * not here.
 */
#include "policy/route.h"

#include "base/clock.h"

const struct conf_route *route_row(const struct conf *c, struct str domain)
{
    const struct conf_route *row = conf_find(&c->route, domain);

    for (size_t i = 0; !row && i < domain.n; i++)
        if (domain.p[i] == '.')
            row = conf_find(&c->route, str_from(domain, i));
    return row ? row : conf_find(&c->route, str_lit("ALL"));
}

static bool port_read(struct str text, uint16_t *out)
{
    uint64_t v;

    if (!str_u64(text, &v) || v == 0 || v > 65535)
        return false;
    *out = (uint16_t)v;
    return true;
}

/* "/pri=N" behind the host. */
static bool priority_read(struct str rest, uint64_t *out)
{
    struct str word;

    *out = 0;
    while (str_word(&rest, &word)) {
        if (!str_startsi(word, str_lit("/pri=")) || !str_u64(str_from(word, 5), out))
            return false;
    }
    return true;
}

static enum rc host_read(struct str word, struct route_host *out)
{
    size_t colon;

    if (str_starts(word, str_lit("["))) {
        size_t close = str_find(word, ']');
        struct str tail = str_from(word, close + 1);

        out->host = str_of(word.p + 1, close - 1);
        if (str_startsi(out->host, str_lit("IPv6:")))
            out->host = str_from(out->host, 5);
        if (close == word.n || !ip_parse(out->host, &out->ip))
            return RC_SYNTAX;
        if (tail.n && (tail.p[0] != ':' || !port_read(str_from(tail, 1), &out->port)))
            return RC_SYNTAX;
        return RC_OK;
    }
    colon = str_find(word, ':');
    if (colon < word.n && str_find(str_from(word, colon + 1), ':') == word.n - colon - 1) { /* one colon only */
        if (!port_read(str_from(word, colon + 1), &out->port))
            return RC_SYNTAX;
        word = str_first(word, colon);
    }
    out->host = word;
    if (!ip_parse(word, &out->ip))
        out->ip.family = AF_UNSPEC;
    return word.n ? RC_OK : RC_SYNTAX;
}

enum rc route_host_parse(struct str text, uint16_t default_port, struct route_host *out, enum route_kind *kind_out)
{
    struct route_host h = {.port = default_port};
    struct str rest = text, word;

    if (!str_word(&rest, &word) || !priority_read(rest, &h.priority))
        return RC_SYNTAX;
    *kind_out = ROUTE_HOSTS;
    if (str_eqi(word, str_lit("USEDNS")))
        *kind_out = ROUTE_MX;
    else if (str_eqi(word, str_lit("/dev/null")))
        *kind_out = ROUTE_DROP;
    else
        TRY(host_read(word, &h));
    h.ip.port = h.port;
    *out = h;
    return RC_OK;
}

/* By priority; equal ones in random order, so that load is shared. */
static void hosts_sort(struct route_host *hosts, size_t n)
{
    for (size_t i = 1; i < n; i++) {
        size_t other = random_u64() % (i + 1);
        struct route_host h = hosts[i];

        hosts[i] = hosts[other];
        hosts[other] = h;
    }
    for (size_t i = 1; i < n; i++) {
        struct route_host h = hosts[i];
        size_t at = i;

        for (; at > 0 && hosts[at - 1].priority > h.priority; at--)
            hosts[at] = hosts[at - 1];
        hosts[at] = h;
    }
}

/* "host:port" or "[address]:port": a next hop that judging named (alternate mail host), no domain: routes say nothing of it.
 */
static bool is_next_hop(struct str name)
{
    size_t colon = str_find_last(name, ':'), close = str_find_last(name, ']');
    uint16_t port;

    return colon < name.n && (close == name.n || close < colon) && port_read(str_from(name, colon + 1), &port);
}

void route_find(struct arena *a, const struct conf *c, struct str domain, struct route *out)
{
    bool direct = is_next_hop(domain);
    bool spam = str_eqi(domain, str_lit("the.euq.release.queue")); /* released spam: hosts of its own (central.md 10) */
    const struct conf_route *row = direct || spam ? NULL : route_row(c, domain);
    struct strs hosts = spam ? c->spam_quarantine.release_hosts : row ? row->hosts : (struct strs){0};
    struct route r = {.kind = spam ? ROUTE_HOSTS : ROUTE_MX, .row = row};

    if (row || spam) {
        r.hosts = arena_must_alloc(a, (hosts.n + 1) * sizeof *r.hosts);
        for (size_t i = 0; i < hosts.n && r.n < ROUTE_HOSTS_MAX; i++) {
            enum route_kind kind;

            if (route_host_parse(hosts.items[i], (uint16_t)c->delivery.port, &r.hosts[r.n], &kind) != RC_OK)
                continue;
            if (kind == ROUTE_HOSTS)
                r.n++;
            else
                r.kind = kind;
        }
        if (r.n)
            r.kind = ROUTE_HOSTS;
        hosts_sort(r.hosts, r.n);
    } else if (direct || str_starts(domain, str_lit("["))) { /* address literal, RFC 5321 4.1.3 */
        enum route_kind kind;

        r.hosts = arena_must_alloc(a, sizeof *r.hosts);
        if (route_host_parse(domain, (uint16_t)c->delivery.port, r.hosts, &kind) == RC_OK)
            r.n = 1;
        r.kind = ROUTE_HOSTS;
    }
    *out = r;
}

const struct conf_destination *destination_settings(const struct conf *c, struct str name)
{
    const struct conf_destination *row = conf_find(&c->destination, name);

    for (size_t i = 0; !row && i < name.n; i++)
        if (name.p[i] == '.')
            row = conf_find(&c->destination, str_from(name, i));
    return row ? row : conf_find(&c->destination, str_lit("default"));
}
