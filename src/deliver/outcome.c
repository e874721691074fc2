/*
 * The end of a piece: log lines, flight board, the word to queue.
 *
 * Called by link.c (answered by a peer) and destination.c (no next hop, no connection). Order as everywhere: the slot holds
 * the results before deliver_done is queued, events leave the process before the bus (design-notes B1, D2).
 */
#include "deliver/inside.h"

#include "event/record.h"

static void done_event(struct deliver *d, struct piece *p, uint64_t dcid, const struct delivery_result *r)
{
    piece_log_headers(d, p, &d->headers);
    event(d->o.events, delivery_done, .dcid = dcid, .mid = p->mid, .rids = buf_str(&d->rids),
          .headers = buf_str(&d->headers));
    event(d->o.events, delivery_response, .mid = p->mid, .rids = buf_str(&d->rids), .response = r->text);
}

static bool same_answer(const struct delivery_result *a, const struct delivery_result *b)
{
    return a->class == b->class && str_eq(a->text, b->text);
}

/* Recipients that were accepted with the same answer, or dropped by their route, share a line. */
static void delivered_events(struct deliver *d, struct piece *p, uint64_t dcid, const struct delivery_result *r, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        bool seen = r[i].class != RESULT_DELIVERED && r[i].class != RESULT_DROPPED;

        for (size_t k = 0; k < i && !seen; k++)
            seen = same_answer(&r[k], &r[i]);
        if (seen)
            continue;
        buf_clear(&d->rids);
        buf_put_varint(&d->rids, r[i].recipient);
        for (size_t k = i + 1; k < n; k++)
            if (same_answer(&r[i], &r[k]))
                buf_put_varint(&d->rids, r[k].recipient);
        if (r[i].class == RESULT_DROPPED)
            event(d->o.events, delivery_discarded, .mid = p->mid, .rids = buf_str(&d->rids));
        else
            done_event(d, p, dcid, &r[i]);
    }
}

static void failed_events(struct deliver *d, const struct piece *p, uint64_t dcid, const struct delivery_result *r, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        struct str recipient =
            r[i].recipient < p->envelope.n_recipients ? p->envelope.recipients[r[i].recipient].address : STR_NONE;
        struct event_class class = event_class_of(r[i].enhanced, (unsigned)r[i].code);

        if (r[i].class == RESULT_BOUNCED)
            event(d->o.events, delivery_bounced, .dcid = dcid, .mid = p->mid, .rid = r[i].recipient,
                  .enhanced = class.enhanced, .class = class.text, .code = r[i].code, .lines = r[i].text,
                  .sender = p->envelope.sender, .recipient = recipient, .reason = r[i].reason);
        else if (r[i].class == RESULT_DELAYED)
            event(d->o.events, delivery_delayed, .dcid = dcid, .mid = p->mid, .rid = r[i].recipient,
                  .enhanced = class.enhanced, .class = class.text, .code = r[i].code, .lines = r[i].text,
                  .sender = p->envelope.sender, .recipient = recipient);
    }
}

static struct board_slot *slot_of(struct deliver *d, const struct piece *p)
{
    struct board_slot *slot = p->slot < BOARD_SLOTS ? &d->o.board->slots[d->o.column][p->slot] : NULL;

    return slot && board_load(&slot->mid) == p->mid ? slot : NULL;
}

/* The dot left and the connection ended before its answer: the next hop may have taken the message, and gets it again. */
static void uncertain_event(struct deliver *d, struct piece *p, uint64_t dcid, const struct delivery_result *r, size_t n)
{
    struct board_slot *slot = slot_of(d, p);

    if (!slot || board_load(&slot->state) != SLOT_DOT_SENT)
        return;
    buf_clear(&d->rids);
    for (size_t i = 0; i < n; i++)
        if (r[i].class == RESULT_DELAYED && r[i].code == 0)
            buf_put_varint(&d->rids, r[i].recipient);
    if (d->rids.n)
        event(d->o.events, delivery_uncertain, .dcid = dcid, .mid = p->mid, .rids = buf_str(&d->rids));
}

void outcome_tell(struct deliver *d, struct piece *p, uint64_t outcome, const struct delivery_result *r, size_t n)
{
    struct board_slot *slot = slot_of(d, p);

    if (p->moved) {
        moved_tell(d, p, outcome, r, n);
        piece_free(d, p);
        return;
    }
    buf_clear(&d->results);
    results_encode(r, n, SLOT_RESULTS, &d->results);
    if (slot) {
        if (outcome == 0 && d->results.n <= SLOT_RESULTS) {
            memcpy(slot->results, d->results.p, d->results.n);
            slot->results_bytes = d->results.n;
            board_store(&slot->state, SLOT_ANSWERED);
        } else {
            board_store(&slot->state, SLOT_ASSIGNED); /* nothing was answered: free to be tried again */
        }
    }
    if (d->o.bus)
        bus_send(d->o.bus, bus_peer(d->o.bus, ROLE_queue, 0), BUS_deliver_done,
                 &(struct bus_deliver_done){.slot = p->slot,
                                            .mid = p->mid,
                                            .outcome = outcome,
                                            .destination = p->to->name,
                                            .results = buf_str(&d->results)});
    piece_free(d, p);
}

void outcome_results(struct deliver *d, struct piece *p, uint64_t dcid, const struct delivery_result *r, size_t n)
{
    delivered_events(d, p, dcid, r, n);
    failed_events(d, p, dcid, r, n);
    uncertain_event(d, p, dcid, r, n);
    outcome_tell(d, p, 0, r, n);
}

size_t outcome_fill(const struct piece *p, struct delivery_result *r, const struct delivery_result *same)
{
    for (size_t i = 0; i < p->n_recipients; i++) {
        r[i] = *same;
        r[i].recipient = p->recipients[i];
    }
    return p->n_recipients;
}

void outcome_all(struct deliver *d, struct piece *p, enum result_class class, enum result_reason reason,
                 const char *enhanced, struct str text)
{
    struct delivery_result r[PIECE_RECIPIENTS];
    size_t n = outcome_fill(
        p, r, &(struct delivery_result){.class = class, .reason = reason, .enhanced = str_c(enhanced), .text = text});

    if (p->envelope.n_recipients == 0 && piece_load(d, p, NULL) != RC_OK) /* the addresses, for the `bounces` log */
        p->envelope = (struct envelope){0};
    outcome_results(d, p, 0, r, n);
}

void outcome_connection(struct deliver *d, struct piece *p, const char *enhanced, struct str text)
{
    struct delivery_result r[PIECE_RECIPIENTS];
    size_t n =
        outcome_fill(p, r,
                     &(struct delivery_result){
                         .class = RESULT_DELAYED, .reason = REASON_NETWORK, .enhanced = str_c(enhanced), .text = text});

    outcome_tell(d, p, 1, r, n);
}

void outcome_damaged(struct deliver *d, struct piece *p)
{
    outcome_tell(d, p, 2, NULL, 0);
}

void outcome_destination_down(struct destination *to, struct str reason, bool permanent)
{
    struct deliver *d = to->d;

    if (d->o.bus)
        bus_send(d->o.bus, bus_peer(d->o.bus, ROLE_queue, 0), BUS_destination_down,
                 &(struct bus_destination_down){.destination = to->name, .reason = reason, .permanent = permanent});
}
