/*
 * Rows of the table of ports that manager and gateways need for each other: SSH, the central quarantines, the link.
 *
 * Called by firewall.c. Owns nothing. A gateway whose only way is the link needs the link's row alone; the gateway's own
 * port for released mail is told over SSH, so a manager shows the usual one.
 */
#include "conf/hidden.h"
#include "policy/firewall_find.h"

enum { LINK_OFF, LINK_PREFER, LINK_ONLY }; /* choices of appliance.link and manager.link */

static const struct conf_interface *interface_of(const struct finding *f, struct str name)
{
    const struct conf *c = f->c;

    return name.n ? conf_find(&c->interface, name) : c->interface.n ? c->interface.items : NULL;
}

/* Outgoing: the port as it is set, also in a laboratory. */
static void to_gateways(struct finding *f, bool pvo)
{
    for (size_t i = 0; i < f->c->appliance.n; i++) {
        const struct conf_appliance *a = &f->c->appliance.items[i];

        if (a->link != LINK_ONLY && (!pvo || a->pvo))
            finding_add(f, FIREWALL_OUT, "", pvo ? 0 : a->port, a->address, a->name);
    }
}

void find_gateways(struct finding *f)
{
    to_gateways(f, false);
}

void find_euq(struct finding *f)
{
    if (conf_listens_euq(f->c))
        finding_interface(f, interface_of(f, f->c->euq_listener.interface), f->c->euq_listener.port,
                          str_lit("euq_listener"));
    for (size_t i = 0; i < f->c->manager.n; i++) {
        const struct conf_manager *m = &f->c->manager.items[i];

        if (m->destination && m->link != LINK_ONLY)
            finding_add(f, FIREWALL_OUT, "", m->spam_port, m->address, m->name);
    }
}

void find_cpq(struct finding *f)
{
    if (conf_listens_cpq(f->c))
        finding_interface(f, interface_of(f, f->c->cpq_listener.interface), f->c->cpq_listener.port,
                          str_lit("cpq_listener"));
    for (size_t i = 0; i < f->c->manager.n; i++) {
        const struct conf_manager *m = &f->c->manager.items[i];

        if (m->destination && m->link != LINK_ONLY)
            finding_add(f, FIREWALL_OUT, "", m->pvo_port, m->address, m->name);
    }
    to_gateways(f, true);
}

/* "443", "tls:443": the number behind the carrier. */
static uint64_t port_of(struct str text)
{
    uint64_t port = 0;

    str_u64(str_from(text, str_find(text, ':') < text.n ? str_find(text, ':') + 1 : 0), &port);
    return port;
}

void find_link(struct finding *f)
{
    const struct conf_link_listener *l = &f->c->link_listener;

    for (size_t i = 0; conf_is_manager(f->c) && l->enabled && i < l->ports.n; i++)
        finding_interface(f, interface_of(f, l->interface), port_of(l->ports.items[i]), str_lit("link"));
    for (size_t i = 0; i < f->c->manager.n; i++) {
        const struct conf_manager *m = &f->c->manager.items[i];

        for (size_t k = 0; m->link != LINK_OFF && k < m->link_ports.n; k++)
            finding_add(f, FIREWALL_OUT, "", port_of(m->link_ports.items[k]), m->address, m->name);
    }
}
