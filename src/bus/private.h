/* What the files of this room share: the bus, a peer with its socket and buffers, a pending call. */
#ifndef BUS_PRIVATE_H
#define BUS_PRIVATE_H

#include "bus/frame.h"

enum { READ_BYTES = 64 << 10, READS_A_TURN = 16, FDS_TOGETHER = 32, FULL_BYTES = 1 << 20, KEEP_BYTES = 64 << 10 };

/* A descriptor on its way out, and where its frame begins, counted in octets ever queued for this peer. */
struct fd_out {
    int fd;
    uint64_t at;
};

struct peer {
    struct bus_peer face; /* first: a bus_peer pointer is a peer pointer */
    struct bus *bus;
    struct peer *next; /* in bus->peers (present) or bus->dead */
    uv_poll_t poll;
    int fd;
    bool present; /* false once gone: sending does nothing */
    bool broken;  /* cannot be written any more: the read side will see the end */
    bool blocked; /* the socket is full: waits for writability */
    struct buf out;
    size_t out_at;      /* octets of `out` that have left */
    uint64_t out_done;  /* octets that ever left */
    struct fd_out *fds; /* descriptors to send, oldest first */
    size_t n_fds, cap_fds;
    struct buf in;            /* a frame of which only a part has come */
    int fds_in[FDS_TOGETHER]; /* descriptors that came, their frames not yet */
    unsigned n_fds_in;
};

struct call {
    struct bus *bus;
    uint64_t id;      /* 0 = free */
    uint64_t next_id; /* of the next use of this place */
    struct peer *to;  /* NULL: was away */
    bus_reply_fn *fn;
    void *ctx;
    struct loop_timer timer;
    struct call *next_free;
};

enum { PEER_WATCHERS = 8 };

struct bus {
    struct loop *loop;
    enum role self;
    unsigned index;
    uint64_t stamp;   /* last stamp given or read */
    uint64_t dropped; /* messages without handler, replies without call */
    bool faults;      /* POSTERN_FAULT is set: send frame by frame so that a kill can fall between two */
    bool held;
    bool dirty; /* some peer has output */
    struct peer *peers, *dead;
    unsigned closing; /* uv handles not yet closed */
    bool freed;       /* the memory goes when the last handle is closed */
    struct {
        bus_handler *fn;
        void *ctx;
    } handlers[BUS_TYPE_COUNT];
    struct {
        void (*come)(void *ctx, struct bus_peer *p);
        void (*gone)(void *ctx, struct bus_peer *p);
        void *ctx;
    } watchers[PEER_WATCHERS];
    unsigned n_watchers;
    struct call **calls;
    size_t n_calls;
    struct call *free_calls;
    union frame_message message; /* the message being handled */
    char *read_buf;              /* READ_BYTES */
    char *wait_buf; /* the same for bus_wait(): read_buf may hold frames still to be handled; NULL = never waited */
    bool waiting;
};

/* peer.c */
struct peer *peer_new(struct bus *b, int fd);
void peer_flush(struct peer *p);
/* Reads once into `buf` (READ_BYTES) and handles what is whole; false: the peer is to be ended. */
bool peer_read(struct peer *p, char *buf);
/* Which events the socket is watched for, after held or blocked changed. */
void peer_watch(struct peer *p);
/* Closes the socket and forgets its buffers; the struct stays (bus->dead). */
void peer_close(struct peer *p);

/* bus.c: adds a frame to the peer's output; false when the peer is NULL or gone. A descriptor is duplicated. */
bool bus_queue(struct bus *b, struct bus_peer *to, struct frame *f, const void *msg, int fd);
/* One whole frame came. False: it breaks a rule, the peer must end. fd is -1 or now the callee's. */
bool bus_dispatch(struct bus *b, struct peer *from, const struct frame *f, int fd);
/* The peer's connection ended or broke a rule: tells everyone. */
void bus_peer_ended(struct bus *b, struct peer *p);
/* libuv is done with the handle of a closed peer. */
void bus_handle_closed(struct bus *b);

/* call.c */
bool call_answered(struct bus *b, struct peer *from, uint64_t id, const void *msg);
void calls_of_peer_gone(struct bus *b, struct peer *p);
void calls_free(struct bus *b);

#endif
