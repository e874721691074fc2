/*
 * Sockets of the network tools: plain waiting code in which Ctrl-C works. Every wait goes through session_wait(); what a
 * tool opens is closed when its command ends, however it ends.
 */
#ifndef CONSOLE_NET_H
#define CONSOLE_NET_H

#include "console/session.h"
#include "mail/dns_message.h"
#include "net/socket.h"

enum { NET_CONNECT_MS = 15000, NET_ADDRESSES = 16 };

struct net_socket {
    int fd;    /* not blocking; -1 = closed */
    int epoll; /* -1 = not needed so far */
};

/* Lives until the command ends; fd -1 and errno when the system refuses. */
struct net_socket *net_socket(struct session *s, int family, int type, int protocol);
void net_close(struct net_socket *k);
/* Until it can be read (or written), or something is wrong with it; false at `until_ms` of the monotonic clock. */
bool net_wait(struct session *s, struct net_socket *k, bool writing, uint64_t until_ms);

/* A TCP connection from `from` (family 0 = any). RC_TIMEOUT; RC_CONNECT with "Connection refused", "Connection reset by
 * peer" and so on. */
enum rc net_connect(struct session *s, const struct address_ip *to, const struct address_ip *from, uint64_t timeout_ms,
                    struct net_socket **out, struct err *e);
/* Octets that came, into a buffer: > 0; 0 = the other side closed; < 0: RC of e (RC_TIMEOUT at until_ms, RC_CLOSED reset).
 */
int net_read(struct session *s, struct net_socket *k, struct buf *in, uint64_t until_ms, struct err *e);
enum rc net_write(struct session *s, struct net_socket *k, struct str octets, uint64_t until_ms, struct err *e);

/* Address of an IP interface by name, or an address as text; family 0 of *out = any. False: neither. */
bool net_source(struct session *s, struct str text, int family, struct address_ip *out);
/* Asks "Please choose an interface": 1. Auto, then the IP interfaces. */
struct str net_ask_interface(struct session *s, const char *question);

/* --- names (net_dns.c) ------------------------------------------------------------------------------------------------ */

struct net_question {
    struct str name;
    uint16_t type;
    const struct address_ip *server; /* NULL: those of the settings (section dns), else of /etc/resolv.conf; port 0 = 53 */
    struct address_ip from;          /* family 0 = any */
    bool tcp, udp;                   /* only that; neither: UDP, then TCP when the reply is cut */
};
struct net_answer {
    struct dns_message m; /* in the command's arena */
    struct address_ip server;
    uint64_t ms;
    size_t octets;
    bool tcp;
};
/* RC_TIMEOUT, RC_CONNECT (nobody listens), RC_CORRUPT, RC_INVALID (no name). A refusal of the server is an answer. */
enum rc net_ask(struct session *s, const struct net_question *q, struct net_answer *out, struct err *e);

/* Addresses of a host: itself when it is one, /etc/hosts, DNS; family AF_UNSPEC: IPv4 first. RC_DNS_NXDOMAIN,
 * RC_DNS_TEMPORARY with a text that says why. */
enum rc net_resolve(struct session *s, struct str host, int family, struct address_ip out[NET_ADDRESSES], size_t *n_out,
                    struct err *e);
/* "address" or "address@port" or "address#port"; port 0 when none is told. */
bool net_server(struct str text, struct address_ip *out);

#endif
