/*
 * A queue between peers that the test plays: one receive process with a real spool writer, a scan worker that lets
 * everything pass, one deliver process that answers as the test says. Time stands still but for what the test advances.
 */
#ifndef QUEUE_QUEUE_TESTING_H
#define QUEUE_QUEUE_TESTING_H

#include "base/clock.h"
#include "base/must.h"
#include "mail/envelope.h"
#include "queue/queue.h"
#include "queue/state.h"
#include "smtp/results.h"
#include "spool/spool.h"

#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

enum answer { ANSWER_OK, ANSWER_DELAY, ANSWER_BOUNCE, ANSWER_NONE, ANSWER_DOWN, ANSWER_MIXED };

struct work_seen {
    uint64_t slot, mid, attempt;
    uint64_t recipients[RESULTS_MAX];
    size_t n;
    char destination[100];
    struct spool_ref ref;
    bool open;
};

struct side {
    struct bus *bus;
    struct bus_peer *queue; /* how this side knows queue */
};

struct fix {
    char home[64];
    struct loop *loop;
    struct board *board;
    struct conf_source *conf;
    struct events *events;
    struct queue *q;
    struct bus *bus; /* queue's */
    struct side receive, scan, deliver;
    const char *windows[WINDOWS];
    bool scan_is_deaf;               /* takes messages and answers nothing */
    struct bus_scan_verdict verdict; /* what scan answers; deliver when nothing is set */
    bool verdict_once;
    unsigned scanned, most_in_turn, careful;
    struct spool_writer *writer;
    unsigned life;
    enum answer answer;
    struct work_seen work[200000];
    size_t n_work;
    uint64_t known_to;
    uint64_t n_freed, freed;
    uint64_t receiving_rc;
    unsigned pending, stored;
    bool quiet; /* receive stores but does not announce */
    struct spool_ref last;
    uint64_t verb_rc;
    char verb_text[1 << 20], verb_json[1 << 20];
};

static inline void fix_done(struct fix *f, struct work_seen *w, uint64_t outcome, const struct delivery_result *r, size_t n)
{
    struct buf b = BUF(100000);
    struct board_slot *slot = &f->board->slots[0][w->slot];

    results_encode(r, n, SLOT_RESULTS, &b);
    memcpy(slot->results, b.p ? b.p : "", b.n);
    board_store(&slot->results_bytes, b.n);
    board_store(&slot->state, SLOT_ANSWERED);
    w->open = false;
    bus_send(f->deliver.bus, f->deliver.queue, BUS_deliver_done,
             &(struct bus_deliver_done){.slot = w->slot,
                                        .mid = w->mid,
                                        .outcome = outcome,
                                        .destination = str_c(w->destination),
                                        .results = buf_str(&b)});
    buf_done(&b);
}

static const struct delivery_result fix_answers[] = {
    [ANSWER_OK] = {.class = RESULT_DELIVERED, .code = 250, .enhanced = {"2.0.0", 5}, .text = {"2.0.0 Ok", 8}},
    [ANSWER_DELAY] = {.class = RESULT_DELAYED, .code = 451, .enhanced = {"4.3.2", 5}, .text = {"4.3.2 later", 11}},
    [ANSWER_BOUNCE] = {.class = RESULT_BOUNCED,
                       .reason = REASON_5XX,
                       .code = 550,
                       .enhanced = {"5.1.1", 5},
                       .text = {"5.1.1 User unknown", 18},
                       .mta = {"mx.example.net", 14}},
};

/* Recipients of one piece under ANSWER_MIXED: delivered, delayed, bounced by turns. */
static inline void fix_answer(struct fix *f, struct work_seen *w, enum answer answer)
{
    struct delivery_result r[RESULTS_MAX];

    if (answer == ANSWER_NONE)
        return;
    if (answer == ANSWER_DOWN) {
        bus_send(
            f->deliver.bus, f->deliver.queue, BUS_destination_down,
            &(struct bus_destination_down){.destination = str_c(w->destination), .reason = str_lit("connection refused")});
        fix_done(f, w, 1, NULL, 0);
        return;
    }
    for (size_t i = 0; i < w->n; i++) {
        r[i] = fix_answers[answer == ANSWER_MIXED ? w->recipients[i] % 3 : answer];
        r[i].recipient = w->recipients[i];
    }
    fix_done(f, w, 0, r, w->n);
}

static inline void fix_on_work(void *ctx, const struct bus_in *in)
{
    struct fix *f = ctx;
    const struct bus_deliver_work *msg = in->msg;
    struct work_seen *w = &f->work[f->n_work++ % (sizeof f->work / sizeof *f->work)];
    struct str list = msg->recipients;

    board_store(&f->board->slots[0][msg->slot].state, SLOT_TAKEN);
    *w = (struct work_seen){.slot = msg->slot,
                            .mid = msg->mid,
                            .attempt = msg->attempt,
                            .open = true,
                            .ref = {msg->segment, msg->generation, msg->offset}};
    assert_true(msg->destination.n < sizeof w->destination);
    memcpy(w->destination, msg->destination.p, msg->destination.n);
    while (get_varint(&list, &w->recipients[w->n]))
        assert_true(++w->n < RESULTS_MAX + 1u);
    fix_answer(f, w, f->answer);
}

static inline void fix_on_question(void *ctx, const struct bus_in *in)
{
    struct fix *f = ctx;

    bus_reply(f->deliver.bus, in->from, in->call, BUS_slots_settled, &(struct bus_slots_settled){0});
}

static inline void fix_on_known(void *ctx, const struct bus_in *in)
{
    ((struct fix *)ctx)->known_to = ((const struct bus_message_known *)in->msg)->offset;
}

static inline void fix_on_free(void *ctx, const struct bus_in *in)
{
    struct fix *f = ctx;

    f->freed = ((const struct bus_segment_free *)in->msg)->segment;
    f->n_freed++;
    if (f->writer)
        spool_writer_reuse(f->writer, f->freed, false);
}

static inline void fix_on_state(void *ctx, const struct bus_in *in)
{
    ((struct fix *)ctx)->receiving_rc = ((const struct bus_receiving_state *)in->msg)->rc;
}

static inline void fix_join(struct fix *f, struct side *side, enum role role)
{
    int fds[2];

    side->bus = bus_new(f->loop, role, 0);
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds), 0);
    side->queue = bus_attach(side->bus, fds[0], ROLE_queue, 0, f->life);
    bus_attach(f->bus, fds[1], role, 0, f->life);
}

static inline void fix_pump(struct fix *f, unsigned turns)
{
    while (turns--) {
        loop_turn(f->loop, false);
        clock_test_advance(1);
        usleep(100);
    }
}

#define fix_until(f, cond) \
    do { \
        for (unsigned i_ = 0; i_ < 3000 && !(cond); i_++) \
            fix_pump((f), 1); \
        assert_true(cond); \
    } while (0)

static inline void fix_join_deliver(struct fix *f)
{
    fix_join(f, &f->deliver, ROLE_deliver);
    bus_on(f->deliver.bus, BUS_deliver_work, fix_on_work, f);
    bus_on(f->deliver.bus, BUS_slots_question, fix_on_question, f);
}

static inline void fix_join_receive(struct fix *f)
{
    fix_join(f, &f->receive, ROLE_receive);
    bus_on(f->receive.bus, BUS_message_known, fix_on_known, f);
    bus_on(f->receive.bus, BUS_segment_free, fix_on_free, f);
    bus_on(f->receive.bus, BUS_receiving_state, fix_on_state, f);
}

/* E1: what queue hands out can be written by nobody else, and cannot shrink under its reader. */
static inline void fix_on_window(void *ctx, const struct bus_in *in)
{
    struct fix *f = ctx;
    const struct bus_scan_window *msg = in->msg;

    assert_true(msg->window < WINDOWS);
    assert_int_equal(fcntl(in->fd, F_GET_SEALS) & (F_SEAL_FUTURE_WRITE | F_SEAL_SHRINK),
                     F_SEAL_FUTURE_WRITE | F_SEAL_SHRINK);
    assert_ptr_equal(mmap(NULL, msg->bytes, PROT_READ | PROT_WRITE, MAP_SHARED, in->fd, 0), MAP_FAILED);
    if (f->windows[msg->window])
        munmap((void *)(uintptr_t)f->windows[msg->window], WINDOW_BYTES);
    f->windows[msg->window] = mmap(NULL, msg->bytes, PROT_READ, MAP_SHARED, in->fd, 0);
    assert_ptr_not_equal(f->windows[msg->window], MAP_FAILED);
    close(in->fd);
}

static inline void fix_on_scan_work(void *ctx, const struct bus_in *in)
{
    struct fix *f = ctx;
    const struct bus_scan_work *msg = in->msg;
    struct envelope env;
    struct arena a;

    assert_int_equal(in->fd >= 0, msg->body_fd);
    if (in->fd >= 0)
        close(in->fd);
    f->scanned++;
    if (f->scan_is_deaf)
        return;
    arena_init(&a, 4096, 1 << 20);
    assert_true(msg->offset + msg->envelope_bytes + (msg->body_fd ? 0 : msg->body_bytes) <= WINDOW_BYTES);
    assert_int_equal(envelope_decode(&a, str_of(f->windows[msg->window] + msg->offset, msg->envelope_bytes), &env, NULL),
                     RC_OK);
    assert_true(env.n_recipients > 0);
    arena_done(&a);
    f->careful += msg->careful != 0;
    f->verdict.mid = msg->mid;
    bus_send(f->scan.bus, f->scan.queue, BUS_scan_verdict, &f->verdict);
    if (f->verdict_once)
        f->verdict = (struct bus_scan_verdict){0};
}

static inline void fix_join_scan(struct fix *f)
{
    fix_join(f, &f->scan, ROLE_scan);
    bus_on(f->scan.bus, BUS_scan_window, fix_on_window, f);
    bus_on(f->scan.bus, BUS_scan_work, fix_on_scan_work, f);
}

static inline void fix_leave_scan(struct fix *f)
{
    bus_free(f->scan.bus);
    f->scan.bus = NULL;
    for (unsigned i = 0; i < WINDOWS; i++) {
        if (f->windows[i])
            munmap((void *)(uintptr_t)f->windows[i], WINDOW_BYTES);
        f->windows[i] = NULL;
    }
}

static inline void fix_queue_start(struct fix *f)
{
    struct err e = ERR_NONE;
    struct queue_options o = {f->loop, NULL, f->conf, f->events, f->board, f->home};

    f->life++;
    o.bus = f->bus = bus_new(f->loop, ROLE_queue, 0);
    if (queue_new(&o, &f->q, &e) != RC_OK)
        fail_msg("queue_new: %s", err_text(&e));
    fix_join_receive(f);
    fix_join_scan(f);
    fix_join_deliver(f);
}

static inline void fix_queue_stop(struct fix *f)
{
    queue_free(f->q);
    f->q = NULL;
    bus_free(f->receive.bus);
    fix_leave_scan(f);
    bus_free(f->deliver.bus);
    bus_free(f->bus);
}

static inline void fix_closed(void *ctx, uint64_t segment, uint64_t generation, uint64_t size, uint64_t from, uint64_t to)
{
    struct fix *f = ctx;

    if (f->q)
        bus_send(f->receive.bus, f->receive.queue, BUS_segment_closed,
                 &(struct bus_segment_closed){segment, generation, size, from, to});
}

static inline int fix_start_with(void **state, const char *settings)
{
    struct fix *f = calloc(1, sizeof *f);
    struct err e = ERR_NONE;
    struct spool_options so;
    char path[128];

    snprintf(f->home, sizeof f->home, "/tmp/queue-test-XXXXXX");
    assert_non_null(mkdtemp(f->home));
    snprintf(path, sizeof path, "%s/spool", f->home);
    clock_test_set(1795305600000, 5000000);
    f->loop = loop_new();
    f->board = board_map(board_create());
    f->conf = conf_source_test(settings, &e);
    if (!f->conf)
        fail_msg("settings: %s", err_text(&e));
    f->events = events_test_new();
    board_store(&f->board->events_synced_ms, UINT64_MAX);
    fix_queue_start(f);
    so = (struct spool_options){.dir = path, .segment_bytes = 4 << 20, .min_free_bytes = 0, .column = 0};
    f->writer = spool_writer_new(f->loop, f->board, &so, fix_closed, f, &e);
    assert_non_null(f->writer);
    *state = f;
    return 0;
}

static inline int fix_start(void **state)
{
    return fix_start_with(state, "spool.segment_bytes=4M\n");
}

static inline int fix_end(void **state)
{
    struct fix *f = *state;
    char cmd[128];

    struct spool_writer *w = f->writer;

    f->writer = NULL; /* freed segments that are told while it ends are nobody's any more */
    spool_writer_free(w);
    if (f->q)
        fix_queue_stop(f);
    conf_source_free(f->conf);
    events_free(f->events);
    loop_free(f->loop);
    snprintf(cmd, sizeof cmd, "rm -rf %s", f->home);
    (void)!system(cmd);
    clock_test_set(0, 0);
    free(f);
    return 0;
}

struct fix_storing {
    struct fix *f;
    uint64_t mid;
};

static inline void fix_stored(void *ctx, enum rc rc, const struct spool_ref *ref)
{
    struct fix_storing *s = ctx;
    struct fix *f = s->f;

    assert_int_equal(rc, RC_OK);
    f->pending--;
    f->stored++;
    f->last = *ref;
    if (!f->quiet) {
        board_store(&f->board->receivers[0].answering, ref->offset);
        bus_send(f->receive.bus, f->receive.queue, BUS_message_stored,
                 &(struct bus_message_stored){ref->segment, ref->generation, ref->offset, s->mid});
        board_store(&f->board->receivers[0].answered, ref->offset);
    }
    free(s);
}

/* One message to these recipients (comma separated); returns its MID. */
static inline uint64_t fix_store_from(struct fix *f, const char *sender, const char *recipients, const char *body)
{
    struct recipient list[200];
    struct envelope env = {.sender = str_c(sender),
                           .received_ms = clock_wall_ms(),
                           .icid = 7,
                           .listener = str_lit("In"),
                           .client_ip = str_lit("192.0.2.1"),
                           .subject = str_lit("Hello"),
                           .recipients = list};
    struct str rest = str_c(recipients), one;
    struct fix_storing *s = calloc(1, sizeof *s);
    struct spool_body *b = spool_body_new(f->writer);
    struct buf octets = BUF(1 << 20);

    while (str_split(&rest, ',', &one))
        list[env.n_recipients++] = (struct recipient){.address = one};
    *s = (struct fix_storing){f, board_next(f->board, NUMBER_MID)};
    envelope_encode(&env, &octets);
    assert_int_equal(spool_body_add(b, str_c(body), NULL), RC_OK);
    f->pending++;
    spool_append(f->writer, 0, s->mid, 0, buf_str(&octets), b, fix_stored, s);
    buf_done(&octets);
    return s->mid;
}

static inline uint64_t fix_store(struct fix *f, const char *recipients)
{
    return fix_store_from(f, "anna@example.org", recipients, "Subject: Hello\r\nFrom: anna@example.org\r\n\r\nHello\r\n");
}

static inline bool fix_log_has(struct fix *f, const char *line)
{
    struct str text = events_test_text(f->events);

    return str_find_str(text, str_c(line)) < text.n;
}

static inline unsigned fix_log_count(struct fix *f, const char *part)
{
    struct str text = events_test_text(f->events);
    unsigned n = 0;

    for (size_t at; (at = str_find_str(text, str_c(part))) < text.n; n++)
        text = str_from(text, at + 1);
    return n;
}

static inline struct queue_counts fix_counts(struct fix *f)
{
    struct queue_counts c;

    queue_counts(f->q, &c);
    return c;
}

#endif
