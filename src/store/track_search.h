/*
 * Searches in the tracking store (spec/central.md 12): the query and its words, hits, details.
 *
 * Called in any thread beside the writer (pool threads of record). All results lie in the caller's arena.
 */
#ifndef STORE_TRACK_SEARCH_H
#define STORE_TRACK_SEARCH_H

#include "store/track_fold.h"
#include "store/track_tokens.h"
#include "store/tracking.h"

enum { QUERY_EXACT = 16, QUERY_TEXT = 512 };

enum track_how { HOW_CONTAINS, HOW_BEGINS, HOW_IS, HOW_EMPTY };
struct track_text {
    bool given;
    enum track_how how;
    struct str value; /* in small letters */
};

struct tracking_query {
    uint64_t from_ms, to_ms; /* of receipt, both ends included */
    struct track_text sender, recipient, subject, attachment;
    struct {
        enum track_kind kind;
        struct str value;
    } exact[QUERY_EXACT]; /* all must fit */
    size_t n_exact;
    struct str serial, host, uid;
    uint64_t mid;            /* 0 = any */
    uint64_t events, flags;  /* one of these bits; all of these */
    bool rejected, messages; /* which rows; none = messages */
    uint64_t limit, offset;
    uint64_t deadline_ms; /* of the monotonic clock; 0 = none */
};

/*
 * KEY=VALUE: from to host serial mid uid message-id sender recipient subject attachment (each with :is :begins :contains,
 * subject also :empty) ip domain reply-to user policy filter quarantine group country listener virus direction=in|out
 * events=A,B,... kind=messages|rejected|both limit offset. A word without "=" is a MID or a uid. Texts lie in the arena.
 */
void tracking_query_init(struct tracking_query *q, uint64_t most);
enum rc tracking_query_word(struct tracking_query *q, struct arena *a, struct str word, struct err *e);

struct tracking_hit {
    struct str serial, host;
    uint64_t kind, mid; /* ROW_...; MID, or ICID of a rejected connection */
    uint64_t at_ms, bytes, flags, state;
    uint64_t last_epoch, last_number; /* of the event that made the state */
    struct str sender, subject;
    struct strs recipients;
    bool has_sender; /* else the message is known by other events alone */
    /* where it is, for tracking_steps() */
    char part[24];
    uint64_t id;
};

struct tracking_hits {
    struct tracking_hit *items; /* newest first, then highest MID */
    size_t n;
    bool more, timed_out;
};

enum rc tracking_search(struct tracking *t, const struct tracking_query *q, struct arena *a, struct tracking_hits *out,
                        struct err *e);

struct tracking_step {
    uint64_t epoch, number;
    const struct event_record *rec;
};
struct tracking_steps {
    struct tracking_step *items; /* in the order of their numbers */
    size_t n;
    struct str uid; /* empty when no event tells it */
};
/* The events of a hit. RC_NOT_FOUND when its day has gone meanwhile. */
enum rc tracking_steps(struct tracking *t, const struct tracking_hit *hit, struct arena *a, struct tracking_steps *out,
                       struct err *e);

#endif
