/*
 * Frames of the control socket. See wire.h.
 *
 * Called by both ends. Pure coding; what does not fit is refused whole.
 */
#include "admin/wire.h"

bool wire_take(struct str in, struct str *body_out, bool *too_large_out)
{
    uint32_t n;

    *too_large_out = false;
    if (!get_u32(&in, &n))
        return false;
    *too_large_out = n > WIRE_MAX;
    if (*too_large_out || in.n < n)
        return false;
    *body_out = str_first(in, n);
    return true;
}

/* Puts the length of what was added behind `at` into the four octets there. */
static void close_frame(struct buf *out, size_t at)
{
    uint32_t n = (uint32_t)(out->n - at - 4);

    for (size_t i = 0; i < 4 && !out->failed; i++)
        out->p[at + i] = (char)(n >> 8 * i);
}

void wire_put_request(struct buf *out, struct str user, const struct str *words, size_t n)
{
    size_t at = out->n;

    buf_put_u32(out, 0);
    buf_put_str(out, user);
    for (size_t i = 0; i < n; i++)
        buf_put_str(out, words[i]);
    close_frame(out, at);
}

void wire_put_reply(struct buf *out, enum rc rc, struct str text, struct str json)
{
    size_t at = out->n;

    buf_put_u32(out, 0);
    buf_put_varint(out, rc);
    buf_put_str(out, text);
    buf_put_str(out, json);
    close_frame(out, at);
}

enum rc wire_parse_request(struct arena *a, struct str body, struct str *user_out, struct strs *words_out, struct err *e)
{
    struct str user, rest, word, *words;
    size_t n = 0;

    if (!get_str(&body, &user))
        return err_set(e, RC_SYNTAX, "request is cut");
    for (rest = body; rest.n; n++) {
        if (!get_str(&rest, &word) || n >= WIRE_WORDS_MAX)
            return err_set(e, RC_SYNTAX, "request is cut or has too many words");
    }
    if (n == 0)
        return err_set(e, RC_SYNTAX, "request without command");
    words = arena_array(a, struct str, n);
    if (!words)
        return err_set(e, RC_NO_MEMORY, "no room left");
    for (size_t i = 0; i < n; i++)
        get_str(&body, &words[i]);
    *user_out = user;
    *words_out = (struct strs){words, n};
    return RC_OK;
}

enum rc wire_parse_reply(struct str body, enum rc *rc_out, struct str *text_out, struct str *json_out)
{
    uint64_t rc;

    if (!get_varint(&body, &rc) || rc >= RC_COUNT || !get_str(&body, text_out) || !get_str(&body, json_out))
        return RC_CORRUPT;
    *rc_out = (enum rc)rc;
    return RC_OK;
}
