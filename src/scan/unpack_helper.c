/*
 * The helper: forks a child for each archive session and ends it when its time is over. See unpack_wire.h.
 *
 * Forked by unpack_new() before the worker gives up its rights; reads nothing but the worker's fixed packets. Owns at most
 * one child. Ends when the worker does. One thread, no loop library: what runs here must be small enough to be seen through.
 */
#include "scan/unpack_wire.h"

#include "base/clock.h"

#include <errno.h>
#include <locale.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

struct child {
    pid_t pid; /* 0 = none */
    uint64_t until_ms;
};

static void end_child(struct child *c)
{
    if (!c->pid)
        return;
    kill(c->pid, SIGKILL);
    while (waitpid(c->pid, NULL, 0) < 0 && errno == EINTR)
        ;
    c->pid = 0;
}

/* 1 = got a packet, 0 = the worker is gone. */
static bool take(int fd, struct unpack_start *start, int *child_fd)
{
    union {
        char octets[CMSG_SPACE(sizeof(int))];
        struct cmsghdr align;
    } control;
    struct iovec iov = {start, sizeof *start};
    struct msghdr msg = {.msg_iov = &iov, .msg_iovlen = 1, .msg_control = control.octets, .msg_controllen = sizeof control};
    ssize_t n;

    *child_fd = -1;
    do
        n = recvmsg(fd, &msg, MSG_CMSG_CLOEXEC);
    while (n < 0 && errno == EINTR);
    for (struct cmsghdr *c = CMSG_FIRSTHDR(&msg); n > 0 && c; c = CMSG_NXTHDR(&msg, c))
        if (c->cmsg_level == SOL_SOCKET && c->cmsg_type == SCM_RIGHTS)
            memcpy(child_fd, CMSG_DATA(c), sizeof(int));
    return n == (ssize_t)sizeof *start;
}

static void start_child(struct child *c, int fd, const struct unpack_start *start, int helper_fd)
{
    end_child(c);
    c->pid = fork();
    if (c->pid == 0) {
        close(helper_fd);
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        unpack_child(fd, start);
    }
    if (c->pid < 0)
        c->pid = 0;
    c->until_ms = clock_mono_ms() + start->live_ms;
}

static int wait_ms(const struct child *c)
{
    uint64_t now = clock_mono_ms();

    if (!c->pid)
        return -1;
    return c->until_ms > now ? (int)(c->until_ms - now < 60000 ? c->until_ms - now : 60000) : 0;
}

_Noreturn void unpack_helper(int fd)
{
    struct child c = {0};
    struct unpack_start start;
    int child_fd;

    setlocale(LC_ALL, "C.UTF-8"); /* names of archives in UTF-8 */
    signal(SIGPIPE, SIG_IGN);
    signal(SIGTERM, SIG_IGN); /* it ends with the worker */
    signal(SIGINT, SIG_IGN);
    if (!unpack_jail_helper())
        _exit(1);
    for (;;) {
        struct pollfd p = {.fd = fd, .events = POLLIN};
        int n = poll(&p, 1, wait_ms(&c));

        if (c.pid && wait_ms(&c) == 0)
            end_child(&c);
        if (n <= 0)
            continue;
        if (!take(fd, &start, &child_fd)) {
            end_child(&c);
            _exit(0);
        }
        if (child_fd < 0) {
            end_child(&c); /* the worker wants no more of it */
            continue;
        }
        start_child(&c, child_fd, &start, fd);
        close(child_fd);
    }
}
