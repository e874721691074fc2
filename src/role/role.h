/*
 * What every role has: loop, bus, configuration, events, board. One short file per role wires its rooms with these.
 *
 * role_main() takes over the fds master left (3 = line to master), drops rights, waits for the first settings snapshot,
 * calls start(), runs the loop, and at SIGTERM calls stop() and leaves when the role says so (role_leave) or after 10 s.
 */
#ifndef ROLE_ROLE_H
#define ROLE_ROLE_H

#include "base/board.h"
#include "bus/bus.h"
#include "conf/conf.h"
#include "event/event.h"
#include "net/loop.h"

enum { ROLE_TICKET_KEY = 80 };

struct process {
    enum role kind;
    unsigned index;
    struct loop *loop;
    struct bus *bus;
    struct conf_source *conf;
    struct events *events;
    struct board *board;
    const char *home; /* directory of this installation */
    /* Inherited listening sockets, by name ("listener.InboundMail.4"; several may bear one name), from master. */
    const struct process_socket {
        const char *name;
        int fd;
        uint64_t id; /* of this socket, never used again */
    } * sockets;
    size_t n_sockets;
    unsigned char ticket_key[ROLE_TICKET_KEY]; /* receive: the same in all its processes, never on disk */
    void *state;                               /* the role's own */
};

struct role_kind {
    enum role kind;
    enum rc (*start)(struct process *p, struct err *e);
    void (*stop)(struct process *p); /* begin an orderly end; call role_leave() when done */
    /* master gave a listening socket or took one away (not called for those present at start); may be NULL. From start() on
     * the descriptors belong to the role (listener_socket_new owns and closes its own): what is no longer listed, it closes.
     */
    void (*sockets_changed)(struct process *p);
    /* control: master could not open a listening socket, or (error empty) could after an earlier failure; may be NULL */
    void (*listen_state)(struct process *p, struct str name, struct str error);
    bool without_conf; /* control: starts without a snapshot and feeds p->conf itself */
};

int role_main(const struct role_kind *kind, int argc, char **argv);
void role_leave(struct process *p);

/* control only: the whole list of listening sockets wanted now, made from the settings. Master opens what is new, closes
 * what is gone, keeps what is unchanged, and hands the sockets to every process of the role named, under their names. A bind
 * that fails is told by listen_state() and tried again every 5 s. */
struct role_listener {
    struct str name;    /* "listener.InboundMail.4" */
    struct str address; /* IPv4 or IPv6 address in text */
    uint64_t port;
    uint64_t backlog;
    enum role role; /* who accepts on it */
};
void role_listen(struct process *p, const struct role_listener *items, size_t n);
/* control only: the end of every role; again: and a new start of all. */
void role_halt(bool again);
/* control only: how many processes of a role run; 0 = by the number of processors (the least of roles that have no such
 * number), ROLE_NONE = none. Bounded by spec/roles.def. */
void role_count(struct process *p, enum role role, uint64_t count);

#endif
