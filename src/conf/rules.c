/*
 * Cross-field rules of the configuration. See rules.h.
 *
 * Called by control before a commit and by init. Owns nothing. A rule is an ordinary function; it returns the first breach
 * with its path. Rules about what a change would open to the world (HD-07) can be forced and are then not asked again.
 */
#include "conf/rules.h"
#include "conf/hidden.h"

#include "conf/references.h"
#include "conf/value.h"

#include <arpa/inet.h>
#include <stdlib.h>

static enum rc bad(const struct conf_section *s, const void *item, const char *field, struct err *e)
{
    struct buf path = BUF(1000);

    conf_path_format(s, conf_item_name(s, item), field, &path);
    err_wrap(e, e ? e->rc : RC_INVALID, "%.*s", STR(str_first(buf_str(&path), 200)));
    buf_done(&path);
    return e ? e->rc : RC_INVALID;
}

static enum rc check_values(const struct conf *c, struct err *e)
{
    for (size_t i = 0; i < conf_sections_n; i++) {
        const struct conf_section *s = &conf_sections[i];

        for (size_t j = 0; j < conf_items(c, s); j++) {
            for (const struct conf_setting *f = s->settings; f->name; f++) {
                if (conf_value_check(conf_item(c, s, j), f, e) != RC_OK)
                    return bad(s, conf_item(c, s, j), f->name, e);
            }
        }
    }
    return RC_OK;
}

static int by_name(const void *a, const void *b)
{
    const struct str *x = *(const struct str *const *)a, *y = *(const struct str *const *)b;
    size_t n = x->n < y->n ? x->n : y->n;

    for (size_t i = 0; i < n; i++) {
        int d = (unsigned char)ascii_lower(x->p[i]) - (unsigned char)ascii_lower(y->p[i]);

        if (d)
            return d;
    }
    return x->n < y->n ? -1 : x->n > y->n;
}

static enum rc check_names(const struct conf *c, struct err *e)
{
    for (size_t i = 0; i < conf_sections_n; i++) {
        const struct conf_section *s = &conf_sections[i];
        size_t n = s->list ? conf_items(c, s) : 0;
        const struct str **names = n ? calloc(n, sizeof *names) : NULL;
        enum rc rc = n && !names ? err_set(e, RC_NO_MEMORY, "no memory") : RC_OK;

        for (size_t j = 0; names && j < n; j++)
            names[j] = conf_item(c, s, j);
        if (names)
            qsort(names, n, sizeof *names, by_name);
        for (size_t j = 1; names && j < n && rc == RC_OK; j++) {
            if (by_name(&names[j - 1], &names[j]) == 0)
                rc = err_set(e, RC_EXISTS, "%s: two items are named \"%.*s\"", s->name, STR(str_first(*names[j], 100)));
        }
        free(names);
        TRY(rc);
    }
    return RC_OK;
}

static bool is_one_of(struct str words, struct str value)
{
    struct str word;

    while (str_word(&words, &word))
        if (str_eqi(word, value))
            return true;
    return false;
}

static enum rc check_name(const struct conf *c, const struct conf_reference *r, struct str value, struct err *e)
{
    const struct conf_section *target = conf_section_find(str_c(r->target));

    if (value.n == 0 || is_one_of(str_c(r->also), value) || conf_item_index(c, target, value) != SIZE_MAX)
        return RC_OK;
    return err_set(e, RC_NOT_FOUND, "%s \"%.*s\" does not exist", r->target, STR(str_first(value, 100)));
}

static enum rc check_reference(const struct conf *c, const struct conf_reference *r, struct err *e)
{
    const struct conf_section *s = conf_section_find(str_c(r->section));
    const struct conf_setting *f = s ? conf_setting_find(s, str_c(r->field)) : NULL;

    for (size_t i = 0; f && i < conf_items(c, s); i++) {
        const void *item = conf_item(c, s, i);
        enum rc rc = RC_OK;

        if (f->type == CONF_TYPE_TEXT)
            rc = check_name(c, r, *conf_text(item, f), e);
        for (size_t j = 0; f->type == CONF_TYPE_TEXTS && rc == RC_OK && j < conf_texts(item, f)->n; j++)
            rc = check_name(c, r, conf_texts(item, f)->items[j], e);
        if (rc != RC_OK)
            return bad(s, item, r->field, e);
    }
    return RC_OK;
}

static bool is_address(struct str s, int family)
{
    unsigned char octets[16];
    char text[64];

    if (s.n >= sizeof text)
        return false;
    memcpy(text, s.p ? s.p : "", s.n);
    text[s.n] = 0;
    return inet_pton(family, text, octets) == 1;
}

static enum rc check_interfaces(const struct conf *c, struct err *e)
{
    for (size_t i = 0; i < c->interface.n; i++) {
        const struct conf_interface *f = &c->interface.items[i];

        if (f->address.n && !is_address(f->address, AF_INET))
            return err_set(e, RC_INVALID, "interface.%.*s.address: \"%.*s\" is not an IPv4 address", STR(f->name),
                           STR(f->address));
        if (f->address6.n && !is_address(f->address6, AF_INET6))
            return err_set(e, RC_INVALID, "interface.%.*s.address6: \"%.*s\" is not an IPv6 address", STR(f->name),
                           STR(f->address6));
        if (c->system.lab && ((f->address.n && !str_starts(f->address, str_lit("127."))) ||
                              (f->address6.n && !str_eq(f->address6, str_lit("::1")))))
            return err_set(e, RC_INVALID, "interface.%.*s: a laboratory machine listens on loopback addresses only",
                           STR(f->name));
    }
    return RC_OK;
}

static bool same_address(const struct conf_interface *x, const struct conf_interface *y)
{
    if (!x || !y || x == y)
        return true;
    return (x->address.n && y->address.n &&
            (str_eq(x->address, y->address) || str_eq(x->address, str_lit("0.0.0.0")) ||
             str_eq(y->address, str_lit("0.0.0.0")))) ||
           (x->address6.n && y->address6.n &&
            (str_eq(x->address6, y->address6) || str_eq(x->address6, str_lit("::")) || str_eq(y->address6, str_lit("::"))));
}

/* Two open listeners may not want one port of one address. */
static bool overlap(const struct conf *c, const struct conf_listener *a, const struct conf_listener *b)
{
    if (a->address.n || b->address.n) {
        for (size_t i = 0; i < a->address.n; i++) {
            for (size_t j = 0; j < b->address.n; j++) {
                if (str_eqi(a->address.items[i], b->address.items[j]))
                    return true;
            }
        }
        return false;
    }
    return same_address(conf_find(&c->interface, a->interface), conf_find(&c->interface, b->interface));
}

/* The first service of this interface that has the port. */
static const char *service_on(const struct conf_interface *f, uint64_t port)
{
    const struct {
        const char *name;
        bool on;
        uint64_t port;
    } all[] = {{"FTP", f->ftp, f->ftp_port},
               {"SSH", f->ssh, f->ssh_port},
               {"HTTP", f->http, f->http_port},
               {"HTTPS", f->https, f->https_port},
               {"API HTTP", f->api_http, f->api_http_port},
               {"API HTTPS", f->api_https, f->api_https_port}};

    for (size_t i = 0; i < sizeof all / sizeof *all; i++)
        if (all[i].on && all[i].port == port)
            return all[i].name;
    return NULL;
}

/* A port where links come in (PORT or CARRIER:PORT) is no other service's; carrier ssh is the SSH server itself. */
static enum rc check_link_port(const struct conf *c, const struct conf_interface *own, struct str text, struct err *e)
{
    size_t colon = str_find(text, ':');
    uint64_t port;

    if (str_startsi(text, str_lit("ssh")) || !str_u64(colon < text.n ? str_from(text, colon + 1) : text, &port) ||
        port == 22)
        return RC_OK;
    for (size_t i = 0; i < c->interface.n; i++) {
        const struct conf_interface *f = &c->interface.items[i];
        const char *service = same_address(own, f) ? service_on(f, port) : NULL;

        if (service)
            return err_set(e, RC_INVALID, "link_listener.ports: %u is taken by %s of interface %.*s (interfaceconfig)",
                           (unsigned)port, service, STR(f->name));
    }
    return RC_OK;
}

static enum rc check_link_ports(const struct conf *c, struct err *e)
{
    const struct conf_link_listener *l = &c->link_listener;
    const struct conf_interface *own = l->interface.n ? conf_find(&c->interface, l->interface) : c->interface.items;

    for (size_t i = 0; conf_is_manager(c) && l->enabled && c->interface.n && i < l->ports.n; i++)
        TRY(check_link_port(c, own, l->ports.items[i], e));
    return RC_OK;
}

/* The hidden listener wants its port for itself, and its name. */
static enum rc check_hidden_port(const struct conf *c, struct err *e)
{
    struct str interface = c->cpq_listener.interface;
    struct conf_listener hidden = {.port = c->cpq_listener.port};

    hidden.interface = interface.n || !c->interface.n ? interface : c->interface.items[0].name;
    for (size_t i = 0; i < c->listener.n; i++) {
        const struct conf_listener *l = &c->listener.items[i];

        if (str_eqi(l->name, str_lit("cpq_listener")) || str_eqi(l->name, str_lit("euq_listener")))
            return err_set(e, RC_INVALID, "listener.%.*s: the name is that of a hidden listener", STR(l->name));
        if (conf_listens_cpq(c) && l->enabled && l->port == hidden.port && overlap(c, l, &hidden))
            return err_set(e, RC_INVALID, "cpq_listener.port: %u is taken by listener %.*s", (unsigned)hidden.port,
                           STR(l->name));
    }
    return RC_OK;
}

static enum rc check_ports(const struct conf *c, struct err *e)
{
    for (size_t i = 0; i < c->listener.n; i++) {
        if (c->listener.items[i].enabled && !c->listener.items[i].interface.n && !c->listener.items[i].address.n)
            return err_set(e, RC_INVALID, "listener.%.*s.interface: an open listener needs an interface or an address",
                           STR(c->listener.items[i].name));
        for (size_t j = 0; j < i; j++) {
            const struct conf_listener *a = &c->listener.items[j], *b = &c->listener.items[i];

            if (a->enabled && b->enabled && a->port == b->port && overlap(c, a, b))
                return err_set(e, RC_INVALID, "listener.%.*s.port: %u is taken by listener %.*s", STR(b->name),
                               (unsigned)b->port, STR(a->name));
        }
    }
    TRY(check_link_ports(c, e));
    return check_hidden_port(c, e);
}

/* Digits up to the end, at most `most`. */
static bool is_number(struct str s, uint64_t most)
{
    uint64_t v;

    return str_u64(s, &v) && v <= most;
}

bool conf_is_next_hop(struct str line)
{
    struct str word, pri, more, port;
    size_t end;

    if (!str_word(&line, &word))
        return false;
    if (str_word(&line, &pri) &&
        (!str_startsi(pri, str_lit("/pri=")) || !is_number(str_from(pri, 5), 65535) || str_word(&line, &more)))
        return false;
    if (str_eqi(word, str_lit("USEDNS")) || str_eqi(word, str_lit("/dev/null")))
        return true;
    end = word.p[0] == '[' ? str_find(word, ']') + 1 : str_find(word, ':');
    port = str_from(word, end);
    if (port.n && (port.p[0] != ':' || !is_number(str_from(port, 1), 65535) || port.n == 1))
        return false;
    if (word.p[0] == '[')
        return end <= word.n &&
               (is_address(str_of(word.p + 1, end - 2), AF_INET) || is_address(str_of(word.p + 1, end - 2), AF_INET6));
    for (size_t i = 0; i < end; i++) {
        if (!ascii_alpha(word.p[i]) && !ascii_digit(word.p[i]) && !strchr(".-_", word.p[i]) &&
            (unsigned char)word.p[i] < 0x80)
            return false;
    }
    return end > 0;
}

static enum rc check_routes(const struct conf *c, struct err *e)
{
    for (size_t i = 0; i < c->route.n; i++) {
        const struct conf_route *r = &c->route.items[i];

        if (r->hosts.n == 0)
            return err_set(e, RC_INVALID, "route[%.*s].hosts: names no host", STR(r->name));
        for (size_t j = 0; j < r->hosts.n; j++) {
            if (!conf_is_next_hop(r->hosts.items[j]))
                return err_set(e, RC_INVALID,
                               "route[%.*s].hosts: \"%.*s\" is not host, host:port, [address]:port, USEDNS or /dev/null",
                               STR(r->name), STR(str_first(r->hosts.items[j], 100)));
        }
    }
    return RC_OK;
}

/* What goes into commands of FTP, a login or a syslog header: printable, and without spaces where those would end a word. */
static bool is_plain(struct str s, bool spaces)
{
    for (size_t i = 0; i < s.n; i++) {
        if ((unsigned char)s.p[i] < (spaces ? 0x20 : 0x21) || s.p[i] == 0x7f)
            return false;
    }
    return true;
}

/* The choices of log.retrieval, in their order. */
enum { MANUAL, FTP, SCP, SYSLOG };

static enum rc check_logs(const struct conf *c, struct err *e)
{
    for (size_t i = 0; i < c->log.n; i++) {
        const struct conf_log *l = &c->log.items[i];
        const char *field = NULL, *why = NULL;

        if (l->retrieval == MANUAL)
            continue;
        if (!l->host.n)
            field = "host", why = "a log that is pushed needs a server";
        else if (!is_plain(l->host, false))
            field = "host", why = "not a host name or address";
        else if (l->retrieval != SYSLOG && !is_plain(l->user, false))
            field = "user", why = "has characters that a user name cannot have";
        else if (l->retrieval == SCP && !l->user.n)
            field = "user", why = "SCP needs a user name";
        else if (!is_plain(l->password, true))
            field = "password", why = "has characters that FTP cannot carry";
        else if (!is_plain(l->directory, true))
            field = "directory", why = "has characters that a directory cannot have";
        else if (l->retrieval == SYSLOG && (!is_plain(l->tag, false) || str_find(l->tag, ':') < l->tag.n))
            field = "tag", why = "has spaces, colons or control characters";
        if (field)
            return err_set(e, RC_INVALID, "log.%.*s.%s: %s", STR(l->name), field, why);
    }
    return RC_OK;
}

static enum rc check_users(const struct conf *c, struct err *e)
{
    for (size_t i = 0; i < c->user.n; i++) {
        if (c->user.items[i].password.n && !str_starts(c->user.items[i].password, str_lit("$argon2id$")))
            return err_set(e, RC_INVALID, "user.%.*s.password: not an Argon2id hash; use `passwd` to set a passphrase",
                           STR(c->user.items[i].name));
    }
    return RC_OK;
}

/* SNMPv3 always answers when SNMP is on, v1 and v2c never without a community (spec/snmp.md 4). */
static enum rc check_snmp(const struct conf *c, struct err *e)
{
    enum { PASSPHRASE_LEAST = 8 }; /* RFC 3414 11.2 */
    const struct conf_snmp *s = &c->snmp;

    if (!s->enabled)
        return RC_OK;
    if (s->auth_passphrase.n < PASSPHRASE_LEAST)
        return err_set(e, RC_INVALID, "snmp.auth_passphrase: 8 or more characters while SNMP is enabled");
    if (s->level != 0 && s->privacy_passphrase.n < PASSPHRASE_LEAST)
        return err_set(e, RC_INVALID, "snmp.privacy_passphrase: 8 or more characters while SNMP is enabled with authPriv");
    if (s->v2c && !s->community.n)
        return err_set(e, RC_INVALID, "snmp.community: SNMP v1 and v2c need one");
    return RC_OK;
}

/* Does this group let its members relay through this listener, which is public? HAT behaviour 1 is RELAY. */
static bool relays_on(const struct conf *c, const struct conf_sender_group *g, const struct conf_listener *l)
{
    const struct conf_mail_flow_policy *p = g ? conf_find(&c->mail_flow_policy, g->policy) : NULL;

    if (!p || p->behavior != 1 || g->members.n == 0 || !l || l->type != 0)
        return false;
    for (size_t i = 0; i < g->listener.n; i++)
        if (str_eqi(g->listener.items[i], l->name) || str_eqi(g->listener.items[i], str_lit("all")))
            return true;
    return g->listener.n == 0;
}

bool conf_opens_relay(const struct conf *c, const struct conf *old, size_t nth, struct str *group_out,
                      struct str *listener_out)
{
    for (size_t i = 0; i < c->sender_group.n; i++) {
        const struct conf_sender_group *g = &c->sender_group.items[i],
                                       *before = old ? conf_find(&old->sender_group, g->name) : NULL;

        for (size_t k = 0; k < c->listener.n; k++) {
            const struct conf_listener *l = &c->listener.items[k];

            if (!relays_on(c, g, l) || (before && relays_on(old, before, conf_find(&old->listener, l->name))) || nth-- > 0)
                continue;
            *group_out = g->name;
            *listener_out = l->name;
            return true;
        }
    }
    return false;
}

/* HD-07: no relay rule on a public listener. */
static enum rc check_relay(const struct conf *c, const struct conf *old, bool force, struct err *e)
{
    struct str group, listener;

    if (force || !conf_opens_relay(c, old, 0, &group, &listener))
        return RC_OK;
    return err_set(e, RC_NOT_PERMITTED,
                   "sender_group.%.*s.policy: RELAY on the public listener %.*s lets these hosts relay from outside "
                   "(HD-07); use a private listener, or force it",
                   STR(group), STR(listener));
}

enum rc conf_check(const struct conf *c, const struct conf *old, bool force, struct err *e)
{
    size_t references = 0;

    TRY(check_values(c, e));
    TRY(check_names(c, e));
    for (const struct conf_reference *r; (r = conf_reference(references++));)
        TRY(check_reference(c, r, e));
    TRY(check_interfaces(c, e));
    TRY(check_ports(c, e));
    TRY(check_routes(c, e));
    TRY(check_logs(c, e));
    TRY(check_users(c, e));
    TRY(conf_check_logs(c, e));
    TRY(conf_check_services(c, e));
    TRY(conf_check_engines(c, e));
    TRY(conf_check_ldap(c, e));
    TRY(conf_check_quarantines(c, e));
    TRY(check_snmp(c, e));
    return check_relay(c, old, force, e);
}
