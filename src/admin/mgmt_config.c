/*
 * get-config of a manager: a table of keys, read-only (central.md 4).
 *
 * Called by verb_mgmt.c. Owns nothing. A key is a row and a function that writes its JSON from the settings in force.
 */
#include "admin/mgmt.h"

#include "base/json.h"
#include "conf/hidden.h"
#include "conf/product.h"
#include "conf/table.h"
#include "conf/value.h"

#include <inttypes.h>

static void member(struct buf *out, const char *key, struct str value)
{
    if (out->n && out->p[out->n - 1] != '{')
        buf_addc(out, ',');
    buf_addf(out, "\"%s\":", key);
    json_str(out, value);
}

/* The interface a hidden listener sits on: by name, or the first. */
static const struct conf_interface *interface_of(const struct conf *c, struct str name)
{
    const struct conf_interface *i = name.n ? conf_find(&c->interface, name) : NULL;

    return i || name.n || !c->interface.n ? i : &c->interface.items[0];
}

static bool suspended(const struct conf *c, const char *listener)
{
    for (size_t i = 0; i < c->receiving.suspended.n; i++)
        if (str_eqi(c->receiving.suspended.items[i], str_lit("all")) ||
            str_eqi(c->receiving.suspended.items[i], str_c(listener)))
            return true;
    return false;
}

/* Where released mail is taken; these keys never change. */
static void put_cpq(const struct conf *c, struct buf *out)
{
    const struct conf_interface *i = interface_of(c, c->cpq_listener.interface);

    buf_addc(out, '{');
    member(out, "state", str_c(!conf_listens_cpq(c) ? "disabled" : suspended(c, "cpq_listener") ? "offline" : "listening"));
    member(out, "interface", i ? i->name : c->cpq_listener.interface);
    member(out, "address", !i ? STR_NONE : i->address.n ? i->address : i->address6);
    buf_addf(out, ",\"port\":%" PRIu64, c->cpq_listener.port);
    member(out, "serial", c->system.serial);
    member(out, "version", str_lit(PRODUCT_RELEASE));
    buf_addc(out, '}');
}

static void put_spam(const struct conf *c, struct buf *out)
{
    buf_addf(out, "{\"central\":%s", c->spam_quarantine.central ? "true" : "false");
    member(out, "serial", c->system.serial);
    buf_addc(out, '}');
}

static void put_interfaces(const struct conf *c, struct buf *out)
{
    buf_addc(out, '[');
    for (size_t n = 0; n < c->interface.n; n++) {
        const struct conf_interface *i = &c->interface.items[n];

        buf_add(out, n ? str_lit(",{") : str_lit("{"));
        member(out, "name", i->name);
        member(out, "address", i->address);
        member(out, "address6", i->address6);
        buf_addc(out, '}');
    }
    buf_addc(out, ']');
}

/* All settings of each, as `settings show` prints them. */
static void put_quarantines(const struct conf *c, struct buf *out)
{
    const struct conf_section *section = conf_section_find(str_lit("quarantine"));
    struct buf value = BUF(1 << 20);

    buf_addc(out, '[');
    for (size_t n = 0; n < c->quarantine.n; n++) {
        buf_add(out, n ? str_lit(",{") : str_lit("{"));
        member(out, "name", c->quarantine.items[n].name);
        for (const struct conf_setting *f = section->settings; f->name; f++) {
            buf_clear(&value);
            conf_value_format(&c->quarantine.items[n], f, false, &value);
            member(out, f->name, buf_str(&value));
        }
        buf_addc(out, '}');
    }
    buf_addc(out, ']');
    buf_done(&value);
}

/* --- quarantine-use: which filters and DLP policies send mail to a quarantine
 * ------------------------------------------------- */

/* "NAME" in quotes, in either kind: as the actions quarantine() and duplicate-quarantine() name it. */
static bool names(struct str text, struct str quarantine)
{
    for (size_t at = 0; at + quarantine.n + 2 <= text.n; at++)
        if ((text.p[at] == '"' || text.p[at] == '\'') && text.p[at + quarantine.n + 1] == text.p[at] &&
            str_eqi(str_of(text.p + at + 1, quarantine.n), quarantine))
            return true;
    return false;
}

static bool item_names(const struct conf_section *s, const void *item, struct str quarantine)
{
    for (const struct conf_setting *f = s->settings; f->name; f++) {
        if (f->type == CONF_TYPE_TEXT && names(*conf_text(item, f), quarantine))
            return true;
        for (size_t i = 0; f->type == CONF_TYPE_TEXTS && i < conf_texts(item, f)->n; i++)
            if (names(conf_texts(item, f)->items[i], quarantine))
                return true;
    }
    return false;
}

static void put_users(const struct conf *c, struct str quarantine, struct buf *out)
{
    static const char *const sections[] = {"message_filter", "content_filter", "dlp_policy"};
    bool first = true;

    for (size_t k = 0; k < sizeof sections / sizeof *sections; k++) {
        const struct conf_section *s = conf_section_find(str_c(sections[k]));

        for (size_t i = 0; s && i < conf_items(c, s); i++) {
            const void *item = conf_item(c, s, i);

            if (!item_names(s, item, quarantine))
                continue;
            buf_add(out, first ? str_lit("{") : str_lit(",{"));
            member(out, "kind", str_c(sections[k]));
            member(out, "name", conf_item_name(s, item));
            buf_addc(out, '}');
            first = false;
        }
    }
}

static void put_quarantine_use(const struct conf *c, struct buf *out)
{
    buf_addc(out, '{');
    for (size_t n = 0; n < c->quarantine.n; n++) {
        if (n)
            buf_addc(out, ',');
        json_str(out, c->quarantine.items[n].name);
        buf_add(out, str_lit(":["));
        put_users(c, c->quarantine.items[n].name, out);
        buf_addc(out, ']');
    }
    buf_addc(out, '}');
}

/* --- the rest
 * ----------------------------------------------------------------------------------------------------------------- */

/* A gateway that is in no cluster. */
static void put_cluster(const struct conf *c, struct buf *out)
{
    (void)c;
    buf_add(out, str_lit("{\"levels\":[],\"members\":[],\"overrides\":[]}"));
}

static void put_version(const struct conf *c, struct buf *out)
{
    buf_addc(out, '{');
    member(out, "ver", str_lit(PRODUCT_RELEASE));
    member(out, "model", str_lit(PRODUCT_MODEL_GATEWAY));
    member(out, "serial", c->system.serial);
    member(out, "host", c->system.hostname);
    buf_addc(out, '}');
}

static void reached(struct verb_call *c)
{
    const struct conf_manager *m = mgmt_manager(c);
    struct buf out = BUF(65536);

    if (m)
        mgmt_reach_put(c->admin, m, &out);
    if (m)
        mgmt_ok(c, buf_str(&out), STR_NONE);
    else
        mgmt_err(c, 403, "this manager is not enrolled any more");
    buf_done(&out);
}

static const struct {
    const char *key;
    void (*put)(const struct conf *c, struct buf *out);
} keys[] = {
    {"cpq", put_cpq},
    {"spam", put_spam},
    {"interfaces", put_interfaces},
    {"quarantines", put_quarantines},
    {"quarantine-use", put_quarantine_use},
    {"cluster", put_cluster},
    {"version", put_version},
};

void mgmt_get_config(struct verb_call *c, struct strs args)
{
    const struct conf_manager *m = mgmt_manager(c);
    struct buf out = BUF(8 << 20);

    if (args.n != 1) {
        mgmt_err(c, 400, "get-config KEY");
        return;
    }
    if (m && str_eq(args.items[0], str_lit("reach"))) {
        mgmt_reach_now(c, m, reached);
        return;
    }
    for (size_t i = 0; i < sizeof keys / sizeof *keys; i++) {
        if (!str_eq(args.items[0], str_c(keys[i].key)))
            continue;
        keys[i].put(&c->admin->current->conf, &out);
        if (out.failed)
            mgmt_err(c, 500, "too much to tell");
        else
            mgmt_ok(c, buf_str(&out), STR_NONE);
        buf_done(&out);
        return;
    }
    mgmt_err(c, 403, "not a key that a manager may read");
}
