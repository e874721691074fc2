/*
 * Who may manage the machine. See access.h.
 *
 * Called by the rooms that accept operators (shell, web), at every connection and, for what a proxy carries, every request.
 * Owns an arena with two tables. Only a lack of memory fails, and then nobody is let in.
 */
#include "policy/access.h"

#include "policy/ip_table.h"

#include <stdlib.h>

enum { ACCESS_ARENA_MAX = 4 << 20 };
enum mode { MODE_ALL, MODE_RESTRICT, MODE_PROXY, MODE_RESTRICT_OR_PROXY };

struct access {
    struct arena arena;
    struct ip_table allowed, proxies;
    enum mode mode;
};

static enum rc build(struct access *a, const struct conf_access *c, struct err *e)
{
    a->mode = (enum mode)c->mode;
    TRY(ip_table_of(&a->arena, c->allowed, &a->allowed, e));
    return ip_table_of(&a->arena, c->proxies, &a->proxies, e);
}

enum rc access_new(const struct conf_access *c, struct access **out, struct err *e)
{
    struct access *a = calloc(1, sizeof *a);
    enum rc rc;

    if (!a)
        return err_set(e, RC_NO_MEMORY, "access list");
    arena_init(&a->arena, 1024, ACCESS_ARENA_MAX);
    rc = build(a, c, e);
    if (rc != RC_OK) {
        access_free(a);
        return rc;
    }
    *out = a;
    return RC_OK;
}

void access_free(struct access *a)
{
    if (!a)
        return;
    arena_done(&a->arena);
    free(a);
}

static bool listed(const struct ip_table *t, const struct address_ip *ip)
{
    return ip && ip->family && ip_table_find(t, ip) != IP_TABLE_NONE;
}

bool access_is_proxy(const struct access *a, const struct address_ip *peer)
{
    return a && listed(&a->proxies, peer);
}

bool access_allows(const struct access *a, const struct address_ip *peer, const struct address_ip *client)
{
    bool direct, carried;

    if (!a)
        return false;
    direct = listed(&a->allowed, peer);
    carried = listed(&a->proxies, peer) && (!client || listed(&a->allowed, client));
    switch (a->mode) {
    case MODE_ALL:
        return true;
    case MODE_RESTRICT:
        return direct;
    case MODE_PROXY:
        return carried;
    case MODE_RESTRICT_OR_PROXY:
        return direct || carried;
    default:
        return false;
    }
}
