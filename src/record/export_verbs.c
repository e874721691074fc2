/*
 * Verb `exports`. See export_verbs.h.
 *
 * Called by verbs.c and by save.c when a segment was closed. Owns the calls that are under way or parked: each is a waiter,
 * its look into the index runs in the thread pool, its answer leaves on the loop. One for which nothing is there is parked
 * until a segment is closed or its time is over.
 */
#include "record/export_verbs.h"

#include "base/clock.h"
#include "base/must.h"
#include "record/inside.h"

#include <inttypes.h>
#include <stdlib.h>

enum { WAITERS_MOST = 256, CUT_POLL_MS = 100, WAIT_MOST_MS = 300000, CUT_GIVES_UP_MS = 5000 };

enum what { LIST, ACK, STATUS };

struct export_waiter {
    struct export_waiter *next;
    struct record *r;
    struct bus_peer *from;
    unsigned life;
    uint64_t call;
    enum what what;
    bool running; /* in the pool */
    /* the question */
    enum segment_kind kind;
    uint64_t epoch, seq, to;
    char manager[SEGMENT_SERIAL], digest[SEGMENT_DIGEST];
    char managers[EXPORT_MANAGERS][SEGMENT_SERIAL];
    size_t n_managers;
    bool cut;         /* wanted, not done yet */
    uint64_t cut_end; /* monotonic: answered without it then */
    uint64_t until;   /* monotonic: parked until then */
    /* the answer */
    enum rc rc;
    struct err e;
    struct buf text, json;
};

/* --- words --------------------------------------------------------------------------------------------------------- */

static bool word_is(struct str *args, const char *word)
{
    struct str got, rest = *args;

    if (!get_str(&rest, &got) || !str_eqi(got, str_c(word)))
        return false;
    *args = rest;
    return true;
}

static bool number(struct str *args, uint64_t *out)
{
    struct str word;

    return get_str(args, &word) && str_u64(word, out);
}

static bool kind_word(struct str *args, enum segment_kind *out)
{
    struct str word;

    return get_str(args, &word) && segment_kind_of(word, out);
}

static bool copy(struct str from, char *to, size_t size)
{
    if (!from.n || from.n >= size)
        return false;
    memcpy(to, from.p, from.n);
    to[from.n] = '\0';
    return true;
}

static bool list_words(struct export_waiter *w, struct str args)
{
    struct str word;
    uint64_t ms;

    if (!kind_word(&args, &w->kind) || !number(&args, &w->epoch) || !number(&args, &w->seq))
        return false;
    while (get_str(&args, &word)) {
        if (str_eqi(word, str_lit("cut")))
            w->cut = true;
        else if (str_starts(word, str_lit("wait=")) && str_u64(str_from(word, 5), &ms))
            w->until = clock_mono_ms() + (ms < WAIT_MOST_MS ? ms : WAIT_MOST_MS);
        else
            return false;
    }
    w->cut_end = clock_mono_ms() + CUT_GIVES_UP_MS;
    return true;
}

static bool ack_words(struct export_waiter *w, struct str args)
{
    struct str manager, range, digest;
    size_t dash;

    if (!get_str(&args, &manager) || !copy(manager, w->manager, sizeof w->manager) || !kind_word(&args, &w->kind) ||
        !number(&args, &w->epoch) || !get_str(&args, &range) || !get_str(&args, &digest) || digest.n != 64 ||
        !copy(digest, w->digest, sizeof w->digest))
        return false;
    dash = str_find(range, '-');
    return str_u64(str_first(range, dash), &w->seq) &&
           (dash == range.n ? (w->to = w->seq, true) : str_u64(str_from(range, dash + 1), &w->to)) && w->seq <= w->to;
}

static bool words(struct export_waiter *w, struct str args)
{
    struct str manager;

    if (word_is(&args, "list"))
        return list_words(w, args);
    if (word_is(&args, "ack")) {
        w->what = ACK;
        return ack_words(w, args);
    }
    w->what = STATUS;
    if (!word_is(&args, "status"))
        return false;
    return !get_str(&args, &manager) || copy(manager, w->manager, sizeof w->manager);
}

/* --- in the thread pool -------------------------------------------------------------------------------------------- */

static void status_kind(struct export_waiter *w, enum segment_kind kind)
{
    const struct exports *x = &w->r->exports;
    struct str managers[EXPORT_MANAGERS];
    struct export_state s;
    uint64_t epoch = 0, acked = 0;

    for (size_t i = 0; i < w->n_managers; i++)
        managers[i] = str_c(w->managers[i]);
    export_index_state(x->index, kind, managers, w->n_managers, &s);
    if (w->manager[0])
        export_index_acked(x->index, kind, str_c(w->manager), &epoch, &acked);
    buf_addf(&w->json,
             "%s\"%.*s\":{\"first\":%" PRIu64 ",\"last\":%" PRIu64 ",\"acked\":%" PRIu64 ",\"acked_epoch\":%" PRIu64
             ",\"segments\":%" PRIu64 ",\"waiting\":%" PRIu64 ",\"bytes\":%" PRIu64 ",\"budget\":%" PRIu64 "}",
             kind ? "," : "", STR(segment_kind_word(kind)), s.first_seq, s.last_seq, acked, epoch, s.segments, s.waiting,
             s.bytes, x->max_bytes);
    buf_addf(&w->text,
             "%-10.*s segments %" PRIu64 "-%" PRIu64 ", %" PRIu64 " files, %" PRIu64 " bytes, %" PRIu64 " to be fetched\n",
             STR(segment_kind_word(kind)), s.first_seq, s.last_seq, s.segments, s.bytes, s.waiting);
}

static void work(void *ctx)
{
    struct export_waiter *w = ctx;
    struct export_index *index = w->r->exports.index;

    w->e = ERR_NONE;
    switch (w->what) {
    case LIST:
        w->rc = export_index_list(index, w->kind, w->epoch, w->seq, &w->text, &w->e);
        break;
    case ACK:
        w->rc = export_index_ack(index, str_c(w->manager), w->kind, w->epoch, w->seq, w->to, str_c(w->digest), &w->e);
        if (w->rc == RC_OK)
            buf_addf(&w->json, "{\"acked\":%" PRIu64 "}", w->to);
        break;
    default:
        buf_addf(&w->json, "{\"epoch\":%" PRIu64 ",\"exports\":{", w->r->exports.epoch);
        for (unsigned kind = 0; kind < SEGMENT_KINDS; kind++)
            status_kind(w, (enum segment_kind)kind);
        buf_add(&w->json, str_lit("}}"));
    }
}

/* --- on the loop --------------------------------------------------------------------------------------------------- */

static void unlink_waiter(struct export_waiter *w)
{
    struct export_waiter **at = &w->r->waiters;

    while (*at != w)
        at = &(*at)->next;
    *at = w->next;
}

static void answer(struct export_waiter *w)
{
    struct bus_verb_reply reply = {.rc = w->rc};

    if (w->rc != RC_OK) {
        buf_clear(&w->text);
        buf_addf(&w->text, "%s\n", w->rc == w->e.rc ? err_text(&w->e) : rc_info(w->rc)->text);
    }
    reply.text = buf_str(&w->text);
    reply.json = buf_str(&w->json);
    if (w->from->life == w->life)
        bus_reply(w->r->bus, w->from, w->call, BUS_verb_reply, &reply);
    unlink_waiter(w);
    buf_done(&w->text);
    buf_done(&w->json);
    free(w);
}

static void look(struct export_waiter *w);
static void arm(struct record *r);

static void looked(void *ctx)
{
    struct export_waiter *w = ctx;

    w->running = false;
    if (w->what == LIST && w->rc == RC_OK && !w->text.n && clock_mono_ms() < w->until && !w->r->stopped)
        arm(w->r); /* parked */
    else
        answer(w);
}

/* A cut that is wanted comes first: the open segment is closed, or the time for that is not yet. */
static bool cut_waits(struct export_waiter *w)
{
    struct exports *x = &w->r->exports;

    if (!w->cut)
        return false;
    if (w->kind != SEGMENT_TRACKING || clock_mono_ms() >= w->cut_end || (!x->closing && !x->cut && !x->open.head.events)) {
        w->cut = false;
        return false;
    }
    if (!x->cut && !x->closing && exports_cut(x))
        record_save_soon(w->r);
    return true;
}

static void look(struct export_waiter *w)
{
    if (w->running || cut_waits(w))
        return;
    w->running = true;
    loop_work(w->r->loop, work, looked, w);
}

static void look_again(void *ctx)
{
    struct record *r = ctx;

    for (struct export_waiter *w = r->waiters, *next; w; w = next) {
        next = w->next;
        if (w->running || (!w->cut && clock_mono_ms() < w->until))
            continue;
        look(w);
    }
    arm(r);
}

/* The timer runs while something is parked. */
static void arm(struct record *r)
{
    if (r->waiters && !r->stopped)
        loop_timer_set(r->loop, &r->wait_timer, CUT_POLL_MS, look_again, r);
}

void export_verbs_listed(struct record *r)
{
    for (struct export_waiter *w = r->waiters, *next; w; w = next) {
        next = w->next;
        w->cut = false; /* what was there when it was asked for is in the segment */
        if (r->loop)
            look(w);
    }
}

static enum rc refused(const struct record *r, const struct export_waiter *w)
{
    const struct conf *conf = r->conf ? conf_now(r->conf) : NULL;

    if (!r->exports.gateway)
        return RC_NOT_IMPLEMENTED;
    if (!r->exports.index)
        return RC_UNAVAILABLE;
    if (w->what == LIST && conf && !(w->kind == SEGMENT_TRACKING ? conf->tracking.enabled : conf->reporting.enabled))
        return RC_NOT_PERMITTED;
    return RC_OK;
}

void export_verbs_call(struct record *r, const struct bus_in *in)
{
    const struct bus_verb_call *call = in->msg;
    struct export_waiter *w = calloc(1, sizeof *w);
    size_t n = 0;

    must(w);
    w->r = r;
    w->from = in->from;
    w->life = in->from->life;
    w->call = in->call;
    w->text = BUF(8 << 20);
    w->json = BUF(1 << 20);
    w->rc = words(w, call->args) ? refused(r, w) : RC_SYNTAX;
    for (const struct export_waiter *other = r->waiters; other; other = other->next)
        n++;
    w->next = r->waiters;
    r->waiters = w;
    memcpy(w->managers, r->exports.managers, sizeof w->managers);
    w->n_managers = r->exports.n_managers;
    if (w->rc == RC_OK && n >= WAITERS_MOST)
        w->rc = RC_LIMIT;
    if (w->rc != RC_OK) {
        answer(w);
        return;
    }
    look(w);
    arm(r);
}

bool export_verbs_busy(const struct record *r)
{
    for (const struct export_waiter *w = r->waiters; w; w = w->next)
        if (w->running)
            return true;
    return false;
}

void export_verbs_done(struct record *r)
{
    if (r->loop)
        loop_timer_cancel(r->loop, &r->wait_timer);
    for (struct export_waiter *w = r->waiters, *next; w; w = next) {
        next = w->next;
        buf_done(&w->text);
        buf_done(&w->json);
        free(w);
    }
    r->waiters = NULL;
}
