/*
 * Settings to snmpd's configuration. See config.h.
 *
 * Called by snmp.c at each change of settings. Owns nothing and touches no file. Values that would break out of their line
 * (control characters) are left out; a full buffer shows in out->failed.
 *
 * Who may do what: the view `all` is what can be read, `ours` what a SET may reach. Nothing below `ours` can be written:
 * the view only lets the question come to our agent, which answers notWritable (snmp.md 2) where snmpd would say noAccess.
 */
#include "snmp/config.h"

#include "conf/product.h"

#include <arpa/inet.h>

enum { V2C, V3 };                 /* snmp.trap_version */
enum { AUTH_NO_PRIV, AUTH_PRIV }; /* snmp.level */
static const char *const auths[] = {"MD5", "SHA"}, *const privacies[] = {"DES", "AES"};

static bool clean(struct str s)
{
    for (size_t i = 0; i < s.n; i++)
        if ((unsigned char)s.p[i] < 32 || s.p[i] == 127)
            return false;
    return true;
}

/* A word in double quotes, as snmpd's parser reads it. */
static void add_quoted(struct buf *out, struct str s)
{
    buf_addc(out, '"');
    for (size_t i = 0; i < s.n; i++) {
        if (s.p[i] == '"' || s.p[i] == '\\')
            buf_addc(out, '\\');
        buf_addc(out, s.p[i]);
    }
    buf_addc(out, '"');
}

static void add_hex(struct buf *out, const unsigned char *p, size_t n)
{
    buf_add(out, str_lit("0x"));
    for (size_t i = 0; i < n; i++)
        buf_addf(out, "%02x", p[i]);
}

bool snmp_trap_on(const struct conf_snmp *s, const char *name)
{
    for (size_t i = 0; i < s->traps_off.n; i++)
        if (str_eqi(s->traps_off.items[i], str_c(name)))
            return false;
    return true;
}

void snmp_description(const struct conf *c, struct buf *out)
{
    const char *model = c->system.role == 1 ? PRODUCT_MODEL_MANAGER : PRODUCT_MODEL_GATEWAY;

    buf_addf(out, "%s Model %s, AsyncOS Version: %s-%s, Build Date: %s, Serial #: %.*s", PRODUCT_NAME, model,
             PRODUCT_VERSION, PRODUCT_BUILD, PRODUCT_BUILD_DATE, STR(c->system.serial));
}

/* --- where it listens ---------------------------------------------------------------------------------------------- */

static void add_endpoints(const struct conf *c, struct buf *out)
{
    const struct conf_interface *f = conf_find(&c->interface, c->snmp.interface);
    struct str v4 = f ? f->address : str_lit("127.0.0.1"), v6 = f ? f->address6 : STR_NONE;

    buf_add(out, str_lit("agentAddress "));
    if (v4.n)
        buf_addf(out, "udp:%.*s:%u", STR(v4), (unsigned)c->snmp.port);
    if (v6.n)
        buf_addf(out, "%sudp6:[%.*s]:%u", v4.n ? "," : "", STR(v6), (unsigned)c->snmp.port);
    buf_addc(out, '\n');
}

/* --- who is answered ----------------------------------------------------------------------------------------------- */

static void add_system(const struct conf *c, struct buf *out)
{
    buf_add(out, str_lit("sysDescr "));
    snmp_description(c, out);
    buf_addf(out, "\nsysObjectID .1.3.6.1.4.1.15497.1.1\nsysName %.*s\nsysServices 72\n", STR(c->system.hostname));
    if (clean(c->snmp.location))
        buf_addf(out, "sysLocation %.*s\n", STR(c->snmp.location));
    if (clean(c->snmp.contact))
        buf_addf(out, "sysContact %.*s\n", STR(c->snmp.contact));
}

static void add_views(struct buf *out)
{
    static const char *const readable[] = {
        ".1.3.6.1.2.1",        /* MIB-2 and what stands below it: IF, IP, TCP, HOST-RESOURCES */
        ".1.3.6.1.4.1.15497",  /* ours */
        ".1.3.6.1.4.1.2021",   /* UCD-SNMP-MIB: load, memory */
        ".1.3.6.1.6.3.1",      /* snmpMIB */
        ".1.3.6.1.6.3.10.2.1", /* snmpEngine */
    };

    for (size_t i = 0; i < sizeof readable / sizeof *readable; i++)
        buf_addf(out, "view all included %s\n", readable[i]);
    buf_add(out, str_lit("view ours included .1.3.6.1.4.1.15497\n"));
}

/* v1 and v2c: the community from each network is a name of its own; the group is the same. */
static void add_communities(const struct conf_snmp *s, struct buf *out)
{
    const struct {
        const char *word;
        const struct strs *networks;
    } kinds[] = {{"com2sec", &s->networks}, {"com2sec6", &s->networks6}};

    if (!s->v2c || !s->community.n || !clean(s->community))
        return;
    for (size_t k = 0; k < 2; k++) {
        for (size_t i = 0; i < kinds[k].networks->n; i++) {
            struct str network = kinds[k].networks->items[i];

            if (!network.n || !clean(network))
                continue;
            buf_addf(out, "%s community%zu%zu %.*s ", kinds[k].word, k, i, STR(network));
            add_quoted(out, s->community);
            buf_addf(out, "\ngroup communities v1 community%zu%zu\ngroup communities v2c community%zu%zu\n", k, i, k, i);
        }
    }
    buf_add(out, str_lit("access communities \"\" any noauth exact all ours none\n"));
}

static void add_user(const struct conf_snmp *s, const struct snmp_keys *keys, struct buf *out)
{
    if (keys->auth_n)
        buf_addf(out, "group users usm v3get\naccess users \"\" usm %s exact all ours none\n",
                 s->level == AUTH_PRIV ? "priv" : "auth");
}

/* --- traps --------------------------------------------------------------------------------------------------------- */

bool snmp_target(struct str target, struct buf *out)
{
    struct str host = target, port = str_lit("162");
    char text[INET6_ADDRSTRLEN];
    struct in6_addr six;
    size_t colon = str_find_last(target, ':');
    uint64_t number;

    if (target.n && target.p[0] == '[') {
        size_t end = str_find(target, ']');

        host = str_first(str_from(target, 1), end - 1);
        if (end >= target.n)
            return false;
        if (end + 1 < target.n)
            port = str_from(target, end + 2);
    } else if (colon < target.n && str_find(target, ':') == colon) {
        host = str_first(target, colon);
        port = str_from(target, colon + 1);
    }
    if (!host.n || !str_u64(port, &number) || number < 1 || number > 65535)
        return false;
    if (host.n < sizeof text) {
        memcpy(text, host.p, host.n);
        text[host.n] = '\0';
        if (inet_pton(AF_INET6, text, &six) == 1) {
            buf_addf(out, "udp6:[%s]:%.*s", text, STR(port));
            return true;
        }
    }
    for (size_t i = 0; i < host.n; i++)
        if (!ascii_alpha(host.p[i]) && !ascii_digit(host.p[i]) && host.p[i] != '.' && host.p[i] != '-' && host.p[i] != '_')
            return false;
    buf_addf(out, "udp:%.*s:%.*s", STR(host), STR(port));
    return true;
}

static void add_v3_sink(const struct conf_snmp *s, const struct snmp_keys *keys, struct buf *out)
{
    buf_addf(out, "trapsess -v 3 -u v3get -l %s -e ", s->level == AUTH_PRIV ? "authPriv" : "authNoPriv");
    add_hex(out, keys->engine, keys->engine_n);
    buf_addf(out, " -a %s -3k ", auths[s->auth & 1]);
    add_hex(out, keys->auth, keys->auth_n);
    if (s->level == AUTH_PRIV) {
        buf_addf(out, " -x %s -3K ", privacies[s->privacy & 1]);
        add_hex(out, keys->privacy, keys->privacy_n);
    }
}

static void add_sinks(const struct conf_snmp *s, const struct snmp_keys *keys, struct buf *out)
{
    struct buf address = BUF(400);

    for (size_t i = 0; i < s->trap_targets.n; i++) {
        struct str community = s->trap_community.n ? s->trap_community : s->community;

        buf_clear(&address);
        if (str_eqi(s->trap_targets.items[i], str_lit("none")) || !snmp_target(s->trap_targets.items[i], &address))
            continue;
        if (s->trap_version == V3 && !keys->auth_n)
            continue;
        if (s->trap_version == V3) {
            add_v3_sink(s, keys, out);
        } else {
            buf_add(out, str_lit("trapsess -v 2c -c "));
            add_quoted(out, community.n && clean(community) ? community : str_lit("public"));
        }
        buf_addf(out, " %.*s\n", STR(buf_str(&address)));
    }
    buf_addf(out, "authtrapenable %d\n", snmp_trap_on(s, "authenticationFailure") ? 1 : 2);
    buf_done(&address);
}

/* snmpd looks at its own ifOperStatus once a minute. The user it does that as needs a key, so nobody else can be it. */
static void add_link_watch(const struct conf_snmp *s, struct buf *out)
{
    if (s->trap_targets.n && snmp_trap_on(s, "linkUpDown"))
        buf_add(out, str_lit("group watchers usm watcher\naccess watchers \"\" usm auth exact all none none\n"
                             "iquerySecName watcher\nlinkUpDownNotifications yes\n"));
}

/* --- the files ----------------------------------------------------------------------------------------------------- */

void snmp_config_text(const struct conf *c, const struct snmp_keys *keys, const char *home, struct buf *out)
{
    buf_add(out, str_lit("# Made by Postern from its settings (section snmp) at each change.\n"));
    add_endpoints(c, out);
    buf_add(out, str_lit("exactEngineID "));
    add_hex(out, keys->engine, keys->engine_n);
    buf_addf(out, "\nmaster agentx\nagentXSocket unix:%s/snmp/agentx\nagentXPerms 0600 0700\n", home);
    buf_add(out, str_lit("dontLogTCPWrappersConnects yes\n"));
    add_system(c, out);
    add_views(out);
    add_communities(&c->snmp, out);
    add_user(&c->snmp, keys, out);
    add_sinks(&c->snmp, keys, out);
    add_link_watch(&c->snmp, out);
}

static void keep_line(struct str old, struct str word, struct buf *out)
{
    struct str line;

    while (old.n && str_split(&old, '\n', &line))
        if (str_starts(line, word) && clean(line))
            buf_addf(out, "%.*s\n", STR(line));
}

void snmp_state_text(const struct conf *c, const struct snmp_keys *keys, struct str old, struct buf *out)
{
    keep_line(old, str_lit("engineBoots "), out);
    keep_line(old, str_lit("oldEngineID "), out);
    if (keys->has_watcher) {
        buf_add(out, str_lit("createUser watcher SHA -l "));
        add_hex(out, keys->watcher, sizeof keys->watcher);
        buf_addc(out, '\n');
    }
    if (!keys->auth_n)
        return;
    buf_add(out, str_lit("createUser -e "));
    add_hex(out, keys->engine, keys->engine_n);
    buf_addf(out, " v3get %s -l ", auths[c->snmp.auth & 1]);
    add_hex(out, keys->auth, keys->auth_n);
    if (c->snmp.level == AUTH_PRIV) {
        buf_addf(out, " %s -l ", privacies[c->snmp.privacy & 1]);
        add_hex(out, keys->privacy, keys->privacy_n);
    }
    buf_addc(out, '\n');
}
