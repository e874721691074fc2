/*
 * The work queue: messages on their way to scan and back.
 *
 * Called by intake (new mail), the bus (verdicts, workers that come and go) and once a turn. Owns the list of waiting
 * messages and each worker's two windows: memory files that queue fills and the worker maps read-only (E1). As many messages
 * as fit, up to queue.scan_batch, go in one window and thus in one wake-up; a window is filled again when all its messages
 * are answered. When a worker dies its messages are scanned once more, one at a time; after a second death the
 * message is not looked into any more but held as unscannable, with an alert (E6). The try count is journaled before the
 * second run.
 */
#include "base/clock.h"
#include "base/must.h"
#include "mail/carried.h"
#include "mail/cpq_meta.h"
#include "queue/made.h"

#include <fcntl.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

enum { SCAN_TRIES = 2, IDLE_MS = 60000, AWAY_BATCH = 4, AWAY_MS = 2000 };

void work_add(struct queue *q, uint32_t message, bool first)
{
    struct message *m = message_at(q, message);

    m->state = MESSAGE_WORK;
    m->prev = first ? 0 : q->work_last;
    m->next = first ? q->work_first : 0;
    *(m->prev ? &message_at(q, m->prev)->next : &q->work_first) = message;
    *(m->next ? &message_at(q, m->next)->prev : &q->work_last) = message;
    q->n_work++;
}

void work_remove(struct queue *q, uint32_t message)
{
    struct message *m = message_at(q, message);

    *(m->prev ? &message_at(q, m->prev)->next : &q->work_first) = m->next;
    *(m->next ? &message_at(q, m->next)->prev : &q->work_last) = m->prev;
    m->prev = m->next = 0;
    q->n_work--;
}

/* --- windows ------------------------------------------------------------------------------------------------------- */

static bool window_make(struct scan_window *w)
{
    int fd = memfd_create("postern-window", MFD_CLOEXEC | MFD_ALLOW_SEALING);
    void *p;

    if (fd < 0)
        return false;
    if (ftruncate(fd, WINDOW_BYTES) != 0 ||
        (p = mmap(NULL, WINDOW_BYTES, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0)) == MAP_FAILED) {
        close(fd);
        return false;
    }
    if (fcntl(fd, F_ADD_SEALS, F_SEAL_FUTURE_WRITE | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL) != 0) {
        munmap(p, WINDOW_BYTES);
        close(fd);
        return false;
    }
    *w = (struct scan_window){.p = p, .fd = fd};
    return true;
}

static void window_drop(struct scan_window *w)
{
    if (!w->p)
        return;
    munmap(w->p, WINDOW_BYTES);
    close(w->fd);
    *w = (struct scan_window){.fd = -1};
}

/* The worker's window, made and handed over at its first use. */
static struct scan_window *window_get(struct queue *q, struct scanner *s, unsigned i)
{
    struct scan_window *w = &s->windows[i];

    if (w->p)
        return w;
    if (!window_make(w))
        return NULL;
    bus_send_fd(q->bus, s->peer, BUS_scan_window, &(struct bus_scan_window){.window = i, .bytes = WINDOW_BYTES}, w->fd);
    return w;
}

static bool window_put(struct queue *q, struct scan_window *w, const struct spool_head *head, struct str envelope)
{
    size_t inline_bytes = head->big ? 0 : head->body_bytes;
    uint32_t crc = 0;

    if (inline_bytes > WINDOW_BYTES - w->used || envelope.n > WINDOW_BYTES - w->used - inline_bytes)
        return false;
    memcpy(w->p + w->used, envelope.p, envelope.n);
    return head->big ||
           (spool_read_body(q->reader, head, 0, w->p + w->used + envelope.n, inline_bytes, &crc, NULL) == RC_OK &&
            crc == head->body_crc);
}

static bool scanner_busy(const struct scanner *s)
{
    return s->windows[0].left || s->windows[1].left;
}

/* --- handing over ----------------------------------------------------------------------------------------------------- */

static void set_aside(struct queue *q, uint32_t message)
{
    struct message *m = message_at(q, message);
    struct spool_ref ref = message_ref(q, m);

    event(q->events, record_damaged, .mid = m->mid, .segment = ref.segment, .offset = ref.offset);
    work_remove(q, message);
    segment_at(q, m->segment)->corrupt = true;
    entry_done(q, m->mid);
    message_leave(q, message);
}

enum put { PUT_OK, PUT_FULL, PUT_BAD };

static enum put put_message(struct queue *q, struct scanner *s, unsigned i, uint32_t message)
{
    struct scan_window *w = &s->windows[i];
    struct message *m = message_at(q, message);
    struct spool_head head;
    struct str envelope;
    struct bus_scan_work work;
    int fd = -1;

    arena_reset(&q->scratch);
    if (spool_read_head(q->reader, message_ref(q, m), &q->scratch, &head, &envelope, NULL) != RC_OK || head.mid != m->mid)
        return PUT_BAD;
    if (w->used && envelope.n + (head.big ? 0 : head.body_bytes) > WINDOW_BYTES - w->used)
        return PUT_FULL;
    if (!window_put(q, w, &head, envelope) || (head.big && spool_open_big(q->reader, &head, &fd, NULL) != RC_OK))
        return PUT_BAD;
    work = (struct bus_scan_work){m->mid, i, w->used, envelope.n, head.body_bytes, head.big, m->scan_tries >= SCAN_TRIES};
    if (fd >= 0)
        bus_send_fd(q->bus, s->peer, BUS_scan_work, &work, fd);
    else
        bus_send(q->bus, s->peer, BUS_scan_work, &work);
    if (fd >= 0)
        close(fd);
    w->used += (uint32_t)((envelope.n + (head.big ? 0 : head.body_bytes) + 63) & ~(size_t)63);
    w->used = w->used < WINDOW_BYTES ? w->used : WINDOW_BYTES;
    w->messages[w->sent++] = message;
    return PUT_OK;
}

/* Most messages to hand over at once: all workers shall have their share, since one that waits for an engine keeps what it
 * has. Few while an engine is away: they find out whether it is back. */
static uint64_t batch_now(const struct queue *q)
{
    uint64_t most = conf_now(q->conf)->queue.scan_batch, share = (q->n_work + q->n_scanners - 1) / q->n_scanners;

    if (q->away && share > AWAY_BATCH)
        share = AWAY_BATCH;
    return share < most ? share : most;
}

/* Fills one free window of a worker. */
static void fill(struct queue *q, struct scanner *s, unsigned i)
{
    uint64_t batch = batch_now(q);
    struct scan_window *w = window_get(q, s, i);

    if (!w)
        return;
    w->used = w->sent = w->left = 0;
    while (q->work_first && w->sent < batch && w->sent < WINDOW_MESSAGES) {
        uint32_t message = q->work_first;
        struct message *m = message_at(q, message);
        bool alone = m->flags & MESSAGE_ALONE;
        enum put got;

        if (alone && (w->sent || scanner_busy(s)))
            break;
        got = put_message(q, s, i, message);
        if (got == PUT_FULL)
            break;
        if (got == PUT_BAD) {
            set_aside(q, message);
            continue;
        }
        work_remove(q, message);
        m->state = MESSAGE_SCANNING;
        q->n_scanning++;
        w->left++;
        s->alone = alone;
        if (alone)
            break;
    }
}

void work_dispatch(struct queue *q)
{
    if (q->work_paused || (q->away && loop_now_ms(q->loop) < q->away_until_ms))
        return;
    for (unsigned tried = 0; q->work_first && tried < SCANNERS_MAX; tried++, q->scan_turn++) {
        struct scanner *s = q->scanners[q->scan_turn % SCANNERS_MAX];

        if (!s || s->alone || bus_full(q->bus, s->peer))
            continue;
        for (unsigned i = 0; i < WINDOWS && q->work_first && !s->alone; i++)
            if (!s->windows[i].left) {
                fill(q, s, i);
                if (q->away && s->windows[i].left) { /* these are the try; all others wait for what becomes of them */
                    work_try_later(q);
                    return;
                }
            }
    }
}

static void try_now(void *ctx)
{
    struct queue *q = ctx;

    loop_again(q->loop);
}

void work_try_later(struct queue *q)
{
    q->away_until_ms = loop_now_ms(q->loop) + AWAY_MS;
    loop_timer_set(q->loop, &q->away_timer, AWAY_MS, try_now, q);
}

/* --- verdicts --------------------------------------------------------------------------------------------------------- */

/* Takes the message out of the worker's windows; 0 when this worker was not asked about it. */
static uint32_t take_back(struct queue *q, struct scanner *s, uint64_t mid)
{
    for (unsigned i = 0; i < WINDOWS; i++)
        for (uint32_t k = 0; k < s->windows[i].sent; k++) {
            uint32_t message = s->windows[i].messages[k];

            if (!message || message_at(q, message)->mid != mid)
                continue;
            s->windows[i].messages[k] = 0;
            s->windows[i].left--;
            q->n_scanning--;
            return message;
        }
    return 0;
}

/* One line a quarantine of the manager. */
static void say_enqueued(struct queue *q, uint64_t mid, struct str carried)
{
    struct carried c = {0};
    struct str line, name;

    if (!carried.n || !conf_now(q->conf)->pvo.central || carried_decode(carried, &c, NULL) != RC_OK)
        return;
    while (c.holds.n && str_split(&c.holds, '\n', &line))
        if (line.n && str_split(&line, '\t', &name))
            event(q->events, hold_enqueued, .mid = mid, .quarantine = name, .reason = line, .kind = cpq_kind_of(name));
}

void work_verdict(struct queue *q, uint32_t message, uint64_t action, struct str carried)
{
    struct message *m = message_at(q, message);

    m->state = MESSAGE_DELIVERY;
    m->flags &= (uint8_t)~MESSAGE_ALONE;
    m->scan_tries = 0;
    message_keep(q, message, carried);
    entry_verdict(q, message, action, carried);
    say_enqueued(q, m->mid, carried);
    event(q->events, message_queued, .mid = m->mid);
    pieces_release(q, message);
}

static void on_verdict(void *ctx, const struct bus_in *in)
{
    struct queue *q = ctx;
    const struct bus_scan_verdict *v = in->msg;
    struct scanner *s = in->from->index < SCANNERS_MAX ? q->scanners[in->from->index] : NULL;
    uint32_t message = s ? take_back(q, s, v->mid) : 0;

    if (!message)
        return;
    s->alone = false;
    s->idle_since_ms = loop_now_ms(q->loop);
    verdict_take(q, message, v);
}

/* --- workers ------------------------------------------------------------------------------------------------------------
 */

void work_peer_come(struct queue *q, struct bus_peer *p)
{
    struct scanner *s;

    if (p->index >= SCANNERS_MAX)
        return;
    work_peer_gone(q, p);
    s = calloc(1, sizeof *s);
    must(s);
    s->peer = p;
    for (unsigned i = 0; i < WINDOWS; i++)
        s->windows[i].fd = -1;
    q->scanners[p->index] = s;
    q->n_scanners++;
}

void work_again(struct queue *q, uint32_t message)
{
    struct message *m = message_at(q, message);

    if (m->flags & MESSAGE_ALONE && m->scan_tries < UINT8_MAX)
        m->scan_tries++;
    m->flags |= MESSAGE_ALONE;
    entry_scan_try(q, message);
    work_add(q, message, m->scan_tries < SCAN_TRIES);
    if (m->scan_tries >= SCAN_TRIES)
        event(q->events, scan_worker_killed, .mid = m->mid, .tries = m->scan_tries);
}

void work_peer_gone(struct queue *q, struct bus_peer *p)
{
    struct scanner *s = p->index < SCANNERS_MAX ? q->scanners[p->index] : NULL;

    if (!s)
        return;
    q->scanners[p->index] = NULL;
    q->n_scanners--;
    for (unsigned i = 0; i < WINDOWS; i++) {
        for (uint32_t k = s->windows[i].sent; k-- > 0;)
            if (s->windows[i].messages[k]) {
                q->n_scanning--;
                work_again(q, s->windows[i].messages[k]);
            }
        window_drop(&s->windows[i]);
    }
    free(s);
}

void work_tidy(struct queue *q)
{
    uint64_t now = loop_now_ms(q->loop);

    for (unsigned i = 0; i < SCANNERS_MAX; i++) {
        struct scanner *s = q->scanners[i];

        if (s && !scanner_busy(s) && now > s->idle_since_ms + IDLE_MS)
            for (unsigned k = 0; k < WINDOWS; k++)
                window_drop(&s->windows[k]);
    }
}

void work_init(struct queue *q)
{
    bus_on(q->bus, BUS_scan_verdict, on_verdict, q);
}

void work_done(struct queue *q)
{
    loop_timer_cancel(q->loop, &q->away_timer);
    for (unsigned i = 0; i < SCANNERS_MAX; i++)
        if (q->scanners[i]) {
            for (unsigned k = 0; k < WINDOWS; k++)
                window_drop(&q->scanners[i]->windows[k]);
            free(q->scanners[i]);
        }
    free(q->work_reason);
}
