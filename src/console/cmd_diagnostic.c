/*
 * diagnostic (spec/cli.md 7.4): the parts of it that mean something here: NETWORK (forget cached DNS answers, neighbours, a
 * try of SMTP with times) and DISK_USAGE.
 *
 * Called through spec/verbs.def. Owns nothing.
 */
#include "console/ask.h"
#include "console/commands.h"
#include "console/net.h"

#include "base/clock.h"
#include "base/io.h"

#include <inttypes.h>
#include <sys/statvfs.h>

enum { FILE_MOST = 1 << 20, STEP_MS = 15000 };

static enum rc flush(struct session *s)
{
    return session_run(s, "dnsflush", NULL);
}

static enum rc neighbours(struct session *s)
{
    struct buf *b = session_buf(s, FILE_MOST);
    struct err e = ERR_NONE;

    if (io_read_file("/proc/net/arp", b, &e) != RC_OK)
        return session_fail(s, &e);
    say_str(s, buf_str(b));
    return RC_OK;
}

/* Sends a line (none at first) and waits for the reply to it, with the time that took. */
static enum rc step(struct session *s, struct net_socket *k, const char *what, struct str send, struct err *e)
{
    struct buf *in = session_buf(s, 65536);
    uint64_t began = clock_mono_ms();
    struct str rest, line;

    TRY(net_write(s, k, send, began + STEP_MS, e));
    for (;;) {
        int n = net_read(s, k, in, began + STEP_MS, e);

        if (n <= 0)
            return n < 0 ? e->rc : err_set(e, RC_CLOSED, "The host closed the connection");
        rest = buf_str(in);
        while (str_find(rest, '\n') < rest.n && str_split(&rest, '\n', &line)) {
            if (line.n > 3 && line.p[3] == '-')
                continue;
            say(s, "%-8s %6" PRIu64 " ms  %.*s\n", what, clock_mono_ms() - began, STR(str_trim(line)));
            return RC_OK;
        }
    }
}

static enum rc smtp_ping(struct session *s)
{
    struct str host = ask_value(s, "Enter the hostname or IP address of the mail host.", NULL, NULL, NULL), hello;
    uint64_t port = ask_number(s, "Enter the port.", 25, 1, UINT16_MAX), began = clock_mono_ms();
    struct address_ip all[NET_ADDRESSES];
    struct err e = ERR_NONE;
    struct net_socket *k;
    size_t n;
    char text[46];

    if (net_resolve(s, host, AF_UNSPEC, all, &n, &e) != RC_OK)
        return session_fail(s, &e);
    say(s, "%-8s %6" PRIu64 " ms  %.*s\n", "DNS", clock_mono_ms() - began, STR(ip_text(&all[0], text)));
    all[0].port = (uint16_t)port;
    began = clock_mono_ms();
    if (net_connect(s, &all[0], NULL, NET_CONNECT_MS, &k, &e) != RC_OK)
        return session_fail(s, &e);
    say(s, "%-8s %6" PRIu64 " ms\n", "connect", clock_mono_ms() - began);
    hello = arena_printf(&s->arena, "EHLO %.*s\r\n", STR(session_conf(s)->system.hostname));
    if (step(s, k, "banner", STR_NONE, &e) != RC_OK || step(s, k, "EHLO", hello, &e) != RC_OK ||
        step(s, k, "QUIT", str_lit("QUIT\r\n"), &e) != RC_OK)
        return session_fail(s, &e);
    return RC_OK;
}

static enum rc network(struct session *s)
{
    static const struct operation ops[] = {{"FLUSH", "Forget all cached DNS answers", false},
                                           {"ARPSHOW", "Show the neighbours of this machine (ARP)", false},
                                           {"SMTPPING", "Try a mail host by SMTP", false}};
    static enum rc (*const does[])(struct session * s) = {flush, neighbours, smtp_ping};
    enum rc rc = RC_OK;
    size_t i;

    while ((i = ask_operation(s, ops, 3)) != SIZE_MAX)
        rc = does[i](s);
    return ask_batch(s) ? rc : RC_OK;
}

static enum rc disk_usage(struct session *s)
{
    static const char *const parts[] = {"log", "spool", "configuration", "captures"};

    say(s, "Part              Size (MB)   Free (MB)   Used\n");
    for (size_t i = 0; i < sizeof parts / sizeof *parts; i++) {
        struct statvfs v;

        if (statvfs(arena_printf(&s->arena, "%s/%s", s->home, parts[i]).p, &v) == 0 && v.f_blocks)
            say(s, "%-14s %12" PRIu64 "%12" PRIu64 "   %3" PRIu64 "%%\n", parts[i], (uint64_t)v.f_blocks * v.f_frsize >> 20,
                (uint64_t)v.f_bavail * v.f_frsize >> 20, (uint64_t)(v.f_blocks - v.f_bfree) * 100 / v.f_blocks);
    }
    return RC_OK;
}

enum rc cmd_diagnostic(struct session *s)
{
    static const struct operation ops[] = {{"NETWORK", "Network utilities", false},
                                           {"DISK_USAGE", "Show the disk space of each part", false}};
    enum rc rc = RC_OK;
    size_t i;

    while ((i = ask_operation(s, ops, 2)) != SIZE_MAX)
        rc = i == 0 ? network(s) : disk_usage(s);
    return ask_batch(s) ? rc : RC_OK;
}
