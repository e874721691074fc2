/*
 * A message while it is judged: what stages read, and where they record what they decide. One worker, one message, blocking.
 *
 * Made by scan (and by `trace`, the same way); used by everything in room policy that judges and by the stages of scan. All
 * memory is the message's arena. Nothing here does I/O but by the callbacks of `world`.
 */
#ifndef POLICY_MESSAGE_H
#define POLICY_MESSAGE_H

#include "conf/conf.h"
#include "event/event.h"
#include "mail/carried.h"
#include "mail/dns_ask.h"
#include "mail/envelope.h"
#include "mail/mime.h"
#include "mail/patch.h"
#include "policy/outcome.h"

struct auth_results;
struct filter_memory; /* policy/filter_eval.h */
struct message;

/* Questions to services outside (reputation, feeds, locations, counters of other messages). */
enum opinion_kind {
    OPINION_COUNTRY,  /* of an IP address: text = its country */
    OPINION_URL,      /* score -10 to 10, text = category */
    OPINION_DOMAIN,   /* of the sender's domain: text = verdict, number = days since it was registered */
    OPINION_IMAGE,    /* of a picture (`of` = its octets): text = clean, suspect, inappropriate, unscannable */
    OPINION_FEED_URL, /* known = it is in the threat feed `by` */
    OPINION_FEED_DOMAIN,
    OPINION_FEED_FILE, /* `of` = SHA-256 in hexadecimal digits */
    OPINION_REPEATS    /* number = messages of the last hour with this header value; `by` = incoming, outgoing or both */
};
struct opinion {
    bool known;
    double score;
    struct str text;
    uint64_t number;
};

/* How judging reaches what lies outside: blocking calls of the worker, canned ones in tests. Every member may be NULL: then
 * the answer is "not known". */
struct message_world {
    void *ctx;
    struct dns_source dns;
    /* Opens archives and finds types: adds members to the tree, sets `detected`, `encrypted`, `unscannable`. */
    void (*content)(void *ctx, struct message *m, struct mime *mime);
    /* Evaluates authentication; NULL = cannot. */
    const struct auth_results *(*auth)(void *ctx, struct message *m);
    /* Is the address in this LDAP group? RC_OK yes, RC_NOT_FOUND no, else a failure. */
    enum rc (*in_group)(void *ctx, struct message *m, struct str query, struct str address, struct str group);
    uint64_t (*now_ms)(void *ctx); /* wall clock; NULL = the machine's */
    uint64_t (*random)(void *ctx, uint64_t below);
    uint64_t (*work_queue)(void *ctx); /* messages in the work queue */
    /* What a service outside holds of something; leaves *out as it is (not known) when there is none. */
    void (*opinion)(void *ctx, struct message *m, enum opinion_kind kind, struct str of, struct str by, struct opinion *out);
};

/* Compiled things of one snapshot (filters, patterns, dictionaries, policies): made at its first use, see policy/compiled.h.
 */
struct compiled;

struct message {
    struct arena *arena;
    const struct conf *conf;
    const struct compiled *compiled;
    const struct message_world *world;
    struct events *events; /* NULL = no log (trace of a staged configuration, tests) */
    uint64_t mid;
    const struct envelope *env;
    const uint32_t *recipients; /* indices into env->recipients that are judged now; all but after a split */
    size_t n_recipients;
    struct patch patch;
    struct carried carried; /* what came along and what the pipeline keeps: skip, policy, route, tags ... */
    struct outcome outcome;
    const struct auth_results *auth;       /* NULL = not evaluated */
    const struct conf_mail_policy *policy; /* NULL until the message is split per policy */
    bool trace;                            /* nothing may be learned or counted */
    struct mime *mime_now;                 /* use message_mime */
    uint64_t mime_changes;
    bool content_done;
    bool parts_told;     /* the names of its attachments are in the log */
    struct mime no_mime; /* stands in when there is no room for reading the structure; the message is unscannable then */
    struct mime_part no_part;
    struct filter_memory *memory; /* what rules found out; made at the first use */
};

/* Sets a message up from its stored octets. `carried` of the envelope is decoded; its edits are applied. */
enum rc message_init(struct message *m, struct arena *a, struct str stored, const struct envelope *env, struct err *e);
/* The octets as they are now. */
struct str message_octets(struct message *m);
/* The structure of the current form; read again after a change. */
struct mime *message_mime(struct message *m);
/* The same with archives opened and file types found. The first call names the attachments in the log. */
struct mime *message_content(struct message *m);
/* What SPF, DKIM, DMARC and ARC say of the message as it came; evaluated at the first use. NULL = nobody can. */
const struct auth_results *message_auth(struct message *m);
/* Address of the i-th recipient that is judged now. */
struct str message_recipient(const struct message *m, size_t i);
uint64_t message_now_ms(const struct message *m);

/* --- recording (outcome.c) ------------------------------------------------------------------------------------------ */
/* Final actions: the first that is not NONE stays. `stage` is the word of the log ("filter 'x'", "antivirus" ...). */
void message_final(struct message *m, enum final final, struct str stage, struct str bounce_text);
void message_hold(struct message *m, const struct hold *h);
/* Holds that came along with a message (carried.holds: lines "quarantine\treason") become holds of this pass. */
void message_take_holds(struct message *m);
/* The other way: lines of what holds it so far. */
struct str message_hold_lines(struct message *m);
/* "policy", "virus", "outbreak", "file-analysis", "unclassified" (central.md 7.3) of a quarantine. */
struct str message_hold_kind(struct str quarantine);
void message_spam_hold(struct message *m, struct str verdict, double score);
/* The message cannot be judged now and waits in the work queue, which says why. */
void message_later(struct message *m, struct str why);
/* A further message; strings are kept as views. */
void message_copy(struct message *m, const struct verdict_copy *c);
struct step *message_step(struct message *m, struct str stage, struct str verdict, struct str detail);
void message_tag(struct message *m, struct str tag);
bool message_skips(const struct message *m, enum skip what);

#endif
