/*
 * The bounce profile of a piece: the one that filters gave its message, else that of its destination. See state.h.
 *
 * Called by outcome.c and bounce.c. Owns nothing. A profile that is gone counts as not given; `default` always exists.
 */
#include "queue/state.h"

#include "base/must.h"
#include "mail/carried.h"

struct str kept_of(const struct queue *q, const struct message *m)
{
    const struct kept *k = m->kept ? slab_at(&q->kept, m->kept) : NULL;

    return k ? str_of(k->p, k->n) : STR_NONE;
}

const struct conf_bounce_profile *profile_named(struct queue *q, struct str name)
{
    const struct conf *c = conf_now(q->conf);
    const struct conf_bounce_profile *p = conf_find(&c->bounce_profile, name);

    p = p ? p : conf_find(&c->bounce_profile, str_lit("default"));
    must(p);
    return p;
}

static struct str given(struct queue *q, uint32_t piece)
{
    struct str octets = kept_of(q, message_at(q, piece_at(q, piece)->message));
    struct carried c = {0};

    if (!octets.n || carried_decode(octets, &c, NULL) != RC_OK || !c.bounce_profile.n)
        return STR_NONE;
    return conf_find(&conf_now(q->conf)->bounce_profile, c.bounce_profile) ? c.bounce_profile : STR_NONE;
}

const struct conf_bounce_profile *profile_of(struct queue *q, uint32_t piece)
{
    struct str name = given(q, piece);

    return profile_named(q, name.n ? name : str_c(destination_at(q, piece_at(q, piece)->destination)->profile));
}

struct retry_rule profile_rule(struct queue *q, uint32_t piece)
{
    struct retry_rule rule = destination_at(q, piece_at(q, piece)->destination)->retry;
    /* What is on its way to a quarantine waits as long as it takes, whatever a filter said. */
    struct str name = destination_at(q, piece_at(q, piece)->destination)->keeps ? STR_NONE : given(q, piece);
    const struct conf_bounce_profile *p = name.n ? profile_named(q, name) : NULL;

    if (p)
        rule = (struct retry_rule){p->retry_first_ms, p->retry_max_ms, p->max_age_ms, p->max_tries, rule.down_first_ms};
    return rule;
}
