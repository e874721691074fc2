/*
 * The login of a connection: key exchange and authentication in a thread of its own.
 *
 * Called by ssh_connection.c, which gives the libssh session away until connection_login_over(). Two reasons for the thread:
 * a callback of libssh must give its answer before it returns, and that of control takes as long as a password hash; and the
 * arithmetic of a key exchange that a stranger asks for must not hold up those who are at work. There are at most
 * SSH_UNPROVED_MAX threads. They touch their connection alone: bus, loop, events and children belong to the main thread,
 * which a login asks by uv_async_send() and a condition variable.
 *
 * A login that is cancelled (time limit, stop) is woken by the end of its socket or by the condition and leaves.
 */
#include "shell/ssh_inside.h"

#include "base/must.h"
#include "base/thread.h"

#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

enum { WAKE_MS = 1000 };

static bool cancelled(struct connection *c)
{
    bool yes;

    pthread_mutex_lock(&c->login.lock);
    yes = c->login.cancelled;
    pthread_mutex_unlock(&c->login.lock);
    return yes;
}

static void *run(void *ctx)
{
    struct connection *c = ctx;
    bool going = ssh_handle_key_exchange(c->session) != SSH_ERROR && ssh_event_add_session(c->event, c->session) == SSH_OK;

    if (!going)
        c->dead = true;
    while (!c->proved && !cancelled(c) && !connection_over(c))
        c->dead |= ssh_event_dopoll(c->event, WAKE_MS) == SSH_ERROR;
    pthread_mutex_lock(&c->login.lock);
    c->login.finished = true;
    uv_async_send(&c->server->logins);
    pthread_mutex_unlock(&c->login.lock);
    return NULL;
}

bool login_ask(struct connection *c, const char *user, const char *password)
{
    struct login *l = &c->login;
    bool ok;

    if (!user || !*user || strlen(user) > SSH_USER_MAX || !password || strlen(password) > SSH_PASSWORD_MAX)
        return false;
    pthread_mutex_lock(&l->lock);
    snprintf(l->user, sizeof l->user, "%s", user);
    snprintf(l->password, sizeof l->password, "%s", password);
    l->state = LOGIN_ASKED;
    uv_async_send(&c->server->logins);
    while (l->state != LOGIN_ANSWERED && !l->cancelled)
        pthread_cond_wait(&l->changed, &l->lock);
    ok = l->state == LOGIN_ANSWERED && l->ok;
    l->state = LOGIN_QUIET;
    explicit_bzero(l->password, sizeof l->password);
    pthread_mutex_unlock(&l->lock);
    return ok;
}

/* --- main thread
 * ------------------------------------------------------------------------------------------------------------ */

static void answered(void *ctx, enum rc rc, const void *msg)
{
    struct connection *c = ctx;
    struct login *l = &c->login;
    const struct bus_login_answer *a = msg;

    l->call = 0;
    pthread_mutex_lock(&l->lock);
    l->ok = rc == RC_OK && a->ok;
    l->role = rc == RC_OK ? a->role : 0;
    l->must_change = rc == RC_OK ? a->must_change : 0;
    if (l->state == LOGIN_SENT)
        l->state = LOGIN_ANSWERED;
    pthread_cond_signal(&l->changed);
    pthread_mutex_unlock(&l->lock);
}

static void send_question(struct connection *c)
{
    struct bus *bus = c->server->o.bus;
    struct bus_peer *control = bus_peer(bus, ROLE_control, 0);
    const struct bus_login_question q = {.user = str_c(c->login.user),
                                         .password = str_c(c->login.password),
                                         .peer = str_c(c->peer_text),
                                         .service = str_lit("ssh")};

    if (control)
        c->login.call = bus_call(bus, control, BUS_login_question, &q, SSH_LOGIN_MS, answered, c);
    else
        answered(c, RC_UNAVAILABLE, NULL);
}

static void over(struct connection *c)
{
    pthread_join(c->login.thread, NULL);
    c->login.running = false;
    if (c->login.call)
        bus_cancel(c->server->o.bus, c->login.call);
    c->login.call = 0;
    connection_login_over(c);
}

static void on_logins(uv_async_t *handle)
{
    struct ssh_server *s = handle->data;

    for (struct connection *c = s->connections, *next; c; c = next) {
        bool asked, finished;

        next = c->next;
        if (!c->login.running)
            continue;
        pthread_mutex_lock(&c->login.lock);
        finished = c->login.finished;
        asked = c->login.state == LOGIN_ASKED && !c->login.cancelled;
        if (asked)
            c->login.state = LOGIN_SENT;
        pthread_mutex_unlock(&c->login.lock);
        if (asked)
            send_question(c);
        if (finished)
            over(c); /* frees this connection, no other */
    }
}

void logins_begin(struct ssh_server *s)
{
    must(uv_async_init(loop_uv(s->o.loop), &s->logins, on_logins) == 0);
    s->logins.data = s;
}

bool login_start(struct connection *c)
{
    must(pthread_mutex_init(&c->login.lock, NULL) == 0 && pthread_cond_init(&c->login.changed, NULL) == 0);
    c->login.running = thread_start(&c->login.thread, run, c);
    return c->login.running;
}

void login_cancel(struct connection *c)
{
    pthread_mutex_lock(&c->login.lock);
    c->login.cancelled = true;
    pthread_cond_signal(&c->login.changed);
    pthread_mutex_unlock(&c->login.lock);
    shutdown(watch_fd(c->watch), SHUT_RDWR);
}
