/*
 * Checks of outside services: each item of service_host is a service of spec/firewall.def, its hosts are names, addresses or
 * networks.
 *
 * Called by conf_check(). Owns nothing. The error names path and reason.
 */
#include "conf/rules.h"

static bool known(struct str name)
{
    static const char *const services[] = {
#define FIREWALL(ids, ports, protocol, gateway, manager, peer, purpose, service, find) service,
#include "spec/firewall.def"
#undef FIREWALL
    };

    for (size_t i = 0; i < sizeof services / sizeof *services; i++)
        if (*services[i] && str_eq(name, str_c(services[i])))
            return true;
    return false;
}

static bool is_host(struct str s)
{
    for (size_t i = 0; i < s.n; i++)
        if (!ascii_alpha(s.p[i]) && !ascii_digit(s.p[i]) && !strchr(".-_:/", s.p[i]))
            return false;
    return s.n > 0 && s.p[0] != '-';
}

enum rc conf_check_services(const struct conf *c, struct err *e)
{
    for (size_t i = 0; i < c->service_host.n; i++) {
        const struct conf_service_host *h = &c->service_host.items[i];

        if (!known(h->name))
            return err_set(e, RC_INVALID, "service_host.%.*s: there is no such service", STR(str_first(h->name, 100)));
        for (size_t j = 0; j < h->hosts.n; j++)
            if (!is_host(h->hosts.items[j]))
                return err_set(e, RC_INVALID, "service_host.%.*s.hosts: \"%.*s\" is no host name, address or network",
                               STR(h->name), STR(str_first(h->hosts.items[j], 100)));
    }
    return RC_OK;
}
