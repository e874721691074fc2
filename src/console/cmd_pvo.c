/*
 * pvoconfig: the policy, virus and outbreak quarantines of a gateway and its manager (spec/cli.md 10, spec/central.md 9).
 *
 * Called through spec/verbs.def. ENABLE asks the manager first, over its port, and stages nothing unless it is ready; all
 * changes are staged and come into force at commit. Owns nothing.
 */
#include "conf/hidden.h"
#include "console/commands.h"
#include "console/pvo.h"

#include <stdio.h>

static bool is_port(struct session *s, void *ctx, struct str answer)
{
    uint64_t n;

    (void)ctx;
    if (str_u64(answer, &n) && n >= 1 && n <= 65535)
        return true;
    say(s, "A port is a number from 1 to 65535.\n");
    return false;
}

static bool is_interface(struct session *s, void *ctx, struct str answer)
{
    (void)ctx;
    if (!answer.n || conf_find(&session_conf(s)->interface, answer))
        return true;
    say(s, "There is no interface %.*s.\n", STR(answer));
    return false;
}

static enum rc ask_listener(struct session *s)
{
    const struct conf *c = session_conf(s);
    struct str interface = c->cpq_listener.interface;
    char port[24];

    if (!interface.n && c->interface.n)
        interface = c->interface.items[0].name;
    snprintf(port, sizeof port, "%llu", (unsigned long long)c->cpq_listener.port);
    interface = ask_value(s, "Enter the interface for the central quarantines",
                          arena_printf(&s->arena, "%.*s", STR(interface)).p, is_interface, NULL);
    if (!session_set(s, "cpq_listener.interface", interface))
        return RC_INVALID;
    return session_set(s, "cpq_listener.port", ask_value(s, "Enter the port", port, is_port, NULL)) ? RC_OK : RC_INVALID;
}

/* ---- gateway
 * ---------------------------------------------------------------------------------------------------------------- */

const struct json *pvo_probe(struct session *s, const char *class, bool *ready_out, struct str *why_out)
{
    struct buf *text = session_buf(s, 4096), *json = session_buf(s, 1 << 20);
    const struct json *j = NULL;
    struct str state;

    if (session_call(s, text, json, "pvoconfig", "probe", class, NULL) != RC_OK ||
        json_read(&s->arena, buf_str(json), &j, NULL) != RC_OK) {
        say(s, "The manager cannot be asked now: %.*s\n", STR(str_trim(buf_str(text))));
        return NULL;
    }
    state = json_text_of(j, "state");
    *ready_out = str_eq(state, str_lit("ready"));
    *why_out = json_text_of(j, "reason");
    if (!why_out->n)
        *why_out = state;
    return j;
}

/* Is the manager ready, and has it room for all of ours? Else the reason is said. */
static bool manager_is_ready(struct session *s)
{
    bool ready;
    struct str why;
    const struct json *j = pvo_probe(s, NULL, &ready, &why);

    if (j && ready)
        return pvo_check_places(s, j) == RC_OK;
    if (j)
        say(s, "The manager %.*s is not ready: %.*s\nThe service is not enabled.\n", STR(json_text_of(j, "host")), STR(why));
    return false;
}

static enum rc op_enable(struct session *s, void *ctx)
{
    (void)ctx;
    if (session_conf(s)->pvo.central) {
        say(s, "The quarantines are on the manager already.\n");
        return RC_EXISTS;
    }
    if (!manager_is_ready(s))
        return RC_CONFLICT;
    TRY(ask_listener(s));
    if (!session_set(s, "pvo.central", str_lit("yes")) || !session_set(s, "cpq_listener.enabled", str_lit("yes")))
        return RC_INVALID;
    say(s, "The manager is ready. After commit, mail for policy, virus and outbreak quarantines goes to it.\n");
    return RC_OK;
}

static enum rc op_disable(struct session *s, void *ctx)
{
    (void)ctx;
    if (!session_conf(s)->pvo.central) {
        say(s, "The quarantines are on this machine.\n");
        return RC_EXISTS;
    }
    say(s,
        "New mail will be held on this machine. Mail on the manager stays there until it leaves; to be released it needs\n"
        "an alternate release appliance, or this service enabled again.\n");
    if (!ask_yes(s, "Are you sure?", true))
        return RC_CONFLICT;
    if (!session_set(s, "pvo.central", str_lit("no")) || !session_set(s, "cpq_listener.enabled", str_lit("no")))
        return RC_INVALID;
    return pvo_make_named(s);
}

static enum rc op_status(struct session *s, void *ctx)
{
    (void)ctx;
    return session_run(s, "pvoconfig", "status", NULL);
}

static enum rc op_setup_gateway(struct session *s, void *ctx)
{
    (void)ctx;
    return ask_listener(s);
}

/* ---- manager
 * ---------------------------------------------------------------------------------------------------------------- */

static bool is_appliance(struct session *s, void *ctx, struct str answer)
{
    (void)ctx;
    if (str_eqi(answer, str_lit("NONE")) || conf_find(&session_conf(s)->appliance, answer))
        return true;
    say(s, "There is no appliance %.*s.\n", STR(answer));
    return false;
}

/* Which appliance takes released mail of a gateway that is away. */
static enum rc op_alternate(struct session *s, void *ctx)
{
    struct str now = session_conf(s)->pvo.alternate;

    (void)ctx;
    now = ask_value(s, "Enter the alternate release appliance, NONE to have none",
                    arena_printf(&s->arena, "%.*s", STR(now.n ? now : str_lit("NONE"))).p, is_appliance, NULL);
    return session_set(s, "pvo.alternate", str_eqi(now, str_lit("NONE")) ? STR_NONE : now) ? RC_OK : RC_INVALID;
}

static enum rc op_setup_manager(struct session *s, void *ctx)
{
    bool on;

    (void)ctx;
    on =
        ask_yes(s, "Enable the policy, virus and outbreak quarantines?", session_conf(s)->pvo.enabled || !session_staged(s));
    if (!session_set(s, "pvo.enabled", on ? str_lit("yes") : str_lit("no")))
        return RC_INVALID;
    return on ? ask_listener(s) : RC_OK;
}

static enum rc op_migration(struct session *s, void *ctx)
{
    (void)ctx;
    return pvo_choose_migration(s);
}

enum rc cmd_pvoconfig(struct session *s)
{
    static const struct op gateway[] = {
        {"ENABLE", "Hold mail for policy, virus and outbreak quarantines on the manager", false, op_enable},
        {"DISABLE", "Hold it on this machine again", false, op_disable},
        {"SETUP", "Interface and port where released mail comes back", false, op_setup_gateway},
        {"STATUS", "Ask the manager, show what is held", false, op_status},
    };
    static const struct op manager[] = {
        {"SETUP", "Enable the service, choose interface and port", false, op_setup_manager},
        {"MIGRATION", "Choose how quarantines of a gateway move here", false, op_migration},
        {"ALTERNATE", "Choose the appliance that takes released mail of one that is away", false, op_alternate},
        {"STATUS", "Show the service and its gateways", false, op_status},
    };
    static const struct ops of_gateway = {gateway, sizeof gateway / sizeof *gateway, NULL, NULL};
    static const struct ops of_manager = {manager, sizeof manager / sizeof *manager, NULL, NULL};

    return ops_talk(s, conf_is_manager(session_conf(s)) ? &of_manager : &of_gateway, NULL);
}
