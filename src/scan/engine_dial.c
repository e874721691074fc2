/*
 * Connections to engines by lookup, over the bus. See engine.h.
 *
 * Called by engine.c through its dialer. Owns one idle connection an engine: asked for ahead, after an answer, it is there
 * when the next message comes. An idle one that the engine closed meanwhile, or whose address is no longer the one set, is
 * thrown away.
 */
#include "scan/engine.h"

#include "base/must.h"

#include <poll.h>
#include <stdlib.h>
#include <unistd.h>

enum { ADDRESS_MAX = 256, AHEAD_MS = 2000 };

struct engine_dial {
    struct bus *bus;
    uint64_t id; /* of the newest question */
    struct spare {
        uint64_t asked; /* id; 0 = none under way */
        int fd;         /* -1 = none */
        char address[ADDRESS_MAX];
    } spares[ENGINE_KINDS];
    /* the question that is waited for */
    uint64_t wanted;
    bool answered;
    int fd;
    struct err err;
};

static void on_socket(void *ctx, const struct bus_in *in)
{
    struct engine_dial *d = ctx;
    const struct bus_engine_socket *m = in->msg;

    if (m->id && m->id == d->wanted) {
        d->answered = true;
        d->fd = in->fd;
        if (m->rc != RC_OK || in->fd < 0)
            err_set(&d->err, RC_CONNECT, "%.*s", STR(m->why));
        return;
    }
    for (size_t i = 0; i < ENGINE_KINDS; i++)
        if (m->id && d->spares[i].asked == m->id) {
            d->spares[i].asked = 0;
            d->spares[i].fd = in->fd;
            return;
        }
    if (in->fd >= 0)
        close(in->fd);
}

static bool answered(void *ctx)
{
    return ((struct engine_dial *)ctx)->answered;
}

static void ask(struct engine_dial *d, uint64_t id, enum engine_kind kind, struct str address, uint64_t timeout_ms)
{
    bus_send(d->bus, bus_peer(d->bus, ROLE_lookup, 0), BUS_engine_open,
             &(struct bus_engine_open){.id = id, .engine = kind, .address = address, .timeout_ms = timeout_ms});
}

static int spare(struct engine_dial *d, enum engine_kind kind, struct str address)
{
    struct spare *s = &d->spares[kind];
    struct pollfd one = {.fd = s->fd, .events = POLLIN};
    int fd = s->fd;

    if (fd < 0)
        return -1;
    s->fd = -1;
    /* An engine speaks only when asked: readable means closed. */
    if (str_eq(str_c(s->address), address) && poll(&one, 1, 0) == 0)
        return fd;
    close(fd);
    return -1;
}

static int dial_open(void *ctx, enum engine_kind kind, struct str address, uint64_t timeout_ms, struct err *e)
{
    struct engine_dial *d = ctx;
    struct bus_peer *lookup = bus_peer(d->bus, ROLE_lookup, 0);
    int fd = spare(d, kind, address);

    if (fd >= 0)
        return fd;
    d->err = (struct err)ERR_NONE;
    d->answered = false;
    d->fd = -1;
    d->wanted = ++d->id;
    ask(d, d->wanted, kind, address, timeout_ms);
    if (!bus_wait(d->bus, lookup, timeout_ms + 500, answered, d))
        err_set(&d->err, lookup ? RC_TIMEOUT : RC_UNAVAILABLE, "no connection from lookup");
    d->wanted = 0;
    if (d->fd < 0)
        err_set(e, d->err.rc, "%s", err_text(&d->err));
    return d->fd;
}

static void dial_ahead(void *ctx, enum engine_kind kind, struct str address)
{
    struct engine_dial *d = ctx;
    struct spare *s = &d->spares[kind];

    if (s->fd >= 0 || address.n >= ADDRESS_MAX)
        return;
    memcpy(s->address, address.p, address.n);
    s->address[address.n] = '\0';
    s->asked = ++d->id;
    ask(d, s->asked, kind, address, AHEAD_MS);
}

struct engine_dial *engine_dial_new(struct bus *bus)
{
    struct engine_dial *d = calloc(1, sizeof *d);

    must(d);
    d->bus = bus;
    for (size_t i = 0; i < ENGINE_KINDS; i++)
        d->spares[i].fd = -1;
    bus_on(bus, BUS_engine_socket, on_socket, d);
    return d;
}

void engine_dial_free(struct engine_dial *d)
{
    if (!d)
        return;
    for (size_t i = 0; i < ENGINE_KINDS; i++)
        if (d->spares[i].fd >= 0)
            close(d->spares[i].fd);
    free(d);
}

struct engine_dialer engine_dial_dialer(struct engine_dial *d)
{
    return (struct engine_dialer){.open = dial_open, .ahead = dial_ahead, .ctx = d};
}
