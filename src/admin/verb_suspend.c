/*
 * suspend, suspendlistener, suspenddel, resume, resumelistener (cli.md 7.3).
 *
 * Called through spec/verbs.def. Suspended listeners are a setting (receiving.suspended), so that the state survives a
 * restart and every receive process obeys it; the processes are asked besides: they answer when what was open has ended,
 * after the delay by force. Suspended delivery is queue's own state.
 */
#include "admin/verbs.h"
#include "conf/hidden.h"

#include "conf/snapshot.h"

#include <string.h>

enum { DELAY_S = 30, DELAY_MOST_S = 3600, CLOSING_S = 30 };

/* The names in "[DELAY] [NAMES|all]", in either order: digits are the delay. They may come as one list with commas. */
static struct strs names_of(struct verb_call *c, uint64_t *delay_out)
{
    struct str *names = arena_must_alloc(&c->arena, 1000 * sizeof *names);
    size_t n = 0;

    for (size_t i = 0; i < c->args.n; i++) {
        struct str rest = c->args.items[i], name;

        if (str_u64(rest, delay_out))
            continue;
        while (str_split(&rest, ',', &name) && n < 1000) {
            if (str_trim(name).n)
                names[n++] = str_trim(name);
        }
    }
    if (n == 0)
        names[n++] = str_lit("all");
    return (struct strs){names, n};
}

static bool named(const struct strs *list, struct str name)
{
    for (size_t i = 0; i < list->n; i++) {
        if (str_eqi(list->items[i], name))
            return true;
    }
    return false;
}

/* In no list, suspended by name or with all. */
static size_t hidden_listeners(const struct conf *c, struct str out[2])
{
    size_t n = 0;

    if (conf_listens_cpq(c))
        out[n++] = str_lit("cpq_listener");
    if (conf_listens_euq(c))
        out[n++] = str_lit("euq_listener");
    return n;
}

static bool is_hidden(const struct conf *c, struct str name)
{
    struct str hidden[2];
    size_t n = hidden_listeners(c, hidden);

    for (size_t i = 0; i < n; i++)
        if (str_eqi(name, hidden[i]))
            return true;
    return false;
}

static enum rc check_listeners(const struct conf *c, const struct strs *names, struct err *e)
{
    for (size_t i = 0; i < names->n; i++) {
        if (!str_eqi(names->items[i], str_lit("all")) && !is_hidden(c, names->items[i]) &&
            !conf_find(&c->listener, names->items[i]))
            return err_set(e, RC_NOT_FOUND, "Listener \"%.*s\" does not exist", STR(str_first(names->items[i], 100)));
    }
    return RC_OK;
}

/* receiving.suspended as it is after suspending (or resuming) these listeners, as a list with commas. */
static struct str new_list(struct verb_call *c, const struct strs *names, bool suspend)
{
    const struct conf *now = &c->admin->current->conf;
    const struct strs *old = &now->receiving.suspended;
    bool all = named(names, str_lit("all")), was_all = named(old, str_lit("all"));
    struct buf b = BUF(1 << 20);
    struct str out, hidden[2];
    size_t n_hidden = hidden_listeners(now, hidden);

    if (all) {
        buf_done(&b);
        return suspend ? str_lit("all") : str_lit("");
    }
    if (was_all && suspend) {
        buf_done(&b);
        return str_lit("all");
    }
    for (size_t i = 0; i < now->listener.n + n_hidden; i++) {
        struct str name = i < now->listener.n ? now->listener.items[i].name : hidden[i - now->listener.n];
        bool off = named(names, name) ? suspend : was_all || named(old, name);

        if (off && b.n)
            buf_addc(&b, ',');
        for (size_t j = 0; off && j < name.n; j++) {
            if (name.p[j] == ',' || name.p[j] == '\\')
                buf_addc(&b, '\\');
            buf_addc(&b, name.p[j]);
        }
    }
    out = arena_str(&c->arena, buf_str(&b));
    buf_done(&b);
    return out;
}

static enum rc set_suspended(struct verb_call *c, const struct strs *names, bool suspend, struct err *e)
{
    struct conf_draft *d;
    uint64_t version;
    enum rc rc;

    TRY(check_listeners(&c->admin->current->conf, names, e));
    d = conf_draft_copy(&c->admin->current->conf);
    if (!d)
        return err_set(e, RC_NO_MEMORY, "no memory");
    rc = conf_draft_set(d, str_lit("receiving.suspended"), new_list(c, names, suspend), e);
    if (rc == RC_OK)
        rc = store_commit(c->admin, d, c->user, str_c(c->verb->name), true, &version, NULL, e);
    if (rc != RC_OK)
        conf_draft_free(d);
    else if (suspend)
        event(c->admin->events, receiving_suspended, .user = c->user);
    else
        event(c->admin->events, receiving_resumed, .user = c->user);
    return rc;
}

/* Roles answer a suspension when what is open has ended, at the latest some time after the delay. */
static uint64_t patience_ms(uint64_t delay_s)
{
    return ((delay_s < DELAY_MOST_S ? delay_s : DELAY_MOST_S) + CLOSING_S) * 1000;
}

static bool receiving(struct verb_call *c, bool suspend)
{
    uint64_t delay_s = DELAY_S;
    struct strs names = names_of(c, &delay_s);
    struct err e = ERR_NONE;
    struct str *args;

    if (set_suspended(c, &names, suspend, &e) != RC_OK) {
        verb_fail(c, &e);
        return false;
    }
    c->ask_ms = patience_ms(delay_s);
    args = arena_must_alloc(&c->arena, (names.n + 1) * sizeof *args);
    args[0] = arena_printf(&c->arena, "%llu", (unsigned long long)delay_s);
    memcpy(args + 1, names.items, names.n * sizeof *args);
    if (!conf_receives(&c->admin->current->conf))
        buf_add(&c->text, suspend ? str_lit("Receiving suspended.\n") : str_lit("Receiving resumed.\n"));
    verb_ask(c, ROLE_receive, suspend ? "suspendlistener" : "resumelistener",
             suspend ? (struct strs){args, names.n + 1} : names);
    return true;
}

void verb_suspendlistener(struct verb_call *c)
{
    if (receiving(c, true))
        verb_wait(c);
}

void verb_resumelistener(struct verb_call *c)
{
    if (receiving(c, false))
        verb_wait(c);
}

void verb_suspenddel(struct verb_call *c)
{
    uint64_t delay_s = DELAY_S;

    names_of(c, &delay_s);
    c->ask_ms = patience_ms(delay_s);
    verb_ask(c, ROLE_queue, "suspenddel", c->args);
    verb_wait(c);
}

void verb_suspend(struct verb_call *c)
{
    uint64_t delay_s;

    if (c->args.n > 1 || (c->args.n && !str_u64(c->args.items[0], &delay_s))) {
        verb_usage(c);
        return;
    }
    if (!receiving(c, true))
        return;
    verb_ask(c, ROLE_queue, "suspenddel", c->args);
    verb_wait(c);
}

void verb_resume(struct verb_call *c)
{
    if (c->args.n) {
        verb_usage(c);
        return;
    }
    if (!receiving(c, false))
        return;
    verb_ask(c, ROLE_queue, "resumedel", c->args);
    verb_wait(c);
}

/* args: shutdown | reboot. The reply may be the last thing that leaves this process. */
void verb_halt(struct verb_call *c)
{
    bool again = c->args.n == 1 && str_eq(c->args.items[0], str_lit("reboot"));

    if (c->args.n != 1 || (!again && !str_eq(c->args.items[0], str_lit("shutdown")))) {
        verb_usage(c);
        return;
    }
    event(c->admin->events, system_halt, .user = c->user, .again = again);
    buf_add(&c->text, again ? str_lit("The system is starting anew.\n") : str_lit("The system is shutting down.\n"));
    if (c->admin->halt)
        c->admin->halt(again);
    verb_end(c, RC_OK);
}
