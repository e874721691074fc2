/*
 * dig and nslookup (spec/cli.md 7.4).
 *
 * Called through spec/verbs.def. Asks name servers itself (net_dns.c), so that it shows what a server says and not what
 * role lookup made of it. An answer that says no (NXDOMAIN, SERVFAIL) is an answer; none in time fails the command.
 */
#include "console/ask.h"
#include "console/commands.h"
#include "console/net.h"
#include "mail/dns.h"

#include <inttypes.h>
#include <time.h>

enum { TYPE_A = 1, TYPE_PTR = 12, TYPE_AAAA = 28, CLASS_IN = 1 };

struct dig {
    struct net_question q;

    struct str server, source;
    bool reverse;
};

/* --- arguments
 * --------------------------------------------------------------------------------------------------------------- */

static bool take(struct session *s, struct dig *d, size_t *i)
{
    struct str w = arg(s, *i);

    if (str_starts(w, str_lit("@")) && w.n > 1) {
        d->server = str_from(w, 1);
    } else if (arg_is(s, *i, "-s") && *i + 1 < s->args.n) {
        d->source = arg(s, ++*i);
    } else if (arg_is(s, *i, "-t")) {
        d->q.tcp = true;
    } else if (arg_is(s, *i, "-u")) {
        d->q.udp = true;
    } else if (arg_is(s, *i, "-x")) {
        d->reverse = true;
    } else if (str_starts(w, str_lit("-"))) {
        return false;
    } else if (dns_message_type_of(w) && !d->q.type && *i + 1 < s->args.n) {
        d->q.type = dns_message_type_of(w);
    } else if (!d->q.name.n) {
        d->q.name = w;
    } else if (dns_message_type_of(w) && !d->q.type) {
        d->q.type = dns_message_type_of(w); /* NAME TYPE, as many type it */
    } else {
        return false;
    }
    return true;
}

/* -x: the name of an address. */
static bool turn_round(struct session *s, struct dig *d)
{
    struct address_ip ip;

    if (!ip_parse(d->q.name, &ip))
        return false;
    d->q.name = dns_reverse_name(&s->arena, str_of(ip.octets, ip.family == AF_INET ? 4 : 16));
    if (!d->q.type)
        d->q.type = TYPE_PTR;
    return true;
}

/* The server by address, or by a name that is looked up first. */
static enum rc find_server(struct session *s, struct str text, struct address_ip *out, struct err *e)
{
    struct address_ip all[NET_ADDRESSES];
    size_t n;

    if (net_server(text, out))
        return RC_OK;
    TRY(net_resolve(s, text, AF_UNSPEC, all, &n, e));
    *out = all[0];
    return RC_OK;
}

/* --- output --------------------------------------------------------------------------------------------------------------
 */

static void show_header(struct session *s, const struct dns_message *m)
{
    static const char *const ops[] = {"QUERY", "IQUERY", "STATUS", "RESERVED3", "NOTIFY", "UPDATE"};
    const struct {
        bool on;
        const char *name;
    } flags[] = {{m->reply, "qr"},     {m->authoritative, "aa"}, {m->truncated, "tc"}, {m->wants_recursion, "rd"},
                 {m->recursion, "ra"}, {m->authentic, "ad"},     {m->unchecked, "cd"}};

    say(s, ";; Got answer:\n;; ->>HEADER<<- opcode: %s, status: %s, id: %u\n;; flags:", m->opcode < 6 ? ops[m->opcode] : "?",
        dns_message_rcode(m->rcode), m->id);
    for (size_t i = 0; i < sizeof flags / sizeof *flags; i++)
        if (flags[i].on)
            say(s, " %s", flags[i].name);
    say(s, "; QUERY: %d, ANSWER: %zu, AUTHORITY: %zu, ADDITIONAL: %zu\n", m->question.n > 0, m->section[DNS_ANSWER].n,
        m->section[DNS_AUTHORITY].n, m->section[DNS_ADDITIONAL].n + m->edns);
    if (m->edns)
        say(s, "\n;; OPT PSEUDOSECTION:\n; EDNS: version: 0, udp: %u\n", m->edns_size);
}

static void show_entry(struct session *s, const struct dns_entry *x)
{
    struct str type = dns_message_type(&s->arena, x->type);

    say(s, "%-23.*s %-7" PRIu32 " %s\t%.*s\t%.*s\n", STR(x->owner), x->ttl, x->class == CLASS_IN ? "IN" : "CH", STR(type),
        STR(x->text));
}

static void show(struct session *s, const struct net_answer *a)
{
    static const char *const names[] = {"ANSWER", "AUTHORITY", "ADDITIONAL"};
    char address[46], when[40];
    struct str server = ip_text(&a->server, address), type = dns_message_type(&s->arena, a->m.question_type);
    time_t now = time(NULL);
    struct tm tm;

    show_header(s, &a->m);
    if (a->m.question.n)
        say(s, "\n;; QUESTION SECTION:\n;%-22.*s         IN\t%.*s\n", STR(a->m.question), STR(type));
    for (unsigned i = 0; i < DNS_SECTIONS; i++) {
        if (a->m.section[i].n)
            say(s, "\n;; %s SECTION:\n", names[i]);
        for (size_t k = 0; k < a->m.section[i].n && !s->quiet; k++)
            show_entry(s, &a->m.section[i].entries[k]);
    }
    strftime(when, sizeof when, "%a %b %d %H:%M:%S UTC %Y", gmtime_r(&now, &tm));
    say(s, "\n;; Query time: %" PRIu64 " msec\n;; SERVER: %.*s#%u(%.*s) (%s)\n;; WHEN: %s\n;; MSG SIZE  rcvd: %zu\n\n",
        a->ms, STR(server), a->server.port, STR(server), a->tcp ? "TCP" : "UDP", when, a->octets);
}

static void echo_words(struct session *s)
{
    say(s, "\n; <<>> dig <<>>");
    for (size_t i = 0; i < s->args.n; i++)
        say(s, " %.*s", STR(s->args.items[i]));
    say(s, "\n");
}

static enum rc run(struct session *s, struct dig *d)
{
    struct address_ip server = {0};
    struct net_answer a;
    struct err e = ERR_NONE;

    if (d->server.n) {
        if (find_server(s, d->server, &server, &e) != RC_OK)
            return session_fail(s, &e);
        d->q.server = &server;
    }
    if (d->source.n && !net_source(s, d->source, server.family ? server.family : AF_INET, &d->q.from))
        return session_missing(s, "The interface", d->source);
    if (!d->q.type)
        d->q.type = TYPE_A;
    echo_words(s);
    say_flush(s);
    if (net_ask(s, &d->q, &a, &e) != RC_OK) {
        if (e.rc == RC_INVALID)
            return session_fail(s, &e);
        say(s, ";; connection failed; no server could be reached: %s\n", err_text(&e));
        return e.rc;
    }
    show(s, &a);
    return RC_OK;
}

enum rc cmd_dig(struct session *s)
{
    struct dig d = {.server = STR_NONE};

    for (size_t i = 0; i < s->args.n; i++)
        if (!take(s, &d, &i))
            return session_usage(s);
    if (s->args.n == 0)
        d.q.name = ask_value(s, "Enter the name you want to look up.", NULL, NULL, NULL);
    if (!d.q.name.n || (d.q.tcp && d.q.udp) || (d.reverse && !turn_round(s, &d)))
        return session_usage(s);
    return run(s, &d);
}

/* --- nslookup
 * ---------------------------------------------------------------------------------------------------------------- */

static void show_short(struct session *s, const struct dns_entry *x)
{
    struct str text = x->text;

    if (x->target.n > 1 && text.p[text.n - 1] == '.')
        text.n--;
    say(s, "%.*s=%.*s TTL=%" PRIu32 "\n", STR(dns_message_type(&s->arena, x->type)), STR(text), x->ttl);
}

/* All records of an answer; how many. */
static enum rc look_up(struct session *s, struct str name, uint16_t type, size_t *shown)
{
    struct net_question q = {.name = name, .type = type};
    struct net_answer a;
    struct err e = ERR_NONE;

    if (net_ask(s, &q, &a, &e) != RC_OK) {
        say(s, "DNS lookup failed: %s\n", err_text(&e));
        return e.rc;
    }
    for (size_t i = 0; i < a.m.section[DNS_ANSWER].n; i++, ++*shown)
        show_short(s, &a.m.section[DNS_ANSWER].entries[i]);
    if (a.m.rcode == 3) {
        say(s, "%.*s: the name does not exist (NXDOMAIN)\n", STR(name));
        return RC_DNS_NXDOMAIN;
    }
    if (a.m.rcode) {
        say(s, "%.*s: the name server answers %s\n", STR(name), dns_message_rcode(a.m.rcode));
        return RC_DNS_TEMPORARY;
    }
    return RC_OK;
}

static bool is_type(struct session *s, void *ctx, struct str answer)
{
    *(uint16_t *)ctx = dns_message_type_of(answer);
    if (*(uint16_t *)ctx)
        return true;
    say(s, "%.*s is no type of record: A AAAA CNAME MX NS PTR SOA SRV TLSA TXT ...\n", STR(str_first(answer, 40)));
    return false;
}

enum rc cmd_nslookup(struct session *s)
{
    struct str name, type_name;
    struct address_ip ip;
    uint16_t type = TYPE_A;
    size_t shown = 0;

    if (s->args.n > 2)
        return session_usage(s);
    name = ask_value(s, "Please enter the host or IP address to resolve.", NULL, NULL, NULL);
    if (ip_parse(name, &ip)) {
        name = dns_reverse_name(&s->arena, str_of(ip.octets, ip.family == AF_INET ? 4 : 16));
        type = TYPE_PTR;
    } else if (s->args.n != 1) {
        type_name = ask_value(s, "Choose the query type: A AAAA CNAME MX NS PTR SOA SRV TLSA TXT", "A", is_type, &type);
        type = dns_message_type_of(type_name);
    }
    TRY(look_up(s, name, type, &shown));
    if (!shown && s->args.n == 1 && type == TYPE_A)
        TRY(look_up(s, name, TYPE_AAAA, &shown));
    if (!shown)
        say(s, "%.*s has no record of this type\n", STR(name));
    return shown ? RC_OK : RC_NOT_FOUND;
}
