/*
 * The line between master and each role: a socket pair of packets (SOCK_SEQPACKET), one message each, at most one
 * descriptor with it. Master believes nothing a role says beyond what line.def lists, and only control is listened to.
 */
#ifndef ROLE_LINE_H
#define ROLE_LINE_H

#include "base/err.h"
#include "base/fields.h"

/* In LINE(count): no process of that role. */
#define ROLE_NONE UINT64_MAX

enum line_type {
    LINE_NONE,
#define LINE(name, fields) LINE_##name,
#include "role/line.def"
#undef LINE
    LINE_TYPE_COUNT
};

#define F_U64(name) uint64_t name;
#define F_STR(name) struct str name;
#define LINE(name, fields) \
    struct line_##name { \
        fields \
    };
#include "role/line.def"
#undef LINE
#undef F_U64
#undef F_STR

enum { LINE_FD = 3, LOCK_FD = 4, LINE_BYTES = 4096 };

/* One message that came. `msg` points to struct line_NAME, whose strings are views into `octets`; fd is -1 or the
 * receiver's. */
struct line_in {
    enum line_type type;
    int fd;
    union {
#define LINE(name, fields) struct line_##name as_##name;
#include "role/line.def"
#undef LINE
    } msg;
    char octets[LINE_BYTES];
};

/* Sends without waiting; fd < 0 = none (it stays the sender's). False when the other side is gone or does not read. */
bool line_send(int line, enum line_type type, const void *msg, int fd);
#define line_say(line, fd, name, ...) line_send((line), LINE_##name, &(struct line_##name){__VA_ARGS__}, (fd))

enum line_state { LINE_GOT, LINE_EMPTY, LINE_END };
/* Takes one message; a packet that cannot be read is skipped. `wait` blocks until there is one. */
enum line_state line_take(int line, struct line_in *in, bool wait);

#endif
