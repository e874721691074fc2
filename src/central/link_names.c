/*
 * The link's fixed names. See link_names.h.
 *
 * Called by both ends of the link, in role central and role shell. Owns nothing; what is no name is refused with a word.
 */
#include "central/link_names.h"

#include "conf/hidden.h"

#include <stdio.h>

static const struct link_name names[LINK_CHANNELS] = {
    [LINK_MGMT] = {"mgmt.gateway", 22, false, "mgmt"},  [LINK_RELEASE] = {"cpq.gateway", 7025, false, "cpq"},
    [LINK_PVO] = {"cpq.manager", 7025, true, "cpq"},    [LINK_SPAM] = {"euq.manager", 6025, true, "euq"},
    [LINK_ENROL] = {"enrol.manager", 1, true, "enrol"},
};

const struct link_name *link_name(enum link_channel c)
{
    return &names[c];
}

enum link_channel link_channel_named(struct str host)
{
    unsigned c = 0;

    while (c < LINK_CHANNELS && !str_eq(host, str_c(names[c].host)))
        c++;
    return (enum link_channel)c;
}

enum link_channel link_channel_find(struct str host, uint64_t port)
{
    enum link_channel c = link_channel_named(host);

    return c < LINK_CHANNELS && names[c].port == port ? c : LINK_CHANNELS;
}

static bool suspended(const struct conf *c, struct str listener)
{
    for (size_t i = 0; i < c->receiving.suspended.n; i++) {
        struct str one = c->receiving.suspended.items[i];

        if (str_eqi(one, listener) || str_eqi(one, str_lit("all")))
            return true;
    }
    return false;
}

static bool listener_takes(const struct conf *c, struct str listener, bool enabled, const char **why_out)
{
    if (!enabled)
        *why_out = "the service is off";
    else if (suspended(c, listener))
        *why_out = "the listener is suspended";
    else if (conf_is_manager(c) && c->central.suspended)
        *why_out = "transfers are suspended";
    else
        return true;
    return false;
}

bool link_channel_taken(const struct conf *c, enum link_channel channel, const char **why_out)
{
    switch (channel) {
    case LINK_MGMT:
    case LINK_ENROL:
        return true;
    case LINK_RELEASE:
    case LINK_PVO:
        return listener_takes(c, str_lit("cpq_listener"), conf_listens_cpq(c), why_out);
    case LINK_SPAM:
        return listener_takes(c, str_lit("euq_listener"), conf_listens_euq(c), why_out);
    case LINK_CHANNELS:
        break;
    }
    *why_out = "there is no such channel";
    return false;
}

static const char *const carriers[LINK_CARRIERS] = {"smtp", "tls", "ssh"};

const char *link_carrier_name(enum link_carrier c)
{
    return c < LINK_CARRIERS ? carriers[c] : "unknown";
}

static enum link_carrier usual(uint64_t port)
{
    return port == 22 ? LINK_SSH : port == 25 || port == 587 ? LINK_SMTP : LINK_TLS;
}

bool link_port_parse(struct str text, struct link_port *out)
{
    size_t colon = str_find(text, ':');
    unsigned carrier = 0;
    uint64_t port;

    if (!str_u64(colon < text.n ? str_from(text, colon + 1) : text, &port) || port < 1 || port > 65535)
        return false;
    while (colon < text.n && carrier < LINK_CARRIERS && !str_eqi(str_first(text, colon), str_c(carriers[carrier])))
        carrier++;
    if (carrier == LINK_CARRIERS)
        return false;
    *out = (struct link_port){colon < text.n ? (enum link_carrier)carrier : usual(port), (uint16_t)port};
    return true;
}

static bool is_plain(struct str name)
{
    for (size_t i = 0; i < name.n; i++)
        if (!ascii_alpha(name.p[i]) && !ascii_digit(name.p[i]) && name.p[i] != '-' && name.p[i] != '_')
            return false;
    return name.n > 0;
}

enum rc link_path(const char *home, struct str who, const char *file, char out[LINK_PATH_MAX], struct err *e)
{
    int n;

    if (!is_plain(who))
        return err_set(e, RC_INVALID, "\"%.*s\" is no serial number", STR(str_first(who, 64)));
    n = snprintf(out, LINK_PATH_MAX, "%s/run/link/%.*s%s%s", home, STR(who), file ? "/" : "", file ? file : "");
    if (n < 0 || n >= LINK_PATH_MAX)
        return err_set(e, RC_INVALID, "the path of the home is too long for the link's sockets");
    return RC_OK;
}
