/*
 * Lists of lines in dialogues, and checks of answers that several of them ask. See ops.h.
 *
 * Called by cmd_*.c. Owns nothing: lists live in the command's arena.
 */
#include "conf/rules.h"
#include "console/ops.h"
#include "net/socket.h"

#include <inttypes.h>

struct strs ops_with(struct session *s, struct strs list, size_t at, struct str line)
{
    struct str *items = arena_must_alloc(&s->arena, (list.n + 1) * sizeof *items);
    size_t n = 0;

    for (size_t i = 0; i < list.n; i++) {
        if (i == at && line.n)
            items[n++] = line;
        else if (i != at)
            items[n++] = list.items[i];
    }
    if (at == SIZE_MAX && line.n)
        items[n++] = line;
    return (struct strs){items, n};
}

bool ops_put_list(struct session *s, const char *section, const char *field, struct strs list)
{
    return field_put(s, ops_section(section), STR_NONE, field, ops_join(s, list));
}

struct picking {
    struct strs list;
    size_t at;
};

static bool pick(struct session *s, void *ctx, struct str answer)
{
    struct picking *p = ctx;
    uint64_t number;

    p->at = SIZE_MAX;
    for (size_t i = 0; i < p->list.n && p->at == SIZE_MAX; i++)
        if (str_eqi(p->list.items[i], answer))
            p->at = i;
    if (p->at == SIZE_MAX && str_u64(answer, &number) && number >= 1 && number <= p->list.n)
        p->at = (size_t)number - 1;
    if (p->at == SIZE_MAX)
        session_missing(s, "Entry", answer);
    return p->at != SIZE_MAX;
}

size_t ops_pick_line(struct session *s, const char *question, struct strs list)
{
    struct picking p = {list, SIZE_MAX};

    for (size_t i = 0; i < list.n && !ask_left(s); i++)
        say(s, "%zu. %.*s\n", i + 1, STR(list.items[i]));
    ask_value(s, question, NULL, pick, &p);
    return p.at;
}

bool ops_mail_fits(struct session *s, void *ctx, struct str answer)
{
    size_t at = str_find_last(answer, '@');

    (void)ctx;
    if (answer.n == 0 || (at > 0 && at + 1 < answer.n && str_find(answer, ' ') == answer.n))
        return true;
    say(s, "\"%.*s\" is not a mail address.\n", STR(str_first(answer, 100)));
    return false;
}

bool ops_host_fits(struct session *s, void *ctx, struct str answer)
{
    size_t colon = str_find(answer, ':');
    struct address_ip ip;
    struct str host = answer;
    uint64_t port = 1;

    if (ip_parse(answer, &ip))
        return true;
    if (ctx && colon < answer.n) {
        host = str_first(answer, colon);
        if (!str_u64(str_from(answer, colon + 1), &port) || port > 65535)
            port = 0;
    }
    for (size_t i = 0; i < host.n; i++) {
        char c = host.p[i];

        if (!ascii_alpha(c) && !ascii_digit(c) && c != '.' && c != '-' && c != '_')
            port = 0;
    }
    if (host.n && host.n < 254 && port)
        return true;
    say(s, "\"%.*s\" is no host name or address.\n", STR(str_first(answer, 100)));
    return false;
}

bool ops_hostname_fits(struct session *s, void *ctx, struct str answer)
{
    size_t labels = 1;

    if (!ops_host_fits(s, NULL, answer))
        return false;
    for (size_t i = 0; i < answer.n; i++)
        labels += answer.p[i] == '.';
    (void)ctx;
    if (answer.p[0] == '.' || answer.p[answer.n - 1] == '.' || str_find_str(answer, str_lit("..")) < answer.n) {
        say(s, "A label of the name is empty.\n");
        return false;
    }
    if (labels >= (session_conf(s)->system.role == 1 ? 3U : 2U))
        return true;
    say(s, "The host name has at least %s labels, such as %s.\n", session_conf(s)->system.role == 1 ? "three" : "two",
        session_conf(s)->system.role == 1 ? "sma1.example.org" : "esa1.example.org");
    return false;
}

bool ops_next_hop_fits(struct session *s, void *ctx, struct str answer)
{
    struct strs list = ops_list(s, answer);

    (void)ctx;
    for (size_t i = 0; i < list.n; i++) {
        if (conf_is_next_hop(list.items[i]))
            continue;
        say(s, "\"%.*s\" is not host, host:port, [address]:port, USEDNS or /dev/null, each with /pri=N if you like.\n",
            STR(str_first(list.items[i], 100)));
        return false;
    }
    return true;
}
