/*
 * The state file of record. See state.h.
 *
 * Called by record.c. Form: magic, sum (CRC-32C of the rest), then varints and strings. A file that does not fit is refused
 * whole.
 */
#include "record/state.h"

#include "base/crc32c.h"
#include "base/io.h"

static const uint32_t MAGIC = 0x31434552u;
enum { STATE_MAX = 32 << 20 };

void state_build(struct event_merge *m, const struct counters *c, const struct subscriptions *s, const struct cef *cef,
                 const struct logfile_state *dmarc, struct str exports, struct str figures, uint64_t born_ms,
                 struct buf *out)
{
    struct buf part = BUF(STATE_MAX), rest = BUF(STATE_MAX);

    buf_put_varint(&rest, born_ms);
    event_merge_save(m, &part);
    buf_put_str(&rest, buf_str(&part));
    buf_clear(&part);
    counters_save(c, &part);
    buf_put_str(&rest, buf_str(&part));
    buf_put_varint(&rest, s->n);
    for (size_t i = 0; i < s->n; i++) {
        const struct logfile *l = &s->items[i]->file;

        buf_put_str(&rest, str_c(s->items[i]->name));
        buf_put_str(&rest, str_c(l->stem));
        buf_put_varint(&rest, l->state.start_s);
        buf_put_varint(&rest, l->state.length);
        buf_put_varint(&rest, l->state.roll_to_s);
    }
    buf_clear(&part);
    if (cef)
        cef_save(cef, &part);
    buf_put_str(&rest, buf_str(&part));
    buf_put_varint(&rest, dmarc->start_s);
    buf_put_varint(&rest, dmarc->length);
    buf_put_varint(&rest, dmarc->roll_to_s);
    buf_put_str(&rest, exports);
    buf_put_str(&rest, figures);
    buf_put_u32(out, MAGIC);
    buf_put_u32(out, crc32c(0, buf_str(&rest)));
    buf_add(out, buf_str(&rest));
    buf_done(&rest);
    buf_done(&part);
}

static bool read_logs(struct str *in, struct saved_state *s)
{
    uint64_t n;

    if (!get_varint(in, &n) || n > SUBSCRIPTIONS_MOST)
        return false;
    for (s->n_logs = 0; s->n_logs < n; s->n_logs++) {
        struct saved_log *l = &s->logs[s->n_logs];

        if (!get_str(in, &l->name) || !get_str(in, &l->stem) || !get_varint(in, &l->file.start_s) ||
            !get_varint(in, &l->file.length) || !get_varint(in, &l->file.roll_to_s))
            return false;
    }
    return true;
}

enum rc state_read(const char *path, struct event_merge *m, struct counters *c, struct saved_state *out, struct err *e)
{
    uint32_t magic, sum;
    struct str in, merge, counters;

    *out = (struct saved_state){.content = BUF(STATE_MAX)};
    TRY(io_read_file(path, &out->content, e));
    in = buf_str(&out->content);
    if (!get_u32(&in, &magic) || !get_u32(&in, &sum) || magic != MAGIC || crc32c(0, in) != sum ||
        !get_varint(&in, &out->born_ms) || !get_str(&in, &merge) || !get_str(&in, &counters) || !read_logs(&in, out) ||
        event_merge_restore(m, merge, NULL) != RC_OK || !counters_restore(c, &counters))
        return err_set(e, RC_CORRUPT, "%s", path);
    if (!get_str(&in, &out->cef)) /* written before there was such a part */
        out->cef = STR_NONE;
    if (!get_varint(&in, &out->dmarc.start_s) || !get_varint(&in, &out->dmarc.length) ||
        !get_varint(&in, &out->dmarc.roll_to_s))
        out->dmarc = (struct logfile_state){0};
    if (!get_str(&in, &out->exports) || !get_str(&in, &out->figures))
        out->exports = out->figures = STR_NONE;
    return RC_OK;
}

void state_done(struct saved_state *s)
{
    buf_done(&s->content);
    s->n_logs = 0;
}

const struct logfile_state *state_log(void *saved, const char *name, const char *stem)
{
    struct saved_state *s = saved;

    for (size_t i = 0; i < s->n_logs; i++)
        if (str_eq(s->logs[i].name, str_c(name)) && str_eq(s->logs[i].stem, str_c(stem)))
            return &s->logs[i].file;
    return NULL;
}
