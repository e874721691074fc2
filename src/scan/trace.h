/*
 * trace (spec/cli.md 12.4): a message goes through receipt and the work queue as if it had come by SMTP, and nothing comes
 * of it: no copy is stored, nothing is counted, logged or learned.
 *
 * One question at a time, asked by control over the bus. Everything of a trace lies in one arena. The world of the worker is
 * copied: clock, settings and engines' states of a trace are its own, so that it cannot change what real messages meet.
 */
#ifndef SCAN_TRACE_H
#define SCAN_TRACE_H

#include "policy/dlp.h"
#include "policy/hat.h"
#include "policy/rat.h"
#include "scan/stage.h"
#include "scan/world.h"

enum { TRACE_RECIPIENTS = 1000, TRACE_MESSAGES = 200 };

/* Answers BUS_trace_question with BUS_trace_report. */
void trace_begin(struct scan_world *w);

/* --- trace_words.c: what is to be traced ---------------------------------------------------------------------------------
 */

struct trace_options {
    struct address_ip ip;
    struct str ip_text;  /* in its normal form */
    struct str rdns;     /* --rdns; empty = look up */
    struct str helo;     /* --helo; empty = the host name */
    struct str listener; /* empty = the first public one, else the first */
    struct str owner;    /* network owner; shown, empty = not known */
    bool has_reputation; /* --reputation was given; else look up */
    struct reputation reputation;
    struct str user; /* --auth: who logged in */
    bool tls;
    uint64_t time_ms; /* --time; 0 = now */
    struct str from;  /* "a@b" or empty or "<>": null sender */
    struct strs to;
    bool has_ip, has_from;
    bool message; /* --message: the resulting messages are part of the report */
    struct str orgdomain;
};

/* RC_INVALID says what is wrong with which word, RC_SYNTAX that a word is none of them (or one is missing: `e` says). Memory
 * from a. */
enum rc trace_options_read(struct arena *a, struct strs words, struct trace_options *out, struct err *e);

/* --- the trace --------------------------------------------------------------------------------------------------------- */

/* A recipient as the peer gave it, and what receipt made of it. */
struct trace_recipient {
    struct str given, address; /* address: with the default domain */
    bool taken;
    unsigned code;       /* of the reply */
    struct str text;     /* of the reply, enhanced status first */
    const char *by;      /* "RAT", "relaying", ... */
    struct strs targets; /* of an alias */
    bool dropped;        /* /dev/null among them */
    struct str alias;    /* empty = none */
};

struct trace_fate {
    struct str address;
    struct str policy; /* as shown */
    const struct step *steps;
    size_t n_steps;
    const char *action; /* deliver quarantine drop bounce refuse wait */
    struct str reason;
    struct strs quarantines;
    struct str next_hop;
    struct str route; /* how that was found */
};

/* A message of the work queue: the one that came, those split off it, those made from it. */
struct trace_message {
    struct trace_message *next, *parent;
    uint64_t kind; /* enum copy_kind; the first: TRACE_FIRST */
    struct str by, filter;
    struct envelope env;
    struct message m;
    struct bus_scan_verdict verdict;
    bool judged;        /* the pipeline ran */
    struct step *steps; /* those it has from its parent, then its own */
    size_t n_steps;
    size_t upto[RESUME_DELIVER + 1]; /* own steps so far when a stage of that resume was done */
    struct str log;                  /* lines the stages would have logged */
    struct trace_fate *fates;
    size_t n_fates;
};
enum { TRACE_FIRST = 100 };

struct trace {
    struct scan_world world; /* first: what callbacks get as their ctx */
    struct arena *arena;
    const struct conf *conf;
    struct trace_options o;
    struct str octets; /* CRLF */
    uint64_t now_ms;

    /* receipt */
    const struct conf_listener *listener;
    struct str name; /* of the peer; verified or given */
    bool verified, no_name;
    struct str helo;
    struct reputation reputation;
    struct str reputation_text;
    struct hat_match match;
    struct str sender, sender_note;
    bool relays; /* the peer may send to anybody */
    bool refused;
    unsigned code; /* of the reply to the peer */
    struct str text;
    struct trace_recipient *recipients;
    size_t n_recipients;
    struct trace_fate *ended; /* recipients whose mail did not come to the work queue */
    size_t n_ended;
    struct envelope env;
    struct str body; /* octets with the Received field */

    /* work queue */
    struct trace_message *first, **last;
    size_t n_messages;
    bool more; /* there were more messages than TRACE_MESSAGES */
    struct trace_message *running;
    const struct dlp_hit *dlp;
    size_t n_dlp;
    const char *action;
};

/* trace_receipt.c: the peer, its sender, its recipients; fills the envelope and the body unless t->refused. */
void trace_receipt(struct trace *t);
/* trace_run.c: the work queue and what comes of each recipient. */
void trace_run(struct trace *t);
/* trace_hop.c: next hop of a recipient; `route` = mail/carried.h, empty = by the domain. */
void trace_hop(struct trace *t, struct str address, struct str route, struct trace_fate *f);
/* DNS, waited for; failures are DNS_TEMPORARY answers. n answers. */
const struct dns_answer *trace_dns(struct trace *t, const struct dns_question *q, size_t n);

/* trace_text.c, trace_json.c: the report. */
void trace_text(struct trace *t, struct buf *out);
void trace_json(struct trace *t, struct buf *out);
/* trace_facts.c: fields of the messages as they go on that are not in the one that came, each once. */
struct strs trace_headers_added(struct trace *t);
/* A delivery report says of whom and what; false when the message is none. */
struct trace_bounce {
    struct str recipient, status;
    const char *class; /* "hard", "soft", "success" */
};
bool trace_bounce(struct trace *t, struct trace_bounce *out);
/* Lines that begin the octets of resulting messages in a report with --message. */
#define TRACE_RESULT "Resulting message"

/* The whole of it; for tests. `w`: the worker's world, `conf` and `compiled` those to be traced with. */
void trace_all(struct trace *t, const struct scan_world *w, const struct conf *conf, struct compiled *compiled);

#endif
