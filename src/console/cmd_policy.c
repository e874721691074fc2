/*
 * policyconfig: mail policies of incoming and outgoing mail, and their content filters. Batch:
 *   policyconfig incoming|outgoing new NAME [SETTING=VALUE ...]
 *   policyconfig incoming|outgoing edit NAME SETTING=VALUE ...
 *   policyconfig incoming|outgoing edit NAME antispam|antivirus|amp|graymail|outbreak|filters|dlp|members [SETTING=VALUE
 * ...] policyconfig incoming|outgoing filters ...          policy_filters.c
 *
 * Called through spec/verbs.def. Owns nothing. Which settings belong to a stage follows from their names (stage, stage_...),
 * so a new one needs no line here.
 */
#include "console/commands.h"
#include "console/policy_dialog.h"
#include "policy/check.h"

static const char section[] = "mail_policy", noun[] = "mail policy";
static const char member_fields[] =
    "senders sender_exceptions sender_groups recipients recipient_exceptions recipient_groups group_query";

struct place {
    struct policy_table table;
    struct str name; /* of the policy that is edited */
};

static bool is_default(struct str name)
{
    return str_eqi(policy_name_shown(name), str_lit("DEFAULT"));
}

static struct str value(struct session *s, struct str name, const char *field)
{
    return field_text(s, ops_section(section), name, field);
}

/* --- PRINT, SEARCH
 * ----------------------------------------------------------------------------------------------------------- */

static void list(struct session *s, void *ctx)
{
    static const char *const columns[] = {"antispam", "antivirus", "file_reputation", "graymail", "content",
                                          "outbreak", "dlp"};
    const struct place *p = ctx;
    size_t at;

    say(s, "%-4s %-24s %-9s %-9s %-9s %-9s %-9s %-9s %s\n", "", "Policy", "Anti-Spam", "Anti-Vir.", "File rep.", "Graymail",
        "Content", "Outbreak", "DLP");
    for (size_t i = 0; (at = policy_item(s, &p->table, section, i)) != SIZE_MAX; i++) {
        struct str name = session_conf(s)->mail_policy.items[at].name;

        say(s, "%-4zu %-24.*s", i + 1, STR(policy_name_shown(name)));
        for (size_t k = 0; k < sizeof columns / sizeof *columns; k++)
            say(s, " %-9.*s", STR(value(s, name, columns[k])));
        say(s, "\n");
    }
}

static enum rc op_print(struct session *s, void *ctx)
{
    struct place *p = ctx;
    struct str name;

    if (!ask_left(s)) {
        list(s, ctx);
        return RC_OK;
    }
    name = policy_pick(s, &p->table, section, noun, "display");
    say(s, "%s: %.*s\n", noun, STR(policy_name_shown(name)));
    fields_show(s, ops_section(section), name);
    return RC_OK;
}

static bool holds(struct str line, struct str wanted)
{
    for (size_t i = 0; i + wanted.n <= line.n; i++)
        if (str_startsi(str_from(line, i), wanted))
            return true;
    return false;
}

static enum rc op_search(struct session *s, void *ctx)
{
    static const char *const fields[] = {"senders",    "sender_exceptions",    "sender_groups",
                                         "recipients", "recipient_exceptions", "recipient_groups"};
    const struct place *p = ctx;
    struct str wanted = ask_value(s, "Enter the member to search for:", NULL, NULL, NULL);
    size_t at, found = 0;

    for (size_t i = 0; (at = policy_item(s, &p->table, section, i)) != SIZE_MAX; i++) {
        const struct conf_mail_policy *policy = &session_conf(s)->mail_policy.items[at];

        for (size_t k = 0; k < sizeof fields / sizeof *fields; k++) {
            const struct strs *lines = conf_texts(policy, conf_setting_find(ops_section(section), str_c(fields[k])));

            for (size_t n = 0; n < lines->n; n++)
                if (holds(lines->items[n], wanted) && ++found)
                    say(s, "%zu. %.*s: %s %.*s\n", i + 1, STR(policy_name_shown(policy->name)), fields[k],
                        STR(lines->items[n]));
        }
    }
    if (!found)
        say(s, "No policy has a member like %.*s.\n", STR(str_first(wanted, 100)));
    return RC_OK;
}

/* --- a policy
 * ---------------------------------------------------------------------------------------------------------------- */

/* What is wrong is said now, not at the commit. */
static enum rc checked(struct session *s)
{
    struct err e = ERR_NONE;

    return policies_check(session_conf(s), &e) == RC_OK ? RC_OK : session_fail(s, &e);
}

static enum rc members(struct session *s, void *ctx)
{
    TRY(ops_fields(s, section, ((struct place *)ctx)->name, member_fields));
    return checked(s);
}

/* Names of a list as operators write them become those of the table. */
static struct str listed_names(struct session *s, const struct place *p, struct str answer)
{
    struct strs names = ops_list(s, answer);
    struct str *full = arena_must_alloc(&s->arena, (names.n + 1) * sizeof *full);

    for (size_t i = 0; i < names.n; i++)
        full[i] = policy_full_name(s, &p->table, names.items[i]);
    return ops_join(s, (struct strs){full, names.n});
}

static bool put(struct session *s, const struct place *p, struct str assignment)
{
    struct str content = str_lit("content_filters=");

    if (str_starts(assignment, content))
        return field_put(s, ops_section(section), p->name, "content_filters",
                         listed_names(s, p, str_from(assignment, content.n)));
    return field_set(s, ops_section(section), p->name, assignment);
}

static bool filters_fit(struct session *s, void *ctx, struct str answer)
{
    struct strs names = ops_list(s, listed_names(s, ctx, answer));

    for (size_t i = 0; i < names.n; i++)
        if (!conf_find(&session_conf(s)->content_filter, names.items[i])) {
            session_missing(s, "Content filter", policy_name_shown(names.items[i]));
            return false;
        }
    return true;
}

static void ask_filters(struct session *s, struct place *p)
{
    struct str answer;
    size_t at;

    for (size_t i = 0; (at = policy_item(s, &p->table, "content_filter", i)) != SIZE_MAX; i++)
        say(s, "%zu. %.*s\n", i + 1, STR(policy_name_shown(session_conf(s)->content_filter.items[at].name)));
    answer = ask_optional(s, "Enter the names of the content filters, separated by commas:", filters_fit, p);
    field_put(s, ops_section(section), p->name, "content_filters", listed_names(s, p, answer));
}

/* The rows of a stage: whether it is used, and if so how. */
static enum rc stage(struct session *s, struct place *p, const char *name)
{
    const struct conf_section *of = ops_section(section);
    size_t n = strlen(name);
    bool given = ask_left(s) > 0;

    while (ask_left(s))
        if (!put(s, p, ask_next(s)))
            return RC_INVALID;
    if (given)
        return checked(s);
    field_ask(s, of, p->name, conf_setting_find(of, str_c(name)));
    if (!str_eq(value(s, p->name, name), str_lit("yes")) &&
        !(is_default(p->name) && str_eq(value(s, p->name, name), str_lit("default"))))
        return RC_OK;
    for (const struct conf_setting *f = of->settings; f->name; f++) {
        if (strcmp(f->name, "content_filters") == 0 && strcmp(name, "content") == 0)
            ask_filters(s, p);
        else if (strncmp(f->name, name, n) == 0 && f->name[n] == '_')
            field_ask(s, of, p->name, f);
    }
    return checked(s);
}

#define STAGE_OP(function, row) \
    static enum rc function(struct session *s, void *ctx) \
    { \
        return stage(s, ctx, row); \
    }
STAGE_OP(op_antispam, "antispam")
STAGE_OP(op_antivirus, "antivirus")
STAGE_OP(op_amp, "file_reputation")
STAGE_OP(op_graymail, "graymail")
STAGE_OP(op_outbreak, "outbreak")
STAGE_OP(op_content, "content")
STAGE_OP(op_dlp, "dlp")

static void show_policy(struct session *s, void *ctx)
{
    const struct place *p = ctx;

    say(s, "\n%s: %.*s\n", noun, STR(policy_name_shown(p->name)));
    fields_show(s, ops_section(section), p->name);
}

static size_t has_members(const struct session *s, void *ctx)
{
    (void)s;
    return !is_default(((struct place *)ctx)->name);
}

static enum rc edit(struct session *s, struct place *p)
{
    static const struct op rows[] = {
        {"MEMBERS", "Change the senders and recipients it is for", true, members},
        {"ANTISPAM", "Change anti-spam", false, op_antispam},
        {"ANTIVIRUS", "Change anti-virus", false, op_antivirus},
        {"AMP", "Change file reputation and analysis", false, op_amp},
        {"GRAYMAIL", "Change graymail detection", false, op_graymail},
        {"OUTBREAK", "Change outbreak filters", false, op_outbreak},
        {"FILTERS", "Change content filters", false, op_content},
        {"DLP", "Change data loss prevention", false, op_dlp},
    };
    static const struct ops ops = {rows, sizeof rows / sizeof *rows, show_policy, has_members};

    if (ask_left(s) && str_find(s->args.items[s->taken], '=') < s->args.items[s->taken].n) {
        while (ask_left(s))
            if (!put(s, p, ask_next(s)))
                return RC_INVALID;
        return checked(s);
    }
    return ops_talk(s, &ops, p);
}

/* --- operations
 * -------------------------------------------------------------------------------------------------------------- */

static enum rc op_new(struct session *s, void *ctx)
{
    struct place *p = ctx;

    p->name = policy_new(s, &p->table, section, noun);
    if (ask_batch(s))
        return ask_left(s) ? edit(s, p) : RC_OK;
    fields_ask(s, ops_section(section), p->name, member_fields);
    return checked(s);
}

static enum rc op_edit(struct session *s, void *ctx)
{
    struct place *p = ctx;

    p->name = policy_pick(s, &p->table, section, noun, "edit");
    return edit(s, p);
}

static enum rc op_delete(struct session *s, void *ctx)
{
    static const struct menu menu = {"policyconfig", "mail_policy", "mail policy", "", ""};
    struct place *p = ctx;
    struct str name = policy_pick(s, &p->table, section, noun, "delete");

    if (!ask_batch(s) &&
        !ask_yes(s, arena_printf(&s->arena, "Are you sure you want to delete %.*s?", STR(policy_name_shown(name))).p, true))
        return RC_OK;
    return menu_delete(s, &menu, name) ? RC_OK : RC_INVALID;
}

static enum rc op_move(struct session *s, void *ctx)
{
    struct place *p = ctx;
    struct str name = policy_pick(s, &p->table, section, noun, "move");
    uint64_t to = ask_number(s, "Enter its new position:", 1, 1, policy_items(s, &p->table, section));

    return policy_move(s, &p->table, section, name, to) ? RC_OK : RC_INVALID;
}

static enum rc op_filters(struct session *s, void *ctx)
{
    return policy_filters(s, &((struct place *)ctx)->table);
}

enum rc cmd_policyconfig(struct session *s)
{
    static const char *const tables[] = {"Incoming", "Outgoing", NULL};
    static const struct op rows[] = {
        {"NEW", "Create a new mail policy", false, op_new},
        {"EDIT", "Modify a mail policy", false, op_edit},
        {"DELETE", "Remove a mail policy", false, op_delete},
        {"PRINT", "Display the mail policies", false, op_print},
        {"SEARCH", "Search for a mail policy by member", false, op_search},
        {"MOVE", "Change the order", false, op_move},
        {"FILTERS", "Change the content filters", false, op_filters},
    };
    static const struct ops ops = {rows, sizeof rows / sizeof *rows, list, NULL};
    struct place p = {.table = {false}};

    p.table.outgoing = ask_one_of(s, "Which mail policies do you want to configure?", 0, tables) == 1;
    return ops_talk(s, &ops, &p);
}
