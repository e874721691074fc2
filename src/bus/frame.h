/*
 * One bus message as octets: {u32 payload octets, u16 type, u16 flags, u64 call, u64 stamp}, little endian, then the payload
 * (base/fields). Pure coding: no sockets.
 */
#ifndef BUS_FRAME_H
#define BUS_FRAME_H

#include "bus/rows.h"

enum { FRAME_HEAD = 24, FRAME_MAX = 64 << 20 };
enum { FRAME_CALL = 1, FRAME_REPLY = 2, FRAME_FD = 4, FRAME_FLAGS = 7 };

struct frame {
    uint16_t type, flags;
    uint64_t call;      /* number of the call this is or answers; 0 for a plain message */
    uint64_t stamp;     /* hybrid clock of the sender */
    struct str payload; /* view into the input */
};

/* Room for any decoded message. */
union frame_message {
#define BUS(name, from, to, fields) struct bus_##name as_##name;
#include "spec/bus.def"
#undef BUS
};

enum frame_state { FRAME_WHOLE, FRAME_MORE, FRAME_BAD };

/* Cuts one frame off the front of *in. FRAME_MORE (needs more octets) leaves *in alone; FRAME_BAD: too large, unknown type
 * or flags, call number and flags that do not fit. */
enum frame_state frame_take(struct str *in, struct frame *out);
/* Appends a frame; false (and nothing added) when it is over FRAME_MAX or the buffer is full. */
bool frame_put(struct buf *out, const struct frame *head, const void *msg);

#endif
