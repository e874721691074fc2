/*
 * Old scp protocol: entry and what both directions share. See scp.h.
 *
 * Called by the session program for an exec request whose command is scp. Owns the peer's buffers. A broken command line
 * answers with one line and exit status 1, like an unreadable file; the first fatal line of the client ends the session.
 */
#include "shell/scp_inside.h"

#include <stdarg.h>
#include <stdio.h>
#include <unistd.h>

void scp_fault(struct scp *s, const char *format, ...)
{
    va_list ap;

    s->errors++;
    buf_add(&s->peer->send, str_lit("\001scp: "));
    va_start(ap, format);
    buf_addfv(&s->peer->send, format, ap);
    va_end(ap);
    buf_addc(&s->peer->send, '\n');
    peer_flush(s->peer);
}

bool scp_answer(struct scp *s)
{
    int c = peer_octet(s->peer);
    struct str line;
    bool too_long;

    if (c == 0)
        return true;
    s->errors++;
    if (c != 1 || !peer_line(s->peer, SCP_LINE_MAX, &line, &too_long))
        s->peer->gone = true;
    return false;
}

int scp_serve(const struct vroot *v, struct str command, int in, int out, int err, uint64_t idle_ms)
{
    struct err e = ERR_NONE;
    struct scp_request request;
    struct peer peer;
    struct scp s = {.v = v, .request = &request, .peer = &peer};
    struct arena a;

    arena_init(&a, 4096, 1 << 20);
    peer_init(&peer, in, out, idle_ms);
    if (scp_request_parse(&a, command, &request, &e) != RC_OK) {
        s.errors = 1;
        dprintf(err, "scp: %s\n", err_text(&e));
    } else if (request.from)
        scp_send(&s);
    else
        scp_receive(&s);
    if (peer.gone && peer.idle)
        dprintf(err, "scp: the session was idle too long\n");
    peer_done(&peer);
    arena_done(&a);
    return s.errors ? 1 : 0;
}
