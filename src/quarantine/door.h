/*
 * Doors: where CPQ connections come in. The socket file for this machine's own mail, and on a manager the hidden listeners
 * cpq_listener (7025, class pvo) and euq_listener (6025, class spam), each also for channels of the link (bus link_hold).
 */
#ifndef QUARANTINE_DOOR_H
#define QUARANTINE_DOOR_H

#include "quarantine/inside.h"
#include "smtp/server.h"

struct door {
    struct smtp_server_ctx smtp; /* first: the context of its conversations */
    struct quarantine *q;
    struct door *next;
    struct listener_socket *socket; /* NULL: closed, conversations still end */
    char *name;                     /* as master calls the socket; NULL = the local one */
    enum cpq_class class;           /* taken here; the local one takes both */
    bool local, via_link;
    size_t open;
};

/* The local socket file, and those for the link. */
enum rc doors_open(struct quarantine *q, struct err *e);
/* Refuses what comes; conversations go on until sessions_end(). */
void doors_close(struct quarantine *q);
void doors_free(struct quarantine *q);
/* Partners and certificate of the settings; sessions of partners that are no more end. */
void doors_settings(struct quarantine *q);
/* "cpq_listener" or "euq_listener". */
struct str door_listener(const struct door *d);

#endif
