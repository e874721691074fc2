/* What the functions that find lines share; of policy/firewall*.c alone. */
#ifndef POLICY_FIREWALL_FIND_H
#define POLICY_FIREWALL_FIND_H

#include "policy/firewall.h"

struct finding {
    const struct conf *c;
    const struct firewall_row *row;
    struct arena *a;
    struct firewall_line *items;
    size_t n, room;
};

/* A line of the present row that is on; protocol "" = the row's, port 0 = the words of the row. */
void finding_add(struct finding *f, enum firewall_direction d, const char *protocol, uint64_t port, struct str address,
                 struct str owner);

/* Lines for both addresses of an interface that listens; NULL = none. */
void finding_interface(struct finding *f, const struct conf_interface *i, uint64_t port, struct str owner);

#define FIREWALL(ids, ports, protocol, gateway, manager, peer, purpose, service, find) void find_##find(struct finding *f);
#include "spec/firewall.def"
#undef FIREWALL

#endif
