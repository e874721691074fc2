/*
 * HOSTACCESS of listenerconfig: sender groups and mail flow policies of a listener.
 *
 * Called by cmd_listener.c. Owns nothing. A change that lets hosts relay through a public listener (HD-07) is kept only
 * after a second answer; the commit of it then needs no `force` (relay.h).
 */
#include "conf/rules.h"
#include "console/hat_text.h"
#include "console/listener.h"
#include "console/relay.h"
#include "policy/hat.h"

#include <inttypes.h>

static const char *const kinds[] = {"Sender group", "Policy", NULL};

static const struct menu policies = {"listenerconfig", "mail_flow_policy", "mail flow policy", "", ""};
static const struct menu groups = {"listenerconfig", "sender_group", "sender group", "", ""};

static const struct conf_sender_group *group_at(const struct session *s, size_t i)
{
    return &session_conf(s)->sender_group.items[i];
}

/* --- groups -------------------------------------------------------------------------------------------------------- */

bool listener_hosts_fit(struct session *s, void *ctx, struct str answer)
{
    struct strs list = ops_list(s, answer);

    (void)ctx;
    for (size_t i = 0; i < list.n; i++) {
        if (hat_member_fits(list.items[i]))
            continue;
        say(s, "\"%.*s\" is neither an address, a range, a CIDR block, a host name, .domain nor dnslist[zone].\n",
            STR(str_first(list.items[i], 100)));
        return false;
    }
    return true;
}

static enum rc add(struct session *s, struct str listener, const char *name, struct str policy, struct strs members)
{
    const struct conf_sender_group *g;
    struct err e = ERR_NONE;
    struct str item;

    if (!conf_find(&session_conf(s)->mail_flow_policy, policy))
        return RC_OK; /* somebody removed the policy: a group of it would be refused */
    if (hat_group_new(session_draft(s), listener, str_c(name), &g, &e) != RC_OK)
        return session_fail(s, &e);
    item = arena_str(&s->arena, g->name);
    if (!field_put(s, ops_section("sender_group"), item, "policy", policy) ||
        !field_put(s, ops_section("sender_group"), item, "members", ops_join(s, members)))
        return RC_INVALID;
    return RC_OK;
}

enum rc listener_groups(struct session *s, struct str listener, struct strs hosts, struct str policy)
{
    struct str all = str_lit("ALL"), relayed = str_lit("RELAYED");

    if (!policy.n) {
        if (!conf_find(&session_conf(s)->mail_flow_policy, relayed) &&
            !session_set(s, "mail_flow_policy.RELAYED.behavior", str_lit("relay")))
            return RC_INVALID;
        return add(s, listener, "RELAYLIST", relayed, hosts);
    }
    TRY(add(s, listener, "ALLOWLIST", str_lit("TRUSTED"), (struct strs){0}));
    TRY(add(s, listener, "BLOCKLIST", str_lit("BLOCKED"), (struct strs){0}));
    TRY(add(s, listener, "SUSPECTLIST", str_lit("THROTTLED"), (struct strs){0}));
    return add(s, listener, "UNKNOWNLIST", policy, (struct strs){&all, 1});
}

struct hat_place {
    struct str listener, item; /* item: the sender group's */
};

static bool pick_it(struct session *s, void *ctx, struct str answer)
{
    struct hat_place *p = ctx;
    size_t at = hat_group_find(session_conf(s), p->listener, answer);
    uint64_t number;

    if (at == SIZE_MAX && str_u64(answer, &number))
        for (size_t i = 0, n = 0; i < session_conf(s)->sender_group.n && at == SIZE_MAX; i++)
            if (hat_group_of(group_at(s, i), p->listener) && ++n == number)
                at = i;
    if (at == SIZE_MAX) {
        session_missing(s, "Sender group", answer);
        return false;
    }
    p->item = arena_str(&s->arena, group_at(s, at)->name);
    return true;
}

static void list_groups(struct session *s, struct str listener)
{
    for (size_t i = 0, n = 0; i < session_conf(s)->sender_group.n; i++) {
        const struct conf_sender_group *g = group_at(s, i);

        if (hat_group_of(g, listener))
            say(s, "%zu. %.*s (%.*s, %zu members%s)\n", ++n, STR(hat_group_shown(g->name)), STR(g->policy), g->members.n,
                g->listener.n == 1 ? "" : ", other listeners too");
    }
}

static struct str pick_group(struct session *s, struct str listener, const char *what)
{
    struct hat_place p = {.listener = listener};

    if (!ask_left(s))
        list_groups(s, listener);
    ask_value(s, arena_printf(&s->arena, "Enter the name or number of the sender group you want to %s:", what).p, NULL,
              pick_it, &p);
    return p.item;
}

static bool put(struct session *s, struct str item, const char *field, struct str value)
{
    return field_put(s, ops_section("sender_group"), item, field, value);
}

static enum rc put_members(struct session *s, struct str item, struct strs adding, struct strs removing)
{
    struct strs now = conf_find(&session_conf(s)->sender_group, item)->members;
    struct str *list = arena_must_alloc(&s->arena, (now.n + adding.n + 1) * sizeof *list);
    size_t n = 0;

    for (size_t i = 0; i < now.n; i++) {
        bool gone = false;

        for (size_t k = 0; k < removing.n; k++)
            gone = gone || str_eqi(removing.items[k], now.items[i]);
        if (!gone)
            list[n++] = now.items[i];
    }
    for (size_t i = 0; i < adding.n; i++)
        list[n++] = adding.items[i];
    return put(s, item, "members", ops_join(s, (struct strs){list, n})) ? RC_OK : RC_INVALID;
}

/* --- EDIT of a group ----------------------------------------------------------------------------------------------- */

static enum rc members_new(struct session *s, void *ctx)
{
    struct conf_draft **before = ops_keep(s);
    struct str hosts = ask_value(s, "Enter the hosts to add, separated by commas:", NULL, listener_hosts_fit, NULL);
    struct strs list = ops_list(s, hosts);

    TRY(put_members(s, *(struct str *)ctx, list, list));
    return relay_ask(s, before);
}

static enum rc members_delete(struct session *s, void *ctx)
{
    size_t n = conf_find(&session_conf(s)->sender_group, *(struct str *)ctx)->members.n;
    struct str hosts = ask_value(s, "Enter the hosts to remove, separated by commas:", NULL, NULL, NULL);

    TRY(put_members(s, *(struct str *)ctx, (struct strs){0}, ops_list(s, hosts)));
    if (conf_find(&session_conf(s)->sender_group, *(struct str *)ctx)->members.n < n)
        return RC_OK;
    return session_missing(s, "Host", hosts);
}

static enum rc group_policy(struct session *s, void *ctx)
{
    struct conf_draft **before = ops_keep(s);
    struct str *item = ctx, policy = ops_choose(s, "Choose a mail flow policy.", "mail_flow_policy",
                                                conf_find(&session_conf(s)->sender_group, *item)->policy);

    if (!policy.n || !put(s, *item, "policy", policy))
        return RC_INVALID;
    return relay_ask(s, before);
}

static enum rc group_comment(struct session *s, void *ctx)
{
    return put(s, *(struct str *)ctx, "comment", ask_optional(s, "Enter a comment for this sender group:", NULL, NULL))
               ? RC_OK
               : RC_INVALID;
}

static void show_group(struct session *s, void *ctx)
{
    const struct conf_sender_group *g = conf_find(&session_conf(s)->sender_group, *(struct str *)ctx);

    say(s, "Sender group %.*s, policy %.*s\n", STR(hat_group_shown(g->name)), STR(g->policy));
    for (size_t i = 0; i < g->members.n; i++)
        say(s, "    %.*s\n", STR(g->members.items[i]));
    if (g->listener.n != 1)
        say(s, "Note: this group serves other listeners too.\n");
}

static size_t count_members(const struct session *s, void *ctx)
{
    return conf_find(&session_conf(s)->sender_group, *(struct str *)ctx)->members.n;
}

static enum rc edit_group(struct session *s, struct str listener)
{
    static const struct op rows[] = {
        {"NEW", "Add hosts to the group", false, members_new},
        {"DELETE", "Remove hosts from the group", true, members_delete},
        {"POLICY", "Choose the mail flow policy of the group", false, group_policy},
        {"COMMENT", "Change the comment", false, group_comment},
    };
    static const struct ops ops = {rows, sizeof rows / sizeof *rows, show_group, count_members};
    struct str item = pick_group(s, listener, "edit");

    return ops_talk(s, &ops, &item);
}

/* --- operations ---------------------------------------------------------------------------------------------------- */

static enum rc edit_policy(struct session *s, struct str name)
{
    struct conf_draft **before = ops_keep(s);

    TRY(ops_fields(s, "mail_flow_policy", name, ""));
    return relay_ask(s, before);
}

static enum rc new_group(struct session *s, struct str listener)
{
    struct conf_draft **before = ops_keep(s);
    struct str name = ask_value(s, "Enter a name for the sender group:", NULL, NULL, NULL), hosts, policy, item;
    const struct conf_sender_group *g;
    struct err e = ERR_NONE;

    if (hat_group_new(session_draft(s), listener, name, &g, &e) != RC_OK)
        return session_fail(s, &e);
    item = arena_str(&s->arena, g->name);
    hosts = ask_optional(s,
                         "Enter the hosts to add, separated by commas. IP addresses, ranges, CIDR blocks, host names, "
                         "\".example.com\",\n\"nx.domain\" and \"dnslist[query.blocklist.example]\" are allowed.",
                         listener_hosts_fit, NULL);
    policy = ops_choose(s, "Choose a mail flow policy.", "mail_flow_policy", g->policy);
    if (!policy.n || !put(s, item, "members", hosts) || !put(s, item, "policy", policy) ||
        !put(s, item, "comment", ask_optional(s, "Enter a comment for this sender group:", NULL, NULL)))
        return RC_INVALID;
    /* A new group stands before the one that takes everybody. */
    for (size_t i = 0; i < session_conf(s)->sender_group.n; i++) {
        struct strs members = group_at(s, i)->members;

        if (hat_group_of(group_at(s, i), listener) && members.n == 1 && str_eqi(members.items[0], str_lit("ALL"))) {
            menu_move(s, &groups, item, i + 1);
            break;
        }
    }
    return relay_ask(s, before);
}

static enum rc op_new(struct session *s, void *ctx)
{
    if (ask_one_of(s, "What do you want to create?", 0, kinds) == 0)
        return new_group(s, *(struct str *)ctx);
    return edit_policy(s, menu_new(s, &policies));
}

static enum rc op_edit(struct session *s, void *ctx)
{
    if (ask_one_of(s, "What do you want to edit?", 0, kinds) == 0)
        return edit_group(s, *(struct str *)ctx);
    return edit_policy(s, menu_pick(s, &policies, "edit"));
}

static enum rc op_delete(struct session *s, void *ctx)
{
    struct str name;

    if (ask_one_of(s, "What do you want to delete?", 0, kinds) == 0) {
        name = pick_group(s, *(struct str *)ctx, "delete");
        return menu_delete(s, &groups, name) ? RC_OK : RC_INVALID;
    }
    name = menu_pick(s, &policies, "delete");
    return menu_delete(s, &policies, name) ? RC_OK : RC_INVALID;
}

static size_t count(const struct session *s, void *ctx)
{
    size_t n = 0;

    for (size_t i = 0; i < session_conf(s)->sender_group.n; i++)
        n += hat_group_of(group_at(s, i), *(struct str *)ctx);
    return n;
}

static enum rc op_move(struct session *s, void *ctx)
{
    struct str *listener = ctx, item = pick_group(s, *listener, "move");
    uint64_t to = ask_number(s, "Enter its new position:", 1, 1, count(s, ctx)), n = 0;

    for (size_t i = 0; i < session_conf(s)->sender_group.n; i++)
        if (hat_group_of(group_at(s, i), *listener) && ++n == to)
            return menu_move(s, &groups, item, i + 1) ? RC_OK : RC_INVALID;
    return RC_INVALID;
}

static enum rc op_default(struct session *s, void *ctx)
{
    struct str name = str_lit("ACCEPTED");

    (void)ctx;
    if (!conf_find(&session_conf(s)->mail_flow_policy, name))
        return session_missing(s, "Mail flow policy", name);
    say(s, "Hosts that no sender group names get the policy ACCEPTED.\n");
    return edit_policy(s, name);
}

static struct str text_of(struct session *s, struct str listener)
{
    struct buf *b = session_buf(s, 64 << 20);

    hat_text_write(session_conf(s), listener, b);
    return buf_str(b);
}

static enum rc op_print(struct session *s, void *ctx)
{
    say_str(s, text_of(s, *(struct str *)ctx));
    return RC_OK;
}

static enum rc op_import(struct session *s, void *ctx)
{
    struct conf_draft **before = ops_keep(s);
    struct err e = ERR_NONE;
    struct str text;

    if (ops_import(s, "the Host Access Table", &text) != RC_OK)
        return RC_INVALID;
    if (hat_text_read(session_draft(s), *(struct str *)ctx, text, &e) != RC_OK)
        return session_fail(s, &e);
    for (size_t i = 0; i < session_conf(s)->sender_group.n; i++) {
        const struct conf_sender_group *g = group_at(s, i);

        if (!conf_find(&session_conf(s)->mail_flow_policy, g->policy))
            return session_missing(s, "Mail flow policy", g->policy);
        for (size_t k = 0; k < g->members.n; k++)
            if (!listener_hosts_fit(s, NULL, g->members.items[k]))
                return RC_INVALID;
    }
    say(s, "%zu sender groups imported.\n", count(s, ctx));
    return relay_ask(s, before);
}

static enum rc op_export(struct session *s, void *ctx)
{
    return ops_export(s, "the Host Access Table", text_of(s, *(struct str *)ctx));
}

static bool drop_all(struct session *s, struct str listener, const char *question)
{
    struct err e = ERR_NONE;

    if (!ask_batch(s) && !ask_yes(s, question, false))
        return false;
    if (hat_groups_drop(session_draft(s), listener, &e) == RC_OK)
        return true;
    session_fail(s, &e);
    return false;
}

static enum rc op_reset(struct session *s, void *ctx)
{
    struct str *listener = ctx;
    bool relaying = conf_find(&session_conf(s)->listener, *listener)->type == 1;

    if (!drop_all(s, *listener, "Are you sure you want to go back to the default sender groups?"))
        return RC_OK;
    return listener_groups(s, *listener, (struct strs){0}, relaying ? STR_NONE : str_lit("ACCEPTED"));
}

static enum rc op_clear(struct session *s, void *ctx)
{
    drop_all(s, *(struct str *)ctx, "Are you sure you want to remove every sender group of this listener?");
    return RC_OK;
}

static void show(struct session *s, void *ctx)
{
    say(s, "Sender groups, in the order in which they are tried:\n");
    list_groups(s, *(struct str *)ctx);
}

enum rc listener_hostaccess(struct session *s, struct str listener)
{
    static const struct op rows[] = {
        {"NEW", "Create a new sender group or mail flow policy", false, op_new},
        {"EDIT", "Modify a sender group or mail flow policy", false, op_edit},
        {"DELETE", "Remove a sender group or mail flow policy", false, op_delete},
        {"MOVE", "Move a sender group", true, op_move},
        {"DEFAULT", "Change the policy of hosts that no group names", false, op_default},
        {"PRINT", "Display the table", false, op_print},
        {"IMPORT", "Import the table from a file", false, op_import},
        {"EXPORT", "Export the table to a file", false, op_export},
        {"RESET", "Go back to the default sender groups", false, op_reset},
        {"CLEAR", "Remove all sender groups", true, op_clear},
    };
    static const struct ops ops = {rows, sizeof rows / sizeof *rows, show, count};

    return ops_talk(s, &ops, &listener);
}
