/*
 * applianceconfig on a manager: its gateways, what is fetched from them and taken (spec/cli.md 10, spec/central.md 3).
 *
 * Called through spec/verbs.def. Everything is staged until commit; what an establishing needs is appliance_establish.c's.
 * Exactly four services: reporting, tracking, spam quarantine, policy/virus/outbreak quarantines (ST-06). Owns nothing.
 */
#include "console/appliance.h"
#include "console/commands.h"

static const char *const sites[] = {"external", "cloud", NULL};

static size_t count(const struct session *s, void *ctx)
{
    (void)ctx;
    return session_conf(s)->appliance.n;
}

static const char *services(struct session *s, const struct conf_appliance *x)
{
    struct str out = arena_printf(&s->arena, "%s%s%s%s", x->reporting ? " reporting" : "", x->tracking ? " tracking" : "",
                                  x->spam ? " spam" : "", x->pvo ? " pvo" : "");

    return out.n ? arena_printf(&s->arena, "%.*s", STR(out)).p : " none";
}

/* ST-03: the site is in the list. */
static void list(struct session *s, void *ctx)
{
    const struct conf *c = session_conf(s);

    (void)ctx;
    if (c->appliance.n == 0) {
        say(s, "There are no appliances.\n");
        return;
    }
    say(s, "Appliances:\n");
    for (size_t i = 0; i < c->appliance.n; i++) {
        const struct conf_appliance *x = &c->appliance.items[i];

        say(s, "%zu. %.*s - %.*s port %llu, site %s, %s%.*s; services:%s; link %s%s\n", i + 1, STR(x->name), STR(x->address),
            (unsigned long long)x->port, sites[x->site > 1 ? 0 : x->site],
            x->serial.n ? "serial number " : "not established", STR(x->serial), services(s, x),
            x->link == 0   ? "off"
            : x->link == 1 ? "preferred"
                           : "only",
            x->disconnected ? "; disconnected" : "");
    }
}

static struct str choose(struct session *s)
{
    return ops_choose(s, "Choose the appliance:", "appliance", STR_NONE);
}

/* --- ADD, EDIT, DELETE ------------------------------------------------------------------------------------------------- */

static bool is_free(struct session *s, void *ctx, struct str answer)
{
    (void)ctx;
    if (answer.n && answer.n <= 64 && str_find(answer, '/') == answer.n && answer.p[0] != '.' && !appliance_row(s, answer))
        return true;
    say(s, "A name of 1 to 64 characters that no appliance has is needed.\n");
    return false;
}

/* "HOST" or "HOST:PORT". */
static bool put_address(struct session *s, struct str name, struct str address)
{
    size_t colon = str_find_last(address, ':');

    if (colon < address.n && str_find(address, ':') == colon) {
        if (!appliance_put(s, name, "port", str_from(address, colon + 1)))
            return false;
        address = str_first(address, colon);
    }
    return appliance_put(s, name, "address", address);
}

static bool put_site(struct session *s, struct str name)
{
    size_t now = appliance_row(s, name)->site;

    return appliance_put(s, name, "site",
                         str_c(sites[ask_one_of(s, "Where is the appliance?", now,
                                                (const char *const[]){"External: not in the data centre of a provider",
                                                                      "Cloud: lets in ports 25 and 587 only", NULL})]));
}

static enum rc op_add(struct session *s, void *ctx)
{
    struct str address, name;
    struct err e = ERR_NONE;
    void *item;

    (void)ctx;
    address = ask_value(s, "Enter the address or name of the appliance:", NULL, ops_host_fits, s);
    name = ask_value(s, "Enter a name to display it by:", NULL, is_free, NULL);
    if (conf_draft_item(session_draft(s), ops_section("appliance"), name, &item, &e) != RC_OK)
        return session_fail(s, &e);
    if (!put_address(s, name, address) || !put_site(s, name))
        return RC_INVALID;
    return appliance_establish(s, name);
}

/* Another address needs Test Connection; another host key, or none yet, needs the connection established again. */
static enum rc op_edit(struct session *s, void *ctx)
{
    struct str name = choose(s), was, now, address;
    uint64_t port;

    (void)ctx;
    if (!name.n)
        return RC_NOT_FOUND;
    was = arena_str(&s->arena, appliance_row(s, name)->address);
    port = appliance_row(s, name)->port;
    address = ask_value(s, "Enter the address or name of the appliance:",
                        arena_printf(&s->arena, "%.*s:%llu", STR(was), (unsigned long long)port).p, ops_host_fits, s);
    now = ops_rename(s, "appliance", "appliance", name);
    if (!put_address(s, now, address) || !put_site(s, now))
        return RC_INVALID;
    if (ask_yes(s, "Establish the connection again?", !appliance_row(s, now)->host_key.n))
        return appliance_establish(s, now);
    if (appliance_row(s, now)->port != port || !str_eqi(appliance_row(s, now)->address, was))
        return appliance_test(s, now);
    return RC_OK;
}

static void forget_peer(struct session *s, struct str serial)
{
    const struct conf *c = session_conf(s);
    struct buf *path = session_buf(s, 4096);

    for (size_t i = 0; serial.n && i < c->cpq_peer.n; i++)
        if (str_eqi(c->cpq_peer.items[i].serial, serial)) {
            conf_path_format(ops_section("cpq_peer"), c->cpq_peer.items[i].name, NULL, path);
            conf_draft_remove(session_draft(s), buf_str(path), NULL);
            return;
        }
}

/* At commit role central tells the gateway, which then forgets our keys. */
static enum rc op_delete(struct session *s, void *ctx)
{
    struct str name = choose(s), serial;
    struct buf *path = session_buf(s, 4096);
    struct err e = ERR_NONE;

    (void)ctx;
    if (!name.n)
        return RC_NOT_FOUND;
    serial = arena_str(&s->arena, appliance_row(s, name)->serial);
    if (serial.n) {
        say(s,
            "Nothing more is fetched from %.*s, its mail for quarantines is refused, keys and certificates are revoked on "
            "both sides. Its data here stays until it is too old.\n",
            STR(name));
        if (!ask_batch(s) && !ask_yes(s, "Are you sure?", false))
            return RC_OK;
        if (appliance_test(s, name) != RC_OK)
            say(s, "It cannot be told now. Enter there: smaconfig delete %.*s\n", STR(session_conf(s)->system.hostname));
    }
    conf_path_format(ops_section("appliance"), name, NULL, path);
    if (conf_draft_remove(session_draft(s), buf_str(path), &e) != RC_OK)
        return session_fail(s, &e);
    forget_peer(s, serial);
    return RC_OK;
}

/* --- the others ---------------------------------------------------------------------------------------------------------
 */

static enum rc op_test(struct session *s, void *ctx)
{
    const struct conf *c = session_conf(s);
    enum rc rc = RC_OK, one;
    struct str name;

    (void)ctx;
    if (arg_is(s, s->taken, "all")) {
        ask_next(s);
        for (size_t i = 0; i < c->appliance.n; i++)
            if ((one = appliance_test(s, c->appliance.items[i].name)) != RC_OK)
                rc = one;
        return rc;
    }
    name = choose(s);
    return name.n ? appliance_test(s, name) : RC_NOT_FOUND;
}

static enum rc op_services(struct session *s, void *ctx)
{
    static const struct {
        const char *field, *question;
    } four[] = {
        {"reporting", "Fetch reporting data from this appliance?"},
        {"tracking", "Fetch message tracking data from this appliance?"},
        {"spam", "Take its spam into the spam quarantine here?"},
        {"pvo", "Take its mail for policy, virus and outbreak quarantines?"},
    };
    struct str name = choose(s);

    (void)ctx;
    if (!name.n)
        return RC_NOT_FOUND;
    if (str_find(arg(s, s->taken), '=') < arg(s, s->taken).n)
        return ops_fields(s, "appliance", name, "reporting tracking spam pvo");
    for (size_t i = 0; i < 4; i++) {
        bool now = str_eqi(field_text(s, ops_section("appliance"), name, four[i].field), str_lit("yes"));

        if (!appliance_put(s, name, four[i].field, ask_yes(s, four[i].question, now) ? str_lit("yes") : str_lit("no")))
            return RC_INVALID;
    }
    return RC_OK;
}

/* Of all, or of the one named. */
static enum rc op_status(struct session *s, void *ctx)
{
    struct str name = arg(s, s->taken);

    if (name.n && appliance_row(s, name)) {
        ask_next(s);
        return session_run(s, "appliance", "contact", arena_str(&s->arena, name).p, NULL);
    }
    list(s, ctx);
    say(s, "Public key of this manager: ");
    say_flush(s);
    session_run(s, "appliance", "key", NULL);
    return session_run(s, "appliance", "contact", NULL);
}

static enum rc op_port(struct session *s, void *ctx)
{
    struct str name = choose(s);
    uint64_t port;

    (void)ctx;
    if (!name.n)
        return RC_NOT_FOUND;
    port = ask_number(s, "Enter the SSH port:", appliance_row(s, name)->port, 1, 65535);
    return appliance_put(s, name, "port", arena_printf(&s->arena, "%llu", (unsigned long long)port)) ? RC_OK : RC_INVALID;
}

static enum rc op_disconnect(struct session *s, void *ctx)
{
    struct str name = choose(s);
    bool off;

    (void)ctx;
    if (!name.n)
        return RC_NOT_FOUND;
    off = !appliance_row(s, name)->disconnected;
    say(s,
        off ? "Nothing is fetched from %.*s from the commit on; its data stays.\n"
            : "Fetching from %.*s goes on from the commit on.\n",
        STR(name));
    return appliance_put(s, name, "disconnected", off ? str_lit("yes") : str_lit("no")) ? RC_OK : RC_INVALID;
}

static enum rc op_link(struct session *s, void *ctx)
{
    static const char *const policies[] = {"off", "prefer", "only", NULL};
    struct str name = choose(s);

    (void)ctx;
    if (!name.n)
        return RC_NOT_FOUND;
    return appliance_put(s, name, "link",
                         str_c(policies[ask_one_of(s, "Choose the link policy:", appliance_row(s, name)->link, policies)]))
               ? RC_OK
               : RC_INVALID;
}

enum rc cmd_applianceconfig(struct session *s)
{
    static const struct op rows[] = {
        {"ADD", "Add an appliance", false, op_add},
        {"EDIT", "Edit an appliance, establish its connection again", true, op_edit},
        {"DELETE", "Remove an appliance", true, op_delete},
        {"TEST", "Test the connection to an appliance", true, op_test},
        {"SERVICES", "Choose the services of an appliance", true, op_services},
        {"STATUS", "Show the state of all appliances", false, op_status},
        {"PORT", "Set the SSH port of an appliance", true, op_port},
        {"DISCONNECT", "Stop fetching from an appliance, or go on", true, op_disconnect},
        {"LINK", "Set whether an appliance opens the connection", true, op_link},
    };
    static const struct ops ops = {rows, sizeof rows / sizeof *rows, list, count};

    return ops_talk(s, &ops, NULL);
}
