/*
 * Threads with connections, jobs for them. See line.h.
 *
 * Called by the files of the room, on the loop. Owns the threads, the jobs and, through the threads, the connections. A job
 * passes from the loop to its line (under the line's lock) and back; nothing else is shared. A connection that fails is
 * closed; the next job makes a new one at once: who asks for jobs decides how often (pull.c).
 */
#include "central/line_private.h"

#include "base/must.h"
#include "base/thread.h"
#include "net/ip.h"

#include <signal.h>
#include <stdlib.h>

enum { ADDRESSES = 8 };

/* --- jobs -----------------------------------------------------------------------------------------------------------------
 */

void line_append(struct line_work **list, struct line_work *w)
{
    while (*list)
        list = &(*list)->next;
    w->next = NULL;
    *list = w;
}

static void take_out(struct line_work **list, const struct line_work *w)
{
    while (*list && *list != w)
        list = &(*list)->next;
    if (*list)
        *list = w->next;
}

/* Behind all that is as urgent. */
static void insert(struct line_work **list, struct line_work *w)
{
    while (*list && (*list)->urgency >= w->urgency)
        list = &(*list)->next;
    w->next = *list;
    *list = w;
}

static void work_free(struct line_work *w)
{
    dial_done(&w->own);
    greeting_done(&w->greeting);
    free(w->host_key);
    free(w);
}

/* On the loop: the end of a job, told to everybody. */
static void finish(struct line *l, struct line_work *w)
{
    struct central *c = l->central;
    struct str name = str_c(l->name);

    if (!l->once) {
        if (w->greeting.json)
            contact_up(c, name, &w->greeting, strncmp(w->own.dial.address, "unix:", 5) == 0);
        if (w->connected)
            contact_heard(c, name, w->bytes);
        if (w->unreached && !l->quit)
            contact_down(c, name, w->rc, err_text(&w->e));
    }
    if (w->once_done)
        w->once_done(w->ctx, w->rc, &w->e, w->host_key);
    else if (w->done)
        w->done(w->ctx, w->rc, &w->e);
    work_free(w);
}

static void hand_over(struct line *l, struct line_work *w)
{
    pthread_mutex_lock(&l->lock);
    insert(&l->todo, w);
    pthread_cond_signal(&l->changed);
    pthread_mutex_unlock(&l->lock);
}

static void refuse(struct line *l, struct line_work *w)
{
    pthread_mutex_lock(&l->lock);
    line_append(&l->over, w);
    pthread_mutex_unlock(&l->lock);
    uv_async_send(&l->central->lines_async);
}

/* --- the address
 * ------------------------------------------------------------------------------------------------------------
 */

static void on_address(void *ctx, const struct dns_answer *answers, size_t n)
{
    struct line_work *w = ctx;
    char text[46];

    w->ask = 0;
    take_out(&w->line->asking, w);
    for (size_t i = 0; i < n; i++) {
        size_t octets = answers[i].question.type == DNS_AAAA ? 16 : 4;

        for (size_t j = 0; j < answers[i].n && answers[i].result == DNS_OK; j++) {
            struct address_ip at = {.family = octets == 16 ? AF_INET6 : AF_INET};

            if (answers[i].records[j].data.n != octets)
                continue;
            memcpy(at.octets, answers[i].records[j].data.p, octets);
            free((char *)(uintptr_t)w->own.dial.address);
            must((w->own.dial.address = strndup(ip_text(&at, text).p, ip_text(&at, text).n)));
            hand_over(w->line, w);
            return;
        }
    }
    w->unreached = true;
    w->rc = err_set(&w->e, RC_CONNECT, "the name %s has no address now", w->own.dial.address);
    refuse(w->line, w);
}

/* From the address in the settings to one that can be connected to. */
static void find_address(struct line *l, struct line_work *w)
{
    struct str host = str_c(w->own.dial.address);
    const struct dns_question questions[] = {{DNS_A, host}, {DNS_AAAA, host}};
    struct address_ip literal;
    uint64_t ask;

    if (str_starts(host, str_lit("unix:")) || ip_parse(host, &literal)) {
        hand_over(l, w);
        return;
    }
    line_append(&l->asking, w);
    ask = dns_ask(l->central->dns, questions, 2, DNS_ASK_TIMEOUT_MS, on_address, w);
    if (ask)
        w->ask = ask; /* else it was answered at once, and w is no longer ours to look at */
}

/* --- lines ----------------------------------------------------------------------------------------------------------------
 */

static struct line *line_new(struct central *c, struct str name)
{
    struct line *l = calloc(1, sizeof *l);

    must(l && pthread_mutex_init(&l->lock, NULL) == 0 && pthread_cond_init(&l->changed, NULL) == 0);
    l->name = str_copy(name);
    l->central = c;
    ssh_abort_init(&l->abort);
    must(thread_start(&l->thread, line_run, l));
    l->next = c->lines;
    c->lines = l;
    return l;
}

static struct line *line_of(struct central *c, struct str name)
{
    for (struct line *l = c->lines; l; l = l->next)
        if (!l->once && !l->quit && str_eqi(str_c(l->name), name))
            return l;
    return line_new(c, name);
}

static void line_quit(struct line *l)
{
    while (l->asking) {
        struct line_work *w = l->asking;

        l->asking = w->next;
        dns_ask_cancel(l->central->dns, w->ask);
        w->rc = err_set(&w->e, RC_UNAVAILABLE, "the connection ends");
        refuse(l, w);
    }
    pthread_mutex_lock(&l->lock);
    l->quit = true;
    pthread_cond_signal(&l->changed);
    pthread_mutex_unlock(&l->lock);
    ssh_abort_now(&l->abort);
}

static void give(struct central *c, struct str appliance, const struct line_work *order)
{
    const struct conf_appliance *a = appliance_find(c, appliance);
    struct line *l = line_of(c, appliance);
    struct line_work *w = malloc(sizeof *w);

    must(w);
    *w = *order;
    w->line = l;
    if (c->stopping)
        w->rc = err_set(&w->e, RC_UNAVAILABLE, "the service ends");
    else if (!a)
        w->rc = err_set(&w->e, RC_NOT_FOUND, "no appliance of this name");
    else
        w->rc = dial_appliance(c, a, &w->own, &w->e);
    w->unreached = a && w->rc != RC_OK;
    if (w->rc == RC_OK)
        find_address(l, w);
    else
        refuse(l, w);
    if (c->stopping)
        line_quit(l);
}

void line_job(struct central *c, struct str appliance, enum line_urgency urgency, line_fn *fn, line_done *done, void *ctx)
{
    give(c, appliance, &(struct line_work){.urgency = urgency, .fn = fn, .done = done, .ctx = ctx});
}

void line_hello(struct central *c, struct str appliance, line_done *done, void *ctx)
{
    give(c, appliance, &(struct line_work){.urgency = LINE_SOON, .hello = true, .done = done, .ctx = ctx});
}

void line_once(struct central *c, const struct ssh_dial *dial, line_fn *fn, line_once_done *done, void *ctx)
{
    struct line *l = line_new(c, STR_NONE);
    struct line_work *w = calloc(1, sizeof *w);

    must(w);
    l->once = true;
    *w = (struct line_work){.line = l, .fn = fn, .once_done = done, .ctx = ctx};
    dial_copy(dial, &w->own);
    find_address(l, w);
}

void line_renew(struct central *c, struct str appliance)
{
    struct line *l = line_of(c, appliance);

    pthread_mutex_lock(&l->lock);
    l->renew = true;
    pthread_cond_signal(&l->changed);
    pthread_mutex_unlock(&l->lock);
}

static void line_free(struct line *l)
{
    pthread_mutex_destroy(&l->lock);
    pthread_cond_destroy(&l->changed);
    pthread_mutex_destroy(&l->abort.lock);
    free(l->name);
    free(l);
}

/* --- what the threads tell ------------------------------------------------------------------------------------------------
 */

static bool collect(struct line *l)
{
    struct line_work *over;
    bool ended;

    pthread_mutex_lock(&l->lock);
    over = l->over;
    l->over = NULL;
    ended = l->ended;
    pthread_mutex_unlock(&l->lock);
    while (over) {
        struct line_work *w = over;

        over = w->next;
        l->told = w->line->once;
        finish(l, w);
    }
    if (l->told && !l->quit)
        line_quit(l);
    return ended;
}

static void on_closed(uv_handle_t *handle)
{
    struct central *c = handle->data;

    c->emptied(c->emptied_ctx);
}

static void on_lines(uv_async_t *handle)
{
    struct central *c = handle->data;
    struct line **at;

    for (struct line *l = c->lines; l; l = l->next)
        l->ready = collect(l); /* jobs that end make new lines: at the front of the list */
    at = &c->lines;
    while (*at) {
        struct line *l = *at;

        if (!l->ready) {
            at = &l->next;
            continue;
        }
        pthread_join(l->thread, NULL);
        *at = l->next;
        line_free(l);
    }
    if (c->stopping && !c->lines && !uv_is_closing((uv_handle_t *)handle))
        uv_close((uv_handle_t *)handle, on_closed);
}

/* --- beginning and end ----------------------------------------------------------------------------------------------------
 */

void lines_begin(struct central *c)
{
    must(uv_async_init(loop_uv(c->o.loop), &c->lines_async, on_lines) == 0);
    c->lines_async.data = c;
    c->dns = dns_asker_new(c->o.bus, c->o.loop);
}

void lines_sweep(struct central *c)
{
    for (struct line *l = c->lines; l; l = l->next) {
        const struct conf_appliance *a = l->once ? NULL : appliance_find(c, str_c(l->name));

        if (!l->once && (!a || a->disconnected))
            line_quit(l);
    }
}

void lines_stop(struct central *c, void (*emptied)(void *ctx), void *ctx)
{
    c->stopping = true;
    c->emptied = emptied;
    c->emptied_ctx = ctx;
    for (struct line *l = c->lines; l; l = l->next)
        line_quit(l);
    uv_async_send(&c->lines_async);
}

void lines_free(struct central *c)
{
    dns_asker_free(c->dns);
    c->dns = NULL;
}
