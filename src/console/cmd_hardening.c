/*
 * firewallinfo, servicehosts, securitycheck (spec/cli.md 12.1, 12.3, 13).
 *
 * Called through spec/verbs.def. The table of ports and the checks are those of room policy; here they are shown, outside
 * services are set, and our own TLS ports are asked. Owns nothing.
 */
#include "console/commands.h"
#include "console/menu.h"
#include "console/tls_probe.h"
#include "policy/firewall.h"
#include "policy/hardening.h"

#include <inttypes.h>

enum { TEXT_MAX = 4 << 20 };

/* Takes the words of a command that are options; false when there is another one. */
static bool options(const struct session *s, const char *const *names, bool *const *given)
{
    for (size_t i = 0; i < s->args.n; i++) {
        size_t k = 0;

        while (names[k] && !arg_is(s, i, names[k]))
            k++;
        if (!names[k])
            return false;
        *given[k] = true;
    }
    return true;
}

static void say_json(struct session *s, const struct buf *json)
{
    say_str(s, buf_str(json));
    say(s, "\n");
}

/* --- firewallinfo ---------------------------------------------------------------------------------------------------------
 */

/* Networks that are known for firewalls by IP address: those set, else those of the reference. */
static void ranges(struct session *s, bool as_json)
{
    struct buf *out = session_buf(s, TEXT_MAX);
    const struct firewall_row *row;
    bool first = true;

    for (size_t i = 0; (row = firewall_row(i)); i++) {
        const struct conf_service_host *h = conf_find(&session_conf(s)->service_host, str_c(row->service));
        struct str rest = str_c(row->peer), range;
        bool set = h && h->hosts.n;

        if (!*row->service || str_find(rest, '/') == rest.n)
            continue;
        for (size_t k = 0; set ? k < h->hosts.n : str_word(&rest, &range); k++) {
            if (set)
                range = h->hosts.items[k];
            if (as_json)
                buf_addf(out, "%s{\"range\":\"%.*s\",\"service\":\"%s\",\"port\":\"%s\",\"state\":\"%s\"}", first ? "" : ",",
                         STR(range), row->service, row->ports, set ? "on" : "off");
            else
                buf_addf(out, "%-24.*s  %s  %s  %s%s\n", STR(range), row->ports, row->service, row->purpose,
                         set ? "" : " [off]");
            first = false;
        }
    }
    if (as_json)
        say(s, "{\"ranges\":[%.*s]}\n", STR(buf_str(out)));
    else
        say_str(s, buf_str(out));
}

enum rc cmd_firewallinfo(struct session *s)
{
    bool all = false, known = false, json = false;
    struct buf *out = session_buf(s, TEXT_MAX);
    struct firewall_lines lines;

    if (!options(s, (const char *const[]){"--all", "--ranges", "--json", NULL}, (bool *const[]){&all, &known, &json}))
        return session_usage(s);
    s->taken = s->args.n;
    if (known) {
        ranges(s, json);
        return RC_OK;
    }
    lines = firewall_lines(session_conf(s), all, &s->arena);
    if (json) {
        firewall_json(lines, out);
        say_json(s, out);
        return RC_OK;
    }
    firewall_text(lines, out);
    say_str(s, buf_str(out));
    return RC_OK;
}

/* --- securitycheck --------------------------------------------------------------------------------------------------------
 */

enum rc cmd_securitycheck(struct session *s)
{
    struct hardening_facts f = {.c = session_conf(s), .a = &s->arena};
    struct buf *out = session_buf(s, TEXT_MAX);
    struct hardening_results r;
    bool json = false;

    if (!options(s, (const char *const[]){"--json", NULL}, (bool *const[]){&json}))
        return session_usage(s);
    s->taken = s->args.n;
    f.ports = hardening_tls_ports(f.c, f.a);
    for (size_t i = 0; i < f.ports.n; i++)
        tls_probe(s, &f.ports.items[i]);
    r = hardening_run(&f);
    if (json) {
        hardening_json(r, out);
        say_json(s, out);
    } else {
        hardening_text(r, out);
        say_str(s, buf_str(out));
    }
    return r.failed ? RC_INVALID : RC_OK;
}

/* --- servicehosts ---------------------------------------------------------------------------------------------------------
 */

static const struct menu services = {"servicehosts", "service_host", "service", "", ""};

static const struct conf_section *section(void)
{
    return conf_section_find(str_c(services.section));
}

static bool is_service(struct session *s, void *ctx, struct str answer)
{
    const struct firewall_row **row = ctx;

    *row = firewall_service(answer);
    if (!*row)
        session_missing(s, services.noun, answer);
    return *row != NULL;
}

static const struct firewall_row *pick(struct session *s, const char *question)
{
    const struct firewall_row *row = NULL;

    ask_value(s, question, NULL, is_service, &row);
    return row;
}

static bool make(struct session *s, const struct firewall_row *row)
{
    struct err e = ERR_NONE;
    void *item;

    if (conf_draft_item(session_draft(s), section(), str_c(row->service), &item, &e) == RC_OK)
        return true;
    session_fail(s, &e);
    return false;
}

/* HOST[:PORT][,HOST...]: the service has one port, so two different ones are refused. An IPv6 address has colons of its own.
 */
static bool put_hosts(struct session *s, const struct firewall_row *row, struct str list)
{
    struct buf *hosts = session_buf(s, 1 << 16);
    struct str host, port = STR_NONE;

    while (str_split(&list, ',', &host)) {
        size_t colon = str_find(host, ':');
        struct str own = STR_NONE;

        if (host.n && host.p[0] == '[') {
            own = str_from(host, str_find(host, ']') + 2);
            host = str_first(str_from(host, 1), str_find(host, ']') - 1);
        } else if (colon < host.n && str_find_last(host, ':') == colon) {
            own = str_from(host, colon + 1);
            host = str_first(host, colon);
        }
        if (own.n && port.n && !str_eq(own, port)) {
            say(s, "A service has one port: %.*s or %.*s.\n", STR(port), STR(own));
            return false;
        }
        port = own.n ? own : port;
        buf_addf(hosts, "%s%.*s", hosts->n ? "," : "", STR(host));
    }
    return field_put(s, section(), str_c(row->service), "hosts", buf_str(hosts)) &&
           field_put(s, section(), str_c(row->service), "port", port.n ? port : str_lit("0"));
}

static enum rc op_edit(struct session *s)
{
    const struct firewall_row *row = pick(s, "Enter the name of the service you want to edit:");

    if (!make(s, row))
        return RC_INVALID;
    if (!ask_batch(s)) {
        say(s, "%s: %s. Reference: %s, port %s\n", row->service, row->purpose, *row->peer ? row->peer : "none", row->ports);
        fields_ask(s, section(), str_c(row->service), "");
        return RC_OK;
    }
    if (!ask_left(s))
        return session_usage(s);
    while (ask_left(s)) {
        struct str word = ask_next(s);

        if (str_find(word, '=') < word.n ? !field_set(s, section(), str_c(row->service), word) : !put_hosts(s, row, word))
            return RC_INVALID;
    }
    return RC_OK;
}

static enum rc op_clear(struct session *s)
{
    const struct firewall_row *row = pick(s, "Enter the name of the service you want to clear:");

    if (!conf_find(&session_conf(s)->service_host, str_c(row->service))) {
        say(s, "%s is off already.\n", row->service);
        return RC_OK;
    }
    return menu_delete(s, &services, str_c(row->service)) ? RC_OK : RC_INVALID;
}

static enum rc op_print(struct session *s)
{
    const struct firewall_row *row;

    for (size_t i = 0; (row = firewall_row(i)); i++) {
        const struct conf_service_host *h = conf_find(&session_conf(s)->service_host, str_c(row->service));

        if (!*row->service)
            continue;
        say(s, "%-18s ", row->service);
        for (size_t k = 0; h && k < h->hosts.n; k++)
            say(s, "%s%.*s", k ? ", " : "", STR(h->hosts.items[k]));
        if (h && h->hosts.n)
            say(s, ", port %s", h->port ? arena_printf(&s->arena, "%" PRIu64, h->port).p : row->ports);
        else
            say(s, "off");
        if (*row->peer)
            say(s, " (reference: %s)", row->peer);
        say(s, "\n");
    }
    return RC_OK;
}

static enum rc op_lab(struct session *s)
{
    const struct firewall_row *row;

    for (size_t i = 0; (row = firewall_row(i)); i++) {
        struct buf *hosts = session_buf(s, 4096);

        for (size_t k = 0; firewall_direction(row, session_conf(s)) != FIREWALL_NONE && k < firewall_lab_hosts(row); k++)
            buf_addf(hosts, "%s%.*s", k ? "," : "", STR(firewall_lab_host(row, k, &s->arena)));
        if (hosts->n && (!make(s, row) || !field_put(s, section(), str_c(row->service), "hosts", buf_str(hosts))))
            return RC_INVALID;
    }
    say(s, "Every service has its laboratory host.\n");
    return RC_OK;
}

enum rc cmd_servicehosts(struct session *s)
{
    static const struct menu_more more[] = {
        {"EDIT", "Set the hosts of a service", op_edit},
        {"CLEAR", "Switch a service off", op_clear},
        {"PRINT", "Show every service with its reference name", op_print},
        {"LAB", "Set the laboratory host of every service", op_lab},
    };

    return menu_talk(s, &services, more, sizeof more / sizeof *more);
}
