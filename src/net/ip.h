/* IP addresses as data: for rooms that compare and show them and open no sockets. */
#ifndef NET_IP_H
#define NET_IP_H

#include "base/str.h"

#include <netinet/in.h>
#include <sys/socket.h>

/* An IP address with port; IPv4 always in its own family (v4-mapped IPv6 is turned into IPv4). */
struct address_ip {
    sa_family_t family; /* AF_INET, AF_INET6; 0 = none */
    uint16_t port;
    unsigned char octets[16]; /* 4 or 16 in use */
};

bool ip_parse(struct str text, struct address_ip *out); /* "192.0.2.1", "2001:db8::1", "[...]"; port 0 */
/* Text without port into at least 46 octets; returns the view. */
struct str ip_text(const struct address_ip *ip, char out[46]);
void ip_from_sockaddr(const struct sockaddr *sa, struct address_ip *out);
socklen_t ip_to_sockaddr(const struct address_ip *ip, struct sockaddr_storage *out);
bool ip_equal(const struct address_ip *a, const struct address_ip *b); /* without port */
/* First `bits` bits of a equal those of net. */
bool ip_in(const struct address_ip *a, const struct address_ip *net, unsigned bits);

#endif
