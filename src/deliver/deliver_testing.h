/*
 * A world for the tests of deliver: the room itself with loop, board, spool, settings and canned DNS; a queue's end of the
 * bus; a scripted SMTP server on loopback.
 */
#ifndef DELIVER_TESTING_H
#define DELIVER_TESTING_H

#include "base/clock.h"
#include "deliver/inside.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h>

#define HELPER __attribute__((unused))

/* The server: answers by the local part of a recipient ("u550", "u450", "silent" with nothing, others 250). */
struct fake {
    struct listener_socket *listener;
    struct loop *loop;
    uint16_t port;
    const char *greeting; /* default "220 fake" */
    const char *ehlo;     /* lines behind the name; default PIPELINING */
    unsigned close_after; /* messages before it closes without a word; 0 = never */
    bool starttls_breaks; /* answers 220 to STARTTLS, then closes */
    unsigned connections, messages, quits;
    struct buf got; /* bodies and commands */
};

struct fake_session {
    struct conversation c;
    unsigned messages;
    bool data;
    bool silent;
};

struct world {
    char dir[64];
    const char *holder; /* socket file of a quarantine; set before world_start() */
    const char *meta;   /* of the next work() */
    struct loop *loop;
    struct board *board;
    struct conf_source *conf;
    struct events *events;
    struct dns_asker *ask;
    struct bus *queue_bus, *deliver_bus;
    struct bus_peer *to_deliver;
    struct spool_writer *writer;
    struct deliver *deliver;
    struct fake fake;
    struct spool_ref ref;
    bool stored;
    unsigned done, down;
    const char *flow_policy; /* of the messages that work() makes */
    uint64_t body_flags;     /* the same: BODY_... */
    uint64_t outcome;
    char results[2000]; /* "0 delivered 250 text|" ... of all pieces */
    char reason[300];
    char facts[2000]; /* "addresses/mx/tls/error|" of each */
};

/* ---- server ------------------------------------------------------------------------------------------------------- */

static step_fn fake_line;

HELPER static struct step fake_first(struct conversation *c)
{
    struct fake *f = c->ctx;

    conversation_printf(c, "%s\r\n", f->greeting ? f->greeting : "220 fake");
    return step_read(fake_line, 0);
}

HELPER static const char *fake_answer(struct fake *f, struct fake_session *s, struct str line)
{
    static const struct {
        const char *begin, *answer;
    } ANSWERS[] = {{"RCPT TO:<u550", "550 5.1.1 no such user"},
                   {"RCPT TO:<u450", "450 4.2.1 later"},
                   {"DATA", "354 go"},
                   {"STARTTLS", "220 go"}};

    if (str_starts(line, str_lit("EHLO")))
        return f->ehlo ? f->ehlo : "250-fake\r\n250 PIPELINING";
    for (size_t i = 0; i < sizeof ANSWERS / sizeof *ANSWERS; i++)
        if (str_starts(line, str_c(ANSWERS[i].begin))) {
            s->data = str_eq(line, str_lit("DATA"));
            return ANSWERS[i].answer;
        }
    return "250 ok";
}

static struct step fake_line(struct conversation *c)
{
    struct fake_session *s = (struct fake_session *)(void *)c;
    struct fake *f = c->ctx;
    struct str line;

    while (conversation_line(c, 4096, &line) == RC_OK) {
        buf_add(&f->got, line);
        buf_addc(&f->got, '\n');
        if (s->data) {
            if (!str_eq(line, str_lit(".")))
                continue;
            s->data = false;
            f->messages++;
            s->messages++;
            conversation_printf(c, "250 2.0.0 queued %u\r\n", f->messages);
            if (f->close_after && s->messages >= f->close_after)
                return step_end();
            continue;
        }
        if (str_eq(line, str_lit("QUIT"))) {
            f->quits++;
            return step_end();
        }
        s->silent = s->silent || str_starts(line, str_lit("RCPT TO:<silent"));
        if (s->silent)
            continue; /* from here on: what came with it would be answered out of turn */
        conversation_printf(c, "%s\r\n", fake_answer(f, s, line));
        if (f->starttls_breaks && str_eq(line, str_lit("STARTTLS")))
            return step_end();
    }
    return c->eof ? step_end() : step_read(fake_line, 0);
}

HELPER static struct step fake_broken(struct conversation *c)
{
    (void)c;
    return step_end();
}

static const struct conversation_kind FAKE_KIND = {.name = "fake",
                                                   .first = fake_first,
                                                   .broken = fake_broken,
                                                   .size = sizeof(struct fake_session),
                                                   .timeout_ms = 60000,
                                                   .max_in = 65536};

HELPER static void fake_accept(void *ctx, int fd, const struct address_ip *peer)
{
    struct fake *f = ctx;

    (void)peer;
    f->connections++;
    conversation_accept(f->loop, fd, &FAKE_KIND, NULL, f);
}

HELPER static void fake_start(struct world *w, const char *address)
{
    struct address_ip at;
    struct sockaddr_storage sa;
    socklen_t n = sizeof sa;
    struct err e = ERR_NONE;
    int fd;

    assert_true(ip_parse(str_c(address), &at));
    assert_int_equal(listen_tcp(&at, 100, &fd, &e), RC_OK);
    getsockname(fd, (struct sockaddr *)&sa, &n);
    ip_from_sockaddr((struct sockaddr *)&sa, &at);
    w->fake.port = at.port;
    w->fake.loop = w->loop;
    w->fake.got = BUF(1 << 20);
    w->fake.listener = listener_socket_new(w->loop, fd, fake_accept, &w->fake);
}

/* ---- queue's end -------------------------------------------------------------------------------------------------- */

HELPER static void on_done_msg(void *ctx, const struct bus_in *in)
{
    static const char *const CLASS[] = {"delivered", "bounced", "delayed", "dropped"};
    struct world *w = ctx;
    const struct bus_deliver_done *m = in->msg;
    const struct delivery_result *r;
    struct arena a;
    size_t n, at = strlen(w->results);

    arena_init(&a, 1024, 1 << 20);
    assert_int_equal(results_decode(&a, m->results, &r, &n), RC_OK);
    for (size_t i = 0; i < n; i++)
        at += (size_t)snprintf(w->results + at, sizeof w->results - at, "%d %s %d %.*s %.*s|", (int)r[i].recipient,
                               CLASS[r[i].class], (int)r[i].code, STR(r[i].enhanced), STR(r[i].text));
    w->outcome = m->outcome;
    w->done++;
    arena_done(&a);
}

HELPER static void on_down_msg(void *ctx, const struct bus_in *in)
{
    struct world *w = ctx;
    const struct bus_destination_down *m = in->msg;

    w->down++;
    snprintf(w->reason, sizeof w->reason, "%.*s", STR(m->reason));
}

HELPER static void on_facts_msg(void *ctx, const struct bus_in *in)
{
    struct world *w = ctx;
    const struct bus_destination_facts *m = in->msg;
    size_t at = strlen(w->facts);

    snprintf(w->facts + at, sizeof w->facts - at, "%.*s/%.*s/%.*s/%.*s|", STR(m->addresses), STR(m->mx), STR(m->tls),
             STR(m->tls_error));
}

/* ---- the world ---------------------------------------------------------------------------------------------------- */

HELPER static void turn_until(struct world *w, const unsigned *counter, unsigned value)
{
    uint64_t until = clock_mono_ms() + 5000;

    while (*counter < value && clock_mono_ms() < until)
        loop_turn(w->loop, true);
    assert_true(*counter >= value);
}

/* `settings` may hold one %d: the port of the server. */
HELPER static void world_start(struct world *w, const char *server_address, const char *settings, const char *zone)
{
    char text[6000];
    struct err e = ERR_NONE;
    int fds[2];

    snprintf(w->dir, sizeof w->dir, "/tmp/deliver-test.XXXXXX");
    assert_non_null(mkdtemp(w->dir));
    w->loop = loop_new();
    w->board = board_map(board_create());
    board_store(&w->board->numbers_ready, 1);
    fake_start(w, server_address);
    snprintf(text, sizeof text, settings, w->fake.port);
    w->conf = conf_source_test(text, &e);
    if (!w->conf)
        fail_msg("%s", e.text);
    w->events = events_test_new();
    w->ask = dns_asker_new(NULL, w->loop);
    dns_asker_canned(w->ask, zone ? zone : "", false);
    w->queue_bus = bus_new(w->loop, ROLE_queue, 0);
    w->deliver_bus = bus_new(w->loop, ROLE_deliver, 0);
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, fds), 0);
    w->to_deliver = bus_attach(w->queue_bus, fds[0], ROLE_deliver, 0, 1);
    bus_attach(w->deliver_bus, fds[1], ROLE_queue, 0, 1);
    bus_on(w->queue_bus, BUS_deliver_done, on_done_msg, w);
    bus_on(w->queue_bus, BUS_destination_down, on_down_msg, w);
    bus_on(w->queue_bus, BUS_destination_facts, on_facts_msg, w);
    w->writer = spool_writer_new(w->loop, w->board, &(struct spool_options){.dir = w->dir, .segment_bytes = 1 << 20}, NULL,
                                 NULL, &e);
    assert_non_null(w->writer);
    assert_int_equal(deliver_new(&(struct deliver_options){.loop = w->loop,
                                                           .bus = w->deliver_bus,
                                                           .conf = w->conf,
                                                           .events = w->events,
                                                           .board = w->board,
                                                           .ask = w->ask,
                                                           .spool = w->dir,
                                                           .holder = w->holder},
                                 &w->deliver, &e),
                     RC_OK);
}

HELPER static void on_stored(void *ctx, enum rc rc, const struct spool_ref *ref)
{
    struct world *w = ctx;

    assert_int_equal(rc, RC_OK);
    w->ref = *ref;
    w->stored = true;
}

/* Stores a message for the recipients ("a@x b@y") and sends all of them as one piece to `destination`. */
HELPER static void work(struct world *w, uint64_t mid, const char *destination, const char *recipients, struct str body)
{
    struct recipient list[16];
    struct envelope env = {.sender = str_lit("me@gw.test"), .recipients = list, .flow_policy = str_c(w->flow_policy)};
    struct spool_body *b = spool_body_new(w->writer);
    struct str rest = str_c(recipients), word;
    struct buf envelope = BUF(1 << 16), indices = BUF(1000), carried = BUF(1 << 16);

    carried_encode(&(struct carried){.meta = str_c(w->meta)}, &carried);
    while (str_word(&rest, &word)) {
        buf_put_varint(&indices, env.n_recipients);
        list[env.n_recipients++] = (struct recipient){.address = word};
    }
    envelope_encode(&env, &envelope);
    assert_int_equal(spool_body_add(b, body, NULL), RC_OK);
    w->stored = false;
    spool_append(w->writer, 0, mid, w->body_flags, buf_str(&envelope), b, on_stored, w);
    while (!w->stored)
        loop_turn(w->loop, true);
    board_store(&w->board->slots[0][mid].mid, mid);
    board_store(&w->board->slots[0][mid].state, SLOT_ASSIGNED);
    bus_send(w->queue_bus, w->to_deliver, BUS_deliver_work,
             &(struct bus_deliver_work){.slot = mid,
                                        .mid = mid,
                                        .segment = w->ref.segment,
                                        .generation = w->ref.generation,
                                        .offset = w->ref.offset,
                                        .attempt = 1,
                                        .destination = str_c(destination),
                                        .recipients = buf_str(&indices),
                                        .carried = buf_str(&carried)});
    buf_done(&carried);
    buf_done(&envelope);
    buf_done(&indices);
}

HELPER static const char *events_of(struct world *w)
{
    return events_test_text(w->events).p;
}

HELPER static void world_end(struct world *w)
{
    char command[100];

    deliver_free(w->deliver);
    spool_writer_free(w->writer);
    listener_socket_free(w->fake.listener);
    for (int i = 0; i < 20; i++)
        loop_turn(w->loop, false);
    bus_free(w->queue_bus);
    bus_free(w->deliver_bus);
    dns_asker_free(w->ask);
    events_free(w->events);
    conf_source_free(w->conf);
    buf_done(&w->fake.got);
    for (int i = 0; i < 5; i++)
        loop_turn(w->loop, false);
    loop_free(w->loop);
    snprintf(command, sizeof command, "rm -rf %s", w->dir);
    assert_int_equal(system(command), 0);
}

#endif
