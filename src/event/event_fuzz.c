/*
 * Hostile event files: a role that was taken over may write anything into its own. Nothing may read beyond the octets, and
 * every event that decodes can be rendered in every log as one line.
 */
#include "event/block.h"
#include "event/render.h"

#include "base/crc32c.h"
#include "base/must.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void show(struct renderer *r, const struct event_record *rec, struct buf *out)
{
    for (unsigned log = 0; log < LOG_TYPE_COUNT; log++) {
        buf_clear(out);
        if (render_line(r, (enum log_type)log, rec, out))
            must(str_find(buf_str(out), '\n') == out->n - 1);
    }
}

static void read_block(struct renderer *r, struct block b, struct buf *out)
{
    struct block_event coded;
    struct event_record rec;

    while (block_next(&b, &coded))
        if (block_event_decode(&coded, &rec))
            show(r, &rec, out);
}

/* The first octet chooses: a file as it is, or one block whose sum is made right. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct renderer *r;
    struct str in = str_of(data, size);
    struct buf out = BUF(1 << 20);
    struct event_file_header head;
    struct block b;

    if (!r)
        r = renderer_new(DIALECT_MODERN, IF_SUBJECT | IF_MESSAGE_ID | IF_RESPONSE | IF_STATUS_IN_MAIL);
    if (size && data[0] & 1) {
        read_block(r, (struct block){.events = str_from(in, 1), .count = UINT32_MAX}, &out);
    } else {
        event_file_header_get(in, &head);
        while (in.n) {
            enum block_state state = block_open(in, &b);

            if (state == BLOCK_GOOD)
                read_block(r, b, &out);
            in = str_from(in, state == BLOCK_GOOD ? b.size : block_resync(in));
        }
    }
    buf_done(&out);
    return 0;
}
