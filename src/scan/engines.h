/*
 * What is said to each kind of engine. Talks of engine.h and, apart from them, the pure readers of the answers.
 *
 * Scores are on our scale of 0 to 100 (spam positive from 90, suspect from 50 on by default).
 */
#ifndef SCAN_ENGINES_H
#define SCAN_ENGINES_H

#include "base/arena.h"
#include "scan/engine.h"

enum { SYMBOLS_MAX = 300 };

struct spam_question {
    struct str message; /* CRLF octets */
    struct str client_ip, client_name, helo, sender, user, queue_id;
    const struct str *recipients;
    size_t n_recipients;
    bool unseen; /* a trace: the engine is to count, log and learn nothing, as far as it can be told so (rspamd) */
};

struct spam_symbol {
    struct str name;
    double score;
    struct str option; /* the first, empty = none */
};

struct spam_answer {
    double score;         /* ours, 0 to 100 */
    double raw, required; /* the engine's own */
    struct str action;    /* rspamd's, empty = none */
    bool skipped;         /* it did not look (allowed by its own settings) */
    const struct spam_symbol *symbols;
    size_t n_symbols;
};

/* ctx of the spam talks. */
struct spam_talk {
    struct arena *arena;
    struct spam_question question;
    struct spam_answer answer;
};

/* rspamd: POST /checkv2. */
engine_talk rspamd_check;
/* Its answer: RC_SYNTAX when it makes no sense. */
enum rc rspamd_answer_read(struct arena *a, struct str json, struct spam_answer *out, struct err *e);
/* Its score on our scale: 0 and below is 0, the half of the way to `required` is reached at 0.4 of it (where rspamd begins
 * to add headers by default): 50; `required` (where it rejects) is 90, twice that 100. Its own action has the last word,
 * since it knows its thresholds: reject is at least 90, a header or a changed subject 50 to 89, no action and greylisting
 * below 50. */
double rspamd_scale(double score, double required, struct str action);
engine_talk rspamd_ping;
struct learn_talk {
    struct arena *arena;
    struct str message, password;
    bool spam;
    bool taken; /* false: it knew the message, or found nothing in it; `why` says */
    struct str why;
};
engine_talk rspamd_learn; /* RC_NOT_PERMITTED: the password is wrong */
/* Figures of the controller (GET /stat) as JSON text. */
struct stat_talk {
    struct arena *arena;
    struct str password, version;
    uint64_t scanned, learned, uptime_s;
};
engine_talk rspamd_stat;

/* spamd: SYMBOLS of the SPAMC protocol. At its threshold (5 as shipped, made for tagging) our scale has 50, at twice that
 * 90, at four times 100; 0 and below is 0. */
engine_talk spamd_check;
enum rc spamd_answer_read(struct arena *a, struct str reply, struct spam_answer *out, struct err *e);
double spamd_scale(double score, double required);
engine_talk spamd_ping;

/* clamd. */
enum virus_result { VIRUS_CLEAN, VIRUS_FOUND, VIRUS_ENCRYPTED, VIRUS_UNSCANNABLE, VIRUS_REPAIRED };
struct mime_part;
struct virus_item {
    struct str octets;
    struct mime_part *part; /* where they come from; NULL = the whole message */
    struct str name;        /* part path or file name, for the log */
    enum virus_result result;
    struct str virus; /* its name, or why unscannable */
    bool answered;    /* false before */
};
/* ctx: all items are sent over one connection, answers come by number. */
struct virus_talk {
    struct arena *arena;
    struct virus_item *items;
    size_t n;
};
engine_talk clamd_scan;
/* "stream: NAME FOUND": one answer without its number. RC_SYNTAX when it makes no sense. */
enum rc clamd_answer_read(struct arena *a, struct str line, struct virus_item *out, struct err *e);
engine_talk clamd_ping;
struct version_talk {
    struct arena *arena;
    struct str version;
};
engine_talk clamd_version;
engine_talk clamd_reload; /* reads its signatures anew; ctx NULL */

#endif
