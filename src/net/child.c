/*
 * Programs of others, kept alive or run once. See child.h.
 *
 * Called by the rooms snmp and clock. Owns the process, its pipe and its timers. A program that cannot be started looks like
 * one that died at once. Each child has its own SIGCHLD watcher: libuv shares the signal, waitpid() asks for one process.
 */
#include "net/child.h"

#include "base/buf.h"
#include "base/must.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

enum { BACKOFF_FIRST_MS = 100, BACKOFF_MOST_MS = 30000, FORGIVEN_MS = 10000, TERM_MS = 2000, OUTPUT_MAX = 65536 };

/* One life of a program. */
struct life {
    uv_signal_t ended;
    uv_poll_t output;
    unsigned closing; /* handles that still have to close */
    pid_t pid;
    int fd;
    struct buf text;
    void (*on_text)(void *ctx, struct buf *text); /* more output came */
    void (*on_end)(void *ctx, int status);        /* the process is gone, all its output was read */
    void *ctx;
};

/* --- one life ------------------------------------------------------------------------------------------------------ */

static void life_closed(uv_handle_t *h)
{
    struct life *l = h->data;

    if (--l->closing)
        return;
    buf_done(&l->text);
    free(l);
}

static void life_drop(struct life *l)
{
    uv_close((uv_handle_t *)&l->ended, life_closed);
    uv_close((uv_handle_t *)&l->output, life_closed);
    close(l->fd);
}

/* False at the end of the output. */
static bool life_read(struct life *l)
{
    for (;;) {
        char *room = buf_reserve(&l->text, 4096);
        char spill[4096];
        ssize_t n = read(l->fd, room ? room : spill, 4096);

        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return errno == EAGAIN;
        if (n == 0)
            return false;
        if (room)
            l->text.n += (size_t)n;
        if (l->on_text)
            l->on_text(l->ctx, &l->text);
    }
}

static void on_output(uv_poll_t *h, int status, int events)
{
    (void)events;
    if (status < 0 || !life_read(h->data))
        uv_poll_stop(h);
}

static void on_child(uv_signal_t *h, int number)
{
    struct life *l = h->data;
    int status;

    (void)number;
    if (l->pid <= 0 || waitpid(l->pid, &status, WNOHANG) != l->pid)
        return;
    life_read(l); /* a grandchild may hold the pipe: what is there is all */
    l->pid = 0;
    if (l->on_end)
        l->on_end(l->ctx, status);
    life_drop(l);
}

/* Between fork and execve: async-signal-safe calls only. */
static _Noreturn void become(const struct child_program *p, int out, pid_t parent)
{
    struct sigaction normal = {.sa_handler = SIG_DFL};
    sigset_t none;
    int null = open("/dev/null", O_RDWR);

    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (getppid() != parent)
        _exit(71); /* the role died meanwhile */
    for (int s = 1; s < 32; s++)
        sigaction(s, &normal, NULL);
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
    if (null < 0 || dup2(null, 0) < 0 || dup2(out, 1) < 0 || dup2(out, 2) < 0)
        _exit(71);
    close_range(3, ~0u, 0);
    execve(p->words[0], (char *const *)(uintptr_t)p->words, (char *const *)(uintptr_t)p->environment);
    dprintf(2, "cannot execute %s: %s\n", p->words[0], strerror(errno));
    _exit(127);
}

/* NULL when the system has no process or pipe left. */
static struct life *life_begin(struct loop *loop, const struct child_program *p, void *ctx)
{
    struct life *l = calloc(1, sizeof *l);
    pid_t parent = getpid();
    int out[2];

    must(l);
    if (pipe2(out, O_CLOEXEC) != 0) {
        free(l);
        return NULL;
    }
    fcntl(out[0], F_SETFL, O_NONBLOCK);
    *l = (struct life){.closing = 2, .fd = out[0], .text = BUF(OUTPUT_MAX), .ctx = ctx};
    must(uv_signal_init(loop_uv(loop), &l->ended) == 0 && uv_poll_init(loop_uv(loop), &l->output, l->fd) == 0);
    l->ended.data = l->output.data = l;
    must(uv_signal_start(&l->ended, on_child, SIGCHLD) == 0 && uv_poll_start(&l->output, UV_READABLE, on_output) == 0);
    l->pid = fork();
    if (l->pid == 0)
        become(p, out[1], parent);
    close(out[1]);
    if (l->pid > 0)
        return l;
    life_drop(l);
    return NULL;
}

/* --- kept alive ---------------------------------------------------------------------------------------------------- */

struct child {
    struct loop *loop;
    struct child_events events;
    void *ctx;
    struct child_program program; /* words and environment are our copies */
    struct life *life;
    struct loop_timer again, kill;
    uint64_t began_ms, backoff_ms, deaths;
    bool wanted, ending; /* it shall run; the one that runs was told to end */
    struct buf last;     /* its last line */
    void (*stopped)(void *ctx);
    void *stopped_ctx;
};

static void program_drop(struct child_program *p)
{
    for (size_t i = 0; i < CHILD_WORDS && p->words[i]; i++)
        free((char *)(uintptr_t)p->words[i]);
    for (size_t i = 0; i < sizeof p->environment / sizeof *p->environment && p->environment[i]; i++)
        free((char *)(uintptr_t)p->environment[i]);
    *p = (struct child_program){0};
}

static void program_copy(struct child_program *to, const struct child_program *from)
{
    program_drop(to);
    for (size_t i = 0; i + 1 < CHILD_WORDS && from->words[i]; i++)
        must((to->words[i] = strdup(from->words[i])) != NULL);
    for (size_t i = 0; i + 1 < sizeof to->environment / sizeof *to->environment && from->environment[i]; i++)
        must((to->environment[i] = strdup(from->environment[i])) != NULL);
}

static void on_text(void *ctx, struct buf *text)
{
    struct child *c = ctx;
    size_t end;

    while ((end = str_find(buf_str(text), '\n')) < text->n) {
        struct str line = str_trim(str_first(buf_str(text), end));

        if (line.n) {
            buf_clear(&c->last);
            buf_add(&c->last, line);
            if (c->events.line)
                c->events.line(c->ctx, line);
        }
        buf_drop(text, end + 1);
    }
    if (text->failed || text->n > OUTPUT_MAX / 2)
        buf_clear(text); /* no line at all */
}

static void begin(void *ctx);

static void tell_stopped(struct child *c)
{
    void (*stopped)(void *) = c->stopped;

    c->stopped = NULL;
    if (stopped)
        stopped(c->stopped_ctx);
}

static void describe(int status, char *out, size_t n)
{
    if (WIFSIGNALED(status))
        snprintf(out, n, "was ended by signal %d (%s)", WTERMSIG(status), strsignal(WTERMSIG(status)));
    else
        snprintf(out, n, "ended with status %d", WEXITSTATUS(status));
}

static void died(struct child *c, const char *how)
{
    uint64_t now = loop_now_ms(c->loop);

    c->deaths++;
    if (!c->backoff_ms || now - c->began_ms >= FORGIVEN_MS)
        c->backoff_ms = BACKOFF_FIRST_MS;
    else
        c->backoff_ms = c->backoff_ms * 2 < BACKOFF_MOST_MS ? c->backoff_ms * 2 : BACKOFF_MOST_MS;
    loop_timer_set(c->loop, &c->again, c->backoff_ms, begin, c);
    if (c->events.died)
        c->events.died(c->ctx, how, buf_str(&c->last), c->backoff_ms);
}

static void on_end(void *ctx, int status)
{
    struct child *c = ctx;
    bool ending = c->ending;
    char how[100];

    loop_timer_cancel(c->loop, &c->kill);
    c->life = NULL;
    c->ending = false;
    if (!c->wanted) {
        tell_stopped(c);
        return;
    }
    if (ending) {
        begin(c);
        return;
    }
    describe(status, how, sizeof how);
    if (WIFSIGNALED(status))
        buf_clear(&c->last); /* what it said before has nothing to do with it */
    died(c, how);
}

static void begin(void *ctx)
{
    struct child *c = ctx;

    c->began_ms = loop_now_ms(c->loop);
    buf_clear(&c->last);
    if (c->events.prepare)
        c->events.prepare(c->ctx);
    c->life = life_begin(c->loop, &c->program, c);
    if (!c->life) {
        died(c, strerror(errno));
        return;
    }
    c->life->on_text = on_text;
    c->life->on_end = on_end;
    if (c->events.began)
        c->events.began(c->ctx, (int)c->life->pid);
}

static void no_patience(void *ctx)
{
    struct child *c = ctx;

    if (c->life)
        kill(c->life->pid, SIGKILL);
}

static void end(struct child *c)
{
    loop_timer_cancel(c->loop, &c->again);
    if (!c->life || c->ending)
        return;
    c->ending = true;
    kill(c->life->pid, SIGTERM);
    loop_timer_set(c->loop, &c->kill, TERM_MS, no_patience, c);
}

struct child *child_new(struct loop *l, const struct child_events *events, void *ctx)
{
    struct child *c = calloc(1, sizeof *c);

    must(c);
    *c = (struct child){.loop = l, .events = *events, .ctx = ctx, .last = BUF(OUTPUT_MAX)};
    return c;
}

void child_start(struct child *c, const struct child_program *program)
{
    program_copy(&c->program, program);
    c->wanted = true;
    c->backoff_ms = 0;
    end(c);
    if (!c->life)
        begin(c);
}

void child_stop(struct child *c, void (*stopped)(void *ctx), void *ctx)
{
    c->wanted = false;
    c->stopped = stopped;
    c->stopped_ctx = ctx;
    end(c);
    if (!c->life)
        tell_stopped(c);
}

int child_pid(const struct child *c)
{
    return c->life ? (int)c->life->pid : 0;
}

uint64_t child_deaths(const struct child *c)
{
    return c->deaths;
}

void child_free(struct child *c)
{
    if (!c)
        return;
    loop_timer_cancel(c->loop, &c->again);
    loop_timer_cancel(c->loop, &c->kill);
    if (c->life) {
        kill(c->life->pid, SIGKILL);
        waitpid(c->life->pid, NULL, 0);
        life_drop(c->life);
    }
    program_drop(&c->program);
    buf_done(&c->last);
    free(c);
}

/* --- run once ------------------------------------------------------------------------------------------------------ */

struct run {
    struct loop *loop;
    struct life *life;
    struct loop_timer limit;
    void (*done)(void *ctx, int status, struct str output);
    void *ctx;
};

static void run_end(void *ctx, int status)
{
    struct run *r = ctx;

    loop_timer_cancel(r->loop, &r->limit);
    r->done(r->ctx, status, buf_str(&r->life->text));
    free(r);
}

static void run_late(void *ctx)
{
    struct run *r = ctx;

    kill(r->life->pid, SIGKILL);
}

void child_run(struct loop *l, const struct child_program *program, uint64_t timeout_ms,
               void (*done)(void *ctx, int status, struct str output), void *ctx)
{
    struct run *r = calloc(1, sizeof *r);

    must(r);
    *r = (struct run){.loop = l, .done = done, .ctx = ctx};
    r->life = life_begin(l, program, r);
    if (!r->life) {
        done(ctx, -1, STR_NONE);
        free(r);
        return;
    }
    r->life->on_end = run_end;
    loop_timer_set(l, &r->limit, timeout_ms, run_late, r);
}
