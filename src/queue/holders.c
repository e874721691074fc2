/*
 * What waits for the manager: alerts when it is away or too much waits, and another try as soon as somebody heard of it
 * (central.md 11).
 *
 * Called once a second by queue.c and by the bus (manager_contact). Owns nothing; what was told is kept in the destination.
 */
#include "queue/holders.h"

#include "base/clock.h"

static const char *const names[] = {"the.cpq.host", "the.euq.queue"};

static void look_away(struct queue *q, struct destination *d, const struct conf *c)
{
    uint64_t now = clock_wall_ms();

    if (!d->away_ms || d->away_told || now < d->away_ms + c->pvo.alert_away_ms)
        return;
    d->away_told = true;
    event(q->events, central_away, .domain = str_c(d->name), .messages = d->pieces, .seconds = (now - d->away_ms) / 1000,
          .why = str_c(d->reason));
}

static void look_waiting(struct queue *q, struct destination *d, const struct conf *c)
{
    bool much = d->pieces > c->pvo.alert_messages || d->octets > c->pvo.alert_bytes;

    if (much && !d->waiting_told)
        event(q->events, central_waiting, .domain = str_c(d->name), .messages = d->pieces, .bytes = d->octets);
    if (much)
        d->waiting_told = true;
    else if (d->pieces < c->pvo.alert_messages / 2 && d->octets < c->pvo.alert_bytes / 2)
        d->waiting_told = false;
}

void holders_look(struct queue *q)
{
    const struct conf *c = conf_now(q->conf);

    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        uint32_t at = destination_find(q, str_c(names[i]));
        struct destination *d = at ? destination_at(q, at) : NULL;

        if (!d || !d->central)
            continue;
        look_away(q, d, c);
        look_waiting(q, d, c);
    }
}

/* A connection that was never made says nothing new; one that broke within the transfer leaves it open. */
void holders_answered(struct piece *p, const struct delivery_result *r, size_t n)
{
    if (n)
        p->uncertain = r[0].class == RESULT_DELAYED && r[0].code == 0;
}

static void on_contact(void *ctx, const struct bus_in *in)
{
    struct queue *q = ctx;

    (void)in;
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        uint32_t at = destination_find(q, str_c(names[i]));

        if (at && destination_at(q, at)->central && destination_at(q, at)->down)
            destination_try_all(q, at);
    }
}

void holders_init(struct queue *q)
{
    bus_on(q->bus, BUS_manager_contact, on_contact, q);
}
