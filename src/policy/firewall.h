/*
 * The table of ports (spec/firewall.def) as a configuration makes it: what listens and what is asked, with real ports,
 * addresses and hosts. Pure: the same configuration gives the same lines, nothing is looked up.
 *
 * firewallinfo prints it, securitycheck reads it (SC-04), connectivity probes its outgoing lines.
 */
#ifndef POLICY_FIREWALL_H
#define POLICY_FIREWALL_H

#include "base/arena.h"
#include "base/buf.h"
#include "conf/conf.h"

enum firewall_direction { FIREWALL_NONE, FIREWALL_IN, FIREWALL_OUT, FIREWALL_BOTH, FIREWALL_EITHER };

struct firewall_row {
    const char *ids; /* requirement rows, separated by spaces */
    const char *ports, *protocol;
    enum firewall_direction gateway, manager;
    const char *peer, *purpose; /* peer: of an outside service its reference names, separated by spaces */
    const char *service;        /* item of section service_host, "" = none */
};

struct firewall_line {
    const struct firewall_row *row;
    bool on;
    struct str protocol, port; /* port as shown: a number, or the words of the row */
    uint64_t number;           /* the port, 0 = several or any */
    enum firewall_direction direction;
    struct str address; /* in: our own address; out: host name or address; empty = the words of the row */
    struct str owner;   /* listener, interface, log subscription, service */
};

struct firewall_lines {
    const struct firewall_line *items;
    size_t n;
};

const struct firewall_row *firewall_row(size_t i);               /* NULL beyond the last */
const struct firewall_row *firewall_service(struct str service); /* NULL when there is no such service */
/* Usual port of a row: its first number, 0 = it has none. */
uint64_t firewall_usual_port(const struct firewall_row *row);
/* As seen from the machine of that configuration; FIREWALL_NONE: no row of its product. */
enum firewall_direction firewall_direction(const struct firewall_row *row, const struct conf *c);
/* Lines in the order of the table; with `all` also one for each row that is off. Texts live in c and a. */
struct firewall_lines firewall_lines(const struct conf *c, bool all, struct arena *a);
/* The peer as shown: "this machine 192.0.2.1 (InboundMail)". */
void firewall_peer(const struct firewall_line *l, struct buf *out);
const char *firewall_direction_text(enum firewall_direction d);

/* Columns port, protocol, direction, peer, purpose; and {"rows":[...]}. */
void firewall_text(struct firewall_lines l, struct buf *out);
void firewall_json(struct firewall_lines l, struct buf *out);

/* What `servicehosts lab` and `postern init --lab` set: host i of n of a service (NAME-with-hyphens[-1|-2].lab.test). */
struct str firewall_lab_host(const struct firewall_row *row, size_t i, struct arena *a);
/* How many lab hosts a service has; 0 for rows that hold address ranges or are no service. */
size_t firewall_lab_hosts(const struct firewall_row *row);

#endif
