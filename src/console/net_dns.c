/*
 * Names for the network tools: questions to a name server by UDP and TCP, addresses of a host. See net.h.
 *
 * Called by cmd_*.c of the network tools. Owns nothing beyond a command. A reply that is not to our question is waited past;
 * servers that do not answer are asked a second time, then the tool says so.
 */
#include "console/net.h"

#include "base/clock.h"
#include "base/io.h"

#include <errno.h>
#include <sys/socket.h>
#include <unistd.h>

enum { SERVERS_MAX = 8, ROUNDS = 2, FILE_MOST = 1 << 20 };

bool net_server(struct str text, struct address_ip *out)
{
    struct str host = str_first(text, str_find(text, '@')), port;
    uint64_t number = 0;

    if (host.n == text.n)
        host = str_first(text, str_find(text, '#'));
    port = str_from(text, host.n + 1);
    if (!ip_parse(host, out) || (port.n && (!str_u64(port, &number) || number == 0 || number > UINT16_MAX)))
        return false;
    out->port = (uint16_t)number;
    return true;
}

/* --- which servers
 * ---------------------------------------------------------------------------------------------------------- */

struct servers {
    struct address_ip items[SERVERS_MAX];
    size_t n;
};

static void add(struct servers *all, struct str text)
{
    if (all->n < SERVERS_MAX && net_server(text, &all->items[all->n])) {
        if (all->items[all->n].port == 0)
            all->items[all->n].port = DNS_PORT;
        all->n++;
    }
}

/* Is the name in the domain? Both without trailing dot. */
static bool in_domain(struct str name, struct str domain)
{
    return str_eqi(name, domain) || (name.n > domain.n && str_endsi(name, domain) && name.p[name.n - domain.n - 1] == '.');
}

static struct str no_dot(struct str name)
{
    return name.n && name.p[name.n - 1] == '.' ? str_first(name, name.n - 1) : name;
}

/* dns.domain_servers, "domain address[@port]": those of the longest domain the name is in. */
static void add_of_domain(struct session *s, struct str name, struct servers *all)
{
    const struct strs *rows = &session_conf(s)->dns.domain_servers;
    size_t longest = 0;

    for (size_t i = 0; i < rows->n; i++) {
        struct str rest = rows->items[i], domain, server;

        if (!str_word(&rest, &domain) || !in_domain(no_dot(name), no_dot(domain)) || domain.n < longest)
            continue;
        if (domain.n > longest)
            all->n = 0;
        longest = domain.n;
        while (str_word(&rest, &server))
            add(all, server);
    }
}

static struct str read_file(struct session *s, const char *path)
{
    struct buf *b = session_buf(s, FILE_MOST);

    return io_read_file(path, b, NULL) == RC_OK ? buf_str(b) : STR_NONE;
}

static void add_of_system(struct session *s, struct servers *all)
{
    struct str rest = read_file(s, "/etc/resolv.conf"), line, word;

    while (rest.n && str_split(&rest, '\n', &line))
        if (str_word(&line, &word) && str_eq(word, str_lit("nameserver")) && str_word(&line, &word))
            add(all, word);
}

static void servers_find(struct session *s, const struct net_question *q, struct servers *all)
{
    const struct strs *set = &session_conf(s)->dns.servers;

    all->n = 0;
    if (q->server) {
        all->items[0] = *q->server;
        all->items[0].port = q->server->port ? q->server->port : DNS_PORT;
        all->n = 1;
        return;
    }
    add_of_domain(s, q->name, all);
    if (all->n)
        return;
    for (size_t i = 0; i < set->n; i++)
        add(all, set->items[i]);
    if (!all->n)
        add_of_system(s, all);
}

/* --- one question
 * ----------------------------------------------------------------------------------------------------------- */

static uint16_t id_of(struct str octets)
{
    const unsigned char *p = (const unsigned char *)octets.p;

    return (uint16_t)(octets.n < 2 ? 0 : p[0] << 8 | p[1]);
}

static bool is_ours(const struct net_question *q, struct str ask, const struct dns_message *m)
{
    if (!m->reply || m->id != id_of(ask))
        return false;
    return m->question.n == 0 || (m->question_type == q->type && str_eqi(no_dot(m->question), no_dot(q->name)));
}

static enum rc by_udp(struct session *s, const struct net_question *q, struct str ask, uint64_t until_ms,
                      struct net_answer *out, struct err *e)
{
    struct net_socket *k = net_socket(s, out->server.family, SOCK_DGRAM, 0);
    struct sockaddr_storage at;
    socklen_t n = ip_to_sockaddr(&out->server, &at);
    char *octets = arena_must_alloc(&s->arena, DNS_MESSAGE_MAX);
    enum rc rc = RC_OK;

    if (k->fd >= 0 && q->from.family) {
        struct sockaddr_storage from;
        socklen_t m = ip_to_sockaddr(&q->from, &from);

        if (bind(k->fd, (struct sockaddr *)&from, m) != 0)
            return err_set(e, RC_CONNECT, "source address: %s", strerror(errno));
    }
    if (k->fd < 0 || connect(k->fd, (struct sockaddr *)&at, n) != 0 || send(k->fd, ask.p, ask.n, MSG_NOSIGNAL) < 0)
        return err_set(e, RC_CONNECT, "%s", strerror(errno));
    for (;;) {
        ssize_t got;

        if (!net_wait(s, k, false, until_ms)) {
            rc = err_set(e, RC_TIMEOUT, "no answer in time");
            break;
        }
        got = recv(k->fd, octets, DNS_MESSAGE_MAX, 0);
        if (got < 0 && errno != EAGAIN && errno != EINTR) {
            rc = err_set(e, RC_CONNECT, "%s", strerror(errno));
            break;
        }
        if (got <= 0)
            continue;
        rc = dns_message_parse(&s->arena, str_of(octets, (size_t)got), &out->m, e);
        out->octets = (size_t)got;
        if (rc == RC_OK ? is_ours(q, ask, &out->m) : id_of(str_of(octets, (size_t)got)) == id_of(ask))
            break;
    }
    net_close(k);
    return rc;
}

static enum rc by_tcp(struct session *s, const struct net_question *q, struct str ask, uint64_t until_ms,
                      struct net_answer *out, struct err *e)
{
    struct buf *in = session_buf(s, DNS_MESSAGE_MAX + 65536);
    char head[2] = {(char)(ask.n >> 8), (char)ask.n};
    uint64_t now = clock_mono_ms();
    struct net_socket *k;
    size_t want = 2;

    TRY(net_connect(s, &out->server, &q->from, until_ms > now ? until_ms - now : 1, &k, e));
    TRY(net_write(s, k, str_of(head, 2), until_ms, e));
    TRY(net_write(s, k, ask, until_ms, e));
    while (in->n < want) {
        int n = net_read(s, k, in, until_ms, e);

        if (n < 0)
            return e->rc;
        if (n == 0)
            return err_set(e, RC_CLOSED, "the server closed the connection");
        if (in->n >= 2)
            want = 2 + (size_t)id_of(buf_str(in)); /* the length has the same form */
    }
    net_close(k);
    out->tcp = true;
    out->octets = want - 2;
    TRY(dns_message_parse(&s->arena, str_of(in->p + 2, want - 2), &out->m, e));
    return is_ours(q, ask, &out->m) ? RC_OK : err_set(e, RC_CORRUPT, "the reply is not to this question");
}

static enum rc ask_one(struct session *s, const struct net_question *q, struct str ask, uint64_t wait_ms,
                       struct net_answer *out, struct err *e)
{
    uint64_t began = clock_mono_ms();

    out->tcp = false;
    if (!q->tcp)
        TRY(by_udp(s, q, ask, began + wait_ms, out, e));
    if (q->tcp || (out->m.truncated && !q->udp))
        TRY(by_tcp(s, q, ask, clock_mono_ms() + wait_ms, out, e));
    out->ms = clock_mono_ms() - began;
    return RC_OK;
}

enum rc net_ask(struct session *s, const struct net_question *q, struct net_answer *out, struct err *e)
{
    struct buf *ask = session_buf(s, 1024);
    struct servers all;
    struct err why = ERR_NONE;
    uint64_t wait_ms = session_conf(s)->dns.timeout_ms / ROUNDS;

    TRY(dns_message_ask(ask, (uint16_t)random_u64(), q->name, q->type, e));
    servers_find(s, q, &all);
    if (!all.n)
        return err_set(e, RC_NOT_FOUND, "there is no name server (dnsconfig, /etc/resolv.conf)");
    for (unsigned round = 0; round < ROUNDS; round++) {
        for (size_t i = 0; i < all.n; i++) {
            struct net_answer a = {.server = all.items[i]};
            char text[46];
            enum rc rc = ask_one(s, q, buf_str(ask), wait_ms, &a, &why);

            if (rc == RC_OK) {
                *out = a;
                return RC_OK;
            }
            err_set(e, rc, "%.*s port %u: %s", STR(ip_text(&all.items[i], text)), all.items[i].port, err_text(&why));
        }
    }
    return e ? e->rc : RC_TIMEOUT;
}

/* --- addresses
 * --------------------------------------------------------------------------------------------------------------- */

static bool fits(const struct address_ip *ip, int family)
{
    return family == AF_UNSPEC || ip->family == family;
}

static void from_hosts_file(struct session *s, struct str host, int family, struct address_ip *out, size_t *n)
{
    struct str rest = read_file(s, "/etc/hosts"), line, word, name;

    while (rest.n && str_split(&rest, '\n', &line) && *n < NET_ADDRESSES) {
        line = str_first(line, str_find(line, '#'));
        if (!str_word(&line, &word) || !ip_parse(word, &out[*n]) || !fits(&out[*n], family))
            continue;
        while (str_word(&line, &name))
            if (str_eqi(name, host)) {
                ++*n;
                break;
            }
    }
}

static enum rc from_dns(struct session *s, struct str host, int family, struct address_ip *out, size_t *n, struct err *e)
{
    const uint16_t type = family == AF_INET ? 1 : 28;
    struct net_question q = {.name = host, .type = type};
    struct net_answer a;
    const struct dns_entry *x;
    size_t at = 0;

    TRY(net_ask(s, &q, &a, e));
    while (*n < NET_ADDRESSES && (x = dns_message_next(&a.m, type, &at)))
        if (ip_parse(x->text, &out[*n]))
            ++*n;
    if (a.m.rcode == 3)
        return err_set(e, RC_DNS_NXDOMAIN, "the name does not exist");
    if (a.m.rcode)
        return err_set(e, RC_DNS_TEMPORARY, "the name server answers %s", dns_message_rcode(a.m.rcode));
    return RC_OK;
}

enum rc net_resolve(struct session *s, struct str host, int family, struct address_ip out[NET_ADDRESSES], size_t *n_out,
                    struct err *e)
{
    enum rc rc = RC_OK;
    struct err why = ERR_NONE;
    size_t n = 0;
    bool known;

    if (ip_parse(host, &out[0])) {
        if (!fits(&out[0], family))
            return err_set(e, RC_INVALID, "%.*s is an address of the other family", STR(str_first(host, 100)));
        *n_out = 1;
        return RC_OK;
    }
    from_hosts_file(s, host, family, out, &n);
    known = n > 0;
    if (!known && family != AF_INET6)
        rc = from_dns(s, host, AF_INET, out, &n, &why);
    if (!known && family != AF_INET && rc == RC_OK) {
        rc = from_dns(s, host, AF_INET6, out, &n, &why);
        rc = n ? RC_OK : rc;
    }
    if (!n && rc == RC_OK)
        rc = err_set(&why, RC_DNS_NXDOMAIN, "the name has no address");
    if (rc != RC_OK)
        return err_set(e, rc, "DNS lookup of %.*s failed: %s", STR(str_first(host, 200)), err_text(&why));
    *n_out = n;
    return RC_OK;
}
