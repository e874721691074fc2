/*
 * Sessions that carry files. See session_files.h.
 *
 * Called by main_session.c. Owns the virtual root. Who may not touch files (spec/cli.md 5) is told so once and ends with 1.
 * What is read and written is noted in cli_logs (SFTP, SCP) or ftpd_logs.
 */
#include "role/session_files.h"

#include "admin/client.h"
#include "shell/ftp.h"
#include "shell/scp.h"
#include "shell/sftp.h"

#include <stdio.h>
#include <unistd.h>

enum { IDLE_MS = 30 * 60 * 1000 };

static void note(void *ctx, struct str what)
{
    const struct str words[] = {str_lit("note"), str_lit("cli"), what};
    struct buf text = BUF(4096), json = BUF(4096);
    enum rc rc;

    client_ask(*(int *)ctx, STR_NONE, words, 3, &rc, &text, &json, NULL);
    buf_done(&text);
    buf_done(&json);
}

static bool open_root(struct vroot *v, const char *home, uint64_t role, int *control)
{
    struct err e = ERR_NONE;

    if (!vroot_allowed((unsigned)role)) {
        fprintf(stderr, "Your role has no access to files.\n");
        return false;
    }
    if (vroot_open(v, home, &e) != RC_OK) {
        fprintf(stderr, "%s\n", err_text(&e));
        return false;
    }
    v->told = note;
    v->ctx = control;
    return true;
}

int session_sftp(const char *home, uint64_t role, int control)
{
    struct vroot v;

    return open_root(&v, home, role, &control) ? sftp_serve(&v, STDIN_FILENO, STDOUT_FILENO, IDLE_MS) : 1;
}

int session_scp(const char *home, uint64_t role, int control, struct str command)
{
    struct vroot v;

    return open_root(&v, home, role, &control) ? scp_serve(&v, command, STDIN_FILENO, STDOUT_FILENO, STDERR_FILENO, IDLE_MS)
                                               : 1;
}

int session_ftp(const char *home, int control, struct str settings)
{
    struct ftp_options o = {.data_wait_ms = FTP_DATA_WAIT_MS, .gate = ftp_gate_control(&control)};
    struct str range, active, idle, login;
    struct err e = ERR_NONE;
    char hostname[256];

    if (!str_word(&settings, &range) || !str_word(&settings, &active) || !str_word(&settings, &idle) ||
        !str_word(&settings, &login) || !str_u64(str_first(range, str_find(range, '-')), &o.passive_first) ||
        !str_u64(str_from(range, str_find(range, '-') + 1), &o.passive_last) || !str_u64(idle, &o.idle_ms) ||
        !str_u64(login, &o.login_ms) || vroot_open(&o.root, home, &e) != RC_OK)
        return 1;
    o.active = str_eq(active, str_lit("1"));
    snprintf(hostname, sizeof hostname, "%.*s", STR(str_first(str_trim(settings), 255)));
    o.hostname = hostname;
    return ftp_serve(&o, STDIN_FILENO, STDOUT_FILENO);
}
