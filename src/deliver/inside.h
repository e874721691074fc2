/*
 * What the files of deliver/ share. Not for other rooms.
 *
 *   piece        one deliver_work: a message and those of its recipients that go to one destination
 *   destination  a recipient domain: pending pieces, the resolved next hops, its links
 *   hop          one address of one next-hop host, in the order of trial
 *   link         one connection
 */
#ifndef DELIVER_INSIDE_H
#define DELIVER_INSIDE_H

#include "deliver/deliver.h"
#include "mail/carried.h"
#include "mail/cpq_meta.h"
#include "net/socket.h"
#include "policy/route.h"
#include "smtp/client.h"
#include "spool/rope.h"
#include "spool/spool.h"

enum { PIECE_RECIPIENTS = RESULTS_MAX, HOPS_MAX = 32, HOSTS_MAX = ROUTE_HOSTS_MAX, PIECE_TRIES = 3, PIECE_BODY = 16384 };

/* enum values of destination.tls, .dane and .ip_preference (spec/settings/destination.def) */
enum {
    TLS_MODE_NONE,
    TLS_MODE_PREFERRED,
    TLS_MODE_REQUIRED,
    TLS_MODE_PREFERRED_VERIFY,
    TLS_MODE_REQUIRED_VERIFY,
    TLS_MODE_REQUIRED_VERIFY_HOSTED
};
enum { DANE_NONE, DANE_OPPORTUNISTIC, DANE_MANDATORY };
enum { IP_4_PREFERRED, IP_6_PREFERRED, IP_4_REQUIRED, IP_6_REQUIRED };

struct destination;
struct link;
struct no_hop;

struct probe;
struct errand;
struct keeping;

/* A destination without mail that asks something (probe.c, errand.c): what its connection comes to. */
struct asking {
    void (*resolved)(struct destination *to, const struct no_hop *none);
    void (*answered)(struct link *l, unsigned code, struct str lines);
    void (*failed)(struct link *l, const struct smtp_client_failure *f);
    void (*closed)(struct destination *to);          /* it is gone then */
    bool (*is_silent)(const struct destination *to); /* NULL = no: its failures are logged */
};

struct piece {
    struct smtp_job job; /* first: the client hands it back */
    struct piece *next;
    struct destination *to;
    uint64_t slot, mid, attempt;
    struct spool_ref ref;
    struct spool_head head;
    struct envelope envelope;
    struct arena arena;        /* envelope octets */
    struct buf body;           /* of a small message, read with its head in one call */
    struct buf seven;          /* its 7-bit form, for a next hop without 8BITMIME; empty = not made */
    struct buf carried_octets; /* what came with the work; empty = what the envelope carries counts */
    struct carried carried;
    struct edits edits;     /* items in the arena */
    struct rope rope;       /* reads a large edited body */
    struct buf signature;   /* fields that signing put in front (sign.c) */
    uint64_t content_bytes; /* of what follows them: job.body_bytes is both */
    uint32_t recipients[PIECE_RECIPIENTS];
    size_t n_recipients;
    struct buf meta;     /* for a quarantine: carried.meta completed (mail/cpq_meta.h) */
    struct moved *moved; /* of a message that was held here (moved.c); NULL = it comes from queue */
    uint32_t crc;
    unsigned tries; /* connections it was given to */
    bool uncertain; /* its last transfer ended without an answer */
    bool again;     /* its content was refused once: another connection may do better */
};

struct pieces {
    struct piece *first, *last;
    size_t n;
};

struct hop {
    struct address_ip ip; /* with port */
    struct str host;      /* name, or address text when routed to an address */
    uint64_t preference;
    bool secure_host; /* the name came from settings or from a DNSSEC-validated answer */
    bool validated;   /* name and address were: DANE may be asked for */
    bool dane;        /* records hold its usable TLSA set */
    bool encrypt;     /* TLSA records are there but none is usable: TLS without check (RFC 7672 2.2) */
    bool sts;         /* MTA-STS in force: verified TLS or nothing */
    const struct tls_record *records;
    size_t n_records;
    bool no_tls; /* optional TLS broke there: plain text for the life of these hops */
    uint64_t dead_until_ms;
};

/* Why a destination has no next hop. */
struct no_hop {
    bool permanent;
    const char *enhanced; /* "5.1.2", "4.4.3" ... */
    struct str text;
};

enum destination_state { DESTINATION_NEW, DESTINATION_RESOLVING, DESTINATION_READY, DESTINATION_DROP };

struct resolve;

struct destination {
    struct destination *next; /* in the hash chain */
    struct deliver *d;
    struct str name;
    uint64_t hash;
    struct pieces pending;
    struct link *links;
    size_t n_links, n_idle, n_starting, n_woken;
    uint64_t limit; /* told by queue */
    enum destination_state state;
    struct resolve *resolve;
    struct arena arena; /* of the hops */
    struct hop *hops;
    size_t n_hops;
    uint64_t hops_life; /* rises with each resolution */
    uint64_t hops_until_ms, conf_version;
    struct str auth_profile, auth_user, auth_password;
    bool auth_plain_text, touched;
    bool quarantine; /* not a domain: its mail goes to the holder by CPQ (holder.c) */
    bool release;    /* also that: mail goes back to the gateway `serial` (releaser.c) */
    struct str serial;
    uint64_t ask;          /* call at central, 0 = none */
    bool failed;           /* what central answered last could not be connected to */
    const char *link_path; /* socket file of the link, in the arena; NULL = by address */
    enum cpq_class class;
    bool central;             /* the holder is the manager, not this machine (holder_way.c) */
    bool refusing;            /* it will have none of our mail: tried again when the longest wait is over */
    struct tls_context *pins; /* shows our certificate, takes the manager's; NULL: pins_why */
    char pins_why[200];
    uint64_t pins_version;     /* of the settings they were made from, 0 = not made */
    uint64_t away_since_ms;    /* no connection came about since; 0 = it answered last */
    const struct asking *asks; /* NULL: it carries mail */
    struct str commands;       /* what it asks, lines */
    struct str feat;           /* what its HELLO tells beside (feat=) */
    bool held;                 /* its connections are being closed: none is opened, nothing is tried again */
    struct destination *touched_next;
};

struct link {
    struct smtp_client_setup setup;
    struct smtp_client_options options;
    struct smtp_client_cpq cpq;
    struct link *next, *prev;
    struct destination *to;
    struct smtp_client *client;
    struct conversation *conversation;
    size_t hop;
    struct address_ip ip, local;
    struct arena arena; /* strings of options */
    uint64_t dcid;
    uint64_t rcid; /* of a link to the local spam quarantine */
    bool central;  /* to a manager: a connection like any other */
    bool via_link; /* through the link's channel */
    bool starting; /* counted in n_starting */
    bool idle;     /* counted in n_idle */
    bool woken;    /* counted in n_woken: has been told of work, has not asked for it yet */
    bool sts, verify, dane;
    uint64_t hops_life; /* of the hops that `hop` counts in; other ones may have come since */
    bool useful;        /* some recipient was judged over it */
    bool hop_bad;
    struct str failed_text;
    const char *failed_enhanced;
};

enum { DESTINATION_BUCKETS = 4096 };

struct deliver {
    struct deliver_options o;
    struct spool_reader *reader;
    struct tls_context *tls;
    struct destination **table;
    size_t n_destinations;
    size_t n_links;
    struct piece *free_pieces;
    struct buf results, rids, headers;
    struct destination *touched; /* work came in this turn */
    bool stopping;
    bool waiting;     /* some destination has work and no link: all connections are in use */
    unsigned starved; /* idle links that still have to end for it */
    size_t seven;     /* octets of all 7-bit forms */
    struct signers *signers;
    struct probe *probes;
    struct loop_timer probe_timer;
    struct errand *errands;
    struct keeping *keeping;
    void (*stopped)(void *ctx);
    void *stopped_ctx;
};

static inline const struct conf *deliver_conf(const struct deliver *d)
{
    return conf_now(d->o.conf);
}

/* piece.c */
struct piece *piece_new(struct deliver *d, const struct bus_deliver_work *w);
void piece_free(struct deliver *d, struct piece *p);
void pieces_push(struct pieces *list, struct piece *p);
void pieces_push_front(struct pieces *list, struct piece *p);
struct piece *pieces_pop(struct pieces *list);
/* Reads head and envelope; RC_CORRUPT when the record is not the message queue means. */
enum rc piece_load(struct deliver *d, struct piece *p, struct err *e);
/* Pairs of name and value (event delivery_done) of the headers that logs.headers names. */
void piece_log_headers(struct deliver *d, struct piece *p, struct buf *out);
enum rc piece_read(struct deliver *d, struct piece *p, uint64_t at, char *out, size_t n);
/* Makes the 7-bit form; read and sent in place of the message until the piece is loaded again. As the client's downgrade. */
enum rc piece_downgrade(struct deliver *d, struct piece *p);

/* outcome.c: events, flight board, bus; frees the piece. */
void outcome_results(struct deliver *d, struct piece *p, uint64_t dcid, const struct delivery_result *r, size_t n);
/* The same result for all recipients, without a connection. */
void outcome_all(struct deliver *d, struct piece *p, enum result_class class, enum result_reason reason,
                 const char *enhanced, struct str text);
/* The word to queue alone, without log lines. */
void outcome_tell(struct deliver *d, struct piece *p, uint64_t outcome, const struct delivery_result *r, size_t n);
/* `same` for each recipient of the piece; returns how many. */
size_t outcome_fill(const struct piece *p, struct delivery_result *r, const struct delivery_result *same);
/* Nothing was tried or nothing answered: all recipients stay. */
void outcome_connection(struct deliver *d, struct piece *p, const char *enhanced, struct str text);
/* The record or its body is not what the spool promised (C6): the queue gives it up and says so. */
void outcome_damaged(struct deliver *d, struct piece *p);
void outcome_destination_down(struct destination *to, struct str reason, bool permanent);

/* holder.c: the.cpq.host and the.euq.queue, the quarantines of this machine. */
bool holder_is(struct str name, enum cpq_class *class_out);
/* Its one hop: the socket file. */
void holder_hops(struct destination *to);
struct conversation *holder_connect(struct link *l);
/* The metadata of a loaded piece. */
enum rc holder_prepare(struct deliver *d, struct piece *p, struct err *e);
void holder_connected(struct link *l);
void holder_begin(struct link *l, const struct piece *p);
/* Nothing ever bounces there: what was not taken stays. */
void holder_results(struct link *l, struct piece *p, const struct delivery_result *r, size_t n);
void holder_failed(struct link *l, const struct piece *p, const struct smtp_client_failure *f);

/* moved.c: pieces with `moved`: mail that was held here and moves to the manager. */
void moved_init(struct deliver *d);
enum rc moved_load(struct piece *p);
enum rc moved_read(const struct piece *p, uint64_t at, char *out, size_t n, struct err *e);
/* In place of deliver_done. */
void moved_tell(struct deliver *d, const struct piece *p, uint64_t outcome, const struct delivery_result *r, size_t n);
void moved_free(struct piece *p);
/* Those that wait go back: they are for the manager and nobody else. */
void moved_back(struct destination *to, const char *why);

/* holder_way.c: where that is. */
struct route;
/* Is mail of this class for the manager now? */
bool holder_is_central(const struct destination *to);
/* The manager that gets it, NULL = none is chosen. */
const struct conf_manager *holder_manager(const struct conf *c);
/* As route_find() for a domain: the manager's address and port. Nothing in it: why_out. */
void holder_route(struct arena *a, const struct destination *to, struct route *out, struct str *why_out);
void holder_forget(struct destination *to);
/* How a CPQ connection is spoken to its holder, or to the gateway that gets released mail. */
void holder_options(struct link *l, const struct conf *c);
/* probe.c: verb `pvo` of control: asks the manager how it is (XCPQ STATUS). */
void probe_init(struct deliver *d);
void probe_done(struct deliver *d);

/* copy.c: a message that the manager took goes to role quarantine too when outbreak filters held it. True: the piece is
 * answered with `same` when that is done. */
bool copy_keep(struct deliver *d, struct piece *p, const struct delivery_result *same);
/* All that wait are answered now. */
void copies_done(struct deliver *d);

/* errand.c: XCPQ commands for role quarantine. */
void errands_init(struct deliver *d);
void errands_done(struct deliver *d);

/* releaser.c: released mail on its way back to gateways. */
bool releaser_is(struct str name, enum cpq_class *class_out, struct str *serial_out);
/* In place of resolving: asks central; ends in destination_resolved(). */
void releaser_ask(struct destination *to);
void releaser_done(struct destination *to);
struct conversation *releaser_connect(struct link *l);
/* Serial and number of the origin. */
enum rc releaser_origin(struct arena *a, struct str meta, struct cpq_facts *f, struct err *e);

/* facts.c: what `hoststatus` shows of a destination, told to queue. */
void facts_resolved(struct destination *to, struct str mx);
/* Of a release: where the gateway of that name said just now that it takes mail. */
void facts_told(struct destination *to, struct str name);
void facts_tls(struct destination *to, const struct tls_facts *f, struct str why);

/* sign.c: keys of the settings, made ready when those change; DKIM signatures and ARC seals of a loaded piece. */
struct signers;
struct signers *signers_new(const struct conf *c);
void signers_free(struct signers *s);
/* Puts the fields into p->signature. What cannot be signed goes without, and the log says why; RC_CORRUPT, RC_IO: the
 * message could not be read. */
enum rc piece_sign(struct deliver *d, struct piece *p, struct err *e);
/* Octets without the signature: the message with its edits, or its 7-bit form. */
enum rc piece_content(struct deliver *d, struct piece *p, uint64_t at, char *out, size_t n, struct err *e);

/* destination.c */
struct destination *destination_get(struct deliver *d, struct str name);
/* Work came for it: it is looked at when this turn's has been read. */
void destination_touch(struct destination *to);
void destination_free(struct destination *to);
/* Moves things on: resolves, wakes idle links, opens new ones. */
void destination_pump(struct destination *to);
/* Delivery to it is suspended: its links end now and all its pieces go back to queue. Held before, unheld afterwards. */
void destination_hold(struct destination *to);
void destination_close(struct destination *to);
void destination_unhold(struct destination *to);
/* A link could not be made or broke before it carried mail. */
void destination_hop_failed(struct destination *to, size_t hop, struct str why, const char *enhanced);
void destination_each(struct deliver *d, void (*fn)(struct destination *to));

/* resolve.c: fills to->hops, then calls destination_resolved(). */
void resolve_start(struct destination *to);
void resolve_cancel(struct destination *to);
void destination_resolved(struct destination *to, const struct no_hop *none);

/* link.c */
/* The address that connections to `to` come from, by the settings; false = any. */
bool link_source(const struct conf *c, const struct address_ip *to, struct address_ip *out);
bool link_open(struct destination *to, size_t hop);
void link_wake(struct link *l);
/* Ends after the message under way. */
void link_finish(struct link *l);
void link_abort_all(struct destination *to);

#endif
