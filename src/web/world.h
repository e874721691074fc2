/* A web room on a loopback socket for tests, with control played by the test at the other end of the bus. */
#ifndef WEB_WORLD_H
#define WEB_WORLD_H

#include "web/inside.h"

#include "base/clock.h"
#include "base/must.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

enum { TURNS = 400 };

struct world {
    struct loop *loop;
    struct bus *bus, *control;
    struct conf_source *conf;
    struct events *events;
    struct web *web;
    uint16_t port;
    struct buf reply;
    bool silent; /* control does not answer */
    bool must_change;
    uint64_t role;
    unsigned logins, verbs;
    char last_peer[64], last_words[200];
};

static inline void on_login(void *ctx, const struct bus_in *in)
{
    const struct bus_login_question *q = in->msg;
    struct world *t = ctx;
    bool ok = str_eq(q->user, str_lit("ana")) && str_eq(q->password, str_lit("secret"));

    t->logins++;
    assert_true(str_eq(q->service, str_lit("http")));
    snprintf(t->last_peer, sizeof t->last_peer, "%.*s", STR(q->peer));
    if (!t->silent)
        bus_reply(t->control, in->from, in->call, BUS_login_answer,
                  &(struct bus_login_answer){.ok = ok, .role = t->role, .must_change = t->must_change});
}

static inline void on_verb(void *ctx, const struct bus_in *in)
{
    const struct bus_verb_run *q = in->msg;
    struct bus_verb_result m = {.rc = RC_OK, .json = str_lit("{\"gauges\":{\"kbytes_used\":1}}")};
    struct world *t = ctx;
    struct str rest = q->words, word;
    size_t n = 0;

    t->verbs++;
    while (get_str(&rest, &word))
        n += (size_t)snprintf(t->last_words + n, sizeof t->last_words - n, "%.*s|", STR(word));
    if (str_starts(str_c(t->last_words), str_lit("hoststatus")))
        m.json = str_lit("{\"host\":\"<b>&\",\"state\":\"up\",\"active\":3,\"list\":[{\"a\":true},{\"a\":1.5}]}");
    if (str_starts(str_c(t->last_words), str_lit("tophosts")))
        m = (struct bus_verb_result){.rc = RC_INTERNAL, .text = str_lit("secret detail\n")};
    if (str_starts(str_c(t->last_words), str_lit("topin")))
        m = (struct bus_verb_result){.rc = RC_UNKNOWN_COMMAND, .text = str_lit("Unknown command\n")};
    bus_reply(t->control, in->from, in->call, BUS_verb_result, &m);
}

static inline struct world *world(const char *settings, const char *name)
{
    struct world *t = calloc(1, sizeof *t);
    struct address_ip at;
    struct sockaddr_storage sa;
    socklen_t n = sizeof sa;
    int fds[2], fd = -1;

    must(t);
    t->loop = loop_new();
    t->bus = bus_new(t->loop, ROLE_web, 0);
    t->control = bus_new(t->loop, ROLE_control, 0);
    must(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds) == 0);
    bus_attach(t->bus, fds[0], ROLE_control, 0, 1);
    bus_attach(t->control, fds[1], ROLE_web, 0, 1);
    bus_on(t->control, BUS_login_question, on_login, t);
    bus_on(t->control, BUS_verb_run, on_verb, t);
    t->conf = conf_source_test(settings, NULL);
    must(t->conf);
    t->events = events_test_new();
    t->web = web_new(
        &(struct web_options){.loop = t->loop, .bus = t->bus, .conf = t->conf, .events = t->events, .home = "/nonexistent"});
    must(ip_parse(str_lit("127.0.0.1"), &at) && listen_tcp(&at, 16, &fd, NULL) == RC_OK);
    must(getsockname(fd, (struct sockaddr *)&sa, &n) == 0);
    ip_from_sockaddr((struct sockaddr *)&sa, &at);
    t->port = at.port;
    t->reply = BUF(1 << 24);
    web_sockets(t->web, &(struct web_socket){name, fd, 1}, 1);
    return t;
}

static inline void end(struct world *t)
{
    web_free(t->web);
    bus_free(t->bus);
    bus_free(t->control);
    for (int i = 0; i < 3; i++)
        loop_turn(t->loop, false);
    loop_free(t->loop);
    conf_source_free(t->conf);
    events_free(t->events);
    buf_done(&t->reply);
    free(t);
}

static inline int dial(struct world *t)
{
    struct address_ip at;
    struct sockaddr_storage sa;
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    must(ip_parse(str_lit("127.0.0.1"), &at));
    at.port = t->port;
    must(connect(fd, (struct sockaddr *)&sa, ip_to_sockaddr(&at, &sa)) == 0);
    return fd;
}

/* Sends octets, gives what came back until the other side closed or nothing more comes. */
static inline struct str exchange(struct world *t, const char *octets, size_t n)
{
    int fd = dial(t);
    size_t sent = 0;
    int quiet = 0;

    buf_clear(&t->reply);
    while (quiet < TURNS) {
        char *p = buf_reserve(&t->reply, 65536);
        ssize_t k = sent < n ? send(fd, octets + sent, n - sent, MSG_DONTWAIT | MSG_NOSIGNAL) : 0, got;

        sent += k > 0 ? (size_t)k : 0;
        loop_turn(t->loop, false);
        got = recv(fd, p, 65536, MSG_DONTWAIT);
        if (got == 0)
            break;
        t->reply.n += got > 0 ? (size_t)got : 0;
        quiet = got > 0 || k > 0 ? 0 : quiet + 1;
        if (quiet > 50)
            usleep(1000);
    }
    close(fd);
    buf_addc(&t->reply, '\0');
    return buf_str(&t->reply);
}

#define ANA "Authorization: Basic YW5hOnNlY3JldA==\r\n"
#define BAD "Authorization: Basic YW5hOndyb25n\r\n"

static inline struct str get(struct world *t, const char *path, const char *headers)
{
    char text[70000];
    int n = snprintf(text, sizeof text, "GET %s HTTP/1.1\r\nHost: 127.0.0.1:%u\r\n%sConnection: close\r\n\r\n", path,
                     t->port, headers);

    return exchange(t, text, (size_t)n);
}

static inline void has(struct str got, const char *text)
{
    if (str_find_str(got, str_c(text)) == got.n)
        fail_msg("no '%s' in:\n%.*s", text, STR(str_first(got, 2000)));
}

static inline void lacks(struct str got, const char *text)
{
    if (str_find_str(got, str_c(text)) < got.n)
        fail_msg("'%s' in:\n%.*s", text, STR(str_first(got, 2000)));
}

#endif
