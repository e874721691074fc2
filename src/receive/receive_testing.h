/*
 * A receive process in a test: real sockets on loopback, spool in a new directory, queue and control played by the test.
 */
#ifndef RECEIVE_RECEIVE_TESTING_H
#define RECEIVE_RECEIVE_TESTING_H

#include "receive/inside.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

struct receive_fixture {
    struct loop *loop;
    struct board *board;
    int board_fd;
    struct bus *bus, *far, *control; /* the process's own; those that play queue and control */
    unsigned life;                   /* of the queue that is played */
    struct bus_peer *queue_side;     /* receive as the far bus sees it */
    struct conf_source *conf;
    struct events *events;
    struct receive *r;
    char home[64];
    uint16_t port[3]; /* In (public), Out (private), Bulk (QMQP) */
    struct bus_message_stored stored[64];
    unsigned n_stored;
    bool silent_queue; /* does not confirm */
    uint64_t taken;    /* the message as which queue knows every release, 0 = none */
    char reply[65536];
    size_t reply_n;
};

/* `lines` come behind the fixture's own settings; `zone` as in bus/ask.h. */
struct receive_fixture *receive_fixture_new(const char *lines, const char *zone);
void receive_fixture_free(struct receive_fixture *f);
/* Control is there and knows alice, passphrase secret. */
void receive_fixture_control(struct receive_fixture *f);
/* The queue ends and a new one is there. */
void receive_fixture_queue_again(struct receive_fixture *f);
/* A new snapshot with these lines instead. */
enum rc receive_fixture_conf(struct receive_fixture *f, const char *lines, struct err *e);
void receive_fixture_turn(struct receive_fixture *f);
/* A connection to In, Out or Bulk from that address (NULL = 127.0.0.1). */
int receive_dial(struct receive_fixture *f, unsigned which, const char *from);
/* Sends `text` and waits until the reply holds `n` complete final lines, or the peer closed. */
const char *receive_says(struct receive_fixture *f, int fd, const char *text, unsigned n);
/* The same, fails unless the last final line begins with `wanted`. */
void receive_expect(struct receive_fixture *f, int fd, const char *text, const char *wanted);
bool receive_logged(struct receive_fixture *f, const char *line);
/* Turns the loop until nothing happens for a while, or fn(f) holds. */
void receive_fixture_settle(struct receive_fixture *f);

#endif
