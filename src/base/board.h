/*
 * Shared memory that all roles map: number counters, gauges, and tables with one writer a column (design-notes D1, D5).
 *
 * master makes it (memfd), keeps it over restarts of roles and hands it to each role as an inherited fd. Everything in it
 * is a 64-bit word, read and written atomically; nothing in it is trusted for memory safety. No locks.
 */
#ifndef BASE_BOARD_H
#define BASE_BOARD_H

#include "base/str.h"

enum { BOARD_RECEIVERS = 16, BOARD_DELIVERERS = 16, BOARD_SLOTS = 1024, BOARD_RATES = 4096, BOARD_ROLES = 128 };

enum board_number { NUMBER_MID, NUMBER_ICID, NUMBER_DCID, NUMBER_RCID, NUMBER_SEGMENT, NUMBER_GENERATION, NUMBER_COUNT };

enum board_gauge {
    GAUGE_CONN_IN,
    GAUGE_CONN_OUT,
    GAUGE_WORK_QUEUE,
    GAUGE_ACTIVE_RECIPIENTS,
    GAUGE_UNATTEMPTED,
    GAUGE_ATTEMPTED,
    GAUGE_DESTINATIONS,
    GAUGE_QUEUE_KB,
    GAUGE_QUEUE_FREE_KB,
    GAUGE_OLDEST_MS, /* when the oldest message came (wall clock); 0 = there is none */
    GAUGE_WORK_QUEUE_PAUSED,
    GAUGE_RECEIVING_SUSPENDED,
    GAUGE_DELIVERY_SUSPENDED,
    GAUGE_DNS_REQUESTS,
    GAUGE_NET_REQUESTS,
    GAUGE_CACHE_HITS,
    GAUGE_CACHE_MISSES,
    GAUGE_CACHE_EXCEPTIONS,
    GAUGE_CACHE_EXPIRED,
    GAUGE_DNS_OUTSTANDING, /* asked, no answer yet */
    GAUGE_OLDEST_MID,
    GAUGE_QUARANTINE_MESSAGES, /* policy, virus, outbreak, file analysis, unclassified */
    GAUGE_QUARANTINE_KB,
    GAUGE_SPAM_MESSAGES,
    GAUGE_SPAM_KB,
    GAUGE_MIGRATIONS, /* of policy quarantines, under way */
    GAUGE_COUNT
};

/* Flight slot states (D2): one word each, so a store is atomic. */
enum { SLOT_FREE, SLOT_ASSIGNED, SLOT_DOT_SENT, SLOT_ANSWERED, SLOT_TAKEN /* deliver has read the work */ };
enum { SLOT_RESULTS = 1000 };

/* One piece of delivery work. `queue` writes mid and ASSIGNED; deliver writes the rest. */
struct board_slot {
    uint64_t state;
    uint64_t mid;
    uint64_t piece;                      /* queue's number of this piece of work; rises for ever */
    uint64_t results_bytes;              /* coded as in bus deliver_done, valid once state is ANSWERED */
    unsigned char results[SLOT_RESULTS]; /* longer results: text is cut, codes are kept (smtp/results.h) */
};

struct board_role {
    uint64_t role, index, pid, restarts, started_ms,
        state; /* state: 0 unused, 1 starting, 2 running, 3 waiting to restart */
};

/* Peers a receive process counts: hashed address -> connections now, recipients in this hour. One column a process. */
struct board_rate {
    uint64_t key;
    uint64_t connections;
    uint64_t recipients, hour;
    uint64_t bad_recipients; /* directory harvest, same hour */
};

struct board {
    uint64_t magic, size;
    uint64_t numbers_ready;                        /* queue has read the ceilings: numbers may be taken */
    uint64_t numbers[NUMBER_COUNT];                /* last number given */
    uint64_t gauges[BOARD_RECEIVERS][GAUGE_COUNT]; /* column = process index; readers add up */
    uint64_t events_dirty;                         /* some event file has news (F2) */
    uint64_t events_synced_ms; /* record: everything emitted before this (mono ms) is on stable storage */
    /* receive: announced-to-peer marks of its open segment (D3) */
    struct {
        uint64_t segment, generation, answering, answered;
        uint64_t spare; /* segment made ready for use next: not closed, nothing in it yet is certain */
        uint64_t since; /* generations up to this one are of earlier processes of this column */
    } receivers[BOARD_RECEIVERS];
    struct board_role roles[BOARD_ROLES];
    uint64_t slots_high[BOARD_DELIVERERS]; /* queue: slots from this one on were never used */
    struct board_slot slots[BOARD_DELIVERERS][BOARD_SLOTS];
    struct board_rate rates[BOARD_RECEIVERS][BOARD_RATES];
    uint64_t born_ms;      /* wall clock at board_create(): the start of this run of the whole program */
    uint64_t engines_away; /* a bit an engine: some scan worker has said that it is away */
};

/* A new board in a memfd: returns the fd (>= 0), or -1. */
int board_create(void);
/* Maps it; NULL when it is no board. */
struct board *board_map(int fd);

/* Next number of a kind: strictly rising over all processes. */
uint64_t board_next(struct board *b, enum board_number which);
uint64_t board_last(const struct board *b, enum board_number which);
/* Raises the counter to at least v. */
void board_raise(struct board *b, enum board_number which, uint64_t v);

void board_gauge_set(struct board *b, unsigned column, enum board_gauge g, uint64_t v);
void board_gauge_add(struct board *b, unsigned column, enum board_gauge g, int64_t v);
uint64_t board_gauge(const struct board *b, enum board_gauge g); /* over all columns */

/* Sets or takes away one bit; true when that changed it, for one caller of all processes. */
static inline bool board_flag(uint64_t *p, uint64_t bit, bool on)
{
    if (((__atomic_load_n(p, __ATOMIC_ACQUIRE) & bit) != 0) == on)
        return false; /* no write where nothing changes: it is asked often */
    if (on)
        return !(__atomic_fetch_or(p, bit, __ATOMIC_ACQ_REL) & bit);
    return __atomic_fetch_and(p, ~bit, __ATOMIC_ACQ_REL) & bit;
}

static inline uint64_t board_load(const uint64_t *p)
{
    return __atomic_load_n(p, __ATOMIC_ACQUIRE);
}

static inline void board_store(uint64_t *p, uint64_t v)
{
    __atomic_store_n(p, v, __ATOMIC_RELEASE);
}

#endif
