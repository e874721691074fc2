/*
 * quarantine, spamquarantine, quarantineconfig (spec/cli.md 12.5).
 *
 * Called through spec/verbs.def. The quarantine does the work; here is the question before more than one message is decided,
 * and the menu of settings. `-y` answers it beforehand.
 */
#include "console/ask.h"
#include "console/commands.h"
#include "console/menu.h"

static bool decides(const struct session *s)
{
    static const char *const verbs[] = {"release", "delete", "delay", "move", "copy"};

    for (size_t i = 0; i < sizeof verbs / sizeof *verbs; i++)
        if (arg_is(s, 0, verbs[i]))
            return true;
    return false;
}

/* The words that choose messages: behind the verb, and behind what delay, move and copy take. */
static size_t selector_from(const struct session *s)
{
    return arg_is(s, 0, "release") || arg_is(s, 0, "delete") ? 1 : 2;
}

static bool answered_beforehand(const struct session *s)
{
    for (size_t i = 1; i < s->args.n; i++)
        if (arg_is(s, i, "-y"))
            return true;
    return false;
}

/* How many it would meet; RC_OK and 0 when that cannot be said: then the verb itself says why. */
static uint64_t count(struct session *s)
{
    struct buf *text = session_buf(s, 4096);
    size_t from = selector_from(s), n = 0;
    struct str *words = arena_array(&s->arena, struct str, s->args.n + 2);
    uint64_t found = 0;

    if (!words)
        return 0;
    words[n++] = str_c(s->running->name);
    words[n++] = str_lit("count");
    for (size_t i = from; i < s->args.n; i++)
        words[n++] = s->args.items[i];
    if (session_ask(s, words, n, text, NULL) != RC_OK || !str_u64(str_trim(buf_str(text)), &found))
        return 0;
    return found;
}

/* The words of the line choose messages: none of them is the answer. */
static bool confirmed(struct session *s)
{
    size_t taken = s->taken;
    bool yes;

    s->taken = s->args.n;
    yes = ask_yes(s, "Are you sure?", false);
    s->taken = taken;
    return yes;
}

enum rc cmd_quarantine(struct session *s)
{
    uint64_t n;

    if (!s->args.n)
        return session_usage(s);
    if (!decides(s) || answered_beforehand(s))
        return cmd_plain(s);
    n = count(s);
    if (n > 1) {
        say(s, "%llu messages are chosen.\n", (unsigned long long)n);
        if (!confirmed(s))
            return RC_OK;
    }
    return cmd_plain(s);
}

/* Most of it comes from the mail policies; here is the longest time and what then. */
static enum rc outbreak_manage(struct session *s)
{
    static const char *const actions[] = {"Delete", "Release", NULL};
    struct str time = ask_value(s, "How long is mail held in the Outbreak quarantine at most?", "24h", NULL, NULL);

    if (!session_set(s, "quarantine[Outbreak].retention_ms", time))
        return RC_INVALID;
    return session_set(s, "quarantine[Outbreak].action",
                       ask_one_of(s, "What happens then?", 1, actions) ? str_lit("release") : str_lit("delete"))
               ? RC_OK
               : RC_INVALID;
}

enum rc cmd_quarantineconfig(struct session *s)
{
    static const struct menu_more more[] = {{"OUTBREAKMANAGE", "Set up the Outbreak quarantine", outbreak_manage}};

    return menu_talk(s, menu_find("quarantineconfig"), more, 1);
}
