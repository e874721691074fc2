/*
 * Metadata of a held message: the JSON object of CPQ's XMETA (central.md 7.3).
 *
 * Made in parts: scan writes what judging found, deliver completes it with envelope, size and digest; the holder reads and
 * checks it and keeps the text, so that keys nobody here knows come back at release.
 */
#ifndef MAIL_CPQ_META_H
#define MAIL_CPQ_META_H

#include "base/json_read.h"
#include "mail/envelope.h"

enum { CPQ_META_MAX = 1 << 20, CPQ_HOLDS_MAX = 100, CPQ_ATTACHMENTS_MAX = 10000 };

enum cpq_class { CPQ_PVO, CPQ_SPAM, CPQ_PVO_RELEASE, CPQ_SPAM_RELEASE, CPQ_CLASS_COUNT };
/* "pvo", "spam", "pvo-release", "spam-release". */
const char *cpq_class_name(enum cpq_class c);
bool cpq_class_find(struct str name, enum cpq_class *out);

enum cpq_kind { CPQ_POLICY, CPQ_VIRUS, CPQ_OUTBREAK, CPQ_FILE_ANALYSIS, CPQ_UNCLASSIFIED, CPQ_KIND_COUNT };
const char *cpq_kind_name(enum cpq_kind k);
bool cpq_kind_find(struct str name, enum cpq_kind *out);
/* By the name of a quarantine: those that exist once have theirs, all others are policy quarantines. */
enum cpq_kind cpq_kind_of(struct str quarantine);

struct cpq_hold {
    struct str quarantine, reason, rule;
    uint64_t kind, level;
    uint64_t exit;      /* 0 = by the quarantine's retention */
    uint64_t action;    /* 1 release, 2 delete, 0 = the quarantine's own */
    struct str matched; /* raw JSON, may be empty */
};

struct cpq_attachment {
    struct str name, type, sha256;
    uint64_t size;
};

/* It was held on its gateway and has moved: which migration, the how manieth of how many. `deleted`: from one of its
 * quarantines there, so it is never delivered. */
struct cpq_migration {
    uint64_t run, n, total;
    bool deleted;
};

struct cpq_meta {
    struct str raw; /* the whole text */
    const struct json *root;
    enum cpq_class class;
    struct str serial, host, uid, direction, stage, mail_policy;
    uint64_t mid, icid, received, held;
    struct envelope envelope; /* env_from, rcpts, body, utf8, envid, ret, listener and client as far as they are there */
    uint64_t size;
    struct str sha256; /* 64 hex digits, lower case */
    struct str from, reply_to, to, subject, message_id, date;
    const struct cpq_hold *holds;
    size_t n_holds;
    const struct cpq_attachment *attachments;
    size_t n_attachments;
    struct str spam_verdict, spam_score;
    uint64_t spam_exit;             /* 0 = by the setting */
    const struct json *pending;     /* actions gathered and not yet applied; NULL = none */
    const struct json *release;     /* NULL = none */
    struct cpq_migration migration; /* run 0 = it came as new mail */
};

/* RC_SYNTAX (no JSON, a key of the wrong type), RC_INVALID (a required key is missing or makes no sense). Views into `in` or
 * the arena. */
enum rc cpq_meta_read(struct arena *a, struct str in, struct cpq_meta *out, struct err *e);

/* What deliver knows beside the metadata scan made. */
struct cpq_facts {
    enum cpq_class class;
    struct str serial, host;
    uint64_t mid, now_ms, size;
    struct str sha256;
    const struct envelope *envelope;
};
/* Appends the whole object to `out`: the members of `made` (an object or empty), then those of the facts that are not there.
 * Size, digest and envelope are always those of the facts. A message of class pvo without any hold is held in
 * "Unclassified", so nothing is lost for a missing reason. RC_SYNTAX when `made` is no object. */
enum rc cpq_meta_complete(struct arena *a, struct str made, const struct cpq_facts *f, struct buf *out, struct err *e);

/* What has become of a message since it was held. */
struct cpq_move {
    struct str serial; /* of this machine, now */
    uint64_t mid;
    const struct cpq_hold *holds; /* those that still hold it; `matched` and `level` are found in the metadata */
    size_t n_holds;
    const struct str *recipients; /* class spam: whose entry is still there */
    size_t n_recipients;
    uint64_t spam_exit;
    struct cpq_migration migration;
};
/* Appends the metadata with which it moves to the manager: as it was but for what `x` says. */
enum rc cpq_meta_move(struct arena *a, const struct cpq_meta *m, const struct cpq_move *x, struct buf *out, struct err *e);

/* "key":value with the comma before it where needed; text that is not UTF-8 as "key_b64". */
void cpq_put_text(struct buf *out, const char *key, struct str text);
void cpq_put_u64(struct buf *out, const char *key, uint64_t v);

#endif
