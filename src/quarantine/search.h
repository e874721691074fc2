/*
 * Which held messages: ids, or KEY=VALUE conditions, or both, as verbs give them (central.md 9, cli.md 12.5).
 *
 *   quarantine=A,B   sender=T recipient=T subject=T attachment=T reason=T (contains, without case; also :starts :ends :is
 * and :not-contains :not-starts :not-ends :not-is)   from=TIME to=TIME (received)   min_size=N max_size=N
 *   min_attachment_size=N max_attachment_size=N   host=NAME mid=N others=yes|no   limit=N offset=N
 *   order=received|exit|sender|subject|size, -KEY = downwards
 */
#ifndef QUARANTINE_SEARCH_H
#define QUARANTINE_SEARCH_H

#include "quarantine/inside.h"

enum { SEARCH_IDS = 1000, SEARCH_LIMIT = 100, SEARCH_LIMIT_MAX = 10000, SEARCH_CONDITIONS = 24 };

enum search_order { ORDER_RECEIVED, ORDER_EXIT, ORDER_SENDER, ORDER_SUBJECT, ORDER_SIZE };

struct search_text {
    const char *column; /* of message */
    struct str value;
    enum { TEXT_CONTAINS, TEXT_STARTS, TEXT_ENDS, TEXT_IS } how;
    bool negated;
};

struct search {
    bool spam;
    struct arena *a;
    uint64_t ids[SEARCH_IDS];
    size_t n_ids;
    uint64_t quarantines[64]; /* ids of those wanted */
    size_t n_quarantines;
    bool some_quarantine; /* named by the asker; else all he may see */
    struct search_text texts[SEARCH_CONDITIONS];
    size_t n_texts;
    uint64_t from_ms, to_ms, min_size, max_size, min_attachment, max_attachment, mid; /* 0 = none */
    struct str host;
    unsigned others; /* 0 = either, 1 = yes, 2 = no */
    enum search_order order;
    bool down, conditions; /* there is a KEY=VALUE that chooses */
    uint64_t limit, offset;
};

/* Reads one word into it; RC_SYNTAX with a text. */
enum rc search_word(struct quarantine *q, struct search *s, struct str word, struct err *e);
void search_init(struct search *s, struct arena *a, bool spam);
/* Ids of messages (spam: of entries), in order, at most `most`; *more = there are further ones. */
enum rc search_run(struct quarantine *q, const struct search *s, uint64_t *ids, size_t most, size_t *n, bool *more,
                   struct err *e);

#endif
