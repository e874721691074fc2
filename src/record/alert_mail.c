/*
 * Mails with alerts on their way to queue. See alert_mail.h.
 *
 * Called by alerts.c. Owns copies of the mails. The oldest goes first, one call at a time; queue being away (it may be what
 * the alert is about) or full costs an attempt, an answer that no repeat can change ends the mail.
 */
#include "record/alert_mail.h"

#include "base/must.h"

#include <stdlib.h>

enum { CALL_MS = 30000, RETRY_FIRST_MS = 1000, RETRY_MOST_MS = 60000 };

struct waiting {
    struct waiting *next;
    struct alert_mail mail;
    unsigned attempts;
    char text[]; /* behind the views of mail */
};

struct alert_mails {
    struct loop *loop;
    struct bus *bus;
    struct events *events;
    struct waiting *first, **last;
    size_t n;
    uint64_t call; /* 0: none under way */
    struct loop_timer timer;
};

static void pump(void *ctx);

struct alert_mails *alert_mails_new(struct loop *loop, struct bus *bus, struct events *events)
{
    struct alert_mails *m = calloc(1, sizeof *m);

    must(m);
    m->loop = loop;
    m->bus = bus;
    m->events = events;
    m->last = &m->first;
    return m;
}

static void drop_first(struct alert_mails *m)
{
    struct waiting *w = m->first;

    m->first = w->next;
    if (!m->first)
        m->last = &m->first;
    m->n--;
    free(w);
}

void alert_mails_free(struct alert_mails *m)
{
    if (!m)
        return;
    if (m->call)
        bus_cancel(m->bus, m->call);
    if (m->loop)
        loop_timer_cancel(m->loop, &m->timer);
    while (m->first)
        drop_first(m);
    free(m);
}

static uint64_t retry_ms(unsigned attempts)
{
    uint64_t ms = (uint64_t)RETRY_FIRST_MS << (attempts < 8 ? 2 * attempts - 2 : 14);

    return ms < RETRY_MOST_MS ? ms : RETRY_MOST_MS;
}

static void failed(struct alert_mails *m, enum rc rc)
{
    struct waiting *w = m->first;

    if (w->attempts < ALERT_ATTEMPTS && rc != RC_INVALID) {
        loop_timer_set(m->loop, &m->timer, retry_ms(w->attempts), pump, m);
        return;
    }
    event(m->events, internal_mail_failed, .recipient = w->mail.to, .subject = w->mail.subject);
    drop_first(m);
    loop_timer_set(m->loop, &m->timer, 0, pump, m);
}

static void answered(void *ctx, enum rc rc, const void *msg)
{
    struct alert_mails *m = ctx;
    const struct bus_mail_taken *taken = msg;
    const struct alert_mail *mail = &m->first->mail;

    m->call = 0;
    if (rc == RC_OK)
        rc = taken->rc < RC_COUNT ? (enum rc)taken->rc : RC_INTERNAL;
    if (rc != RC_OK) {
        failed(m, rc);
        return;
    }
    event(m->events, internal_mail_sent, .recipient = mail->to, .subject = mail->subject);
    event(m->events, alert_sent, .class = mail->class, .severity = (uint64_t)(LEVEL_INFO - mail->severity),
          .recipient = mail->to, .subject = mail->subject);
    drop_first(m);
    pump(m);
}

static void pump(void *ctx)
{
    struct alert_mails *m = ctx;
    struct waiting *w = m->first;
    struct bus_peer *queue;
    struct buf to = BUF(4096);

    if (!w || m->call || !m->bus)
        return;
    event(m->events, internal_mail_attempt, .recipient = w->mail.to, .subject = w->mail.subject, .attempt = w->attempts);
    w->attempts++;
    queue = bus_peer(m->bus, ROLE_queue, 0);
    buf_put_str(&to, w->mail.to);
    /* no return path: a bounce of an alert could only make another one */
    if (queue)
        m->call = bus_call(m->bus, queue, BUS_mail_new,
                           &(struct bus_mail_new){.recipients = buf_str(&to), .body = w->mail.body}, CALL_MS, answered, m);
    else
        failed(m, RC_UNAVAILABLE);
    buf_done(&to);
}

static struct str copy(char **at, struct str s)
{
    char *to = *at;

    if (s.n)
        memcpy(to, s.p, s.n);
    *at += s.n;
    return str_of(to, s.n);
}

void alert_mails_add(struct alert_mails *m, const struct alert_mail *mail)
{
    struct waiting *w;
    char *at;

    if (m->n == ALERT_MAILS_MOST) {
        event(m->events, internal_mail_failed, .recipient = mail->to, .subject = mail->subject);
        return;
    }
    w = calloc(1, sizeof *w + mail->to.n + mail->subject.n + mail->class.n + mail->body.n);
    must(w);
    at = w->text;
    w->mail.to = copy(&at, mail->to);
    w->mail.subject = copy(&at, mail->subject);
    w->mail.class = copy(&at, mail->class);
    w->mail.body = copy(&at, mail->body);
    w->mail.severity = mail->severity;
    *m->last = w;
    m->last = &w->next;
    if (++m->n == 1 && m->loop)
        loop_timer_set(m->loop, &m->timer, 0, pump, m);
}
