/*
 * Compiles and asks the host access table. See hat.h.
 *
 * Called by receive: compile at each snapshot, match for each connection. Owns nothing (the snapshot's arena does). A group
 * that names no existing policy refuses its peers with 451, so a mistake never opens a relay.
 */
#include "policy/hat.h"

#include "mail/address.h"
#include "mail/dns.h"
#include "policy/ip_table.h"
#include "policy/name_table.h"

enum { NONE = UINT32_MAX };

struct member {
    struct str text;
    struct str group;
    const struct conf_mail_flow_policy *policy;
};

struct hat {
    struct arena *arena;
    struct ip_table ips;
    struct name_table names;
    struct hat_list *lists;
    uint32_t *list_ranks;
    size_t n_lists, n_members;
    struct reputation_range *ranges;
    uint32_t *range_ranks;
    size_t n_ranges;
    struct member *members;
    uint32_t all, no_name;
    const struct conf_mail_flow_policy *fallback;
};

static const struct conf_mail_flow_policy missing = {
    .name = {"missing", 7}, .behavior = FLOW_REJECT, .reject_code = 451, .reject_text = {"mail flow policy is missing", 27}};
static const struct conf_mail_flow_policy refused = {.name = {"none", 4}, .behavior = FLOW_REJECT, .reject_code = 554};

static const struct conf_mail_flow_policy *policy_named(const struct conf *conf, struct str name)
{
    const struct conf_mail_flow_policy *p = conf_find(&conf->mail_flow_policy, name);

    return p ? p : &missing;
}

/* Nothing matched: a public listener takes the peer as ACCEPTED, a private one refuses it. */
static const struct conf_mail_flow_policy *fallback_of(const struct conf *conf, const struct conf_listener *l)
{
    const struct conf_mail_flow_policy *p;

    if (l->type == 1)
        return &refused;
    p = conf_find(&conf->mail_flow_policy, str_lit("ACCEPTED"));
    return p && p->behavior != FLOW_RELAY ? p : &refused;
}

static bool read_list(struct str text, struct hat_list *out)
{
    struct address_ip code;
    size_t colon;

    if (!str_startsi(text, str_lit("dnslist[")) || !str_ends(text, str_lit("]")))
        return false;
    text = str_of(text.p + 8, text.n - 9);
    colon = str_find(text, ':');
    *out = (struct hat_list){.zone = str_first(text, colon)};
    if (!address_is_domain(out->zone, false))
        return false;
    if (colon == text.n)
        return true;
    if (!ip_parse(str_from(text, colon + 1), &code) || code.family != AF_INET)
        return false;
    memcpy(out->code, code.octets, 4);
    return true;
}

static bool is_host(struct str text)
{
    if (text.n > 1 && text.p[0] == '.')
        text = str_from(text, 1);
    return address_is_domain(text, false);
}

static enum rc add_member(struct hat *h, struct str text, uint32_t rank, struct err *e)
{
    enum rc rc;

    if (str_eqi(text, str_lit("ALL"))) {
        h->all = rank < h->all ? rank : h->all;
        return RC_OK;
    }
    if (str_eqi(text, str_lit("nx.domain"))) {
        h->no_name = rank < h->no_name ? rank : h->no_name;
        return RC_OK;
    }
    if (read_list(text, &h->lists[h->n_lists])) {
        h->list_ranks[h->n_lists++] = rank;
        return RC_OK;
    }
    if (reputation_range_read(text, &h->ranges[h->n_ranges])) {
        h->range_ranks[h->n_ranges++] = rank;
        return RC_OK;
    }
    rc = ip_table_add(&h->ips, text, rank, e);
    if (rc == RC_SYNTAX && is_host(text))
        rc = name_table_add(&h->names, text, rank, e);
    return rc == RC_SYNTAX ? RC_OK : rc;
}

static bool belongs(const struct conf_sender_group *g, struct str listener)
{
    for (size_t i = 0; i < g->listener.n; i++)
        if (str_eqi(g->listener.items[i], listener) || str_eqi(g->listener.items[i], str_lit("all")))
            return true;
    return g->listener.n == 0;
}

static size_t count_members(const struct conf *conf, struct str listener)
{
    size_t n = 0;

    for (size_t i = 0; i < conf->sender_group.n; i++)
        if (belongs(&conf->sender_group.items[i], listener))
            n += conf->sender_group.items[i].members.n;
    return n;
}

static enum rc add_group(struct hat *h, const struct conf *conf, const struct conf_sender_group *g, struct err *e)
{
    size_t slash = str_find_last(g->name, '/');
    struct str shown = slash < g->name.n ? str_from(g->name, slash + 1) : g->name;
    const struct conf_mail_flow_policy *policy = policy_named(conf, g->policy);

    for (size_t i = 0; i < g->members.n; i++) {
        struct str text = str_trim(g->members.items[i]);

        h->members[h->n_members] = (struct member){text, shown, policy};
        TRY(add_member(h, text, (uint32_t)h->n_members++, e));
    }
    return RC_OK;
}

enum rc hat_compile(struct arena *a, const struct conf *conf, const struct conf_listener *listener, struct hat **out,
                    struct err *e)
{
    size_t n = count_members(conf, listener->name);
    struct hat *h = arena_new(a, struct hat);

    if (!h || !(h->members = arena_array(a, struct member, n)) || !(h->lists = arena_array(a, struct hat_list, n + 1)) ||
        !(h->list_ranks = arena_array(a, uint32_t, n + 1)) ||
        !(h->ranges = arena_array(a, struct reputation_range, n + 1)) || !(h->range_ranks = arena_array(a, uint32_t, n + 1)))
        return err_set(e, RC_NO_MEMORY, "sender groups");
    h->arena = a;
    h->all = h->no_name = NONE;
    h->fallback = fallback_of(conf, listener);
    ip_table_begin(&h->ips, a);
    name_table_begin(&h->names, a);
    for (size_t i = 0; i < conf->sender_group.n; i++)
        if (belongs(&conf->sender_group.items[i], listener->name))
            TRY(add_group(h, conf, &conf->sender_group.items[i], e));
    TRY(ip_table_build(&h->ips, e));
    name_table_build(&h->names);
    *out = h;
    return RC_OK;
}

static uint32_t least(uint32_t a, uint32_t b)
{
    return a < b ? a : b;
}

enum rc hat_match(const struct hat *h, const struct hat_peer *peer, struct hat_match *out)
{
    uint32_t best = least(h->all, ip_table_find(&h->ips, &peer->ip));

    if (peer->host.n) {
        best = least(best, name_table_find(&h->names, peer->host));
        best = least(best, name_table_find_suffix(&h->names, peer->host, NULL));
    }
    if (peer->no_name)
        best = least(best, h->no_name);
    for (size_t i = 0; i < h->n_ranges; i++)
        if (reputation_fits(&h->ranges[i], &peer->reputation)) {
            best = least(best, h->range_ranks[i]);
            break;
        }
    for (size_t i = 0; i < h->n_lists; i++) {
        if (h->list_ranks[i] >= best)
            break; /* they stand in the order of their ranks */
        if (!peer->lists || peer->lists[i] == 0)
            return RC_UNAVAILABLE;
        if (peer->lists[i] == 2)
            best = h->list_ranks[i];
    }
    if (best == NONE)
        *out = (struct hat_match){STR_NONE, str_lit("ALL"), h->fallback};
    else
        *out = (struct hat_match){h->members[best].group, h->members[best].text, h->members[best].policy};
    return RC_OK;
}

const struct hat_list *hat_lists(const struct hat *h, size_t *n_out)
{
    *n_out = h->n_lists;
    return h->lists;
}

struct str hat_list_name(struct arena *a, const struct hat_list *list, const struct address_ip *ip)
{
    struct str reverse = dns_reverse_name(a, str_of(ip->octets, ip->family == AF_INET ? 4 : 16));
    size_t keep = str_find_str(reverse, ip->family == AF_INET ? str_lit("in-addr.arpa") : str_lit("ip6.arpa"));

    return arena_printf(a, "%.*s%.*s", STR(str_first(reverse, keep)), STR(list->zone));
}

bool hat_needs_name(const struct hat *h)
{
    return h->names.n != 0 || h->no_name != NONE;
}

bool hat_member_fits(struct str text)
{
    struct arena scratch;
    struct ip_table table;
    struct reputation_range range;
    struct hat_list list;
    bool fits;

    if (reputation_range_read(text, &range) || str_eqi(text, str_lit("ALL")) || str_eqi(text, str_lit("nx.domain")) ||
        read_list(text, &list))
        return true;
    arena_init(&scratch, 1024, 1 << 20);
    ip_table_begin(&table, &scratch);
    fits =
        ip_table_add(&table, text, 0, NULL) == RC_OK || (!ascii_digit(text.n ? text.p[text.n - 1] : '0') && is_host(text));
    arena_done(&scratch);
    return fits;
}
