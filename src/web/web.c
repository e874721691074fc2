/*
 * The servers of this machine: one a listening socket, as the settings and master want them. See web.h.
 *
 * Called by main_web.c. Owns servers, certificate and the table of failed logins. HTTPS without a usable certificate waits
 * (told once as an event) and is tried again at each change of settings.
 */
#include "web/inside.h"

#include "base/must.h"

#include <stdlib.h>
#include <unistd.h>

enum { STOP_MS = 2000, STOP_LOOK_MS = 20 };

static void open_server(struct server *s)
{
    struct err e = ERR_NONE;

    if (server_open(s, &e) != RC_OK)
        event(s->web->o.events, listener_failed, .listener = str_c(s->name), .why = str_c(err_text(&e)));
}

/* A new daemon on the same socket. */
static void renew(struct server *old)
{
    struct web *w = old->web;
    struct web_socket socket = {strdup(old->name), -1, old->id};
    unsigned kind = old->kind;
    struct str interface = STR_NONE;

    must(socket.name);
    listener_kind_of(str_c(socket.name), &interface);
    socket.fd = server_retire(old);
    open_server(server_new(w, &socket, kind, interface));
    free((char *)socket.name);
}

static void take_certificate(struct web *w, const struct conf *now)
{
    struct credentials fresh;
    struct err e = ERR_NONE;

    if (credentials_read(&fresh, now, w->o.home, &e) != RC_OK) {
        event(w->o.events, listener_failed, .listener = str_lit("https"), .why = str_c(err_text(&e)));
        return; /* with the former one, if there is one */
    }
    if (w->tls_ready && credentials_equal(&fresh, &w->credentials)) {
        credentials_done(&fresh);
        return;
    }
    credentials_done(&w->credentials);
    w->credentials = fresh;
    w->tls_ready = true;
    for (struct server *s = w->servers, *next; s; s = next) {
        next = s->next;
        if ((s->kind & LISTENERS_TLS) && !s->retired)
            renew(s);
    }
}

static void take_access(struct web *w, const struct conf *now)
{
    struct access *fresh = NULL;
    struct err e = ERR_NONE;

    if (access_new(&now->access, &fresh, &e) != RC_OK)
        event(w->o.events, listener_failed, .listener = str_lit("http"), .why = str_c(err_text(&e)));
    access_free(w->access);
    w->access = fresh;
}

static void on_change(void *ctx, const struct conf *now, const struct conf *old)
{
    struct web *w = ctx;

    if (w->stopping)
        return;
    take_access(w, now);
    take_certificate(w, now);
    if (old && now->access.max_header_bytes == old->access.max_header_bytes)
        return;
    for (struct server *s = w->servers, *next; old && s; s = next) {
        next = s->next;
        if (!s->retired)
            renew(s);
    }
}

struct web *web_new(const struct web_options *o)
{
    struct web *w = calloc(1, sizeof *w);

    must(w);
    w->o = *o;
    w->failures = failures_new();
    conf_on_change(o->conf, on_change, w);
    return w;
}

static bool listed(const struct web_socket *sockets, size_t n, uint64_t id)
{
    for (size_t i = 0; i < n; i++)
        if (sockets[i].id == id)
            return true;
    return false;
}

static bool served(const struct web *w, uint64_t id)
{
    for (const struct server *s = w->servers; s; s = s->next)
        if (!s->retired && s->id == id)
            return true;
    return false;
}

void web_sockets(struct web *w, const struct web_socket *sockets, size_t n)
{
    struct str interface = STR_NONE;

    for (struct server *s = w->servers, *next; s; s = next) {
        next = s->next;
        if (s->retired || listed(sockets, n, s->id))
            continue;
        close(server_retire(s));
    }
    for (size_t i = 0; i < n && !w->stopping; i++) {
        unsigned kind = listener_kind_of(str_c(sockets[i].name), &interface);

        if (kind && !served(w, sockets[i].id))
            open_server(server_new(w, &sockets[i], kind, interface));
    }
}

static void look(void *ctx)
{
    struct web *w = ctx;

    if (w->requests && loop_now_ms(w->o.loop) < w->stop_by) {
        loop_timer_set(w->o.loop, &w->stop_timer, STOP_LOOK_MS, look, w);
        return;
    }
    w->stopped(w->stopped_ctx);
}

void web_stop(struct web *w, void (*stopped)(void *ctx), void *ctx)
{
    w->stopping = true;
    w->stopped = stopped;
    w->stopped_ctx = ctx;
    w->stop_by = loop_now_ms(w->o.loop) + STOP_MS;
    for (struct server *s = w->servers, *next; s; s = next) {
        int fd;

        next = s->next;
        if (!s->retired && (fd = server_retire(s)) >= 0)
            close(fd);
    }
    look(w);
}

void web_free(struct web *w)
{
    if (!w)
        return;
    w->stopping = true;
    loop_timer_cancel(w->o.loop, &w->stop_timer);
    while (w->servers)
        server_close(w->servers);
    credentials_done(&w->credentials);
    access_free(w->access);
    failures_free(w->failures);
    free(w);
}
