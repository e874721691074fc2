/*
 * telnet (spec/cli.md 6, 7.4): a TCP connection by hand. Its lines are those clients and people look for.
 *
 * Called through spec/verbs.def. On a terminal what is typed goes over line by line, with an echo of ours, until ^] or the
 * other side closes. Elsewhere the banner is shown and that is all. What goes wrong is told apart: DNS, refused, timeout,
 * reset, no banner. Telnet options of the other side are taken out and not answered.
 */
#include "console/ask.h"
#include "console/commands.h"
#include "console/net.h"
#include "console/terminal.h"

#include "base/clock.h"

#include <unistd.h>

enum { BANNER_MS = 10000, MORE_MS = 200, ESCAPE = 0x1d, IAC = 255, LINE_MOST = 65536, CHUNK_MOST = 1 << 20 };

struct telnet {
    struct str host, source;
    uint64_t port, wait_ms;
    bool ask_interface;
    struct net_socket *k;
};

/* --- what comes
 * ------------------------------------------------------------------------------------------------------------ */

/* Takes telnet commands out (IAC and one or two octets). */
static void without_options(struct buf *in)
{
    size_t n = 0;

    for (size_t i = 0; i < in->n; i++) {
        if ((unsigned char)in->p[i] == IAC && i + 1 < in->n)
            i += (unsigned char)in->p[i + 1] >= 251 && (unsigned char)in->p[i + 1] <= 254 ? 2 : 1;
        else
            in->p[n++] = in->p[i];
    }
    in->n = n;
}

static void show(struct session *s, struct buf *in)
{
    without_options(in);
    s->line = 0; /* no pages here */
    say_str(s, buf_str(in));
    buf_clear(in);
    say_flush(s);
}

static enum rc show_banner(struct session *s, struct telnet *t)
{
    struct buf *in = session_buf(s, CHUNK_MOST);
    struct err e = ERR_NONE;
    uint64_t until_ms = clock_mono_ms() + t->wait_ms;
    int n;

    while ((n = net_read(s, t->k, in, until_ms, &e)) > 0)
        if (str_find(buf_str(in), '\n') < in->n)
            until_ms = clock_mono_ms() + MORE_MS; /* it may have more lines */
    if (n < 0 && e.rc != RC_TIMEOUT) {
        say(s, "%s\n", err_text(&e));
        return e.rc;
    }
    if (!in->n) {
        if (n == 0)
            say(s, "Connection closed by foreign host without a banner.\n");
        else
            say(s, "No banner came within %u seconds.\n", (unsigned)(t->wait_ms / 1000));
        return n == 0 ? RC_CLOSED : RC_TIMEOUT;
    }
    if (in->p[in->n - 1] != '\n')
        buf_addc(in, '\n');
    show(s, in);
    return RC_OK;
}

/* --- what is typed
 * ----------------------------------------------------------------------------------------------------------- */

/* Keys so far into `line`, with an echo; true when it is to be sent. *leave: ^]. */
static bool typed(struct session *s, struct buf *line, bool *leave)
{
    while (s->ahead.n) {
        unsigned char c = (unsigned char)*s->ahead.p;
        bool second = c == '\n' && s->after_cr;

        buf_drop(&s->ahead, 1);
        s->after_cr = c == '\r';
        if (second)
            continue;
        if (c == ESCAPE) {
            *leave = true;
            return false;
        }
        if (c == '\r' || c == '\n') {
            say_raw(s, str_lit("\n"));
            buf_add(line, str_lit("\r\n"));
            return true;
        }
        if ((c == 0x7f || c == 8) && line->n) {
            line->n--;
            say_raw(s, str_lit("\b \b"));
        } else if (c >= 0x20 || c == '\t') {
            buf_addc(line, (char)c);
            say_raw(s, str_of(&c, 1));
        } else if (c == 4 && !line->n) { /* Ctrl-D */
            *leave = true;
            return false;
        }
    }
    say_flush(s);
    return false;
}

static enum rc converse(struct session *s, struct telnet *t)
{
    struct buf *in = session_buf(s, CHUNK_MOST), *line = session_buf(s, LINE_MOST);
    struct err e = ERR_NONE;
    bool leave = false;

    for (;;) {
        if (terminal_fill(s, -1, t->k->fd)) {
            int n = net_read(s, t->k, in, 0, &e);

            if (n > 0)
                show(s, in);
            if (n == 0)
                say(s, "Connection closed by foreign host.\n");
            if (n < 0 && e.rc != RC_TIMEOUT)
                say(s, "%s\n", err_text(&e));
            if (n == 0 || (n < 0 && e.rc != RC_TIMEOUT))
                return RC_OK;
        }
        while (typed(s, line, &leave)) {
            if (net_write(s, t->k, buf_str(line), clock_mono_ms() + BANNER_MS, &e) != RC_OK)
                return session_fail(s, &e);
            buf_clear(line);
        }
        if (leave) {
            say(s, "\nConnection closed.\n");
            return RC_OK;
        }
    }
}

/* --- the command
 * ---------------------------------------------------------------------------------------------------------------
 */

static enum rc reach(struct session *s, struct telnet *t)
{
    struct address_ip all[NET_ADDRESSES], from;
    struct err e = ERR_NONE;
    size_t n = 0;
    char text[46];

    if (net_resolve(s, t->host, AF_UNSPEC, all, &n, &e) != RC_OK)
        return session_fail(s, &e);
    for (size_t i = 0; i < n; i++) {
        from = (struct address_ip){0};
        if (t->source.n)
            net_source(s, t->source, all[i].family, &from);
        all[i].port = (uint16_t)t->port;
        say(s, "Trying %.*s...\n", STR(ip_text(&all[i], text)));
        if (net_connect(s, &all[i], &from, NET_CONNECT_MS, &t->k, &e) == RC_OK)
            return RC_OK;
        say(s, "telnet: connect to address %.*s port %u: %s\n", STR(ip_text(&all[i], text)), all[i].port, err_text(&e));
    }
    say(s, "telnet: Unable to connect to remote host\n");
    return e.rc;
}

static bool parse(struct session *s, struct telnet *t)
{
    size_t words = 0;

    for (size_t i = 0; i < s->args.n; i++) {
        uint64_t seconds;

        if (arg_is(s, i, "-i"))
            t->ask_interface = true;
        else if (arg_is(s, i, "-w") && i + 1 < s->args.n && str_u64(arg(s, i + 1), &seconds) && seconds && seconds <= 600)
            t->wait_ms = seconds * 1000, i++;
        else if (words == 0)
            t->host = arg(s, i), words++;
        else if (words == 1 && str_u64(arg(s, i), &t->port))
            words++;
        else
            return false;
    }
    s->taken = s->args.n; /* what is missing is asked */
    return t->port >= 1 && t->port <= UINT16_MAX && !str_starts(t->host, str_lit("-"));
}

enum rc cmd_telnet(struct session *s)
{
    struct telnet t = {.port = 25, .wait_ms = BANNER_MS};

    if (!parse(s, &t))
        return session_usage(s);
    if (t.ask_interface || !s->args.n)
        t.source = net_ask_interface(s, "Please select which interface you want to telnet from.");
    if (!t.host.n) {
        t.host = ask_value(s, "Enter the remote hostname or IP address.", NULL, NULL, NULL);
        t.port = ask_number(s, "Enter the remote port.", 25, 1, UINT16_MAX);
    }
    TRY(reach(s, &t));
    say(s, "Connected to %.*s.\nEscape character is '^]'.\n", STR(t.host));
    say_flush(s);
    return s->terminal ? converse(s, &t) : show_banner(s, &t);
}
