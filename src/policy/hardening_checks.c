/*
 * The hardening checks, one function each. See hardening_checks.h.
 *
 * Called by hardening.c through its table. Owns nothing. A check adds one line of what it found and says whether that is
 * good; it looks at the configuration, and check_tls at what the ports answered.
 */
#include "policy/hardening_checks.h"

#include "conf/rules.h"
#include "net/socket.h"
#include "policy/access.h"
#include "policy/firewall.h"

#include <inttypes.h>

enum {
    PUBLIC,
    ACCEPT = 0,
    RELAY = 1,
    QMQP = 1,
    OFF = 0,
    REQUIRED = 2,
    AUTH_PRIV = 1,
    TRAPS_V2C = 0
}; /* choices of settings */

/* ", " between parts of a list, begun by `first` words. */
static void part(struct buf *found, size_t *n, const char *first)
{
    buf_add(found, (*n)++ ? str_lit(", ") : str_c(first));
}

static enum hardening_verdict say(struct buf *found, enum hardening_verdict v, const char *text)
{
    buf_add(found, str_c(text));
    return v;
}

/* --- what is public -------------------------------------------------------------------------------------------------------
 */

static bool is_private(struct str address)
{
    static const struct {
        const char *net;
        unsigned bits;
    } nets[] = {{"10.0.0.0", 8},    {"172.16.0.0", 12}, {"192.168.0.0", 16}, {"127.0.0.0", 8}, {"169.254.0.0", 16},
                {"100.64.0.0", 10}, {"fc00::", 7},      {"fe80::", 10},      {"::1", 128}};
    struct address_ip ip, net;

    if (!ip_parse(address, &ip))
        return false;
    for (size_t i = 0; i < sizeof nets / sizeof *nets; i++)
        if (ip_parse(str_c(nets[i].net), &net) && ip_in(&ip, &net, nets[i].bits))
            return true;
    return false;
}

static const struct conf_listener *public_listener(const struct conf *c, const struct conf_interface *i)
{

    for (size_t at = 0; at < c->listener.n; at++) {
        const struct conf_listener *l = &c->listener.items[at];

        if (!l->enabled || l->type != PUBLIC)
            continue;
        if (!l->address.n && str_eqi(l->interface, i->name))
            return l;
        for (size_t k = 0; k < l->address.n; k++)
            if (str_eqi(l->address.items[k], i->address) || str_eqi(l->address.items[k], i->address6))
                return l;
    }
    return NULL;
}

bool hardening_public(const struct conf *c, const struct conf_interface *i)
{
    return public_listener(c, i) || (i->address.n && !is_private(i->address)) || (i->address6.n && !is_private(i->address6));
}

static bool every_address(const struct conf_interface *i)
{
    return str_eq(i->address, str_lit("0.0.0.0")) || str_eq(i->address6, str_lit("::"));
}

/* Addresses far apart that no list of an operator's own names together. */
static bool open_to_all(const struct conf *c)
{
    static const char *const strangers[][2] = {{"1.0.0.1", "223.255.255.254"}, {"2000::1", "3fff::1"}};
    struct access *a = NULL;
    bool open = false;

    if (access_new(&c->access, &a, NULL) != RC_OK)
        return true;
    for (size_t i = 0; i < 2 && !open; i++) {
        struct address_ip x, y;

        open = ip_parse(str_c(strangers[i][0]), &x) && ip_parse(str_c(strangers[i][1]), &y) && access_allows(a, &x, NULL) &&
               access_allows(a, &y, NULL);
    }
    access_free(a);
    return open;
}

bool hardening_ssh_exposed(const struct conf *c, const struct conf_interface *i)
{
    return i->ssh && hardening_public(c, i) && open_to_all(c);
}

/* --- who may manage the machine -------------------------------------------------------------------------------------------
 */

enum hardening_verdict check_ssh(const struct hardening_facts *f, struct buf *found)
{
    size_t n = 0, on = 0;

    for (size_t at = 0; at < f->c->interface.n; at++) {
        const struct conf_interface *i = &f->c->interface.items[at];

        const struct conf_listener *l = public_listener(f->c, i);

        on += i->ssh != 0;
        if (!hardening_ssh_exposed(f->c, i))
            continue;
        part(found, &n, "SSH can be reached from everywhere on interface ");
        buf_addf(found, "%.*s, port %" PRIu64, STR(i->name), i->ssh_port);
        if (l)
            buf_addf(found, " (it has the public listener %.*s)", STR(l->name));
        else
            buf_add(found, every_address(i) ? str_lit(" (it is on every address)") : str_lit(" (it has a public address)"));
    }
    if (n)
        return HARDENING_FAIL;
    return say(found, HARDENING_PASS,
               !on                 ? "SSH is off"
               : open_to_all(f->c) ? "SSH is on interfaces without public listener and public address only"
                                   : "SSH takes listed addresses only");
}

static enum hardening_verdict listed_only(const struct hardening_facts *f, bool on, struct buf *found)
{
    if (!on)
        return say(found, HARDENING_PASS, "off on every interface");
    if (open_to_all(f->c))
        return say(found, HARDENING_FAIL, "every address may connect");
    buf_addf(found, "%zu listed addresses and %zu proxies may connect", f->c->access.allowed.n, f->c->access.proxies.n);
    return HARDENING_PASS;
}

enum hardening_verdict check_web_access(const struct hardening_facts *f, struct buf *found)
{
    bool on = false;

    for (size_t at = 0; at < f->c->interface.n; at++) {
        const struct conf_interface *i = &f->c->interface.items[at];

        on = on || i->http || i->https || i->api_http || i->api_https;
    }
    buf_add(found, str_lit("GUI and API: "));
    return listed_only(f, on, found);
}

enum hardening_verdict check_cli_access(const struct hardening_facts *f, struct buf *found)
{
    bool on = false;

    for (size_t at = 0; at < f->c->interface.n; at++) {
        const struct conf_interface *i = &f->c->interface.items[at];

        on = on || i->ssh;
    }
    buf_add(found, str_lit("command line: "));
    return listed_only(f, on, found);
}

enum hardening_verdict check_host_header(const struct hardening_facts *f, struct buf *found)
{
    if (f->c->access.host_header)
        return say(found, HARDENING_PASS, "the Host header of web requests is checked");
    return say(found, HARDENING_FAIL, "the Host header of web requests is not checked");
}

enum hardening_verdict check_host_header_choice(const struct hardening_facts *f, struct buf *found)
{
    if (f->c->access.host_header)
        return say(found, HARDENING_PASS, "the check of the Host header is optional, and on");
    return say(found, HARDENING_PASS, "the check of the Host header is optional, and was switched off on purpose");
}

enum hardening_verdict check_scripting(const struct hardening_facts *f, struct buf *found)
{
    buf_addf(found, "protection against cross-site scripting is %s, against request forgery %s",
             f->c->access.xss ? "on" : "off", f->c->access.csrf ? "on" : "off");
    return f->c->access.xss && f->c->access.csrf ? HARDENING_PASS : HARDENING_FAIL;
}

/* --- mail -----------------------------------------------------------------------------------------------------------------
 */

enum hardening_verdict check_relay_rules(const struct hardening_facts *f, struct buf *found)
{
    struct str group, listener;
    size_t n = 0;

    while (conf_opens_relay(f->c, NULL, n, &group, &listener)) {
        part(found, &n, "relaying is allowed to ");
        buf_addf(found, "sender group %.*s on the public listener %.*s", STR(group), STR(listener));
    }
    return n ? HARDENING_FAIL : say(found, HARDENING_PASS, "no public listener has a RELAY rule");
}

static bool belongs(const struct conf_sender_group *g, const struct conf_listener *l)
{
    for (size_t i = 0; i < g->listener.n; i++)
        if (str_eqi(g->listener.items[i], l->name) || str_eqi(g->listener.items[i], str_lit("all")))
            return true;
    return g->listener.n == 0;
}

/* A login is never offered without TLS, so a policy that asks for one needs TLS, and its listener a certificate. */
enum hardening_verdict check_auth(const struct hardening_facts *f, struct buf *found)
{
    size_t wanted = 0, broken = 0;

    for (size_t at = 0; at < f->c->listener.n; at++) {
        const struct conf_listener *l = &f->c->listener.items[at];

        for (size_t j = 0; j < f->c->sender_group.n; j++) {
            const struct conf_sender_group *g = &f->c->sender_group.items[j];

            const struct conf_mail_flow_policy *p = conf_find(&f->c->mail_flow_policy, g->policy);

            if (l->type != PUBLIC || !l->enabled || l->protocol == QMQP || !p || p->behavior > RELAY || p->auth == OFF ||
                !belongs(g, l))
                continue;
            wanted++;
            if (p->auth != REQUIRED || (p->tls != OFF && f->c->certificate.n))
                continue;
            part(found, &broken, "a login is required where it cannot be offered, without TLS: ");
            buf_addf(found, "policy %.*s on listener %.*s", STR(p->name), STR(l->name));
        }
    }
    if (broken)
        return HARDENING_FAIL;
    return wanted ? say(found, HARDENING_PASS,
                        "public listeners let users who log in relay, and offer the login under TLS only")
                  : say(found, HARDENING_NA, "no public listener offers a login: nobody outside relays");
}

/* --- what is not built yet ------------------------------------------------------------------------------------------------
 */

enum hardening_verdict check_support(const struct hardening_facts *f, struct buf *found)
{
    (void)f;
    return say(found, HARDENING_NA, "this machine has no support access");
}

enum hardening_verdict check_cloud(const struct hardening_facts *f, struct buf *found)
{
    (void)f;
    return say(found, HARDENING_NA, "this machine is not in a cloud site");
}

enum hardening_verdict check_visitor(const struct hardening_facts *f, struct buf *found)
{
    (void)f;
    return say(found, HARDENING_PASS, "the spam quarantine pages (82, 83) are off");
}

/* --- TLS ------------------------------------------------------------------------------------------------------------------
 */

static bool has_id(const struct firewall_row *row, const char *id)
{
    struct str rest = str_c(row->ids), word;

    while (str_word(&rest, &word))
        if (str_eq(word, str_c(id)))
            return true;
    return false;
}

struct hardening_ports hardening_tls_ports(const struct conf *c, struct arena *a)
{
    static const struct {
        const char *id, *name;
        bool starttls;
    } services[] = {{"FW-06", "smtp", true},   {"FW-52", "submission", true},   {"FW-55", "submission", true},
                    {"FW-21", "https", false}, {"FW-39", "trailblazer", false}, {"FW-48", "api_https", false}};
    struct firewall_lines lines = firewall_lines(c, false, a);
    struct hardening_ports out = {arena_must_alloc(a, (lines.n + 1) * sizeof *out.items), 0};

    for (size_t i = 0; i < lines.n; i++) {
        const struct firewall_line *l = &lines.items[i];

        for (size_t k = 0; k < sizeof services / sizeof *services && l->direction == FIREWALL_IN; k++)
            if (has_id(l->row, services[k].id))
                out.items[out.n++] = (struct hardening_port){
                    .name = arena_printf(a, "%s %.*s", services[k].name, STR(l->owner)),
                    .address = l->address,
                    .port = (uint16_t)l->number,
                    .starttls = services[k].starttls,
                };
    }
    return out;
}

/* A port that does not answer has shown nothing, so it fails; one that nothing listens on takes nothing. */
enum hardening_verdict check_tls(const struct hardening_facts *f, struct buf *found)
{
    size_t bad = 0;

    for (size_t at = 0; at < f->ports.n; at++) {
        const struct hardening_port *p = &f->ports.items[at];

        if (!p->taken && !p->why)
            continue;
        part(found, &bad, "");
        buf_addf(found, "%.*s, port %u ", STR(p->name), (unsigned)p->port);
        buf_addf(found, "%s: %s", p->taken ? "takes" : "could not be asked", p->taken ? p->taken : p->why);
    }
    if (bad)
        return HARDENING_FAIL;
    if (!f->ports.n)
        return say(found, HARDENING_PASS, "no service uses TLS");
    buf_addf(found, "%zu ports asked refuse anonymous, null and export suites and everything before TLS 1.2", f->ports.n);
    return HARDENING_PASS;
}

/* --- services -------------------------------------------------------------------------------------------------------------
 */

enum hardening_verdict check_plain_services(const struct hardening_facts *f, struct buf *found)
{
    size_t n = 0;

    for (size_t at = 0; at < f->c->interface.n; at++) {
        const struct conf_interface *i = &f->c->interface.items[at];

        const struct {
            uint64_t on;
            const char *name;
        } plain[] = {{i->ftp, "FTP"}, {i->http, "HTTP"}, {i->api_http, "API over HTTP"}};

        for (size_t k = 0; k < sizeof plain / sizeof *plain && hardening_public(f->c, i); k++) {
            if (!plain[k].on)
                continue;
            part(found, &n, "on public interfaces: ");
            buf_addf(found, "%s on %.*s", plain[k].name, STR(i->name));
        }
    }
    for (size_t at = 0; at < f->c->listener.n; at++) {
        const struct conf_listener *l = &f->c->listener.items[at];

        const struct conf_interface *on = conf_find(&f->c->interface, l->interface);
        bool outside = on && !l->address.n && hardening_public(f->c, on);

        for (size_t k = 0; k < l->address.n; k++)
            outside = outside || !is_private(l->address.items[k]);
        if (!l->enabled || l->protocol != QMQP || !outside)
            continue;
        part(found, &n, "on public interfaces: ");
        buf_addf(found, "QMQP listener %.*s", STR(l->name));
    }
    return n ? HARDENING_FAIL : say(found, HARDENING_PASS, "FTP, plain HTTP and QMQP are off or not on public interfaces");
}

enum hardening_verdict check_snmp_security(const struct hardening_facts *f, struct buf *found)
{
    const struct conf_snmp *s = &f->c->snmp;
    size_t n = 0;

    if (!s->enabled)
        return say(found, HARDENING_PASS, "SNMP is off");
    if (s->v2c || s->community.n) {
        part(found, &n, "SNMP: ");
        buf_add(found, s->v2c ? str_lit("v1 and v2c are answered") : str_lit("a community is set"));
    }
    if (s->level != AUTH_PRIV) {
        part(found, &n, "SNMP: ");
        buf_add(found, str_lit("v3 is answered without privacy"));
    }
    if (s->trap_targets.n && s->trap_version == TRAPS_V2C) {
        part(found, &n, "SNMP: ");
        buf_add(found, str_lit("traps are sent as v2c"));
    }
    return n ? HARDENING_FAIL : say(found, HARDENING_PASS, "SNMP answers v3 with authPriv alone");
}

enum hardening_verdict check_passphrases(const struct hardening_facts *f, struct buf *found)
{
    const struct conf_access *a = &f->c->access;

    buf_addf(found, "passphrases of %" PRIu64 " or more characters, %" PRIu64 " kinds; ", a->passphrase_min,
             a->passphrase_classes);
    if (a->lockout_tries)
        buf_addf(found, "locked after %" PRIu64 " failed logins", a->lockout_tries);
    else
        buf_add(found, str_lit("failed logins lock no account"));
    return a->lockout_tries && a->passphrase_min >= 8 ? HARDENING_PASS : HARDENING_FAIL;
}

enum hardening_verdict check_lab_names(const struct hardening_facts *f, struct buf *found)
{
    struct firewall_lines lines = firewall_lines(f->c, false, f->a);
    size_t n = 0;

    for (size_t i = 0; i < lines.n; i++) {
        const struct firewall_line *l = &lines.items[i];

        if (l->direction != FIREWALL_IN && str_endsi(l->address, str_lit(".lab.test"))) {
            part(found, &n, "laboratory names in use: ");
            buf_add(found, l->address);
        }
    }
    return n ? HARDENING_FAIL : say(found, HARDENING_PASS, "no outside service has a laboratory name");
}
