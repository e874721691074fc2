/*
 * tlsverify (spec/cli.md 7.4): does TLS to the mail hosts of a domain work, and is their certificate good? What delivery
 * would do, step by step and aloud: SMTP route or MX, connect, STARTTLS, handshake, certificate.
 *
 * Called through spec/verbs.def. Owns its SSL objects through the command's arena. `TLS completed` says that the handshake
 * went through, the last line whether the certificate is that of the domain. Fails when either did not.
 */
#include "console/ask.h"
#include "console/commands.h"
#include "console/tls_try.h"

#include "base/clock.h"
#include "policy/route.h"

#include <sys/socket.h>

enum { TYPE_MX = 15, STEP_MS = 30000, HOSTS_MOST = 20 };

struct host {
    struct str name;
    struct address_ip ip; /* family 0: to be looked up */
    uint16_t port;
    uint64_t preference;
};

struct verify {
    struct str domain;
    struct host hosts[HOSTS_MOST];
    size_t n;
    struct net_socket *k;
    const struct host *host; /* that answered */
};

/* --- which hosts
 * ------------------------------------------------------------------------------------------------------------ */

static void add(struct verify *v, struct host h)
{
    size_t at = v->n;

    if (v->n == HOSTS_MOST)
        return;
    for (; at > 0 && v->hosts[at - 1].preference > h.preference; at--)
        v->hosts[at] = v->hosts[at - 1];
    v->hosts[at] = h;
    v->n++;
}

static struct str no_dot(struct str name)
{
    return name.n && name.p[name.n - 1] == '.' ? str_first(name, name.n - 1) : name;
}

static enum rc by_mx(struct session *s, struct verify *v, struct err *e)
{
    struct net_question q = {.name = v->domain, .type = TYPE_MX};
    uint16_t port = (uint16_t)session_conf(s)->delivery.port;
    const struct dns_entry *x;
    struct net_answer a;
    size_t at = 0;
    bool null_mx = false;

    TRY(net_ask(s, &q, &a, e));
    if (a.m.rcode)
        return err_set(e, a.m.rcode == 3 ? RC_DNS_NXDOMAIN : RC_DNS_TEMPORARY, "%.*s: %s", STR(v->domain),
                       a.m.rcode == 3 ? "the domain does not exist" : dns_message_rcode(a.m.rcode));
    while ((x = dns_message_next(&a.m, TYPE_MX, &at))) {
        if (no_dot(x->target).n)
            add(v, (struct host){.name = no_dot(x->target), .port = port, .preference = x->preference});
        else
            null_mx = true;
    }
    if (null_mx && !v->n)
        return err_set(e, RC_NO_ROUTE, "%.*s takes no mail (null MX)", STR(v->domain));
    for (size_t i = 0; i < v->n; i++)
        say(s, "MX %u %.*s\n", (unsigned)v->hosts[i].preference, STR(v->hosts[i].name));
    if (!v->n) {
        say(s, "%.*s has no MX record: the domain itself is the host.\n", STR(v->domain));
        add(v, (struct host){.name = v->domain, .port = port});
    }
    return RC_OK;
}

static enum rc find_hosts(struct session *s, struct verify *v, struct str host, struct err *e)
{
    const struct conf *c = session_conf(s);
    enum route_kind kind = ROUTE_HOSTS;
    struct route_host one;
    struct route r;

    if (host.n) {
        if (route_host_parse(host, (uint16_t)c->delivery.port, &one, &kind) != RC_OK || kind != ROUTE_HOSTS)
            return err_set(e, RC_INVALID, "%.*s is no host", STR(str_first(host, 100)));
        add(v, (struct host){one.host, one.ip, one.port, 0});
        return RC_OK;
    }
    route_find(&s->arena, c, v->domain, &r);
    if (r.kind == ROUTE_DROP)
        return err_set(e, RC_NO_ROUTE, "the SMTP route of %.*s drops mail", STR(v->domain));
    if (r.kind == ROUTE_MX)
        return by_mx(s, v, e);
    for (size_t i = 0; i < r.n; i++) {
        say(s, "SMTP route: %.*s port %u\n", STR(r.hosts[i].host), r.hosts[i].port);
        add(v, (struct host){r.hosts[i].host, r.hosts[i].ip, r.hosts[i].port, r.hosts[i].priority});
    }
    return v->n ? RC_OK : err_set(e, RC_NO_ROUTE, "the SMTP route of %.*s names no host", STR(v->domain));
}

/* --- SMTP up to STARTTLS
 * ----------------------------------------------------------------------------------------------------- */

static bool connect_one(struct session *s, struct verify *v, const struct host *h)
{
    struct address_ip all[NET_ADDRESSES], here;
    struct err e = ERR_NONE;
    struct sockaddr_storage local;
    socklen_t size = sizeof local;
    size_t n = 1;
    char text[46], ours[46];

    all[0] = h->ip;
    if (!h->ip.family && net_resolve(s, h->name, AF_UNSPEC, all, &n, &e) != RC_OK) {
        say(s, "%s\n", err_text(&e));
        return false;
    }
    for (size_t i = 0; i < n; i++) {
        all[i].port = h->port;
        say(s, "Connecting to %.*s on port %u.\n", STR(ip_text(&all[i], text)), h->port);
        say_flush(s);
        if (net_connect(s, &all[i], NULL, session_conf(s)->delivery.connect_ms, &v->k, &e) != RC_OK) {
            say(s, "Connecting to %.*s on port %u failed: %s\n", STR(ip_text(&all[i], text)), h->port, err_text(&e));
            continue;
        }
        getsockname(v->k->fd, (struct sockaddr *)&local, &size);
        ip_from_sockaddr((struct sockaddr *)&local, &here);
        say(s, "Connected to %.*s from %.*s.\n", STR(ip_text(&all[i], text)), STR(ip_text(&here, ours)));
        v->host = h;
        return true;
    }
    return false;
}

/* One reply, of one line or many; its code. */
static enum rc reply(struct session *s, struct net_socket *k, struct buf *in, unsigned want, bool *has_starttls,
                     struct err *e)
{
    buf_clear(in);
    for (;;) {
        struct str rest = buf_str(in), line;
        size_t end;

        while ((end = str_find(rest, '\n')) < rest.n) {
            line = str_trim(str_first(rest, end));
            rest = str_from(rest, end + 1);
            if (line.n >= 12 && str_eqi(str_from(line, 4), str_lit("STARTTLS")))
                *has_starttls = true;
            if (line.n < 3 || (line.n > 3 && line.p[3] == '-'))
                continue;
            if ((unsigned)(line.p[0] - '0') == want)
                return RC_OK;
            return err_set(e, RC_TLS_FAILED, "the host answers: %.*s", STR(str_first(line, 300)));
        }
        end = (size_t)net_read(s, k, in, clock_mono_ms() + STEP_MS, e);
        if ((int)end <= 0)
            return (int)end == 0 ? err_set(e, RC_CLOSED, "the host closed the connection") : e->rc;
    }
}

static enum rc start_tls(struct session *s, struct verify *v, struct err *e)
{
    struct buf *in = session_buf(s, 65536);
    struct str hello = arena_printf(&s->arena, "EHLO %.*s\r\n", STR(session_conf(s)->system.hostname));
    bool offered = false;

    TRY(reply(s, v->k, in, 2, &offered, e));
    offered = false;
    TRY(net_write(s, v->k, hello, clock_mono_ms() + STEP_MS, e));
    TRY(reply(s, v->k, in, 2, &offered, e));
    if (!offered)
        return err_set(e, RC_TLS_FAILED, "the host does not offer STARTTLS");
    TRY(net_write(s, v->k, str_lit("STARTTLS\r\n"), clock_mono_ms() + STEP_MS, e));
    return reply(s, v->k, in, 2, &offered, e);
}

/* --- the command
 * ---------------------------------------------------------------------------------------------------------------
 */

static void show_tls(struct session *s, const struct tls_try *t)
{
    say(s, "TLS connection established: protocol %s, cipher %s.\nVerifying peer certificate.\n", t->protocol, t->cipher);
    if (t->subject.n)
        say(s, "Certificate of %.*s, issued by %.*s, valid until %.*s\n", STR(t->subject), STR(t->issuer), STR(t->until));
    if (t->matched.n)
        say(s, "TLS certificate match %.*s\n", STR(t->matched));
    if (t->verified)
        say(s, "TLS certificate verified.\n");
    else
        say(s, "TLS certificate not verified: %s.\n", t->why);
}

static bool try_domain(struct session *s, struct verify *v, struct str host, struct err *e)
{
    const struct conf *c = session_conf(s);
    struct tls_try t = {
        .ca_file = c->tls.ca_file, .ciphers = c->tls.outbound_ciphers, .oldest = c->tls.outbound_min_version};
    struct str names[2] = {v->domain, STR_NONE};

    if (find_hosts(s, v, host, e) != RC_OK)
        return false;
    for (size_t i = 0; i < v->n && !v->host; i++)
        connect_one(s, v, &v->hosts[i]);
    if (!v->host) {
        err_set(e, RC_CONNECT, "no host could be connected to");
        return false;
    }
    say(s, "Checking TLS connection.\n");
    say_flush(s);
    names[1] = v->host->ip.family ? STR_NONE : v->host->name;
    t.names = (struct strs){names, names[1].n && !str_eqi(names[0], names[1]) ? 2 : 1};
    t.server = names[1].n ? names[1] : v->domain;
    if (start_tls(s, v, e) != RC_OK || tls_try(s, v->k, &t, clock_mono_ms() + STEP_MS, e) != RC_OK)
        return false;
    show_tls(s, &t);
    say(s, "\nTLS completed\n");
    if (!t.verified)
        err_set(e, RC_TLS_FAILED, "%s", t.why);
    return true;
}

enum rc cmd_tlsverify(struct session *s)
{
    struct verify v = {.domain = STR_NONE};
    struct err e = ERR_NONE;
    struct str host = STR_NONE;

    if (s->args.n > 2)
        return session_usage(s);
    v.domain = ask_value(s, "Enter the TLS domain to verify against:", NULL, NULL, NULL);
    if (s->args.n == 2)
        host = ask_next(s);
    else if (!s->args.n)
        host = ask_optional(
            s, "Enter the destination host to connect to, with :port when it is not 25 (empty: its SMTP route or MX):", NULL,
            NULL);
    if (!try_domain(s, &v, host, &e))
        say(s, "\nTLS failed: %s\n", err_text(&e));
    if (e.rc == RC_OK)
        say(s, "TLS verification of %.*s succeeded.\n", STR(v.domain));
    else
        say(s, "TLS verification of %.*s failed: %s\n", STR(v.domain), err_text(&e));
    return e.rc;
}
