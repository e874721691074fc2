/*
 * FTP server over the virtual root (RFC 959 with 2389, 2428, 3659): one process a control connection, off by default
 * (cli.md 1.1, logs.md 13). Plain FTP; no anonymous login; data connections from and to the client's own address only.
 */
#ifndef SHELL_FTP_H
#define SHELL_FTP_H

#include "shell/vroot.h"

enum { FTP_LOGINS = 3, FTP_LINE_MAX = 2048, FTP_DATA_WAIT_MS = 30000 };

struct ftp_user {
    unsigned role;    /* as user.NAME.role counts */
    bool must_change; /* the passphrase, before anything else */
};

/* Who knows the users and keeps the logs: the control connection of the session, or a test. */
struct ftp_gate {
    /* RC_OK and *out, RC_AUTH_FAILED (unknown user, wrong passphrase, locked: the client gets one answer), else no answer.
     */
    enum rc (*login)(void *ctx, struct str user, struct str passphrase, struct ftp_user *out, struct err *e);
    void (*note)(void *ctx, struct str line); /* for ftpd_logs, which names user and address */
    void *ctx;
};

/* The gate over a control connection (admin/client.h): verbs `login USER PASSPHRASE` and `note ftp TEXT`. *fd must live on.
 */
struct ftp_gate ftp_gate_control(int *fd);

struct ftp_options {
    struct vroot root; /* its `told` is set by the server */
    struct ftp_gate gate;
    const char *hostname;
    uint64_t passive_first, passive_last; /* ports, 1024 and up */
    bool active;
    uint64_t idle_ms;      /* setting ftp.idle_ms */
    uint64_t login_ms;     /* setting access.login_grace_ms */
    uint64_t data_wait_ms; /* for a data connection to come about; FTP_DATA_WAIT_MS */
};

/* Serves the accepted control connection (both ends may be the same descriptor) until the client leaves. */
int ftp_serve(const struct ftp_options *o, int in, int out);

#endif
