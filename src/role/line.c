/*
 * Packets between master and a role. See line.h.
 *
 * Called by master and role.c. Owns nothing. The socket is a local pair, so a packet comes whole or not at all; one that
 * does not decode is dropped, and a line that is full counts as gone: its reader has stopped reading.
 */
#include "role/line.h"

#include <errno.h>
#include <sys/socket.h>
#include <unistd.h>

#define F_U64(name) {#name, FIELD_U64},
#define F_STR(name) {#name, FIELD_STR},
#define LINE(name, fields) static const struct field fields_##name[] = {fields{NULL, FIELD_END}};
#include "role/line.def"
#undef LINE
#undef F_U64
#undef F_STR

static const struct field *const tables[LINE_TYPE_COUNT] = {
#define LINE(name, fields) [LINE_##name] = fields_##name,
#include "role/line.def"
#undef LINE
};

union one_fd {
    struct cmsghdr align;
    char space[CMSG_SPACE(sizeof(int))];
};

bool line_send(int line, enum line_type type, const void *msg, int fd)
{
    struct buf b = BUF(LINE_BYTES);
    union one_fd space = {0};
    struct iovec iov;
    struct msghdr m = {.msg_iov = &iov, .msg_iovlen = 1};
    ssize_t n = -1;

    buf_put_u8(&b, (uint8_t)type);
    fields_encode(tables[type], msg, &b);
    iov = (struct iovec){b.p, b.n};
    if (fd >= 0) {
        struct cmsghdr *c = &space.align;

        m.msg_control = space.space;
        m.msg_controllen = sizeof space.space;
        c->cmsg_level = SOL_SOCKET;
        c->cmsg_type = SCM_RIGHTS;
        c->cmsg_len = CMSG_LEN(sizeof(int));
        memcpy(CMSG_DATA(c), &fd, sizeof fd);
    }
    while (!b.failed && (n = sendmsg(line, &m, MSG_NOSIGNAL | MSG_DONTWAIT)) < 0 && errno == EINTR)
        ;
    buf_done(&b);
    return n >= 0;
}

static int fd_of(struct msghdr *m)
{
    struct cmsghdr *c = CMSG_FIRSTHDR(m);
    int fd = -1;

    if (c && c->cmsg_level == SOL_SOCKET && c->cmsg_type == SCM_RIGHTS && c->cmsg_len >= CMSG_LEN(sizeof fd))
        memcpy(&fd, CMSG_DATA(c), sizeof fd);
    return fd;
}

static bool decode(struct line_in *in, struct str packet)
{
    uint8_t type;

    if (!get_u8(&packet, &type) || type == LINE_NONE || type >= LINE_TYPE_COUNT)
        return false;
    in->type = (enum line_type)type;
    return fields_decode(tables[type], packet, &in->msg);
}

enum line_state line_take(int line, struct line_in *in, bool wait)
{
    for (;;) {
        union one_fd space;
        struct iovec iov = {in->octets, sizeof in->octets};
        struct msghdr m = {
            .msg_iov = &iov, .msg_iovlen = 1, .msg_control = space.space, .msg_controllen = sizeof space.space};
        ssize_t n = recvmsg(line, &m, MSG_CMSG_CLOEXEC | (wait ? 0 : MSG_DONTWAIT));

        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0 && errno == EAGAIN)
            return LINE_EMPTY;
        if (n <= 0)
            return LINE_END;
        in->fd = fd_of(&m);
        if (decode(in, str_of(in->octets, (size_t)n)))
            return LINE_GOT;
        if (in->fd >= 0)
            close(in->fd);
    }
}
