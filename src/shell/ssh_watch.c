/*
 * A descriptor on the loop: sockets of connections, ends of their children. See ssh_inside.h.
 *
 * Called by ssh_connection.c and ssh_channel.c. Owns the descriptor and the handle, which libuv wants to outlive the owner
 * by a turn. A broken descriptor stops being watched until its owner asks again.
 */
#include "shell/ssh_inside.h"

#include "base/must.h"

#include <stdlib.h>
#include <unistd.h>

struct watch {
    uv_poll_t poll;
    int fd, events; /* watched for, -1 = libuv stopped by itself */
    void (*fn)(void *ctx);
    void *ctx;
};

static void happened(uv_poll_t *poll, int status, int events)
{
    struct watch *w = poll->data;

    (void)events;
    if (status < 0)
        w->events = -1;
    w->fn(w->ctx);
}

struct watch *watch_new(struct loop *l, int fd, void (*fn)(void *ctx), void *ctx)
{
    struct watch *w = calloc(1, sizeof *w);

    must(w);
    w->fd = fd;
    w->fn = fn;
    w->ctx = ctx;
    w->poll.data = w;
    must(uv_poll_init(loop_uv(l), &w->poll, fd) == 0);
    return w;
}

int watch_fd(const struct watch *w)
{
    return w->fd;
}

void watch_for(struct watch *w, bool readable, bool writable)
{
    int events = (readable ? UV_READABLE : 0) | (writable ? UV_WRITABLE : 0);

    if (events == w->events)
        return;
    w->events = events;
    if (events)
        uv_poll_start(&w->poll, events, happened);
    else
        uv_poll_stop(&w->poll);
}

static void closed(uv_handle_t *handle)
{
    free(handle->data);
}

void watch_free(struct watch *w)
{
    if (!w)
        return;
    uv_poll_stop(&w->poll);
    uv_close((uv_handle_t *)&w->poll, closed);
    close(w->fd);
}
