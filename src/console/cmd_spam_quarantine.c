/*
 * spamquarantineconfig: where spam is held, and how (spec/cli.md 10, spec/central.md 10).
 *
 * On a gateway EXTERNAL hands spam to the manager's spam quarantine, LOCAL holds it here; on a manager LISTENER says where
 * it is taken. SETUP is the menu over the section. All is staged. A manager that is not ready is said and hinders nothing:
 * mail waits until it is. Owns nothing.
 */
#include "conf/hidden.h"
#include "console/commands.h"
#include "console/pvo.h"

static bool put(struct session *s, const char *section, struct str name, const char *field, struct str value)
{
    return field_put(s, ops_section(section), name, field, value);
}

static struct str word(bool yes)
{
    return yes ? str_lit("yes") : str_lit("no");
}

/* ---- gateway -------------------------------------------------------------------------------------------------------------
 */

/* All held mail goes to one manager (smaconfig promote changes that); its address is that of the other services too, so
 * administrators alone change it. */
static bool ask_manager(struct session *s)
{
    const struct conf_manager *m = conf_destination(session_conf(s));
    struct str name, address;
    uint64_t port;

    if (!m) {
        say(s, "This appliance is enrolled with no manager for quarantined mail: see smaconfig.\n");
        return false;
    }
    name = arena_str(&s->arena, m->name); /* settings that are put move the items */
    address = arena_str(&s->arena, m->address);
    say(s, "Spam goes to the manager %.*s (%.*s).\n", STR(name), STR(address.n ? address : str_lit("no address yet")));
    if (s->role == ROLE_ADMINISTRATOR &&
        !put(s, "manager", name, "address",
             ask_value(s, "Enter the address or name of the manager:", address.n ? address.p : NULL, ops_host_fits, NULL)))
        return false;
    port = ask_number(s, "Enter the port of its spam quarantine:", conf_destination(session_conf(s))->spam_port, 1, 65535);
    return put(s, "manager", name, "spam_port", arena_printf(&s->arena, "%llu", (unsigned long long)port));
}

/* The policy DEFAULT says it for all that say nothing else. */
static bool ask_lists(struct session *s)
{
    static const char *const actions[] = {"quarantine", "delete", NULL};
    const struct conf_mail_policy *policy = conf_find(&session_conf(s)->mail_policy, str_lit("DEFAULT"));
    bool on = ask_yes(s, "Are safelists and blocklists of recipients asked?", session_conf(s)->spam_quarantine.slbl);
    size_t now = policy ? (size_t)policy->antispam_blocklist : 0;

    if (!put(s, "spam_quarantine", STR_NONE, "slbl", word(on)))
        return false;
    if (!on)
        return true;
    now = ask_one_of(s, "What happens to messages of blocklisted senders?", now, actions);
    return put(s, "mail_policy", str_lit("DEFAULT"), "antispam_blocklist", str_c(actions[now]));
}

/* Asks the manager under the settings in force: what was changed just now is tried after commit. */
static void say_ready(struct session *s)
{
    bool ready;
    struct str why;
    const struct json *j = pvo_probe(s, "spam", &ready, &why);

    if (j && ready)
        say(s, "The spam quarantine of %.*s is ready.\n", STR(json_text_of(j, "host")));
    else if (j)
        say(s, "Warning: the spam quarantine of %.*s is not ready: %.*s\nMail for it waits here until it is.\n",
            STR(json_text_of(j, "host")), STR(why));
}

static enum rc op_external(struct session *s, void *ctx)
{
    (void)ctx;
    if (!ask_manager(s) || !ask_lists(s))
        return RC_INVALID;
    say_ready(s);
    if (!put(s, "spam_quarantine", STR_NONE, "central", word(true)))
        return RC_INVALID;
    say(s, "After commit spam goes to the manager. What is held here stays with its recipients until it expires.\n");
    return RC_OK;
}

static enum rc op_local(struct session *s, void *ctx)
{
    (void)ctx;
    if (!session_conf(s)->spam_quarantine.central) {
        say(s, "Spam is held on this machine.\n");
        return RC_EXISTS;
    }
    say(s, "New spam will be held on this machine. What is on the manager stays there until it leaves.\n");
    if (!ask_batch(s) && !ask_yes(s, "Are you sure?", true))
        return RC_CONFLICT;
    return put(s, "spam_quarantine", STR_NONE, "central", word(false)) && ask_lists(s) ? RC_OK : RC_INVALID;
}

static enum rc op_setup(struct session *s, void *ctx)
{
    (void)ctx;
    return ops_fields(s, "spam_quarantine", STR_NONE, "-central slbl");
}

static enum rc op_status(struct session *s, void *ctx)
{
    const struct conf *c = session_conf(s);
    const struct conf_manager *m = conf_destination(c);

    (void)ctx;
    if (c->spam_quarantine.central && m)
        say(s, "Spam is held on the manager %.*s (%.*s), port %llu.\n", STR(m->name), STR(m->address),
            (unsigned long long)m->spam_port);
    else
        say(s, "Spam is held on this machine.\n");
    say(s, "Safelists and blocklists: %s\n", c->spam_quarantine.slbl ? "asked" : "not asked");
    if (c->spam_quarantine.central)
        say_ready(s);
    return RC_OK;
}

/* ---- manager -------------------------------------------------------------------------------------------------------------
 */

static enum rc op_listener(struct session *s, void *ctx)
{
    const struct conf *c = session_conf(s);
    bool on = ask_yes(s, "Take spam of gateways?", c->euq_listener.enabled || !session_staged(s));
    struct str interface = arena_str(&s->arena, c->euq_listener.interface);
    uint64_t port;

    (void)ctx;
    if (!put(s, "euq_listener", STR_NONE, "enabled", word(on)))
        return RC_INVALID;
    if (!on)
        return RC_OK;
    if (!interface.n && c->interface.n)
        interface = arena_str(&s->arena, c->interface.items[0].name);
    interface = ops_choose(s, "Choose the interface for the spam quarantine:", "interface", interface);
    port = ask_number(s, "Enter the port:", session_conf(s)->euq_listener.port, 1, 65535);
    return put(s, "euq_listener", STR_NONE, "interface", interface) &&
                   put(s, "euq_listener", STR_NONE, "port", arena_printf(&s->arena, "%llu", (unsigned long long)port))
               ? RC_OK
               : RC_INVALID;
}

enum rc cmd_spamquarantineconfig(struct session *s)
{
    static const struct op on_gateway[] = {
        {"EXTERNAL", "Hold spam on the manager", false, op_external},
        {"LOCAL", "Hold it on this machine", false, op_local},
        {"SETUP", "Retention, space, who may see all spam", false, op_setup},
        {"STATUS", "Where spam is held; ask the manager", false, op_status},
    };
    static const struct op on_manager[] = {
        {"LISTENER", "Take spam of gateways: interface and port", false, op_listener},
        {"SETUP", "Retention, space, who may see all spam", false, op_setup},
    };
    static const struct ops of_gateway = {on_gateway, sizeof on_gateway / sizeof *on_gateway, NULL, NULL};
    static const struct ops of_manager = {on_manager, sizeof on_manager / sizeof *on_manager, NULL, NULL};

    return ops_talk(s, conf_is_manager(session_conf(s)) ? &of_manager : &of_gateway, NULL);
}
