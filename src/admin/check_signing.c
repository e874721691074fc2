/*
 * Checks of signing: keys that can be read and fit their public half, profiles that name a domain, a selector and a key.
 *
 * Called by admin_check(). Owns a key for the time of a look. A private key that is masked or sealed by this machine cannot
 * be looked into here; it was looked into when it was set.
 */
#include "admin/check_signing.h"

#include "mail/address.h"
#include "mail/dkim.h"

static bool is_hidden(struct str text)
{
    return str_starts(text, str_lit("$sealed$")) || str_eq(text, str_lit("********"));
}

static enum rc check_private(const struct conf_signing_key *k, struct err *e)
{
    struct buf public = BUF(4096);
    struct dkim_key *key;
    bool fits;

    if (dkim_key_load(k->private_key, &key, e) != RC_OK)
        return err_wrap(e, RC_INVALID, "signing_key.%.*s.private_key", STR(k->name));
    dkim_key_public(key, &public);
    fits =
        dkim_key_type(key) == (enum dkim_key_type)k->type && (!k->public_key.n || str_eq(buf_str(&public), k->public_key));
    buf_done(&public);
    dkim_key_free(key);
    return fits ? RC_OK
                : err_set(e, RC_INVALID, "signing_key.%.*s: private_key, public_key and type do not fit", STR(k->name));
}

static enum rc check_key(const struct conf_signing_key *k, struct err *e)
{
    unsigned bits;

    if (k->public_key.n && dkim_public_facts((enum dkim_key_type)k->type, k->public_key, &bits, e) != RC_OK)
        return err_wrap(e, RC_INVALID, "signing_key.%.*s.public_key", STR(k->name));
    return k->private_key.n && !is_hidden(k->private_key) ? check_private(k, e) : RC_OK;
}

/* "field" of what the path says must be a name in the DNS. */
static enum rc check_name(const char *path, struct str item, const char *field, struct str value, struct err *e)
{
    if (address_is_domain(value, false))
        return RC_OK;
    return err_set(e, RC_INVALID, "%s%s%.*s.%s: \"%.*s\" is no name for the DNS", path, item.n ? "." : "", STR(item), field,
                   STR(str_first(value, 100)));
}

static bool is_below(struct str domain, struct str parent)
{
    return str_eqi(domain, parent) ||
           (domain.n > parent.n && str_endsi(domain, parent) && domain.p[domain.n - parent.n - 1] == '.');
}

static bool is_field_name(struct str s)
{
    for (size_t i = 0; i < s.n; i++)
        if ((unsigned char)s.p[i] <= ' ' || (unsigned char)s.p[i] >= 0x7f || s.p[i] == ':' || s.p[i] == ';')
            return false;
    return s.n > 0;
}

static enum rc check_profile(const struct conf_domain_profile *p, struct err *e)
{
    struct str local, domain;

    TRY(check_name("domain_profile", p->name, "domain", p->domain, e));
    TRY(check_name("domain_profile", p->name, "selector", p->selector, e));
    if (!p->key.n)
        return err_set(e, RC_INVALID, "domain_profile.%.*s.key: names no signing key", STR(p->name));
    if (p->second_key.n)
        TRY(check_name("domain_profile", p->name, "second_selector", p->second_selector, e));
    if (p->second_key.n && str_eqi(p->selector, p->second_selector))
        return err_set(e, RC_INVALID, "domain_profile.%.*s.second_selector: is that of the first", STR(p->name));
    if (p->identity.n && (!address_cut(p->identity, &local, &domain) || !is_below(domain, p->domain)))
        return err_set(e, RC_INVALID, "domain_profile.%.*s.identity: is not at or below %.*s", STR(p->name), STR(p->domain));
    for (size_t i = 0; i < p->more_headers.n; i++)
        if (!is_field_name(p->more_headers.items[i]))
            return err_set(e, RC_INVALID, "domain_profile.%.*s.more_headers: \"%.*s\" is no field name", STR(p->name),
                           STR(str_first(p->more_headers.items[i], 60)));
    return RC_OK;
}

enum rc check_signing(const struct conf *c, struct err *e)
{
    for (size_t i = 0; i < c->signing_key.n; i++)
        TRY(check_key(&c->signing_key.items[i], e));
    for (size_t i = 0; i < c->domain_profile.n; i++)
        TRY(check_profile(&c->domain_profile.items[i], e));
    if (!c->signing.arc_seal)
        return RC_OK;
    TRY(check_name("signing", STR_NONE, "arc_seal_domain", c->signing.arc_seal_domain, e));
    TRY(check_name("signing", STR_NONE, "arc_seal_selector", c->signing.arc_seal_selector, e));
    if (!c->signing.arc_seal_key.n)
        return err_set(e, RC_INVALID, "signing.arc_seal_key: names no signing key");
    return RC_OK;
}
