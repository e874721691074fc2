/*
 * Replies of the SMTP server: every line that goes to a peer is made here.
 *
 * Called by the other files of the server and by handlers. Failures come from spec/rc.def, the rest from replies.def; texts
 * may carry what a peer sent, so control characters are made harmless. Owns nothing; what does not fit into c->out ends the
 * conversation there (sticky error of the buffer).
 */
#include "smtp/server_inside.h"

#include <stdarg.h>
#include <stdio.h>

struct reply {
    unsigned code;
    const char *enhanced, *text;
};

static const struct reply replies[SMTP_REPLY_COUNT] = {
#define REPLY(name, code, enhanced, text) {code, enhanced, text},
#include "smtp/replies.def"
#undef REPLY
};

static void add_clean(struct buf *out, struct str text)
{
    char *to = buf_reserve(out, text.n);

    if (!to)
        return;
    for (size_t i = 0; i < text.n; i++) {
        unsigned char c = (unsigned char)text.p[i];

        to[i] = c < 32 || c == 127 ? '?' : (char)c;
    }
    out->n += text.n;
}

/* "250-2.0.0 first" CRLF "250 2.0.0 last" CRLF (RFC 5321 4.2.1, RFC 2034 4). */
static void add_reply(struct smtp_server *s, unsigned code, struct str enhanced, struct str text)
{
    struct buf *out = &s->c.out;
    struct str line, rest = text.p ? text : str_lit("");

    s->code = code;
    while (str_split(&rest, '\n', &line)) {
        buf_add_u64(out, code);
        buf_addc(out, rest.p ? '-' : ' ');
        if (enhanced.n) {
            buf_add(out, enhanced);
            buf_addc(out, ' ');
        }
        add_clean(out, line);
        buf_add(out, str_lit("\r\n"));
    }
}

void smtp_reply(struct smtp_server *s, enum smtp_reply which)
{
    const struct reply *r = &replies[which];

    add_reply(s, r->code, str_c(r->enhanced), str_c(r->text));
}

void smtp_reply_text(struct smtp_server *s, enum smtp_reply which, const char *fmt, ...)
{
    const struct reply *r = &replies[which];
    char text[1024];
    va_list ap;
    int n;

    va_start(ap, fmt);
    n = vsnprintf(text, sizeof text, fmt, ap);
    va_end(ap);
    if (n < 0)
        n = 0;
    add_reply(s, r->code, str_c(r->enhanced), str_of(text, (size_t)n < sizeof text ? (size_t)n : sizeof text - 1));
}

void smtp_refuse(struct smtp_server *s, enum rc rc, const struct err *e)
{
    const struct rc_info *info = rc_info(rc);

    if (!info->smtp)
        info = rc_info(RC_INTERNAL);
    add_reply(s, (unsigned)info->smtp, str_c(info->enhanced), str_c(e && e->text[0] ? e->text : info->text));
}

void smtp_refuse_as(struct smtp_server *s, unsigned code, struct str enhanced, struct str text)
{
    add_reply(s, code, enhanced, text);
}

void smtp_greet(struct smtp_server *s, struct str text)
{
    struct buf *out = &s->c.out;
    struct str line, rest = text;
    bool first = true;

    s->code = 220;
    if (!text.n)
        rest = str_lit("ESMTP");
    while (str_split(&rest, '\n', &line)) {
        buf_add(out, rest.p ? str_lit("220-") : str_lit("220 "));
        if (first) {
            add_clean(out, s->host_name);
            buf_addc(out, ' ');
        }
        if (first && text.n)
            buf_add(out, str_lit("ESMTP "));
        add_clean(out, line);
        buf_add(out, str_lit("\r\n"));
        first = false;
    }
}
