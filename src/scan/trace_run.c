/*
 * The work queue of a trace: the pipeline over the message, over what it splits off and over what it makes, as queue would
 * show them to scan one after the other; then what becomes of each recipient. See trace.h.
 *
 * Called by trace.c. Owns nothing beyond the trace's arena; each message's events are kept aside for the report. Beyond
 * TRACE_MESSAGES messages the rest is not looked at, and the report says so.
 */
#include "policy/mail_policy.h"
#include "scan/actions.h"
#include "scan/trace_inside.h"

enum { DLP_SHOWN = 200 };

static const char policy_hold[] = "the.cpq.host", spam_hold[] = "the.euq.queue", spam_name[] = "Spam Quarantine";

/* --- one message ------------------------------------------------------------------------------------------------------- */

static void watch(struct scan_world *w, const struct message *m, const struct stage *s)
{
    struct trace *t = (struct trace *)(void *)w;

    for (size_t i = s->resume; i <= RESUME_DELIVER; i++)
        t->running->upto[i] = m->outcome.n_steps;
}

static bool same_step(const struct step *a, const struct step *b)
{
    return str_eq(a->stage, b->stage) && str_eq(a->verdict, b->verdict) && str_eq(a->detail, b->detail);
}

static void add_steps(struct trace_message *x, const struct step *steps, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        bool there = false;

        for (size_t k = 0; k < x->n_steps; k++)
            there |= same_step(&x->steps[k], &steps[i]);
        if (!there)
            x->steps[x->n_steps++] = steps[i];
    }
}

/* What was decided of its parent before it left, then its own. */
static void gather_steps(struct trace *t, struct trace_message *x, const struct step *own, size_t n_own)
{
    size_t most = n_own + (x->parent ? x->parent->n_steps : 0), n = 0;

    x->steps = arena_must_alloc(t->arena, (most + 1) * sizeof *x->steps);
    if (x->parent && x->kind == COPY_REWRITTEN)
        n = x->parent->n_steps;
    else if (x->parent && x->kind <= COPY_SPLIT_SLBL && x->m.carried.resume > RESUME_START)
        n = x->parent->upto[x->m.carried.resume - 1];
    if (x->parent)
        add_steps(x, x->parent->steps, n < x->parent->n_steps ? n : x->parent->n_steps);
    for (size_t i = 0; i <= RESUME_DELIVER; i++)
        x->upto[i] += x->n_steps;
    add_steps(x, own, n_own);
}

static void judge(struct trace *t, struct trace_message *x)
{
    struct events *kept = events_kept_new();
    const struct step *own;
    size_t n_own;

    x->m.events = kept;
    t->running = x;
    x->judged = true;
    pipeline_run(&t->world, &x->m);
    own = x->m.outcome.steps;
    n_own = x->m.outcome.n_steps;
    gather_steps(t, x, own, n_own);
    verdict_make(&x->m, &x->verdict);
    x->log = arena_str(t->arena, events_kept_text(kept));
    x->m.events = NULL;
    events_free(kept);
}

static struct trace_message *message_add(struct trace *t, struct trace_message *parent, uint64_t kind,
                                         const struct envelope *env, struct str body)
{
    struct trace_message *x = arena_must_alloc(t->arena, sizeof *x);

    x->parent = parent;
    x->kind = kind;
    x->env = *env;
    x->m = (struct message){
        .conf = t->conf, .compiled = t->world.compiled, .world = &t->world.calls, .trace = true, .arena = t->arena};
    if (message_init(&x->m, t->arena, body, &x->env, NULL) != RC_OK)
        return NULL;
    *t->last = x;
    t->last = &x->next;
    t->n_messages++;
    return x;
}

/* --- what it makes ----------------------------------------------------------------------------------------------------- */

/* As queue/verdict.c fills the envelope of a child. */
static bool child_envelope(struct trace *t, const struct trace_message *x, const struct verdict_copy *c,
                           struct envelope *env)
{
    struct str indices = c->indices, more = c->recipients, one;
    struct recipient *list;
    uint64_t index;
    size_t n = 0;

    *env = x->env;
    env->icid = 0;
    env->carried = c->carried;
    list = arena_must_alloc(t->arena, ENVELOPE_RECIPIENTS * sizeof *list);
    while (n < ENVELOPE_RECIPIENTS && get_varint(&indices, &index))
        if (index < x->env.n_recipients)
            list[n++] = x->env.recipients[index];
    while (n < ENVELOPE_RECIPIENTS && get_str(&more, &one))
        list[n++] = (struct recipient){.address = one};
    env->recipients = list;
    env->n_recipients = n;
    if (!c->same_sender) {
        env->sender = c->sender;
        env->envid = STR_NONE;
        env->ret = RET_NONE;
    }
    if (c->body.n)
        env->outgoing = 1;
    return n > 0;
}

static void add_children(struct trace *t, struct trace_message *x, const struct verdict_copy *copies, size_t n)
{
    struct envelope env;

    for (size_t i = 0; i < n; i++) {
        const struct verdict_copy *c = &copies[i];
        struct trace_message *child;

        if (t->n_messages == TRACE_MESSAGES) {
            t->more = true;
            return;
        }
        if (!child_envelope(t, x, c, &env))
            continue;
        child = message_add(t, x, c->kind, &env, c->body.n ? c->body : x->m.patch.original);
        if (!child)
            continue;
        child->by = c->by;
        child->filter = c->filter;
        child->verdict.destination = c->destination; /* if it goes to delivery at once */
        if (child->m.carried.resume == RESUME_DELIVER)
            gather_steps(t, child, NULL, 0);
    }
}

/* --- recipients -------------------------------------------------------------------------------------------------------- */

static void name_add(struct trace *t, struct trace_fate *f, struct str name)
{
    struct str *list = arena_must_alloc(t->arena, (f->quarantines.n + 1) * sizeof *list);

    for (size_t i = 0; i < f->quarantines.n; i++) {
        if (str_eqi(f->quarantines.items[i], name))
            return;
        list[i] = f->quarantines.items[i];
    }
    list[f->quarantines.n] = name;
    f->quarantines = (struct strs){list, f->quarantines.n + 1};
}

static void held(struct trace *t, struct trace_message *x, struct trace_fate *f)
{
    const struct outcome *o = &x->m.outcome;
    struct str lines = x->m.carried.holds, line;

    f->action = "quarantine";
    for (size_t i = 0; i < o->n_holds; i++) {
        name_add(t, f, o->holds[i].quarantine);
        f->reason =
            f->reason.n ? arena_printf(t->arena, "%.*s, %.*s", STR(f->reason), STR(o->holds[i].reason)) : o->holds[i].reason;
    }
    while (!x->judged && str_split(&lines, '\n', &line))
        if (line.n)
            name_add(t, f, str_first(line, str_find(line, '\t')));
    if (o->spam_hold.n || str_eq(x->verdict.destination, str_c(spam_hold))) {
        name_add(t, f, str_c(spam_name));
        if (!f->reason.n)
            f->reason = o->spam_hold.n ? o->spam_hold : x->m.carried.spam;
    }
}

static bool is_hold(struct str destination)
{
    return str_eq(destination, str_c(policy_hold)) || str_eq(destination, str_c(spam_hold));
}

static void decide(struct trace *t, struct trace_message *x, struct trace_fate *f)
{
    const struct bus_scan_verdict *v = &x->verdict;

    f->policy = x->m.carried.policy.n ? policy_name_shown(x->m.carried.policy) : STR_NONE;
    f->steps = x->steps;
    f->n_steps = x->n_steps;
    if (v->action == VERDICT_HOLD || is_hold(v->destination)) {
        held(t, x, f);
    } else if (v->action == VERDICT_DROP) {
        f->action = "drop";
        f->reason = x->m.outcome.final_stage;
    } else if (v->action == VERDICT_BOUNCE) {
        f->action = "bounce";
        f->reason = v->text;
    } else if (v->action == VERDICT_LATER) {
        f->action = "wait";
        f->reason = v->text;
    } else {
        f->action = "deliver";
        if (x->m.outcome.final == FINAL_DELIVER)
            f->reason = x->m.outcome.final_stage;
        trace_hop(t, f->address, v->destination.n ? v->destination : x->m.carried.route, f);
    }
}

static void settle(struct trace *t, struct trace_message *x, const struct verdict_copy *copies, size_t n_copies)
{
    bool *gone = arena_must_alloc(t->arena, x->env.n_recipients + 1);
    uint64_t index;

    for (size_t i = 0; i < n_copies; i++) {
        struct str indices = copies[i].indices;

        if (copies[i].kind == COPY_REWRITTEN)
            return; /* it goes on under another number */
        while (copies[i].kind <= COPY_SPLIT_SLBL && get_varint(&indices, &index))
            if (index < x->env.n_recipients)
                gone[index] = true;
    }
    x->fates = arena_must_alloc(t->arena, (x->env.n_recipients + 1) * sizeof *x->fates);
    for (size_t i = 0; i < x->env.n_recipients; i++)
        if (!gone[i]) {
            x->fates[x->n_fates].address = x->env.recipients[i].address;
            decide(t, x, &x->fates[x->n_fates++]);
        }
}

/* A copy that a quarantine gets of a message that goes on belongs to the fate of its recipients. */
static void note_held_copy(struct trace *t, const struct trace_message *copy)
{
    struct trace_message *x = copy->parent;

    for (size_t i = 0; copy->kind == COPY_GENERATED && i < copy->n_fates; i++) {
        if (!str_eq(str_c(copy->fates[i].action), str_lit("quarantine")))
            continue;
        for (size_t k = 0; k < x->n_fates; k++)
            if (str_eqi(x->fates[k].address, copy->fates[i].address))
                for (size_t q = 0; q < copy->fates[i].quarantines.n; q++)
                    name_add(t, &x->fates[k], copy->fates[i].quarantines.items[q]);
    }
}

/* As stage_dlp.c asks, but all policies that are violated, not the first alone. */
static struct dlp_result secrets_of(struct trace *t, struct trace_message *x)
{
    const struct conf_mail_policy *p = x->judged && x->m.policy && x->env.outgoing ? action_policy(&x->m) : NULL;

    if (!p || x->kind == COPY_GENERATED || !p->dlp_policies.n || !action_stage_on(&x->m, p->dlp, true))
        return (struct dlp_result){0};
    return dlp_scan(t->world.compiled->dlp, &x->m, p->dlp_policies);
}

/* DLP hits of every message, each policy once. */
static void look_for_secrets(struct trace *t)
{
    struct dlp_hit *all = arena_must_alloc(t->arena, DLP_SHOWN * sizeof *all);

    for (struct trace_message *x = t->first; x && t->world.compiled && t->world.compiled->dlp; x = x->next) {
        struct dlp_result r = secrets_of(t, x);

        for (size_t i = 0; i < r.n && t->n_dlp < DLP_SHOWN; i++) {
            bool there = false;

            for (size_t k = 0; k < t->n_dlp; k++)
                there |= all[k].policy == r.hits[i].policy;
            if (!there)
                all[t->n_dlp++] = r.hits[i];
        }
    }
    t->dlp = all;
}

void trace_run(struct trace *t)
{
    struct trace_message *x = message_add(t, NULL, TRACE_FIRST, &t->env, t->body);

    t->world.watch = watch;
    for (; x; x = x->next) {
        const struct verdict_copy *copies = NULL;
        size_t n = 0;

        if (x->m.carried.resume != RESUME_DELIVER)
            judge(t, x);
        if (x->judged && x->verdict.action != VERDICT_LATER &&
            verdict_copies_decode(t->arena, x->verdict.copies, &copies, &n, NULL) == RC_OK)
            add_children(t, x, copies, n);
        settle(t, x, copies, n);
        if (x->parent)
            note_held_copy(t, x);
    }
    t->world.watch = NULL;
    look_for_secrets(t);
}
