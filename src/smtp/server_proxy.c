/*
 * The PROXY header, version 1 or 2, before anything is said (design-notes I5).
 *
 * Called by the first step for peers the handler lists. Changes s->peer. A broken header, or none from a peer that must send
 * one, ends the connection without a word.
 */
#include "net/proxy.h"
#include "smtp/server_inside.h"

enum { PROXY_MS = 5000, PROXY_OPTIONAL_MS = 30 };

static step_fn read_proxy;

static struct step proxy_failed(struct smtp_server *s)
{
    s->how = SMTP_END_CLOSED;
    return step_end();
}

static struct step read_proxy(struct conversation *c)
{
    struct smtp_server *s = smtp_server_of(c);
    struct proxy_header h;
    size_t used = 0;
    enum rc rc = proxy_parse(conversation_input(c), &h, &used);

    if (rc == RC_UNAVAILABLE && !c->eof)
        return step_read(read_proxy, PROXY_MS);
    if (rc != RC_OK)
        return proxy_failed(s);
    conversation_take(c, used);
    if (!h.local && h.source.family) {
        s->peer.ip = h.source;
        s->peer.local = h.destination;
        s->peer.told = true;
    }
    return smtp_server_connect(s);
}

/* An optional header: whoever said nothing by now, or something else, is taken for the peer itself. */
static struct step proxy_perhaps(struct conversation *c)
{
    struct str in = conversation_input(c);

    if (!in.n || (in.p[0] != 'P' && in.p[0] != '\r'))
        return smtp_server_connect(smtp_server_of(c));
    return read_proxy(c);
}

struct step smtp_server_proxy(struct conversation *c)
{
    struct smtp_server *s = smtp_server_of(c);

    return s->proxy == SMTP_PROXY_OPTIONAL ? step_sleep(proxy_perhaps, PROXY_OPTIONAL_MS) : step_goto(read_proxy);
}
