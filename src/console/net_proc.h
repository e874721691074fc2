/* What the kernel tells about the network in /proc/net, as rows. Pure reading of text: proc(5). */
#ifndef CONSOLE_NET_PROC_H
#define CONSOLE_NET_PROC_H

#include "net/socket.h"

struct proc_socket {
    struct address_ip local, remote; /* with ports */
    unsigned state;                  /* TCP: 1 ESTABLISHED ... 10 LISTEN */
    uint64_t send_queue, receive_queue, user;
};
/* A line of /proc/net/tcp, tcp6, udp, udp6; false for the heading and what is no such line. */
bool proc_socket_read(struct str line, struct proc_socket *out);
const char *proc_tcp_state(unsigned state);

struct proc_interface {
    struct str name; /* a view into the line */
    uint64_t in_bytes, in_packets, in_errors, in_drops, out_bytes, out_packets, out_errors, out_drops, collisions;
};
bool proc_interface_read(struct str line, struct proc_interface *out); /* /proc/net/dev */

struct proc_route {
    struct address_ip to, gateway;
    unsigned bits;  /* of the network */
    unsigned flags; /* RTF_UP 1, RTF_GATEWAY 2, RTF_HOST 4 */
    uint64_t metric, uses;
    struct str interface;
};
bool proc_route4_read(struct str line, struct proc_route *out); /* /proc/net/route */
bool proc_route6_read(struct str line, struct proc_route *out); /* /proc/net/ipv6_route */
/* "UGH" */
const char *proc_route_flags(unsigned flags, char out[8]);

/* Value `name` of the two lines "Kind: names" and "Kind: values" of /proc/net/snmp and netstat; 0 when there is none. */
uint64_t proc_counter(struct str text, const char *kind, const char *name);

#endif
