/*
 * The process of a session: pty or socket pair, fork, the program, its end.
 *
 * Called by ssh_channel.c and ssh_ftp.c. Owns the list of children until each is reaped. A child is leader of a session and
 * process group of its own; when it ends, whatever is left of the group is killed before its number can go to anyone else.
 * It dies with this process (PR_SET_PDEATHSIG), so that a role that was killed leaves no session behind.
 */
#include "shell/ssh_inside.h"

#include "base/must.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <pty.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

enum { ARGS_MAX = 16, ENV_MAX = 8, ENV_TEXT = 4200, CONTROL_FD = 3 };

struct child {
    struct child *next;
    struct ssh_server *server;
    pid_t pid;
    struct loop_timer killer;
    void (*ended)(void *ctx, int status);
    void *ctx;
};

/* Everything that execve wants, made before the fork. */
struct program {
    const char *path, *home, *argv[ARGS_MAX], *envp[ENV_MAX];
    char role[24], env[ENV_MAX][ENV_TEXT];
    size_t n_args, n_env;
    int stdio[3]; /* descriptors in this process that become 0, 1, 2 */
    int control_fd;
    bool terminal;
};

static void arg(struct program *p, const char *name, const char *value)
{
    must(p->n_args + 3 < ARGS_MAX);
    p->argv[p->n_args++] = name;
    if (value)
        p->argv[p->n_args++] = value;
}

static void env(struct program *p, const char *name, const char *value)
{
    if (!value || !*value || p->n_env + 1 == ENV_MAX)
        return;
    snprintf(p->env[p->n_env], sizeof p->env[0], "%s=%s", name, value);
    p->envp[p->n_env] = p->env[p->n_env];
    p->n_env++;
}

static void describe(struct program *p, const struct ssh_server *s, const struct child_order *o)
{
    *p = (struct program){.path = s->o.session_program, .home = s->o.home, .control_fd = o->control_fd, .terminal = o->pty};
    arg(p, "postern-session", s->o.home);
    arg(p, "--what", o->what);
    if (o->command)
        arg(p, "--command", o->command);
    arg(p, "--user", o->user);
    arg(p, "--peer", o->peer);
    snprintf(p->role, sizeof p->role, "%" PRIu64, o->role);
    arg(p, "--role", p->role);
    if (o->must_change)
        arg(p, "--must-change", NULL);
    env(p, "PATH", "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin");
    env(p, "HOME", s->o.home);
    env(p, "TZ", getenv("TZ"));
    env(p, "TERM", o->term);
    env(p, "LANG", o->lang);
}

/* In the child: no way back, async-signal-safe calls only. */
static _Noreturn void become(const struct program *p, pid_t parent)
{
    struct sigaction standard = {.sa_handler = SIG_DFL};
    int fd[4] = {p->stdio[0], p->stdio[1], p->stdio[2], p->control_fd};
    sigset_t none;

    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (getppid() != parent)
        _exit(70);
    for (int n = 1; n < NSIG; n++)
        sigaction(n, &standard, NULL);
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
    for (int i = 0; i < 4; i++) /* out of the way of 0 to 3 */
        if (fd[i] >= 0 && (fd[i] = fcntl(fd[i], F_DUPFD, 10)) < 0)
            _exit(71);
    setsid();
    for (int i = 0; i < 4; i++)
        if (fd[i] >= 0 && dup2(fd[i], i) < 0)
            _exit(71);
    if (p->terminal && ioctl(0, TIOCSCTTY, 0) != 0)
        _exit(71);
    if (chdir(p->home) != 0)
        _exit(71);
    close_range(CONTROL_FD + 1, ~0U, 0);
    execve(p->path, (char *const *)p->argv, (char *const *)p->envp);
    dprintf(2, "postern-shell: cannot start the session: errno %d\r\n", errno);
    _exit(127);
}

/* Our end, theirs. */
struct pipes {
    int ours, theirs, err_ours, err_theirs;
};

static void set_flags(int fd)
{
    fcntl(fd, F_SETFD, FD_CLOEXEC);
    fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) | O_NONBLOCK);
}

static void close_one(int fd)
{
    if (fd >= 0)
        close(fd);
}

static enum rc connect_ends(const struct child_order *o, struct pipes *p, struct err *e)
{
    int pair[2], error[2];

    *p = (struct pipes){-1, -1, -1, -1};
    if (o->stdio_fd >= 0)
        return RC_OK;
    if (o->pty) {
        if (openpty(&p->ours, &p->theirs, NULL, NULL, &o->size) != 0)
            return err_errno(e, errno, "pty");
        set_flags(p->ours);
        fcntl(p->theirs, F_SETFD, FD_CLOEXEC);
        return RC_OK;
    }
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) != 0)
        return err_errno(e, errno, "socket pair");
    if (pipe2(error, O_CLOEXEC) != 0) {
        close(pair[0]);
        close(pair[1]);
        return err_errno(e, errno, "pipe");
    }
    *p = (struct pipes){pair[0], pair[1], error[0], error[1]};
    set_flags(p->ours);
    set_flags(p->err_ours);
    return RC_OK;
}

static pid_t launch(struct program *p, const struct child_order *o, const struct pipes *ends)
{
    pid_t parent = getpid(), pid;

    p->stdio[0] = p->stdio[1] = o->stdio_fd >= 0 ? o->stdio_fd : ends->theirs;
    p->stdio[2] = o->pty ? ends->theirs : ends->err_theirs; /* ftp: that of the role */
    pid = fork();
    if (pid == 0)
        become(p, parent);
    return pid;
}

enum rc child_start(struct ssh_server *s, const struct child_order *o, void (*ended)(void *ctx, int status), void *ctx,
                    struct child **child_out, struct child_ends *ends_out, struct err *e)
{
    struct child *c = calloc(1, sizeof *c);
    struct program *p = calloc(1, sizeof *p);
    struct pipes ends;
    int error = 0;

    must(c && p);
    if (connect_ends(o, &ends, e) != RC_OK) {
        free(c);
        free(p);
        return e->rc;
    }
    describe(p, s, o);
    *c = (struct child){.server = s, .pid = launch(p, o, &ends), .ended = ended, .ctx = ctx};
    if (c->pid < 0)
        error = errno;
    free(p);
    close_one(ends.theirs);
    close_one(ends.err_theirs);
    if (c->pid < 0) {
        close_one(ends.ours);
        close_one(ends.err_ours);
        free(c);
        return err_errno(e, error, "fork");
    }
    c->next = s->children;
    s->children = c;
    *child_out = c;
    *ends_out = (struct child_ends){ends.ours, ends.err_ours};
    return RC_OK;
}

/* Until it has called setsid() it is no group leader: then the process itself. */
void child_signal(const struct child *c, int number)
{
    if (kill(-c->pid, number) != 0)
        kill(c->pid, number);
}

static void too_long(void *ctx)
{
    child_signal(ctx, SIGKILL);
}

void child_hang_up(struct child *c)
{
    c->ended = NULL;
    child_signal(c, SIGHUP);
    child_signal(c, SIGCONT); /* a stopped one would never see it */
    loop_timer_set(c->server->o.loop, &c->killer, SSH_HANGUP_MS, too_long, c);
}

/* True when it has ended; its number stays taken (WNOWAIT) until its group is gone. */
static bool ended_now(const struct child *c, int *status)
{
    siginfo_t info = {0};

    if (waitid(P_PID, (id_t)c->pid, &info, WEXITED | WNOHANG | WNOWAIT) == 0 && info.si_pid == 0)
        return false;
    kill(-c->pid, SIGKILL);
    return waitpid(c->pid, status, WNOHANG) != 0;
}

void children_reap(struct ssh_server *s)
{
    struct child **at = &s->children, *gone = NULL;
    int status;

    while (*at) {
        struct child *c = *at;

        status = 0;
        if (!ended_now(c, &status)) {
            at = &c->next;
            continue;
        }
        *at = c->next;
        loop_timer_cancel(s->o.loop, &c->killer);
        c->pid = status;
        c->next = gone;
        gone = c;
    }
    while (gone) { /* their owners may start or hang up others */
        struct child *c = gone;

        gone = c->next;
        if (c->ended)
            c->ended(c->ctx, (int)c->pid);
        free(c);
    }
    ssh_server_less(s);
}
