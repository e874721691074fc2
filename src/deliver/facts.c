/*
 * What `hoststatus` shows of a destination: addresses, MX records, TLS. Told to queue, which answers operators.
 *
 * Called by resolve.c and link.c. Owns nothing; without queue nothing is told, the next resolution tells it again. A
 * destination with many hosts is cut to what fits a screen.
 */
#include "deliver/inside.h"

#include "base/clock.h"

#include <stdio.h>

enum { FACTS_MAX = 2000 };

static void tell(struct destination *to, struct bus_destination_facts *m)
{
    struct deliver *d = to->d;

    m->destination = to->name;
    if (d->o.bus)
        bus_send(d->o.bus, bus_peer(d->o.bus, ROLE_queue, 0), BUS_destination_facts, m);
}

void facts_resolved(struct destination *to, struct str mx)
{
    uint64_t now = loop_now_ms(to->d->o.loop);
    struct buf addresses = BUF(FACTS_MAX + 100);
    char ip[46];

    for (size_t i = 0; i < to->n_hops && addresses.n < FACTS_MAX; i++)
        buf_addf(&addresses, "%llu %.*s %u\n", (unsigned long long)to->hops[i].preference, STR(ip_text(&to->hops[i].ip, ip)),
                 to->hops[i].ip.port);
    tell(to, &(struct bus_destination_facts){.expires_ms =
                                                 clock_wall_ms() + (to->hops_until_ms > now ? to->hops_until_ms - now : 0),
                                             .addresses = buf_str(&addresses),
                                             .mx = str_first(mx, FACTS_MAX)});
    buf_done(&addresses);
}

void facts_told(struct destination *to, struct str name)
{
    const struct hop *h = &to->hops[0];
    char ip[46], text[80];

    snprintf(text, sizeof text, "0 %.*s %u\n", STR(to->link_path ? str_lit("link") : ip_text(&h->ip, ip)), h->ip.port);
    tell(to, &(struct bus_destination_facts){
                 .expires_ms = clock_wall_ms(), .addresses = str_c(text), .mx = str_first(name, FACTS_MAX)});
}

void facts_tls(struct destination *to, const struct tls_facts *f, struct str why)
{
    struct buf text = BUF(1000);

    if (f)
        buf_addf(&text, "%.*s %.*s", STR(str_first(f->version, 100)), STR(str_first(f->cipher, 200)));
    tell(to, &(struct bus_destination_facts){.tls = buf_str(&text), .tls_error = f ? STR_NONE : str_first(why, 300)});
    buf_done(&text);
}
