/*
 * The world of pull_test.c: a gateway with segments, a record that takes them, the role between them. Included once.
 */
#ifndef CENTRAL_PULL_WORLD_H
#define CENTRAL_PULL_WORLD_H

#include "central/gateway_testing.h"
#include "central/pull.h"

#include "base/clock.h"
#include "base/io.h"

#include <openssl/sha.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

enum { EPOCH = 3, SEGMENTS_MOST = 400 };

static struct world {
    struct loop *loop;
    struct bus *bus, *record;
    struct bus_peer *to_record, *to_central;
    struct conf_source *conf;
    struct events *events;
    struct central *central;
    struct gateway_testing *gateway;
    char home[64], *key, *public_key, settings[4000];
    struct err e;
    /* the gateway */
    atomic_uint segments, lost_to, corrupt_once, cut_once, cuts, gets, lists;
    atomic_uint offset_seen;
    unsigned acked[SEGMENTS_MOST + 1];
    /* record */
    unsigned imported[SEGMENTS_MOST + 1], n_imported, listed_lines, have_to, full;
    char order[2000];
    bool mute, ended;
} w;

/* --- a gateway with segments 1.. of 20 kB
 * -------------------------------------------------------------------------------------- */

static void content(unsigned seq, struct buf *out)
{
    for (unsigned i = 0; i < 5000; i++)
        buf_put_u32(out, seq * 7919 + i);
}

static void digest(unsigned seq, char out[65])
{
    struct buf b = BUF(100000);
    unsigned char d[32];

    content(seq, &b);
    SHA256((const unsigned char *)b.p, b.n, d);
    listing_hex(d, out);
    buf_done(&b);
}

static void list(unsigned from, struct buf *reply)
{
    unsigned lost = atomic_load(&w.lost_to);
    char d[65];

    buf_add(reply, str_lit("OK\n"));
    if (lost >= from && lost)
        buf_addf(
            reply,
            "{\"epoch\":%d,\"seq\":%u,\"first\":1,\"last\":9,\"start\":1,\"end\":2,\"events\":9,\"bytes\":0,\"sha256\":\"\","
            "\"state\":\"lost\",\"seqs\":%u}\n",
            EPOCH, from ? from : 1, lost - (from ? from : 1) + 1);
    for (unsigned seq = from > lost ? from : lost + 1; seq <= atomic_load(&w.segments); seq++) {
        digest(seq, d);
        buf_addf(reply,
                 "{\"epoch\":%d,\"seq\":%u,\"first\":1,\"last\":9,\"start\":1,\"end\":2,\"events\":9,\"bytes\":20000,"
                 "\"sha256\":\"%s\",\"state\":\"ready\"}\n",
                 EPOCH, seq, d);
    }
}

static int get(unsigned seq, unsigned offset, struct buf *reply)
{
    struct buf b = BUF(100000);

    atomic_fetch_add(&w.gets, 1);
    if (offset)
        atomic_store(&w.offset_seen, offset);
    if (seq <= atomic_load(&w.lost_to)) {
        buf_add(reply, str_lit("ERR 410 evicted\n"));
        return 0;
    }
    content(seq, &b);
    if (atomic_load(&w.corrupt_once) == seq) {
        atomic_store(&w.corrupt_once, 0);
        b.p[100] ^= 1;
    }
    buf_add(reply, str_lit("OK\n"));
    if (atomic_load(&w.cut_once) == seq) {
        atomic_store(&w.cut_once, 0);
        buf_add(reply, str_first(buf_str(&b), 7777));
        buf_done(&b);
        return GATEWAY_CUT;
    }
    buf_add(reply, str_from(buf_str(&b), offset));
    buf_done(&b);
    return 0;
}

static int verbs(void *ctx, struct str command, struct str input, struct buf *reply)
{
    unsigned epoch, seq = 0, last, offset = 0;
    char text[300], kind[20], more[80] = "";

    (void)ctx, (void)input;
    snprintf(text, sizeof text, "%.*s", STR(command));
    if (strcmp(text, "hello") == 0) {
        buf_addf(reply, "OK {\"proto\":1,\"serial\":\"GATE-1\",\"time\":%llu}\n", (unsigned long long)clock_wall_ms());
    } else if (sscanf(text, "list-exports %19s %u %u %79s", kind, &epoch, &seq, more) >= 3) {
        atomic_fetch_add(&w.lists, 1);
        atomic_fetch_add(&w.cuts, strcmp(more, "cut") == 0);
        if (strcmp(kind, "tracking") == 0)
            list(seq, reply);
        else
            buf_add(reply, str_lit("OK\n"));
    } else if (sscanf(text, "get tracking %u %u %u", &epoch, &seq, &offset) >= 2) {
        return get(seq, offset, reply);
    } else if (sscanf(text, "ack tracking %u %u-%u %79s", &epoch, &seq, &last, more) == 4 ||
               (last = 0, sscanf(text, "ack tracking %u %u %79s", &epoch, &seq, more) == 3)) {
        char d[65];

        last = last ? last : seq;
        digest(last, d);
        for (unsigned i = seq; i <= last && strcmp(d, more) == 0; i++)
            w.acked[i]++;
        buf_addf(reply, "OK {\"acked\":%u}\n", last);
    } else {
        buf_add(reply, str_lit("ERR 400 unknown verb\n"));
    }
    return 0;
}

/* --- record
 * ----------------------------------------------------------------------------------------------------------------- */

static void on_question(void *ctx, const struct bus_in *in)
{
    const struct bus_imports_question *m = in->msg;
    struct buf have = BUF(1000);

    (void)ctx;
    if (w.have_to && str_eq(m->kind, str_lit("tracking"))) {
        buf_put_varint(&have, EPOCH);
        buf_put_varint(&have, 1);
        buf_put_varint(&have, w.have_to);
    }
    bus_reply(w.record, in->from, in->call, BUS_imports_state,
              &(struct bus_imports_state){.serial = m->serial, .kind = m->kind, .have = buf_str(&have)});
    buf_done(&have);
}

static void on_listed(void *ctx, const struct bus_in *in)
{
    struct str rest = ((const struct bus_segments_listed *)in->msg)->lines, line;

    (void)ctx;
    while (rest.n && str_split(&rest, '\n', &line))
        w.listed_lines += line.n > 0;
}

static void on_fetched(void *ctx, const struct bus_in *in)
{
    const struct bus_segment_fetched *m = in->msg;
    struct bus_segment_imported reply = {.serial = m->serial, .kind = m->kind, .epoch = m->epoch, .seq = m->seq};
    struct buf wanted = BUF(100000), got = BUF(100000);
    char path[SEGMENT_PATH];

    (void)ctx;
    if (w.mute)
        return;
    snprintf(path, sizeof path, "%.*s", STR(m->path));
    content((unsigned)m->seq, &wanted);
    assert_int_equal(io_read_file(path, &got, NULL), RC_OK);
    assert_true(str_eq(buf_str(&wanted), buf_str(&got)));
    assert_true(m->epoch == EPOCH && m->seq <= SEGMENTS_MOST);
    if (w.full) {
        w.full--;
        reply.rc = RC_NO_SPACE;
        reply.why = str_lit("no space left on device");
    } else {
        w.imported[m->seq]++;
        w.n_imported++;
        snprintf(w.order + strlen(w.order), sizeof w.order - strlen(w.order), "%u ", (unsigned)m->seq);
    }
    bus_send(w.record, in->from, BUS_segment_imported, &reply);
    buf_done(&wanted);
    buf_done(&got);
}

static void record_comes(void)
{
    static unsigned life;
    int fds[2];

    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds), 0);
    life++;
    w.to_record = bus_attach(w.bus, fds[0], ROLE_record, 0, life);
    w.to_central = bus_attach(w.record, fds[1], ROLE_central, 0, life);
}

/* --- the world
 * --------------------------------------------------------------------------------------------------------------- */

static void begin(unsigned segments, const char *more)
{
    char pem[2000];

    memset(&w, 0, sizeof w);
    atomic_store(&w.segments, segments);
    snprintf(w.home, sizeof w.home, "/tmp/postern-pull-XXXXXX");
    assert_non_null(mkdtemp(w.home));
    gateway_testing_key(&w.key, &w.public_key);
    w.gateway =
        gateway_testing_new(&(struct gateway_testing_options){.user = "manager", .public_key = w.public_key, .verb = verbs});
    w.loop = loop_new();
    w.bus = bus_new(w.loop, ROLE_central, 0);
    w.record = bus_new(w.loop, ROLE_record, 0);
    bus_on(w.record, BUS_imports_question, on_question, NULL);
    bus_on(w.record, BUS_segments_listed, on_listed, NULL);
    bus_on(w.record, BUS_segment_fetched, on_fetched, NULL);
    w.events = events_test_new();
    snprintf(pem, sizeof pem, "%s", w.key);
    for (char *p = pem; *p; p++)
        *p = *p == '\n' ? ' ' : *p;
    snprintf(w.settings, sizeof w.settings,
             "system.serial=MANAGER-1\nsystem.role=manager\nssh_identity.key=%s\ncentral.pull_every_ms=1s\n"
             "appliance.gate.address=127.0.0.1\nappliance.gate.port=%u\nappliance.gate.serial=GATE-1\n"
             "appliance.gate.host_key=%s\nappliance.gate.tracking=yes\n%s",
             pem, gateway_testing_port(w.gateway), gateway_testing_host_key(w.gateway), more);
    w.conf = conf_source_test(w.settings, &w.e);
    if (!w.conf)
        fail_msg("%s", err_text(&w.e));
    record_comes();
}

static void start(void)
{
    w.central = central_new(&(struct central_options){.loop = w.loop,
                                                      .bus = w.bus,
                                                      .conf = w.conf,
                                                      .events = w.events,
                                                      .home = w.home,
                                                      .connect_ms = 3000,
                                                      .step_ms = 3000});
}

static void stopped(void *ctx)
{
    (void)ctx;
    w.ended = true;
}

static void stop(void)
{
    w.ended = false;
    central_stop(w.central, stopped, NULL);
    while (!w.ended)
        loop_turn(w.loop, true);
    central_free(w.central);
    w.central = NULL;
}

static void end(void)
{
    char command[200];

    if (w.central)
        stop();
    conf_source_free(w.conf);
    bus_free(w.bus);
    bus_free(w.record);
    events_free(w.events);
    loop_free(w.loop);
    gateway_testing_free(w.gateway);
    free(w.key);
    free(w.public_key);
    snprintf(command, sizeof command, "rm -rf %s", w.home);
    assert_int_equal(system(command), 0);
}

static void nothing(void *ctx)
{
    (void)ctx;
}

static bool run(bool (*until)(void), uint64_t ms)
{
    uint64_t begun = clock_mono_ms();

    while (!until() && clock_mono_ms() - begun < ms) {
        struct loop_timer t = {0};

        loop_timer_set(w.loop, &t, 10, nothing, NULL);
        loop_turn(w.loop, true);
        loop_timer_cancel(w.loop, &t);
    }
    return until();
}

static bool all_acked(void)
{
    for (unsigned i = atomic_load(&w.lost_to) + 1; i <= atomic_load(&w.segments); i++)
        if (!w.acked[i])
            return false;
    return true;
}

static bool never(void)
{
    return false;
}

static bool logged(const char *text)
{
    return str_find_str(events_test_text(w.events), str_c(text)) < events_test_text(w.events).n;
}

#endif
