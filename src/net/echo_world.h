/* For tests: a loop with a server that echoes lines, and plain client sockets that talk to it. */
#ifndef NET_ECHO_WORLD_H
#define NET_ECHO_WORLD_H

#include "net/socket.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h>

/* --- a server that echoes lines, and what it can be told to do --- */

struct world {
    struct loop *loop;
    struct listener_socket *listener;
    struct address_ip at;
    const struct conversation_kind *kind;
    int begun, done, broken;
    enum rc rc;
    struct conversation *last;
};

static inline struct step command(struct conversation *c);

static inline struct step called(struct conversation *c)
{
    conversation_printf(c, "called\r\n");
    return step_goto(command);
}

static inline struct step command(struct conversation *c)
{
    struct str line;
    enum rc rc = conversation_line(c, 1000, &line);

    if (rc == RC_UNAVAILABLE)
        return step_read(command, 0);
    if (rc == RC_OK && str_eq(line, str_lit("CALL")))
        return step_call(called, 0);
    if (rc == RC_OK && str_eq(line, str_lit("SLEEP")))
        return step_sleep(called, 300);
    if (rc == RC_OK && str_eq(line, str_lit("QUIT"))) {
        conversation_printf(c, "bye\r\n");
        return step_end();
    }
    if (rc == RC_OK && str_eq(line, str_lit("BIG"))) {
        for (int i = 0; i < 30000; i++)
            buf_add(&c->out, str_lit("0123456789012345678901234567890123456789012345678901234567890123456789\r\n"));
        return step_goto(command);
    }
    if (rc == RC_OK) {
        buf_add(&c->out, line);
        buf_add(&c->out, str_lit("\r\n"));
    }
    return step_goto(command);
}

static inline struct step hello(struct conversation *c)
{
    struct world *w = c->ctx;

    w->begun++;
    buf_add(&c->out, str_lit("hello\r\n"));
    return step_goto(command);
}

static inline struct step broken(struct conversation *c)
{
    struct world *w = c->ctx;

    w->broken++;
    w->rc = c->rc;
    conversation_printf(c, "421 %.*s\r\n", STR(c->why));
    return step_end();
}

static inline void done(struct conversation *c)
{
    struct world *w = c->ctx;

    w->done++;
}

static const struct conversation_kind echo = {.name = "echo",
                                              .first = hello,
                                              .broken = broken,
                                              .done = done,
                                              .size = sizeof(struct conversation),
                                              .timeout_ms = 5000,
                                              .total_ms = 60000,
                                              .max_in = 4096};

static inline void accepted(void *ctx, int fd, const struct address_ip *peer)
{
    struct world *w = ctx;

    assert_int_equal(peer->family, AF_INET);
    w->last = conversation_accept(w->loop, fd, w->kind, NULL, w);
    assert_non_null(w->last);
}

static inline void setup(struct world *w, const struct conversation_kind *kind)
{
    int fd = -1;
    struct sockaddr_storage sa;
    socklen_t n = sizeof sa;
    struct err e = ERR_NONE;

    *w = (struct world){.loop = loop_new(), .kind = kind};
    assert_true(ip_parse(str_lit("127.0.0.1"), &w->at));
    assert_int_equal(listen_tcp(&w->at, 1024, &fd, &e), RC_OK);
    assert_int_equal(getsockname(fd, (struct sockaddr *)&sa, &n), 0);
    ip_from_sockaddr((struct sockaddr *)&sa, &w->at);
    w->listener = listener_socket_new(w->loop, fd, accepted, w);
}

static inline void teardown(struct world *w)
{
    listener_socket_free(w->listener);
    loop_free(w->loop);
    assert_int_equal(w->begun, w->done);
}

static inline int client(struct world *w)
{
    struct sockaddr_storage sa;
    socklen_t n = ip_to_sockaddr(&w->at, &sa);
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    assert_int_equal(connect(fd, (struct sockaddr *)&sa, n), 0);
    return fd;
}

static inline void turns(struct world *w, int n)
{
    while (n--)
        loop_turn(w->loop, false);
}

/* Reads until `text` has come. */
static inline void expect(struct world *w, int fd, const char *text)
{
    char got[512];
    size_t n = 0;

    for (int i = 0; i < 2000 && n < strlen(text); i++) {
        ssize_t k;

        loop_turn(w->loop, false);
        k = recv(fd, got + n, strlen(text) - n, MSG_DONTWAIT);
        n += k > 0 ? (size_t)k : 0;
        if (k < 0)
            usleep(100);
    }
    assert_int_equal(n, strlen(text));
    assert_memory_equal(got, text, n);
}

static inline void expect_end(struct world *w, int fd)
{
    char c;
    ssize_t k = -1;

    for (int i = 0; i < 2000 && (k = recv(fd, &c, 1, MSG_DONTWAIT)) < 0 && errno == EAGAIN; i++) {
        loop_turn(w->loop, false);
        usleep(100);
    }
    assert_int_equal(k, 0);
    close(fd);
    turns(w, 3);
}

static inline void say(int fd, const char *text)
{
    assert_int_equal(send(fd, text, strlen(text), MSG_NOSIGNAL), (ssize_t)strlen(text));
}

#endif
