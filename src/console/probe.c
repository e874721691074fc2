/*
 * One outgoing path tried. See probe.h.
 *
 * Called by cmd_connectivity.c. Owns nothing beyond the command: sockets and TLS objects go with its arena, however it ends.
 * Every failure ends in a result and a text of the peer or of the library.
 */
#include "console/probe.h"

#include "base/clock.h"
#include "console/tls_try.h"

#include <sys/socket.h>
#include <sys/un.h>

enum { CONNECT_MS = 5000, STEP_MS = 5000, REPLY_MOST = 16384, TEXT_MOST = 200, NTP_OCTETS = 48, NAMES_SLOW_MS = 1000 };

const char *probe_result_word(enum probe_result r)
{
    static const char *const words[] = {"ok",           "dns", "timeout", "refused", "reset", "no_banner",
                                        "wrong_banner", "tls", "auth",    "peer",    "off"};

    return words[r];
}

enum probe_kind probe_usual(uint64_t port, uint64_t base)
{
    static const struct {
        unsigned port;
        enum probe_kind kind;
    } usual[] = {{21, PROBE_FTP},   {22, PROBE_SSH},   {25, PROBE_SMTP},  {53, PROBE_DNS},      {80, PROBE_HTTP},
                 {82, PROBE_HTTP},  {83, PROBE_TLS},   {110, PROBE_POP},  {123, PROBE_NTP},     {143, PROBE_IMAP},
                 {389, PROBE_LDAP}, {443, PROBE_TLS},  {465, PROBE_TLS},  {514, PROBE_CONNECT}, {587, PROBE_SMTP},
                 {636, PROBE_TLS},  {990, PROBE_TLS},  {993, PROBE_TLS},  {995, PROBE_TLS},     {3268, PROBE_LDAP},
                 {3269, PROBE_TLS}, {4431, PROBE_TLS}, {6025, PROBE_CPQ}, {6080, PROBE_HTTP},   {6443, PROBE_TLS},
                 {6514, PROBE_TLS}, {7025, PROBE_CPQ}};

    for (size_t i = 0; i < sizeof usual / sizeof *usual; i++)
        if (port == usual[i].port || (base && port == base + usual[i].port))
            return usual[i].kind;
    return PROBE_CONNECT;
}

/* --- answers ---------------------------------------------------------------------------------------------------------- */

static void end(struct session *s, struct probe *p, enum probe_result r, struct str text)
{
    p->result = r;
    p->text = arena_str(&s->arena, str_first(str_trim(text), TEXT_MOST));
}

static void end_err(struct session *s, struct probe *p, const struct err *e, enum probe_result otherwise)
{
    const char *text = err_text(e);
    enum probe_result r = e->rc == RC_TIMEOUT                                            ? RESULT_TIMEOUT
                          : e->rc == RC_CLOSED                                           ? RESULT_RESET
                          : str_find_str(str_c(text), str_lit("refused")) < strlen(text) ? RESULT_REFUSED
                                                                                         : otherwise;

    end(s, p, r, str_c(text));
}

/* Octets until one line is whole and it is no "250-" line; false when p has its result. */
static bool read_reply(struct session *s, struct probe *p, struct net_socket *k, struct buf *in, bool several)
{
    uint64_t until_ms = clock_mono_ms() + STEP_MS;
    struct err e = ERR_NONE;

    buf_clear(in);
    for (;;) {
        struct str rest = buf_str(in), line;
        int n;

        while (str_find(rest, '\n') < rest.n) {
            line = str_first(rest, str_find(rest, '\n'));
            rest = str_from(rest, line.n + 1);
            if (!several || line.n < 4 || line.p[3] != '-')
                return true;
        }
        n = net_read(s, k, in, until_ms, &e);
        if (n > 0)
            continue;
        if (n == 0)
            end(s, p, RESULT_RESET, in->n ? buf_str(in) : str_lit("the connection was closed without a banner"));
        else if (e.rc == RC_TIMEOUT && !in->n)
            end(s, p, RESULT_NO_BANNER, str_lit("connected, but nothing comes: a firewall that inspects the protocol?"));
        else
            end_err(s, p, &e, RESULT_RESET);
        return false;
    }
}

static bool expect_banner(struct session *s, struct probe *p, struct net_socket *k, struct buf *in, const char *begins)
{
    struct str got;

    if (!read_reply(s, p, k, in, ascii_digit(*begins))) /* SSH-2.0 is no line that goes on */
        return false;
    got = buf_str(in);
    if (!str_startsi(got, str_c(begins))) {
        bool refuses = str_eq(str_c(begins), str_lit("220")) && got.n && (got.p[0] == '4' || got.p[0] == '5');

        end(s, p, refuses ? RESULT_PEER : RESULT_WRONG_BANNER, str_first(got, str_find(got, '\n')));
        return false;
    }
    end(s, p, RESULT_OK, str_first(got, str_find(got, '\n')));
    return true;
}

/* --- hellos -------------------------------------------------------------------------------------------------------------
 */

static void try_smtp(struct session *s, struct probe *p, struct net_socket *k, bool cpq)
{
    struct buf *in = session_buf(s, REPLY_MOST);
    struct str hello = arena_printf(&s->arena, "EHLO %.*s\r\n", STR(session_conf(s)->system.hostname)), banner;
    struct err e = ERR_NONE;

    if (!expect_banner(s, p, k, in, "220"))
        return;
    banner = p->text;
    if (net_write(s, k, hello, clock_mono_ms() + STEP_MS, &e) != RC_OK) {
        end_err(s, p, &e, RESULT_RESET);
        return;
    }
    if (!read_reply(s, p, k, in, true))
        return;
    if (!str_starts(buf_str(in), str_lit("250")))
        end(s, p, RESULT_PEER, buf_str(in));
    else if (cpq && str_find_str(buf_str(in), str_lit("XCPQ")) == in->n)
        end(s, p, RESULT_WRONG_BANNER, str_lit("this is no CPQ server: EHLO does not name XCPQ"));
    else if (cpq && str_find_str(buf_str(in), str_lit("STARTTLS")) == in->n)
        end(s, p, RESULT_TLS, str_lit("STARTTLS is not offered: TLS removed on the way?"));
    else
        p->text = banner;
    net_write(s, k, str_lit("QUIT\r\n"), clock_mono_ms() + STEP_MS, &e);
}

static void try_http(struct session *s, struct probe *p, struct net_socket *k)
{
    struct buf *in = session_buf(s, REPLY_MOST);
    struct str ask = arena_printf(&s->arena, "HEAD / HTTP/1.1\r\nHost: %.*s\r\nConnection: close\r\n\r\n", STR(p->host));
    struct err e = ERR_NONE;

    if (net_write(s, k, ask, clock_mono_ms() + STEP_MS, &e) != RC_OK)
        end_err(s, p, &e, RESULT_RESET);
    else
        expect_banner(s, p, k, in, "HTTP/");
}

static void try_tls(struct session *s, struct probe *p, struct net_socket *k)
{
    struct tls_try t = {
        .server = p->host, .names = {&p->host, 1}, .ca_file = p->ca_file, .ciphers = session_conf(s)->tls.outbound_ciphers};
    struct err e = ERR_NONE;

    if (tls_try(s, k, &t, clock_mono_ms() + STEP_MS, &e) != RC_OK)
        end_err(s, p, &e, RESULT_TLS);
    else if (!t.verified)
        end(s, p, RESULT_TLS, arena_printf(&s->arena, "%s; certificate of %.*s", t.why, STR(t.subject)));
    else
        end(s, p, RESULT_OK, arena_printf(&s->arena, "%s, %s", t.protocol, t.cipher));
}

/* A bind without name: whoever speaks LDAP answers, whatever it thinks of it (RFC 4511 4.2). */
static void try_ldap(struct session *s, struct probe *p, struct net_socket *k)
{
    static const unsigned char bind[] = {0x30, 0x0c, 0x02, 0x01, 0x01, 0x60, 0x07, 0x02, 0x01, 0x03, 0x04, 0x00, 0x80, 0x00};
    struct buf *in = session_buf(s, REPLY_MOST);
    struct err e = ERR_NONE;
    int n;

    if (net_write(s, k, str_of(bind, sizeof bind), clock_mono_ms() + STEP_MS, &e) != RC_OK) {
        end_err(s, p, &e, RESULT_RESET);
        return;
    }
    n = net_read(s, k, in, clock_mono_ms() + STEP_MS, &e);
    if (n < 0)
        end_err(s, p, &e, RESULT_RESET);
    else if (n == 0)
        end(s, p, RESULT_RESET, str_lit("the connection was closed"));
    else if (in->p[0] != 0x30)
        end(s, p, RESULT_WRONG_BANNER, str_lit("the answer is not LDAP"));
    else
        end(s, p, RESULT_OK, str_lit("an answer to an anonymous bind"));
}

static void hello(struct session *s, struct probe *p, struct net_socket *k)
{
    struct buf *in = session_buf(s, REPLY_MOST);

    switch (p->kind) {
    case PROBE_SMTP:
    case PROBE_CPQ:
        try_smtp(s, p, k, p->kind == PROBE_CPQ);
        break;
    case PROBE_FTP:
        expect_banner(s, p, k, in, "220");
        break;
    case PROBE_SSH:
        expect_banner(s, p, k, in, "SSH-2.0");
        break;
    case PROBE_POP:
        expect_banner(s, p, k, in, "+OK");
        break;
    case PROBE_IMAP:
        expect_banner(s, p, k, in, "* ");
        break;
    case PROBE_HTTP:
        try_http(s, p, k);
        break;
    case PROBE_TLS:
        try_tls(s, p, k);
        break;
    case PROBE_LDAP:
        try_ldap(s, p, k);
        break;
    default:
        end(s, p, RESULT_OK, str_lit("connected"));
    }
}

/* --- datagrams ----------------------------------------------------------------------------------------------------------
 */

static void try_dns(struct session *s, struct probe *p, const struct address_ip *to)
{
    struct net_question q = {.name = str_lit("."), .type = 2 /* NS */, .server = to};
    struct err e = ERR_NONE;
    struct net_answer a;

    if (net_ask(s, &q, &a, &e) != RC_OK)
        end_err(s, p, &e, RESULT_REFUSED);
    else
        end(s, p, RESULT_OK, str_c(a.m.rcode ? dns_message_rcode(a.m.rcode) : "an answer"));
}

static void try_ntp(struct session *s, struct probe *p, const struct address_ip *to)
{
    unsigned char ask[NTP_OCTETS] = {0x23}; /* version 4, client (RFC 5905 7.3) */
    struct net_socket *k = net_socket(s, to->family, SOCK_DGRAM, 0);
    struct sockaddr_storage at;
    socklen_t n = ip_to_sockaddr(to, &at);
    struct buf *in = session_buf(s, REPLY_MOST * 2);
    struct err e = ERR_NONE;

    if (k->fd < 0 || connect(k->fd, (struct sockaddr *)&at, n) != 0 ||
        net_write(s, k, str_of(ask, sizeof ask), clock_mono_ms() + STEP_MS, &e) != RC_OK)
        end(s, p, RESULT_REFUSED, str_lit("cannot send"));
    else if (net_read(s, k, in, clock_mono_ms() + STEP_MS, &e) < NTP_OCTETS)
        end_err(s, p, &e, RESULT_REFUSED);
    else
        end(s, p, RESULT_OK, arena_printf(&s->arena, "stratum %u", (unsigned)(unsigned char)in->p[1]));
}

/* --- the whole way ------------------------------------------------------------------------------------------------------
 */

static void reach(struct session *s, struct probe *p, const struct address_ip *to)
{
    struct net_socket *k = NULL;
    struct err e = ERR_NONE;
    char text[46];

    p->address = arena_str(&s->arena, ip_text(to, text));
    if (p->kind == PROBE_DNS)
        try_dns(s, p, to);
    else if (p->kind == PROBE_NTP)
        try_ntp(s, p, to);
    else if (net_connect(s, to, NULL, CONNECT_MS, &k, &e) != RC_OK)
        end_err(s, p, &e, RESULT_PEER);
    else
        hello(s, p, k);
    if (k)
        net_close(k);
}

/* The other end of the link connects, or closes what it does not take. */
static void through_link(struct session *s, struct probe *p)
{
    struct net_socket *k = net_socket(s, AF_UNIX, SOCK_STREAM, 0);
    struct sockaddr_un at = {.sun_family = AF_UNIX};

    snprintf(at.sun_path, sizeof at.sun_path, "%.*s", STR(p->channel));
    if (k->fd < 0 || connect(k->fd, (struct sockaddr *)&at, sizeof at) != 0)
        end(s, p, RESULT_PEER, str_lit("the link is down"));
    else
        hello(s, p, k);
    net_close(k);
}

void probe_run(struct session *s, struct probe *p, bool *names_fail)
{
    struct address_ip all[NET_ADDRESSES];
    struct err e = ERR_NONE;
    uint64_t began = clock_mono_ms();
    size_t n = 0;

    if (p->channel.n) {
        through_link(s, p);
        p->ms = clock_mono_ms() - began;
        return;
    }
    if (p->kind == PROBE_DATAGRAM) {
        end(s, p, RESULT_OFF, str_lit("not tried: nobody answers these datagrams"));
        return;
    }
    if (*names_fail && !ip_parse(p->host, &all[0])) {
        end(s, p, RESULT_DNS, str_lit("no name server answers"));
        return;
    }
    if (net_resolve(s, p->host, AF_UNSPEC, all, &n, &e) != RC_OK || n == 0) {
        *names_fail = e.rc != RC_DNS_NXDOMAIN && clock_mono_ms() - began >= NAMES_SLOW_MS;
        end(s, p, RESULT_DNS, str_c(err_text(&e)));
    }
    for (size_t i = 0; i < n && (i == 0 || p->result != RESULT_OK); i++) {
        all[i].port = (uint16_t)p->port;
        reach(s, p, &all[i]);
    }
    p->ms = clock_mono_ms() - began;
}
