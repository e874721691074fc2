/*
 * Host keys of servers that logs are pushed to. See log_hostkeys.h.
 *
 * Called by cmd_logconfig.c. Owns nothing. A key is pasted, or taken from what a server offered when a log was pushed to it;
 * nothing is trusted before the operator said so.
 */
#include "console/log_hostkeys.h"

#include "console/ops.h"
#include "push/hostkey.h"
#include "smtp/base64.h"

enum { OFFERED_MAX = 64, LINE_MAX = 4000 };

static struct strs known(const struct session *s)
{
    return session_conf(s)->ssh.known_hosts;
}

/* "ssh-ed25519 AAAA... comment": the base64 begins with the type, RFC 4253 6.6. */
static bool key_fits(struct session *s, void *ctx, struct str answer)
{
    struct str rest = answer, type, base64, octets;
    struct str *out = ctx;

    if (str_word(&rest, &type) && str_word(&rest, &base64) && base64_decode(&s->arena, base64, &octets, NULL) == RC_OK &&
        octets.n > 4 + type.n && !octets.p[0] && str_starts(str_from(octets, 4), type)) {
        out[0] = type;
        out[1] = base64;
        return true;
    }
    say(s, "That is no host key: TYPE BASE64, such as a line of ssh-keyscan without its first word.\n");
    return false;
}

static enum rc add(struct session *s, struct str line)
{
    for (size_t i = 0; i < known(s).n; i++) {
        if (str_eq(known(s).items[i], line)) {
            say(s, "This key is known already.\n");
            return RC_OK;
        }
    }
    if (!ops_put_list(s, "ssh", "known_hosts", ops_with(s, known(s), SIZE_MAX, line)))
        return RC_INVALID;
    say(s, "Host key added.\n");
    return RC_OK;
}

/* What servers offered to role push and was not known: `"offered_host_key":"LINE"`. */
static struct strs offered(struct session *s)
{
    static const struct str mark = {"\"offered_host_key\":\"", 20};
    struct str *items = arena_must_alloc(&s->arena, OFFERED_MAX * sizeof *items), rest;
    struct buf *json = session_buf(s, 1 << 20);
    size_t n = 0;

    session_call(s, NULL, json, "logpush", "status", NULL);
    rest = buf_str(json);
    while (n < OFFERED_MAX) {
        size_t at = str_find_str(rest, mark);

        if (at == rest.n)
            break;
        rest = str_from(rest, at + mark.n);
        items[n] = str_first(rest, str_find(rest, '"'));
        if (items[n].n && items[n].n < LINE_MAX)
            n++;
    }
    return (struct strs){items, n};
}

static enum rc op_scan(struct session *s, void *ctx)
{
    struct strs list = offered(s);
    size_t at;

    (void)ctx;
    if (list.n == 0) {
        say(s, "No server has offered a key that is not known. Commit a subscription with SCP Push; its first try shows the "
               "key.\n");
        return ask_batch(s) ? RC_NOT_FOUND : RC_OK;
    }
    at = ops_pick_line(s, "Compare with the server's own list. Enter the number of the host key you want to add:", list);
    return add(s, list.items[at]);
}

static enum rc op_new(struct session *s, void *ctx)
{
    struct str host = ask_value(s, "Enter the hostname:", NULL, ops_host_fits, NULL), key[2];
    uint64_t port = ask_number(s, "Enter the port of the SSH server:", 22, 1, 65535);
    struct buf *line = session_buf(s, LINE_MAX);
    struct str given = STR_NONE;

    (void)ctx;
    if (ask_left(s) > 1) { /* type and base64 as two words, a comment is dropped */
        struct str type = ask_next(s), base64 = ask_next(s);

        given = arena_printf(&s->arena, "%.*s %.*s", STR(type), STR(base64));
        s->taken = s->args.n;
        if (!key_fits(s, key, given))
            return RC_INVALID;
    } else {
        ask_value(s, "Enter the public SSH host key (type and base64):", NULL, key_fits, key);
    }
    hostkey_line(host, (uint16_t)port, key[0], key[1], line);
    return add(s, str_trim(buf_str(line)));
}

static enum rc op_delete(struct session *s, void *ctx)
{
    size_t at = ops_pick_line(s, "Enter the number of the host key you want to delete:", known(s));

    (void)ctx;
    if (!ops_put_list(s, "ssh", "known_hosts", ops_with(s, known(s), at, STR_NONE)))
        return RC_INVALID;
    say(s, "Host key deleted.\n");
    return RC_OK;
}

static void show(struct session *s, void *ctx)
{
    struct strs list = known(s);

    (void)ctx;
    say(s, list.n ? "Currently installed host keys:\n" : "There are no host keys.\n");
    for (size_t i = 0; i < list.n; i++) {
        struct str rest = list.items[i], host = STR_NONE, type = STR_NONE;

        str_word(&rest, &host);
        str_word(&rest, &type);
        rest = str_trim(rest);
        say(s, "%zu. %.*s %.*s ...%.*s\n", i + 1, STR(host), STR(type), STR(str_from(rest, rest.n > 16 ? rest.n - 16 : 0)));
    }
}

static enum rc op_print(struct session *s, void *ctx)
{
    (void)ctx;
    for (size_t i = 0; i < known(s).n; i++)
        say(s, "%.*s\n", STR(known(s).items[i]));
    return RC_OK;
}

static enum rc op_user(struct session *s, void *ctx)
{
    (void)ctx;
    return session_run(s, "pushkey", NULL);
}

static size_t count(const struct session *s, void *ctx)
{
    (void)ctx;
    return known(s).n;
}

enum rc log_hostkeys(struct session *s, void *ctx)
{
    static const struct op rows[] = {
        {"NEW", "Add a new key", false, op_new},
        {"DELETE", "Remove a key", true, op_delete},
        {"SCAN", "Add a key that a server has offered", false, op_scan},
        {"PRINT", "Display the keys", true, op_print},
        {"USER", "Display the key that SCP Push logs in with", false, op_user},
    };
    static const struct ops ops = {rows, sizeof rows / sizeof *rows, show, count};

    (void)ctx;
    return ops_talk(s, &ops, NULL);
}
