/*
 * The thread of a line: makes the connection its jobs need and runs them. See line.h.
 *
 * Started by line.c. Owns the connection. Touches its line under the lock, the jobs it took, and nothing else of the
 * process.
 */
#include "central/line_private.h"

#include "base/must.h"

#include <stdlib.h>

static void hang_up(struct line *l)
{
    ssh_line_close(l->ssh);
    l->ssh = NULL;
    dial_done(&l->with);
}

static void take_dial(struct line *l, struct line_work *w)
{
    dial_copy(&w->own.dial, &l->with);
    must((l->with.serial = strdup(w->own.serial ? w->own.serial : "")));
    must((l->with.hello = strdup(w->own.hello ? w->own.hello : "")));
}

static enum rc dial(struct line *l, struct line_work *w)
{
    struct buf shown = BUF(20000);
    enum rc rc;

    hang_up(l);
    w->own.dial.abort = &l->abort;
    rc = ssh_line_open(&w->own.dial, &l->ssh, &shown, &w->e);
    if (shown.n) {
        free(w->host_key);
        must((w->host_key = strndup(shown.p, shown.n)));
    }
    buf_done(&shown);
    if (rc == RC_OK && l->ssh && w->own.hello) {
        greeting_done(&w->greeting);
        rc = greet(l->ssh, w->own.hello, w->own.serial, &w->greeting, &w->e);
    }
    if (rc != RC_OK)
        hang_up(l);
    else if (l->ssh)
        take_dial(l, w);
    return rc;
}

static void hello_said(struct line *l, const struct line_work *w)
{
    free(l->with.hello);
    must((l->with.hello = strdup(w->own.hello)));
}

/* Without a connection the line is dead for this job; a job's own failure (a refusal, a full disk) leaves it as it is. */
static bool broke(const struct line *l, enum rc rc)
{
    return rc == RC_CONNECT || rc == RC_TIMEOUT || (rc == RC_UNAVAILABLE && !ssh_line_code(l->ssh));
}

static void run_once(struct line *l, struct line_work *w)
{
    uint64_t before = l->ssh ? ssh_line_bytes(l->ssh) : 0;

    w->e = ERR_NONE;
    if (w->hello)
        w->rc = greet(l->ssh, w->own.hello, w->own.serial, &w->greeting, &w->e);
    else
        w->rc = w->fn && (l->ssh || !w->own.hello) ? w->fn(l->ssh, w->ctx, &w->e) : RC_OK;
    if (!l->ssh)
        return;
    w->bytes += ssh_line_bytes(l->ssh) - before;
    if (w->hello && w->rc == RC_OK)
        hello_said(l, w);
    if (!broke(l, w->rc) && !(w->hello && w->rc != RC_OK)) {
        w->connected = true;
        return;
    }
    w->unreached = true;
    hang_up(l);
}

/* Our side of hello has changed (a service, a certificate): it is said again, on the connection there is. */
static enum rc hello_again(struct line *l, struct line_work *w)
{
    enum rc rc;

    if (w->hello || strcmp(l->with.hello, w->own.hello) == 0)
        return RC_OK;
    rc = greet(l->ssh, w->own.hello, w->own.serial, &w->greeting, &w->e);
    if (rc == RC_OK)
        hello_said(l, w);
    else
        hang_up(l);
    return rc;
}

static void work(struct line *l, struct line_work *w)
{
    bool fresh = !l->ssh || ssh_line_gone(l->ssh) || !dial_same(&l->with, &w->own) || (!w->fn && !w->hello);

    if (!fresh && hello_again(l, w) == RC_OK) {
        run_once(l, w);
        if (!w->unreached || w->rc != RC_CONNECT || w->bytes)
            return;
        w->unreached = false; /* dead before its first word: it died while nobody looked */
    }
    w->rc = dial(l, w);
    if (w->rc != RC_OK) {
        w->unreached = true;
        return;
    }
    w->connected = true;
    if (!w->hello) /* it was said */
        run_once(l, w);
}

/* The next job, or NULL: the end. */
static struct line_work *next(struct line *l)
{
    struct line_work *w;

    pthread_mutex_lock(&l->lock);
    while (!l->quit && !l->todo) {
        if (l->renew && l->ssh)
            hang_up(l);
        l->renew = false;
        pthread_cond_wait(&l->changed, &l->lock);
    }
    w = l->todo;
    if (w)
        l->todo = w->next;
    if (l->quit && w)
        w->rc = err_set(&w->e, RC_UNAVAILABLE, "the connection ends");
    pthread_mutex_unlock(&l->lock);
    return w;
}

void *line_run(void *line)
{
    struct line *l = line;
    struct line_work *w;

    while ((w = next(l))) {
        if (w->rc == RC_OK)
            work(l, w);
        pthread_mutex_lock(&l->lock);
        line_append(&l->over, w);
        pthread_mutex_unlock(&l->lock);
        uv_async_send(&l->central->lines_async);
    }
    hang_up(l);
    pthread_mutex_lock(&l->lock);
    l->ended = true;
    pthread_mutex_unlock(&l->lock);
    uv_async_send(&l->central->lines_async);
    return NULL;
}
