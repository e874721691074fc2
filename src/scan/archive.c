/*
 * A message as an entry of an mbox file, in an event. See archive.h.
 *
 * Called by actions.c and actions_virus.c. Owns nothing that outlives a call; without memory there is no copy, and the
 * message goes its way.
 */
#include "scan/archive.h"

#include <time.h>

enum { ENTRY_MAX = 240 << 10, TAIL_MAX = 4 << 10, FIELD = 32 << 10 };

/* "From SENDER Sat Nov 21 10:00:06 2026", in UTC. */
static void put_begin(struct message *m, struct buf *out)
{
    time_t now = (time_t)(message_now_ms(m) / 1000);
    struct str sender = m->env->sender.n ? m->env->sender : str_lit("MAILER-DAEMON");
    char when[32];
    struct tm tm;

    gmtime_r(&now, &tm);
    strftime(when, sizeof when, "%a %b %e %H:%M:%S %Y", &tm);
    buf_add(out, str_lit("From "));
    for (size_t i = 0; i < sender.n && i < 1000; i++)
        buf_addc(out, (unsigned char)sender.p[i] <= 0x20 ? '_' : sender.p[i]);
    buf_addf(out, " %s\n", when);
}

static bool needs_quote(struct str line)
{
    while (line.n && line.p[0] == '>')
        line = str_from(line, 1);
    return str_starts(line, str_lit("From "));
}

void archive_entry(struct message *m, struct str octets, struct buf *out)
{
    struct str rest = octets, line;

    put_begin(m, out);
    while (rest.n && str_split(&rest, '\n', &line)) {
        if (out->n + line.n + 2 > ENTRY_MAX - TAIL_MAX) {
            buf_addf(out, "[cut here, the message has %zu octets]\n", octets.n);
            break;
        }
        if (needs_quote(line))
            buf_addc(out, '>');
        if (line.n && line.p[line.n - 1] == '\r')
            line.n--;
        buf_add(out, line);
        buf_addc(out, '\n');
    }
    buf_addc(out, '\n');
}

static struct str nth(struct str all, size_t i)
{
    return str_first(str_from(all, i * FIELD), FIELD);
}

void archive_message(struct message *m, enum archive archive, struct str octets)
{
    struct buf b = BUF(ENTRY_MAX);
    struct str all;

    if (m->trace || !m->events)
        return;
    archive_entry(m, octets, &b);
    all = buf_str(&b);
    if (!b.failed)
        event(m->events, message_archived, .mid = m->mid, .archive = archive, .a = nth(all, 0), .b = nth(all, 1),
              .c = nth(all, 2), .d = nth(all, 3), .e = nth(all, 4), .f = nth(all, 5), .g = nth(all, 6), .h = nth(all, 7));
    buf_done(&b);
}
