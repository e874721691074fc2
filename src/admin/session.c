/*
 * Who is logged in: connections to control that speak for one login (session_open), `who`, `last`, and the hidden verbs that
 * sessions use: session, note, login.
 *
 * Called over the bus by shell and through spec/verbs.def. Owns the list of sessions and HOME/conf/logins, the logins before
 * (one line each, the newest LAST_MAX). A login file that cannot be written costs `last` its memory, nothing else.
 */
#include "admin/verbs.h"

#include "base/clock.h"
#include "base/io.h"
#include "base/must.h"
#include "conf/table.h"
#include "conf/value.h"
#include "event/render.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

enum { LAST_MAX = 500, LOGINS_MAX = 1 << 20, NOTE_MAX = 1000 };

struct past {
    uint64_t id, since_ms, until_ms; /* until_ms 0 = still there */
    char user[256], peer[64], service[16];
};

struct sessions {
    struct admin *admin;
    struct admin_session *first;
    uint64_t last_id;
    struct past past[LAST_MAX]; /* oldest first */
    size_t n_past;
};

static void copy(char *out, size_t size, struct str s)
{
    snprintf(out, size, "%.*s", STR(str_first(s, size - 1)));
}

/* --- HOME/conf/logins ---------------------------------------------------------------------------------------------- */

static void path_of(const struct sessions *s, char path[4096])
{
    snprintf(path, 4096, "%s/conf/logins", s->admin->home);
}

static void past_save(struct sessions *s)
{
    struct buf b = BUF(LOGINS_MAX);
    char path[4096];

    for (size_t i = 0; i < s->n_past; i++)
        buf_addf(&b, "%" PRIu64 " %" PRIu64 " %s %s %s\n", s->past[i].since_ms, s->past[i].until_ms, s->past[i].service,
                 *s->past[i].peer ? s->past[i].peer : "-", s->past[i].user);
    path_of(s, path);
    io_replace_file("control.logins", path, buf_str(&b), NULL);
    buf_done(&b);
}

static void past_load(struct sessions *s)
{
    struct buf b = BUF(LOGINS_MAX);
    char path[4096];
    struct str rest, line, word[4];

    path_of(s, path);
    if (io_read_file(path, &b, NULL) == RC_OK) {
        rest = buf_str(&b);
        while (s->n_past < LAST_MAX && str_split(&rest, '\n', &line)) {
            struct past *p = &s->past[s->n_past];

            if (!str_word(&line, &word[0]) || !str_word(&line, &word[1]) || !str_word(&line, &word[2]) ||
                !str_word(&line, &word[3]) || !str_u64(word[0], &p->since_ms) || !str_u64(word[1], &p->until_ms))
                continue;
            copy(p->service, sizeof p->service, word[2]);
            copy(p->peer, sizeof p->peer, word[3]);
            copy(p->user, sizeof p->user, str_trim(line));
            if (!p->until_ms)
                p->until_ms = p->since_ms; /* a session of an earlier life: its end is not known */
            s->n_past++;
        }
    }
    buf_done(&b);
}

static void past_add(struct sessions *s, const struct admin_session *x)
{
    struct past *p;

    if (s->n_past == LAST_MAX)
        memmove(s->past, s->past + 1, --s->n_past * sizeof *s->past);
    p = &s->past[s->n_past++];
    *p = (struct past){.id = x->id, .since_ms = x->since_ms};
    copy(p->user, sizeof p->user, str_c(x->user));
    copy(p->peer, sizeof p->peer, str_c(x->peer));
    copy(p->service, sizeof p->service, str_c(x->service));
    past_save(s);
}

/* When this user logged in before now, and from where; NULL at the first login. */
static const struct past *past_of(const struct sessions *s, const struct admin_session *x)
{
    for (size_t i = s->n_past; i-- > 0;)
        if (s->past[i].id != x->id && str_eqi(str_c(s->past[i].user), str_c(x->user)))
            return &s->past[i];
    return NULL;
}

/* --- the list ------------------------------------------------------------------------------------------------------- */

/* The session's user is known from now on. */
static void logged_in(struct sessions *s, struct admin_session *x)
{
    const struct conf *now = &s->admin->current->conf;
    const struct conf_user *u = conf_find(&now->user, str_c(x->user));
    struct str role = STR_NONE;

    if (u)
        conf_choice(conf_setting_find(conf_section_find(str_lit("user")), str_lit("role")), u->role, &role);
    x->since_ms = x->last_ms = clock_wall_ms();
    event(s->admin->events, user_login, .user = str_c(x->user), .peer_ip = str_c(x->peer), .role = role, .ssh = 1);
    past_add(s, x);
}

void session_ended(struct admin *a, struct admin_session *x)
{
    struct sessions *s = a->sessions;

    for (struct admin_session **at = s ? &s->first : NULL; at && *at; at = &(*at)->next) {
        if (*at != x)
            continue;
        *at = x->next;
        break;
    }
    for (size_t i = s ? s->n_past : 0; i-- > 0;) {
        if (s->past[i].id != x->id)
            continue;
        s->past[i].until_ms = clock_wall_ms();
        past_save(s);
        break;
    }
    if (session_is_manager(x))
        ; /* nobody logs out */
    else if (*x->user && x->ends_idle)
        event(a->events, user_timeout, .user = str_c(x->user), .peer_ip = str_c(x->peer));
    else if (*x->user)
        event(a->events, user_ssh_logout, .user = str_c(x->user), .peer_ip = str_c(x->peer));
    free(x);
}

static enum rc open_one(struct sessions *s, const struct bus_session_open *m, int *fd_out, struct err *e)
{
    const struct conf *now = &s->admin->current->conf;
    bool manager = str_eq(m->what, str_lit("mgmt"));
    const struct conf_user *u = manager ? NULL : conf_find(&now->user, m->user);
    const struct conf_manager *its = manager ? conf_find(&now->manager, m->user) : NULL;
    struct admin_session *x;

    if (manager && (!its || !its->ssh_key.n))
        return err_set(e, RC_NOT_PERMITTED, "this manager is not enrolled any more");
    if (!manager && m->user.n && !login_permitted(u))
        return err_set(e, RC_NOT_PERMITTED, "this user may not log in");
    x = calloc(1, sizeof *x);
    must(x);
    x->id = ++s->last_id;
    copy(x->user, sizeof x->user, its ? its->name : m->user.n ? u->name : STR_NONE);
    copy(x->peer, sizeof x->peer, m->peer);
    copy(x->service, sizeof x->service, m->service);
    copy(x->what, sizeof x->what, m->what);
    if (control_socket_session(s->admin, x, fd_out, e) != RC_OK) {
        free(x);
        return e->rc;
    }
    x->next = s->first;
    s->first = x;
    if (*x->user && !manager) /* each verb of a manager is a session of its own: mgmt audits it */
        logged_in(s, x);
    return RC_OK;
}

static void on_open(void *ctx, const struct bus_in *in)
{
    struct sessions *s = ctx;
    const struct bus_session_open *m = in->msg;
    struct err e = ERR_NONE;
    int fd = -1;
    enum rc rc = open_one(s, m, &fd, &e);
    const struct bus_session_opened reply = {.id = m->id, .rc = rc, .why = rc == RC_OK ? STR_NONE : str_c(err_text(&e))};

    if (fd >= 0) {
        bus_send_fd(s->admin->bus, in->from, BUS_session_opened, &reply, fd);
        close(fd);
    } else {
        bus_send(s->admin->bus, in->from, BUS_session_opened, &reply);
    }
}

void sessions_open(struct admin *a)
{
    struct sessions *s = calloc(1, sizeof *s);

    must(s);
    s->admin = a;
    s->last_id = clock_wall_ms(); /* never one of an earlier life */
    past_load(s);
    a->sessions = s;
    if (a->bus)
        bus_on(a->bus, BUS_session_open, on_open, s);
}

void sessions_close(struct admin *a)
{
    free(a->sessions);
    a->sessions = NULL;
}

/* --- verbs ------------------------------------------------------------------------------------------------------------ */

static void span(uint64_t ms, struct buf *out)
{
    uint64_t s = ms / 1000;

    if (s >= 86400)
        buf_addf(out, "%" PRIu64 "d%" PRIu64 "h", s / 86400, s / 3600 % 24);
    else if (s >= 3600)
        buf_addf(out, "%" PRIu64 "h%" PRIu64 "m", s / 3600, s / 60 % 60);
    else if (s >= 60)
        buf_addf(out, "%" PRIu64 "m", s / 60);
    else
        buf_addf(out, "%" PRIu64 "s", s);
}

void verb_who(struct verb_call *c)
{
    uint64_t now = clock_wall_ms();
    struct buf idle = BUF(64);
    char when[24];

    buf_addf(&c->text, "%-17s %-25s %-8s %-24s %s\n", "Username", "Login Time", "Idle", "Remote Host", "What");
    buf_addf(&c->text, "%-17s %-25s %-8s %-24s %s\n", "========", "==========", "====", "===========", "====");
    for (struct admin_session *x = c->admin->sessions->first; x; x = x->next) {
        if (!*x->user || session_is_manager(x))
            continue;
        render_ctime(x->since_ms, when);
        buf_clear(&idle);
        span(now > x->last_ms ? now - x->last_ms : 0, &idle);
        buf_addf(&c->text, "%-17s %-25.24s %-8.*s %-24s %s\n", x->user, when, STR(buf_str(&idle)), x->peer,
                 *x->doing ? x->doing : x->what);
    }
    buf_done(&idle);
    verb_end(c, RC_OK);
}

void verb_last(struct verb_call *c)
{
    const struct sessions *s = c->admin->sessions;
    uint64_t now = clock_wall_ms();
    char when[24], until[24];

    buf_addf(&c->text, "%-17s %-24s %-25s %-25s %s\n", "Username", "Remote Host", "Login Time", "Logout Time", "Total Time");
    buf_addf(&c->text, "%-17s %-24s %-25s %-25s %s\n", "========", "===========", "==========", "===========", "==========");
    for (size_t i = s->n_past; i-- > 0;) {
        const struct past *p = &s->past[i];

        render_ctime(p->since_ms, when);
        render_ctime(p->until_ms, until);
        buf_addf(&c->text, "%-17s %-24s %-25.24s %-25.24s ", p->user, p->peer, when,
                 p->until_ms ? until : "still logged in");
        span((p->until_ms ? p->until_ms : now) - p->since_ms, &c->text);
        buf_addc(&c->text, '\n');
    }
    verb_end(c, RC_OK);
}

/* What a session must know about itself and its user: lines key=value. */
void verb_session(struct verb_call *c)
{
    const struct admin_session *x = c->session;
    const struct conf_user *u = conf_find(&c->admin->current->conf.user, c->user);
    const struct past *p = x ? past_of(c->admin->sessions, x) : NULL;
    char when[24];

    buf_addf(&c->text, "user=%.*s\nrole=%" PRIu64 "\nmust_change=%d\n", STR(c->user), u ? u->role : 0,
             x && u && login_must_change(c->admin, u));
    if (p) {
        render_ctime(p->since_ms, when);
        buf_addf(&c->text, "last_login=%.24s\nlast_peer=%s\n", when, p->peer);
    }
    verb_end(c, RC_OK);
}

/* args: KIND TEXT. A line of cli_logs or ftpd_logs; `idle` says that the session ends for idleness. */
void verb_note(struct verb_call *c)
{
    struct admin_session *x = c->session;
    struct str peer = x ? str_c(x->peer) : str_lit("console"), text;

    if (c->args.n != 2) {
        verb_usage(c);
        return;
    }
    text = str_first(c->args.items[1], NOTE_MAX);
    if (str_eq(c->args.items[0], str_lit("cli")))
        event(c->admin->events, cli_note, .user = c->user, .peer_ip = peer, .text = text);
    else if (str_eq(c->args.items[0], str_lit("ftp")))
        event(c->admin->events, ftp_note, .user = c->user, .peer_ip = peer, .text = text);
    else if (x && str_eq(c->args.items[0], str_lit("idle")))
        x->ends_idle = true;
    if (x && str_eq(c->args.items[0], str_lit("cli"))) {
        x->last_ms = clock_wall_ms();
        copy(x->doing, sizeof x->doing, text);
    }
    verb_end(c, RC_OK);
}

static void login_done(void *ctx, const struct login *l)
{
    struct verb_call *c = ctx;

    if (l->ok && c->session) {
        copy(c->session->user, sizeof c->session->user, c->args.items[0]);
        logged_in(c->admin->sessions, c->session);
    }
    buf_addf(&c->json, "{\"role\":%" PRIu64 ",\"must_change\":%d}", l->role, l->must_change);
    verb_end(c, l->ok ? RC_OK : RC_AUTH_FAILED);
}

/* args: USER PASSPHRASE, on a connection that speaks for nobody yet. */
void verb_login(struct verb_call *c)
{
    if (c->args.n != 2 || !c->session || *c->session->user) {
        verb_usage(c);
        return;
    }
    login_check(c->admin, c->args.items[0], c->args.items[1], str_c(c->session->peer), str_c(c->session->service),
                login_done, c);
}
