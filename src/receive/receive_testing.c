/*
 * The fixture of the room's tests. See receive_testing.h.
 *
 * Owns everything it makes; the spool's directory is removed at the end.
 */
#include "receive/receive_testing.h"

#include "conf/snapshot.h"

#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

enum { TURNS = 4000, WAIT_US = 500, QUIET = 40 };

static const char own_lines[] = "system.hostname=mx.test\n"
                                "spool.segment_bytes=4M\n"
                                "spool.min_free_bytes=16M\n"
                                "spool.min_free_percent=0\n"
                                "receiving.reverse_dns=no\n"
                                "mail_flow_policy.ACCEPTED.sender_dns_check=no\n"
                                "mail_flow_policy.RELAYED.behavior=relay\n"
                                "listener.In.type=public\n"
                                "listener.In.rat=ours.test,nobody@ours.test reject,ALL reject\n"
                                "listener.In.xclient_from=127.0.0.1\n"
                                "listener.Out.type=private\n"
                                "listener.Out.xclient_from=127.0.0.1\n"
                                "listener.Bulk.type=private\n"
                                "listener.Bulk.protocol=qmqp\n"
                                "sender_group.RELAYLIST.listener=Out,Bulk\n"
                                "sender_group.RELAYLIST.policy=RELAYED\n"
                                "sender_group.RELAYLIST.members=127.0.0.1\n";

static void on_stored(void *ctx, const struct bus_in *in)
{
    struct receive_fixture *f = ctx;
    const struct bus_message_stored *m = in->msg;

    f->stored[f->n_stored++ % 64] = *m;
    if (!f->silent_queue)
        bus_send(f->far, in->from, BUS_message_known, &(struct bus_message_known){m->segment, m->generation, m->offset + 1});
}

static void on_release(void *ctx, const struct bus_in *in)
{
    struct receive_fixture *f = ctx;

    bus_reply(f->far, in->from, in->call, BUS_release_known, &(struct bus_release_known){.mid = f->taken});
}

static void on_login(void *ctx, const struct bus_in *in)
{
    struct receive_fixture *f = ctx;
    const struct bus_auth_question *q = in->msg;
    bool ok = str_eq(q->user, str_lit("alice")) && str_eq(q->password, str_lit("secret"));

    bus_reply(f->control, in->from, in->call, BUS_auth_answer, &(struct bus_auth_answer){.ok = ok});
}

static void open_listener(struct receive_fixture *f, unsigned which, struct receive_socket *out, const char *name)
{
    struct address_ip at;
    struct sockaddr_in sa;
    socklen_t n = sizeof sa;
    int fd;

    assert_true(ip_parse(str_lit("127.0.0.1"), &at));
    assert_int_equal(listen_tcp(&at, 128, &fd, NULL), RC_OK);
    assert_int_equal(getsockname(fd, (struct sockaddr *)&sa, &n), 0);
    f->port[which] = ntohs(sa.sin_port);
    *out = (struct receive_socket){name, fd};
}

static void join(struct receive_fixture *f, unsigned life)
{
    int ends[2];

    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, ends), 0);
    assert_non_null(bus_attach(f->bus, ends[0], ROLE_queue, 0, life));
    f->queue_side = bus_attach(f->far, ends[1], ROLE_receive, 0, 1);
    assert_non_null(f->queue_side);
}

struct receive_fixture *receive_fixture_new(const char *lines, const char *zone)
{
    struct receive_fixture *f = calloc(1, sizeof *f);
    struct receive_socket sockets[3];
    struct receive_options o;
    struct err e = ERR_NONE;
    char all[8192], dir[80];

    snprintf(f->home, sizeof f->home, "/tmp/receive-test-XXXXXX");
    assert_non_null(mkdtemp(f->home));
    snprintf(dir, sizeof dir, "%s/spool", f->home);
    mkdir(dir, 0700);
    f->loop = loop_new();
    f->board_fd = board_create();
    f->board = board_map(f->board_fd);
    board_store(&f->board->numbers_ready, 1);
    f->bus = bus_new(f->loop, ROLE_receive, 0);
    f->far = bus_new(f->loop, ROLE_queue, 0);
    bus_on(f->far, BUS_message_stored, on_stored, f);
    bus_on(f->far, BUS_release_question, on_release, f);
    f->events = events_test_new();
    snprintf(all, sizeof all, "%s%s", own_lines, lines ? lines : "");
    f->conf = conf_source_test(all, &e);
    if (!f->conf)
        fail_msg("%s", e.text);
    o = (struct receive_options){f->loop, f->bus, f->conf, f->events, f->board, 0, f->home, NULL};
    if (receive_new(&o, &f->r, &e) != RC_OK)
        fail_msg("%s", e.text);
    if (zone)
        dns_asker_canned(f->r->asker, zone, false);
    join(f, f->life = 1);
    open_listener(f, 0, &sockets[0], "listener.In.4");
    open_listener(f, 1, &sockets[1], "listener.Out.4");
    open_listener(f, 2, &sockets[2], "listener.Bulk.4");
    receive_sockets(f->r, sockets, 3);
    loop_turn(f->loop, false);
    return f;
}

void receive_fixture_control(struct receive_fixture *f)
{
    int ends[2];

    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, ends), 0);
    f->control = bus_new(f->loop, ROLE_control, 0);
    bus_on(f->control, BUS_auth_question, on_login, f);
    assert_non_null(bus_attach(f->bus, ends[0], ROLE_control, 0, 1));
    assert_non_null(bus_attach(f->control, ends[1], ROLE_receive, 0, 1));
}

void receive_fixture_queue_again(struct receive_fixture *f)
{
    bus_free(f->far);
    receive_fixture_settle(f);
    f->far = bus_new(f->loop, ROLE_queue, 0);
    bus_on(f->far, BUS_message_stored, on_stored, f);
    bus_on(f->far, BUS_release_question, on_release, f);
    join(f, ++f->life);
}

enum rc receive_fixture_conf(struct receive_fixture *f, const char *lines, struct err *e)
{
    struct buf blob = BUF(1 << 24);
    struct conf_source *s;
    char all[8192];
    enum rc rc;

    snprintf(all, sizeof all, "%s%s", own_lines, lines);
    s = conf_source_test(all, e);
    if (!s)
        return e->rc;
    conf_encode(conf_now(s), NULL, &blob);
    rc = conf_source_feed(f->conf, 2, buf_str(&blob), e);
    buf_done(&blob);
    conf_source_free(s);
    return rc;
}

static int remove_one(const char *path, const struct stat *st, int flag, struct FTW *ftw)
{
    (void)st;
    (void)flag;
    (void)ftw;
    return remove(path);
}

void receive_fixture_free(struct receive_fixture *f)
{
    receive_fixture_settle(f);
    receive_stop(f->r, NULL, NULL);
    receive_fixture_settle(f);
    assert_int_equal(receive_open(f->r), 0);
    receive_free(f->r);
    loop_turn(f->loop, false);
    bus_free(f->bus);
    bus_free(f->far);
    if (f->control)
        bus_free(f->control);
    loop_turn(f->loop, false);
    conf_source_free(f->conf);
    events_free(f->events);
    loop_free(f->loop);
    munmap(f->board, sizeof *f->board);
    close(f->board_fd);
    nftw(f->home, remove_one, 8, FTW_DEPTH | FTW_PHYS);
    free(f);
}

void receive_fixture_turn(struct receive_fixture *f)
{
    loop_turn(f->loop, false);
}

void receive_fixture_settle(struct receive_fixture *f)
{
    for (int i = 0; i < QUIET; i++) {
        loop_turn(f->loop, false);
        usleep(WAIT_US);
    }
}

int receive_dial(struct receive_fixture *f, unsigned which, const char *from)
{
    struct sockaddr_in sa = {.sin_family = AF_INET}, to = {.sin_family = AF_INET, .sin_port = htons(f->port[which])};
    struct address_ip ip;
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    assert_true(ip_parse(str_c(from ? from : "127.0.0.1"), &ip));
    memcpy(&sa.sin_addr, ip.octets, 4);
    assert_int_equal(bind(fd, (struct sockaddr *)&sa, sizeof sa), 0);
    memcpy(&to.sin_addr, "\x7f\0\0\1", 4);
    assert_int_equal(connect(fd, (struct sockaddr *)&to, sizeof to), 0);
    fcntl(fd, F_SETFL, O_NONBLOCK);
    return fd;
}

/* Final lines: "250 x"; lines that go on have a hyphen. */
static unsigned final_lines(const char *reply)
{
    unsigned n = 0;

    for (const char *p = reply, *next; *p && (next = strstr(p, "\r\n")); p = next + 2)
        n += next - p >= 3 && (next - p == 3 || p[3] != '-');
    return n;
}

const char *receive_says(struct receive_fixture *f, int fd, const char *text, unsigned n)
{
    f->reply_n = 0;
    f->reply[0] = 0;
    if (*text)
        assert_int_equal(send(fd, text, strlen(text), MSG_NOSIGNAL), (ssize_t)strlen(text));
    for (int i = 0; i < TURNS && final_lines(f->reply) < n; i++) {
        ssize_t got;

        loop_turn(f->loop, false);
        got = recv(fd, f->reply + f->reply_n, sizeof f->reply - f->reply_n - 1, 0);
        if (got == 0)
            break;
        if (got < 0)
            usleep(errno == EAGAIN ? WAIT_US : 0);
        else
            f->reply_n += (size_t)got;
        f->reply[f->reply_n] = 0;
    }
    return f->reply;
}

void receive_expect(struct receive_fixture *f, int fd, const char *text, const char *wanted)
{
    if (strncmp(receive_says(f, fd, text, 1), wanted, strlen(wanted)) != 0)
        fail_msg("said %s\ngot  %s\nwant %s", text, f->reply, wanted);
}

bool receive_logged(struct receive_fixture *f, const char *line)
{
    return strstr(events_test_text(f->events).p, line) != NULL;
}
