/*
 * Relay rules on public listeners. See relay.h.
 *
 * Called by listenerconfig, session.c and commit. Owns nothing; the session keeps marks of what was confirmed. More than its
 * array holds is not remembered: the commit then needs `force`.
 */
#include "console/relay.h"

#include "conf/rules.h"
#include "console/ask.h"
#include "console/hat_text.h"

enum { MOST = sizeof((struct relays *)NULL)->mark / sizeof(uint64_t) };

static uint64_t mark_of(struct str group, struct str listener)
{
    return str_hash_seed(group, str_hashi(listener));
}

static void add(struct relays *r, uint64_t mark)
{
    if (r->n < MOST)
        r->mark[r->n++] = mark;
}

static bool has(const struct relays *r, uint64_t mark)
{
    for (size_t i = 0; i < r->n; i++)
        if (r->mark[i] == mark)
            return true;
    return false;
}

enum rc relay_ask(struct session *s, struct conf_draft *const *before)
{
    struct str group, listener;

    for (size_t i = 0; conf_opens_relay(session_conf(s), &(*before)->conf, i, &group, &listener); i++) {
        say(s,
            "Warning: sender group %.*s lets its members relay through the public listener %.*s. Whoever reaches it from "
            "such "
            "an\naddress sends mail to anywhere. To let users relay from outside, use SMTP AUTH on the public listener "
            "instead "
            "(mail flow\npolicy, setting auth); to let inside hosts relay, use a private listener.\n",
            STR(hat_group_shown(group)), STR(listener));
        if (!ask_yes(s, "Do you want to keep this RELAY rule all the same?", false)) {
            say(s, "The rule was not kept.\n");
            return RC_NOT_PERMITTED;
        }
        add(&s->relay_asked, mark_of(group, listener));
    }
    return RC_OK;
}

void relay_stage(struct session *s)
{
    for (size_t i = 0; i < s->relay_asked.n; i++)
        add(&s->relay_confirmed, s->relay_asked.mark[i]);
    s->relay_asked.n = 0;
}

bool relay_all_confirmed(const struct session *s)
{
    struct str group, listener;
    size_t n = 0;

    for (; conf_opens_relay(&s->work->conf, &s->base->conf, n, &group, &listener); n++)
        if (!has(&s->relay_confirmed, mark_of(group, listener)))
            return false;
    return n > 0;
}
