/*
 * The form of event files: building blocks and taking them apart. See block.h.
 *
 * Called by event.c (every role) and source.c (record). Building runs some fourteen times a message, so it writes straight
 * into the buffer. Reading trusts nothing: lengths are checked and the sum covers each block.
 */
#include "event/block.h"

#include "base/crc32c.h"
#include "base/io.h"

static const uint32_t FILE_MAGIC = 0x56455350u, BLOCK_MAGIC = 0x6b6c4265u, VERSION = 1;
enum { SUM_FROM = 12 }; /* header octets from here on are covered by the sum */

void event_file_header_put(struct buf *out, const struct event_file_header *h)
{
    buf_put_u32(out, FILE_MAGIC);
    buf_put_u32(out, VERSION);
    buf_put_u64(out, h->id);
    buf_put_u64(out, h->boot);
    buf_put_u64(out, h->made_ms);
}

bool event_file_header_get(struct str in, struct event_file_header *out)
{
    uint32_t magic, version;
    struct event_file_header h;

    if (!get_u32(&in, &magic) || !get_u32(&in, &version) || magic != FILE_MAGIC || version != VERSION ||
        !get_u64(&in, &h.id) || !get_u64(&in, &h.boot) || !get_u64(&in, &h.made_ms))
        return false;
    *out = h;
    return true;
}

uint64_t event_boot(void)
{
    struct buf text = BUF(100);
    uint64_t boot = 1; /* no /proc: stamps of every run are taken as comparable */

    if (io_read_file("/proc/sys/kernel/random/boot_id", &text, NULL) == RC_OK)
        boot = str_hash(str_trim(buf_str(&text)));
    buf_done(&text);
    return boot;
}

/* --- writing ------------------------------------------------------------------------------------------------------ */

static char *put_varint(char *at, uint64_t v)
{
    while (v >= 0x80) {
        *at++ = (char)(v | 0x80);
        v >>= 7;
    }
    *at++ = (char)v;
    return at;
}

static char *put_fields(char *at, const struct field *field, const void *fields)
{
    const char *from = fields;

    for (; field->type != FIELD_END; field++) {
        if (field->type == FIELD_U64) {
            at = put_varint(at, *(const uint64_t *)(const void *)from);
            from += sizeof(uint64_t);
        } else {
            struct str s = str_first(*(const struct str *)(const void *)from, EVENT_STR_MAX);

            at = put_varint(at, s.n);
            if (s.n)
                memcpy(at, s.p, s.n);
            at += s.n;
            from += sizeof(struct str);
        }
    }
    return at;
}

static size_t most_bytes(const struct field *field, const void *fields)
{
    const char *from = fields;
    size_t most = 0;

    for (; field->type != FIELD_END; field++, most += 10) {
        if (field->type == FIELD_U64) {
            from += sizeof(uint64_t);
        } else {
            size_t n = ((const struct str *)(const void *)from)->n;

            most += n < EVENT_STR_MAX ? n : EVENT_STR_MAX;
            from += sizeof(struct str);
        }
    }
    return most;
}

static bool block_begin(struct block_writer *w, uint64_t wall_ms, uint64_t stamp)
{
    if (!buf_reserve(&w->out, BLOCK_HEADER))
        return false;
    w->open = w->out.n;
    w->out.n += BLOCK_HEADER;
    w->wall_ms = wall_ms;
    w->stamp = stamp;
    return true;
}

/* The event fits the open block's bases; else a new block is begun. */
static bool fits(const struct block_writer *w, uint64_t wall_ms, uint64_t stamp)
{
    return w->count && wall_ms - w->wall_ms <= UINT16_MAX && stamp - w->stamp <= UINT32_MAX &&
           w->out.n - w->open < BLOCK_MAX / 2;
}

bool block_add(struct block_writer *w, const struct event_info *row, enum event_type type, uint64_t wall_ms, uint64_t stamp,
               const void *fields)
{
    size_t most = BLOCK_HEADER + EVENT_HEADER + most_bytes(row->fields, fields);
    uint16_t short_type = (uint16_t)type, wall;
    uint32_t length, delta;
    char *at, *end;

    if (w->out.max - w->out.n < most)
        return false;
    if (!fits(w, wall_ms, stamp)) {
        block_close(w);
        if (!block_begin(w, wall_ms, stamp))
            return false;
    }
    at = buf_reserve(&w->out, most - BLOCK_HEADER);
    if (!at)
        return false;
    end = put_fields(at + EVENT_HEADER, row->fields, fields);
    length = (uint32_t)(end - at - EVENT_HEADER);
    wall = (uint16_t)(wall_ms - w->wall_ms);
    delta = (uint32_t)(stamp - w->stamp);
    memcpy(at, &length, 4);
    memcpy(at + 4, &short_type, 2);
    memcpy(at + 6, &wall, 2);
    memcpy(at + 8, &delta, 4);
    w->out.n += (size_t)(end - at);
    w->count++;
    return true;
}

void block_close(struct block_writer *w)
{
    char *head = w->out.p + w->open;
    uint32_t length = (uint32_t)(w->out.n - w->open - BLOCK_HEADER), crc;

    if (!w->count)
        return;
    memcpy(head, &BLOCK_MAGIC, 4);
    memcpy(head + 4, &length, 4);
    memcpy(head + 12, &w->count, 4);
    memcpy(head + 16, &w->wall_ms, 8);
    memcpy(head + 24, &w->stamp, 8);
    crc = crc32c(0, str_of(head + SUM_FROM, BLOCK_HEADER - SUM_FROM + length));
    memcpy(head + 8, &crc, 4);
    w->count = 0;
}

/* --- reading ------------------------------------------------------------------------------------------------------ */

enum block_state block_open(struct str in, struct block *out)
{
    uint32_t magic, length, crc, count;
    struct str rest = in;

    if (in.n < BLOCK_HEADER)
        return in.n >= 4 && memcmp(in.p, &BLOCK_MAGIC, 4) != 0 ? BLOCK_BAD : BLOCK_SHORT;
    get_u32(&rest, &magic);
    get_u32(&rest, &length);
    get_u32(&rest, &crc);
    if (magic != BLOCK_MAGIC || length > BLOCK_MAX)
        return BLOCK_BAD;
    if (in.n - BLOCK_HEADER < length)
        return BLOCK_SHORT;
    if (crc32c(0, str_of(in.p + SUM_FROM, BLOCK_HEADER - SUM_FROM + length)) != crc)
        return BLOCK_BAD;
    get_u32(&rest, &count);
    get_u64(&rest, &out->wall_ms);
    get_u64(&rest, &out->stamp);
    out->count = count;
    out->events = str_of(rest.p, length);
    out->size = BLOCK_HEADER + length;
    return BLOCK_GOOD;
}

size_t block_resync(struct str in)
{
    for (size_t at = 1; at + 4 <= in.n; at++)
        if (memcmp(in.p + at, &BLOCK_MAGIC, 4) == 0)
            return at;
    return in.n > 4 ? in.n - 3 : in.n;
}

bool block_next(struct block *b, struct block_event *out)
{
    uint32_t length, delta;
    uint16_t type, wall;

    if (!b->count || !get_u32(&b->events, &length) || !get_u16(&b->events, &type) || !get_u16(&b->events, &wall) ||
        !get_u32(&b->events, &delta) || length > b->events.n)
        return false;
    b->count--;
    *out = (struct block_event){type, b->wall_ms + wall, b->stamp + delta, str_of(b->events.p, length)};
    b->events = str_from(b->events, length);
    return true;
}

bool block_event_decode(const struct block_event *e, struct event_record *out)
{
    const struct event_info *row = event_info(e->type);

    if (!row)
        return false;
    out->type = (enum event_type)e->type;
    out->wall_ms = e->wall_ms;
    out->stamp = e->stamp;
    return fields_decode(row->fields, e->fields, out->fields);
}
