/*
 * One attempt at a link, in its thread: the ports in their order, then SSH for as long as it lasts. See link_near.h.
 *
 * Started by link.c. Owns the connection and all channels. When a port fails the next is tried; the reasons of all are put
 * together. A port by which SSH came up ends the attempt, whatever ends the link later.
 */
#include "central/link_near.h"

#include "base/must.h"
#include "base/thread.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

void link_job_init(struct link_job *j)
{
    link_stop_init(&j->stop);
    must(pthread_mutex_init(&j->lock, NULL) == 0);
    j->event_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    must(j->event_fd >= 0);
    j->reply = BUF(65536);
    j->step_ms = LINK_STEP_MS;
}

/* --- boxes
 * -------------------------------------------------------------------------------------------------------------------- */

static void poke(const struct link_job *j)
{
    if (eventfd_write(j->event_fd, 1) != 0) {
        /* it is full of wakes already */
    }
}

bool link_job_give(struct link_job *j, int fd, enum link_channel channel)
{
    bool room;

    pthread_mutex_lock(&j->lock);
    room = j->up && !j->finished && j->to_thread.n < LINK_PARCELS;
    if (room)
        j->to_thread.item[j->to_thread.n++] = (struct link_parcel){fd, channel};
    pthread_mutex_unlock(&j->lock);
    if (room)
        poke(j);
    return room;
}

bool link_job_take(struct link_job *j, struct link_parcel *out)
{
    bool any;

    pthread_mutex_lock(&j->lock);
    any = j->from_thread.n > 0;
    if (any) {
        *out = j->from_thread.item[0];
        memmove(j->from_thread.item, j->from_thread.item + 1, --j->from_thread.n * sizeof *j->from_thread.item);
    }
    pthread_mutex_unlock(&j->lock);
    return any;
}

static void drain(struct link_box *b)
{
    while (b->n)
        close(b->item[--b->n].fd);
}

/* --- the thread
 * ------------------------------------------------------------------------------------------------------------------ */

struct pump {
    struct link_io *io;
    int inner;
};

static void *run_pump(void *ctx)
{
    struct pump *p = ctx;

    link_io_pump(p->io, p->inner);
    shutdown(p->inner, SHUT_RDWR); /* SSH sees the end */
    return NULL;
}

/* SSH inside TLS: libssh has one end of a pair of sockets, the pump the other. */
static enum rc serve_inside(struct link_job *j, struct link_io *io, size_t port, struct err *e)
{
    struct pump p = {.io = io};
    pthread_t thread;
    int pair[2];
    enum rc rc;

    TRY(link_pair(pair, e));
    p.inner = pair[1];
    if (!thread_start(&thread, run_pump, &p)) {
        close(pair[0]);
        close(pair[1]);
        return err_set(e, RC_INTERNAL, "no thread can be made");
    }
    rc = link_serve(j, pair[0], io->fd, port, e);
    shutdown(p.inner, SHUT_RDWR); /* the pump sees the end; libssh has closed its own */
    pthread_join(thread, NULL);
    close(p.inner);
    return rc;
}

static enum rc serve_plain(struct link_job *j, struct link_io *io, size_t port, struct err *e)
{
    int own = dup(io->fd); /* libssh closes its own when it likes */

    if (own < 0)
        return err_errno(e, errno, "dup");
    return link_serve(j, own, io->fd, port, e);
}

static enum rc try_one(struct link_job *j, size_t port, struct err *e)
{
    enum rc rc = RC_CONNECT;

    for (size_t i = 0; i < j->n_addresses && rc != RC_OK && !link_stopped(&j->stop); i++) {
        struct address_ip to = j->address[i];
        struct link_io io;

        *e = ERR_NONE;
        to.port = j->port[port].port;
        rc = link_open(j, &to, j->port[port].carrier, &io, e);
        if (rc != RC_OK)
            continue;
        pthread_mutex_lock(&j->lock);
        j->peer = to;
        pthread_mutex_unlock(&j->lock);
        rc = io.ssl ? serve_inside(j, &io, port, e) : serve_plain(j, &io, port, e);
        link_stop_forget(&j->stop, io.fd);
        link_io_done(&io);
    }
    return rc;
}

static void note_failure(struct err *all, const struct link_port *p, const struct err *e)
{
    size_t n = strlen(all->text);

    all->rc = e->rc;
    snprintf(all->text + n, sizeof all->text - n, "%sport %u (%s): %.*s", n ? "; " : "", p->port,
             link_carrier_name(p->carrier), 100, err_text(e));
}

static void *run(void *ctx)
{
    struct link_job *j = ctx;
    struct err all = ERR_NONE, e = ERR_NONE;
    enum rc rc = RC_CONNECT;

    for (size_t i = 0; i < j->n_ports && rc != RC_OK && !link_stopped(&j->stop); i++) {
        size_t port = (j->first + i) % j->n_ports;

        rc = try_one(j, port, &e);
        if (rc != RC_OK)
            note_failure(&all, &j->port[port], &e);
    }
    pthread_mutex_lock(&j->lock);
    j->e = rc == RC_OK ? e : all;
    j->up = false;
    j->finished = true;
    pthread_mutex_unlock(&j->lock);
    j->wake(j->wake_ctx);
    return NULL;
}

enum rc link_job_start(struct link_job *j, struct err *e)
{
    return thread_start(&j->thread, run, j) ? RC_OK : err_set(e, RC_INTERNAL, "no thread can be made");
}

void link_job_stop(struct link_job *j)
{
    link_stop_now(&j->stop);
    poke(j);
}

void link_job_done(struct link_job *j, bool started)
{
    link_job_stop(j);
    if (started)
        pthread_join(j->thread, NULL);
    drain(&j->to_thread);
    drain(&j->from_thread);
    close(j->event_fd);
    buf_done(&j->reply);
    pthread_mutex_destroy(&j->lock);
    link_stop_done(&j->stop);
}
