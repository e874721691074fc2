/*
 * Which settings name items of other sections, who names an item, and giving it another name. See references.h, rules.h.
 *
 * Called by conf_check() and by dialogues that rename or delete. Owns nothing.
 */
#include "conf/references.h"
#include "conf/hidden.h"

#include "conf/rules.h"
#include "conf/value.h"

static const struct conf_reference references[] = {
    {"listener", "interface", "interface", ""},
    {"listener", "certificate", "certificate", ""},
    {"sender_group", "policy", "mail_flow_policy", ""},
    {"sender_group", "listener", "listener", "all"},
    {"alias", "listener", "listener", ""},
    {"ldap_query", "server", "ldap_server", ""},
    {"listener", "ldap_accept", "ldap_query", ""},
    {"listener", "ldap_routing", "ldap_query", ""},
    {"listener", "ldap_masquerade", "ldap_query", ""},
    {"listener", "ldap_group", "ldap_query", ""},
    {"listener", "smtp_auth", "ldap_query", ""},
    {"mail_policy", "content_filters", "content_filter", ""},
    {"listener", "disclaimer_above", "text_resource", ""},
    {"listener", "disclaimer_below", "text_resource", ""},
    {"destination", "bounce_profile", "bounce_profile", ""},
    {"delivery", "source_interface", "interface", ""},
    {"receiving", "suspended", "listener", "all cpq_listener"},
    {"snmp", "interface", "interface", ""},
    {"ntp", "interface", "interface", ""},
    {"quarantine", "users", "user", ""},
    {"spam_quarantine", "users", "user", ""},
    {"cpq_listener", "interface", "interface", ""},
    {"euq_listener", "interface", "interface", ""},
    {"pvo", "alternate", "appliance", ""},
    {"http", "certificate", "certificate", ""},
    {"domain_profile", "key", "signing_key", ""},
    {"domain_profile", "second_key", "signing_key", ""},
    {"signing", "arc_seal_key", "signing_key", ""},
};
enum { REFERENCES = sizeof references / sizeof *references };

const struct conf_reference *conf_reference(size_t i)
{
    return i < REFERENCES ? &references[i] : NULL;
}

/* Does this field of the item name it? */
static bool names(const void *item, const struct conf_setting *f, struct str name)
{
    if (f->type == CONF_TYPE_TEXT)
        return str_eqi(*conf_text(item, f), name);
    for (size_t i = 0; f->type == CONF_TYPE_TEXTS && i < conf_texts(item, f)->n; i++)
        if (str_eqi(conf_texts(item, f)->items[i], name))
            return true;
    return false;
}

bool conf_named_by(const struct conf *c, const struct conf_section *s, struct str name, struct buf *path_out)
{
    for (size_t r = 0; r < REFERENCES; r++) {
        const struct conf_section *from = conf_section_find(str_c(references[r].section));
        const struct conf_setting *f = from ? conf_setting_find(from, str_c(references[r].field)) : NULL;

        if (!f || !str_eq(str_c(references[r].target), str_c(s->name)))
            continue;
        for (size_t i = 0; i < conf_items(c, from); i++) {
            if (!names(conf_item(c, from, i), f, name))
                continue;
            conf_path_format(from, conf_item_name(from, conf_item(c, from, i)), f->name, path_out);
            return true;
        }
    }
    return false;
}

/* The field with `from` replaced; all of a list is written anew. */
static void replace(struct conf_draft *d, const void *item, const struct conf_setting *f, struct str from, struct str to)
{
    void *own = (void *)(uintptr_t)item; /* of the draft's arena */
    const struct strs *lines = conf_texts(item, f);
    struct str *items;

    if (f->type == CONF_TYPE_TEXT) {
        *(struct str *)(void *)((char *)own + f->offset) = to;
        return;
    }
    items = arena_must_alloc(&d->arena, (lines->n + 1) * sizeof *items);
    for (size_t i = 0; i < lines->n; i++)
        items[i] = str_eqi(lines->items[i], from) ? to : lines->items[i];
    *(struct strs *)(void *)((char *)own + f->offset) = (struct strs){items, lines->n};
}

enum rc conf_draft_rename(struct conf_draft *d, const struct conf_section *s, struct str from, struct str to, struct err *e)
{
    size_t at = conf_item_index(&d->conf, s, from), taken = conf_item_index(&d->conf, s, to);

    if (at == SIZE_MAX)
        return err_set(e, RC_NOT_FOUND, "%s %.*s does not exist", s->name, STR(str_first(from, 100)));
    for (size_t i = 0; i < to.n; i++)
        if ((unsigned char)to.p[i] < 0x20 || to.p[i] == 0x7f)
            return err_set(e, RC_INVALID, "a name holds no control characters");
    if (to.n == 0 || to.n > 128 || (taken != SIZE_MAX && taken != at))
        return err_set(e, RC_EXISTS, "%.*s is no name, or is taken", STR(str_first(to, 100)));
    from = arena_str(&d->arena, from);
    to = arena_str(&d->arena, to);
    if (!from.p || !to.p)
        return err_set(e, RC_NO_MEMORY, "no memory");
    *(struct str *)(uintptr_t)conf_item(&d->conf, s, at) = to;
    for (size_t r = 0; r < REFERENCES; r++) {
        const struct conf_section *by = conf_section_find(str_c(references[r].section));
        const struct conf_setting *f = by ? conf_setting_find(by, str_c(references[r].field)) : NULL;

        for (size_t i = 0; f && str_eq(str_c(references[r].target), str_c(s->name)) && i < conf_items(&d->conf, by); i++)
            if (names(conf_item(&d->conf, by, i), f, from))
                replace(d, conf_item(&d->conf, by, i), f, from, to);
    }
    return RC_OK;
}

bool conf_receives(const struct conf *c)
{
    return !conf_is_manager(c) || c->listener.n > 0;
}

struct str conf_listener_host(const struct conf *c, const struct conf_listener *l)
{
    const struct conf_interface *i = conf_find(&c->interface, l->interface);

    if (l->host_name.n)
        return l->host_name;
    return i && i->hostname.n ? i->hostname : c->system.hostname;
}
