/*
 * Typed messages between roles.
 *
 * A role never connects by itself: master makes a socket pair for each pair of roles that a row of spec/bus.def joins and
 * hands an end to each (again after a restart). Messages queue in memory and leave once per loop turn, one sendmsg a peer
 * (loop phase BUS). A peer that does not read is given up to 1 MiB; then bus_full() is true and its sender must stop taking
 * work from whatever feeds that peer.
 *
 * A frame that is malformed, of an unknown type, or of a type its sender may not send ends the connection to that peer
 * (and master restarts the sender): nothing else is affected.
 */
#ifndef BUS_BUS_H
#define BUS_BUS_H

#include "base/err.h"
#include "base/fields.h"
#include "net/loop.h"

enum role {
#define ROLE(name, least, most, processors, restart_ms, help) ROLE_##name,
#include "spec/roles.def"
#undef ROLE
    ROLE_COUNT,
    ROLE_any = ROLE_COUNT
};

const char *role_name(enum role r);

enum bus_type {
    BUS_NONE,
#define BUS(name, from, to, fields) BUS_##name,
#include "spec/bus.def"
#undef BUS
    BUS_TYPE_COUNT
};

#define F_U64(name) uint64_t name;
#define F_STR(name) struct str name;
#define BUS(name, from, to, fields) \
    struct bus_##name { \
        fields \
    };
#include "spec/bus.def"
#undef BUS
#undef F_U64
#undef F_STR

struct bus;

/* The other end: one process of one role in one life. After the gone callback nothing is sent any more; the struct itself
 * stays until bus_free(), so a pointer kept too long does no harm. */
struct bus_peer {
    enum role role;
    unsigned index; /* which process of that role, from 0 */
    unsigned life;  /* rises with each restart of that process */
    void *user;     /* free for the room that owns the conversation with this peer */
};

/* What a handler gets. `msg` points to the decoded struct bus_NAME; its strings are views valid during the call.
 * `call` is 0 for a plain message, else the number to answer with bus_reply(). `fd` is a file descriptor that came along
 * (-1 = none) and belongs to the handler. */
struct bus_in {
    struct bus_peer *from;
    uint64_t call;
    const void *msg;
    int fd;
};
typedef void bus_handler(void *ctx, const struct bus_in *in);
/* Reply to a call: rc is RC_OK and msg the decoded struct, or RC_TIMEOUT / RC_UNAVAILABLE (peer gone) and msg NULL. */
typedef void bus_reply_fn(void *ctx, enum rc rc, const void *msg);

/* Registers the handler of one message type; a type without handler is dropped (and counted). */
void bus_on(struct bus *b, enum bus_type type, bus_handler *fn, void *ctx);
/* Peers that come (after every start and restart; those present now at once) and go. Either may be NULL. At most 8 a bus. */
void bus_on_peer(struct bus *b, void (*come)(void *ctx, struct bus_peer *p), void (*gone)(void *ctx, struct bus_peer *p),
                 void *ctx);

/* Present peer, or NULL while that process is away. */
struct bus_peer *bus_peer(struct bus *b, enum role role, unsigned index);
/* Calls fn for every present peer of a role (ROLE_any = all). */
void bus_each(struct bus *b, enum role role, void (*fn)(void *ctx, struct bus_peer *p), void *ctx);

/* Queues a message; it leaves at the end of this turn. False when the peer is NULL or gone: the message is dropped (what
 * must arrive is repeated when the peer comes back: see D3). */
bool bus_send(struct bus *b, struct bus_peer *to, enum bus_type type, const void *msg);
bool bus_send_fd(struct bus *b, struct bus_peer *to, enum bus_type type, const void *msg, int fd); /* fd is duplicated */
void bus_send_all(struct bus *b, enum role role, enum bus_type type, const void *msg);
/* A message that wants an answer. `fn` runs exactly once, unless it was cancelled. Returns the call's number (never 0). */
uint64_t bus_call(struct bus *b, struct bus_peer *to, enum bus_type type, const void *msg, uint64_t timeout_ms,
                  bus_reply_fn *fn, void *ctx);
/* The same with a descriptor, which is duplicated. */
uint64_t bus_call_fd(struct bus *b, struct bus_peer *to, enum bus_type type, const void *msg, int fd, uint64_t timeout_ms,
                     bus_reply_fn *fn, void *ctx);
void bus_cancel(struct bus *b, uint64_t call);
void bus_reply(struct bus *b, struct bus_peer *to, uint64_t call, enum bus_type type, const void *msg);
/* More than 1 MiB waits for this peer. */
bool bus_full(const struct bus *b, const struct bus_peer *to);

/* For workers that block (scan): sends what is queued for `from`, then reads from it alone until done(ctx) is true; handlers
 * of its messages and functions of its calls run inside. False: `timeout_ms` passed, or that peer is gone. May be called
 * from a handler of another peer's message, whose struct stays as it was; not from one of `from` itself, nor inside itself.
 */
bool bus_wait(struct bus *b, struct bus_peer *from, uint64_t timeout_ms, bool (*done)(void *ctx), void *ctx);

/* Hybrid clock stamp for an event emitted now: max(own monotonic ns, last stamp read from the bus) + 1 (F1). Every frame
 * carries the sender's stamp. */
uint64_t bus_stamp(struct bus *b);

/* While held, only control is read: what others send waits in its socket until the role has its settings and handlers. */
void bus_hold(struct bus *b, bool on);

/* A bus; role_main makes it and attaches a peer for each descriptor (stream socket) from master. Tests join two buses by a
 * socket pair. bus_attach() owns the descriptor and ends an earlier life of the same process. bus_free() comes
 * before loop_free(). */
struct bus *bus_new(struct loop *loop, enum role self, unsigned index);
void bus_free(struct bus *b);
struct bus_peer *bus_attach(struct bus *b, int fd, enum role role, unsigned index, unsigned life);

#endif
