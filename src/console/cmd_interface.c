/*
 * interfaceconfig: IP interfaces and the services on them (spec/cli.md 9).
 *
 * Called through spec/verbs.def. Owns nothing. The operating system owns addresses and their networks: of an address with a
 * prefix length the address is kept. Services are the rows of section interface: a new one is asked by itself.
 */
#include "console/commands.h"
#include "console/ops.h"
#include "net/socket.h"

#include <inttypes.h>

static const struct menu interfaces = {"interfaceconfig", "interface", "interface", "", ""};

static const struct conf_interface *find(const struct session *s, struct str name)
{
    return conf_find(&session_conf(s)->interface, name);
}

static bool put(struct session *s, struct str name, const char *field, struct str value)
{
    return field_put(s, ops_section("interface"), name, field, value);
}

struct address {
    sa_family_t family;
    struct str text; /* out */
};

static bool address_fits(struct session *s, void *ctx, struct str answer)
{
    struct address *a = ctx;
    size_t slash = str_find(answer, '/');
    struct address_ip ip;
    uint64_t bits;

    a->text = str_first(answer, slash);
    if (str_eqi(answer, str_lit("none")) || answer.n == 0) {
        a->text = STR_NONE;
        return true;
    }
    if (!ip_parse(a->text, &ip) || ip.family != a->family) {
        say(s, "%.*s is not an %s address.\n", STR(str_first(answer, 60)), a->family == AF_INET ? "IPv4" : "IPv6");
        return false;
    }
    if (slash == answer.n || (str_u64(str_from(answer, slash + 1), &bits) && bits <= (a->family == AF_INET ? 32 : 128)))
        return true;
    say(s, "%.*s is no prefix length.\n", STR(str_first(str_from(answer, slash), 20)));
    return false;
}

static bool ask_address(struct session *s, struct str name, const char *field, sa_family_t family, const char *question)
{
    struct address a = {.family = family};
    struct str now = arena_str(&s->arena, field_text(s, ops_section("interface"), name, field)), answer;

    answer = ask_value(s, question, now.n ? now.p : "none", address_fits, &a);
    return str_eq(answer, now) || put(s, name, field, a.text);
}

static bool ask_addresses(struct session *s, struct str name)
{
    return ask_address(s, name, "address", AF_INET,
                       "Enter the IPv4 address, with or without a prefix length (Ex: 192.168.1.2/24), or none:") &&
           ask_address(s, name, "address6", AF_INET6, "Enter the IPv6 address (Ex: 2001:db8::2/64), or none:");
}

static enum rc ask_all(struct session *s, struct str name)
{
    if (!ask_addresses(s, name))
        return RC_INVALID;
    fields_ask(s, ops_section("interface"), name, "ethernet hostname");
    fields_ask(s, ops_section("interface"), name, "-address address6 ethernet hostname");
    if (!find(s, name)->address.n && !find(s, name)->address6.n) {
        say(s, "An interface needs an address.\n");
        return RC_INVALID;
    }
    return RC_OK;
}

/* In a laboratory every port is the base plus its default. */
static void lab_ports(struct session *s, struct str name)
{
    uint64_t base = session_conf(s)->system.lab_base, port;
    const struct conf_section *section = ops_section("interface");

    for (const struct conf_setting *f = section->settings; base && f->name; f++)
        if (str_ends(str_c(f->name), str_lit("_port")) && str_u64(str_c(f->initial), &port))
            put(s, name, f->name, arena_printf(&s->arena, "%" PRIu64, base + port));
}

static void warn(struct session *s, struct str name)
{
    const struct conf_interface *f = find(s, name);

    if (!s->local && (f->ssh || f->ftp))
        say(s,
            "Warning: you may have come in through %.*s (from %.*s). If you change or remove its address or services, you "
            "may\nbe unable to log in again after the commit.\n",
            STR(name), STR(s->peer));
}

static enum rc op_new(struct session *s, void *ctx)
{
    struct str name = menu_new(s, &interfaces);

    (void)ctx;
    put(s, name, "address", STR_NONE);
    lab_ports(s, name);
    return ask_all(s, name);
}

static enum rc op_edit(struct session *s, void *ctx)
{
    struct str name = menu_pick(s, &interfaces, "edit");

    (void)ctx;
    warn(s, name);
    return ask_left(s) ? ops_fields(s, "interface", name, "") : ask_all(s, name);
}

static enum rc op_delete(struct session *s, void *ctx)
{
    struct str name = menu_pick(s, &interfaces, "delete");

    (void)ctx;
    warn(s, name);
    if (!ask_batch(s) &&
        !ask_yes(s, arena_printf(&s->arena, "Are you sure you want to delete the interface %.*s?", STR(name)).p, false))
        return RC_OK;
    return menu_delete(s, &interfaces, name) ? RC_OK : RC_INVALID;
}

static void show(struct session *s, void *ctx)
{
    const struct conf *c = session_conf(s);

    (void)ctx;
    say(s, "Currently configured interfaces:\n");
    for (size_t i = 0; i < c->interface.n; i++) {
        const struct conf_interface *f = &c->interface.items[i];

        say(s, "%zu. %.*s (%.*s%s%.*s%s%.*s: %.*s)\n", i + 1, STR(f->name), STR(f->address),
            f->address.n && f->address6.n ? ", " : "", STR(f->address6), f->ethernet.n ? " on " : "", STR(f->ethernet),
            STR(f->hostname.n ? f->hostname : c->system.hostname));
    }
}

static size_t count(const struct session *s, void *ctx)
{
    (void)ctx;
    return session_conf(s)->interface.n;
}

enum rc cmd_interfaceconfig(struct session *s)
{
    static const struct op rows[] = {
        {"NEW", "Create a new interface", false, op_new},
        {"EDIT", "Modify an interface", true, op_edit},
        {"DELETE", "Remove an interface", true, op_delete},
    };
    static const struct ops ops = {rows, sizeof rows / sizeof *rows, show, count};

    return ops_talk(s, &ops, NULL);
}
