/*
 * Bus messages to octets and back. See frame.h.
 *
 * Called by bus/peer.c on what another process sent: nothing in it is trusted. Owns nothing; a bad frame is reported, its
 * connection ended by the caller.
 */
#include "bus/frame.h"

static bool well_formed(const struct frame *f)
{
    unsigned kind = f->flags & (FRAME_CALL | FRAME_REPLY);

    if (!bus_row(f->type) || (f->flags & ~FRAME_FLAGS) || kind == (FRAME_CALL | FRAME_REPLY))
        return false;
    return (kind != 0) == (f->call != 0);
}

enum frame_state frame_take(struct str *in, struct frame *out)
{
    struct str rest = *in;
    struct frame f;
    uint32_t n;

    if (!get_u32(&rest, &n))
        return FRAME_MORE;
    if (n > FRAME_MAX)
        return FRAME_BAD;
    if (!get_u16(&rest, &f.type) || !get_u16(&rest, &f.flags) || !get_u64(&rest, &f.call) || !get_u64(&rest, &f.stamp))
        return FRAME_MORE;
    if (!well_formed(&f))
        return FRAME_BAD;
    if (rest.n < n)
        return FRAME_MORE;
    f.payload = str_first(rest, n);
    *in = str_from(rest, n);
    *out = f;
    return FRAME_WHOLE;
}

static void store(char *at, uint64_t v, size_t octets)
{
    for (size_t i = 0; i < octets; i++)
        at[i] = (char)(v >> 8 * i);
}

bool frame_put(struct buf *out, const struct frame *head, const void *msg)
{
    size_t start = out->n;
    char *at = buf_reserve(out, FRAME_HEAD);

    if (at) {
        store(at + 4, head->type, 2);
        store(at + 6, head->flags, 2);
        store(at + 8, head->call, 8);
        store(at + 16, head->stamp, 8);
        out->n += FRAME_HEAD;
    }
    fields_encode(bus_row(head->type)->fields, msg, out);
    if (out->failed || out->n - start - FRAME_HEAD > FRAME_MAX) {
        out->n = start;
        out->failed = false;
        return false;
    }
    store(out->p + start, out->n - start - FRAME_HEAD, 4);
    return true;
}
