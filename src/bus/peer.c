/*
 * The socket of one peer: output gathered over a turn and sent with one sendmsg, input read in big pieces and cut to frames.
 *
 * Called by bus.c and by libuv when the socket is ready. Owns the socket, its buffers and the descriptors in transit. A
 * descriptor never comes after its frame, so the k-th frame marked FRAME_FD belongs to the k-th descriptor received. A frame
 * that breaks a rule and the end of the stream both end the peer.
 */
#include "bus/private.h"

#include "base/io.h"
#include "base/must.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

/* The buffer for descriptors of one sendmsg or recvmsg, aligned as cmsg(3) wants it. */
union fd_space {
    struct cmsghdr align;
    char space[CMSG_SPACE(FDS_TOGETHER * sizeof(int))];
};

static size_t waiting(const struct peer *p)
{
    return p->out.n - p->out_at;
}

/* How many descriptors go with the next octets, and how many octets may go with them: a descriptor travels with the first
 * octet of its frame, or up to FDS_TOGETHER - 1 frames ahead, so the receiver never holds more than FDS_TOGETHER. */
static unsigned fds_to_send(const struct peer *p, size_t *bytes)
{
    unsigned n = 0;
    uint64_t until;

    if (p->fds[0].at == p->out_done)
        n = p->n_fds < FDS_TOGETHER ? (unsigned)p->n_fds : FDS_TOGETHER;
    if (n == p->n_fds)
        return n;
    until = p->fds[n].at - p->out_done;
    if (*bytes > until)
        *bytes = (size_t)until;
    return n;
}

static void put_fds(struct msghdr *m, union fd_space *space, const struct peer *p, unsigned n)
{
    struct cmsghdr *c;

    m->msg_control = space->space;
    m->msg_controllen = CMSG_SPACE(n * sizeof(int));
    c = CMSG_FIRSTHDR(m);
    c->cmsg_level = SOL_SOCKET;
    c->cmsg_type = SCM_RIGHTS;
    c->cmsg_len = CMSG_LEN(n * sizeof(int));
    for (unsigned i = 0; i < n; i++)
        memcpy(CMSG_DATA(c) + i * sizeof(int), &p->fds[i].fd, sizeof(int));
}

static void fds_sent(struct peer *p, unsigned n)
{
    if (!n)
        return;
    for (unsigned i = 0; i < n; i++)
        close(p->fds[i].fd);
    memmove(p->fds, p->fds + n, (p->n_fds - n) * sizeof *p->fds);
    p->n_fds -= n;
}

/* Sends up to `bytes` octets; what left, or 0 when the socket is full or broken. */
static size_t send_some(struct peer *p, size_t bytes)
{
    union fd_space space = {0};
    unsigned n_fds = p->n_fds ? fds_to_send(p, &bytes) : 0;
    struct iovec iov = {p->out.p + p->out_at, bytes};
    struct msghdr m = {.msg_iov = &iov, .msg_iovlen = 1};
    ssize_t n;

    if (n_fds)
        put_fds(&m, &space, p, n_fds);
    do
        n = sendmsg(p->fd, &m, MSG_NOSIGNAL | MSG_DONTWAIT);
    while (n < 0 && errno == EINTR);
    if (n < 0) {
        p->blocked = errno == EAGAIN || errno == ENOBUFS || errno == ETOOMANYREFS;
        p->broken = !p->blocked;
        return 0;
    }
    p->out_at += (size_t)n;
    p->out_done += (uint64_t)n;
    fds_sent(p, n_fds);
    return (size_t)n;
}

/* With faults set each frame goes by itself, so that a kill falls between any two. */
static size_t send_frame(struct peer *p)
{
    struct str in = str_of(p->out.p + p->out_at, waiting(p));
    size_t before = in.n, n;
    struct frame f;

    if (frame_take(&in, &f) != FRAME_WHOLE)
        return send_some(p, before);
    io_pass(bus_row(f.type)->send_point);
    n = send_some(p, before - in.n);
    if (n)
        io_passed(bus_row(f.type)->send_point);
    return n;
}

static void forget_output(struct peer *p)
{
    fds_sent(p, (unsigned)p->n_fds);
    p->out_at = 0;
    buf_clear(&p->out);
    buf_shrink(&p->out, KEEP_BYTES);
}

void peer_flush(struct peer *p)
{
    bool was_blocked = p->blocked;

    p->blocked = false;
    while (waiting(p) && !p->broken && (p->bus->faults ? send_frame(p) : send_some(p, waiting(p))))
        ;
    if (p->broken) {
        shutdown(p->fd, SHUT_RDWR);
        forget_output(p);
    } else if (!waiting(p)) {
        forget_output(p);
    } else if (p->out_at > FULL_BYTES) {
        buf_drop(&p->out, p->out_at);
        p->out_at = 0;
    }
    if (p->blocked != was_blocked)
        peer_watch(p);
}

static bool take_fds(struct peer *p, struct msghdr *m)
{
    bool room = true;

    for (struct cmsghdr *c = CMSG_FIRSTHDR(m); c; c = CMSG_NXTHDR(m, c)) {
        size_t n = c->cmsg_level == SOL_SOCKET && c->cmsg_type == SCM_RIGHTS ? (c->cmsg_len - CMSG_LEN(0)) / sizeof(int) : 0;

        for (size_t i = 0; i < n; i++) {
            int fd;

            memcpy(&fd, CMSG_DATA(c) + i * sizeof(int), sizeof fd);
            if (p->n_fds_in < FDS_TOGETHER) {
                p->fds_in[p->n_fds_in++] = fd;
            } else {
                close(fd);
                room = false;
            }
        }
    }
    return room && !(m->msg_flags & MSG_CTRUNC);
}

/* The oldest descriptor that came, -1 when there is none. */
static int next_fd(struct peer *p)
{
    int fd;

    if (!p->n_fds_in)
        return -1;
    fd = p->fds_in[0];
    p->n_fds_in--;
    memmove(p->fds_in, p->fds_in + 1, p->n_fds_in * sizeof fd);
    return fd;
}

/* Handles every whole frame in *in, leaves the rest there. False: a rule was broken. */
static bool frames(struct peer *p, struct str *in)
{
    struct frame f;

    for (;;) {
        int fd = -1;

        switch (frame_take(in, &f)) {
        case FRAME_MORE:
            return true;
        case FRAME_BAD:
            return false;
        case FRAME_WHOLE:
            break;
        }
        if ((f.flags & FRAME_FD) && (fd = next_fd(p)) < 0)
            return false;
        if (!bus_dispatch(p->bus, p, &f, fd))
            return false;
    }
}

/* Frames are read where they lie; only a cut one at the end is copied to wait for its rest. */
static bool input(struct peer *p, struct str data)
{
    bool fine;

    if (p->in.n == 0) {
        fine = frames(p, &data);
        buf_add(&p->in, data);
    } else {
        struct str all;

        buf_add(&p->in, data);
        all = buf_str(&p->in);
        fine = frames(p, &all);
        buf_drop(&p->in, p->in.n - all.n);
    }
    buf_shrink(&p->in, KEEP_BYTES);
    return fine && !p->in.failed;
}

enum reading { READ_ON, READ_ENOUGH, READ_END };

static enum reading read_once(struct peer *p, char *buf)
{
    union fd_space space;
    struct iovec iov = {buf, READ_BYTES};
    struct msghdr m = {.msg_iov = &iov, .msg_iovlen = 1, .msg_control = space.space, .msg_controllen = sizeof space.space};
    ssize_t n = recvmsg(p->fd, &m, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);

    if (n < 0 && (errno == EAGAIN || errno == EINTR))
        return READ_ENOUGH;
    if (n <= 0)
        return READ_END;
    if (m.msg_controllen && !take_fds(p, &m))
        return READ_END;
    if (!input(p, str_of(buf, (size_t)n)))
        return READ_END;
    /* A read ends at a descriptor though more may wait. */
    return n == READ_BYTES || m.msg_controllen ? READ_ON : READ_ENOUGH;
}

bool peer_read(struct peer *p, char *buf)
{
    return read_once(p, buf) != READ_END;
}

static void ready(uv_poll_t *poll, int status, int events)
{
    struct peer *p = poll->data;
    enum reading now = status < 0 ? READ_END : READ_ON;

    if (events & UV_WRITABLE)
        p->bus->dirty = true; /* PHASE_BUS of this turn goes on with it */
    if (!(events & UV_READABLE) && status >= 0)
        return;
    for (int i = 0; i < READS_A_TURN && now == READ_ON && p->present; i++)
        now = read_once(p, p->bus->read_buf);
    if (now == READ_END && p->present)
        bus_peer_ended(p->bus, p);
}

void peer_watch(struct peer *p)
{
    bool reads = !p->bus->held || p->face.role == ROLE_control;
    int events = (reads ? UV_READABLE : 0) | (p->blocked ? UV_WRITABLE : 0);

    if (events)
        must(uv_poll_start(&p->poll, events, ready) == 0);
    else
        uv_poll_stop(&p->poll);
}

struct peer *peer_new(struct bus *b, int fd)
{
    struct peer *p = calloc(1, sizeof *p);

    if (!p)
        return NULL;
    p->bus = b;
    p->fd = fd;
    p->present = true;
    p->out = BUF((size_t)FRAME_MAX * 4);
    p->in = BUF((size_t)FRAME_MAX + FRAME_HEAD + READ_BYTES);
    if (uv_poll_init(loop_uv(b->loop), &p->poll, fd) != 0) {
        free(p);
        return NULL;
    }
    p->poll.data = p;
    return p;
}

static void closed(uv_handle_t *h)
{
    struct peer *p = h->data;

    bus_handle_closed(p->bus);
}

void peer_close(struct peer *p)
{
    int fd;

    p->present = false;
    forget_output(p);
    buf_done(&p->out);
    buf_done(&p->in);
    free(p->fds);
    p->fds = NULL;
    p->cap_fds = 0;
    while ((fd = next_fd(p)) >= 0)
        close(fd);
    p->bus->closing++;
    uv_close((uv_handle_t *)&p->poll, closed);
    close(p->fd);
    p->fd = -1;
}
