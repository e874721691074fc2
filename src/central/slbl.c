/*
 * Brings the master's safelists and blocklists to gateways. See slbl.h.
 *
 * Called by control's word of a new number, by contact.c at each hello, by settings. Owns struct slbl_copy, one for each
 * gateway whose spam is taken here: at most one put-slbl is under way for it. What a gateway has is believed when it says
 * so; one that answers 409 gets what leads on from there, and a full copy when it does so again. Who cannot be reached is
 * tried again with growing pauses, and at once when it says hello.
 */
#include "central/slbl.h"

#include "base/clock.h"
#include "base/json.h"
#include "base/must.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

enum { FIRST_PAUSE_MS = 2000, LONGEST_PAUSE_MS = 60000, QUESTION_MS = 30000, CODE_CONFLICT = 409 };

struct slbl_copy {
    struct slbl_copy *next;
    struct central *central;
    char *name;
    bool known, busy, full, gone; /* we know what it has; a put is under way; it needs everything; not ours any more */
    uint64_t has, since_ms;       /* its version, and when it got it */
    uint64_t wanted_ms;           /* when there was first something to bring; 0 = nothing */
    uint64_t pause_ms;
    struct loop_timer again;
    char error[200];
};

/* A put on its way through the line's thread. */
struct slbl_put {
    struct slbl_copy *copy;
    char *input;
    uint64_t version;
    bool full;
    unsigned code; /* of the reply */
    uint64_t have; /* behind 409 */
};

static void bring(struct slbl_copy *k);

static struct slbl_copy *find(const struct central *c, struct str name)
{
    for (struct slbl_copy *k = c->slbls; k; k = k->next)
        if (!k->gone && str_eqi(str_c(k->name), name))
            return k;
    return NULL;
}

static bool is_wanted(const struct conf_appliance *a)
{
    return a && a->spam && !a->disconnected && a->serial.n && a->host_key.n;
}

static void drop(struct slbl_copy *k)
{
    loop_timer_cancel(k->central->o.loop, &k->again);
    free(k->name);
    free(k);
}

/* --- one put --------------------------------------------------------------------------------------------------------------
 */

static void again(void *ctx)
{
    bring(ctx);
}

static void wait_and_try(struct slbl_copy *k)
{
    k->pause_ms = k->pause_ms ? k->pause_ms * 2 : FIRST_PAUSE_MS;
    if (k->pause_ms > LONGEST_PAUSE_MS)
        k->pause_ms = LONGEST_PAUSE_MS;
    loop_timer_set(k->central->o.loop, &k->again, k->pause_ms, again, k);
}

static void is_there(struct slbl_copy *k, const struct slbl_put *p)
{
    uint64_t ms = k->wanted_ms ? clock_mono_ms() - k->wanted_ms : 0;

    event(k->central->o.events, slbl_brought, .name = str_c(k->name), .version = p->version, .full = p->full, .ms = ms);
    k->has = p->version;
    k->since_ms = clock_wall_ms();
    k->known = true;
    k->full = false;
    k->pause_ms = 0;
    k->error[0] = '\0';
}

/* It has another version than we thought: what leads on from there, the second time everything. */
static void has_other(struct slbl_copy *k, const struct slbl_put *p)
{
    k->full = k->known && k->has == p->have ? true : k->full;
    k->has = p->have;
    k->known = true;
}

static void put_done(void *ctx, enum rc rc, const struct err *e)
{
    struct slbl_put *p = ctx;
    struct slbl_copy *k = p->copy;
    bool conflict = rc != RC_OK && p->code == CODE_CONFLICT;

    k->busy = false;
    if (!k->gone && rc == RC_OK) {
        is_there(k, p);
    } else if (!k->gone && conflict) {
        has_other(k, p);
    } else if (!k->gone) {
        if (strcmp(k->error, err_text(e)) != 0)
            event(k->central->o.events, slbl_not_brought, .name = str_c(k->name), .version = p->version,
                  .why = str_c(err_text(e)));
        snprintf(k->error, sizeof k->error, "%s", err_text(e));
        k->known = false;
        wait_and_try(k);
    }
    if (k->gone)
        drop(k);
    else if (rc == RC_OK || conflict)
        bring(k);
    free(p->input);
    free(p);
}

/* In the line's thread. */
static enum rc put_run(struct ssh_line *l, void *ctx, struct err *e)
{
    struct slbl_put *p = ctx;
    struct buf reply = BUF(SSH_LINE_REPLY_MAX);
    enum rc rc = ssh_line_verb(l, str_lit("put-slbl"), str_c(p->input), &reply, -1, e);
    struct str text = str_c(e->text);
    size_t at = str_find_str(text, str_lit("have="));

    p->code = rc == RC_OK ? 0 : ssh_line_code(l);
    if (rc != RC_OK && at < text.n && !str_u64(str_trim(str_from(text, at + 5)), &p->have))
        p->have = 0;
    buf_done(&reply);
    return rc;
}

static void on_delta(void *ctx, enum rc rc, const void *msg)
{
    const struct bus_slbl_delta *m = msg;
    struct slbl_put *p = ctx;
    struct slbl_copy *k = p->copy;
    struct err e = ERR_NONE;

    if (rc == RC_OK && !m->input.n)
        rc = err_set(&e, RC_TOO_LARGE, "the lists are too long");
    else if (rc != RC_OK)
        err_set(&e, rc, "control does not answer");
    if (rc != RC_OK || k->gone) {
        put_done(p, rc ? rc : RC_UNAVAILABLE, &e);
        return;
    }
    p->version = m->version;
    must((p->input = strndup(m->input.p, m->input.n)));
    line_job(k->central, str_c(k->name), LINE_SOON, put_run, put_done, p);
}

static void bring(struct slbl_copy *k)
{
    struct central *c = k->central;
    struct bus_peer *control = bus_peer(c->o.bus, ROLE_control, 0);
    struct bus_slbl_question m = {.base = k->has, .full = k->full};
    struct slbl_put *p;

    if (k->busy || k->gone || c->stopping || !control || (k->known && k->has == c->slbl_master && !k->full)) {
        if (k->known && k->has == c->slbl_master)
            k->wanted_ms = 0;
        return;
    }
    loop_timer_cancel(c->o.loop, &k->again);
    if (!k->wanted_ms)
        k->wanted_ms = clock_mono_ms();
    p = calloc(1, sizeof *p);
    must(p);
    *p = (struct slbl_put){.copy = k, .full = k->full};
    k->busy = true;
    bus_call(c->o.bus, control, BUS_slbl_question, &m, QUESTION_MS, on_delta, p);
}

/* --- who needs it
 * ----------------------------------------------------------------------------------------------------------- */

static void on_master(void *ctx, const struct bus_in *in)
{
    const struct bus_slbl_master *m = in->msg;
    struct central *c = ctx;

    c->slbl_master = m->version;
    for (struct slbl_copy *k = c->slbls; k; k = k->next)
        bring(k);
}

void slbls_begin(struct central *c)
{
    bus_on(c->o.bus, BUS_slbl_master, on_master, c);
}

void slbl_contact(struct central *c, struct str appliance, uint64_t version)
{
    struct slbl_copy *k = find(c, appliance);

    if (!k || k->busy)
        return;
    if (!k->known || k->has != version)
        k->since_ms = clock_wall_ms();
    k->has = version;
    k->known = true;
    k->pause_ms = 0;
    bring(k);
}

static void leave(struct central *c, struct slbl_copy **at)
{
    struct slbl_copy *k = *at;

    (void)c;
    *at = k->next;
    k->gone = true;
    if (!k->busy)
        drop(k); /* else its put drops it */
}

void slbls_sweep(struct central *c)
{
    struct slbl_copy **at = &c->slbls;

    while (*at)
        if (is_wanted(appliance_find(c, str_c((*at)->name))))
            at = &(*at)->next;
        else
            leave(c, at);
    for (size_t i = 0; c->conf && c->conf->system.role == 1 && i < c->conf->appliance.n; i++) {
        const struct conf_appliance *a = &c->conf->appliance.items[i];
        struct slbl_copy *k;

        if (!is_wanted(a) || find(c, a->name))
            continue;
        k = calloc(1, sizeof *k);
        must(k && (k->name = strndup(a->name.p, a->name.n)));
        k->central = c;
        k->next = c->slbls;
        c->slbls = k;
        bring(k);
    }
}

void slbls_free(struct central *c)
{
    while (c->slbls)
        leave(c, &c->slbls);
}

/* --- verbs
 * ------------------------------------------------------------------------------------------------------------------- */

static void put_one(const struct slbl_copy *k, struct buf *text, struct buf *json)
{
    bool current = k->known && k->has == k->central->slbl_master;
    uint64_t age_s = k->known && k->since_ms ? (clock_wall_ms() - k->since_ms) / 1000 : 0;

    buf_addf(text, "%s: ", k->name);
    if (k->known)
        buf_addf(text, "version %" PRIu64 ", %s, since %" PRIu64 " s", k->has, current ? "current" : "behind", age_s);
    else
        buf_add(text, str_lit("version unknown"));
    buf_addf(text, "%s%s\n", *k->error ? ": " : "", k->error);
    buf_addf(json, "%s{\"name\":", json->n > 1 ? "," : "");
    json_str(json, str_c(k->name));
    buf_addf(json, ",\"version\":%" PRIu64 ",\"current\":%s,\"age_s\":%" PRIu64 ",\"error\":", k->has,
             current ? "true" : "false", age_s);
    json_str(json, str_c(k->error));
    buf_addc(json, '}');
}

void verb_slbl_status(struct central_call *call)
{
    buf_addc(&call->json, '[');
    for (const struct slbl_copy *k = call->central->slbls; k; k = k->next)
        put_one(k, &call->text, &call->json);
    buf_addc(&call->json, ']');
    central_answer(call, RC_OK);
}

void verb_slbl_sync(struct central_call *call)
{
    size_t n = 0;

    for (struct slbl_copy *k = call->central->slbls; k; k = k->next, n++) {
        k->full = true;
        k->pause_ms = 0;
        bring(k);
    }
    buf_addf(&call->text, "A full copy goes to %zu appliances.\n", n);
    central_answer(call, RC_OK);
}
