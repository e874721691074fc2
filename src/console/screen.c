/*
 * What a session shows: harmless text, pages.
 *
 * Called by every command. Owns the screen buffer. Text may hold what strangers wrote (subjects, addresses, answers of
 * servers): control characters, DEL, C1 and broken UTF-8 become `?`, so no escape sequence reaches a terminal. When the
 * other side does not read or is gone the session ends.
 */
#include "console/session.h"

#include "console/terminal.h"

#include <errno.h>
#include <poll.h>
#include <stdarg.h>
#include <stdlib.h>
#include <unistd.h>

static const char more[] = "-Press Any Key For More-"; /* fixed: 24 characters */

static void write_all(struct session *s, struct str t)
{
    while (t.n) {
        ssize_t n = write(s->out, t.p, t.n);

        if (n < 0 && (errno == EAGAIN || errno == EINTR)) {
            struct pollfd f = {.fd = s->out, .events = POLLOUT};

            poll(&f, 1, -1);
            continue;
        }
        if (n <= 0)
            _exit(0); /* nobody reads any more */
        t = str_from(t, (size_t)n);
    }
}

void say_flush(struct session *s)
{
    write_all(s, buf_str(&s->screen));
    buf_clear(&s->screen);
}

void say_raw(struct session *s, struct str octets)
{
    while (octets.n) { /* a line may be longer than the buffer: lists as json are one */
        struct str part = str_first(octets, 16384);

        buf_add(&s->screen, part);
        if (s->screen.n > 16384 || s->screen.failed)
            say_flush(s);
        octets = str_from(octets, part.n);
    }
}

/* Length of the well-formed UTF-8 character at p that is worth showing, or 0. */
static size_t character(const char *p, size_t n)
{
    const unsigned char *c = (const unsigned char *)p;
    size_t len = c[0] < 0x80                   ? 1
                 : c[0] >= 0xC2 && c[0] < 0xE0 ? 2
                 : (c[0] & 0xF0) == 0xE0       ? 3
                 : c[0] >= 0xF0 && c[0] < 0xF5 ? 4
                                               : 0;

    if (len == 0 || len > n)
        return 0;
    if (len == 1)
        return (c[0] >= 0x20 && c[0] != 0x7F) || c[0] == '\t' || c[0] == '\n' ? 1 : 0;
    for (size_t i = 1; i < len; i++)
        if ((c[i] & 0xC0) != 0x80)
            return 0;
    if (len == 2 && c[0] == 0xC2 && c[1] < 0xA0)
        return 0; /* C1 */
    if (len == 3 && c[0] == 0xE2 && (c[1] == 0x80 && ((c[2] >= 0xAA && c[2] <= 0xAE) || (c[2] >= 0x8E && c[2] <= 0x8F))))
        return 0; /* marks that turn the direction of writing */
    return len;
}

/* After a page: one key; `q` drops the rest. */
static void next_page(struct session *s)
{
    char key;

    say_raw(s, str_c(more));
    say_flush(s);
    key = terminal_key(s);
    say_raw(s, str_lit("\r                        \r"));
    s->line = 0;
    s->quiet = key == 'q' || key == 'Q';
}

static bool pages(const struct session *s)
{
    return s->terminal && !s->exec && s->rows > 1;
}

void say_str(struct session *s, struct str text)
{
    while (text.n && !s->quiet) {
        size_t n = 0;

        if (pages(s) && s->line >= s->rows - 1) {
            next_page(s);
            continue;
        }
        while (n < text.n && text.p[n] >= 0x20 && text.p[n] < 0x7F)
            n++; /* nearly everything */
        if (n == 0)
            n = character(text.p, text.n);
        if (n == 0) {
            if (*text.p != '\r')
                say_raw(s, str_lit("?"));
            n = 1;
        } else {
            say_raw(s, str_first(text, n));
            s->line += *text.p == '\n';
        }
        text = str_from(text, n);
    }
}

void say(struct session *s, const char *fmt, ...)
{
    struct buf b = BUF(1 << 20);
    va_list ap;

    va_start(ap, fmt);
    buf_addfv(&b, fmt, ap);
    va_end(ap);
    say_str(s, buf_str(&b));
    buf_done(&b);
}
