/*
 * Many gateways in one process, for bench/fleet: each an SSH server with the verbs of central.md 4 and tracking segments that hold
 * the events of messages. Speaks the real protocol; on each `cut` a gateway closes a segment with what came since the last one.
 *
 *   fleet COUNT MESSAGES_A_SECOND PUBLIC_KEY      (TYPE BASE64 of the manager)
 *
 * Prints a line "NUMBER PORT SERIAL TYPE BASE64" for each gateway and "ready"; a line on its input ends it, then a line of JSON says
 * what was asked for: lists, gets and acks, and the longest time a gateway waited from one list to the next.
 */
#include "central/gateway_testing.h"

#include "base/clock.h"
#include "base/io.h"
#include "base/must.h"
#include "store/event_json.h"
#include "store/segment.h"

#include <inttypes.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

enum { GATEWAYS_MOST = 200, SEGMENTS = 400, EPOCH = 1 };

struct piece {
    struct segment_header head;
    uint64_t bytes;
    char digest[SEGMENT_DIGEST];
};

struct gateway {
    struct gateway_testing *server;
    pthread_mutex_t lock;
    char dir[100], serial[32];
    struct piece pieces[SEGMENTS];
    size_t n;
    uint64_t next_number, mid, rate, cut_ms, list_ms, worst_ms;
    uint64_t lists, gets, acks, acked, octets;
};

static struct gateway *gateways;

/* --- segments -------------------------------------------------------------------------------------------------------------------- */

#define ADD(w, ev_name, ...) \
    do { \
        struct event_record ev_; \
        event_record_set(&ev_, EVENT_##ev_name, now, &(struct event_##ev_name){__VA_ARGS__}); \
        event_json_write(segment_next(w), &ev_, segment_line(w)); \
        segment_added(w); \
    } while (0)

static void add_message(struct gateway *g, struct segment_writer *w, uint64_t now)
{
    char sender[64], subject[64];
    uint64_t mid = ++g->mid;

    snprintf(sender, sizeof sender, "user%" PRIu64 "@sender%" PRIu64 ".test", mid % 997, mid % 53);
    snprintf(subject, sizeof subject, "offer %" PRIu64 " of %s", mid, g->serial);
    ADD(w, message_start, .mid = mid, .icid = mid);
    ADD(w, message_sender, .mid = mid, .icid = mid, .sender = str_c(sender));
    ADD(w, message_recipient, .mid = mid, .icid = mid, .recipient = str_lit("b@rcpt.test"));
    ADD(w, message_subject, .mid = mid, .subject = str_c(subject));
    ADD(w, message_ready, .mid = mid, .bytes = 2048, .sender = str_c(sender));
    ADD(w, message_queued, .mid = mid);
    ADD(w, message_finished, .mid = mid);
}

static void cut(struct gateway *g)
{
    uint64_t now = clock_wall_ms(), messages = (now - g->cut_ms) * g->rate / 1000;
    struct segment_header head = {.kind = SEGMENT_TRACKING,
                                  .epoch = EPOCH,
                                  .seq = g->n + 1,
                                  .first = g->next_number,
                                  .last = g->next_number - 1,
                                  .start_ms = g->cut_ms,
                                  .end_ms = now};
    struct segment_writer w = {.fd = -1};
    struct piece *p = &g->pieces[g->n];

    if (g->n == SEGMENTS || now - g->cut_ms < 1000)
        return;
    snprintf(head.serial, sizeof head.serial, "%s", g->serial);
    must(segment_begin(&w, g->dir, &head, NULL) == RC_OK);
    for (uint64_t i = 0; i < messages; i++)
        add_message(g, &w, now);
    must(segment_flush(&w, NULL) == RC_OK);
    segment_leave(&w);
    p->head = w.head;
    p->head.end_ms = now;
    must(segment_finish(g->dir, &p->head, &p->bytes, p->digest, NULL) == RC_OK);
    segment_writer_done(&w);
    g->next_number = p->head.last + 1;
    g->cut_ms = now;
    g->n++;
}

/* --- verbs ----------------------------------------------------------------------------------------------------------------------- */

static void list(struct gateway *g, uint64_t from, struct buf *reply)
{
    uint64_t now = clock_mono_ms();

    if (g->list_ms && now - g->list_ms > g->worst_ms)
        g->worst_ms = now - g->list_ms;
    g->list_ms = now;
    g->lists++;
    for (size_t i = from > 1 ? (size_t)from - 1 : 0; i < g->n; i++) {
        const struct piece *p = &g->pieces[i];

        buf_addf(reply,
                 "{\"epoch\":%d,\"seq\":%zu,\"first\":%" PRIu64 ",\"last\":%" PRIu64 ",\"start\":%" PRIu64 ",\"end\":%" PRIu64
                 ",\"events\":%" PRIu64 ",\"bytes\":%" PRIu64 ",\"sha256\":\"%s\",\"state\":\"ready\"}\n",
                 EPOCH, i + 1, p->head.first, p->head.last, p->head.start_ms, p->head.end_ms, p->head.events, p->bytes, p->digest);
    }
}

static int tracking_verb(struct gateway *g, const char *command, struct buf *reply)
{
    uint64_t epoch, seq, offset = 0;
    char more[100] = "", path[SEGMENT_PATH];
    struct buf whole = BUF(64 << 20);

    if (sscanf(command, "list-exports tracking %" SCNu64 " %" SCNu64 " %99s", &epoch, &seq, more) >= 2) {
        if (strcmp(more, "cut") == 0)
            cut(g);
        buf_add(reply, str_lit("OK\n"));
        list(g, seq, reply);
    } else if (sscanf(command, "get tracking %" SCNu64 " %" SCNu64 " %" SCNu64, &epoch, &seq, &offset) >= 2 && seq && seq <= g->n) {
        g->gets++;
        segment_path(path, g->dir, SEGMENT_TRACKING, EPOCH, seq, false);
        must(io_read_file(path, &whole, NULL) == RC_OK);
        buf_add(reply, str_lit("OK\n"));
        buf_add(reply, str_from(buf_str(&whole), offset));
        g->octets += whole.n;
    } else if (sscanf(command, "ack tracking %" SCNu64 " %99s", &epoch, more) == 2) {
        const char *dash = strchr(more, '-');

        g->acks++;
        g->acked += dash ? strtoull(dash + 1, NULL, 10) - strtoull(more, NULL, 10) + 1 : 1;
        buf_addf(reply, "OK {\"acked\":%s}\n", dash ? dash + 1 : more);
    } else {
        buf_add(reply, str_lit("ERR 404 no such segment\n"));
    }
    buf_done(&whole);
    return 0;
}

static int verb(void *ctx, struct str command, struct str input, struct buf *reply)
{
    struct gateway *g = ctx;
    char text[300];
    int status = 0;

    (void)input;
    snprintf(text, sizeof text, "%.*s", STR(command));
    pthread_mutex_lock(&g->lock);
    if (strcmp(text, "hello") == 0)
        buf_addf(reply, "OK {\"proto\":1,\"serial\":\"%s\",\"host\":\"%s.test\",\"ver\":\"0.2.0\",\"time\":%" PRIu64 ",\"epoch\":%d}\n",
                 g->serial, g->serial, clock_wall_ms(), EPOCH);
    else if (strstr(text, " tracking "))
        status = tracking_verb(g, text, reply);
    else
        buf_add(reply, str_starts(command, str_lit("list-exports")) ? str_lit("OK\n") : str_lit("ERR 400 unknown verb\n"));
    pthread_mutex_unlock(&g->lock);
    return status;
}

/* --- the fleet --------------------------------------------------------------------------------------------------------------------- */

static void launch(struct gateway *g, unsigned number, uint64_t rate, const char *key)
{
    char path[200];

    pthread_mutex_init(&g->lock, NULL);
    snprintf(g->serial, sizeof g->serial, "FLEET-%03u", number);
    snprintf(g->dir, sizeof g->dir, "/tmp/postern-fleet-%d-%u", (int)getpid(), number);
    snprintf(path, sizeof path, "mkdir -p %s/tracking", g->dir);
    must(system(path) == 0);
    g->next_number = 1;
    g->rate = rate;
    g->cut_ms = clock_wall_ms();
    g->server = gateway_testing_new(&(struct gateway_testing_options){.user = "manager", .public_key = key, .verb = verb, .ctx = g});
    printf("%u %u %s %s\n", number, gateway_testing_port(g->server), g->serial, gateway_testing_host_key(g->server));
}

static void report(unsigned n)
{
    uint64_t lists = 0, gets = 0, acks = 0, acked = 0, octets = 0, worst = 0, messages = 0, segments = 0, connections = 0;

    for (unsigned i = 0; i < n; i++) {
        struct gateway *g = &gateways[i];

        lists += g->lists;
        gets += g->gets;
        acks += g->acks;
        acked += g->acked;
        octets += g->octets;
        messages += g->mid;
        segments += g->n;
        connections += gateway_testing_connections(g->server);
        worst = g->worst_ms > worst ? g->worst_ms : worst;
    }
    printf("{\"gateways\":%u,\"connections\":%" PRIu64 ",\"lists\":%" PRIu64 ",\"segments\":%" PRIu64 ",\"gets\":%" PRIu64
           ",\"acks\":%" PRIu64 ",\"acked\":%" PRIu64 ",\"octets\":%" PRIu64 ",\"messages\":%" PRIu64 ",\"longest_ms\":%" PRIu64 "}\n",
           n, connections, lists, segments, gets, acks, acked, octets, messages, worst);
}

int main(int argc, char **argv)
{
    unsigned n = argc == 4 ? (unsigned)atoi(argv[1]) : 0;
    char line[10], command[200];

    if (!n || n > GATEWAYS_MOST) {
        fprintf(stderr, "usage: fleet COUNT MESSAGES_A_SECOND PUBLIC_KEY\n");
        return 2;
    }
    must((gateways = calloc(n, sizeof *gateways)));
    for (unsigned i = 0; i < n; i++)
        launch(&gateways[i], i + 1, (uint64_t)atoi(argv[2]), argv[3]);
    printf("ready\n");
    fflush(stdout);
    must(fgets(line, sizeof line, stdin));
    report(n);
    fflush(stdout);
    snprintf(command, sizeof command, "rm -rf /tmp/postern-fleet-%d-*", (int)getpid());
    must(system(command) == 0);
    _exit(0); /* its threads wait for a manager that will not come back */
}
