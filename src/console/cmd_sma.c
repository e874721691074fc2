/*
 * smaconfig on a gateway: the managers it is enrolled with (spec/cli.md 10, spec/central.md 3); `smaconfig enrol`, by which
 * a manager that logged in as administrator enrols itself.
 *
 * Called through spec/verbs.def. Changes are staged, but for `enrol`, which is the manager's: one line with its card on the
 * input, `OK {card}` or `ERR code text` as answer. Owns nothing.
 */
#include "conf/hidden.h"
#include "console/commands.h"
#include "console/ops.h"

enum { KEY_MOST = 4000 };

static const struct conf_manager *find(const struct session *s, struct str name)
{
    return conf_find(&session_conf(s)->manager, name);
}

static size_t count(const struct session *s, void *ctx)
{
    (void)ctx;
    return session_conf(s)->manager.n;
}

static void list(struct session *s, void *ctx)
{
    const struct conf *c = session_conf(s);

    (void)ctx;
    if (c->manager.n == 0)
        say(s, "This appliance is enrolled with no manager.\n");
    for (size_t i = 0; i < c->manager.n; i++) {
        const struct conf_manager *m = &c->manager.items[i];

        say(s, "%zu. %.*s - %.*s, %s%.*s%s%s\n", i + 1, STR(m->name), STR(m->address.n ? m->address : str_lit("no address")),
            m->serial.n ? "serial number " : "not enrolled yet", STR(m->serial),
            m->destination ? "; quarantined mail goes there" : "",
            m->link == 0   ? ""
            : m->link == 1 ? "; link preferred"
                           : "; link only");
    }
}

static bool put(struct session *s, struct str name, const char *field, struct str value)
{
    return field_put(s, ops_section("manager"), name, field, value);
}

static bool is_free(struct session *s, void *ctx, struct str answer)
{
    (void)ctx;
    if (answer.n && answer.n <= 64 && !find(s, answer))
        return true;
    say(s, "A name of 1 to 64 characters that no manager has is needed.\n");
    return false;
}

/* TYPE BASE64 [COMMENT]: the comment goes. */
static bool is_key(struct session *s, void *ctx, struct str answer)
{
    struct str rest = answer, type, blob;

    (void)ctx;
    if (answer.n <= KEY_MOST && str_word(&rest, &type) && str_word(&rest, &blob) &&
        (str_starts(type, str_lit("ssh-")) || str_starts(type, str_lit("ecdsa-"))) && str_starts(blob, str_lit("AAAA")))
        return true;
    say(s, "The public key is one line: TYPE KEY [COMMENT], as the manager prints it.\n");
    return false;
}

static enum rc make(struct session *s, struct str name)
{
    bool first = !conf_destination(session_conf(s));
    struct err e = ERR_NONE;
    void *item;

    if (conf_draft_item(session_draft(s), ops_section("manager"), name, &item, &e) != RC_OK)
        return session_fail(s, &e);
    return put(s, name, "destination", first ? str_lit("yes") : str_lit("no")) ? RC_OK : RC_INVALID;
}

static enum rc op_add(struct session *s, void *ctx)
{
    struct str name, key, type, blob;

    (void)ctx;
    name = ask_value(s, "Enter a name for the manager:", NULL, is_free, NULL);
    key = ask_value(s, "Enter the public key of the manager:", NULL, is_key, NULL);
    str_word(&key, &type);
    str_word(&key, &blob);
    TRY(make(s, name));
    if (!put(s, name, "ssh_key", arena_printf(&s->arena, "%.*s %.*s", STR(type), STR(blob))))
        return RC_INVALID;
    say(s, "The manager may log in with this key once it is committed; establish the connection there then.\n");
    return RC_OK;
}

/* Not staged: the link has to be opened before anything can be said of the manager. */
static enum rc op_link(struct session *s, void *ctx)
{
    struct str words[5] = {str_lit("enrol"), str_lit("link")};
    struct buf *text = session_buf(s, 1 << 20);
    struct err e = ERR_NONE;
    enum rc rc;

    (void)ctx;
    words[2] = ask_value(s, "Enter a name for the manager:", NULL, NULL, NULL);
    words[3] = ask_value(s, "Enter the address or name of the manager:", NULL, ops_host_fits, NULL);
    words[4] = ask_value(s, "Enter the link token:", NULL, NULL, NULL);
    if (session_staged(s)) {
        say(s, "There are changes that are not committed; commit or clear them first.\n");
        return RC_CONFLICT;
    }
    rc = session_ask(s, words, 5, text, NULL);
    say_str(s, buf_str(text));
    return session_refresh(s, &e) == RC_OK ? rc : session_fail(s, &e);
}

static enum rc op_edit(struct session *s, void *ctx)
{
    struct str name = ops_choose(s, "Choose the manager:", "manager", STR_NONE), address;

    (void)ctx;
    if (!name.n)
        return RC_NOT_FOUND;
    address = ask_value(s, "Enter the address or name of the manager:", arena_str(&s->arena, find(s, name)->address).p,
                        ops_host_fits, NULL);
    return put(s, name, "address", address) ? RC_OK : RC_INVALID;
}

static enum rc op_list(struct session *s, void *ctx)
{
    if (ask_batch(s))
        list(s, ctx);
    return RC_OK;
}

/* Its key and its certificate are taken no more from the commit on. */
static enum rc op_delete(struct session *s, void *ctx)
{
    struct str name = ops_choose(s, "Choose the manager:", "manager", STR_NONE), serial;
    struct buf *path = session_buf(s, 4096);
    const struct conf *c;
    struct err e = ERR_NONE;

    (void)ctx;
    if (!name.n)
        return RC_NOT_FOUND;
    if (find(s, name)->destination)
        say(s, "Quarantined mail goes to this manager: it waits here until another one is promoted or the quarantines are "
               "local.\n");
    if (!ask_batch(s) && !ask_yes(s, "Its keys and certificate are revoked. Are you sure?", false))
        return RC_OK;
    serial = arena_str(&s->arena, find(s, name)->serial);
    conf_path_format(ops_section("manager"), name, NULL, path);
    if (conf_draft_remove(session_draft(s), buf_str(path), &e) != RC_OK)
        return session_fail(s, &e);
    c = session_conf(s);
    for (size_t i = 0; serial.n && i < c->cpq_peer.n; i++)
        if (str_eqi(c->cpq_peer.items[i].serial, serial)) {
            buf_clear(path);
            conf_path_format(ops_section("cpq_peer"), c->cpq_peer.items[i].name, NULL, path);
            conf_draft_remove(session_draft(s), buf_str(path), NULL);
            break;
        }
    return RC_OK;
}

/* One at most is where quarantined mail goes. */
static enum rc op_promote(struct session *s, void *ctx)
{
    struct str name = ops_choose(s, "Choose the manager for quarantined mail:", "manager", STR_NONE);

    (void)ctx;
    if (!name.n)
        return RC_NOT_FOUND;
    for (size_t i = 0; i < session_conf(s)->manager.n; i++) {
        struct str other = arena_str(&s->arena, session_conf(s)->manager.items[i].name);

        if (!put(s, other, "destination", str_eqi(other, name) ? str_lit("yes") : str_lit("no")))
            return RC_INVALID;
    }
    say(s, "Quarantined mail goes to %.*s from the commit on.\n", STR(name));
    return RC_OK;
}

static enum rc enrol(struct session *s)
{
    struct buf *text = session_buf(s, 1 << 20), *json = session_buf(s, 1 << 20);
    struct str words[2] = {str_lit("enrol")};
    enum rc rc;

    if (!session_line(s, &s->arena, STR_NONE, true, &words[1]))
        return session_usage(s);
    rc = session_ask(s, words, 2, text, json);
    if (rc == RC_OK)
        say(s, "OK %.*s\n", STR(buf_str(json)));
    else
        say(s, "ERR %d %.*s\n", rc == RC_NOT_IMPLEMENTED ? 505 : rc_info(rc)->http, STR(str_trim(buf_str(text))));
    return rc;
}

enum rc cmd_smaconfig(struct session *s)
{
    static const struct op rows[] = {
        {"ADD", "Enter a manager and its public key", false, op_add},
        {"LINK", "Enrol with a manager by its link token", false, op_link},
        {"EDIT", "Change the address of a manager", true, op_edit},
        {"LIST", "List the managers", false, op_list},
        {"DELETE", "Remove a manager", true, op_delete},
        {"PROMOTE", "Choose the manager for quarantined mail", true, op_promote},
    };
    static const struct ops ops = {rows, sizeof rows / sizeof *rows, list, count};

    if (arg_is(s, 0, "enrol"))
        return enrol(s);
    return ops_talk(s, &ops, NULL);
}
