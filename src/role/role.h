/*
 * What every role has: loop, bus, configuration, events, board. One short file per role wires its rooms with these.
 *
 * role_main() takes over the fds master left (3 = line to master), drops rights, waits for the first settings snapshot, calls
 * start(), runs the loop, and at SIGTERM calls stop() and leaves when the role says so (role_leave) or after 10 s.
 */
#ifndef ROLE_ROLE_H
#define ROLE_ROLE_H

#include "base/board.h"
#include "bus/bus.h"
#include "conf/conf.h"
#include "event/event.h"
#include "net/loop.h"

struct process {
    enum role kind;
    unsigned index;
    struct loop *loop;
    struct bus *bus;
    struct conf_source *conf;
    struct events *events;
    struct board *board;
    const char *home;            /* directory of this installation */
    /* Inherited listening sockets, by name ("listener.InboundMail.4"), from master. */
    const struct process_socket {
        const char *name;
        int fd;
    } *sockets;
    size_t n_sockets;
    void *state;                 /* the role's own */
};

struct role_kind {
    enum role kind;
    enum rc (*start)(struct process *p, struct err *e);
    void (*stop)(struct process *p);              /* begin an orderly end; call role_leave() when done */
    void (*sockets_changed)(struct process *p);   /* master gave or took listening sockets; may be NULL */
    bool without_conf;                         /* control: starts without a snapshot */
};

int role_main(const struct role_kind *kind, int argc, char **argv);
void role_leave(struct process *p);

#endif
