/*
 * Settings to chronyd's configuration. See config.h.
 *
 * Called by clock.c at each change of settings. Owns nothing and touches no file. A server that is no host name or address
 * is left out; a full buffer shows in out->failed.
 */
#include "clock/config.h"

#include <inttypes.h>

enum { NTP_PORT = 123 };

static bool plain(struct str s, const char *also)
{
    for (size_t i = 0; i < s.n; i++)
        if (!ascii_alpha(s.p[i]) && !ascii_digit(s.p[i]) && !strchr(also, s.p[i]))
            return false;
    return s.n > 0;
}

bool clock_server(struct str server, struct str *host_out, uint64_t *port_out)
{
    size_t colon = str_find(server, ':'), end;
    struct str host = server, port = STR_NONE;
    uint64_t number = NTP_PORT;

    if (server.n && server.p[0] == '[') {
        end = str_find(server, ']');
        if (end == server.n || (end + 1 < server.n && server.p[end + 1] != ':'))
            return false;
        host = str_first(str_from(server, 1), end - 1);
        port = str_from(server, end + 2);
    } else if (colon < server.n && str_find_last(server, ':') == colon) {
        host = str_first(server, colon);
        port = str_from(server, colon + 1);
    }
    if (!plain(host, ".-_:") || host.p[0] == '-')
        return false;
    if (port.n && (!str_u64(port, &number) || number < 1 || number > 65535))
        return false;
    *host_out = host;
    *port_out = number;
    return true;
}

static bool has_key(const struct conf_ntp *n)
{
    size_t colon = str_find(n->key, ':');

    return n->key_id && colon < n->key.n && plain(str_first(n->key, colon), "-") && plain(str_from(n->key, colon + 1), "");
}

void clock_keys_text(const struct conf_ntp *n, struct buf *out)
{
    size_t colon = str_find(n->key, ':');

    if (has_key(n))
        buf_addf(out, "%" PRIu64 " %.*s HEX:%.*s\n", n->key_id, STR(str_first(n->key, colon)),
                 STR(str_from(n->key, colon + 1)));
}

static void add_servers(const struct conf_ntp *n, struct buf *out)
{
    for (size_t i = 0; i < n->servers.n; i++) {
        struct str host;
        uint64_t port;

        if (!clock_server(n->servers.items[i], &host, &port))
            continue;
        buf_addf(out, "server %.*s port %" PRIu64 " iburst", STR(host), port);
        if (has_key(n))
            buf_addf(out, " key %" PRIu64, n->key_id);
        buf_addc(out, '\n');
    }
}

static void add_address(struct buf *out, const char *word, struct str address)
{
    if (plain(address, ".:") && !str_eq(address, str_lit("0.0.0.0")) && !str_eq(address, str_lit("::")))
        buf_addf(out, "%s %.*s\n", word, STR(address));
}

/* The laboratory is on loopback, whatever else is asked. */
static void add_service(const struct conf *c, struct buf *out)
{
    const struct conf_ntp *n = &c->ntp;

    if (!n->serve) {
        buf_add(out, str_lit("port 0\n"));
        return;
    }
    buf_addf(out, "port %" PRIu64 "\n", n->port);
    if (c->system.lab)
        buf_add(out, str_lit("bindaddress 127.0.0.1\nbindaddress ::1\n"));
    for (size_t i = 0; i < n->serve_to.n; i++)
        if (plain(n->serve_to.items[i], ".:/"))
            buf_addf(out, "allow %.*s\n", STR(n->serve_to.items[i]));
}

void clock_config_text(const struct conf *c, const char *home, struct buf *out)
{
    const struct conf_interface *f = conf_find(&c->interface, c->ntp.interface);

    buf_add(out, str_lit("# Made by Postern from its settings (section ntp) at each change.\n"));
    add_servers(&c->ntp, out);
    if (f) {
        add_address(out, "bindacqaddress", f->address);
        add_address(out, "bindacqaddress", f->address6);
    }
    add_service(c, out);
    buf_addf(out, "bindcmdaddress %s/clock/chronyd.sock\ncmdport 0\npidfile %s/clock/chronyd.pid\n", home, home);
    buf_addf(out, "driftfile %s/clock/drift\nkeyfile %s/clock/chrony.keys\nmakestep 1.0 3\n", home, home);
}
