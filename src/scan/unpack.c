/*
 * The worker's side of unpacking. See unpack.h.
 *
 * Called by content.c. Owns the line to the helper and, while a message is judged, the line to a child. Every wait ends at
 * the deadline. A child that is late, gone or says what cannot be true is given up, and the helper ends it.
 */
#include "scan/unpack_wire.h"

#include "base/clock.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

enum { LIVE_MS = 3000 }; /* how long a child may outlive the deadline it was started for */

struct unpacker {
    int helper, child; /* -1 = none */
    pid_t helper_pid;
    uint64_t memory; /* of the present child */
};

const char *unpack_end_text(enum unpack_end end)
{
    static const char *const texts[UNPACK_ENDS] = {
        [UNPACK_END_DONE] = "",
        [UNPACK_END_ENCRYPTED] = "encrypted",
        [UNPACK_END_DAMAGED] = "damaged archive",
        [UNPACK_END_NONE] = "no readable archive",
        [UNPACK_END_ENTRIES] = "too many entries",
        [UNPACK_END_BYTES] = "unpacks to too much",
        [UNPACK_END_RATIO] = "compression ratio",
        [UNPACK_END_TIME] = "unpacking takes too long",
        [UNPACK_END_CRASHED] = "the unpacker failed",
        [UNPACK_END_HELPER] = "no unpacker",
    };

    return end < UNPACK_ENDS ? texts[end] : "";
}

struct unpacker *unpacker_new(void)
{
    struct unpacker *u = calloc(1, sizeof *u);
    pid_t parent = getpid();
    int pair[2];

    if (!u || socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) != 0) {
        free(u);
        return NULL;
    }
    u->child = -1;
    u->helper = pair[0];
    u->helper_pid = fork();
    if (u->helper_pid == 0) {
        dup2(pair[1], 3);
        close_range(4, ~0u, 0);
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        if (getppid() != parent)
            _exit(0);
        unpack_helper(3);
    }
    close(pair[1]);
    if (u->helper_pid > 0)
        return u;
    close(u->helper);
    free(u);
    return NULL;
}

void unpacker_rest(struct unpacker *u)
{
    if (u && u->child >= 0) {
        close(u->child);
        u->child = -1;
        u->memory = 0;
    }
}

void unpacker_free(struct unpacker *u)
{
    if (!u)
        return;
    unpacker_rest(u);
    close(u->helper);
    while (waitpid(u->helper_pid, NULL, 0) < 0 && errno == EINTR)
        ;
    free(u);
}

/* The packet for the helper, with the child's end of the line; fd < 0 = end the present child. */
static bool tell_helper(struct unpacker *u, const struct unpack_start *start, int fd)
{
    union {
        char octets[CMSG_SPACE(sizeof(int))];
        struct cmsghdr align;
    } control = {{0}};
    struct iovec iov = {(void *)(uintptr_t)start, sizeof *start};
    struct msghdr msg = {.msg_iov = &iov, .msg_iovlen = 1};
    struct cmsghdr *c;

    if (fd >= 0) {
        msg.msg_control = control.octets;
        msg.msg_controllen = sizeof control;
        c = CMSG_FIRSTHDR(&msg);
        c->cmsg_level = SOL_SOCKET;
        c->cmsg_type = SCM_RIGHTS;
        c->cmsg_len = CMSG_LEN(sizeof fd);
        memcpy(CMSG_DATA(c), &fd, sizeof fd);
    }
    return sendmsg(u->helper, &msg, MSG_NOSIGNAL) == (ssize_t)sizeof *start;
}

static void give_up(struct unpacker *u)
{
    unpacker_rest(u);
    tell_helper(u, &(struct unpack_start){0}, -1);
}

/* A child whose memory is enough for this archive. */
static bool want_child(struct unpacker *u, uint64_t octets, const struct unpack_limits *l)
{
    uint64_t memory = UNPACK_MEMORY_BASE + octets + l->bytes, now = clock_mono_ms();
    int pair[2];
    bool sent;

    memory = memory < UNPACK_MEMORY_MOST ? memory : UNPACK_MEMORY_MOST + octets;
    if (u->child >= 0 && u->memory >= memory)
        return true;
    unpacker_rest(u);
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) != 0)
        return false;
    sent =
        tell_helper(u, &(struct unpack_start){memory, (l->deadline_ms > now ? l->deadline_ms - now : 0) + LIVE_MS}, pair[1]);
    close(pair[1]);
    u->child = pair[0];
    u->memory = memory;
    if (!sent)
        unpacker_rest(u);
    return sent;
}

/* --- octets with a deadline ----------------------------------------------------------------------------------------- */

static enum unpack_end wait_for(int child, short events, uint64_t deadline_ms)
{
    struct pollfd p = {.fd = child, .events = events};

    for (;;) {
        uint64_t now = clock_mono_ms();
        int n;

        if (now >= deadline_ms)
            return UNPACK_END_TIME;
        n = poll(&p, 1, (int)(deadline_ms - now < 60000 ? deadline_ms - now : 60000));
        if (n > 0)
            return UNPACK_END_DONE;
        if (n < 0 && errno != EINTR)
            return UNPACK_END_CRASHED;
    }
}

static enum unpack_end send_all(int child, const void *from, size_t n, uint64_t deadline_ms)
{
    const char *p = from;

    while (n) {
        ssize_t k = send(child, p, n, MSG_NOSIGNAL | MSG_DONTWAIT);

        if (k > 0) {
            p += k;
            n -= (size_t)k;
        } else if (k < 0 && (errno == EAGAIN || errno == EINTR)) {
            enum unpack_end end = wait_for(child, POLLOUT, deadline_ms);

            if (end != UNPACK_END_DONE)
                return end;
        } else {
            return UNPACK_END_CRASHED;
        }
    }
    return UNPACK_END_DONE;
}

static enum unpack_end take_all(int child, void *to, size_t n, uint64_t deadline_ms)
{
    char *p = to;

    while (n) {
        ssize_t k = recv(child, p, n, MSG_DONTWAIT);

        if (k > 0) {
            p += k;
            n -= (size_t)k;
        } else if (k < 0 && (errno == EAGAIN || errno == EINTR)) {
            enum unpack_end end = wait_for(child, POLLIN, deadline_ms);

            if (end != UNPACK_END_DONE)
                return end;
        } else {
            return UNPACK_END_CRASHED;
        }
    }
    return UNPACK_END_DONE;
}

/* --- one archive ---------------------------------------------------------------------------------------------------- */

bool unpack_say_check(const struct unpack_say *s, uint64_t bytes_left)
{
    if (s->last)
        return s->end < UNPACK_ENDS && !s->name && !s->size;
    return s->name <= UNPACK_NAME_MOST && s->size <= bytes_left && !(s->encrypted && s->size);
}

static enum unpack_end take_member(int child, const struct unpack_say *s, const struct unpack_taker *to,
                                   uint64_t deadline_ms)
{
    char name[UNPACK_NAME_MOST];
    struct unpack_member m = {.encrypted = s->encrypted, .size = s->size};
    enum unpack_end end = take_all(child, name, s->name, deadline_ms);
    char *room;

    if (end != UNPACK_END_DONE)
        return end;
    m.name = str_of(name, s->name);
    room = to->room(to->ctx, &m);
    if (!room)
        return UNPACK_END_BYTES;
    end = take_all(child, room, s->size, deadline_ms);
    if (end == UNPACK_END_DONE)
        to->member(to->ctx, &m, str_of(room, s->size));
    return end;
}

static enum unpack_end take_answers(int child, const struct unpack_limits *l, const struct unpack_taker *to,
                                    uint64_t *entries, uint64_t *bytes)
{
    struct unpack_say s;
    enum unpack_end end;

    for (;;) {
        end = take_all(child, &s, sizeof s, l->deadline_ms);
        if (end != UNPACK_END_DONE)
            return end;
        if (!unpack_say_check(&s, l->bytes - *bytes))
            return UNPACK_END_CRASHED;
        if (s.last)
            return s.end;
        if (++*entries > l->entries)
            return UNPACK_END_CRASHED;
        *bytes += s.size;
        end = take_member(child, &s, to, l->deadline_ms);
        if (end != UNPACK_END_DONE)
            return end;
    }
}

enum unpack_end unpack_take_answers(int child, const struct unpack_limits *l, const struct unpack_taker *to)
{
    uint64_t entries = 0, bytes = 0;

    return take_answers(child, l, to, &entries, &bytes);
}

void unpacker_test_kill(struct unpacker *u)
{
    tell_helper(u, &(struct unpack_start){0}, -1);
    while (recv(u->child, &(char){0}, 1, 0) > 0)
        ;
}

static bool child_is_well(enum unpack_end end)
{
    return end != UNPACK_END_TIME && end != UNPACK_END_CRASHED && end != UNPACK_END_HELPER;
}

enum unpack_end unpack_run(struct unpacker *u, struct str octets, enum unpack_how how, const struct unpack_limits *l,
                           const struct unpack_taker *to, uint64_t *entries_out, uint64_t *bytes_out)
{
    struct unpack_ask ask = {.octets = octets.n, .entries = l->entries, .bytes = l->bytes, .ratio = l->ratio, .how = how};
    enum unpack_end end;

    *entries_out = *bytes_out = 0;
    if (!u || !l->ratio || !want_child(u, octets.n, l))
        return UNPACK_END_HELPER;
    end = send_all(u->child, &ask, sizeof ask, l->deadline_ms);
    if (end == UNPACK_END_DONE)
        end = send_all(u->child, octets.p, octets.n, l->deadline_ms);
    if (end == UNPACK_END_DONE)
        end = take_answers(u->child, l, to, entries_out, bytes_out);
    if (!child_is_well(end) || (end == UNPACK_END_BYTES && u->child >= 0))
        give_up(u); /* a refused member leaves octets on the line */
    return end;
}
