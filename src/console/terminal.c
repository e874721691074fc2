/*
 * Input of a session: octets from a terminal or a pipe, kept until somebody asks for them. See terminal.h.
 *
 * Called by the editor, the pager and commands that wait. Owns s->ahead. Keys typed ahead wait; Ctrl-C drops them and goes
 * back to the prompt; a terminal that is gone ends the session, a pipe that ends gives end_of_input.
 */
#include "console/terminal.h"

#include "base/clock.h"

#include <errno.h>
#include <poll.h>
#include <sys/ioctl.h>
#include <termios.h>
#include <unistd.h>

enum { AHEAD_MAX = 1 << 20, CTRL_C = 3 };

static struct termios before; /* the terminal as we found it; one a process */
static bool changed;

void terminal_begin(struct session *s)
{
    struct termios raw;

    if (!isatty(s->in) || tcgetattr(s->in, &before) != 0)
        return;
    raw = before;
    if (s->terminal) {
        raw.c_lflag &= ~(tcflag_t)(ICANON | ECHO | ISIG | IEXTEN);
        raw.c_iflag &= ~(tcflag_t)(ICRNL | INLCR | IGNCR | IXON | ISTRIP);
        raw.c_oflag |= OPOST | ONLCR;
        raw.c_cc[VMIN] = 1;
        raw.c_cc[VTIME] = 0;
    } else if (!s->local) {
        raw.c_lflag &= ~(tcflag_t)ECHO; /* exec mode echoes nothing, even with a terminal */
    }
    tcsetattr(s->in, TCSANOW, &raw);
    changed = true;
}

void terminal_end(struct session *s)
{
    if (changed)
        tcsetattr(s->in, TCSADRAIN, &before);
    changed = false;
}

void terminal_size(struct session *s)
{
    struct winsize w;

    s->rows = 24;
    s->columns = 80;
    if (ioctl(s->out, TIOCGWINSZ, &w) == 0 && w.ws_row) {
        s->rows = w.ws_row;
        s->columns = w.ws_col ? w.ws_col : 80;
    }
}

/* Reads what is there. */
static void take(struct session *s)
{
    char *room;
    ssize_t n;

    if (s->ahead.n > AHEAD_MAX / 2)
        buf_drop(&s->ahead, s->ahead.n - 4096); /* nobody types so much ahead */
    room = buf_reserve(&s->ahead, 4096);
    n = room ? read(s->in, room, 4096) : -1;
    if (n < 0 && (errno == EINTR || errno == EAGAIN))
        return;
    if (n <= 0) {
        s->end_of_input = true;
        if (s->terminal)
            session_leave(s, LEAVE_END);
        return;
    }
    s->ahead.n += (size_t)n;
    if (!s->terminal)
        return;
    for (size_t i = s->ahead.n; i-- > s->ahead.n - (size_t)n;) {
        if (s->ahead.p[i] != CTRL_C)
            continue;
        buf_drop(&s->ahead, i + 1);
        session_leave(s, LEAVE_ABORT);
    }
}

bool terminal_fill(struct session *s, int ms, int also)
{
    const struct conf *c = s->work ? &s->work->conf : NULL;
    int idle_ms = (s->terminal || !s->local) && c ? (int)c->access.cli_timeout_ms : -1;
    bool listen = !s->end_of_input && (s->terminal || also < 0); /* a script is read when it is asked, not before */
    struct pollfd f[2] = {{.fd = listen ? s->in : -1, .events = POLLIN}, {.fd = also, .events = POLLIN}};

    say_flush(s);
    if (poll(f, 2, ms < 0 ? idle_ms : ms) == 0 && ms < 0)
        session_leave(s, LEAVE_IDLE);
    if (f[0].revents)
        take(s);
    return f[1].revents != 0;
}

bool session_wait(struct session *s, int also, unsigned ms)
{
    uint64_t until = clock_mono_ms() + ms, now;

    while ((now = clock_mono_ms()) < until)
        if (terminal_fill(s, (int)(until - now), also) && also >= 0)
            return true;
    return false;
}

bool session_gone(struct session *s)
{
    struct pollfd f = {.fd = s->out};

    return poll(&f, 1, 0) == 1 && f.revents & (POLLHUP | POLLERR);
}

char terminal_key(struct session *s)
{
    bool second;
    char key;

    do {
        while (s->ahead.n == 0 && !s->end_of_input)
            terminal_fill(s, -1, -1);
        if (s->ahead.n == 0)
            session_leave(s, LEAVE_END);
        key = *s->ahead.p;
        buf_drop(&s->ahead, 1);
        second = key == '\n' && s->after_cr; /* a client that sends CR LF has sent one key */
        s->after_cr = key == '\r';
    } while (second);
    return key;
}

/* A line of a pipe; what follows the last line end counts as one too. */
static bool piped_line(struct session *s, struct arena *a, struct str *out)
{
    for (;;) {
        struct str all = buf_str(&s->ahead);
        size_t n = str_find(all, '\n');

        if (n < all.n || (s->end_of_input && all.n)) {
            *out = arena_str(a, str_first(all, n));
            while (out->n && out->p[out->n - 1] == '\r')
                out->n--;
            buf_drop(&s->ahead, n < all.n ? n + 1 : n);
            return true;
        }
        if (s->end_of_input)
            return false;
        terminal_fill(s, -1, -1);
    }
}

/* Local console with a command: the terminal's own editing, its echo off for secrets. */
static bool cooked_line(struct session *s, struct arena *a, bool secret, struct str *out)
{
    struct termios quiet;
    bool tty = secret && isatty(s->in) && tcgetattr(s->in, &quiet) == 0, ok;

    if (tty) {
        quiet.c_lflag &= ~(tcflag_t)ECHO;
        tcsetattr(s->in, TCSAFLUSH, &quiet);
    }
    ok = piped_line(s, a, out);
    if (tty) {
        quiet.c_lflag |= ECHO;
        tcsetattr(s->in, TCSAFLUSH, &quiet);
        say_raw(s, str_lit("\n"));
    }
    return ok;
}

bool session_line(struct session *s, struct arena *a, struct str prompt, bool secret, struct str *out)
{
    s->line = 0;
    s->quiet = false;
    if (s->terminal)
        return terminal_edit(s, a, prompt, secret, out);
    if (!s->exec || prompt.n)
        say_raw(s, prompt);
    say_flush(s);
    return s->local && s->exec ? cooked_line(s, a, secret, out) : piped_line(s, a, out);
}
