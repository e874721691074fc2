/*
 * Releases on their way to queue: sent, and sent again until queue says that it has them.
 *
 * Called by decide.c (a new release), the bus (answers, a new queue) and a timer. Owns the calls under way. A release is a
 * row of the index until it was taken, so nobody's death loses it.
 */
#include "mail/address.h"
#include "mail/released.h"
#include "quarantine/drain.h"

#include <unistd.h>

enum { AGAIN_MS = 15000, ANSWER_MS = 120000, LOOK_AT = 256 };

struct leaving {
    uint64_t id, message, kind;
    struct str release, recipients;
};

static bool get(struct quarantine *q, uint64_t id, struct arena *a, struct leaving *out)
{
    sqlite3_stmt *st = sql_bind(&q->sql, Q_leave_get, "i", id);
    bool there = sql_step(&q->sql, st);

    if (there)
        *out = (struct leaving){.id = id,
                                .message = sql_u64(st, 0),
                                .release = arena_str(a, sql_str(st, 2)),
                                .recipients = arena_str(a, sql_str(st, 3)),
                                .kind = sql_u64(st, 4)};
    sqlite3_reset(st);
    return there;
}

static size_t list_of(struct arena *a, struct str coded, struct recipient **out)
{
    size_t n = 0, room = 0;
    struct str rest = coded, one;

    while (get_str(&rest, &one))
        room++;
    *out = arena_array(a, struct recipient, room ? room : 1);
    while (*out && n < room && get_str(&coded, &one))
        (*out)[n++] = (struct recipient){.address = one};
    return n;
}

/* A gateway's own; a copy for somebody leaves from here. */
static bool goes_back(const struct quarantine *q, const struct held *h, const struct leaving *l)
{
    return l->kind == LEAVE_RELEASE && is_foreign(q, h->serial);
}

/* Spam that leaves by SMTP to hosts of the settings (central.md 10). */
static bool via_hosts(const struct quarantine *q, const struct held *h)
{
    return h->class == CPQ_SPAM && quarantine_conf(q)->spam_quarantine.release_hosts.n;
}

/* NAME/SERIAL, queue/internal.h. Empty: the recipients' domains. */
static struct str destination_of(const struct quarantine *q, struct arena *a, const struct held *h, const struct leaving *l)
{
    const char *name = h->class == CPQ_SPAM ? "the.euq.release.queue" : "the.cpq.release.host";

    if (l->kind == LEAVE_DRAIN)
        return h->class == CPQ_SPAM ? str_lit("the.euq.queue") : str_lit("the.cpq.host");
    if (l->kind == LEAVE_RELEASE && via_hosts(q, h))
        return str_c(name);
    return goes_back(q, h, l) ? arena_printf(a, "%s/%.*s", name, STR(address_lower(a, h->serial))) : STR_NONE;
}

static void put_envelope(const struct quarantine *q, struct arena *a, const struct cpq_meta *m, const struct held *h,
                         const struct leaving *l, const struct json *release, struct str edits, struct buf *out)
{
    struct released r = {.meta = m,
                         .release = release,
                         .mid = h->mid,
                         .spam = h->class == CPQ_SPAM,
                         .copy = l->kind == LEAVE_COPY,
                         .edits = edits};
    struct recipient *list;

    if (l->recipients.n) {
        r.n_recipients = list_of(a, l->recipients, &list);
        r.recipients = list;
    }
    if (goes_back(q, h, l) && !via_hosts(q, h))
        released_onward(&r, l->release, out);
    else
        released_envelope(&r, out);
}

/* ---- on the way --------------------------------------------------------------------------------------------------------
 */

static void on_taken(void *ctx, enum rc rc, const void *msg);

/* The address in a From field; all of it when there is no <>. */
static struct str address_in(struct str from)
{
    size_t open = str_find_last(from, '<');

    if (open < from.n) {
        from = str_from(from, open + 1);
        from = str_first(from, str_find(from, '>'));
    }
    return str_trim(from);
}

/* Both senders of released spam onto its recipient's safelist, if whoever released it wants that. Control knows what is
 * there already, so each try may say it. */
static void tell_safelist(struct quarantine *q, const struct cpq_meta *m, const struct leaving *l,
                          const struct json *release)
{
    struct bus_peer *control = bus_peer(q->o.bus, ROLE_control, 0);
    struct str recipients = l->recipients, user, from = address_in(m->from), sender = m->envelope.sender;
    struct buf entries = BUF(4096);

    if (!control || !json_is(json_get(release, "safelist"), JSON_TRUE) || !get_str(&recipients, &user))
        return;
    if (sender.n)
        buf_put_str(&entries, sender);
    if (from.n && !str_eqi(from, sender))
        buf_put_str(&entries, from);
    bus_send(q->o.bus, control, BUS_slbl_wanted,
             &(struct bus_slbl_wanted){
                 .user = user, .entries = buf_str(&entries), .by = json_str_of(json_get(release, "operator"))});
    buf_done(&entries);
}

static enum rc send_one(struct quarantine *q, struct leaving_slot *slot, const struct leaving *l, const struct held *h,
                        struct bus_peer *to, struct err *e)
{
    struct buf meta = BUF(CPQ_META_MAX), envelope = BUF(8 * ENVELOPE_BYTES);
    const struct json *release = NULL;
    struct str edits;
    struct cpq_meta m;
    struct arena a;
    uint64_t offset = 0;
    int fd = -1;
    enum rc rc;

    arena_init(&a, 4096, 64 << 20);
    rc = store_read(q, h, &meta, &fd, &offset, e);
    if (rc == RC_OK)
        rc = cpq_meta_read(&a, buf_str(&meta), &m, e);
    if (rc == RC_OK) {
        json_read(&a, l->release, &release, NULL);
        tell_safelist(q, &m, l, release);
        edits = goes_back(q, h, l) ? STR_NONE /* the gateway makes them */
                                   : early_edits(&a, fd, offset, h->body_bytes, json_get(release, "edits"));
        if (l->kind == LEAVE_DRAIN)
            drain_envelope(q, &a, &m, h, &envelope);
        else
            put_envelope(q, &a, &m, h, l, release, edits, &envelope);
        slot->call = bus_call_fd(q->o.bus, to, BUS_release_new,
                                 &(struct bus_release_new){.id = l->id,
                                                           .old_mid = h->mid,
                                                           .envelope = buf_str(&envelope),
                                                           .destination = destination_of(q, &a, h, l),
                                                           .mid = goes_back(q, h, l) && h->class == CPQ_PVO ? h->id : 0,
                                                           .offset = offset,
                                                           .body_bytes = h->body_bytes},
                                 fd, ANSWER_MS, on_taken, slot);
    }
    if (fd >= 0)
        close(fd);
    buf_done(&meta);
    buf_done(&envelope);
    arena_done(&a);
    return rc;
}

static bool is_leaving(const struct quarantine *q, uint64_t id)
{
    for (size_t i = 0; i < LEAVES_AT_ONCE; i++)
        if (q->leaving[i].id == id)
            return true;
    return false;
}

static struct leaving_slot *free_leaving(struct quarantine *q)
{
    for (size_t i = 0; i < LEAVES_AT_ONCE; i++)
        if (!q->leaving[i].id)
            return &q->leaving[i];
    return NULL;
}

static void gone_already(struct quarantine *q, uint64_t id)
{
    sql_run(&q->sql, Q_leave_drop, "i", id);
}

static void again(void *ctx)
{
    leave_pump(ctx);
}

/* It is tried again a little later; other releases go on. */
static void waits(struct quarantine *q, const struct held *h, const char *why)
{
    event(q->o.events, quarantine_release_waits, .mid = h ? h->number : 0, .why = str_c(why));
    loop_timer_set(q->o.loop, &q->leave_timer, AGAIN_MS, again, q);
}

static void on_taken(void *ctx, enum rc rc, const void *msg)
{
    struct leaving_slot *slot = ctx;
    const struct bus_release_taken *m = msg;
    struct quarantine *q = slot->q;
    uint64_t id = slot->id;
    enum rc result = rc != RC_OK ? rc : m->rc < RC_COUNT ? (enum rc)m->rc : RC_INTERNAL;

    slot->id = slot->call = 0;
    if (result == RC_OK)
        decide_left(q, id, m->mid);
    else if (result != RC_UNAVAILABLE || rc == RC_OK)
        waits(q, NULL, rc_info(result)->text);
    else
        loop_timer_set(q->o.loop, &q->leave_timer, AGAIN_MS, again, q); /* queue is away: it says when it is back */
}

static bool start_one(struct quarantine *q, uint64_t id, struct bus_peer *to)
{
    struct leaving_slot *slot = free_leaving(q);
    struct err e = ERR_NONE;
    struct leaving l;
    struct held h;
    struct arena a;

    if (!slot)
        return false;
    arena_init(&a, 4096, 4 << 20);
    if (get(q, id, &a, &l)) {
        *slot = (struct leaving_slot){.q = q, .id = id};
        if (!held_get(q, l.message, &a, &h)) {
            gone_already(q, id); /* a copy of what was deleted meanwhile */
            slot->id = 0;
        } else if (send_one(q, slot, &l, &h, to, &e) != RC_OK) {
            slot->id = 0;
            waits(q, &h, err_text(&e));
        }
    }
    arena_done(&a);
    return true;
}

void leave_pump(struct quarantine *q)
{
    struct bus_peer *to = q->o.bus ? bus_peer(q->o.bus, ROLE_queue, 0) : NULL;
    uint64_t ids[LOOK_AT];
    size_t n = 0;
    sqlite3_stmt *st;

    if (!to || q->stopping || q->sql.open || !free_leaving(q))
        return;
    st = sql_bind(&q->sql, Q_leave_list, "ii", (uint64_t)0, (uint64_t)LOOK_AT);
    while (n < LOOK_AT && sql_step(&q->sql, st))
        ids[n++] = sql_u64(st, 0);
    sqlite3_reset(st);
    for (size_t i = 0; i < n; i++)
        if (!is_leaving(q, ids[i]) && !start_one(q, ids[i], to))
            break;
}

/* Also called for a queue that was there before the socket: it listens by now. */
static void on_peer(void *ctx, struct bus_peer *p)
{
    struct quarantine *q = ctx;

    if (p->role != ROLE_queue)
        return;
    bus_send(q->o.bus, p, BUS_holder_ready, &(struct bus_holder_ready){.listens = 1});
    leave_pump(q);
}

void leave_init(struct quarantine *q)
{
    if (q->o.bus)
        bus_on_peer(q->o.bus, on_peer, NULL, q);
}

void leave_done(struct quarantine *q)
{
    loop_timer_cancel(q->o.loop, &q->leave_timer);
    for (size_t i = 0; i < LEAVES_AT_ONCE; i++)
        if (q->leaving[i].call)
            bus_cancel(q->o.bus, q->leaving[i].call);
}
