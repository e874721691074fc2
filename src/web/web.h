/*
 * HTTP and HTTPS: status pages for programs, and the base that the API grows on (spec/api.md).
 *
 * One server (libmicrohttpd, with its GnuTLS) a listening socket, all on the loop of the role. Figures and logins come from
 * control over the bus; this room reads nothing of the disk but certificates.
 */
#ifndef WEB_WEB_H
#define WEB_WEB_H

#include "bus/bus.h"
#include "conf/conf.h"
#include "event/event.h"
#include "net/loop.h"

/* A listening socket as master names it: "https.Management.4". */
struct web_socket {
    const char *name;
    int fd;
    uint64_t id;
};

struct web_options {
    struct loop *loop;
    struct bus *bus;
    struct conf_source *conf;
    struct events *events; /* may be NULL */
    const char *home;      /* certificate files are relative to it */
};

struct web;

/* Never fails: a socket that cannot be served (no certificate) is told as an event and tried again when settings change. */
struct web *web_new(const struct web_options *o);
/* The sockets there are now, at start and whenever they change. New ones belong to web; what is missing is closed. */
void web_sockets(struct web *w, const struct web_socket *sockets, size_t n);
/* Takes no new connections, lets requests under way end (at most 2 s); then stopped(ctx). */
void web_stop(struct web *w, void (*stopped)(void *ctx), void *ctx);
/* At once; connections are cut. The loop must run a turn more before it is freed. */
void web_free(struct web *w);

#endif
