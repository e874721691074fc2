/*
 * postern-master HOME: the supervisor. Starts every role found beside itself, restarts what dies, binds the listening
 * sockets control asks for, ends all in order at SIGTERM or SIGINT.
 *
 * Started by `postern run` and `postern start`. Plain poll(2), no loop, no settings: it stays small because it may be root.
 * A second master on the same home is refused by a lock that lives as long as any process of the first.
 */
#include "base/clock.h"
#include "base/io.h"
#include "role/master.h"

#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <grp.h>
#include <limits.h>
#include <poll.h>
#include <pwd.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { LOCK_WAIT_MS = 15000, STOP_TICK_MS = 200 };

void master_say(const char *fmt, ...)
{
    char when[32];
    time_t now = time(NULL);
    struct tm tm;
    va_list ap;

    strftime(when, sizeof when, "%Y-%m-%dT%H:%M:%SZ", gmtime_r(&now, &tm));
    fprintf(stderr, "%s postern-master: ", when);
    va_start(ap, fmt);
    vfprintf(stderr, fmt, ap);
    va_end(ap);
    fputc('\n', stderr);
}

/* --- the home -----------------------------------------------------------------------------------------------------------
 */

static int fail(const char *what)
{
    master_say("%s: %s", what, strerror(errno));
    return 1;
}

/* Two locks: run/master.pid says that a master lives (its holder's pid can be asked for); run/lock is shared with all roles,
 * so a master that was killed is followed only when the last of its roles has ended. */
static int lock_home(struct master *m)
{
    struct flock whole = {.l_type = F_WRLCK, .l_whence = SEEK_SET};
    uint64_t until = clock_mono_ms() + LOCK_WAIT_MS;
    char path[PATH_MAX];
    int pid_file;

    snprintf(path, sizeof path, "%s/run/master.pid", m->home);
    pid_file = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0644);
    if (pid_file < 0)
        return fail(path);
    if (fcntl(pid_file, F_SETLK, &whole) != 0) {
        master_say("already running on %s", m->home);
        return 1;
    }
    snprintf(path, sizeof path, "%s/run/lock", m->home);
    m->lock = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (m->lock < 0)
        return fail(path);
    while (flock(m->lock, LOCK_EX | LOCK_NB) != 0) {
        if (errno != EWOULDBLOCK && errno != EINTR)
            return fail(path);
        if (clock_mono_ms() > until) {
            master_say("processes of an earlier run on %s do not end", m->home);
            return 1;
        }
        usleep(20000);
    }
    if (ftruncate(pid_file, 0) != 0 || dprintf(pid_file, "%d\n", (int)getpid()) < 0)
        return fail("run/master.pid");
    return 0; /* pid_file stays open: closing it would end the lock */
}

static int make_dirs(const char *home)
{
    static const char *const names[] = {"run",      "log",    "events",  "spool",   "configuration", "captures",
                                        "push",     "snmp",   "clock",   "keys",    "quarantine",    "run/cpq",
                                        "run/link", "record", "exports", "central", "tracking"};
    char path[PATH_MAX];
    struct stat st;

    if (stat(home, &st) != 0)
        return fail(home);
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        snprintf(path, sizeof path, "%s/%s", home, names[i]);
        if (mkdir(path, 0700) == 0) {
            if (lchown(path, st.st_uid, st.st_gid) != 0)
                return fail(path);
        } else if (errno != EEXIST)
            return fail(path);
    }
    return 0;
}

/* --- the user -------------------------------------------------------------------------------------------------------------
 */

static const struct master *giving; /* nftw has no argument of its own */

static int give(const char *path, const struct stat *st, int kind, struct FTW *at)
{
    (void)st;
    (void)kind;
    (void)at;
    return lchown(path, giving->uid, giving->gid);
}

/* Can the roles' user reach the home and the programs? Asked by a child that is that user. */
static bool user_can(const struct master *m)
{
    char exe[sizeof m->exe_dir + 32];
    int status;
    pid_t pid = fork();

    if (pid == 0) {
        snprintf(exe, sizeof exe, "%s/postern-control", m->exe_dir);
        if (setgroups(0, NULL) != 0 || setgid(m->gid) != 0 || setuid(m->uid) != 0)
            _exit(1);
        _exit(access(m->home, R_OK | W_OK | X_OK) != 0 || (access(exe, X_OK) != 0 && errno == EACCES));
    }
    return pid > 0 && waitpid(pid, &status, 0) == pid && WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

/* Started by root, the roles run as user postern. A home that still belongs to root (nobody else could write there so far)
 * is given to that user once. */
static int choose_user(struct master *m)
{
    struct passwd *user;
    struct stat st;

    if (geteuid() != 0)
        return 0;
    user = getpwnam("postern");
    if (!user) {
        master_say("there is no user postern: the roles run as root");
        return 0;
    }
    m->uid = user->pw_uid;
    m->gid = user->pw_gid;
    if (stat(m->home, &st) != 0)
        return fail(m->home);
    giving = m;
    if (st.st_uid == 0 && nftw(m->home, give, 16, FTW_PHYS) != 0)
        return fail("giving the home to user postern");
    if (user_can(m))
        return 0;
    master_say("user postern cannot reach %s or %s: mind the permissions of the directories above", m->home, m->exe_dir);
    return 1;
}

/* --- the life of master
 * ------------------------------------------------------------------------------------------------------ */

static void want_roles(struct master *m)
{
    char exe[sizeof m->exe_dir + 32];

    for (unsigned r = 0; r < ROLE_COUNT; r++) {
        if (r == ROLE_master)
            continue;
        snprintf(exe, sizeof exe, "%s/postern-%s", m->exe_dir, role_name((enum role)r));
        if (access(exe, F_OK) == 0)
            procs_want(m, (enum role)r, role_row((enum role)r)->least ? 0 : ROLE_NONE);
        else
            master_say("%s is missing: this role does not run", exe);
    }
}

static int open_signals(void)
{
    struct sigaction ignore = {.sa_handler = SIG_IGN};
    sigset_t set;

    sigemptyset(&set);
    sigaddset(&set, SIGCHLD);
    sigaddset(&set, SIGTERM);
    sigaddset(&set, SIGINT);
    sigprocmask(SIG_SETMASK, &set, NULL);
    sigaction(SIGPIPE, &ignore, NULL);
    sigaction(SIGHUP, &ignore, NULL);
    return signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
}

static void take_signals(struct master *m, int fd)
{
    struct signalfd_siginfo info;

    while (read(fd, &info, sizeof info) == (ssize_t)sizeof info)
        if (info.ssi_signo != SIGCHLD)
            m->stopping = true;
    procs_reap(m);
}

static void take_line(struct master *m, struct proc *p)
{
    struct line_in in;
    enum line_state state = LINE_GOT;

    while (p->line >= 0 && (state = line_take(p->line, &in, false)) == LINE_GOT) {
        if (in.fd >= 0)
            close(in.fd);
        proc_said(m, p, &in);
    }
    if (p->line >= 0 && state == LINE_END)
        proc_kill(p);
}

static int wait_ms(const struct master *m, int due)
{
    uint64_t now = clock_mono_ms();
    int bind = m->bind_again_ms ? (int)(m->bind_again_ms > now ? m->bind_again_ms - now : 0) : -1;

    if (m->stopping)
        return STOP_TICK_MS;
    if (due < 0 || (bind >= 0 && bind < due))
        return bind;
    return due;
}

static void turn(struct master *m, int signals)
{
    struct pollfd fds[MASTER_PROCS + 1] = {{.fd = signals, .events = POLLIN}};
    size_t n = m->n_procs;
    int due = procs_start_due(m);

    listen_retry(m);
    if (m->changed)
        status_write(m);
    n = m->n_procs;
    for (size_t i = 0; i < n; i++)
        fds[i + 1] = (struct pollfd){.fd = m->procs[i].line, .events = POLLIN};
    if (poll(fds, (nfds_t)n + 1, wait_ms(m, due)) <= 0)
        return;
    for (size_t i = 0; i < n; i++)
        if (fds[i + 1].revents && fds[i + 1].fd == m->procs[i].line)
            take_line(m, &m->procs[i]);
    if (fds[0].revents)
        take_signals(m, signals);
}

static int supervise(struct master *m)
{
    int signals = open_signals();
    char status[PATH_MAX];

    if (signals < 0)
        return fail("signalfd");
    m->started_wall_ms = clock_wall_ms();
    want_roles(m);
    master_say("running on %s", m->home);
    while (!m->stopping)
        turn(m, signals);
    listen_close(m);
    while (!procs_stop(m))
        turn(m, signals);
    snprintf(status, sizeof status, "%s/run/status", m->home);
    io_unlink("master.status", status, NULL);
    master_say("stopped");
    return 0;
}

static void find_exe_dir(struct master *m)
{
    ssize_t n = readlink("/proc/self/exe", m->exe_dir, sizeof m->exe_dir - 1);
    char *slash;

    m->exe_dir[n > 0 ? n : 0] = '\0';
    slash = strrchr(m->exe_dir, '/');
    if (slash)
        *slash = '\0';
}

int main(int argc, char **argv)
{
    static struct master master;
    struct master *m = &master;
    struct rlimit files;
    int rc;

    if (argc != 2 || argv[1][0] != '/') {
        fprintf(stderr, "usage: postern-master /ABSOLUTE/HOME (use `postern run --home DIR`)\n");
        return 2;
    }
    m->home = argv[1];
    umask(077);
    prctl(PR_SET_DUMPABLE, geteuid() != 0);
    if (getrlimit(RLIMIT_NOFILE, &files) == 0) {
        files.rlim_cur = files.rlim_max;
        setrlimit(RLIMIT_NOFILE, &files);
    }
    io_init("master");
    random_bytes(m->ticket_key, sizeof m->ticket_key);
    find_exe_dir(m);
    rc = make_dirs(m->home);
    if (rc == 0)
        rc = lock_home(m);
    if (rc == 0)
        rc = choose_user(m);
    m->board_fd = rc == 0 ? board_create() : -1;
    m->board = m->board_fd >= 0 ? board_map(m->board_fd) : NULL;
    if (rc == 0 && !m->board)
        rc = fail("board");
    if (rc == 0)
        rc = supervise(m);
    if (rc == 0 && m->again) {
        execv("/proc/self/exe", argv);
        rc = fail("starting anew");
    }
    return rc;
}
