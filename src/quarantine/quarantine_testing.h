/*
 * A place for the tests of quarantine: the room with loop, board, settings and socket; a client that types CPQ; queue's end
 * of the bus.
 */
#ifndef QUARANTINE_TESTING_H
#define QUARANTINE_TESTING_H

#include "base/clock.h"
#include "mail/carried.h"
#include "mail/edits.h"
#include "quarantine/inside.h"

#include <openssl/sha.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/un.h>
#include <unistd.h>

#include <cmocka.h>

#define HELPER __attribute__((unused))

struct place {
    char dir[64], store[100], socket[120];
    struct loop *loop;
    struct board *board;
    struct conf_source *conf;
    struct events *events;
    struct bus *queue_bus, *bus, *control_bus;
    struct bus_peer *from_control;
    struct bus_peer *to_quarantine;
    struct quarantine *q;
    bool refuse; /* queue's end takes nothing */
    unsigned taken, answered;
    uint64_t last_id, next_mid;
    char release[4000]; /* of the last: "resume <sender> recipients|body" */
    char uid[100];
    char destination[100];            /* of the last release */
    char meta[8000], log_holds[1000]; /* carried.meta, carried.holds */
    char edits[1000];                 /* "offset+length:replacement|" of each */
    struct carried carried;           /* numbers only: its texts are gone */
    char carried_release[1000];       /* its object `release` */
    char wanted[1000];                /* of control's end: "user: entry entry by NAME|" of each slbl_wanted */
    char reply[200000], json[200000]; /* of the last verb */
    uint64_t reply_rc;
};

/* ---- queue's and control's end --------------------------------------------------------------------------------------- */

HELPER static void on_release(void *ctx, const struct bus_in *in)
{
    struct place *p = ctx;
    const struct bus_release_new *m = in->msg;
    struct envelope env;
    struct edits edits;
    struct arena a;
    char body[2000] = "";
    size_t at;

    arena_init(&a, 4096, 1 << 20);
    assert_int_equal(envelope_decode(&a, m->envelope, &env, NULL), RC_OK);
    assert_int_equal(carried_decode(env.carried, &p->carried, NULL), RC_OK);
    assert_int_equal(edits_decode(&a, p->carried.edits, m->body_bytes, &edits, NULL), RC_OK);
    p->edits[0] = '\0';
    snprintf(p->carried_release, sizeof p->carried_release, "%.*s", STR(p->carried.release));
    for (size_t i = 0; i < edits.n; i++)
        snprintf(p->edits + strlen(p->edits), sizeof p->edits - strlen(p->edits), "%d+%d:%.*s|", (int)edits.items[i].offset,
                 (int)edits.items[i].length, STR(edits.items[i].replacement));
    at = (size_t)snprintf(p->release, sizeof p->release, "%d <%.*s>", (int)p->carried.resume, STR(env.sender));
    for (size_t i = 0; i < env.n_recipients; i++)
        at += (size_t)snprintf(p->release + at, sizeof p->release - at, " %.*s", STR(env.recipients[i].address));
    assert_true(in->fd >= 0);
    if (m->body_bytes < sizeof body)
        assert_int_equal(pread(in->fd, body, m->body_bytes, (off_t)m->offset), (int)m->body_bytes);
    snprintf(p->release + at, sizeof p->release - at, "|%s", body);
    snprintf(p->uid, sizeof p->uid, "%.*s", STR(env.uid));
    snprintf(p->destination, sizeof p->destination, "%.*s", STR(m->destination));
    snprintf(p->meta, sizeof p->meta, "%.*s", STR(p->carried.meta));
    snprintf(p->log_holds, sizeof p->log_holds, "%.*s", STR(p->carried.holds));
    close(in->fd);
    p->taken++;
    p->last_id = m->id;
    if (!p->refuse)
        bus_reply(p->queue_bus, in->from, in->call, BUS_release_taken,
                  &(struct bus_release_taken){.id = m->id, .rc = RC_OK, .mid = ++p->next_mid});
    arena_done(&a);
}

HELPER static void on_wanted(void *ctx, const struct bus_in *in)
{
    const struct bus_slbl_wanted *m = in->msg;
    struct place *p = ctx;
    struct str entries = m->entries, one;
    char *end = p->wanted + sizeof p->wanted, *at = p->wanted + strlen(p->wanted);

    at += snprintf(at, (size_t)(end - at), "%.*s:", STR(m->user));
    while (get_str(&entries, &one))
        at += snprintf(at, (size_t)(end - at), " %.*s", STR(one));
    snprintf(at, (size_t)(end - at), " by %.*s|", STR(m->by));
}

HELPER static void on_reply(void *ctx, enum rc rc, const void *msg)
{
    struct place *p = ctx;
    const struct bus_verb_reply *m = msg;

    assert_int_equal(rc, RC_OK);
    p->reply_rc = m->rc;
    snprintf(p->reply, sizeof p->reply, "%.*s", STR(m->text));
    snprintf(p->json, sizeof p->json, "%.*s", STR(m->json));
    p->answered++;
}

/* ---- the place ---------------------------------------------------------------------------------------------------------
 */

HELPER static void place_open(struct place *p)
{
    struct err e = ERR_NONE;
    int fds[2];

    p->queue_bus = bus_new(p->loop, ROLE_queue, 0);
    p->bus = bus_new(p->loop, ROLE_quarantine, 0);
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, fds), 0);
    p->to_quarantine = bus_attach(p->queue_bus, fds[0], ROLE_quarantine, 0, 1);
    bus_attach(p->bus, fds[1], ROLE_queue, 0, 1);
    bus_on(p->queue_bus, BUS_release_new, on_release, p);
    p->control_bus = bus_new(p->loop, ROLE_control, 0);
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, fds), 0);
    p->from_control = bus_attach(p->control_bus, fds[0], ROLE_quarantine, 0, 1);
    bus_attach(p->bus, fds[1], ROLE_control, 0, 1);
    bus_on(p->control_bus, BUS_slbl_wanted, on_wanted, p);
    if (quarantine_new(&(struct quarantine_options){.loop = p->loop,
                                                    .bus = p->bus,
                                                    .conf = p->conf,
                                                    .events = p->events,
                                                    .board = p->board,
                                                    .dir = p->store,
                                                    .socket = p->socket},
                       &p->q, &e) != RC_OK)
        fail_msg("%s", err_text(&e));
}

HELPER static void turns(struct place *p, int n)
{
    for (int i = 0; i < n; i++) {
        loop_turn(p->loop, false);
        if (n > 20)
            usleep(100);
    }
}

HELPER static void place_close(struct place *p)
{
    quarantine_free(p->q);
    turns(p, 5);
    bus_free(p->queue_bus);
    bus_free(p->control_bus);
    bus_free(p->bus);
    turns(p, 5);
}

HELPER static void place_start(struct place *p, const char *settings)
{
    struct err e = ERR_NONE;

    *p = (struct place){.next_mid = 9000};
    snprintf(p->dir, sizeof p->dir, "/tmp/quarantine-test.XXXXXX");
    assert_non_null(mkdtemp(p->dir));
    snprintf(p->store, sizeof p->store, "%s/q", p->dir);
    snprintf(p->socket, sizeof p->socket, "%s/s", p->dir);
    p->loop = loop_new();
    p->board = board_map(board_create());
    board_store(&p->board->numbers_ready, 1);
    board_raise(p->board, NUMBER_MID, 5000);
    p->events = events_test_new();
    p->conf = conf_source_test(settings, &e);
    if (!p->conf)
        fail_msg("%s", e.text);
    place_open(p);
}

HELPER static void place_restart(struct place *p)
{
    place_close(p);
    place_open(p);
}

HELPER static void place_end(struct place *p)
{
    char command[100];

    place_close(p);
    events_free(p->events);
    conf_source_free(p->conf);
    loop_free(p->loop);
    snprintf(command, sizeof command, "rm -rf %s", p->dir);
    assert_int_equal(system(command), 0);
}

/* A file of the store: "index.db". */
HELPER static const char *store_file(struct place *p, const char *name)
{
    static char path[300];

    snprintf(path, sizeof path, "%s/%s", p->store, name);
    return path;
}

HELPER static bool logged(struct place *p, const char *line)
{
    return strstr(events_test_text(p->events).p, line) != NULL;
}

HELPER static unsigned logged_times(struct place *p, const char *line)
{
    unsigned n = 0;

    for (const char *at = events_test_text(p->events).p; (at = strstr(at, line)); at++)
        n++;
    return n;
}

/* ---- a client ------------------------------------------------------------------------------------------------------------
 */

HELPER static int client(struct place *p)
{
    struct sockaddr_un sa = {.sun_family = AF_UNIX};
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0);

    snprintf(sa.sun_path, sizeof sa.sun_path, "%.100s", p->socket);
    assert_int_equal(connect(fd, (struct sockaddr *)&sa, sizeof sa), 0);
    return fd;
}

/* The next reply, all of its lines; "" = the connection was closed. */
HELPER static const char *hear(struct place *p, int fd)
{
    static char text[20000];
    uint64_t until = clock_mono_ms() + 5000;
    size_t n = 0, line = 0;

    while (clock_mono_ms() < until && n + 1 < sizeof text) {
        ssize_t got = read(fd, text + n, 1);

        if (got == 0)
            break;
        if (got < 0) {
            loop_turn(p->loop, false);
            continue;
        }
        if (text[n++] != '\n')
            continue;
        if (n - line > 4 && text[line + 3] == ' ')
            break;
        line = n;
    }
    text[n] = '\0';
    return text;
}

HELPER static void tell(struct place *p, int fd, struct str octets)
{
    while (octets.n) {
        ssize_t n = write(fd, octets.p, octets.n);

        if (n > 0)
            octets = str_from(octets, (size_t)n);
        loop_turn(p->loop, false);
    }
}

HELPER static const char *ask(struct place *p, int fd, const char *line)
{
    tell(p, fd, str_c(line));
    tell(p, fd, str_lit("\r\n"));
    return hear(p, fd);
}

HELPER static int ready_client(struct place *p, const char *class)
{
    int fd = client(p);
    char hello[200];

    assert_true(strstr(hear(p, fd), "220 ") != NULL);
    assert_true(strstr(ask(p, fd, "EHLO gw.test"), "250-XCPQ 1\r\n") != NULL);
    snprintf(hello, sizeof hello, "XCPQ HELLO proto=1 serial=SER1 role=gateway ver=1 class=%s", class);
    assert_true(strstr(ask(p, fd, hello), "250 2.0.0 XCPQ proto=1 ") != NULL);
    return fd;
}

struct letter {
    const char *class, *from, *to, *body, *made; /* to: words */
    uint64_t mid;
};
static bool letters_fall_back __attribute__((unused)); /* they come because the manager is away */

HELPER static void letter_meta(const struct letter *l, struct buf *out)
{
    unsigned char sum[32];
    char hex[65];
    struct recipient list[16];
    struct envelope env = {
        .sender = str_c(l->from), .recipients = list, .uid = str_lit("U1"), .received_ms = clock_wall_ms()};
    struct str rest = str_c(l->to), word;
    struct arena a;
    struct cpq_facts f = {.serial = str_lit("SER1"),
                          .host = str_lit("gw.test"),
                          .mid = l->mid,
                          .now_ms = clock_wall_ms(),
                          .size = strlen(l->body),
                          .envelope = &env,
                          .fallback = letters_fall_back};
    struct err e = ERR_NONE;

    while (str_word(&rest, &word))
        list[env.n_recipients++] = (struct recipient){.address = word};
    cpq_class_find(str_c(l->class), &f.class);
    SHA256((const unsigned char *)l->body, strlen(l->body), sum);
    for (size_t i = 0; i < 32; i++)
        snprintf(hex + 2 * i, 3, "%02x", sum[i]);
    f.sha256 = str_of(hex, 64);
    arena_init(&a, 4096, 1 << 20);
    if (cpq_meta_complete(&a, str_c(l->made), &f, out, &e) != RC_OK)
        fail_msg("%s", e.text);
    arena_done(&a);
}

/* Sends it on a ready connection; the final reply. */
HELPER static const char *post_on(struct place *p, int fd, const struct letter *l)
{
    struct buf all = BUF(4 << 20), meta = BUF(1 << 20);
    struct str rest = str_c(l->to), word;
    unsigned n = 2;
    const char *reply = "";

    letter_meta(l, &meta);
    buf_addf(&all, "MAIL FROM:<%s>\r\n", l->from);
    for (; str_word(&rest, &word); n++)
        buf_addf(&all, "RCPT TO:<%.*s>\r\n", STR(word));
    buf_addf(&all, "XMETA %zu\r\n%.*s", meta.n, (int)meta.n, meta.p);
    buf_addf(&all, "BDAT %zu LAST\r\n", strlen(l->body));
    buf_add(&all, str_c(l->body));
    tell(p, fd, buf_str(&all));
    for (unsigned i = 0; i < n + 1; i++)
        reply = hear(p, fd);
    buf_done(&all);
    buf_done(&meta);
    return reply;
}

HELPER static const char *post(struct place *p, const struct letter *l)
{
    static char text[300];
    int fd = ready_client(p, l->class);

    snprintf(text, sizeof text, "%s", post_on(p, fd, l));
    close(fd);
    turns(p, 5);
    return text;
}

/* The words as `user` types them; the text of the answer. */
HELPER static const char *verb_as(struct place *p, const char *user, const char *line)
{
    struct buf args = BUF(100000);
    struct str rest = str_c(line), verb = STR_NONE, word;
    unsigned before = p->answered;
    uint64_t until = clock_mono_ms() + 20000;

    str_split(&rest, ' ', &verb);
    while (rest.p && str_split(&rest, ' ', &word))
        buf_put_str(&args, word);
    bus_call(p->control_bus, p->from_control, BUS_verb_call,
             &(struct bus_verb_call){.verb = verb, .args = buf_str(&args), .user = str_c(user)}, 60000, on_reply, p);
    while (p->answered == before && clock_mono_ms() < until)
        loop_turn(p->loop, true);
    buf_done(&args);
    turns(p, 5);
    return p->reply;
}

HELPER static const char *verb(struct place *p, const char *line)
{
    return verb_as(p, "admin", line);
}

#define HOLD(names) \
    "{\"holds\":[" names "],\"hdr\":{\"from\":\"A <a@out.test>\",\"subject\":\"Your invoice\",\"message_id\":\"<1@x>\"}," \
    "\"attachments\":[{\"name\":\"invoice.zip\",\"size\":77}],\"future\":{\"kept\":[1,2]}}"
#define IN_POLICY "{\"quarantine\":\"Policy\",\"kind\":\"policy\",\"reason\":\"content filter:hold_invoices\"}"
#define IN_VIRUS "{\"quarantine\":\"Virus\",\"kind\":\"virus\",\"reason\":\"a/v verdict:X\"}"

HELPER static uint64_t quarantine_id(struct place *p, const char *name)
{
    return sql_number(&p->q->sql, Q_quarantine_id, 0, "s", str_c(name));
}

HELPER static uint64_t held_now(struct place *p, enum cpq_class class)
{
    return sql_number(&p->q->sql, Q_pool, 0, "i", (uint64_t) class);
}

HELPER static enum rc decide(struct place *p, uint64_t id, const char *name, enum hold_action action)
{
    struct err e = ERR_NONE;
    enum rc rc;

    decide_begin(p->q);
    rc = decide_hold(p->q, id, quarantine_id(p, name), action, BY_HAND, str_lit("admin"));
    if (decide_end(p->q, &e) != RC_OK)
        fail_msg("%s", e.text);
    turns(p, 20);
    return rc;
}

#endif
