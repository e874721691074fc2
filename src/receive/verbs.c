/*
 * Operator verbs of receiving: suspendlistener, resumelistener, topin. Control calls, this process obeys and answers.
 *
 * Arguments of the first two are names of listeners, none or `all` = every one. What must survive a restart is the setting
 * receiving.suspended, which control writes; the verb acts at once. A number among the arguments of suspendlistener is the
 * time in seconds that open conversations have; the answer comes when the last has ended, after that time by force (one
 * whose message is being stored gets its 250 first). Unknown verbs get RC_NOT_FOUND.
 */
#include "receive/inside.h"

#include <stdlib.h>

enum { LOOK_MS = 100, FORCED_MS = 10000, DELAY_MOST_S = 3600, TOPIN_MAX = 16 << 20 };

/* A suspension that waits for conversations to end. */
struct suspending {
    struct suspending *next;
    struct receive *receive;
    struct bus_peer *from;
    uint64_t call, until_ms;
    bool forced;
    struct loop_timer timer;
};

static void answer(struct receive *r, struct bus_peer *to, uint64_t call, enum rc rc, struct str text)
{
    bus_reply(r->o.bus, to, call, BUS_verb_reply, &(struct bus_verb_reply){.rc = rc, .text = text});
}

static void suspending_free(struct suspending *s)
{
    struct suspending **at = &s->receive->suspending;

    while (*at != s)
        at = &(*at)->next;
    *at = s->next;
    loop_timer_cancel(s->receive->o.loop, &s->timer);
    free(s);
}

static bool conversations_open(const struct receive *r)
{
    for (const struct listener *l = r->listeners; l; l = l->next)
        if (l->suspended && l->open)
            return true;
    return false;
}

static void look(void *ctx)
{
    struct suspending *s = ctx;
    struct receive *r = s->receive;
    uint64_t now = loop_now_ms(r->o.loop);

    if (now >= s->until_ms && !s->forced) {
        s->forced = true;
        s->until_ms = now + FORCED_MS;
    }
    if (s->forced)
        receive_expel_suspended(r);
    if (conversations_open(r) && (!s->forced || now < s->until_ms)) {
        loop_timer_set(r->o.loop, &s->timer, LOOK_MS, look, s);
        return;
    }
    answer(r, s->from, s->call, RC_OK, str_lit("Receiving suspended."));
    suspending_free(s);
}

static void set_suspended(struct receive *r, struct str args, bool on, uint64_t *delay_s)
{
    struct str name;
    bool any = false;

    while (args.n && get_str(&args, &name)) {
        if (str_u64(name, delay_s))
            continue;
        any = true;
        listeners_suspend(r, name, on);
    }
    if (!any)
        listeners_suspend(r, STR_NONE, on);
}

static void verb_suspend(struct receive *r, const struct bus_in *in, struct str args)
{
    struct suspending *s = calloc(1, sizeof *s);
    uint64_t delay_s = 0;

    must(s != NULL);
    set_suspended(r, args, true, &delay_s);
    s->receive = r;
    s->from = in->from;
    s->call = in->call;
    s->until_ms = loop_now_ms(r->o.loop) + (delay_s < DELAY_MOST_S ? delay_s : DELAY_MOST_S) * 1000;
    s->next = r->suspending;
    r->suspending = s;
    look(s);
}

static void verb_resume(struct receive *r, const struct bus_in *in, struct str args)
{
    uint64_t ignored;

    set_suspended(r, args, false, &ignored);
    answer(r, in->from, in->call, RC_OK, str_lit("Receiving resumed."));
}

/* --- topin ------------------------------------------------------------------------------------------------------------ */

struct peer {
    struct address_ip ip;
    const struct listener *listener;
    struct str name;
    unsigned n;
};

static int compare(const void *a, const void *b)
{
    const struct peer *x = a, *y = b;
    int order = x->ip.family - y->ip.family;

    if (!order)
        order = memcmp(x->ip.octets, y->ip.octets, sizeof x->ip.octets);
    return order ? order : str_cmp(x->listener->name, y->listener->name);
}

/* A line for each peer and listener: address, listener, name (only where forward and reverse DNS agree), connections. */
static void verb_topin(struct receive *r, const struct bus_in *in, struct str args)
{
    struct peer *list = calloc(r->open + 1, sizeof *list);
    struct buf out = BUF(TOPIN_MAX);
    size_t n = 0;
    char ip[46];

    (void)args;
    must(list != NULL);
    for (const struct session *se = r->sessions; se && n < r->open; se = se->next)
        list[n++] = (struct peer){se->s.peer.ip, se->listener, se->verified ? se->ptr : STR_NONE, 1};
    for (size_t i = 0; i < n; i++)
        list[i].ip.port = 0;
    qsort(list, n, sizeof *list, compare);
    for (size_t i = 0; i < n; i++) {
        if (i + 1 < n && compare(&list[i], &list[i + 1]) == 0) {
            list[i + 1].n += list[i].n;
            if (!list[i + 1].name.n)
                list[i + 1].name = list[i].name;
            continue;
        }
        buf_addf(&out, "%.*s\t%.*s\t%.*s\t%u\n", STR(ip_text(&list[i].ip, ip)), STR(list[i].listener->name),
                 STR(list[i].name), list[i].n);
    }
    answer(r, in->from, in->call, out.failed ? RC_TOO_LARGE : RC_OK, buf_str(&out));
    buf_done(&out);
    free(list);
}

/* --- all -------------------------------------------------------------------------------------------------------------- */

static const struct {
    const char *name;
    void (*fn)(struct receive *r, const struct bus_in *in, struct str args);
} verbs[] = {
    {"suspendlistener", verb_suspend}, {"suspend", verb_suspend}, {"resumelistener", verb_resume},
    {"resume", verb_resume},           {"topin", verb_topin},
};

static void on_verb(void *ctx, const struct bus_in *in)
{
    struct receive *r = ctx;
    const struct bus_verb_call *call = in->msg;

    for (size_t i = 0; i < sizeof verbs / sizeof *verbs; i++)
        if (str_eqi(str_c(verbs[i].name), call->verb)) {
            verbs[i].fn(r, in, call->args);
            return;
        }
    answer(r, in->from, in->call, RC_NOT_FOUND, str_lit("unknown verb"));
}

void verbs_init(struct receive *r)
{
    bus_on(r->o.bus, BUS_verb_call, on_verb, r);
}

void verbs_done(struct receive *r)
{
    while (r->suspending)
        suspending_free(r->suspending);
}
