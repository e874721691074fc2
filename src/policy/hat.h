/*
 * The host access table of one listener: sender groups and their mail flow policies, compiled from a snapshot.
 *
 * Members are tried in the order they are written (sections sender_group and members); the first that fits the peer decides.
 * DNS lists are asked by the caller: hat_match() says which answers it still needs.
 */
#ifndef POLICY_HAT_H
#define POLICY_HAT_H

#include "conf/conf.h"
#include "net/ip.h"
#include "policy/reputation.h"

/* Choices of the settings of mail_flow_policy. */
enum { FLOW_ACCEPT, FLOW_RELAY, FLOW_REJECT, FLOW_TCPREFUSE };
enum { FLOW_OFF, FLOW_PREFERRED, FLOW_REQUIRED }; /* tls, auth */

struct hat;

struct hat_peer {
    struct address_ip ip;
    struct str host; /* verified name, lower case; empty = none */
    bool no_name;    /* there is no reverse name: nx.domain */
    struct reputation reputation;
    const uint8_t
        *lists; /* answer of each DNS list of hat_lists(): 0 not asked, 1 not listed, 2 listed; NULL = none asked */
};

struct hat_match {
    struct str group;                           /* as logs show it, empty = None */
    struct str what;                            /* the member that fitted, "ALL" when none did */
    const struct conf_mail_flow_policy *policy; /* never NULL */
};

/* A DNS list named by some member. */
struct hat_list {
    struct str zone;
    unsigned char code[4]; /* the answer that counts, 0.0.0.0 = any */
};

/* Everything comes from the arena and points into conf. Members that cannot be read are left out (control refuses them). */
enum rc hat_compile(struct arena *a, const struct conf *conf, const struct conf_listener *listener, struct hat **out,
                    struct err *e);
/* RC_OK, or RC_UNAVAILABLE: an earlier member is a DNS list whose answer is not known: ask and call again. */
enum rc hat_match(const struct hat *h, const struct hat_peer *peer, struct hat_match *out);
const struct hat_list *hat_lists(const struct hat *h, size_t *n_out);
/* Name to ask for: "2.0.0.127.zone" (RFC 5782 2.1). */
struct str hat_list_name(struct arena *a, const struct hat_list *list, const struct address_ip *ip);
/* Whether a member needs the peer's name. */
bool hat_needs_name(const struct hat *h);
/* Whether a member could be a sender group's: for checks of settings. */
bool hat_member_fits(struct str text);

#endif
