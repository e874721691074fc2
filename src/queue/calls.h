/* The functions by which the files of queue/ change what queue/state.h describes, by the file that owns them. Included by it
 * alone. */
#ifndef QUEUE_CALLS_H
#define QUEUE_CALLS_H

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
