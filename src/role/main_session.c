/*
 * postern-session: one login. Started by role shell (descriptor 3 = its connection to control), or by `postern cli`
 * (--local), which connects by itself with the rights of whoever typed it.
 *
 *   postern-session HOME --what cli|exec|sftp|scp|ftp|mgmt [--command TEXT] --user U --peer IP --role N [--must-change]
 *   postern-session HOME --local [--user U] [--command TEXT]
 *
 * Owns nothing but the process. Ends with the status of its last command; 1 when it cannot begin.
 */
#include "admin/client.h"
#include "base/io.h"
#include "console/session.h"
#include "role/rights.h"
#include "role/session_files.h"
#include "role/session_mgmt.h"

#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

enum { CONTROL_FD = 3 };

struct start {
    const char *home, *what, *command, *user, *peer;
    uint64_t role;
    bool local;
};

static bool parse(int argc, char **argv, struct start *o)
{
    *o = (struct start){.what = "cli", .peer = "console"};
    if (argc < 2 || argv[1][0] != '/')
        return false;
    o->home = argv[1];
    for (int i = 2; i < argc; i++) {
        const char *value = i + 1 < argc ? argv[i + 1] : "";

        if (strcmp(argv[i], "--local") == 0)
            o->local = true;
        else if (strcmp(argv[i], "--must-change") == 0)
            continue; /* control knows */
        else if (strcmp(argv[i], "--what") == 0)
            o->what = value, i++;
        else if (strcmp(argv[i], "--command") == 0)
            o->command = value, i++;
        else if (strcmp(argv[i], "--user") == 0)
            o->user = value, i++;
        else if (strcmp(argv[i], "--peer") == 0)
            o->peer = value, i++;
        else if (strcmp(argv[i], "--role") == 0)
            str_u64(str_c(value), &o->role), i++;
        else
            return false;
    }
    return true;
}

static int talk(const struct start *o, int control)
{
    static struct session session; /* one a process */
    struct session *s = &session;
    struct err e = ERR_NONE;
    int status;

    *s = (struct session){.home = o->home,
                          .in = STDIN_FILENO,
                          .out = STDOUT_FILENO,
                          .control = control,
                          .local = o->local,
                          .exec = o->command != NULL,
                          .terminal = !o->command && isatty(STDIN_FILENO) && isatty(STDOUT_FILENO),
                          .user = str_c(o->user),
                          .peer = str_c(o->peer)};
    if (session_open(s, &e) != RC_OK) {
        session_close(s);
        fprintf(stderr, "postern: %s\n", err_text(&e));
        return 1;
    }
    status = o->command ? session_exec(s, str_c(o->command)) : session_talk(s);
    session_close(s);
    return status;
}

int main(int argc, char **argv)
{
    struct start o;
    struct err e = ERR_NONE;
    int control = CONTROL_FD, status;

    if (!parse(argc, argv, &o)) {
        fprintf(stderr, "postern-session is started by postern: use `postern cli --home DIR` or ssh\n");
        return 2;
    }
    signal(SIGPIPE, SIG_IGN);
    io_init("session");
    if (!o.local && rights_session(o.home, strcmp(o.what, "mgmt") == 0, &e) != RC_OK) {
        fprintf(stderr, "postern: %s\n", err_text(&e));
        return 1;
    }
    if (o.local && client_open(o.home, &control, &e) != RC_OK) {
        fprintf(stderr, "postern: %s\n", err_text(&e));
        return 1;
    }
    if (strcmp(o.what, "sftp") == 0)
        status = session_sftp(o.home, o.role, control);
    else if (strcmp(o.what, "scp") == 0)
        status = session_scp(o.home, o.role, control, str_c(o.command));
    else if (strcmp(o.what, "ftp") == 0)
        status = session_ftp(o.home, control, str_c(o.command));
    else if (strcmp(o.what, "mgmt") == 0)
        status = session_mgmt(o.home, control, str_c(o.command));
    else
        status = talk(&o, control);
    fflush(NULL);
    _exit(status);
}
