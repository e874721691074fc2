/*
 * Channels of a connection (RFC 4254 6): what the client asks for, the child that serves it, octets both ways.
 *
 * Called by libssh (callbacks, which only note things down) and by ssh_connection.c after each turn, where everything else
 * happens. Owns the channel, its child, the descriptors to it and what is on its way: one window of the peer's octets while
 * the child does not read (libssh holds one more), SSH_CHUNK of the child's; beyond that both sides wait.
 *
 * Only "session" channels are there. The end: all output first, then exit status, EOF, close.
 */
#include "shell/ssh_inside.h"

#include "base/must.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

enum { WORD_MAX = 40, PTY_END = 4 /* ^D */ };

/* One way out of the child: its output or its errors. */
struct stream {
    struct watch *watch;
    struct buf left; /* read, not yet taken by libssh */
    bool over;
};

struct channel {
    struct channel *next;
    struct connection *connection;
    ssh_channel ssh;
    struct ssh_channel_callbacks_struct callbacks;
    struct winsize size;
    char term[WORD_MAX], lang[WORD_MAX];
    const char *what; /* NULL until the client said what it wants */
    char *command;
    bool pty, closed, ended;
    int status; /* as of waitpid */
    struct opening *opening;
    struct child *child;
    struct stream out, err;
    struct buf in; /* from the peer, not yet taken by the child from in_done on */
    size_t in_done;
    bool in_over, in_more;
};

static void ready(void *ctx)
{
    struct channel *ch = ctx;

    connection_turn(ch->connection);
}

/* --- the child
 * -------------------------------------------------------------------------------------------------------------- */

static void ended(void *ctx, int status)
{
    struct channel *ch = ctx;

    ch->child = NULL;
    ch->ended = true;
    ch->status = status;
    connection_turn(ch->connection);
}

/* The client is told on its error stream, then the channel ends as after a program that failed. */
static void failed(struct channel *ch, struct str why)
{
    buf_addf(&ch->err.left, "%.*s\r\n", STR(why));
    ch->out.over = ch->err.over = ch->ended = true;
    ch->status = 1 << 8;
}

static enum rc start(struct channel *ch, int control_fd, struct err *e)
{
    struct connection *c = ch->connection;
    const struct child_order order = {
        .what = ch->what,
        .command = ch->command,
        .user = c->user,
        .peer = c->peer_text,
        .role = c->role,
        .must_change = c->must_change,
        .term = ch->term,
        .lang = ch->lang,
        .control_fd = control_fd,
        .stdio_fd = -1,
        .pty = ch->pty,
        .size = ch->size,
    };
    struct child_ends ends;

    TRY(child_start(c->server, &order, ended, ch, &ch->child, &ends, e));
    ch->out.watch = watch_new(c->server->o.loop, ends.fd, ready, ch);
    if (ends.err_fd >= 0)
        ch->err.watch = watch_new(c->server->o.loop, ends.err_fd, ready, ch);
    else
        ch->err.over = true;
    return RC_OK;
}

static void opened(void *ctx, int fd, struct str why)
{
    struct channel *ch = ctx;
    struct err e = ERR_NONE;

    ch->opening = NULL;
    if (fd < 0)
        failed(ch, why);
    else if (start(ch, fd, &e) != RC_OK)
        failed(ch, str_c(err_text(&e)));
    if (fd >= 0)
        close(fd);
    connection_turn(ch->connection);
}

/* --- what the client asks for: callbacks of libssh, 0 = granted
 * ------------------------------------------------------------- */

static int begin(struct channel *ch, const char *what, const char *command)
{
    struct connection *c = ch->connection;
    struct bus_session_open m = {
        .user = str_c(c->user),
        .peer = str_c(c->peer_text),
        .service = str_lit("ssh"),
        .what = str_c(what),
        .method = str_c(c->method),
    };

    if (ch->what || (command && strlen(command) > SSH_COMMAND_MAX))
        return 1;
    ch->what = what;
    ch->command = command ? strdup(command) : NULL;
    ch->opening = opening_new(c->server, &m, opened, ch);
    return 0;
}

/* A manager runs verbs and nothing else. */
static bool of_manager(const struct channel *ch)
{
    return ch->connection->manager;
}

static int on_shell(ssh_session session, ssh_channel ssh, void *ctx)
{
    (void)session, (void)ssh;
    return of_manager(ctx) ? 1 : begin(ctx, "cli", NULL);
}

/* The far end of OpenSSH's older scp: "scp [-options] -t|-f PATH". */
static bool is_scp(const char *command)
{
    struct str rest = str_c(command), word;

    if (!str_word(&rest, &word) || !str_eq(word, str_lit("scp")))
        return false;
    while (str_word(&rest, &word) && word.n > 1 && word.p[0] == '-')
        if (str_find(word, 't') < word.n || str_find(word, 'f') < word.n)
            return true;
    return false;
}

static int on_exec(ssh_session session, ssh_channel ssh, const char *command, void *ctx)
{
    (void)session, (void)ssh;
    return begin(ctx, of_manager(ctx) ? "mgmt" : is_scp(command) ? "scp" : "exec", command);
}

static int on_subsystem(ssh_session session, ssh_channel ssh, const char *name, void *ctx)
{
    (void)session, (void)ssh;
    return !of_manager(ctx) && strcmp(name, "sftp") == 0 ? begin(ctx, "sftp", NULL) : 1;
}

/* What goes into the environment of a program: a plain word. */
static void word_set(char out[WORD_MAX], const char *word, const char *otherwise)
{
    size_t n = word ? strspn(word, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._+-@") : 0;

    if (n == 0 || word[n] || n >= WORD_MAX)
        word = otherwise;
    memcpy(out, word, strlen(word) + 1);
}

static unsigned short cells(int n, unsigned short otherwise)
{
    return n > 0 && n <= 10000 ? (unsigned short)n : otherwise;
}

static void resize(struct channel *ch, int columns, int rows)
{
    ch->size = (struct winsize){.ws_col = cells(columns, 80), .ws_row = cells(rows, 24)};
}

static int on_pty(ssh_session session, ssh_channel ssh, const char *term, int columns, int rows, int x, int y, void *ctx)
{
    struct channel *ch = ctx;

    (void)session, (void)ssh, (void)x, (void)y;
    if (ch->what || ch->connection->no_pty)
        return 1;
    ch->pty = true;
    word_set(ch->term, term, "dumb");
    resize(ch, columns, rows);
    return 0;
}

static int on_resize(ssh_session session, ssh_channel ssh, int columns, int rows, int x, int y, void *ctx)
{
    struct channel *ch = ctx;

    (void)session, (void)ssh, (void)x, (void)y;
    resize(ch, columns, rows);
    if (ch->pty && ch->out.watch)
        ioctl(watch_fd(ch->out.watch), TIOCSWINSZ, &ch->size);
    return 0;
}

static int on_environment(ssh_session session, ssh_channel ssh, const char *name, const char *value, void *ctx)
{
    struct channel *ch = ctx;

    (void)session, (void)ssh;
    if (of_manager(ch))
        return 1;
    if (strcmp(name, "LANG") == 0)
        word_set(ch->lang, value, "");
    else if (strcmp(name, "TERM") == 0)
        word_set(ch->term, value, "dumb");
    else
        return 1;
    return 0;
}

static void on_signal(ssh_session session, ssh_channel ssh, const char *name, void *ctx)
{
    const struct channel *ch = ctx;

    (void)session, (void)ssh;
    if (ch->child && strcmp(name, "INT") == 0)
        child_signal(ch->child, SIGINT);
    else if (ch->child && strcmp(name, "TERM") == 0)
        child_signal(ch->child, SIGTERM);
    else if (ch->child && strcmp(name, "HUP") == 0)
        child_signal(ch->child, SIGHUP);
}

static void on_close(ssh_session session, ssh_channel ssh, void *ctx)
{
    struct channel *ch = ctx;

    (void)session, (void)ssh;
    ch->closed = true;
}

static void callbacks_set(struct channel *ch)
{
    ssh_callbacks_init(&ch->callbacks);
    ch->callbacks.userdata = ch;
    ch->callbacks.channel_shell_request_function = on_shell;
    ch->callbacks.channel_exec_request_function = on_exec;
    ch->callbacks.channel_subsystem_request_function = on_subsystem;
    ch->callbacks.channel_pty_request_function = on_pty;
    ch->callbacks.channel_pty_window_change_function = on_resize;
    ch->callbacks.channel_env_request_function = on_environment;
    ch->callbacks.channel_signal_function = on_signal;
    ch->callbacks.channel_close_function = on_close;
    ssh_set_channel_callbacks(ch->ssh, &ch->callbacks);
}

ssh_channel channel_open(ssh_session session, void *connection)
{
    struct connection *c = connection;
    struct channel *ch;

    if (!c->counted || c->is_link || c->n_channels >= SSH_CHANNELS_MAX)
        return NULL; /* also what a client sends before it knows that it is logged in */
    ch = calloc(1, sizeof *ch);
    must(ch);
    ch->connection = c;
    ch->out.left = ch->err.left = BUF(SSH_CHUNK);
    ch->in = BUF(SSH_INPUT_MAX);
    ch->ssh = ssh_channel_new(session);
    if (!ch->ssh) {
        free(ch);
        return NULL;
    }
    callbacks_set(ch);
    ch->next = c->channels;
    c->channels = ch;
    c->n_channels++;
    connection_idle(c, false);
    return ch->ssh;
}

/* --- octets -------------------------------------------------------------------------------------------------------------
 */

/* All that libssh holds for the child, at once: each read makes the peer's window whole again, so reading less than there is
 * would let it grow without end. */
static void take_in(struct channel *ch)
{
    int n = ssh_channel_poll(ch->ssh, 0);
    char *room = n > 0 && n <= SSH_INPUT_MAX ? buf_reserve(&ch->in, (size_t)n) : NULL;

    if (room && (n = ssh_channel_read_nonblocking(ch->ssh, room, (uint32_t)n, 0)) > 0)
        ch->in.n += (size_t)n;
}

/* From the peer to the child. */
static void pump_in(struct channel *ch)
{
    int fd = ch->out.watch ? watch_fd(ch->out.watch) : -1;
    ssize_t w;

    ch->in_more = false;
    if (fd < 0)
        return;
    if (!ch->in.n && !ch->in_over)
        take_in(ch);
    while (ch->in.n && !ch->in_over) {
        w = write(fd, ch->in.p + ch->in_done, ch->in.n - ch->in_done);
        if (w < 0 && (errno == EAGAIN || errno == EINTR)) {
            ch->in_more = true;
            return;
        }
        ch->in_over = w < 0;
        ch->in_done += w > 0 ? (size_t)w : 0;
        if (ch->in_over || ch->in_done == ch->in.n) {
            buf_clear(&ch->in);
            ch->in_done = 0;
            ch->in_more = !ch->in_over && ssh_channel_poll(ch->ssh, 0) > 0;
        }
    }
    buf_shrink(&ch->in, 0);
    if (ch->in_over || ch->in_more || ssh_channel_is_eof(ch->ssh) <= 0)
        return;
    ch->in_over = true;
    if (!ch->pty)
        shutdown(fd, SHUT_WR);
    else if (write(fd, (char[]){PTY_END}, 1) < 0)
        ch->in_over = true; /* its input is full: it has more to read than an end */
}

static void say(struct channel *ch, struct stream *s, struct str text)
{
    int n = s == &ch->err ? ssh_channel_write_stderr(ch->ssh, text.p, (uint32_t)text.n)
                          : ssh_channel_write(ch->ssh, text.p, (uint32_t)text.n);

    if (n < 0)
        ch->connection->dead = true;
    else if (s->left.n)
        buf_drop(&s->left, (size_t)n);
    else
        buf_add(&s->left, str_from(text, (size_t)n));
}

/* From the child to the peer: one piece, when the peer reads. */
static void pump_out(struct channel *ch, struct stream *s)
{
    char chunk[SSH_CHUNK];
    size_t window = ssh_channel_window_size(ch->ssh);
    ssize_t n;

    if (!window || connection_blocked(ch->connection))
        return;
    if (s->left.n) {
        say(ch, s, str_first(buf_str(&s->left), window));
        return;
    }
    if (s->over || !s->watch)
        return;
    n = read(watch_fd(s->watch), chunk, window < sizeof chunk ? window : sizeof chunk);
    if (n > 0)
        say(ch, s, str_of(chunk, (size_t)n));
    else if (n == 0 || (errno != EAGAIN && errno != EINTR) || ch->ended)
        s->over = true; /* a pty says EIO; grandchildren may keep the descriptor open after the end */
    buf_shrink(&s->left, 0);
}

static void watch_again(const struct channel *ch)
{
    bool room = !connection_blocked(ch->connection) && ssh_channel_window_size(ch->ssh) > 0;

    if (ch->out.watch)
        watch_for(ch->out.watch, room && !ch->out.over && !ch->out.left.n, ch->in_more && !ch->in_over);
    if (ch->err.watch)
        watch_for(ch->err.watch, room && !ch->err.over && !ch->err.left.n, false);
}

/* --- the end --------------------------------------------------------------------------------------------------------------
 */

static void channel_gone(struct channel *ch)
{
    opening_cancel(ch->opening);
    if (ch->child)
        child_hang_up(ch->child);
    watch_free(ch->out.watch);
    watch_free(ch->err.watch);
    ssh_remove_channel_callbacks(ch->ssh, &ch->callbacks);
    ssh_channel_free(ch->ssh);
    buf_done(&ch->in);
    buf_done(&ch->out.left);
    buf_done(&ch->err.left);
    free(ch->command);
    free(ch);
}

static const char *signal_name(int number)
{
    static const struct {
        int number;
        const char *name;
    } names[] = {{SIGHUP, "HUP"},   {SIGINT, "INT"},   {SIGTERM, "TERM"},
                 {SIGABRT, "ABRT"}, {SIGSEGV, "SEGV"}, {SIGPIPE, "PIPE"}};

    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        if (names[i].number == number)
            return names[i].name;
    return "KILL";
}

static void goodbye(struct channel *ch)
{
    if (WIFEXITED(ch->status))
        ssh_channel_request_send_exit_status(ch->ssh, WEXITSTATUS(ch->status));
    else
        ssh_channel_request_send_exit_signal(ch->ssh, signal_name(WTERMSIG(ch->status)), 0, "", "");
    ssh_channel_send_eof(ch->ssh);
    ssh_channel_close(ch->ssh);
}

static bool finished(const struct channel *ch)
{
    return ch->ended && ch->out.over && ch->err.over && !ch->out.left.n && !ch->err.left.n;
}

/* Writing makes libssh read too: a channel that the client opens meanwhile stands at the head of the list by then. */
static void take_out(struct connection *c, const struct channel *ch)
{
    struct channel **at = &c->channels;

    while (*at != ch)
        at = &(*at)->next;
    *at = ch->next;
}

static void pump_all(struct connection *c)
{
    struct channel *ch = c->channels, *next;

    for (; ch; ch = next) {
        pump_in(ch);
        pump_out(ch, &ch->out);
        pump_out(ch, &ch->err);
        if (!ch->closed && finished(ch))
            goodbye(ch);
        next = ch->next;
        if (!ch->closed && !finished(ch)) {
            watch_again(ch);
            continue;
        }
        take_out(c, ch);
        c->n_channels--;
        channel_gone(ch);
        if (!c->n_channels)
            connection_idle(c, true);
    }
}

/* What was read while writing may be for a channel that had its turn. */
void channels_pump(struct connection *c)
{
    uint64_t before;

    do {
        before = c->counter.in_bytes;
        pump_all(c);
    } while (c->counter.in_bytes != before && !connection_over(c));
}

void channels_end(struct connection *c)
{
    while (c->channels) {
        struct channel *ch = c->channels;

        c->channels = ch->next;
        channel_gone(ch);
    }
    c->n_channels = 0;
}
