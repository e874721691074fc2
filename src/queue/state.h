/*
 * What the queue knows, and who of this room changes which part. Only files of queue/ include this.
 *
 *   message  one accepted message, until all its recipients are final
 *   piece    its recipients at one destination that are tried together (at most RESULTS_MAX); a piece is in exactly one
 *            place: the ready list of its destination, the heap of waiting ones, a flight slot, or being settled
 *   recipient  index in the envelope
 *
 * Numbers of 32 bits are places in slabs. A queued message with one recipient costs 64 + 40 + 8 octets here, 4 in the heap
 * and 6 to 11 in the index of MIDs.
 */
#ifndef QUEUE_STATE_H
#define QUEUE_STATE_H

#include "base/arena.h"
#include "queue/heap.h"
#include "queue/queue.h"
#include "queue/slab.h"
#include "smtp/results.h"
#include "spool/journal.h"
#include "spool/spool.h"

enum { QUEUE_COLUMN = BOARD_RECEIVERS - 1, SCANNERS_MAX = 64, PIECE_RECIPIENTS = RESULTS_MAX };

/* MAKING: stored by queue, not journaled yet. */
enum message_state { MESSAGE_FREE, MESSAGE_WORK, MESSAGE_SCANNING, MESSAGE_DELIVERY, MESSAGE_MAKING };
enum {
    MESSAGE_BOUNCE = 1,   /* null sender: is never bounced */
    MESSAGE_BIG = 2,      /* body in a file of its own */
    MESSAGE_OUTGOING = 4, /* came by RELAY */
    MESSAGE_ALONE = 8,    /* was with a scan worker that died: goes alone */
    MESSAGE_HELD = 16,    /* went to a quarantine of this machine, which says the end of it */

    MESSAGE_CHANGES = 32 /* replay: `pieces` is a list of changes */
};

struct message {
    uint64_t mid;
    uint64_t entered_ms; /* wall clock */
    uint32_t segment;    /* place in q->segments */
    uint32_t offset;
    uint32_t record_bytes, body_bytes;
    uint32_t pieces;     /* first piece */
    uint32_t prev, next; /* work queue */
    uint16_t recipients; /* in the envelope */
    uint16_t open;       /* not final yet */
    uint8_t state, flags, scan_tries, delay_dsns;
    uint32_t kept;   /* place in q->kept, 0 = none */
    uint32_t sender; /* hash of the envelope sender, case ignored */
    uint32_t unused;
};
_Static_assert(sizeof(struct message) == 64, "memory of a message");

enum piece_state { PIECE_FREE, PIECE_HELD, PIECE_READY, PIECE_WAITING, PIECE_FLYING, PIECE_SETTLING };

struct piece {
    uint64_t next_try_ms; /* monotonic; while waiting */
    uint32_t message, destination;
    uint32_t sibling;    /* next piece of the message */
    uint32_t prev, next; /* ready list; prev = place in the heap while waiting */
    uint32_t recipients; /* first one */
    uint16_t tries;
    uint8_t n;
    bool redirected : 1; /* by an operator: the destination is not that of the address */
    bool set_aside : 1;  /* the holder does not take it as it is (central.md 7.4) */
    bool uncertain : 1;  /* its last transfer ended without an answer: the other side may have it */
    uint8_t state, deliverer;
    uint16_t slot;
};
_Static_assert(sizeof(struct piece) == 40, "memory of a piece");

struct queue_recipient {
    uint16_t index;
    uint16_t spare;
    uint32_t next;
};

/* What travels with a judged message: mail/carried.h, coded. */
struct kept {
    char *p;
    uint32_t n, unused;
};

/* One life of a segment file. */
struct queue_segment {
    uint64_t id, generation;
    uint64_t known_to; /* every record below is known */
    uint64_t size;     /* of the file; 0 = unknown */
    uint64_t live_bytes;
    uint64_t emptied_entry; /* number of the journal entry that emptied it */
    uint64_t emptied_ms;    /* monotonic */
    uint64_t closed_ms;     /* of the loop */
    uint32_t live;          /* messages in it */
    uint8_t owner;          /* column */
    bool closed, freeing, dirty, corrupt;
    uint32_t next; /* free for slab.h */
};

struct retry_rule {
    uint64_t first_ms, max_ms, max_age_ms, max_tries;
    uint64_t down_first_ms;
};

/* A domain that mail goes to. */
struct destination {
    char *name; /* lower case */
    uint64_t hash;
    uint32_t hash_next;
    uint32_t first, last; /* ready pieces, oldest first */
    uint32_t active_next; /* list of destinations to be looked at this turn */
    uint32_t pieces;      /* all pieces, in any state */
    uint32_t flying;      /* pieces with deliver */
    uint32_t window;      /* most pieces with deliver now: grows with each success */
    uint32_t filling;     /* while a message is taken in: its piece here */
    uint64_t filling_mid;
    bool active, down, suspended, ever_up;
    uint8_t home;      /* deliver process + 1 that was told of it, 0 = none */
    uint32_t told;     /* connections that process was told */
    uint32_t failures; /* in a row */
    /* settings (destination controls) */
    uint32_t max_connections, recipient_limit;
    uint64_t period_ms;
    struct retry_rule retry;
    bool keeps;     /* a quarantine's object: nothing in it bounces or is told of by itself (central.md 11) */
    bool central;   /* what waits there is for the manager */
    uint8_t family; /* internal.h: one of several that operators see as one */
    char *profile;
    /* back-off and recipient limit */
    uint64_t blocked_until_ms, period_start_ms, period_recipients;
    struct loop_timer timer;
    char *reason;                  /* of the last failure */
    uint64_t reason_ms, active_ms; /* wall clock */
    uint64_t away_ms;              /* wall clock: down since; 0 = not */
    uint64_t octets;               /* of the messages of its pieces */
    uint32_t set_aside;            /* pieces */
    bool away_told, waiting_told;  /* alerts were raised */
    /* for tophosts and hoststatus */
    uint64_t recipients, attempted, delivered, soft, hard, deleted, dns_hard, five_hard, expired_hard, other_hard;
    uint64_t last_5xx_ms, tls_error_ms, expires_ms;
    char *last_5xx, *tls_error, *tls, *addresses, *mx; /* NULL = not known; bus.def, destination_facts */
    struct queue *queue;                               /* for the timer */
    uint32_t self;
    uint32_t spare; /* free for slab.h */
};

/* One deliver process: what its flight slots hold. */
struct deliverer {
    struct bus_peer *peer;
    uint32_t pieces[BOARD_SLOTS];
    uint16_t free[BOARD_SLOTS];
    uint16_t n_free;
};

enum { WINDOWS = 2, WINDOW_BYTES = 2 << 20, WINDOW_MESSAGES = 64 };

struct scan_window {
    unsigned char *p;
    int fd;
    uint32_t used;                      /* octets filled */
    uint32_t sent, left;                /* messages put in, and those of them that are not answered */
    uint32_t messages[WINDOW_MESSAGES]; /* 0 = answered */
};

/* One scan process. */
struct scanner {
    struct bus_peer *peer;
    struct scan_window windows[WINDOWS];
    uint64_t idle_since_ms;
    bool alone; /* has one message that already was with a worker that died */
};

/* Failed recipients whose DSN is being written: see bounce.c. */
struct settling;

/* A release that became a message: quarantine asks again when the answer was lost. */
enum { RELEASES_KNOWN = 1024 };
struct release_known {
    uint64_t id, mid; /* id 0 = free */
};

struct queue {
    struct loop *loop;
    struct bus *bus;
    struct conf_source *conf;
    struct events *events;
    struct board *board;
    char *home, *dir; /* HOME, HOME/spool */
    struct journal *journal;
    struct spool_reader *reader;
    struct spool_writer *writer;
    struct arena scratch;   /* for one handler */
    struct arena scan;      /* while segments are read */
    struct buf entry, list; /* journal entry, recipient list being made */
    bool broken, stopping;
    bool recovering;
    bool fresh_boot; /* nobody was there before on this board: whether peers were answered is not known */
    bool power_cut;  /* and it did not end in order: what was in flight may have been delivered */
    void (*stopped)(void *ctx);
    void *stopped_ctx;

    struct slab messages, pieces, recipients, segments, destinations, kept, changes;
    uint32_t *mids; /* open addressing: place of message by MID */
    uint32_t mids_cap, mids_used;
    struct heap waiting;
    struct loop_timer waiting_timer, second_timer;
    uint64_t open_recipients, unattempted, live_bytes;

    uint32_t *names; /* destinations by hash */
    uint32_t names_cap;
    uint64_t names_seed;
    uint32_t active_first, active_last;
    bool delivery_suspended;

    uint32_t work_first, work_last;
    uint64_t n_work, n_scanning;
    uint64_t work_in, work_out; /* messages ever, for `workqueue rate` */
    bool work_paused, work_alerted;
    char *work_reason;
    char *away;             /* why scan cannot judge now (an engine is away), NULL = it can */
    uint64_t away_until_ms; /* next try */
    struct loop_timer away_timer;

    struct scanner *scanners[SCANNERS_MAX];
    unsigned scan_turn, n_scanners;
    struct deliverer *deliverers[BOARD_DELIVERERS];
    unsigned n_deliverers;
    uint64_t piece_number;
    struct free_slot {
        uint8_t deliverer;
        uint16_t slot;
    } * free_slots; /* to be given back once this turn's journal group is written */
    size_t n_free_slots, cap_free_slots;
    uint64_t n_flying;
    struct adopted *adopted; /* flight slots of an earlier life that are not decided */
    size_t n_adopted;
    uint64_t started_ms; /* monotonic */

    uint32_t known[BOARD_RECEIVERS]; /* newest segment of each: confirmed once a turn when dirty */
    unsigned n_freeing;              /* work in the thread pool */
    struct gone *gone;               /* large bodies to be unlinked */
    uint32_t stay_segment, stay_at, stay_last;
    uint64_t stay_bytes; /* under way */
    uint32_t oldest;     /* message, with oldest_mid */
    uint64_t oldest_mid, oldest_ms, oldest_seconds;
    struct verb_question *questions;
    struct own_mail *own_mails;
    struct judged *judged;                               /* verdicts whose messages are being stored */
    struct taken *taken;                                 /* releases of managers: taken.h */
    struct release *releases;                            /* out of quarantine, being stored */
    struct release_known releases_known[RELEASES_KNOWN]; /* a ring, the oldest at releases_next */
    unsigned releases_next;
    struct settling *settling; /* waiting for a DSN, this turn's first */
    uint64_t ceilings[NUMBER_COUNT];
    enum rc receiving_state;
    uint64_t recovered_ms;
    uint64_t seconds;
    uint32_t checkpoint_at;
};

static inline struct message *message_at(const struct queue *q, uint32_t i)
{
    return slab_at(&q->messages, i);
}

static inline struct piece *piece_at(const struct queue *q, uint32_t i)
{
    return slab_at(&q->pieces, i);
}

static inline struct queue_recipient *recipient_at(const struct queue *q, uint32_t i)
{
    return slab_at(&q->recipients, i);
}

static inline struct destination *destination_at(const struct queue *q, uint32_t i)
{
    return slab_at(&q->destinations, i);
}

static inline struct queue_segment *segment_at(const struct queue *q, uint32_t i)
{
    return slab_at(&q->segments, i);
}

#include "queue/calls.h"

#endif
