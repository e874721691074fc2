/*
 * snmpconfig: the SNMP agent and its traps (spec/snmp.md 4: order and defaults of the questions stay).
 *
 * Called through spec/verbs.def. Owns nothing. `status` and `test` are control's.
 */
#include "console/commands.h"
#include "console/ops.h"
#include "policy/ip_table.h"

enum { PASSPHRASE_LEAST = 8 /* RFC 3414 11.2 */, AUTH_NO_PRIV = 0, TRAPS_V2C = 0 };

/* Names in snmp.traps_off, in the order of the dialogue. */
static const char *const traps[] = {
#define SNMP_TRAP(number, name, object, column, is_text, sample) name,
#include "spec/traps.def"
#undef SNMP_TRAP
    "linkUpDown", "authenticationFailure"};
enum { TRAPS = sizeof traps / sizeof *traps };

static const struct conf_snmp *now(const struct session *s)
{
    return &session_conf(s)->snmp;
}

static bool put(struct session *s, const char *field, struct str value)
{
    return field_put(s, ops_section("snmp"), STR_NONE, field, value);
}

static void ask_rows(struct session *s, const char *fields)
{
    fields_ask(s, ops_section("snmp"), STR_NONE, fields);
}

/* --- v3 -------------------------------------------------------------------------------------------------------------------
 */

static bool passphrase_fits(struct session *s, void *ctx, struct str answer)
{
    (void)ctx;
    if (answer.n >= PASSPHRASE_LEAST)
        return true;
    say(s, "A passphrase has at least %d characters.\n", PASSPHRASE_LEAST);
    return false;
}

static void ask_passphrase(struct session *s, const char *field, const char *what, struct str old)
{
    const char *question = arena_printf(&s->arena, "Enter the SNMPv3 %s passphrase.", what).p;

    if (old.n &&
        !ask_yes(s, arena_printf(&s->arena, "The SNMPv3 %s passphrase is set. Do you want to change it?", what).p, false))
        return;
    put(s, field, ask_secret(s, question, passphrase_fits, NULL));
}

static void ask_v3(struct session *s)
{
    bool privacy;

    ask_rows(s, "level auth");
    privacy = now(s)->level != AUTH_NO_PRIV;
    if (privacy)
        ask_rows(s, "privacy");
    ask_passphrase(s, "auth_passphrase", "authentication", now(s)->auth_passphrase);
    if (privacy)
        ask_passphrase(s, "privacy_passphrase", "privacy", now(s)->privacy_passphrase);
}

/* --- v1 and v2c -----------------------------------------------------------------------------------------------------------
 */

/* What stands for a community that stays as it is. */
static const char masked[] = "********";

static bool community_fits(struct session *s, void *ctx, struct str answer)
{
    if (answer.n == 0) {
        say(s, "A community is needed.\n");
        return false;
    }
    return str_eq(answer, str_c(masked)) || put(s, ctx, answer);
}

static void ask_community(struct session *s, const char *field, const char *question, struct str old)
{
    ask_value(s, question, old.n ? masked : NULL, community_fits, (void *)(uintptr_t)field);
}

struct networks {
    const char *field;
    char mark; /* every network of this family holds it */
};
enum { FAMILY_4 = '.', FAMILY_6 = ':' };

static bool networks_fit(struct session *s, void *ctx, struct str answer)
{
    const struct networks *n = ctx;
    struct strs list = str_eqi(answer, str_lit("none")) ? (struct strs){NULL, 0} : ops_list(s, answer);
    struct ip_table t;

    ip_table_begin(&t, &s->arena);
    for (size_t i = 0; i < list.n; i++) {
        struct str one = list.items[i];

        if (str_find(one, n->mark) < one.n && str_find(one, '-') == one.n && ip_table_add(&t, one, 0, NULL) == RC_OK)
            continue;
        say(s, "\"%.*s\" is no address or network of that kind.\n", STR(str_first(one, 100)));
        return false;
    }
    return ops_put_list(s, "snmp", n->field, list);
}

/* `None`: from nowhere. */
static void ask_networks(struct session *s, const char *field, const char *question, struct strs old, char mark)
{
    struct str initial = arena_str(&s->arena, ops_join(s, old));

    ask_value(s, question, initial.n ? initial.p : "None", networks_fit, &(struct networks){field, mark});
}

static void ask_v2c(struct session *s)
{
    ask_rows(s, "v2c");
    if (!now(s)->v2c)
        return;
    ask_community(s, "community", "Enter the SNMP V1/V2c community string.", now(s)->community);
    ask_networks(s, "networks", "From which IPv4 networks shall SNMP V1/V2c requests be allowed? Separate them with commas.",
                 now(s)->networks, FAMILY_4);
    ask_networks(s, "networks6",
                 "From which IPv6 networks shall SNMP V1/V2c requests be allowed? Separate them with commas.",
                 now(s)->networks6, FAMILY_6);
}

/* --- traps ----------------------------------------------------------------------------------------------------------------
 */

static bool targets_fit(struct session *s, void *ctx, struct str answer)
{
    struct strs list = ops_list(s, answer);
    int port = 1;

    (void)ctx;
    if (str_eqi(answer, str_lit("none")))
        return put(s, "trap_targets", STR_NONE);
    for (size_t i = 0; i < list.n; i++)
        if (!ops_host_fits(s, &port, list.items[i]))
            return false;
    return ops_put_list(s, "snmp", "trap_targets", list);
}

static void ask_targets(struct session *s)
{
    struct str old = arena_str(&s->arena, ops_join(s, now(s)->trap_targets));

    ask_value(s, "Enter the trap targets (IP addresses or host names), separated by commas. Enter \"None\" for no traps.",
              old.n ? old.p : "None", targets_fit, NULL);
    if (now(s)->trap_targets.n == 0)
        return;
    ask_rows(s, "trap_version");
    if (now(s)->trap_version == TRAPS_V2C)
        ask_community(s, "trap_community", "Enter the trap community string.", now(s)->trap_community);
}

static bool is_on(const struct session *s, size_t trap)
{
    struct strs off = now(s)->traps_off;

    for (size_t i = 0; i < off.n; i++)
        if (str_eqi(off.items[i], str_c(traps[trap])))
            return false;
    return true;
}

/* Numbers of traps whose state turns over. */
static bool numbers_fit(struct session *s, void *ctx, struct str answer)
{
    struct strs list = ops_list(s, answer);
    bool *turn = ctx;
    uint64_t n;

    for (size_t i = 0; i < TRAPS; i++)
        turn[i] = false;
    for (size_t i = 0; i < list.n; i++) {
        if (!str_u64(list.items[i], &n) || n < 1 || n > TRAPS) {
            say(s, "Traps are numbered 1 to %d.\n", TRAPS);
            return false;
        }
        turn[n - 1] = true;
    }
    return true;
}

static void ask_traps(struct session *s)
{
    struct str *off = arena_must_alloc(&s->arena, TRAPS * sizeof *off);
    bool turn[TRAPS] = {false};
    size_t n = 0;

    say(s, "Enterprise and standard traps:\n");
    for (size_t i = 0; i < TRAPS; i++)
        say(s, "%zu. %-27s %s\n", i + 1, strcmp(traps[i], "linkUpDown") == 0 ? "linkUp and linkDown" : traps[i],
            is_on(s, i) ? "Enabled" : "Disabled");
    if (!ask_yes(s, "Do you want to change any of these settings?", false))
        return;
    ask_optional(s, "Enter the numbers of the traps to enable or disable, separated by commas.", numbers_fit, turn);
    for (size_t i = 0; i < TRAPS; i++)
        if (is_on(s, i) == turn[i])
            off[n++] = str_c(traps[i]);
    ops_put_list(s, "snmp", "traps_off", (struct strs){off, n});
}

/* What traps need to know, when they are on. */
static void ask_limits(struct session *s)
{
    static const struct {
        const char *trap, *field;
    } rows[] = {{"cpuUtilizationExceeded", "cpu_threshold"},
                {"memoryUtilizationExceeded", "memory_threshold"},
                {"connectivityFailure", "url"}};

    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        for (size_t k = 0; k < TRAPS; k++)
            if (strcmp(traps[k], rows[i].trap) == 0 && is_on(s, k))
                ask_rows(s, rows[i].field);
}

/* --- the dialogue ---------------------------------------------------------------------------------------------------------
 */

static void ask_place(struct session *s)
{
    struct str interface = arena_str(&s->arena, now(s)->interface);

    interface = ops_choose(s, "Please choose an IP interface for SNMP requests.", "interface", interface);
    if (interface.n)
        put(s, "interface", interface);
    ask_rows(s, "port");
}

static enum rc op_setup(struct session *s, void *ctx)
{
    (void)ctx;
    if (ask_left(s))
        return ops_fields(s, "snmp", STR_NONE, "");
    ask_rows(s, "enabled");
    if (!now(s)->enabled)
        return RC_OK;
    ask_place(s);
    ask_v3(s);
    ask_v2c(s);
    ask_targets(s);
    ask_traps(s);
    ask_limits(s);
    ask_rows(s, "location contact");
    /* rows that came later */
    ask_rows(s, "-enabled interface port level auth privacy auth_passphrase privacy_passphrase v2c community networks "
                "networks6 trap_targets trap_version trap_community traps_off cpu_threshold memory_threshold url location "
                "contact");
    return RC_OK;
}

static void show(struct session *s, void *ctx)
{
    (void)ctx;
    say(s, "Current SNMP settings:\n");
    fields_show(s, ops_section("snmp"), STR_NONE);
}

enum rc cmd_snmpconfig(struct session *s)
{
    static const struct op rows[] = {{"SETUP", "Configure SNMP", false, op_setup}};
    static const struct ops ops = {rows, 1, show, NULL};

    if (arg_is(s, 0, "test") && s->role == ROLE_READ_ONLY) {
        say(s, "A read-only operator sends no traps.\n");
        return RC_NOT_PERMITTED;
    }
    if (arg_is(s, 0, "status") || arg_is(s, 0, "test"))
        return cmd_plain(s);
    return ops_talk(s, &ops, NULL);
}
