/*
 * Role `shell`: wires the SSH and FTP servers of room shell to the process that role_main() has set up.
 *
 * Owns nothing but the server. Fails to start when the host keys can neither be read nor made.
 */
#include "role/role.h"
#include "shell/ssh_server.h"

#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static void hand_sockets(struct process *p)
{
    struct ssh_server_socket *list = calloc(p->n_sockets + 1, sizeof *list);

    if (!list)
        return;
    for (size_t i = 0; i < p->n_sockets; i++)
        list[i] = (struct ssh_server_socket){p->sockets[i].name, p->sockets[i].fd, p->sockets[i].id};
    ssh_server_sockets(p->state, list, p->n_sockets);
    free(list);
}

/* Our executables lie side by side. */
static enum rc session_program(char out[PATH_MAX], struct err *e)
{
    static const char name[] = "postern-session";
    ssize_t n = readlink("/proc/self/exe", out, PATH_MAX - sizeof name);
    char *slash;

    out[n > 0 ? n : 0] = '\0';
    slash = strrchr(out, '/');
    if (!slash)
        return err_set(e, RC_INTERNAL, "no path of this program");
    memcpy(slash + 1, name, sizeof name);
    return RC_OK;
}

static enum rc start(struct process *p, struct err *e)
{
    static char program[PATH_MAX]; /* one a process, set once */
    struct ssh_server_options o = {
        .loop = p->loop,
        .bus = p->bus,
        .conf = p->conf,
        .events = p->events,
        .home = p->home,
        .session_program = program,
    };
    struct ssh_server *s;

    TRY(session_program(program, e));
    TRY(ssh_server_new(&o, &s, e));
    p->state = s;
    hand_sockets(p);
    return RC_OK;
}

static void leave(void *ctx)
{
    role_leave(ctx);
}

static void stop(struct process *p)
{
    ssh_server_stop(p->state, leave, p);
}

int main(int argc, char **argv)
{
    static const struct role_kind kind = {.kind = ROLE_shell, .start = start, .stop = stop, .sockets_changed = hand_sockets};

    return role_main(&kind, argc, argv);
}
