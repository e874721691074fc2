/*
 * The door of the FTP server: a connection becomes a child that speaks FTP on it.
 *
 * Called by ssh_server.c for each connection that was let in. Owns the socket until the child has it, then the child. The
 * child's control connection speaks for nobody until it has logged in there (verb login).
 */
#include "shell/ssh_inside.h"

#include "base/must.h"

#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

struct ftp_login {
    struct ftp_login *next, **link;
    struct ssh_server *server;
    struct address_ip peer;
    char peer_text[46];
    int fd; /* -1 once the child has it */
    struct opening *opening;
    struct child *child;
};

static void ftp_free(struct ftp_login *f)
{
    struct ssh_server *s = f->server;

    *f->link = f->next;
    if (f->next)
        f->next->link = f->link;
    opening_cancel(f->opening);
    if (f->child)
        child_hang_up(f->child);
    if (f->fd >= 0)
        close(f->fd);
    free(f);
    s->n_ftp--;
    ssh_server_less(s);
}

static void ended(void *ctx, int status)
{
    struct ftp_login *f = ctx;

    (void)status;
    f->child = NULL;
    ftp_free(f);
}

/* What the child must know before anybody has logged in: role/session_files.h. */
static void settings_of(const struct conf *c, char out[400])
{
    snprintf(out, 400, "%" PRIu64 "-%" PRIu64 " %" PRIu64 " %" PRIu64 " %" PRIu64 " %.*s", c->ftp.passive_first,
             c->ftp.passive_last, c->ftp.active, c->ftp.idle_ms, c->access.login_grace_ms, STR(c->system.hostname));
}

static enum rc start(struct ftp_login *f, int control_fd, struct err *e)
{
    char settings[400];
    const struct child_order order = {
        .what = "ftp", .command = settings, .user = "", .peer = f->peer_text, .control_fd = control_fd, .stdio_fd = f->fd};
    struct child_ends ends;

    settings_of(f->server->conf, settings);
    fcntl(f->fd, F_SETFL, fcntl(f->fd, F_GETFL) & ~O_NONBLOCK); /* the child waits in read(2) */
    TRY(child_start(f->server, &order, ended, f, &f->child, &ends, e));
    close(f->fd);
    f->fd = -1;
    return RC_OK;
}

static void opened(void *ctx, int fd, struct str why)
{
    static const char sorry[] = "421 Service not available, try again later\r\n";
    struct ftp_login *f = ctx;
    bool started = fd >= 0 && start(f, fd, NULL) == RC_OK;

    (void)why;
    f->opening = NULL;
    if (fd >= 0)
        close(fd);
    if (started)
        return;
    if (send(f->fd, sorry, sizeof sorry - 1, MSG_DONTWAIT | MSG_NOSIGNAL) < 0) {
        /* the peer is gone or does not read: it is being refused anyway */
    }
    ftp_free(f);
}

void ftp_accept(struct ssh_server *s, int fd, const struct address_ip *peer)
{
    struct ftp_login *f = calloc(1, sizeof *f);
    struct bus_session_open m = {.service = str_lit("ftp"), .what = str_lit("ftp")};

    must(f);
    *f = (struct ftp_login){.server = s, .peer = *peer, .fd = fd, .next = s->ftp, .link = &s->ftp};
    if (f->next)
        f->next->link = &f->next;
    s->ftp = f;
    s->n_ftp++;
    m.peer = ip_text(peer, f->peer_text);
    f->opening = opening_new(s, &m, opened, f);
}

size_t ftp_count(const struct ssh_server *s, const struct address_ip *peer)
{
    size_t n = 0;

    for (const struct ftp_login *f = s->ftp; f; f = f->next)
        n += ip_equal(&f->peer, peer);
    return n;
}

void ftp_stop(struct ssh_server *s)
{
    while (s->ftp)
        ftp_free(s->ftp);
}
