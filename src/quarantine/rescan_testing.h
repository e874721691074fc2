/*
 * For tests of outbreak copies and rescans: the place of quarantine_testing.h with the ends of scan, which judges, and
 * deliver, which gives copies and carries words.
 */
#ifndef QUARANTINE_RESCAN_TESTING_H
#define QUARANTINE_RESCAN_TESTING_H

#include "quarantine/copies.h"
#include "quarantine/quarantine_testing.h"

#include <fcntl.h>
#include <sys/mman.h>

#define SETTINGS "system.serial=SER1\nsystem.hostname=gw.test\noutbreak.enabled=yes\n"
#define IN_OUTBREAK \
    "{\"quarantine\":\"Outbreak\",\"kind\":\"outbreak\",\"reason\":\"Outbreak " \
    "rule:R1\",\"rule\":\"R1\",\"exit\":1999999999999}"

HELPER static const char BODY[] = "From: a@out.test\r\nSubject: worm\r\n\r\nOpen.\r\n";

/* The ends of scan and deliver. */
struct ends {
    struct place p;
    struct bus *scan, *deliver;
    struct bus_peer *from_deliver;
    unsigned scans, says, kept;
    uint64_t kept_rc;
    char asked[1000]; /* "MID policy sender body|" of each scan */
    char said[4000];  /* "destination: commands|" of each errand */
    struct bus_outbreak_answer verdict;
    bool mute;           /* scan gives no answer */
    const char *answers; /* to the commands; NULL: nobody can be reached */
};

HELPER static void on_question(void *ctx, const struct bus_in *in)
{
    const struct bus_outbreak_question *m = in->msg;
    struct ends *n = ctx;
    char body[200] = "";
    size_t at = strlen(n->asked);

    assert_true(in->fd >= 0 && fcntl(in->fd, F_GET_SEALS) & F_SEAL_SHRINK);
    assert_int_equal(pread(in->fd, body, sizeof body - 1, 0), (int)m->bytes);
    close(in->fd);
    snprintf(n->asked + at, sizeof n->asked - at, "%d %.*s %.*s %zu|", (int)m->mid, STR(m->policy), STR(m->sender),
             strlen(body));
    n->scans++;
    if (!n->mute)
        bus_reply(n->scan, in->from, in->call, BUS_outbreak_answer, &n->verdict);
}

HELPER static void on_commands(void *ctx, const struct bus_in *in)
{
    const struct bus_xcpq_commands *m = in->msg;
    struct ends *n = ctx;
    size_t at = strlen(n->said);

    snprintf(n->said + at, sizeof n->said - at, "%.*s: %.*s|", STR(m->destination), STR(m->commands));
    n->says++;
    bus_reply(n->deliver, in->from, in->call, BUS_xcpq_answers,
              &(struct bus_xcpq_answers){
                  .rc = n->answers ? RC_OK : RC_UNAVAILABLE, .why = str_lit("no way"), .answers = str_c(n->answers)});
}

HELPER static struct bus *neighbour(struct place *p, enum role role, struct bus_peer **to)
{
    struct bus *b = bus_new(p->loop, role, 0);
    struct bus_peer *peer;
    int fds[2];

    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, fds), 0);
    peer = bus_attach(b, fds[0], ROLE_quarantine, 0, 1);
    bus_attach(p->bus, fds[1], role, 0, 1);
    if (to)
        *to = peer;
    return b;
}

HELPER static void ends_open(struct ends *n)
{
    n->scan = neighbour(&n->p, ROLE_scan, NULL);
    n->deliver = neighbour(&n->p, ROLE_deliver, &n->from_deliver);
    bus_on(n->scan, BUS_outbreak_question, on_question, n);
    bus_on(n->deliver, BUS_xcpq_commands, on_commands, n);
    turns(&n->p, 5);
}

HELPER static void ends_start(struct ends *n, const char *settings)
{
    *n = (struct ends){.answers = "250 2.0.0 ok\n"};
    place_start(&n->p, settings);
    ends_open(n);
}

HELPER static void ends_close(struct ends *n)
{
    bus_free(n->scan);
    bus_free(n->deliver);
}

HELPER static void ends_end(struct ends *n)
{
    ends_close(n);
    place_end(&n->p);
}

HELPER static void ends_restart(struct ends *n)
{
    ends_close(n);
    place_restart(&n->p);
    ends_open(n);
}

HELPER static void wait_until(struct ends *n, const unsigned *counter, unsigned value)
{
    uint64_t until = clock_mono_ms() + 8000;

    while (*counter < value && clock_mono_ms() < until)
        loop_turn(n->p.loop, true);
    assert_int_equal(*counter, value);
    turns(&n->p, 10);
}

HELPER static void on_kept(void *ctx, enum rc rc, const void *msg)
{
    struct ends *n = ctx;

    assert_int_equal(rc, RC_OK);
    n->kept_rc = ((const struct bus_copy_kept *)msg)->rc;
    n->kept++;
}

/* As deliver gives it. */
HELPER static uint64_t give(struct ends *n, uint64_t mid, const char *holds, const char *body)
{
    struct letter l = {"pvo", "a@out.test", "b@in.test", body, holds, mid};
    struct buf meta = BUF(1 << 20);
    int fd = memfd_create("copy", MFD_CLOEXEC);
    unsigned before = n->kept;

    letter_meta(&l, &meta);
    assert_int_equal(write(fd, body, strlen(body)), (int)strlen(body));
    bus_call_fd(n->deliver, n->from_deliver, BUS_copy_new,
                &(struct bus_copy_new){.bytes = strlen(body), .meta = buf_str(&meta)}, fd, 5000, on_kept, n);
    close(fd);
    buf_done(&meta);
    wait_until(n, &n->kept, before + 1);
    return n->kept_rc;
}

HELPER static size_t copies(struct ends *n)
{
    size_t count;

    copies_all(n->p.q, &count);
    return count;
}

HELPER static char *path_of_copy(struct ends *n, uint64_t mid)
{
    static char path[300];

    snprintf(path, sizeof path, "%s/copies/%d", n->p.store, (int)mid);
    return path;
}

#endif
