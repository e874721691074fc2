/*
 * postern run, start, stop, status: begin and end an installation, say what runs.
 *
 * Called by main_postern.c. Whether a master lives is asked of its lock on HOME/run/master.pid; what it does is read from
 * HOME/run/status, which it replaces at every change.
 */
#include "base/clock.h"
#include "base/io.h"
#include "role/commands.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

enum { START_MS = 30000, STOP_MS = 75000, TICK_US = 20000 };

/* Process id of the master that holds the home, 0 when none does. */
static pid_t master_pid(const char *home)
{
    struct flock whole = {.l_type = F_WRLCK, .l_whence = SEEK_SET};
    char path[PATH_MAX], text[16] = "";
    pid_t pid = 0;
    int fd;

    snprintf(path, sizeof path, "%s/run/master.pid", home);
    fd = open(path, O_RDWR | O_CLOEXEC);
    if (fd < 0)
        return 0;
    if (fcntl(fd, F_GETLK, &whole) == 0 && whole.l_type != F_UNLCK)
        pid = whole.l_pid > 0 ? whole.l_pid : pread(fd, text, sizeof text - 1, 0) > 0 ? (pid_t)atoi(text) : 0;
    close(fd);
    return pid;
}

/* The status file of the present master; empty when it has not written one yet. The caller ends `out`. */
static bool read_status(const char *home, pid_t pid, struct buf *out)
{
    char path[PATH_MAX], first[32];

    snprintf(path, sizeof path, "%s/run/status", home);
    snprintf(first, sizeof first, "master %d ", (int)pid);
    buf_clear(out);
    if (io_read_file(path, out, NULL) == RC_OK && str_starts(buf_str(out), str_c(first)))
        return true;
    buf_clear(out);
    return false;
}

static void exe_beside(char out[PATH_MAX], const char *name)
{
    ssize_t n = readlink("/proc/self/exe", out, PATH_MAX - 64);
    char *slash;

    out[n > 0 ? n : 0] = '\0';
    slash = strrchr(out, '/');
    snprintf(slash ? slash + 1 : out, 64, "%s", name);
}

static int become_master(const char *home)
{
    char exe[PATH_MAX];
    char *args[] = {"postern-master", (char *)home, NULL};

    exe_beside(exe, args[0]);
    execv(exe, args);
    fprintf(stderr, "postern: cannot execute %s: %s\n", exe, strerror(errno));
    return 1;
}

int front_run(int argc, char **argv)
{
    const char *home = command_home(argc, argv);

    return home ? become_master(home) : 1;
}

/* --- start
 * ------------------------------------------------------------------------------------------------------------------ */

static int open_log(const char *home)
{
    char path[PATH_MAX];

    snprintf(path, sizeof path, "%s/log", home);
    mkdir(path, 0700);
    snprintf(path, sizeof path, "%s/log/stderr", home);
    return open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC | O_NOFOLLOW, 0600);
}

static pid_t launch(const char *home)
{
    int log = open_log(home), null = open("/dev/null", O_RDWR | O_CLOEXEC);
    pid_t pid;

    if (log < 0 || null < 0) {
        fprintf(stderr, "postern: cannot write %s/log/stderr: %s\n", home, strerror(errno));
        return -1;
    }
    pid = fork();
    if (pid == 0) {
        setsid();
        if (dup2(null, 0) < 0 || dup2(null, 1) < 0 || dup2(log, 2) < 0)
            _exit(1);
        _exit(become_master(home));
    }
    close(log);
    close(null);
    return pid;
}

/* Says where it listens; counts the sockets that could not be opened. */
static int print_sockets(struct str status)
{
    struct str line, word[4];
    int bad = 0;

    while (str_split(&status, '\n', &line)) {
        struct str rest = line;
        bool whole = true;

        for (int i = 0; i < 4; i++)
            whole = whole && str_split(&rest, ' ', &word[i]);
        if (!whole || !str_eq(word[0], str_lit("listen")))
            continue;
        if (str_eq(rest, str_lit("ok"))) {
            printf("%.*s: %.*s port %.*s\n", STR(word[1]), STR(word[2]), STR(word[3]));
        } else {
            fprintf(stderr, "%.*s: %.*s\n", STR(word[1]), STR(rest));
            bad++;
        }
    }
    return bad;
}

int front_start(int argc, char **argv)
{
    const char *home = command_home(argc, argv);
    struct buf status = BUF(1 << 20);
    uint64_t until = clock_mono_ms() + START_MS;
    pid_t pid;

    if (!home)
        return 1;
    if (master_pid(home)) {
        fprintf(stderr, "postern: already running on %s (pid %d)\n", home, (int)master_pid(home));
        return 1;
    }
    pid = launch(home);
    while (pid > 0 && clock_mono_ms() < until && kill(pid, 0) == 0) {
        int bad;

        if (waitpid(pid, NULL, WNOHANG) == pid)
            break;
        if (!read_status(home, pid, &status) || !str_ends(buf_str(&status), str_lit("ready 1\n"))) {
            usleep(TICK_US);
            continue;
        }
        printf("postern runs on %s (pid %d)\n", home, (int)pid);
        bad = print_sockets(buf_str(&status));
        buf_done(&status);
        return bad ? 1 : 0;
    }
    buf_done(&status);
    fprintf(stderr, "postern: not ready in time; see %s/log/stderr and `postern status`\n", home);
    return 1;
}

/* --- stop and status
 * -------------------------------------------------------------------------------------------------------- */

int front_stop(int argc, char **argv)
{
    const char *home = command_home(argc, argv);
    uint64_t until = clock_mono_ms() + STOP_MS;
    pid_t pid = home ? master_pid(home) : 0;

    if (!pid) {
        if (home)
            fprintf(stderr, "postern: not running on %s\n", home);
        return 1;
    }
    if (kill(pid, SIGTERM) != 0) {
        fprintf(stderr, "postern: cannot stop pid %d: %s\n", (int)pid, strerror(errno));
        return 1;
    }
    while (master_pid(home) == pid && clock_mono_ms() < until)
        usleep(TICK_US);
    if (master_pid(home) != pid)
        return 0;
    fprintf(stderr, "postern: pid %d does not end\n", (int)pid);
    return 1;
}

static void uptime_text(char out[32], struct str started_ms)
{
    uint64_t then = 0, now = clock_wall_ms(), s;

    str_u64(started_ms, &then);
    s = now > then ? (now - then) / 1000 : 0;
    if (s >= 86400)
        snprintf(out, 32, "%llud %lluh", (unsigned long long)(s / 86400), (unsigned long long)(s / 3600 % 24));
    else if (s >= 3600)
        snprintf(out, 32, "%lluh %llum", (unsigned long long)(s / 3600), (unsigned long long)(s / 60 % 60));
    else
        snprintf(out, 32, "%llum %llus", (unsigned long long)(s / 60), (unsigned long long)(s % 60));
}

/* ROLE INDEX PID STATE RESTARTS WALL_MS, as master wrote it, in columns. */
static void print_role(struct str line)
{
    struct str word[6];
    char uptime[32] = "-";

    for (int i = 0; i < 6; i++)
        if (!str_split(&line, ' ', &word[i]))
            return;
    if (!str_eq(word[2], str_lit("0")))
        uptime_text(uptime, word[5]);
    printf("%-10.*s %5.*s %8.*s  %-8.*s %8.*s  %s\n", STR(word[0]), STR(word[1]), STR(word[2]), STR(word[3]), STR(word[4]),
           uptime);
}

int front_status(int argc, char **argv)
{
    const char *home = command_home(argc, argv);
    struct buf status = BUF(1 << 20);
    pid_t pid = home ? master_pid(home) : 0;
    struct str rest, line;
    char uptime[32];

    if (!pid) {
        if (home)
            printf("not running on %s\n", home);
        return 1;
    }
    read_status(home, pid, &status);
    rest = buf_str(&status);
    printf("%-10s %5s %8s  %-8s %8s  %s\n", "role", "index", "pid", "state", "restarts", "uptime");
    while (str_split(&rest, '\n', &line)) {
        if (str_starts(line, str_lit("master "))) {
            uptime_text(uptime, str_from(line, str_find_last(line, ' ') + 1));
            printf("%-10s %5d %8d  %-8s %8d  %s\n", "master", 0, (int)pid, "running", 0, uptime);
        } else if (!str_starts(line, str_lit("listen ")) && !str_starts(line, str_lit("ready "))) {
            print_role(line);
        }
    }
    print_sockets(buf_str(&status));
    buf_done(&status);
    return 0;
}
