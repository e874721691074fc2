/*
 * What the files of quarantine/ share. Not for other rooms.
 *
 *   incoming   a message on its way in: from the session to the segment, then to the index
 *   hold       a message in one quarantine (class pvo)      entry   a message for one recipient (class spam)
 *   leave      a release that queue has not taken yet
 */
#ifndef QUARANTINE_INSIDE_H
#define QUARANTINE_INSIDE_H

#include "mail/cpq_meta.h"
#include "net/socket.h"
#include "quarantine/index.h"
#include "quarantine/quarantine.h"
#include "quarantine/segment.h"

enum { POOLS = 2 /* CPQ_PVO, CPQ_SPAM */, OPEN_SEGMENTS = 32, LEAVES_AT_ONCE = 32, DIGEST = 32 };

enum hold_state { HOLD_HELD, HOLD_RELEASED, HOLD_DELETED };
enum hold_action { HOLD_DELETE, HOLD_RELEASE }; /* as quarantine.action */
enum decided_by { BY_HAND, BY_EXPIRY, BY_SPACE, BY_REMOVAL, BY_RULE };

struct incoming {
    struct incoming *next;
    struct arena arena; /* of meta */
    struct str text;    /* metadata as it came */
    struct cpq_meta meta;
    struct buf body;
    int big_fd; /* -1: the body is in `body` */
    uint64_t big_number, body_bytes;
    unsigned char digest[DIGEST];
    uint64_t id, taken_ms, offset, bytes;
    uint64_t icid; /* of the connection it came by; 0 = from this machine */
    struct segment_name segment;
    bool duplicate;
    enum rc rc;
    struct err err;
    void (*done)(void *ctx, struct incoming *in); /* NULL: nobody waits any more */
    void *ctx;
};

/* A message as the index knows it; strings are copies in an arena. */
struct held {
    uint64_t id, number /* as the log knows it */, class, segment, offset, meta_bytes, body_bytes, big, mid, received,
        held_ms, open, deleted, bytes, serial_id;
    struct str serial, host, sender, recipients, subject, names, reasons;
};

struct open_segment {
    struct segment_name name;
    int fd; /* -1 = free */
    uint64_t end, used;
};

/* A log line that waits for its commit, or what is done to files behind it. */
struct said {
    enum {
        SAID_RELEASED,
        SAID_DELETED,
        SAID_LEFT,
        SAID_FINISHED,
        SAID_MOVED,
        SAID_DELAYED,
        SAID_EXIT,
        SAID_SPAM_DELETED,
        SAID_REASON,
        SAID_REWRITTEN,
        SAID_REINJECTED,
        SAID_COPIED,
        SAID_ENQUEUED,
        DO_MARK_GONE,
        DO_UNLINK_BIG
    } what;
    uint64_t mid, number, seconds;
    bool stripped;
    struct str name, text, user;
    struct segment_name segment;
};

struct group;
struct session;
struct question;

struct quarantine {
    struct quarantine_options o;
    struct sql sql;
    struct door *doors;
    struct tls_context *tls; /* of connections from gateways; NULL: none, or no certificate */
    struct session *sessions;
    size_t n_sessions;

    /* store.c */
    struct incoming *waiting, **waiting_end;
    struct group *group; /* on its way to disk */
    struct open_segment segments[OPEN_SEGMENTS];
    uint64_t next_segment, next_big, clock;

    /* said.c */
    struct arena said_arena;
    struct said *said;
    size_t n_said, said_room;
    bool emptied; /* some segment file has nothing in it any more: unlinked behind the commit */

    /* leave.c */
    struct leaving_slot {
        struct quarantine *q;
        uint64_t id, call; /* id 0 = free */
    } leaving[LEAVES_AT_ONCE];
    struct loop_timer leave_timer;

    struct mover *movers[POOLS];
    struct copies *copies;       /* copies.c */
    struct copy_new *copies_new; /* on their way to disk */
    struct rescan *rescan;       /* rescan.c */
    struct drops *drops;         /* drops.c */

    struct loop_timer clock_timer;
    uint64_t ticks;
    unsigned space_told[POOLS]; /* percent of the last alert */
    struct question *questions;
    bool stopping;
    void (*stopped)(void *ctx);
    void *stopped_ctx;
};

static inline const struct conf *quarantine_conf(const struct quarantine *q)
{
    return conf_now(q->o.conf);
}

/* Did it come from another machine? */
static inline bool is_foreign(const struct quarantine *q, struct str serial)
{
    struct str own = quarantine_conf(q)->system.serial;

    return !str_eqi(serial, own.n ? own : str_lit("unknown"));
}

/* store.c */
enum rc hold_store_open(struct quarantine *q, struct err *e);
void hold_store_close(struct quarantine *q);
struct incoming *incoming_new(void);
void incoming_free(struct incoming *in);
/* Body octets; beyond SEGMENT_INLINE they go to a file of their own. */
enum rc incoming_add(struct quarantine *q, struct incoming *in, struct str octets, struct err *e);
/* in->done is called once, now or when it is on stable storage; it then owns `in`. */
void store_add(struct quarantine *q, struct incoming *in);
/* The number by which the log knows a held message: its gateway's on that machine, ours elsewhere. */
uint64_t quarantine_number(const struct quarantine *q, struct str serial, uint64_t mid, uint64_t id);
bool store_idle(const struct quarantine *q);
bool store_writes_to(const struct quarantine *q, uint64_t segment);

/* files.c */
enum rc files_make_dirs(const struct quarantine *q, struct err *e);
/* An index that cannot be read is put aside and made anew from the segments. */
enum rc files_open_index(struct quarantine *q, struct err *e);
/* The file that takes messages of this class and day now; made when there is none (*fresh). */
struct open_segment *files_for(struct quarantine *q, uint64_t class, uint64_t day, bool *fresh, struct err *e);
struct open_segment *files_find(struct quarantine *q, uint64_t id); /* among the open ones */
void files_close(struct open_segment *s);
/* The descriptor of a segment file, kept open; -1 with `e` filled. */
int store_segment(struct quarantine *q, const struct segment_name *name, struct err *e);
/* Files in which nothing is held any more are unlinked. Outside of a transaction. */
void store_drop_empty(struct quarantine *q);
/* Header, metadata (appended to meta) and where the body lies: a descriptor to close, an offset. */
enum rc store_read(struct quarantine *q, const struct held *h, struct buf *meta, int *body_fd, uint64_t *body_offset,
                   struct err *e);

/* enter.c: rows of the index for one message; inside a transaction. */
void enter_message(struct quarantine *q, uint64_t id, const struct cpq_meta *m, const unsigned char digest[DIGEST],
                   const struct segment_name *segment, uint64_t offset, uint64_t bytes, bool big, uint64_t taken_ms);
void enter_quarantines(struct quarantine *q, const struct conf *c);
uint64_t enter_name(struct quarantine *q, struct str name);
/* RC_OK: unknown key. RC_EXISTS: the same message is held or was (id_out). RC_CONFLICT: another one under the same number.
 */
enum rc enter_key(struct quarantine *q, const struct cpq_meta *m, const unsigned char digest[DIGEST], uint64_t *id_out,
                  bool *left_out);
uint64_t enter_exit_day(struct quarantine *q, const struct cpq_meta *m, uint64_t now_ms);
/* When and how a hold ends by itself, by the metadata or the settings of its quarantine. */
uint64_t enter_hold_exit(const struct conf *c, const struct cpq_hold *h, uint64_t entered_ms);
enum hold_action enter_hold_action(const struct conf *c, const struct cpq_hold *h);
/* The quarantine of that name, else Unclassified. */
const struct conf_quarantine *enter_quarantine(const struct conf *c, struct str name);
uint64_t enter_spam_exit(const struct conf *c, const struct cpq_meta *m, uint64_t entered_ms);

/* catch_up.c: what the segments hold and the index does not know. */
enum rc catch_up(struct quarantine *q, struct err *e);

/* said.c: within a transaction of decide.c. */
void said_begin(struct quarantine *q);
void said_add(struct quarantine *q, struct said what);
void said_tell(struct quarantine *q);
void said_end(struct quarantine *q);

/* decide.c: each is one durable transaction of its own, or part of one that decide_begin() opened. */
void decide_begin(struct quarantine *q);
enum rc decide_end(struct quarantine *q, struct err *e);
/* RC_CONFLICT of what follows: the message may be on the manager already, nothing is decided here until that is known. */
bool held_get(struct quarantine *q, uint64_t id, struct arena *a, struct held *out);
/* The quarantines a message is in, decided ones too. */
struct hold_row {
    uint64_t quarantine, exit, action, entered, state, kind;
    struct str name, reason, rule;
};
size_t hold_rows(struct quarantine *q, uint64_t id, struct arena *a, struct hold_row *out, size_t most);
/* The manager has it: it leaves. */
void decide_moved(struct quarantine *q, const struct held *h);
/* Releases or deletes a message from one quarantine. RC_NOT_FOUND when it is not held there. */
enum rc decide_hold(struct quarantine *q, uint64_t message, uint64_t quarantine, enum hold_action action, enum decided_by by,
                    struct str user);
enum rc decide_delay(struct quarantine *q, uint64_t message, uint64_t quarantine, uint64_t until_ms, struct str user);
enum rc decide_move(struct quarantine *q, uint64_t message, uint64_t from, struct str to, struct str user);
enum rc decide_copy(struct quarantine *q, uint64_t message, struct str address, struct str user);
enum rc decide_entry(struct quarantine *q, uint64_t entry, enum hold_action action, enum decided_by by, struct str user,
                     bool safelist);
/* Another exit of a message that outbreak filters hold, by which rule. */
enum rc decide_exit(struct quarantine *q, uint64_t message, uint64_t quarantine, uint64_t exit_ms, struct str rule);
/* A release was taken by queue as `mid`. */
void decide_left(struct quarantine *q, uint64_t leave, uint64_t mid);

/* map.c: quarantines of a gateway as they are called here. */
const struct conf_appliance *map_appliance(const struct conf *c, struct str serial);
/* The holds of a message get the names that its gateway's map gives them; "Unclassified" for what it leaves out. */
enum rc map_holds(const struct quarantine *q, struct arena *a, struct cpq_meta *m, struct err *e);
/* Lines of STATUS that tell the gateway how its quarantines move. */
struct cpq_server;
void map_status(struct cpq_server *cs, const struct conf *c, const struct conf_appliance *row);

/* runs.c: migrations, at either end; one row a class and gateway (serial 0: our own mail goes to the manager). */
enum run_state { RUN_NONE, RUN_RUNNING, RUN_DONE, RUN_STOPPED, RUN_DONE_UNTOLD, RUN_STOPPED_UNTOLD };
struct run {
    uint64_t class, serial, id, state, total, moved;
    uint64_t ever; /* of all migrations together */
    uint64_t told; /* 0: nothing was said yet; else moved + 1 when something was */
};
void run_get(struct quarantine *q, enum cpq_class class, uint64_t serial, struct run *out);
void run_put(struct quarantine *q, const struct run *r);
/* On the manager: one message more; what is said of it once it is stored. */
void run_count(struct quarantine *q, const struct cpq_meta *m);
void run_say(struct quarantine *q, const struct cpq_meta *m);
/* The lines that are due: its beginning, each tenth of it. */
void run_progress(struct quarantine *q, struct run *r, struct str host);
/* feat= of HELLO: the gateway tells that its migration is over. */
void run_feat(struct quarantine *q, enum cpq_class class, struct str serial, struct str feat);
/* The gauge that locks the settings of quarantines (admin). */
void run_gauge(struct quarantine *q);
/* For pvoconfig. */
void run_status(struct quarantine *q, struct buf *text, struct buf *json);

/* mover.c, mover_ask.c: our own held mail goes to the manager. */
void mover_init(struct quarantine *q);
void mover_done(struct quarantine *q);
/* Settings changed: what waited is looked at now. */
void mover_settings(struct quarantine *q);
/* Why nothing goes now; empty = it goes, or nothing is to go. */
struct str mover_why(const struct quarantine *q, uint64_t class);
/* May it be on the manager already? */
bool mover_has(struct quarantine *q, uint64_t message);

/* leave.c */
void leave_init(struct quarantine *q);
void leave_pump(struct quarantine *q);
void leave_done(struct quarantine *q);

/* early.c: the member `edits` of a release, with the comma before it; nothing for NULL. */
void early_json(const struct conf_quarantine *row, struct buf *out);
/* The coded edits (mail/edits.h) that the member `edits` of a release asks for; empty = none. */
struct str early_edits(struct arena *a, int fd, uint64_t offset, uint64_t body_bytes, const struct json *edits);

/* expire.c */
void expire_init(struct quarantine *q);
/* Room for so many octets more in the pool of a class, by overflow if need be. */
bool expire_make_room(struct quarantine *q, enum cpq_class class, uint64_t bytes);
void expire_gauges(struct quarantine *q);
/* What is due at `now`, a portion of it; true when there is more. */
bool expire_run(struct quarantine *q, uint64_t now);

/* rescan.c: held mail is scanned again when outbreak rules change, and copies of what the manager holds. */
enum rc rescan_open(struct quarantine *q, struct err *e);
void rescan_close(struct quarantine *q);
void rescan_settings(struct quarantine *q);
/* There may be something to scan. */
void rescan_pump(struct quarantine *q);
/* A message was stored here; judged by which rules is not known. */
void rescan_arrived(struct quarantine *q, const struct incoming *in);
struct rescan_facts {
    uint64_t rules_since_ms, waiting, verdicts;
};
void rescan_facts(struct quarantine *q, struct rescan_facts *out);
/* All of it, as if rules had changed now; how many messages. */
uint64_t rescan_all(struct quarantine *q);
/* The Outbreak quarantine, 0 = there is none. */
uint64_t outbreak_quarantine(struct quarantine *q);

/* drops.c: gateways are told what has left the Outbreak quarantine (XCPQ DROP). */
void drops_open(struct quarantine *q);
void drops_close(struct quarantine *q);
/* Inside a transaction, when its hold there has ended. */
void drops_note(struct quarantine *q, const struct held *h, uint64_t quarantine);
void drops_pump(struct quarantine *q);
/* What could not be told for so long that the copy has gone by itself. */
void drops_expire(struct quarantine *q, uint64_t now_ms);

/* session.c */
struct door;
void session_prepare(struct door *d);                         /* fills what conversations need */
void session_accept(struct door *d, int fd, struct str peer); /* its address in text */
/* The door is shut: its conversations end, but for a message that is being stored. */
void session_expel(struct door *d);
/* After a change of settings: conversations of partners that are enrolled no more end. */
void sessions_check(struct quarantine *q);
void sessions_end(struct quarantine *q);

/* verbs.c */
void quarantine_verbs_init(struct quarantine *q);
void quarantine_verbs_done(struct quarantine *q);

#endif
