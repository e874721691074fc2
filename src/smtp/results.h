/*
 * What became of each recipient of one delivery attempt, as deliver tells queue (bus deliver_done) and the flight board.
 *
 * A list of entries; coding drops text (never codes) to fit `max` octets, so a flight board slot always holds all results.
 */
#ifndef SMTP_RESULTS_H
#define SMTP_RESULTS_H

#include "base/arena.h"
#include "base/buf.h"
#include "base/err.h"

/* Recipients of one piece of work at most: their codes then always fit a flight board slot. */
enum { RESULTS_MAX = 64 };

enum result_class { RESULT_DELIVERED, RESULT_BOUNCED, RESULT_DELAYED, RESULT_DROPPED /* /dev/null */ };
/* Why, for counters and the class text of the log (logs.md section 7). */
enum result_reason {
    REASON_NONE,
    REASON_5XX,
    REASON_DNS,
    REASON_EXPIRED,
    REASON_FILTER,
    REASON_OTHER,
    REASON_NETWORK,
    REASON_RELAYED,  /* delivered, NOTIFY=SUCCESS was asked for and the next hop does not offer DSN */
    REASON_HELD,     /* delivered to a quarantine of this machine: its story goes on there */
    REASON_SET_ASIDE /* delayed: the holder will not have it as it is; tried again each hour (central.md 7.4) */
};

struct delivery_result {
    uint64_t recipient;  /* index in the envelope */
    uint64_t class;      /* enum result_class */
    uint64_t reason;     /* enum result_reason */
    uint64_t code;       /* SMTP reply code, 0 = none was given */
    struct str enhanced; /* "5.1.1" */
    struct str text;     /* reply lines joined by \n, without codes */
    struct str mta;      /* who said it: remote host name, may be empty */
};

/* At most `max` octets for n <= RESULTS_MAX and max >= 1000. */
void results_encode(const struct delivery_result *r, size_t n, size_t max, struct buf *out);
/* RC_CORRUPT when the octets are no such list (RC_NO_MEMORY beyond the arena's cap); texts are views into `in`. */
enum rc results_decode(struct arena *a, struct str in, const struct delivery_result **out, size_t *n_out);

#endif
