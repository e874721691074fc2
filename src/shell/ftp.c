/*
 * FTP server: control connection, command table, replies. See ftp.h.
 *
 * Called by the session program for an accepted FTP connection. Owns the peer's buffers and the sockets of the data
 * connection. Unknown, misplaced and over-long lines get their reply and the session goes on; the client's end, idle time
 * and too many failed logins end it.
 */
#include "base/clock.h"
#include "shell/ftp_inside.h"

#include <stdarg.h>
#include <unistd.h>

enum argument { NONE, MAY, MUST };

static const struct command {
    const char *name;
    ftp_command *run;
    bool before_login;
    enum argument argument;
} commands[] = {
#define COMMAND(name, function, before_login, argument) {name, ftp_do_##function, before_login, argument},
#include "shell/ftp_commands.def"
#undef COMMAND
};

void ftp_reply(struct ftp *f, int code, const char *format, ...)
{
    struct buf *out = &f->control.send;
    va_list ap;

    buf_addf(out, "%d ", code);
    va_start(ap, format);
    buf_addfv(out, format, ap);
    va_end(ap);
    buf_add(out, str_lit("\r\n"));
}

void ftp_reply_error(struct ftp *f, const struct vpath *p, const struct err *e)
{
    int code = e->rc == RC_TOO_LARGE || e->rc == RC_NO_SPACE || e->rc == RC_LIMIT ? 552 : e->rc == RC_IO ? 451 : 550;

    ftp_reply(f, code, "%s: %s.", p->text, err_text(e));
}

/* Peers' octets in a log line: what is not printable becomes `?`. */
static void add_printable(struct buf *out, struct str s)
{
    for (size_t i = 0; i < s.n; i++)
        buf_addc(out, (unsigned char)s.p[i] < 0x20 || s.p[i] == 0x7f ? '?' : s.p[i]);
}

void ftp_note(struct ftp *f, const char *format, ...)
{
    struct buf text = BUF(4096), line = BUF(8192);
    va_list ap;

    va_start(ap, format);
    buf_addfv(&text, format, ap);
    va_end(ap);
    add_printable(&line, buf_str(&text));
    if (f->o->gate.note)
        f->o->gate.note(f->o->gate.ctx, buf_str(&line));
    buf_done(&text);
    buf_done(&line);
}

static void file_told(void *ctx, struct str what)
{
    struct ftp *f = ctx;

    ftp_note(f, "%.*s", STR(what));
}

bool ftp_path(struct ftp *f, struct str arg, struct vpath *out)
{
    struct err e = ERR_NONE;

    if (vpath_make(str_c(f->cwd.text), arg, out, &e) == RC_OK)
        return true;
    ftp_reply(f, e.rc == RC_NOT_FOUND ? 550 : 553, "%s.", err_text(&e));
    return false;
}

static const struct command *find(struct str name)
{
    for (size_t i = 0; i < sizeof commands / sizeof *commands; i++)
        if (str_eqi(name, str_c(commands[i].name)))
            return &commands[i];
    return NULL;
}

void ftp_line(struct ftp *f, struct str line)
{
    const struct command *c;
    struct str name;

    while (line.n && (unsigned char)line.p[0] >= 0xf0) /* Telnet's Interrupt and Synch before ABOR */
        line = str_from(line, 1);
    name = str_first(line, str_find(line, ' '));
    line = str_from(line, name.n + 1);
    c = find(name);
    if (!c)
        ftp_reply(f, 500, "Unknown command.");
    else if (!f->logged_in && !c->before_login)
        ftp_reply(f, 530, "Please log in with USER and PASS.");
    else if (line.n && c->argument == NONE)
        ftp_reply(f, 501, "%s takes no argument.", c->name);
    else if (!line.n && c->argument == MUST)
        ftp_reply(f, 501, "%s needs an argument.", c->name);
    else
        c->run(f, line);
    if (c && c->run != ftp_do_rnfr)
        f->renaming = false;
}

static void name_ends(struct ftp *f, int fd)
{
    struct sockaddr_storage at;
    socklen_t n = sizeof at;

    if (getpeername(fd, (struct sockaddr *)&at, &n) == 0)
        ip_from_sockaddr((struct sockaddr *)&at, &f->peer);
    n = sizeof at;
    if (getsockname(fd, (struct sockaddr *)&at, &n) == 0)
        ip_from_sockaddr((struct sockaddr *)&at, &f->local);
}

void ftp_begin(struct ftp *f, const struct ftp_options *o, int in, int out)
{
    int on = 1;

    *f = (struct ftp){.o = o, .root = o->root, .passive = -1, .ascii = true};
    peer_init(&f->control, in, out, o->login_ms);
    f->root.told = file_told;
    f->root.ctx = f;
    f->control.until_ms = clock_mono_ms() + o->login_ms;
    name_ends(f, in);
    setsockopt(in, SOL_SOCKET, SO_OOBINLINE, &on, sizeof on); /* ABOR may come as urgent data */
    (void)vpath_make(str_lit("/"), str_lit("/"), &f->cwd, NULL);
    ftp_reply(f, 220, "%s FTP server ready.", o->hostname);
}

void ftp_end(struct ftp *f)
{
    ftp_data_forget(f);
    peer_done(&f->control);
}

static void last_words(struct ftp *f)
{
    f->control.gone = false;
    f->control.idle_ms = 1;
    f->control.until_ms = 0;
    ftp_reply(f, 421, "Idle too long, closing.");
    peer_flush(&f->control);
}

int ftp_serve(const struct ftp_options *o, int in, int out)
{
    struct ftp f;
    struct str line;
    bool too_long;

    ftp_begin(&f, o, in, out);
    while (!f.ending && peer_line(&f.control, FTP_LINE_MAX, &line, &too_long)) {
        if (too_long)
            ftp_reply(&f, 500, "Line too long.");
        else
            ftp_line(&f, line);
    }
    if (f.control.idle)
        last_words(&f);
    else
        peer_flush(&f.control);
    if (f.logged_in)
        ftp_note(&f, "logged out%s", f.control.idle ? " because of inactivity timeout" : "");
    ftp_end(&f);
    return 0;
}
