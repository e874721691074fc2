/*
 * Weak offers to our own TLS ports. See tls_probe.h.
 *
 * Called by cmd_securitycheck.c. Owns one connection at a time, closed with the command's arena at the latest (Ctrl-C). A
 * port that does not answer within ANSWER_MS is told as such and not asked again.
 */
#include "console/tls_probe.h"

#include "net/socket.h"

#include <errno.h>
#include <stdio.h>
#include <sys/socket.h>
#include <unistd.h>

enum { ANSWER_MS = 2000, HELLO_MAX = 1024, ANSWER_MAX = 8192, SMTP_GOES_ON = 220 };

/* --- offers (numbers: the TLS cipher suites of IANA) ----------------------------------------------------------------------
 */

static const uint16_t anonymous[] = {0x0018, 0x001a, 0x001b, 0x0034, 0x003a, 0x006c, 0x006d,
                                     0x0089, 0x00a6, 0x00a7, 0xc016, 0xc017, 0xc018, 0xc019};
static const uint16_t null[] = {0x0001, 0x0002, 0x003b, 0x00b0, 0x00b1, 0xc001, 0xc006, 0xc00b, 0xc010, 0xc015};
static const uint16_t export[] = {0x0003, 0x0006, 0x0008, 0x000b, 0x000e, 0x0011, 0x0014, 0x0017, 0x0019, 0x0062, 0x0064};
static const uint16_t usual[] = {0xc013, 0xc014, 0xc009, 0xc00a, 0x002f, 0x0035, 0x0033, 0x0039, 0x000a, 0x0005};

#define SUITES(list) list, sizeof(list) / sizeof *(list)

static const struct tls_offer offers[] = {
    {"anonymous suites", 0x0303, SUITES(anonymous)},
    {"null suites", 0x0303, SUITES(null)},
    {"export suites", 0x0303, SUITES(export)},
    {"TLS 1.1", 0x0302, SUITES(usual)},
    {"TLS 1.0", 0x0301, SUITES(usual)},
    {"SSL 3.0", 0x0300, SUITES(usual)},
};

const struct tls_offer *tls_offer(size_t i)
{
    return i < sizeof offers / sizeof *offers ? &offers[i] : NULL;
}

/* Network order. */
static void put16(struct buf *b, size_t v)
{
    buf_addc(b, (char)(v >> 8 & 0xff));
    buf_addc(b, (char)(v & 0xff));
}

void tls_hello(const struct tls_offer *o, struct buf *out)
{
    /* groups x25519, P-256, P-384, ffdhe2048; points uncompressed; signatures of ECDSA and RSA with SHA-256 and up, SHA-1 */
    static const unsigned char extensions[] = {0x00, 0x0a, 0x00, 0x0a, 0x00, 0x08, 0x00, 0x1d, 0x00, 0x17, 0x00,
                                               0x18, 0x01, 0x00, 0x00, 0x0b, 0x00, 0x02, 0x01, 0x00, 0x00, 0x0d,
                                               0x00, 0x12, 0x00, 0x10, 0x04, 0x03, 0x05, 0x03, 0x08, 0x04, 0x04,
                                               0x01, 0x05, 0x01, 0x06, 0x01, 0x02, 0x01, 0x02, 0x03};
    enum { RANDOM = 32, NO_RENEGOTIATION = 0x00ff };
    size_t suites = 2 * (o->n + 1), body = 2 + RANDOM + 1 + 2 + suites + 2 + 2 + sizeof extensions;

    buf_addc(out, 22); /* handshake */
    put16(out, o->version > 0x0301 ? 0x0301 : o->version);
    put16(out, body + 4);
    buf_addc(out, 1); /* ClientHello */
    buf_addc(out, 0);
    put16(out, body);
    put16(out, o->version);
    for (size_t i = 0; i < RANDOM; i++) /* no key comes of it */
        buf_addc(out, (char)(i * 7 + 1));
    buf_addc(out, 0); /* no session */
    put16(out, suites);
    for (size_t i = 0; i < o->n; i++)
        put16(out, o->suites[i]);
    put16(out, NO_RENEGOTIATION);
    buf_addc(out, 1); /* compression: none */
    buf_addc(out, 0);
    put16(out, sizeof extensions);
    buf_add(out, str_of(extensions, sizeof extensions));
}

bool tls_taken(struct str answer)
{
    return answer.n >= 6 && answer.p[0] == 22 && answer.p[1] == 3 && answer.p[5] == 2;
}

/* --- connections ----------------------------------------------------------------------------------------------------------
 */

struct link {
    struct session *s;
    int fd;
    struct buf *in;
    const char *why;
};

static void close_link(void *ctx)
{
    struct link *l = ctx;

    if (l->fd >= 0)
        close(l->fd);
    l->fd = -1;
}

static bool connect_to(struct link *l, const struct hardening_port *p)
{
    struct address_ip ip;
    struct sockaddr_storage to;
    bool six = str_find(p->address, ':') < p->address.n;
    bool every = str_eq(p->address, str_lit("0.0.0.0")) || str_eq(p->address, str_lit("::"));

    if (!ip_parse(!every ? p->address : six ? str_lit("::1") : str_lit("127.0.0.1"), &ip))
        return false;
    ip.port = p->port;
    l->fd = socket(ip.family, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (l->fd < 0 || connect(l->fd, (struct sockaddr *)&to, ip_to_sockaddr(&ip, &to)) != 0) {
        l->why = errno == ECONNREFUSED ? NULL : arena_printf(&l->s->arena, "%s", strerror(errno)).p;
        return false;
    }
    return true;
}

/* More octets, at the end of the connection none; false when nothing comes in time. */
static bool more(struct link *l, bool *end)
{
    char *room = buf_reserve(l->in, 2048);
    ssize_t n;

    if (!room || !session_wait(l->s, l->fd, ANSWER_MS)) {
        l->why = "no answer";
        return false;
    }
    n = recv(l->fd, room, 2048, 0);
    *end = n <= 0;
    l->in->n += n > 0 ? (size_t)n : 0;
    return true;
}

static void put(struct link *l, struct str octets)
{
    while (octets.n) {
        ssize_t n = send(l->fd, octets.p, octets.n, MSG_NOSIGNAL);

        if (n <= 0)
            return; /* the end shows when it is read */
        octets = str_from(octets, (size_t)n);
    }
}

/* A whole SMTP reply, its code; 0 = none came. The reply is in l->in. */
static unsigned reply(struct link *l)
{
    bool end = false;

    buf_clear(l->in);
    while (!end && more(l, &end)) {
        struct str rest = buf_str(l->in), line;
        bool whole = rest.n && rest.p[rest.n - 1] == '\n';

        while (whole && str_split(&rest, '\n', &line)) {
            uint64_t code;

            if (line.n >= 4 && line.p[3] == ' ' && str_u64(str_first(line, 3), &code))
                return (unsigned)code;
        }
    }
    return 0;
}

/* False when no TLS is offered. */
static bool starttls(struct link *l)
{
    if (reply(l) != SMTP_GOES_ON)
        return false;
    put(l, str_lit("EHLO localhost\r\n"));
    if (reply(l) != 250 || str_find_str(buf_str(l->in), str_lit("STARTTLS")) == l->in->n)
        return false;
    put(l, str_lit("STARTTLS\r\n"));
    return reply(l) == SMTP_GOES_ON;
}

static bool takes(struct link *l, const struct hardening_port *p, const struct tls_offer *o)
{
    struct buf *hello = session_buf(l->s, HELLO_MAX);
    bool end = false, taken = false;

    l->fd = -1;
    if (connect_to(l, p) && (!p->starttls || starttls(l))) {
        buf_clear(l->in);
        tls_hello(o, hello);
        put(l, buf_str(hello));
        while (!end && l->in->n < 6 && more(l, &end))
            continue;
        taken = tls_taken(buf_str(l->in));
    }
    close_link(l);
    return taken;
}

void tls_probe(struct session *s, struct hardening_port *p)
{
    struct link *l = arena_must_alloc(&s->arena, sizeof *l);

    *l = (struct link){.s = s, .fd = -1, .in = session_buf(s, ANSWER_MAX)};
    if (!arena_defer(&s->arena, close_link, l))
        return;
    for (size_t i = 0; i < sizeof offers / sizeof *offers && !l->why; i++)
        if (takes(l, p, &offers[i]))
            p->taken = p->taken ? arena_printf(&s->arena, "%s, %s", p->taken, offers[i].name).p : offers[i].name;
    p->why = l->why;
}
