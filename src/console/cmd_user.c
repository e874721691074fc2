/*
 * userconfig: local users, their roles, passphrases, keys and the passphrase policy (spec/cli.md 5).
 *
 * Called through spec/verbs.def, by administrators. Changes are staged; passphrases are hashed by control and only the hash
 * enters the working copy. The last administrator cannot be removed, locked or made less.
 */
#include "console/commands.h"
#include "console/menu.h"

#include "conf/value.h"

#include <stdio.h>

static const struct menu users = {"userconfig", "user", "user", "", ""};

static const char *const roles[] = {"Administrator", "Operator",       "Read-Only Operator",    "Guest",
                                    "Technician",    "Help Desk User", "Mail (SMTP AUTH only)", NULL};

static const struct conf_section *section(void)
{
    return conf_section_find(str_lit("user"));
}

static void list(struct session *s)
{
    const struct conf *c = session_conf(s);

    say(s, "\nUsers:\n");
    for (size_t i = 0; i < c->user.n; i++) {
        const struct conf_user *u = &c->user.items[i];

        say(s, "%zu. %.*s - \"%.*s\" (%s)%s\n", i + 1, STR(u->name), STR(u->full_name.n ? u->full_name : u->name),
            u->role == ROLE_ADMINISTRATOR ? "admin" : roles[u->role < 7 ? u->role : ROLE_GUEST], u->locked ? " locked" : "");
    }
}

/* --- names, passphrases ---------------------------------------------------------------------------------------------------
 */

static bool is_user_name(struct session *s, void *ctx, struct str name)
{
    static const char *const reserved[] = {"root", "operator", "service", "manager", "link", "enrol", "nobody", "tunnel",
                                           "ftp",  "daemon",   "postern", "bin",     "sys",  "mail",  "system", "support"};

    (void)ctx;
    for (size_t i = 0; i < sizeof reserved / sizeof *reserved; i++)
        if (str_eqi(name, str_c(reserved[i]))) {
            say(s, "The name %.*s is reserved.\n", STR(name));
            return false;
        }
    for (size_t i = 0; i < name.n; i++)
        if (!ascii_alpha(name.p[i]) && !ascii_digit(name.p[i]) && name.p[i] != '_' && name.p[i] != '-' && name.p[i] != '.') {
            say(s, "A user name holds letters, digits and . _ - only.\n");
            return false;
        }
    if (name.n == 0 || name.n > 32 || name.p[0] == '-' || name.p[0] == '.') {
        say(s, "A user name has 1 to 32 characters and begins with a letter or digit.\n");
        return false;
    }
    if (conf_find(&session_conf(s)->user, name)) {
        say(s, "A user named %.*s exists already.\n", STR(name));
        return false;
    }
    return true;
}

static bool to_hash(struct session *s, void *ctx, struct str passphrase)
{
    struct str words[2] = {str_lit("hash"), passphrase};
    struct buf *text = session_buf(s, 1000);

    if (session_ask(s, words, 2, text, NULL) == RC_OK) {
        *(struct str *)ctx = buf_str(text);
        return true;
    }
    say_str(s, buf_str(text));
    return false;
}

static void ask_passphrase(struct session *s, struct str name, bool must_change)
{
    struct str hash = STR_NONE;

    ask_secret(s, "Enter the passphrase:", to_hash, &hash);
    field_put(s, section(), name, "password", hash);
    field_put(s, section(), name, "must_change", must_change ? str_lit("yes") : str_lit("no"));
}

static void ask_role(struct session *s, struct str name, size_t now)
{
    struct str choice;

    if (conf_choice(conf_setting_find(section(), str_lit("role")), ask_one_of(s, "Assign a role:", now, roles), &choice))
        field_put(s, section(), name, "role", choice);
}

/* A configuration nobody can change any more is not staged. */
static enum rc keep_an_administrator(struct session *s)
{
    const struct conf *c = session_conf(s);

    for (size_t i = 0; i < c->user.n; i++)
        if (c->user.items[i].role == ROLE_ADMINISTRATOR && !c->user.items[i].locked && c->user.items[i].password.n)
            return RC_OK;
    say(s, "At least one administrator who is not locked must remain.\n");
    return RC_INVALID;
}

/* --- operations
 * ------------------------------------------------------------------------------------------------------------- */

static enum rc op_new(struct session *s)
{
    struct str name = ask_value(s, "Enter the new username:", NULL, is_user_name, NULL), full;

    full = ask_value(s, "Enter the full name of the user:", name.p, NULL, NULL);
    if (!field_put(s, section(), name, "full_name", full))
        return RC_INVALID;
    ask_role(s, name, ROLE_GUEST);
    ask_passphrase(s, name, false);
    return RC_OK;
}

static enum rc op_edit(struct session *s)
{
    struct str name = menu_pick(s, &users, "edit");
    const struct conf_user *u = conf_find(&session_conf(s)->user, name);

    field_put(s, section(), name, "full_name",
              ask_value(s, "Enter the full name of the user:", arena_str(&s->arena, u->full_name.n ? u->full_name : name).p,
                        NULL, NULL));
    ask_role(s, name, u->role);
    field_ask(s, section(), name, conf_setting_find(section(), str_lit("smtp_auth")));
    return keep_an_administrator(s);
}

static enum rc op_delete(struct session *s)
{
    struct str name = menu_pick(s, &users, "delete");

    if (str_eqi(name, str_lit("admin"))) {
        say(s, "The user admin cannot be deleted.\n");
        return RC_INVALID;
    }
    if (!ask_yes(s, arena_printf(&s->arena, "Are you sure you want to delete the user %.*s?", STR(name)).p, false))
        return RC_OK;
    menu_delete(s, &users, name);
    return keep_an_administrator(s);
}

static enum rc op_password(struct session *s)
{
    struct str name = menu_pick(s, &users, "give a passphrase");

    ask_passphrase(s, name, ask_yes(s, "Must it be changed at the next login?", true));
    return RC_OK;
}

static enum rc op_role(struct session *s)
{
    struct str name = menu_pick(s, &users, "give a role");

    ask_role(s, name, conf_find(&session_conf(s)->user, name)->role);
    return keep_an_administrator(s);
}

static enum rc op_status(struct session *s)
{
    struct str name = menu_pick(s, &users, "lock or unlock");
    bool locked = conf_find(&session_conf(s)->user, name)->locked;

    if (!ask_yes(s, locked ? "The account is locked. Unlock it?" : "The account is active. Lock it?", false))
        return RC_OK;
    field_put(s, section(), name, "locked", locked ? str_lit("no") : str_lit("yes"));
    return keep_an_administrator(s);
}

static enum rc op_policy(struct session *s)
{
    fields_ask(s, conf_section_find(str_lit("access")), STR_NONE,
               "lockout_tries lockout_ms passphrase_min passphrase_classes passphrase_reuse passphrase_days");
    return RC_OK;
}

/* Public keys of authorized_keys form; one a line. */
static enum rc op_sshkey(struct session *s)
{
    static const char *const ways[] = {"Add a key", "Delete every key", NULL};
    struct str name = menu_pick(s, &users, "give a public key"), key;
    struct buf *all = session_buf(s, 1 << 20);
    const struct conf_user *u = conf_find(&session_conf(s)->user, name);
    size_t n = u->ssh_keys.n;

    for (size_t i = 0; i < n; i++)
        say(s, "%zu. %.*s\n", i + 1, STR(u->ssh_keys.items[i]));
    if (n && ask_one_of(s, "What do you want to do?", 0, ways) == 1)
        return field_put(s, section(), name, "ssh_keys", STR_NONE) ? RC_OK : RC_INVALID;
    key = ask_value(s, "Enter the public key (ssh-ed25519 ..., ecdsa-sha2-..., ssh-rsa ...):", NULL, NULL, NULL);
    if (!str_starts(key, str_lit("ssh-")) && !str_starts(key, str_lit("ecdsa-sha2-"))) {
        say(s, "This is no public key.\n");
        return RC_INVALID;
    }
    buf_add(all, field_text(s, section(), name, "ssh_keys"));
    if (all->n)
        buf_addc(all, ',');
    for (size_t i = 0; i < key.n; i++) {
        if (key.p[i] == ',' || key.p[i] == '\\')
            buf_addc(all, '\\');
        buf_addc(all, key.p[i]);
    }
    return field_put(s, section(), name, "ssh_keys", buf_str(all)) ? RC_OK : RC_INVALID;
}

static const struct {
    struct operation shown;
    enum rc (*run)(struct session *s);
} operations[] = {
    {{"NEW", "Create a new account", false}, op_new},
    {{"EDIT", "Modify an account", false}, op_edit},
    {{"DELETE", "Remove an account", false}, op_delete},
    {{"POLICY", "Change passphrase and lock-out rules", false}, op_policy},
    {{"PASSWORD", "Assign a passphrase", false}, op_password},
    {{"ROLE", "Assign a role", false}, op_role},
    {{"STATUS", "Lock or unlock an account", false}, op_status},
    {{"SSHKEY", "Public keys of an account", false}, op_sshkey},
};
enum { OPERATIONS = sizeof operations / sizeof *operations };

static enum rc step(struct session *s, void *ctx)
{
    return operations[*(size_t *)ctx].run(s);
}

enum rc cmd_userconfig(struct session *s)
{
    struct operation shown[OPERATIONS];
    enum rc rc = RC_OK;
    size_t i;

    for (i = 0; i < OPERATIONS; i++)
        shown[i] = operations[i].shown;
    do {
        if (!ask_batch(s))
            list(s);
        i = ask_operation(s, shown, OPERATIONS);
        rc = i == SIZE_MAX ? RC_OK : session_step(s, step, &i);
    } while (i != SIZE_MAX && !ask_batch(s));
    return rc;
}
