/*
 * Checks of directories: hosts of servers, templates of queries, what queries by domain and chains name.
 *
 * Called by conf_check(). Owns nothing. The error names path and reason.
 */
#include "conf/rules.h"
#include "mail/ldap_filter.h"

enum { SIMPLE, DOMAIN, CHAIN }; /* ldap_query.form */

static bool is_host(struct str s)
{
    for (size_t i = 0; i < s.n; i++)
        if (!ascii_alpha(s.p[i]) && !ascii_digit(s.p[i]) && !strchr(".-_:[]", s.p[i]))
            return false;
    return s.n > 0 && s.p[0] != '-';
}

static enum rc check_server(const struct conf_ldap_server *s, struct err *e)
{
    for (size_t i = 0; i < s->hosts.n; i++)
        if (!is_host(s->hosts.items[i]))
            return err_set(e, RC_INVALID, "ldap_server.%.*s.hosts: \"%.*s\" is no host name or address", STR(s->name),
                           STR(str_first(s->hosts.items[i], 100)));
    if (s->hosts.n > 32)
        return err_set(e, RC_INVALID, "ldap_server.%.*s.hosts: at most 32", STR(s->name));
    if (s->auth && !s->bind_dn.n)
        return err_set(e, RC_INVALID, "ldap_server.%.*s.bind_dn: is needed to log in", STR(s->name));
    return RC_OK;
}

/* The query that a line of `parts` names. */
static struct str part_query(const struct conf_ldap_query *q, struct str line)
{
    struct str first;

    if (q->form == DOMAIN)
        str_word(&line, &first);
    return str_trim(line);
}

static enum rc check_query(const struct conf *c, const struct conf_ldap_query *q, struct err *e)
{
    struct err why = ERR_NONE;

    if (q->form == SIMPLE && !q->server.n)
        return err_set(e, RC_INVALID, "ldap_query.%.*s.server: which LDAP server is asked?", STR(q->name));
    if (q->form == SIMPLE && ldap_template_check(q->filter, &why) != RC_OK)
        return err_set(e, RC_INVALID, "ldap_query.%.*s.filter: %s", STR(q->name), err_text(&why));
    for (size_t i = 0; i < q->parts.n && q->form != SIMPLE; i++) {
        struct str name = part_query(q, q->parts.items[i]);
        const struct conf_ldap_query *part = conf_find(&c->ldap_query, name);

        if (!part)
            return err_set(e, RC_NOT_FOUND, "ldap_query.%.*s.parts: ldap_query \"%.*s\" does not exist", STR(q->name),
                           STR(str_first(name, 100)));
        if (part == q || (q->form == CHAIN && part->form == CHAIN))
            return err_set(e, RC_INVALID, "ldap_query.%.*s.parts: \"%.*s\" is a chain itself", STR(q->name),
                           STR(str_first(name, 100)));
    }
    return RC_OK;
}

/* A listener asks each query for what it was made for. */
static enum rc check_listener(const struct conf *c, const struct conf_listener *l, struct err *e)
{
    const struct {
        const char *field;
        struct str query;
        uint64_t kind;
    } uses[] = {{"ldap_accept", l->ldap_accept, 0},
                {"ldap_routing", l->ldap_routing, 1},
                {"ldap_masquerade", l->ldap_masquerade, 2},
                {"ldap_group", l->ldap_group, 3},
                {"smtp_auth", l->smtp_auth, 4}};

    for (size_t i = 0; i < sizeof uses / sizeof *uses; i++) {
        const struct conf_ldap_query *q = uses[i].query.n ? conf_find(&c->ldap_query, uses[i].query) : NULL;

        if (q && q->kind != uses[i].kind)
            return err_set(e, RC_INVALID, "listener.%.*s.%s: query \"%.*s\" is of another kind", STR(l->name), uses[i].field,
                           STR(q->name));
    }
    return RC_OK;
}

enum rc conf_check_ldap(const struct conf *c, struct err *e)
{
    for (size_t i = 0; i < c->ldap_server.n; i++)
        TRY(check_server(&c->ldap_server.items[i], e));
    for (size_t i = 0; i < c->ldap_query.n; i++)
        TRY(check_query(c, &c->ldap_query.items[i], e));
    for (size_t i = 0; i < c->listener.n; i++)
        TRY(check_listener(c, &c->listener.items[i], e));
    return RC_OK;
}
