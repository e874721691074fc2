/*
 * Recording what stages decide. See message.h and outcome.h.
 *
 * Called by actions and stages. Lists grow in the message's arena; beyond their bound `overflow` says so and the message is
 * treated as unscannable.
 */
#include "mail/cpq_meta.h"
#include "policy/message.h"

/* One more in a list of the outcome (`list` points to the member that points to its items); NULL beyond the bound. */
static void *add(struct message *m, void *list, size_t *n, size_t *cap, size_t size)
{
    char *items;

    if (*n == OUTCOME_LIST_MAX || !arena_room(m->arena, list, *n, cap, size)) {
        m->outcome.overflow = true;
        return NULL;
    }
    memcpy(&items, list, sizeof items);
    return items + (*n)++ * size;
}

void message_final(struct message *m, enum final final, struct str stage, struct str bounce_text)
{
    if (m->outcome.final != FINAL_NONE)
        return;
    m->outcome.final = final;
    m->outcome.final_stage = stage;
    m->outcome.bounce_text = bounce_text;
}

void message_hold(struct message *m, const struct hold *h)
{
    struct outcome *o = &m->outcome;
    struct hold *place;

    for (size_t i = 0; i < o->n_holds; i++)
        if (str_eqi(o->holds[i].quarantine, h->quarantine))
            return; /* one entry a quarantine: the first reason stays */
    place = add(m, &o->holds, &o->n_holds, &o->cap_holds, sizeof *o->holds);
    if (place)
        *place = *h;
}

void message_later(struct message *m, struct str why)
{
    m->outcome.later = why.n ? why : str_lit("a scanning engine is not available");
}

struct str message_hold_kind(struct str quarantine)
{
    return str_c(cpq_kind_name(cpq_kind_of(quarantine)));
}

struct str message_hold_lines(struct message *m)
{
    const struct outcome *o = &m->outcome;
    struct str lines = STR_NONE;

    for (size_t i = 0; i < o->n_holds; i++)
        lines = arena_printf(m->arena, "%.*s%.*s\t%.*s\n", STR(lines), STR(o->holds[i].quarantine), STR(o->holds[i].reason));
    return lines;
}

void message_take_holds(struct message *m)
{
    struct str rest = m->carried.holds, line;

    m->carried.holds = STR_NONE;
    while (str_split(&rest, '\n', &line)) {
        size_t tab = str_find(line, '\t'), colon;
        struct hold h = {.quarantine = str_first(line, tab), .reason = str_from(line, tab + 1)};

        if (!h.quarantine.n)
            continue;
        colon = str_find(h.reason, ':');
        h.kind = message_hold_kind(h.quarantine);
        h.rule = str_from(h.reason, colon + 1);
        message_hold(m, &h);
    }
}

void message_spam_hold(struct message *m, struct str verdict, double score)
{
    m->outcome.spam_hold = arena_printf(m->arena, "%.*s %.0f", STR(verdict), score);
}

void message_copy(struct message *m, const struct verdict_copy *c)
{
    struct outcome *o = &m->outcome;
    struct verdict_copy *place = add(m, &o->copies, &o->n_copies, &o->cap_copies, sizeof *o->copies);

    if (place)
        *place = *c;
}

struct step *message_step(struct message *m, struct str stage, struct str verdict, struct str detail)
{
    static struct step nowhere;
    struct outcome *o = &m->outcome;
    struct step *place = add(m, &o->steps, &o->n_steps, &o->cap_steps, sizeof *o->steps);

    if (!place)
        place = &nowhere;
    *place = (struct step){.stage = stage, .verdict = verdict, .detail = detail};
    return place;
}

void message_tag(struct message *m, struct str tag)
{
    m->carried.tags = arena_printf(m->arena, "%.*s%.*s\n", STR(m->carried.tags), STR(tag));
}

bool message_skips(const struct message *m, enum skip what)
{
    return m->carried.skip & what;
}
