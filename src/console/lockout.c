/*
 * Commits that would lock the operator out (spec/cli.md 9, adminaccessconfig; 3). See lockout.h.
 *
 * Called by cmd_commit.c before anything is sent. Owns nothing. On the local console nobody is locked out.
 */
#include "console/lockout.h"

#include "net/socket.h"
#include "policy/access.h"

static bool address_refused(const struct session *s)
{
    struct address_ip ip;
    struct access *a = NULL;
    bool refused;

    if (!ip_parse(s->peer, &ip) || access_new(&s->work->conf.access, &a, NULL) != RC_OK)
        return false;
    refused = !access_allows(a, &ip, NULL);
    access_free(a);
    return refused;
}

static bool user_gone(const struct session *s)
{
    const struct conf_user *u = conf_find(&s->work->conf.user, s->user);

    return !u || u->locked || u->role != s->role;
}

static bool ssh_closed(const struct session *s)
{
    for (size_t i = 0; i < s->work->conf.interface.n; i++)
        if (s->work->conf.interface.items[i].ssh)
            return false;
    return true;
}

bool lockout_of(const struct session *s)
{
    return !s->local && (address_refused(s) || user_gone(s) || ssh_closed(s));
}

const char *lockout_question(struct session *s)
{
    if (address_refused(s))
        return arena_printf(&s->arena, "These changes refuse your own address %.*s. Commit them all the same?", STR(s->peer))
            .p;
    if (ssh_closed(s))
        return "These changes close SSH on every interface. Commit them all the same?";
    return "These changes lock or change your own account. Commit them all the same?";
}
