/*
 * Parts of SFTP packets, both ways. See sftp_inside.h.
 *
 * Called by the requests. Owns nothing. Taking from a cut packet gives false; adding beyond the buffer's limit marks it
 * failed, which ends the session.
 */
#include "shell/sftp_inside.h"

bool sftp_take_u32(struct str *in, uint32_t *out)
{
    const unsigned char *p = (const unsigned char *)in->p;

    if (in->n < 4)
        return false;
    *out = (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3];
    *in = str_from(*in, 4);
    return true;
}

bool sftp_take_u64(struct str *in, uint64_t *out)
{
    uint32_t high, low;

    if (!sftp_take_u32(in, &high) || !sftp_take_u32(in, &low))
        return false;
    *out = (uint64_t)high << 32 | low;
    return true;
}

bool sftp_take_str(struct str *in, struct str *out)
{
    uint32_t n;

    if (!sftp_take_u32(in, &n) || n > in->n)
        return false;
    *out = str_of(in->p, n);
    *in = str_from(*in, n);
    return true;
}

bool sftp_take_path(struct sftp *s, uint32_t id, struct str *in, struct vpath *out, bool *ok_out)
{
    struct err e = ERR_NONE;
    struct str text;
    enum rc rc;

    if (!sftp_take_str(in, &text))
        return false;
    rc = vpath_make(str_lit("/"), text, out, &e);
    *ok_out = rc == RC_OK;
    if (rc != RC_OK)
        sftp_result(s, id, rc, &e);
    return true;
}

bool sftp_take_size(struct str *in, bool *given_out, uint64_t *size_out)
{
    uint32_t flags;

    if (!sftp_take_u32(in, &flags))
        return false;
    *given_out = flags & SFTP_ATTR_SIZE;
    return !*given_out || sftp_take_u64(in, size_out);
}

void sftp_put_u32(struct buf *b, uint32_t v)
{
    char octets[4] = {(char)(v >> 24), (char)(v >> 16), (char)(v >> 8), (char)v};

    buf_add(b, str_of(octets, 4));
}

void sftp_put_u64(struct buf *b, uint64_t v)
{
    sftp_put_u32(b, (uint32_t)(v >> 32));
    sftp_put_u32(b, (uint32_t)v);
}

void sftp_put_str(struct buf *b, struct str s)
{
    sftp_put_u32(b, (uint32_t)s.n);
    buf_add(b, s);
}

void sftp_put_attrs(struct buf *b, const struct vstat *st)
{
    uint32_t mode = st->folder ? (st->writable ? 0040755 : 0040555) : (st->writable ? 0100644 : 0100444);

    sftp_put_u32(b, SFTP_ATTR_SIZE | SFTP_ATTR_OWNER | SFTP_ATTR_MODE | SFTP_ATTR_TIMES);
    sftp_put_u64(b, st->size);
    sftp_put_u32(b, 0); /* owner and group: some clients show them, none may rely on them */
    sftp_put_u32(b, 0);
    sftp_put_u32(b, mode);
    sftp_put_u32(b, (uint32_t)st->mtime_s);
    sftp_put_u32(b, (uint32_t)st->mtime_s);
}

size_t sftp_begin(struct sftp *s, uint8_t type, uint32_t id)
{
    size_t place = s->out->n;

    sftp_put_u32(s->out, 0);
    buf_put_u8(s->out, type);
    sftp_put_u32(s->out, id);
    return place;
}

void sftp_end(struct sftp *s, size_t place)
{
    uint32_t n = (uint32_t)(s->out->n - place - 4);
    char octets[4] = {(char)(n >> 24), (char)(n >> 16), (char)(n >> 8), (char)n};

    if (!s->out->failed)
        memcpy(s->out->p + place, octets, 4);
}

void sftp_status(struct sftp *s, uint32_t id, uint32_t code, struct str text)
{
    size_t place = sftp_begin(s, SFTP_STATUS, id);

    sftp_put_u32(s->out, code);
    sftp_put_str(s->out, text);
    sftp_put_str(s->out, str_lit("en"));
    sftp_end(s, place);
}

void sftp_result(struct sftp *s, uint32_t id, enum rc rc, const struct err *e)
{
    uint32_t code = rc == RC_OK              ? SFTP_OK
                    : rc == RC_NOT_FOUND     ? SFTP_NO_FILE
                    : rc == RC_NOT_PERMITTED ? SFTP_DENIED
                                             : SFTP_FAILURE;

    sftp_status(s, id, code, rc == RC_OK ? str_lit("Success") : str_c(err_text(e)));
}
