/*
 * systemsetup, the first questions of a new machine, and resetconfig, back to its first settings (spec/cli.md 9).
 *
 * Called through spec/verbs.def, by administrators. Owns nothing. Every answer has the present value as default, so the
 * wizard may be run again; nothing is in force before the commit that it offers last.
 */
#include "admin/first.h"
#include "base/clock.h"
#include "conf/snapshot.h"
#include "console/commands.h"
#include "console/listener.h"
#include "console/ops.h"

#include <inttypes.h>

/* --- systemsetup ---------------------------------------------------------------------------------------------------------
 */

static bool to_hash(struct session *s, void *ctx, struct str passphrase)
{
    struct str words[2] = {str_lit("hash"), passphrase};
    struct buf *text = session_buf(s, 4096);

    if (session_ask(s, words, 2, text, NULL) == RC_OK) {
        *(struct str *)ctx = buf_str(text);
        return true;
    }
    say_str(s, buf_str(text));
    return false;
}

static enum rc passphrase(struct session *s)
{
    const struct conf_user *admin = conf_find(&session_conf(s)->user, str_lit("admin"));
    uint64_t generation = admin ? admin->generation : 0;
    struct str hash = STR_NONE;

    if (!admin || !ask_yes(s, "Do you want to change the passphrase of admin?", false))
        return RC_OK;
    ask_secret(s, "Enter the new passphrase of admin:", to_hash, &hash);
    return session_set(s, "user.admin.password", hash) && session_set(s, "user.admin.must_change", str_lit("no")) &&
                   session_set(s, "user.admin.changed_ms", arena_printf(&s->arena, "%" PRIu64, clock_wall_ms())) &&
                   session_set(s, "user.admin.generation", arena_printf(&s->arena, "%" PRIu64, generation + 1))
               ? RC_OK
               : RC_INVALID;
}

static enum rc network(struct session *s)
{
    struct str now = arena_str(&s->arena, session_conf(s)->system.hostname);
    struct str name = session_conf(s)->interface.n ? session_conf(s)->interface.items[0].name : str_lit("Management");

    if (!session_set(s, "system.hostname",
                     ask_value(s, "Enter the fully qualified host name of this machine:", now.p, ops_hostname_fits, NULL)))
        return RC_INVALID;
    name = arena_str(&s->arena, name);
    say(s, "IP interface %.*s:\n", STR(name));
    fields_ask(s, ops_section("interface"), name, "address address6");
    say(s, "Without a DNS server of your own the root servers are asked.\n");
    fields_ask(s, ops_section("dns"), STR_NONE, "servers");
    say(s, "Without a time server the clock is left alone. Several are separated by commas.\n");
    fields_ask(s, ops_section("ntp"), STR_NONE, "servers");
    return RC_OK;
}

/* The public listener that is there, or a new one. */
static struct str public_listener(struct session *s)
{
    const struct conf *c = session_conf(s);
    struct str name = str_lit("InboundMail"), interface = c->interface.n ? c->interface.items[0].name : STR_NONE;
    uint64_t port = 25 + c->system.lab_base;

    for (size_t i = 0; i < c->listener.n; i++)
        if (c->listener.items[i].type == 0)
            return arena_str(&s->arena, c->listener.items[i].name);
    interface = arena_str(&s->arena, interface);
    if (!session_set(s, "listener.InboundMail.interface", interface) ||
        !session_set(s, "listener.InboundMail.port", arena_printf(&s->arena, "%" PRIu64, port)) ||
        listener_groups(s, name, (struct strs){0}, str_lit("ACCEPTED")) != RC_OK)
        session_leave(s, LEAVE_REFUSED);
    return name;
}

static enum rc domains(struct session *s, struct str listener)
{
    struct str answer = ask_optional(s,
                                     "Enter the domains you want to accept mail for, separated by commas (empty = leave the "
                                     "recipients as they are):",
                                     listener_recipients_fit, NULL),
               host;
    struct strs list = ops_list(s, answer);
    struct str *lines = arena_must_alloc(&s->arena, (list.n + 1) * sizeof *lines);

    if (list.n == 0)
        return RC_OK;
    for (size_t i = 0; i < list.n; i++)
        lines[i] = arena_printf(&s->arena, "%.*s ACCEPT", STR(list.items[i]));
    lines[list.n] = str_lit("ALL REJECT");
    if (!field_put(s, ops_section("listener"), listener, "rat", ops_join(s, (struct strs){lines, list.n + 1})))
        return RC_INVALID;
    host = ask_optional(s, "Enter the host that mail for these domains is delivered to (empty = by DNS):", ops_next_hop_fits,
                        NULL);
    for (size_t i = 0; host.n && i < list.n; i++)
        if (str_find(list.items[i], '@') == list.items[i].n &&
            !field_put(s, ops_section("route"), list.items[i], "hosts", host))
            return RC_INVALID;
    return RC_OK;
}

enum rc cmd_systemsetup(struct session *s)
{
    static const struct str comment = {"systemsetup", 11};
    struct str listener;

    if (s->args.n)
        return session_usage(s);
    say(s, "This wizard asks what a new machine needs. It changes the public listener's recipients and the routes of its "
           "domains;\nother settings stay as they are.\n");
    if (!ask_yes(s, "Are you sure you want to continue?", true))
        return RC_OK;
    TRY(passphrase(s));
    TRY(network(s));
    if (session_conf(s)->system.role == 0) {
        listener = public_listener(s);
        say(s, "Public listener %.*s:\n", STR(listener));
        TRY(domains(s, listener));
    }
    if (!ask_yes(s, "Do you want to commit these changes now?", true)) {
        say(s, "The changes are staged. Use commit to make them active.\n");
        return RC_OK;
    }
    session_stage(s);
    s->args = (struct strs){&comment, 1};
    s->taken = 0;
    return cmd_commit(s);
}

/* --- resetconfig --------------------------------------------------------------------------------------------------- */

/* What makes the machine itself, and how to reach it. */
static bool kept(const struct conf_section *section)
{
    static const char *const names[] = {"system", "interface", "user", "certificate"};

    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        if (str_eq(str_c(section->name), str_c(names[i])))
            return true;
    return false;
}

static bool has(const struct conf *c, const char *section, const char *name)
{
    return conf_item_index(c, ops_section(section), str_c(name)) != SIZE_MAX;
}

/* The first settings with the kept sections of `now` in them; a section that lacks what the first settings name is not kept.
 */
static struct conf_draft *first_with(struct session *s, const struct conf *now, struct err *e)
{
    static const char *const roles[] = {"gateway", "manager", "bastion"};
    struct conf_draft *first = conf_draft_new(), *out = NULL;
    struct conf mixed;

    (void)s;
    if (first &&
        first_settings(first, str_c(roles[now->system.role < 3 ? now->system.role : 0]), now->system.lab_base, e) == RC_OK) {
        mixed = first->conf;
        for (size_t i = 0; i < conf_sections_n; i++) {
            const struct conf_section *section = &conf_sections[i];

            if (!kept(section) ||
                (str_eq(str_c(section->name), str_lit("interface")) && !has(now, "interface", "Management")) ||
                (str_eq(str_c(section->name), str_lit("certificate")) && !has(now, "certificate", "self_signed")))
                continue;
            if (section->list)
                conf_list_set(&mixed, section, conf_list_get(now, section));
            else
                memcpy((char *)&mixed + section->offset, (const char *)now + section->offset, section->size);
        }
        out = conf_draft_copy(&mixed);
    }
    conf_draft_free(first);
    return out;
}

enum rc cmd_resetconfig(struct session *s)
{
    struct err e = ERR_NONE;
    struct conf_draft *d;

    if (!str_eq(s->user, str_lit("admin")) && s->user.n) {
        say(s, "Only the account admin resets the configuration.\n");
        return RC_NOT_PERMITTED;
    }
    say(s,
        "Listeners, routes, policies, filters and all other settings go back to those of a new machine. Host name, serial "
        "number,\ninterfaces, certificates and users stay. Queued mail and logs stay.\n");
    if (!ask_yes(s, "Are you sure you want to reset all configuration values?", false) ||
        !ask_yes(s, "This cannot be undone but by rollbackconfig. Reset the configuration?", false))
        return RC_OK;
    d = first_with(s, session_conf(s), &e);
    if (!d)
        return session_fail(s, &e);
    d->conf.version = s->base->conf.version;
    session_take_draft(s, d);
    say(s, "All settings are back to those of a new machine. Use commit to make them active.\n");
    return RC_OK;
}
