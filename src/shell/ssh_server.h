/*
 * The SSH server (and the door of the FTP server): connections, logins, a child process for each channel.
 *
 * What a session does is the business of the program postern-session; here are the protocol, who may come in, and the life
 * of those children. One server a process; everything runs on the role's loop.
 */
#ifndef SHELL_SSH_SERVER_H
#define SHELL_SSH_SERVER_H

#include "bus/bus.h"
#include "conf/conf.h"
#include "event/event.h"
#include "net/loop.h"

struct ssh_server;

struct ssh_server_options {
    struct loop *loop;
    struct bus *bus;
    struct conf_source *conf;
    struct events *events; /* may be NULL (tests) */
    const char *home;
    const char *session_program; /* path of postern-session */
};

/* Makes host keys in HOME/keys that are missing. Fails when they can neither be read nor made. */
enum rc ssh_server_new(const struct ssh_server_options *o, struct ssh_server **out, struct err *e);

/* The whole list of listening sockets, "ssh.IFACE.4" and "ftp.IFACE.4"; what is no longer listed is closed (role/role.h). */
struct ssh_server_socket {
    const char *name;
    int fd;
    uint64_t id;
};
void ssh_server_sockets(struct ssh_server *s, const struct ssh_server_socket *list, size_t n);

/* Takes nobody any more, hangs up all sessions (SIGHUP, a moment later SIGKILL) and calls done(ctx) when they are gone. */
void ssh_server_stop(struct ssh_server *s, void (*done)(void *ctx), void *ctx);

#endif
