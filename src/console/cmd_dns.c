/*
 * dnsconfig: which name servers are asked (spec/cli.md 9).
 *
 * Called through spec/verbs.def. Owns nothing. Two lists make one numbered list: own servers (dns.servers; without any the
 * root servers are asked), then servers of single domains (dns.domain_servers).
 */
#include "console/commands.h"
#include "console/ops.h"
#include "net/socket.h"

static const struct conf_dns *now(const struct session *s)
{
    return &session_conf(s)->dns;
}

/* address[@port] */
static bool server_fits(struct session *s, void *ctx, struct str answer)
{
    size_t at = str_find(answer, '@');
    struct address_ip ip;
    uint64_t port;

    (void)ctx;
    if (ip_parse(str_first(answer, at), &ip) &&
        (at == answer.n || (str_u64(str_from(answer, at + 1), &port) && port >= 1 && port <= 65535)))
        return true;
    say(s, "\"%.*s\" is no IP address, with @port when it is not 53.\n", STR(str_first(answer, 100)));
    return false;
}

static struct str ask_server(struct session *s, struct str initial)
{
    return ask_value(s, "Please enter the IP address of your DNS server.",
                     initial.n ? arena_str(&s->arena, initial).p : NULL, server_fits, NULL);
}

static struct str ask_domain_server(struct session *s, struct str line)
{
    struct str domain = STR_NONE, address;

    str_word(&line, &domain);
    domain = ask_value(s, "Please enter the domain this server is authoritative for. (Ex: \"com\").",
                       domain.n ? arena_str(&s->arena, domain).p : NULL, ops_host_fits, NULL);
    address = ask_server(s, str_trim(line));
    return arena_printf(&s->arena, "%.*s %.*s", STR(domain), STR(address));
}

static enum rc op_new(struct session *s, void *ctx)
{
    static const char *const kinds[] = {"Add a new local DNS cache server.", "Add a new alternate domain server.", NULL};
    struct strs list;

    (void)ctx;
    if (ask_one_of(s, "Do you want to add a new local DNS cache server or an alternate domain server?", 0, kinds) == 0) {
        list = ops_with(s, now(s)->servers, SIZE_MAX, ask_server(s, STR_NONE));
        return ops_put_list(s, "dns", "servers", list) ? RC_OK : RC_INVALID;
    }
    list = ops_with(s, now(s)->domain_servers, SIZE_MAX, ask_domain_server(s, STR_NONE));
    return ops_put_list(s, "dns", "domain_servers", list) ? RC_OK : RC_INVALID;
}

static struct strs both(struct session *s)
{
    struct strs a = now(s)->servers, b = now(s)->domain_servers;
    struct str *items = arena_must_alloc(&s->arena, (a.n + b.n + 1) * sizeof *items);

    for (size_t i = 0; i < a.n + b.n; i++)
        items[i] = i < a.n ? a.items[i] : b.items[i - a.n];
    return (struct strs){items, a.n + b.n};
}

static enum rc change(struct session *s, size_t at, bool remove)
{
    struct strs a = now(s)->servers, b = now(s)->domain_servers;
    struct str line = STR_NONE;

    if (at < a.n) {
        if (!remove)
            line = ask_server(s, a.items[at]);
        return ops_put_list(s, "dns", "servers", ops_with(s, a, at, line)) ? RC_OK : RC_INVALID;
    }
    if (!remove)
        line = ask_domain_server(s, b.items[at - a.n]);
    return ops_put_list(s, "dns", "domain_servers", ops_with(s, b, at - a.n, line)) ? RC_OK : RC_INVALID;
}

static enum rc op_edit(struct session *s, void *ctx)
{
    (void)ctx;
    return change(s, ops_pick_line(s, "Enter the number of the server you want to edit:", both(s)), false);
}

static enum rc op_delete(struct session *s, void *ctx)
{
    (void)ctx;
    return change(s, ops_pick_line(s, "Enter the number of the server you want to delete:", both(s)), true);
}

static enum rc op_setup(struct session *s, void *ctx)
{
    static const char *const kinds[] = {"Use Internet root DNS servers", "Use own DNS cache servers", NULL};

    (void)ctx;
    if (ask_left(s))
        return ops_fields(s, "dns", STR_NONE, "");
    if (ask_one_of(s, "Do you want to use the Internet's root DNS servers or your own DNS servers?", now(s)->servers.n > 0,
                   kinds) == 0) {
        ops_put_list(s, "dns", "servers", (struct strs){0});
    } else if (now(s)->servers.n == 0) {
        struct str server = ask_server(s, STR_NONE);

        ops_put_list(s, "dns", "servers", (struct strs){&server, 1});
    }
    fields_ask(s, ops_section("dns"), STR_NONE, "-servers domain_servers");
    return RC_OK;
}

static void show(struct session *s, void *ctx)
{
    struct strs a = now(s)->servers, b = now(s)->domain_servers;

    (void)ctx;
    say(s, a.n ? "Currently using the local DNS cache servers:\n" : "Currently using the Internet root DNS servers.\n");
    for (size_t i = 0; i < a.n; i++)
        say(s, "%zu. %.*s\n", i + 1, STR(a.items[i]));
    say(s, b.n ? "Alternate authoritative DNS servers:\n" : "Alternate authoritative DNS servers: none defined.\n");
    for (size_t i = 0; i < b.n; i++)
        say(s, "%zu. %.*s\n", a.n + i + 1, STR(b.items[i]));
}

static size_t count(const struct session *s, void *ctx)
{
    (void)ctx;
    return now(s)->servers.n + now(s)->domain_servers.n;
}

enum rc cmd_dnsconfig(struct session *s)
{
    static const struct op rows[] = {
        {"NEW", "Add a new server", false, op_new},
        {"EDIT", "Edit a server", true, op_edit},
        {"DELETE", "Remove a server", true, op_delete},
        {"SETUP", "Configure general settings", false, op_setup},
    };
    static const struct ops ops = {rows, sizeof rows / sizeof *rows, show, count};

    return ops_talk(s, &ops, NULL);
}
