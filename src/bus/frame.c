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

static void set_length(char *at, size_t n)
{
    for (size_t i = 0; i < 4; i++)
        at[i] = (char)(n >> 8 * i);
}

bool frame_put(struct buf *out, const struct frame *head, const void *msg)
{
    size_t start = out->n;

    buf_put_u32(out, 0);
    buf_put_u16(out, head->type);
    buf_put_u16(out, head->flags);
    buf_put_u64(out, head->call);
    buf_put_u64(out, head->stamp);
    fields_encode(bus_row(head->type)->fields, msg, out);
    if (out->failed || out->n - start - FRAME_HEAD > FRAME_MAX) {
        out->n = start;
        out->failed = false;
        return false;
    }
    set_length(out->p + start, out->n - start - FRAME_HEAD);
    return true;
}
