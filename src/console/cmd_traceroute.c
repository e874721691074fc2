/*
 * traceroute and traceroute6 (spec/cli.md 7.4): UDP packets that live ever longer; who drops them says so by ICMP, which the
 * kernel hands over on the socket's error queue (ip(7) IP_RECVERR). Needs no privilege.
 *
 * Called through spec/verbs.def. Three packets a hop, one after the other, up to 30 hops. Ends when the host itself answers.
 */
#include "console/ask.h"
#include "console/commands.h"
#include "console/net.h"

#include "base/clock.h"

#include <errno.h>
#include <inttypes.h>
#include <linux/errqueue.h>
#include <netinet/icmp6.h>
#include <netinet/ip.h>
#include <netinet/ip_icmp.h>
#include <sys/socket.h>

enum { HOPS_MOST = 30, PROBES = 3, WAIT_MS = 3000, FIRST_PORT = 33434, SIZE = 32 };

struct trace {
    struct session *s;
    struct str host, source;
    uint64_t hops, wait_ms;
    struct address_ip to, from;
    struct net_socket *k;
    unsigned port;
};

/* What one packet met. */
struct met {
    struct address_ip who; /* family 0 = nobody answered */
    uint64_t took_us;
    bool end;         /* the host itself, or no way on */
    const char *mark; /* "!H" and so on */
};

static uint64_t now_us(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000 + (uint64_t)t.tv_nsec / 1000;
}

static const char *mark4(unsigned code)
{
    static const char *const marks[] = {"!N", "!H", "!P", ""};

    return code < 4 ? marks[code] : code == 13 || code == 9 || code == 10 ? "!X" : "!?";
}

static void judge(const struct sock_extended_err *x, struct met *m)
{
    m->mark = "";
    if (x->ee_origin == SO_EE_ORIGIN_ICMP && x->ee_type == ICMP_DEST_UNREACH) {
        m->end = true;
        m->mark = mark4(x->ee_code);
    } else if (x->ee_origin == SO_EE_ORIGIN_ICMP6 && x->ee_type == ICMP6_DST_UNREACH) {
        m->end = true;
        m->mark = x->ee_code == ICMP6_DST_UNREACH_NOPORT  ? ""
                  : x->ee_code == ICMP6_DST_UNREACH_ADMIN ? "!X"
                  : x->ee_code == ICMP6_DST_UNREACH_ADDR  ? "!H"
                                                          : "!N";
    } else if (x->ee_origin == SO_EE_ORIGIN_LOCAL) {
        m->end = true;
        m->mark = strerror((int)x->ee_errno);
    }
}

/* Takes one message off the error queue; false when there is none. */
static bool take_error(struct trace *t, struct met *m)
{
    unsigned char octets[SIZE], control[512];
    struct iovec iov = {octets, sizeof octets};
    struct msghdr h = {.msg_iov = &iov, .msg_iovlen = 1, .msg_control = control, .msg_controllen = sizeof control};

    if (recvmsg(t->k->fd, &h, MSG_ERRQUEUE) < 0)
        return false;
    for (struct cmsghdr *c = CMSG_FIRSTHDR(&h); c; c = CMSG_NXTHDR(&h, c)) {
        struct {
            struct sock_extended_err error;
            struct sockaddr_storage from;
        } x = {{0}, {0}};
        size_t n = c->cmsg_len - CMSG_LEN(0);

        if (!((c->cmsg_level == IPPROTO_IP && c->cmsg_type == IP_RECVERR) ||
              (c->cmsg_level == IPPROTO_IPV6 && c->cmsg_type == IPV6_RECVERR)) ||
            n < sizeof x.error)
            continue;
        memcpy(&x.error, CMSG_DATA(c), sizeof x.error);
        memcpy(&x.from, CMSG_DATA(c) + sizeof x.error,
               n - sizeof x.error < sizeof x.from ? n - sizeof x.error : sizeof x.from);
        m->who = t->to;
        if (x.from.ss_family == AF_INET || x.from.ss_family == AF_INET6)
            ip_from_sockaddr((struct sockaddr *)&x.from, &m->who);
        judge(&x.error, m);
        return true;
    }
    return false;
}

/* A socket a probe: an answer that comes late is not taken for that of the next. */
static enum rc probe(struct trace *t, int ttl, struct met *m, struct err *e)
{
    static const unsigned char data[SIZE];
    const bool six = t->to.family == AF_INET6;
    const int one = 1;
    struct sockaddr_storage at;
    uint64_t began = now_us(), until_ms = clock_mono_ms() + t->wait_ms;
    unsigned char answer[SIZE];

    *m = (struct met){.mark = ""};
    t->to.port = (uint16_t)t->port++;
    t->k = net_socket(t->s, t->to.family, SOCK_DGRAM, 0);
    if (t->k->fd < 0)
        return err_set(e, RC_CONNECT, "socket: %s", strerror(errno));
    setsockopt(t->k->fd, six ? IPPROTO_IPV6 : IPPROTO_IP, six ? IPV6_UNICAST_HOPS : IP_TTL, &ttl, sizeof ttl);
    setsockopt(t->k->fd, six ? IPPROTO_IPV6 : IPPROTO_IP, six ? IPV6_RECVERR : IP_RECVERR, &one, sizeof one);
    if (t->from.family)
        bind(t->k->fd, (struct sockaddr *)&at, ip_to_sockaddr(&t->from, &at));
    if (connect(t->k->fd, (struct sockaddr *)&at, ip_to_sockaddr(&t->to, &at)) != 0 ||
        send(t->k->fd, data, sizeof data, 0) < 0)
        return err_set(e, RC_CONNECT, "%s", strerror(errno));
    while (!m->who.family && net_wait(t->s, t->k, false, until_ms)) {
        m->took_us = now_us() - began;
        if (!take_error(t, m) && recv(t->k->fd, answer, sizeof answer, 0) >= 0) {
            m->who = t->to;
            m->end = true;
        }
    }
    net_close(t->k);
    return RC_OK;
}

/* One line; *end: the way ends here. */
static enum rc hop(struct trace *t, int ttl, bool *end, struct err *e)
{
    struct address_ip last = {0};
    char text[46];

    say(t->s, "%2d ", ttl);
    for (unsigned i = 0; i < PROBES; i++) {
        struct met m;

        say_flush(t->s);
        TRY(probe(t, ttl, &m, e));
        if (!m.who.family) {
            say(t->s, " *");
            continue;
        }
        if (!ip_equal(&m.who, &last) || m.who.family != last.family)
            say(t->s, " %.*s ", STR(ip_text(&m.who, text)));
        last = m.who;
        say(t->s, " %" PRIu64 ".%03" PRIu64 " ms%s%s", m.took_us / 1000, m.took_us % 1000, *m.mark ? " " : "", m.mark);
        *end |= m.end;
    }
    say(t->s, "\n");
    return RC_OK;
}

static bool parse(struct session *s, struct trace *t)
{
    uint64_t n;

    for (size_t i = 0; i < s->args.n; i++) {
        if (arg_is(s, i, "-m") && i + 1 < s->args.n && str_u64(arg(s, i + 1), &n) && n >= 1 && n <= 255)
            t->hops = n, i++;
        else if (arg_is(s, i, "-w") && i + 1 < s->args.n && str_u64(arg(s, i + 1), &n) && n >= 1 && n <= 60)
            t->wait_ms = n * 1000, i++;
        else if (!t->host.n && !str_starts(arg(s, i), str_lit("-")))
            t->host = arg(s, i);
        else
            return false;
    }
    s->taken = s->args.n;
    return true;
}

static enum rc traceroute(struct session *s, int family)
{
    struct trace t = {.s = s, .hops = HOPS_MOST, .wait_ms = WAIT_MS, .port = FIRST_PORT};
    struct address_ip all[NET_ADDRESSES];
    struct err e = ERR_NONE;
    bool end = false;
    size_t n;
    char text[46];

    if (!parse(s, &t))
        return session_usage(s);
    if (!s->args.n) {
        t.source = net_ask_interface(s, "Which interface do you want to trace from?");
        t.host = ask_value(s, "Please enter the host to which you want to trace the route.", NULL, NULL, NULL);
    }
    if (!t.host.n)
        return session_usage(s);
    if (net_resolve(s, t.host, family, all, &n, &e) != RC_OK)
        return session_fail(s, &e);
    t.to = all[0];
    if (t.source.n)
        net_source(s, t.source, t.to.family, &t.from);
    if (s->terminal)
        say(s, "Press Ctrl-C to stop.\n");
    say(s, "traceroute to %.*s (%.*s), %" PRIu64 " hops max, %d byte packets\n", STR(t.host), STR(ip_text(&t.to, text)),
        t.hops, SIZE + (t.to.family == AF_INET6 ? 48 : 28));
    for (int ttl = 1; ttl <= (int)t.hops && !end && !session_gone(s); ttl++) {
        s->line = 0;
        if (hop(&t, ttl, &end, &e) != RC_OK) {
            say(s, "\n");
            return session_fail(s, &e);
        }
    }
    return end ? RC_OK : RC_TIMEOUT;
}

enum rc cmd_traceroute(struct session *s)
{
    return traceroute(s, AF_UNSPEC);
}

enum rc cmd_traceroute6(struct session *s)
{
    return traceroute(s, AF_INET6);
}
