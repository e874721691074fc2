/*
 * What a configuration makes of each row of the table of ports: one function a row, named in its column `find`.
 *
 * Called by firewall.c. Owns nothing. Ports in a laboratory are its base plus the usual ones; which row a listener belongs
 * to is told by its usual port.
 */
#include "policy/firewall_find.h"

#include "net/engine_address.h"

#include <inttypes.h>

enum {
    QMQP = 1,
    LOG_FTP = 1,
    LOG_SCP,
    LOG_SYSLOG,
    SYSLOG_TLS = 2
}; /* choices of listener.protocol, log.retrieval, log.protocol */

void find_off(struct finding *f)
{
    (void)f;
}

/* --- what listens -------------------------------------------------------------------------------------------------------
 */

void finding_interface(struct finding *f, const struct conf_interface *i, uint64_t port, struct str owner)
{
    if (i && i->address.n)
        finding_add(f, FIREWALL_IN, "", port, i->address, owner);
    if (i && i->address6.n)
        finding_add(f, FIREWALL_IN, "", port, i->address6, owner);
}

#define SERVICE_OF_INTERFACE(find, on, port) \
    void find(struct finding *f) \
    { \
        for (size_t i = 0; i < f->c->interface.n; i++) \
            if (f->c->interface.items[i].on) \
                finding_interface(f, &f->c->interface.items[i], f->c->interface.items[i].port, \
                                  f->c->interface.items[i].name); \
    }
SERVICE_OF_INTERFACE(find_ftp_server, ftp, ftp_port)
SERVICE_OF_INTERFACE(find_ssh_server, ssh, ssh_port)
SERVICE_OF_INTERFACE(find_http_server, http, http_port)
SERVICE_OF_INTERFACE(find_https_server, https, https_port)
SERVICE_OF_INTERFACE(find_api_http, api_http, api_http_port)
SERVICE_OF_INTERFACE(find_api_https, api_https, api_https_port)

void find_trailblazer(struct finding *f)
{
    for (size_t i = 0; i < f->c->interface.n && f->c->http.trailblazer; i++)
        if (f->c->interface.items[i].https)
            finding_interface(f, &f->c->interface.items[i], f->c->http.trailblazer_port, f->c->interface.items[i].name);
}

void find_ftp_data(struct finding *f)
{
    const struct conf_ftp *ftp = &f->c->ftp;
    struct str range = arena_printf(f->a, "%" PRIu64 "-%" PRIu64, ftp->passive_first, ftp->passive_last);

    for (size_t i = 0; i < f->c->interface.n; i++) {
        const struct conf_interface *x = &f->c->interface.items[i];
        size_t before = f->n;

        if (!x->ftp)
            continue;
        finding_interface(f, x, 0, x->name);
        for (; before < f->n; before++)
            f->items[before].port = range;
        if (ftp->active)
            finding_add(f, FIREWALL_OUT, "", 0, str_lit("FTP clients"), x->name);
    }
}

static uint64_t usual(const struct conf *c, uint64_t port)
{
    return port > c->system.lab_base ? port - c->system.lab_base : port;
}

static void add_listener(struct finding *f, const struct conf_listener *l)
{
    for (size_t i = 0; i < l->address.n; i++)
        finding_add(f, FIREWALL_IN, "", l->port, l->address.items[i], l->name);
    if (!l->address.n)
        finding_interface(f, conf_find(&f->c->interface, l->interface), l->port, l->name);
}

/* Of rows 25, 587 and 465: the first takes what is on neither of the others. */
void find_smtp_in(struct finding *f)
{
    enum { SMTP = 25, SUBMISSION = 587, SUBMISSIONS = 465 };
    uint64_t row = firewall_usual_port(f->row);

    for (size_t i = 0; i < f->c->listener.n; i++) {
        const struct conf_listener *l = &f->c->listener.items[i];
        uint64_t port = usual(f->c, l->port);

        if (port != SUBMISSION && port != SUBMISSIONS)
            port = SMTP;
        if (l->enabled && l->protocol != QMQP && port == row)
            add_listener(f, l);
    }
}

void find_qmqp(struct finding *f)
{
    for (size_t i = 0; i < f->c->listener.n; i++)
        if (f->c->listener.items[i].enabled && f->c->listener.items[i].protocol == QMQP)
            add_listener(f, &f->c->listener.items[i]);
}

void find_snmp(struct finding *f)
{
    const struct conf_interface *i = conf_find(&f->c->interface, f->c->snmp.interface);

    if (!f->c->snmp.enabled)
        return;
    if (i)
        finding_interface(f, i, f->c->snmp.port, i->name);
    else
        finding_add(f, FIREWALL_IN, "", f->c->snmp.port, str_lit("127.0.0.1"), STR_NONE);
}

/* --- what is asked --------------------------------------------------------------------------------------------------------
 */

/* "host", "host:port", "[address]:port", "address@port". */
static struct str split_port(struct str s, char mark, uint64_t *port)
{
    size_t at = str_find_last(s, mark);

    if (s.n && s.p[0] == '[') {
        size_t end = str_find(s, ']');

        if (end + 1 < s.n && s.p[end + 1] == mark)
            str_u64(str_from(s, end + 2), port);
        return str_first(str_from(s, 1), end - 1);
    }
    if (at == s.n || (mark == ':' && str_find(s, ':') != at)) /* an IPv6 address has more than one colon */
        return s;
    str_u64(str_from(s, at + 1), port);
    return str_first(s, at);
}

static void add_host(struct finding *f, const char *protocol, struct str host, char mark, uint64_t port, struct str owner)
{
    host = split_port(host, mark, &port);
    finding_add(f, FIREWALL_OUT, protocol, port, host, owner);
}

static void add_pushes(struct finding *f, uint64_t retrieval, bool tls, uint64_t port)
{
    static const char *const protocols[] = {"UDP", "TCP", "TCP"};

    for (size_t i = 0; i < f->c->log.n; i++) {
        const struct conf_log *l = &f->c->log.items[i];

        if (l->retrieval != retrieval || (retrieval == LOG_SYSLOG && (l->protocol == SYSLOG_TLS) != tls))
            continue;
        finding_add(f, FIREWALL_OUT, retrieval == LOG_SYSLOG ? protocols[l->protocol] : "", l->port ? l->port : port,
                    l->host, l->name);
    }
}

void find_ftp_push(struct finding *f)
{
    add_pushes(f, LOG_FTP, false, 21);
}

void find_scp_push(struct finding *f)
{
    add_pushes(f, LOG_SCP, false, 22);
}

void find_syslog(struct finding *f)
{
    add_pushes(f, LOG_SYSLOG, false, 514);
}

void find_syslog_tls(struct finding *f)
{
    add_pushes(f, LOG_SYSLOG, true, 6514);
}

/* Mail goes to the port of delivery, and to the ports that routes name. */
void find_smtp_out(struct finding *f)
{
    finding_add(f, FIREWALL_OUT, "", f->c->delivery.port, STR_NONE, STR_NONE);
    for (size_t i = 0; i < f->c->route.n; i++) {
        const struct conf_route *r = &f->c->route.items[i];

        for (size_t j = 0; j < r->hosts.n; j++) {
            struct str rest = r->hosts.items[j], host = STR_NONE;
            uint64_t port = f->c->delivery.port;

            str_word(&rest, &host);
            if (str_eqi(host, str_lit("USEDNS")) || str_eqi(host, str_lit("/dev/null")))
                continue;
            host = split_port(host, ':', &port);
            if (port != f->c->delivery.port)
                finding_add(f, FIREWALL_OUT, "", port, host, r->name);
        }
    }
}

void find_dns(struct finding *f)
{
    const struct conf_dns *d = &f->c->dns;
    uint64_t port = firewall_usual_port(f->row);

    if (!d->servers.n)
        finding_add(f, FIREWALL_OUT, "", port, str_lit("any (root servers and on)"), STR_NONE);
    for (size_t i = 0; i < d->servers.n; i++)
        add_host(f, "", d->servers.items[i], '@', port, STR_NONE);
    for (size_t i = 0; i < d->domain_servers.n; i++) {
        struct str rest = d->domain_servers.items[i], zone, server;

        for (str_word(&rest, &zone); str_word(&rest, &server);)
            add_host(f, "", server, '@', port, zone);
    }
}

void find_mta_sts(struct finding *f)
{
    if (f->c->dns.sts)
        finding_add(f, FIREWALL_OUT, "", f->c->dns.sts_port, STR_NONE, STR_NONE);
}

/* Row 389: plain and STARTTLS; row 636: TLS from the start. */
static void add_directories(struct finding *f, bool tls)
{
    enum { SSL_FROM_START = 1 };

    for (size_t i = 0; i < f->c->ldap_server.n; i++) {
        const struct conf_ldap_server *s = &f->c->ldap_server.items[i];

        for (size_t j = 0; j < s->hosts.n && (s->tls == SSL_FROM_START) == tls; j++)
            add_host(f, "", s->hosts.items[j], ':', s->port, s->name);
    }
}

void find_ldap(struct finding *f)
{
    add_directories(f, false);
}

void find_ldaps(struct finding *f)
{
    add_directories(f, true);
}

void find_ntp(struct finding *f)
{
    const struct conf_ntp *n = &f->c->ntp;
    bool lab = f->c->system.lab, four = false, six = false;

    for (size_t k = 0; k < n->servers.n; k++)
        add_host(f, "", n->servers.items[k], ':', firewall_usual_port(f->row), STR_NONE);
    if (!n->serve || !n->servers.n)
        return;
    for (size_t k = 0; k < n->serve_to.n; k++) { /* chronyd opens the families that somebody may ask it by */
        bool all = str_eqi(n->serve_to.items[k], str_lit("all"));

        six = six || all || str_find(n->serve_to.items[k], ':') < n->serve_to.items[k].n;
        four = four || all || str_find(n->serve_to.items[k], ':') == n->serve_to.items[k].n;
    }
    if (four)
        finding_add(f, FIREWALL_IN, "", n->port, lab ? str_lit("127.0.0.1") : str_lit("0.0.0.0"), STR_NONE);
    if (six)
        finding_add(f, FIREWALL_IN, "", n->port, lab ? str_lit("::1") : str_lit("::"), STR_NONE);
}

void find_traps(struct finding *f)
{
    const struct conf_snmp *s = &f->c->snmp;

    for (size_t i = 0; i < s->trap_targets.n && s->enabled; i++)
        if (!str_eqi(s->trap_targets.items[i], str_lit("none")))
            add_host(f, "", s->trap_targets.items[i], ':', firewall_usual_port(f->row), STR_NONE);
}

/* Those on this machine need no firewall's leave. */
static void add_engine(struct finding *f, bool on, struct str address, const char *setting)
{
    struct engine_address a;
    char text[46];

    if (on && engine_address_parse(address, &a) && !engine_address_local(&a))
        finding_add(f, FIREWALL_OUT, "", a.ip.port, arena_str(f->a, ip_text(&a.ip, text)), str_c(setting));
}

static void watched_url(struct finding *f)
{
    struct str url = f->c->snmp.url, host = str_from(url, str_find_str(url, str_lit("://")) + 3);

    if (!f->c->snmp.enabled || !url.n)
        return;
    host = str_first(host, str_find(host, '/'));
    add_host(f, "", host, ':', str_startsi(url, str_lit("https:")) ? 443 : 80, str_lit("snmp.url"));
}

void find_back_ends(struct finding *f)
{
    enum { RSPAMD, SPAMD }; /* choices of antispam.engine */
    const struct conf_antispam *spam = &f->c->antispam;

    add_engine(f, spam->enabled && spam->engine != SPAMD, spam->rspamd_address, "antispam.rspamd_address");
    add_engine(f, spam->enabled && spam->engine != SPAMD, spam->rspamd_controller, "antispam.rspamd_controller");
    add_engine(f, spam->enabled && spam->engine != RSPAMD, spam->spamd_address, "antispam.spamd_address");
    add_engine(f, f->c->antivirus.enabled, f->c->antivirus.clamd_address, "antivirus.clamd_address");
    watched_url(f);
}

void find_service(struct finding *f)
{
    const struct conf_service_host *h = conf_find(&f->c->service_host, str_c(f->row->service));

    for (size_t i = 0; h && i < h->hosts.n && firewall_direction(f->row, f->c) != FIREWALL_NONE; i++)
        finding_add(f, firewall_direction(f->row, f->c), "", h->port, h->hosts.items[i], h->name);
}
