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

/* ---- messages.c: making and ending messages, index of MIDs -------------------------------------------------------- */
uint32_t message_find(const struct queue *q, uint64_t mid);
/* A message in the index without recipients; the segment's live count rises. */
uint32_t message_new(struct queue *q, uint64_t mid, uint32_t segment, uint64_t offset, uint64_t record_bytes);
/* Reads its record and makes its pieces, held. RC_CORRUPT / RC_IO: the record cannot be read. carried_out (may be NULL):
 * what the record carries (mail/carried.h), in q->scratch. */
enum rc message_load(struct queue *q, uint32_t message, struct str *carried_out, struct err *e);
/* Ends it if no recipient is open: journal DONE, event, memory. True when it ended. */
bool message_end_if_done(struct queue *q, uint32_t message);
/* Takes it out of memory and of its segment, whatever its state; no journal entry, no event. */
void message_leave(struct queue *q, uint32_t message);
/* The piece that has this recipient, 0 = final. */
uint32_t message_piece_with(const struct queue *q, uint32_t message, uint64_t index);
void message_keep(struct queue *q, uint32_t message, struct str octets);
struct spool_ref message_ref(const struct queue *q, const struct message *m);
void messages_done(struct queue *q);

/* ---- pieces.c: where a piece is ----------------------------------------------------------------------------------- */
uint32_t piece_make(struct queue *q, uint32_t message, uint32_t destination);
void piece_add(struct queue *q, uint32_t piece, uint16_t index);
bool piece_has(const struct queue *q, uint32_t piece, uint64_t index);
/* Moves these recipients to a new piece, held, of the same message, destination and number of tries. */
uint32_t piece_split(struct queue *q, uint32_t piece, const uint16_t *indices, size_t n);
/* Goes to another destination, held; the next try is its first there. */
void piece_redirect(struct queue *q, uint32_t piece, uint32_t destination);
/* The holder did not take it as it is: counted, and tried each hour. */
void piece_set_aside(struct queue *q, uint32_t piece, bool on);
/* One more try is behind it. */
void piece_tried(struct queue *q, uint32_t piece);
/* Takes the recipient with this index out (it is final or moves to another piece); false when it is not there. */
bool piece_remove(struct queue *q, uint32_t piece, uint16_t index);
/* Off its list, into state HELD. */
void piece_unlink(struct queue *q, uint32_t piece);
void piece_make_ready(struct queue *q, uint32_t piece, bool first);
void piece_wait_until(struct queue *q, uint32_t piece, uint64_t at_ms);
/* Gone from message and destination. Not while flying. */
void piece_end(struct queue *q, uint32_t piece);
/* Everything of the message that is held goes to the ready lists. */
void pieces_release(struct queue *q, uint32_t message);
/* Pieces whose time has come become ready. */
void pieces_wake(struct queue *q);

/* ---- destinations.c ------------------------------------------------------------------------------------------------ */
uint32_t destination_find(const struct queue *q, struct str name);
uint32_t destination_for(struct queue *q, struct str name);
struct str destination_lower(struct arena *a, struct str name);
/* Forgets back-off and period; `reset`: its counters too. */
void destination_try_now(struct queue *q, uint32_t destination, bool reset);
void destination_try_all(struct queue *q, uint32_t destination); /* and pieces that wait each for itself */
void destination_activate(struct queue *q, uint32_t destination);
/* longest: a quarantine's object waits its longest wait at once. */
void destination_failed(struct queue *q, uint32_t destination, struct str reason, bool longest);
void destination_succeeded(struct queue *q, uint32_t destination);
void destination_block_until(struct queue *q, uint32_t destination, uint64_t at_ms);
void destinations_init(struct queue *q);
void destinations_configure(struct queue *q);
/* Forgets those without mail for an hour. */
void destinations_tidy(struct queue *q);
void destinations_done(struct queue *q);

/* ---- segments.c ----------------------------------------------------------------------------------------------------- */
uint32_t segment_get(struct queue *q, uint64_t id, uint64_t generation, uint64_t owner);
uint32_t segment_find(const struct queue *q, uint64_t id, uint64_t generation);
void segment_message_gone(struct queue *q, uint32_t segment, uint64_t record_bytes);
bool segment_with_id(const struct queue *q, uint64_t id);
/* Frees what may be freed: called about once a second. */
void segments_recycle(struct queue *q);

/* ---- intake.c: messages from receive --------------------------------------------------------------------------------- */
void intake_init(struct queue *q);
/* Takes one record that is on stable storage: journal, memory, work queue. */
uint32_t intake_take(struct queue *q, uint32_t segment, const struct spool_head *head, bool recovered);
void intake_peer_come(struct queue *q, struct bus_peer *p);
void intake_peer_gone(struct queue *q, struct bus_peer *p);
/* Confirms what this turn made known. */
void intake_confirm(struct queue *q);
/* Nothing will be added to this segment; size 0 = not known. */
void segment_closed(struct queue *q, uint32_t segment, uint64_t size);
/* Reads what the segments of this column still hold of mail that was announced, and closes those that nobody writes any
 * more. `gone`: its process is dead as far as anybody knows. Files that are not known yet are looked for when `list`. */
void intake_look(struct queue *q, unsigned owner, bool gone, bool list);
void intake_tidy(struct queue *q);

/* ---- work.c: the work queue and scan ---------------------------------------------------------------------------------- */
void work_init(struct queue *q);
void work_add(struct queue *q, uint32_t message, bool first);
/* A message whose worker died with it, or answered nonsense: once more, alone. After the second time alone it goes behind
 * all others, marked: the worker that gets it then does not look into it. */
void work_again(struct queue *q, uint32_t message);
/* An engine is away: the next try is not now. */
void work_try_later(struct queue *q);
void work_remove(struct queue *q, uint32_t message);
void work_peer_come(struct queue *q, struct bus_peer *p);
void work_peer_gone(struct queue *q, struct bus_peer *p);
/* Fills windows. */
void work_dispatch(struct queue *q);
void work_verdict(struct queue *q, uint32_t message, uint64_t action, struct str carried);
/* Gives the windows of idle workers back. */
void work_tidy(struct queue *q);
void work_done(struct queue *q);

/* ---- dispatch.c: pieces to deliver, flight slots ------------------------------------------------------------------------
 */
void dispatch_init(struct queue *q);
void dispatch_run(struct queue *q);
void dispatch_peer_come(struct queue *q, struct bus_peer *p);
void dispatch_peer_gone(struct queue *q, struct bus_peer *p);
/* The slot may be used again after this turn's journal group is written. */
void dispatch_free_slot(struct queue *q, uint8_t deliverer, uint16_t slot);
void dispatch_slots_written(struct queue *q);
void dispatch_done(struct queue *q);

/* ---- adopt.c: flight slots that an earlier life of queue left
 * ------------------------------------------------------------- */
void adopt_boards(struct queue *q);
void adopt_look(struct queue *q);
/* This deliver process came, or is gone. */
void adopt_come(struct queue *q, struct bus_peer *p);
void adopt_gone(struct queue *q, unsigned deliverer);

/* ---- outcome.c: what became of a piece ----------------------------------------------------------------------------------
 */
/* Results of one try (n = 0: none of them was answered, all wait). The slot is freed when everything is settled. */
void outcome_apply(struct queue *q, uint32_t piece, const struct delivery_result *r, size_t n);
/* The piece goes back as if it had not been tried. */
/* Its record is damaged: said, its recipients bounce, the segment will be set aside. */
void outcome_damaged(struct queue *q, uint32_t piece);
void outcome_again(struct queue *q, uint32_t piece);
/* A piece that was tried and is too old: its recipients bounce with 5.4.7. True when it was. */
bool outcome_expire(struct queue *q, uint32_t piece);
/* Bounces all recipients of a piece with one answer (operator, expiry); the index in it is not looked at. */
void outcome_bounce(struct queue *q, uint32_t piece, const struct delivery_result *answer);
void outcome_unreachable(struct queue *q, uint32_t destination);
/* These recipients are final: journal, memory. The message is not ended. */
void outcome_final(struct queue *q, uint32_t piece, const uint16_t *indices, size_t n);

/* ---- entries.c: the journal
 * ------------------------------------------------------------------------------------------------ */
enum entry {
    ENTRY_NONE,
    ENTRY_KNOWN,
    ENTRY_VERDICT,
    ENTRY_FINAL,
    ENTRY_WAIT,
    ENTRY_DONE,
    ENTRY_DSN,
    ENTRY_SEGMENT,
    ENTRY_CONTROL,
    ENTRY_SCAN_TRY,
    ENTRY_MOVED,
    ENTRY_WAS_LIFE, /* not written any more */
    ENTRY_REDIRECT,
    ENTRY_KINDS
};
void entry_known(struct queue *q, uint32_t message);
void entry_verdict(struct queue *q, uint32_t message, uint64_t action, struct str carried);
void entry_final(struct queue *q, uint32_t message, const uint16_t *indices, size_t n);
void entry_wait(struct queue *q, uint32_t piece);
void entry_done(struct queue *q, uint64_t mid);
void entry_dsn(struct queue *q, uint32_t message);
void entry_segment(struct queue *q, uint32_t segment, bool freed);
void entry_control(struct queue *q);
void entry_scan_try(struct queue *q, uint32_t message);
void entry_redirect(struct queue *q, uint32_t piece);
void entry_moved(struct queue *q, uint32_t message);
bool entries_checkpoint(void *ctx, struct journal *j, bool first);
void entries_replay(void *ctx, uint64_t kind, struct str octets);

/* ---- recover.c
 * ----------------------------------------------------------------------------------------------------------------- */
enum rc recover_run(struct queue *q, struct err *e);

/* The journal cannot be written: nothing is confirmed or handed out any more. */
void queue_journal_failed(void *ctx, enum rc rc, const struct err *e);

/* ---- big.c ----------------------------------------------------------------------------------------------------------- */
/* The message ended: its file goes once the journal says so on stable storage. */
void big_gone(struct queue *q, uint64_t mid);
void big_run(struct queue *q);
/* Left-overs of an earlier boot. */
void big_sweep(struct queue *q);
void big_done(struct queue *q);

/* ---- stay.c ---------------------------------------------------------------------------------------------------------- */
void stay_run(struct queue *q);

/* ---- verbs.c
 * ------------------------------------------------------------------------------------------------------------------------
 */
void queue_verbs_init(struct queue *q);
void queue_verbs_done(struct queue *q);

/* ---- numbers.c
 * ------------------------------------------------------------------------------------------------------------------- */
enum rc numbers_init(struct queue *q, struct err *e);
void numbers_check(struct queue *q);
void numbers_stop(struct queue *q);
/* After a power cut: the log says of every message that may go out twice that it was recovered (J). */
void recover_say(struct queue *q);

/* ---- profile.c: which bounce profile a piece has ------------------------------------------------------------------- */
/* What travels with a judged message (mail/carried.h); empty = nothing. */
struct str kept_of(const struct queue *q, const struct message *m);
/* The profile of that name, else `default`. */
const struct conf_bounce_profile *profile_named(struct queue *q, struct str name);
/* That which filters gave the piece's message, else that of its destination; and its rule of retries. */
const struct conf_bounce_profile *profile_of(struct queue *q, uint32_t piece);
struct retry_rule profile_rule(struct queue *q, uint32_t piece);

/* ---- bounce.c
 * ---------------------------------------------------------------------------------------------------------------------- */
/* The failed recipients of a piece (all it has). When somebody is to be told, the piece settles until the notification is on
 * stable storage and the slot (-1 = none) stays taken so long: true. Else they are final at once, the piece is empty: false.
 */
bool bounce_add(struct queue *q, uint32_t piece, const struct delivery_result *r, size_t n, int deliverer, int slot);
/* The piece waits (r = what was said of its last try): is its sender to be told? */
void bounce_delayed(struct queue *q, uint32_t piece, const struct delivery_result *r, size_t n);
/* A recipient whose sender wants to know was passed to a host without DSN (RFC 3461 5.2.2). */
void bounce_relayed(struct queue *q, uint32_t piece, const struct delivery_result *r);
/* Starts the notifications of this turn. */
void bounce_run(struct queue *q);
void bounce_done(struct queue *q);

#endif
