/*
 * Verbs whose state another role owns: the question goes there, its answer is the reply.
 *
 * Called through spec/verbs.def. Suspended listeners are a setting (receiving.suspended), so that the state survives a
 * restart and every receive process obeys it; the processes are asked besides, so that the answer says it is done.
 */
#include "admin/verbs.h"

#include "conf/snapshot.h"

void verb_queue(struct verb_call *c)
{
    verb_ask(c, ROLE_queue, c->verb->name, c->args);
    verb_wait(c);
}

void verb_record(struct verb_call *c)
{
    verb_ask(c, ROLE_record, c->verb->name, c->args);
    verb_wait(c);
}

void verb_dnsflush(struct verb_call *c)
{
    const struct bus_dns_flush m = {.all = 1};

    if (c->admin->bus)
        bus_send_all(c->admin->bus, ROLE_lookup, BUS_dns_flush, &m);
    buf_add(&c->text, str_lit("DNS cache flushed.\n"));
    verb_end(c, RC_OK);
}

/* The names in "[DELAY] [NAMES|all]", in either order: digits are the delay. They may come as one list with commas. Nothing
 * is cut off: sessions that are open end by themselves (receiving.total_ms). */
static struct strs names_of(struct verb_call *c)
{
    struct str *names = arena_must_alloc(&c->arena, 1000 * sizeof *names);
    size_t n = 0;
    uint64_t v;

    for (size_t i = 0; i < c->args.n; i++) {
        struct str rest = c->args.items[i], name;

        if (str_u64(rest, &v))
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

static enum rc check_listeners(const struct conf *c, const struct strs *names, struct err *e)
{
    for (size_t i = 0; i < names->n; i++) {
        if (!str_eqi(names->items[i], str_lit("all")) && !conf_find(&c->listener, names->items[i]))
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
    struct str out;

    if (all) {
        buf_done(&b);
        return suspend ? str_lit("all") : str_lit("");
    }
    if (was_all && suspend) {
        buf_done(&b);
        return str_lit("all");
    }
    for (size_t i = 0; i < now->listener.n; i++) {
        struct str name = now->listener.items[i].name;
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

static bool receiving(struct verb_call *c, bool suspend)
{
    struct strs names = names_of(c);
    struct err e = ERR_NONE;

    if (set_suspended(c, &names, suspend, &e) != RC_OK) {
        verb_fail(c, &e);
        return false;
    }
    verb_ask(c, ROLE_receive, suspend ? "suspendlistener" : "resumelistener", names);
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

void verb_suspend(struct verb_call *c)
{
    if (c->args.n > 1) {
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
