/*
 * ping and ping6 (spec/cli.md 7.4): ICMP echo (RFC 792, RFC 4443).
 *
 * Called through spec/verbs.def. Uses the kernel's ping sockets (net.ipv4.ping_group_range), or a raw socket where that is
 * permitted; without either it says so in one line. The statistics come at the end, however it ends: they are printed by the
 * command's clean-up. Fails when nothing was received.
 */
#include "console/ask.h"
#include "console/commands.h"
#include "console/net.h"

#include "base/clock.h"

#include <errno.h>
#include <inttypes.h>
#include <netinet/icmp6.h>
#include <netinet/ip.h>
#include <netinet/ip_icmp.h>
#include <sys/socket.h>
#include <unistd.h>

enum { INTERVAL_MS = 1000, ECHO_DATA = 56, HEADER = 8, COUNT_MOST = 1000000, LAST_WAIT_MS = 2000 };

struct ping {
    struct session *s;
    struct str host, source;
    uint64_t count; /* 0 = until Ctrl-C */
    int family;
    bool raw;
    uint16_t id;
    struct address_ip to;
    struct net_socket *k;
    uint64_t sent, received, least_us, most_us, sum_us, began_ms;
    bool counting; /* statistics are to be printed */
};

static uint64_t now_us(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000 + (uint64_t)t.tv_nsec / 1000;
}

/* --- packets -------------------------------------------------------------------------------------------------------------
 */

/* RFC 1071; the kernel makes that of ICMPv6. */
static uint16_t checksum(const unsigned char *p, size_t n)
{
    uint32_t sum = 0;

    for (size_t i = 0; i < n; i += 2)
        sum += (uint32_t)p[i] << 8 | (i + 1 < n ? p[i + 1] : 0u);
    while (sum >> 16)
        sum = (sum & 0xffff) + (sum >> 16);
    return (uint16_t)~sum;
}

static void put16(unsigned char *p, unsigned v)
{
    p[0] = (unsigned char)(v >> 8);
    p[1] = (unsigned char)v;
}

static bool send_one(struct ping *p)
{
    unsigned char packet[HEADER + ECHO_DATA] = {p->family == AF_INET6 ? ICMP6_ECHO_REQUEST : ICMP_ECHO};
    uint64_t now = now_us();

    put16(packet + 4, p->id);
    put16(packet + 6, (unsigned)(p->sent & 0xffff));
    memcpy(packet + HEADER, &now, sizeof now);
    for (unsigned i = sizeof now; i < ECHO_DATA; i++)
        packet[HEADER + i] = (unsigned char)i;
    if (p->family == AF_INET)
        put16(packet + 2, checksum(packet, sizeof packet));
    p->sent++;
    if (send(p->k->fd, packet, sizeof packet, 0) >= 0)
        return true;
    say(p->s, "ping: sendto: %s\n", strerror(errno));
    return errno != EACCES && errno != ENETUNREACH && errno != EINVAL;
}

/* The echo in a packet that came; NULL when it is something else. */
static const unsigned char *echo_of(const struct ping *p, const unsigned char *octets, size_t n, int *ttl)
{
    size_t head = 0;

    if (p->raw && p->family == AF_INET) {
        head = n ? (size_t)(octets[0] & 15) * 4 : 0;
        if (n < 20 || head < 20)
            return NULL;
        *ttl = octets[8];
    }
    if (n < head + HEADER + sizeof(uint64_t))
        return NULL;
    octets += head;
    if (octets[0] != (p->family == AF_INET6 ? ICMP6_ECHO_REPLY : ICMP_ECHOREPLY))
        return NULL;
    return !p->raw || (octets[4] << 8 | octets[5]) == p->id ? octets : NULL;
}

/* Shows what came: an echo, or a message that it cannot be reached. */
static void take_one(struct ping *p)
{
    unsigned char octets[2048], control[256];
    struct iovec iov = {octets, sizeof octets};
    struct msghdr m = {.msg_iov = &iov, .msg_iovlen = 1, .msg_control = control, .msg_controllen = sizeof control};
    ssize_t n = recvmsg(p->k->fd, &m, 0);
    const unsigned char *echo;
    uint64_t began, took;
    int ttl = -1;
    char text[46];

    if (n < 0) {
        if (errno != EAGAIN && errno != EINTR)
            say(p->s, "From %.*s: %s\n", STR(ip_text(&p->to, text)), strerror(errno));
        return;
    }
    for (struct cmsghdr *c = CMSG_FIRSTHDR(&m); c; c = CMSG_NXTHDR(&m, c))
        if ((c->cmsg_level == IPPROTO_IP && c->cmsg_type == IP_TTL) ||
            (c->cmsg_level == IPPROTO_IPV6 && c->cmsg_type == IPV6_HOPLIMIT))
            memcpy(&ttl, CMSG_DATA(c), sizeof ttl);
    echo = echo_of(p, octets, (size_t)n, &ttl);
    if (!echo)
        return;
    memcpy(&began, echo + HEADER, sizeof began);
    took = now_us() - began;
    p->received++;
    p->sum_us += took;
    p->least_us = p->received == 1 || took < p->least_us ? took : p->least_us;
    p->most_us = took > p->most_us ? took : p->most_us;
    say(p->s, "%d bytes from %.*s: icmp_seq=%d ttl=%d time=%" PRIu64 ".%03" PRIu64 " ms\n", HEADER + ECHO_DATA,
        STR(ip_text(&p->to, text)), echo[6] << 8 | echo[7], ttl, took / 1000, took % 1000);
}

/* --- the end --------------------------------------------------------------------------------------------------------------
 */

static void statistics(void *ctx)
{
    struct ping *p = ctx;
    uint64_t average;

    if (!p->counting)
        return;
    p->counting = false;
    say(p->s,
        "\n--- %.*s ping statistics ---\n%" PRIu64 " packets transmitted, %" PRIu64 " packets received, %" PRIu64 ".%" PRIu64
        "%% packet loss\n",
        STR(p->host), p->sent, p->received, p->sent ? (p->sent - p->received) * 100 / p->sent : 0,
        p->sent ? (p->sent - p->received) * 1000 / p->sent % 10 : 0);
    if (!p->received)
        return;
    average = p->sum_us / p->received;
    say(p->s, "round-trip min/avg/max = %" PRIu64 ".%03" PRIu64 "/%" PRIu64 ".%03" PRIu64 "/%" PRIu64 ".%03" PRIu64 " ms\n",
        p->least_us / 1000, p->least_us % 1000, average / 1000, average % 1000, p->most_us / 1000, p->most_us % 1000);
}

static void run(struct ping *p)
{
    uint64_t next_ms = clock_mono_ms();

    p->counting = true;
    while (!p->count || p->sent < p->count) {
        p->s->line = 0; /* what follows is not paged */
        if (!send_one(p) || session_gone(p->s))
            return;
        next_ms += p->count && p->sent == p->count ? LAST_WAIT_MS : INTERVAL_MS;
        while (net_wait(p->s, p->k, false, next_ms)) {
            take_one(p);
            say_flush(p->s);
            if (p->count && p->received >= p->count)
                return;
        }
    }
}

/* --- the beginning --------------------------------------------------------------------------------------------------------
 */

static bool open_socket(struct ping *p)
{
    const int protocol = p->family == AF_INET6 ? (int)IPPROTO_ICMPV6 : (int)IPPROTO_ICMP, one = 1;
    struct sockaddr_storage at;
    socklen_t n = ip_to_sockaddr(&p->to, &at);
    struct address_ip from = {0};

    p->k = net_socket(p->s, p->family, SOCK_DGRAM, protocol);
    if (p->k->fd < 0) {
        p->raw = true;
        p->k = net_socket(p->s, p->family, SOCK_RAW, protocol);
    }
    if (p->k->fd < 0) {
        say(p->s, "ping: %s: this account may send no ICMP; widen net.ipv4.ping_group_range on the machine\n",
            strerror(errno));
        return false;
    }
    if (p->family == AF_INET)
        setsockopt(p->k->fd, IPPROTO_IP, IP_RECVTTL, &one, sizeof one);
    else
        setsockopt(p->k->fd, IPPROTO_IPV6, IPV6_RECVHOPLIMIT, &one, sizeof one);
    if (p->source.n && net_source(p->s, p->source, p->family, &from) && from.family) {
        struct sockaddr_storage source;

        bind(p->k->fd, (struct sockaddr *)&source, ip_to_sockaddr(&from, &source));
    }
    if (connect(p->k->fd, (struct sockaddr *)&at, n) == 0)
        return true;
    say(p->s, "ping: %s\n", strerror(errno));
    return false;
}

static bool parse(struct session *s, struct ping *p)
{
    for (size_t i = 0; i < s->args.n; i++) {
        if ((arg_is(s, i, "-c") || arg_is(s, i, "-n")) && i + 1 < s->args.n) {
            if (!str_u64(arg(s, ++i), &p->count) || p->count < 1 || p->count > COUNT_MOST)
                return false;
        } else if (!p->host.n && !str_starts(arg(s, i), str_lit("-"))) {
            p->host = arg(s, i);
        } else {
            return false;
        }
    }
    s->taken = s->args.n;
    return true;
}

static enum rc ping(struct session *s, int family)
{
    struct ping *p = arena_must_alloc(&s->arena, sizeof *p);
    struct address_ip all[NET_ADDRESSES];
    struct err e = ERR_NONE;
    size_t n;
    char text[46];

    *p = (struct ping){.s = s, .family = family, .id = (uint16_t)random_u64()};
    if (!parse(s, p))
        return session_usage(s);
    if (!s->args.n) {
        p->source = net_ask_interface(s, "Which interface do you want to send the pings from?");
        p->host = ask_value(s, "Please enter the host you wish to ping.", NULL, NULL, NULL);
    }
    if (!p->host.n)
        return session_usage(s);
    if (net_resolve(s, p->host, family, all, &n, &e) != RC_OK)
        return session_fail(s, &e);
    p->to = all[0];
    p->family = all[0].family;
    if (!open_socket(p) || !arena_defer(&s->arena, statistics, p))
        return RC_CONNECT;
    if (s->terminal)
        say(s, "Press Ctrl-C to stop.\n");
    say(s, "PING %.*s (%.*s): %d data bytes\n", STR(p->host), STR(ip_text(&p->to, text)), ECHO_DATA);
    run(p);
    statistics(p);
    return p->received ? RC_OK : RC_TIMEOUT;
}

enum rc cmd_ping(struct session *s)
{
    return ping(s, AF_UNSPEC);
}

enum rc cmd_ping6(struct session *s)
{
    return ping(s, AF_INET6);
}
