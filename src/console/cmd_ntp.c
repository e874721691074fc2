/*
 * ntpconfig: time servers (spec/cli.md 9).
 *
 * Called through spec/verbs.def. Owns nothing. Without a server the clock is left alone (role clock does not run).
 */
#include "console/commands.h"
#include "console/ops.h"

#include <inttypes.h>

static const struct conf_ntp *now(const struct session *s)
{
    return &session_conf(s)->ntp;
}

static bool put(struct session *s, const char *field, struct str value)
{
    return field_put(s, ops_section("ntp"), STR_NONE, field, value);
}

static enum rc op_new(struct session *s, void *ctx)
{
    int port = 1;
    struct str server = ask_value(s, "Please enter the fully qualified hostname or IP address of your NTP server:", NULL,
                                  ops_host_fits, &port);

    (void)ctx;
    return ops_put_list(s, "ntp", "servers", ops_with(s, now(s)->servers, SIZE_MAX, server)) ? RC_OK : RC_INVALID;
}

static enum rc op_delete(struct session *s, void *ctx)
{
    size_t at = ops_pick_line(s, "Enter the number of the server you want to delete:", now(s)->servers);

    (void)ctx;
    return ops_put_list(s, "ntp", "servers", ops_with(s, now(s)->servers, at, STR_NONE)) ? RC_OK : RC_INVALID;
}

static enum rc op_source(struct session *s, void *ctx)
{
    const struct conf *c = session_conf(s);
    struct str *names = arena_must_alloc(&s->arena, (c->interface.n + 1) * sizeof *names);
    size_t initial = 0;

    (void)ctx;
    names[0] = str_lit("Auto");
    for (size_t i = 0; i < c->interface.n; i++) {
        names[i + 1] = c->interface.items[i].name;
        if (str_eqi(names[i + 1], now(s)->interface))
            initial = i + 1;
    }
    initial = ask_choice(s, "When initiating a connection to an NTP server, the source interface is:",
                         &(struct strs){names, c->interface.n + 1}, initial);
    return put(s, "interface", initial ? names[initial] : STR_NONE) ? RC_OK : RC_INVALID;
}

static bool key_fits(struct session *s, void *ctx, struct str answer)
{
    (void)ctx;
    if (str_find(answer, ':') > 0 && str_find(answer, ':') + 1 < answer.n)
        return true;
    say(s, "A key is TYPE:hex, such as SHA1:0a0b0c.\n");
    return false;
}

static enum rc op_auth(struct session *s, void *ctx)
{
    uint64_t number;

    (void)ctx;
    if (!ask_yes(s, "Do you want to authenticate the servers by a key?", now(s)->key_id > 0))
        return put(s, "key_id", str_lit("0")) && put(s, "key", STR_NONE) ? RC_OK : RC_INVALID;
    number = ask_number(s, "Enter the number of the key:", now(s)->key_id ? now(s)->key_id : 1, 1, 65535);
    return put(s, "key_id", arena_printf(&s->arena, "%" PRIu64, number)) &&
                   put(s, "key", ask_secret(s, "Enter the key, as TYPE:hex:", key_fits, NULL))
               ? RC_OK
               : RC_INVALID;
}

static enum rc op_setup(struct session *s, void *ctx)
{
    (void)ctx;
    return ops_fields(s, "ntp", STR_NONE, "-servers interface key_id key");
}

static void show(struct session *s, void *ctx)
{
    struct strs list = now(s)->servers;

    (void)ctx;
    say(s, list.n ? "Currently configured NTP servers:\n" : "There is no NTP server: the clock is left alone.\n");
    for (size_t i = 0; i < list.n; i++)
        say(s, "%zu. %.*s\n", i + 1, STR(list.items[i]));
    if (list.n)
        say(s, "Source interface: %.*s. Authentication: %s.\n",
            STR(now(s)->interface.n ? now(s)->interface : str_lit("Auto")), now(s)->key_id ? "on" : "off");
}

static size_t count(const struct session *s, void *ctx)
{
    (void)ctx;
    return now(s)->servers.n;
}

enum rc cmd_ntpconfig(struct session *s)
{
    static const struct op rows[] = {
        {"NEW", "Add a server", false, op_new},
        {"DELETE", "Remove a server", true, op_delete},
        {"SOURCEINT", "Set the interface from whose IP address NTP queries should originate", true, op_source},
        {"AUTH", "Configure authentication of the servers", true, op_auth},
        {"SETUP", "Change other settings", false, op_setup},
    };
    static const struct ops ops = {rows, sizeof rows / sizeof *rows, show, count};

    return ops_talk(s, &ops, NULL);
}
