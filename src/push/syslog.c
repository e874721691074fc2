/*
 * One subscription going to a syslog server, line by line. See push.h and logs.md 10.
 *
 * Called by push.c. Owns the connection, the reader of the log and the window between the two. Nothing blocks: a server that
 * is away is tried again after 1 s to 60 s, while its lines wait in the log's files; a break sends again what the server may
 * not have kept (window.h). Files deleted before they were sent are told as an event.
 */
#include "base/clock.h"
#include "base/must.h"
#include "push/inside.h"
#include "push/line.h"
#include "push/window.h"
#include "push/wire.h"

#include <stdio.h>
#include <stdlib.h>

enum {
    CHUNK = 64 << 10,
    CHUNK_UDP = 8 << 10, /* paced: a burst is lost in the receiver's socket */
    PACE_UDP_MS = 5,
    TURN = 1 << 20,
    TICK_MS = 250,
    IDLE_TICK_MS = 1000,
    IDLE_AFTER_MS = 30000,
    CONNECT_MS = 20000,
    PROBE_MS = 300, /* UDP: a closed port answers the first line by then */
    SAVE_MS = 2000,
    BACK_OFF_MS = 1000,
    BACK_OFF_MOST_MS = 60000,
    STEADY_MS = 10000, /* a connection that lasts this long ends the growth of waits */
    HOLD_MS = 10000,
    HOLD_UDP_MS = 1500,
};

struct syslog {
    struct subscription_push *owner;
    struct push *push;
    const struct conf *conf; /* counted */
    const struct conf_log *log;
    struct follower follow;
    struct window window;
    struct wire wire;
    uv_poll_t *poll; /* while there is a socket */
    struct resolve resolve;
    struct loop_timer timer;
    enum { WAITING, RESOLVING, CONNECTING, OPEN } phase;
    SSL_CTX *trust;
    struct buf out; /* lines of one chunk */
    size_t out_used;
    bool rewind, probing, told_down, told_up;
    struct place rewind_to;
    uint64_t unread_most; /* of this connection: window_resume() after a reset */
    uint64_t back_off_ms, since_ms, active_ms, saved_ms;
    struct push_state state;
    char error[300];
    uint64_t error_ms, next_ms;
};

static void on_timer(void *ctx);
static void attempt(struct syslog *s);

static uint64_t now_ms(const struct syslog *s)
{
    return loop_now_ms(s->push->loop);
}

static void wake_in(struct syslog *s, uint64_t ms)
{
    loop_timer_set(s->push->loop, &s->timer, ms, on_timer, s);
}

static uint64_t hold_ms(const struct syslog *s)
{
    return s->wire.protocol == WIRE_UDP ? HOLD_UDP_MS : HOLD_MS;
}

static uint16_t port_of(const struct conf_log *l)
{
    return (uint16_t)(l->port ? l->port : l->protocol == WIRE_TLS ? 6514 : 514);
}

/* --- state ----------------------------------------------------------------------------------------------------------- */

static void save(struct syslog *s, bool clean)
{
    s->state.at = s->phase == OPEN ? s->window.confirmed.place : s->follow.at;
    s->state.safe = s->phase == OPEN ? window_resume(&s->window, now_ms(s), HOLD_MS, 0) : s->follow.at;
    s->state.clean = clean;
    s->saved_ms = now_ms(s);
    saver_save(&s->owner->saver, &s->state);
}

static void confirm(struct syslog *s)
{
    uint64_t before = s->window.confirmed.wire, unread = wire_unread_most(&s->wire);

    s->unread_most = unread > s->unread_most ? unread : s->unread_most;
    window_confirm(&s->window, wire_confirmed(&s->wire), now_ms(s));
    if (s->window.confirmed.wire == before)
        return;
    s->active_ms = now_ms(s);
    s->state.ok_ms = clock_wall_ms();
}

/* --- the end of a connection ------------------------------------------------------------------------------------------ */

static void poll_closed(uv_handle_t *h)
{
    free(h);
}

/* The reader goes back to what the server certainly has. A server that ended in order had read all until now; one that
 * reset or fell silent may have died when it last took something. */
static void go_back(struct syslog *s, bool orderly)
{
    struct place to = s->window.confirmed.place;

    if (s->phase != OPEN)
        return;
    if (!orderly)
        to = window_resume(&s->window, s->wire.reset ? s->active_ms : now_ms(s), hold_ms(s),
                           s->wire.reset ? s->unread_most : 0);
    follower_seek(&s->follow, to.inode ? &to : NULL);
}

/* We end it, or it broke. */
static void drop_connection(struct syslog *s, bool orderly)
{
    go_back(s, orderly);
    if (s->poll) {
        uv_poll_stop(s->poll);
        uv_close((uv_handle_t *)s->poll, poll_closed);
        s->poll = NULL;
    }
    resolve_cancel(&s->resolve);
    wire_close(&s->wire);
    buf_clear(&s->out);
    s->out_used = 0;
    s->rewind = false;
    s->phase = WAITING;
}

static void failed(struct syslog *s, const char *why)
{
    const struct conf_log *l = s->log;
    bool was_open;

    snprintf(s->error, sizeof s->error, "%s", why);
    s->error_ms = clock_wall_ms();
    if (s->phase == OPEN && now_ms(s) - s->since_ms >= STEADY_MS)
        s->back_off_ms = BACK_OFF_MS;
    if (!s->told_down)
        event(s->push->events, syslog_down, .log = l->name, .host = l->host, .port = port_of(l), .protocol = l->protocol,
              .why = str_c(why));
    s->told_down = true;
    s->told_up = false;
    was_open = s->phase == OPEN;
    drop_connection(s, false);
    if (was_open)
        save(s, false);
    s->next_ms = clock_wall_ms() + s->back_off_ms;
    wake_in(s, s->back_off_ms);
    s->back_off_ms = s->back_off_ms * 2 > BACK_OFF_MOST_MS ? BACK_OFF_MOST_MS : s->back_off_ms * 2;
}

/* --- sending --------------------------------------------------------------------------------------------------------- */

static void look_for_gap(struct syslog *s)
{
    if (s->follow.gap)
        event(s->push->events, syslog_gap, .log = s->log->name, .host = s->log->host);
    s->follow.gap = false;
}

/* The next lines of the log in syslog form; false when there are none. */
static bool gather(struct syslog *s)
{
    const struct syslog_header header = {.facility = s->log->facility,
                                         .host = s->log->header_host ? s->conf->system.hostname : STR_NONE,
                                         .tag = s->log->tag.n ? s->log->tag : s->log->name};
    size_t most = s->wire.protocol == WIRE_UDP ? CHUNK_UDP : CHUNK;
    struct str line;

    buf_clear(&s->out);
    s->out_used = 0;
    if (s->rewind) {
        follower_seek(&s->follow, s->rewind_to.inode ? &s->rewind_to : NULL);
        s->rewind = false;
    }
    while (s->out.n < most && follower_line(&s->follow, &line)) {
        s->state.lines += syslog_line(&header, line, &s->out);
        if (s->probing && s->out.n)
            break;
    }
    look_for_gap(s);
    return s->out.n > 0;
}

static void on_socket(uv_poll_t *poll, int status, int events);

static void watch(struct syslog *s, bool writable)
{
    uv_poll_start(s->poll, UV_READABLE | (writable ? UV_WRITABLE : 0), on_socket);
}

/* One turn's worth of lines. */
static void pump(struct syslog *s)
{
    enum wire_state state = WIRE_OK;
    struct err e = ERR_NONE;
    size_t sent = 0;
    bool paced = false;

    while (state == WIRE_OK && sent < TURN && !paced) {
        size_t taken = 0;

        if (s->out_used == s->out.n && !gather(s))
            break;
        while (state == WIRE_OK && s->out_used < s->out.n) {
            state = wire_write(&s->wire, str_from(buf_str(&s->out), s->out_used), &taken, &e);
            s->out_used += taken;
            sent += taken;
        }
        if (s->out_used == s->out.n)
            window_sent(&s->window, s->wire.written, &s->follow.at);
        paced = s->wire.protocol == WIRE_UDP;
    }
    if (state == WIRE_BROKEN) {
        failed(s, err_text(&e));
        return;
    }
    confirm(s);
    watch(s, state == WIRE_AGAIN);
    if (s->probing && sent)
        wake_in(s, PROBE_MS);
    else if (sent && state == WIRE_OK)
        wake_in(s, paced ? PACE_UDP_MS : 0);
    else
        wake_in(s, now_ms(s) - s->active_ms > IDLE_AFTER_MS ? IDLE_TICK_MS : TICK_MS);
}

static void stands(struct syslog *s)
{
    if (s->told_up)
        return;
    event(s->push->events, syslog_up, .log = s->log->name, .host = s->log->host, .port = port_of(s->log),
          .protocol = s->log->protocol);
    s->told_up = true;
    s->told_down = false;
}

static void opened(struct syslog *s)
{
    if (s->follow.fd < 0)
        follower_seek(&s->follow, s->follow.at.inode ? &s->follow.at : NULL);
    look_for_gap(s);
    s->phase = OPEN;
    s->since_ms = s->active_ms = now_ms(s);
    s->unread_most = 0;
    window_begin(&s->window, &s->follow.at, now_ms(s));
    s->probing = s->wire.protocol == WIRE_UDP;
    if (!s->probing)
        stands(s);
    pump(s);
}

static void go_on_connecting(struct syslog *s)
{
    struct err e = ERR_NONE;
    enum wire_state state = wire_connected(&s->wire, &e);

    if (state == WIRE_BROKEN)
        failed(s, err_text(&e));
    else if (state == WIRE_OK)
        opened(s);
    else
        watch(s, !s->wire.ssl || SSL_want_write(s->wire.ssl) || SSL_get_state(s->wire.ssl) == TLS_ST_BEFORE);
}

static void on_socket(uv_poll_t *poll, int status, int events)
{
    struct syslog *s = poll->data;
    struct err e = ERR_NONE;

    (void)events;
    (void)status; /* what is wrong the next call says better */
    if (s->phase == CONNECTING) {
        go_on_connecting(s);
        return;
    }
    if (wire_read(&s->wire, &e) == WIRE_BROKEN) {
        failed(s, err_text(&e));
        return;
    }
    if (events & UV_WRITABLE)
        pump(s);
}

/* --- connecting ------------------------------------------------------------------------------------------------------ */

static enum rc trust(struct syslog *s, struct err *e)
{
    struct str file = s->log->ca_file.n ? s->log->ca_file : s->conf->tls.ca_file;

    if (s->log->protocol != WIRE_TLS || s->trust)
        return RC_OK;
    return wire_trust_new(file, &s->trust, e);
}

static void resolved(void *ctx, const struct address_ip *at, const char *why)
{
    struct syslog *s = ctx;
    struct sockaddr_storage to;
    struct err e = ERR_NONE;
    char name[256];

    if (!at) {
        failed(s, why);
        return;
    }
    snprintf(name, sizeof name, "%.*s", STR(s->log->host));
    if (trust(s, &e) != RC_OK || wire_open(&s->wire, (enum wire_protocol)s->log->protocol, (struct sockaddr *)&to,
                                           ip_to_sockaddr(at, &to), name, s->trust, &e) != RC_OK) {
        failed(s, err_text(&e));
        return;
    }
    s->phase = CONNECTING;
    must((s->poll = calloc(1, sizeof *s->poll)));
    must(uv_poll_init_socket(loop_uv(s->push->loop), s->poll, s->wire.fd) == 0);
    s->poll->data = s;
    watch(s, true);
    wake_in(s, CONNECT_MS);
}

static void attempt(struct syslog *s)
{
    s->phase = RESOLVING;
    resolve_begin(&s->resolve, s->log->host, port_of(s->log));
}

static void on_timer(void *ctx)
{
    struct syslog *s = ctx;
    struct err e = ERR_NONE;

    switch (s->phase) {
    case WAITING:
        attempt(s);
        return;
    case RESOLVING:
        return;
    case CONNECTING:
        failed(s, "no answer in time");
        return;
    case OPEN:
        break;
    }
    if (wire_read(&s->wire, &e) == WIRE_BROKEN) { /* of UDP: a port that is closed */
        failed(s, err_text(&e));
        return;
    }
    if (s->probing && s->window.confirmed.wire) {
        s->probing = false;
        stands(s);
    }
    if (now_ms(s) - s->since_ms >= STEADY_MS)
        s->back_off_ms = BACK_OFF_MS;
    if (now_ms(s) - s->saved_ms >= SAVE_MS && s->active_ms + HOLD_MS + SAVE_MS >= s->saved_ms)
        save(s, false);
    pump(s);
}

/* --- for push.c ------------------------------------------------------------------------------------------------------ */

struct syslog *syslog_new(struct subscription_push *owner)
{
    struct syslog *s = calloc(1, sizeof *s);

    must(s);
    s->owner = owner;
    s->push = owner->push;
    s->wire.fd = -1;
    s->out = BUF(CHUNK + 2 * SYSLOG_LINE_MAX);
    s->resolve = (struct resolve){.ask = s->push->ask, .fn = resolved, .ctx = s};
    push_state_read(owner->saver.path, &s->state, NULL); /* none or damaged: from the beginning of the open file */
    return s;
}

/* Opens the log where the state says. */
static void place_reader(struct syslog *s, const char *stem)
{
    struct place from = s->state.clean ? s->state.at : s->state.safe;
    char dir[1000];

    snprintf(dir, sizeof dir, "%s/log/%s", s->push->home, s->owner->name);
    if (s->follow.dir)
        follower_done(&s->follow);
    follower_init(&s->follow, dir, str_c(stem));
    follower_seek(&s->follow, from.inode ? &from : NULL);
}

void syslog_apply(struct syslog *s, const struct conf *conf, const struct conf_log *log)
{
    char stem[LOG_STEM_MAX];
    const struct conf *old = s->conf;

    log_stem(log->name, log->file, stem);
    if (s->phase == OPEN)
        confirm(s);
    drop_connection(s, true);
    s->conf = conf_ref(conf);
    s->log = log;
    if (!s->follow.dir || !str_eq(str_c(stem), str_c(s->follow.stem)))
        place_reader(s, stem);
    if (old)
        conf_unref(old);
    SSL_CTX_free(s->trust);
    s->trust = NULL;
    s->told_down = s->told_up = false;
    syslog_now(s);
}

void syslog_rewind(struct syslog *s)
{
    if (s->phase != OPEN)
        return;
    s->rewind_to = window_resume(&s->window, now_ms(s), HOLD_MS, 0);
    s->rewind = true;
}

void syslog_now(struct syslog *s)
{
    if (s->phase != WAITING)
        return;
    s->back_off_ms = BACK_OFF_MS;
    wake_in(s, 0);
}

void syslog_free(struct syslog *s)
{
    if (s->phase == OPEN)
        confirm(s);
    drop_connection(s, true);
    if (s->follow.dir)
        save(s, true);
    loop_timer_cancel(s->push->loop, &s->timer);
    if (s->follow.dir)
        follower_done(&s->follow);
    buf_done(&s->out);
    SSL_CTX_free(s->trust);
    if (s->conf)
        conf_unref(s->conf);
    free(s);
}

void syslog_status(struct syslog *s, struct buf *text, struct buf *json)
{
    static const char *const protocols[] = {"UDP", "TCP", "TLS"};
    uint64_t files, bytes = follower_waiting(&s->follow, &files);

    buf_addf(text, "  Method:     Syslog Push by %s, %s\n", protocols[s->log->protocol],
             s->phase == OPEN ? "connected" : "not connected");
    buf_addf(text, "  Server:     %.*s port %u\n", STR(s->log->host), port_of(s->log));
    buf_addf(text, "  Sent:       %llu lines, the last ", (unsigned long long)s->state.lines);
    push_time_text(s->state.ok_ms, text);
    buf_addf(text, "\n  Waiting:    %llu bytes, %llu further files\n", (unsigned long long)bytes, (unsigned long long)files);
    buf_addf(json,
             "\"method\":\"syslog\",\"connected\":%s,\"lines\":%llu,\"waiting_bytes\":%llu,\"waiting_files\":%llu,"
             "\"ok_ms\":%llu",
             s->phase == OPEN ? "true" : "false", (unsigned long long)s->state.lines, (unsigned long long)bytes,
             (unsigned long long)files, (unsigned long long)s->state.ok_ms);
    if (!s->error_ms)
        return;
    buf_add(text, str_lit("  Last error: "));
    push_time_text(s->error_ms, text);
    buf_addf(text, " %s\n", s->error);
    buf_addf(json, ",\"error_ms\":%llu,\"error\":", (unsigned long long)s->error_ms);
    push_json_text(str_c(s->error), json);
}
