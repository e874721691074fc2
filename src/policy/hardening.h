/*
 * The checks of securitycheck (spec/cli.md 12.3, requirements HD-01 to HD-13): a table of pure functions over a
 * configuration. What only a connection can tell (which TLS offers our ports take) is brought by the caller as probes.
 */
#ifndef POLICY_HARDENING_H
#define POLICY_HARDENING_H

#include "base/arena.h"
#include "base/buf.h"
#include "conf/conf.h"

enum hardening_verdict { HARDENING_PASS, HARDENING_FAIL, HARDENING_NA };

/* A TLS service of ours, as found by offering it what it must refuse. */
struct hardening_port {
    struct str name;    /* "https Management" */
    struct str address; /* where it listens */
    uint16_t port;
    bool starttls; /* SMTP first */
    /* filled in by who connects */
    const char *taken; /* offers that were not refused; NULL = none */
    const char *why;   /* why it could not be asked; NULL = it could */
};
struct hardening_ports {
    struct hardening_port *items;
    size_t n;
};
/* The ports to ask, none of them asked yet; in a. */
struct hardening_ports hardening_tls_ports(const struct conf *c, struct arena *a);

struct hardening_facts {
    const struct conf *c;
    struct hardening_ports ports;
    struct arena *a;
};

struct hardening_result {
    const char *id;
    enum hardening_verdict verdict;
    struct str found;
    const char *cure; /* a command; "" when there is nothing to cure */
};
struct hardening_results {
    const struct hardening_result *items;
    size_t n, failed;
};
/* All checks, in the order of the table; texts live in f->a. */
struct hardening_results hardening_run(const struct hardening_facts *f);

/* Lines "ID  VERDICT  found; cure: ..."; and {"failed":N,"checks":[...]}. */
void hardening_text(struct hardening_results r, struct buf *out);
void hardening_json(struct hardening_results r, struct buf *out);

/* Can SSH on this interface be reached from outside: it has a public listener or a public address, and everybody may connect
 * (HD-01)? */
bool hardening_ssh_exposed(const struct conf *c, const struct conf_interface *i);
/* An open public listener on one of its addresses, or an address that is not private. */
bool hardening_public(const struct conf *c, const struct conf_interface *i);

#endif
