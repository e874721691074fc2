/*
 * The listening sockets: control says which and for whom, master binds them (ports below 1024 need root) and hands them on.
 *
 * Called by main_master.c and master_process.c. Owns the sockets for the life of the installation, so a receive process
 * that dies leaves the connections that wait in the backlog to its successor. A bind that fails is told to control and
 * tried again.
 */
#include "role/master.h"

#include "base/clock.h"

#include <arpa/inet.h>
#include <errno.h>
#include <linux/if_packet.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

void listen_begin(struct master *m)
{
    for (size_t i = 0; i < m->n_socks; i++)
        m->socks[i].wanted = false;
}

/* The socket of a packet capture: not a listening one, and only root may open it. Its owner says what it sees. */
static bool wants_packets(struct str address)
{
    return str_eq(address, str_lit("packets"));
}

static bool same(const struct sock *s, const struct line_listen *l)
{
    return str_eq(str_c(s->name), l->name) && str_eq(str_c(s->address), l->address) && s->port == l->port &&
           s->role == (enum role)l->role;
}

void listen_add(struct master *m, const struct line_listen *l)
{
    struct sock s = {.port = (uint16_t)l->port, .fd = -1, .wanted = true, .role = (enum role)l->role};

    if ((l->port == 0) != wants_packets(l->address) || l->port > UINT16_MAX || l->name.n == 0 || l->role >= ROLE_COUNT)
        return;
    s.backlog = l->backlog > 0 && l->backlog <= 65535 ? (int)l->backlog : 1024;
    for (size_t i = 0; i < m->n_socks; i++) {
        if (!same(&m->socks[i], l))
            continue;
        m->socks[i].wanted = true;
        if (m->socks[i].backlog != s.backlog && m->socks[i].fd >= 0)
            listen(m->socks[i].fd, s.backlog);
        m->socks[i].backlog = s.backlog;
        return;
    }
    s.name = strndup(l->name.p, l->name.n);
    s.address = strndup(l->address.p ? l->address.p : "", l->address.n);
    if (m->n_socks == MASTER_SOCKETS || !s.name || !s.address) {
        master_say("no room for another listening socket");
        free(s.name);
        free(s.address);
        return;
    }
    s.id = ++m->last_socket;
    m->socks[m->n_socks++] = s;
}

/* Every process of the role the socket is for. */
static void tell_owners(struct master *m, enum role role, enum line_type type, const void *msg, int fd)
{
    for (size_t i = 0; i < m->n_procs; i++)
        if (m->procs[i].role == role && m->procs[i].line >= 0 && !line_send(m->procs[i].line, type, msg, fd))
            proc_kill(&m->procs[i]);
}

static void tell_control(struct master *m, const struct sock *s)
{
    struct proc *control = proc_of(m, ROLE_control, 0);
    struct line_listen_state msg = {.name = str_c(s->name), .error = str_c(s->error)};

    if (control && control->line >= 0 && !line_send(control->line, LINE_listen_state, &msg, -1))
        proc_kill(control);
}

static void forget(struct sock *s)
{
    if (s->fd >= 0)
        close(s->fd);
    free(s->name);
    free(s->address);
}

/* Closes what is not wanted any more, here and in receive. */
static void drop_unwanted(struct master *m)
{
    size_t kept = 0;

    for (size_t i = 0; i < m->n_socks; i++) {
        struct sock *s = &m->socks[i];

        if (s->wanted) {
            m->socks[kept++] = *s;
            continue;
        }
        if (s->fd >= 0)
            tell_owners(m, s->role, LINE_socket_remove, &(struct line_socket_remove){.id = s->id}, -1);
        forget(s);
    }
    m->n_socks = kept;
}

static socklen_t address_of(const struct sock *s, struct sockaddr_storage *out)
{
    struct sockaddr_in *v4 = (struct sockaddr_in *)out;
    struct sockaddr_in6 *v6 = (struct sockaddr_in6 *)out;

    memset(out, 0, sizeof *out);
    if (inet_pton(AF_INET, s->address, &v4->sin_addr) == 1) {
        v4->sin_family = AF_INET;
        v4->sin_port = htons(s->port);
        return sizeof *v4;
    }
    if (inet_pton(AF_INET6, s->address, &v6->sin6_addr) == 1) {
        v6->sin6_family = AF_INET6;
        v6->sin6_port = htons(s->port);
        return sizeof *v6;
    }
    return 0;
}

static int bind_socket(const struct sock *s)
{
    struct sockaddr_storage at;
    socklen_t n = address_of(s, &at);
    int one = 1, fd, why;

    if (wants_packets(str_c(s->address)))
        return socket(AF_PACKET, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (!n) {
        errno = EINVAL;
        return -1;
    }
    fd = socket(at.ss_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0)
        return -1;
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
    if (at.ss_family == AF_INET6)
        setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &one, sizeof one);
    if (bind(fd, (struct sockaddr *)&at, n) == 0 && listen(fd, s->backlog) == 0)
        return fd;
    why = errno;
    close(fd);
    errno = why;
    return -1;
}

static void try_bind(struct master *m, struct sock *s)
{
    char error[FAULT_TEXT] = "";

    s->fd = bind_socket(s);
    if (s->fd < 0)
        snprintf(error, sizeof error, "%s port %u: %s", s->address, s->port, strerror(errno));
    else
        tell_owners(m, s->role, LINE_socket_add, &(struct line_socket_add){.name = str_c(s->name), .id = s->id}, s->fd);
    if (strcmp(error, s->error) != 0) {
        memcpy(s->error, error, sizeof error);
        master_say("%s: %s", s->name, *error ? error : "bound");
        tell_control(m, s);
    }
    m->changed = true;
}

static void bind_all(struct master *m)
{
    m->bind_again_ms = 0;
    for (size_t i = 0; i < m->n_socks; i++) {
        if (m->socks[i].fd < 0)
            try_bind(m, &m->socks[i]);
        if (m->socks[i].fd < 0)
            m->bind_again_ms = clock_mono_ms() + BIND_RETRY_MS;
    }
}

void listen_end(struct master *m)
{
    if (m->stopping)
        return;
    drop_unwanted(m);
    for (size_t i = 0; i < m->n_socks; i++)
        if (m->socks[i].error[0])
            tell_control(m, &m->socks[i]); /* a new control does not know yet */
    bind_all(m);
    m->listed = m->changed = true;
}

void listen_retry(struct master *m)
{
    if (m->bind_again_ms && m->bind_again_ms <= clock_mono_ms())
        bind_all(m);
}

void listen_hand(struct master *m, struct proc *p)
{
    for (size_t i = 0; i < m->n_socks && p->line >= 0; i++)
        if (m->socks[i].fd >= 0 && m->socks[i].role == p->role &&
            !line_say(p->line, m->socks[i].fd, socket_add, .name = str_c(m->socks[i].name), .id = m->socks[i].id))
            proc_kill(p);
}

void listen_close(struct master *m)
{
    for (size_t i = 0; i < m->n_socks; i++)
        forget(&m->socks[i]);
    m->n_socks = 0;
    m->bind_again_ms = 0;
}
