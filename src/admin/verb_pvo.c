/*
 * pvoconfig: state of the policy, virus and outbreak quarantines, here and on the manager (spec/central.md 9, cli.md 10).
 *
 * `status` on a gateway opens the manager's port and asks it (deliver does, by XCPQ STATUS), then tells the hidden listener
 * and what is held here; on a manager what each gateway may. `probe [spam]` asks the manager alone: sessions ask so before
 * they enable the service;
 * `quarantines GATEWAY` asks a gateway which it has. Owns nothing beyond its call. What is asked of the manager is in the
 * log, whatever it answers.
 */
#include "admin/alternate.h"
#include "admin/verbs.h"
#include "base/json.h"
#include "base/json_read.h"
#include "conf/hidden.h"
#include "conf/product.h"

enum { PROBE_MS = 45000 };

/* ---- the hidden listener, as get-config cpq tells it (central.md 4)
 * ------------------------------------------------------- */

static bool is_suspended(const struct conf *c, struct str name)
{
    for (size_t i = 0; i < c->receiving.suspended.n; i++)
        if (str_eqi(c->receiving.suspended.items[i], name) || str_eqi(c->receiving.suspended.items[i], str_lit("all")))
            return true;
    return conf_is_manager(c) && c->central.suspended;
}

static void listener(struct verb_call *c)
{
    const struct conf *now = &c->admin->current->conf;
    struct str name = now->cpq_listener.interface;
    const struct conf_interface *f = name.n             ? conf_find(&now->interface, name)
                                     : now->interface.n ? now->interface.items
                                                        : NULL;

    buf_addf(&c->text, "Listener cpq_listener\n  state:      %s\n",
             !conf_listens_cpq(now)                       ? "off"
             : is_suspended(now, str_lit("cpq_listener")) ? "offline"
                                                          : "listening");
    buf_addf(&c->text, "  interface:  %.*s\n  address:    %.*s\n  port:       %llu\n", STR(f ? f->name : str_lit("-")),
             STR(f && f->address.n ? f->address
                 : f               ? f->address6
                                   : str_lit("-")),
             (unsigned long long)now->cpq_listener.port);
    buf_addf(&c->text, "  serial:     %.*s\n  version:    %s\n", STR(now->system.serial), PRODUCT_RELEASE);
}

/* ---- the manager
 * ---------------------------------------------------------------------------------------------------------- */

static void quarantines(struct verb_call *c, const struct json *j)
{
    const struct json *list = json_get(j, "quarantines");

    buf_add(&c->text, str_lit("  quarantines:"));
    for (const struct json *q = list ? list->first : NULL; q; q = q->next)
        buf_addf(&c->text, "%s %.*s", q == list->first ? "" : ",", STR(json_str_of(q)));
    buf_addc(&c->text, '\n');
}

static uint64_t number_of(const struct json *j, const char *key)
{
    const struct json *v = json_get(j, key);
    uint64_t n = 0;

    if (v)
        str_u64(v->raw, &n);
    return n;
}

static void say_manager(struct verb_call *c, struct str answer)
{
    const struct json *j = NULL;
    struct str state, why;

    if (json_read(&c->arena, answer, &j, NULL) != RC_OK) {
        buf_add(&c->text, str_lit("  the role that asks it is not running, try again\n"));
        return;
    }
    state = json_text_of(j, "state");
    why = json_text_of(j, "reason");
    buf_addf(&c->text, "Manager %.*s (%.*s) port %llu\n  state:      %.*s%s%.*s\n", STR(json_text_of(j, "host")),
             STR(json_text_of(j, "address")), (unsigned long long)number_of(j, "port"), STR(state), why.n ? ": " : "",
             STR(why));
    if (str_eq(state, str_lit("unreachable")))
        return;
    buf_addf(
        &c->text,
        "  migration:  %.*s\n  stored:     %llu messages of this gateway, %llu of them migrated\n  free:       %llu bytes\n",
        STR(json_text_of(j, "migration")), (unsigned long long)number_of(j, "stored"),
        (unsigned long long)number_of(j, "migrated"), (unsigned long long)number_of(j, "free"));
    quarantines(c, j);
}

static void take_probe(struct verb_call *c, const struct bus_verb_reply *r)
{
    c->take = NULL;
    say_manager(c, r->json);
    buf_addc(&c->text, '\n');
    listener(c);
    buf_addc(&c->text, '\n');
    verb_ask(c, ROLE_quarantine, "pvoconfig", (struct strs){0});
}

static void probe(struct verb_call *c, const char *class)
{
    struct str *words = arena_must_alloc(&c->arena, 2 * sizeof *words);

    words[0] = str_lit("probe");
    words[1] = str_c(class);
    c->ask_ms = PROBE_MS;
    verb_ask_one(c, ROLE_deliver, 0, "pvo", (struct strs){words, 2});
}

/* ---- status
 * ---------------------------------------------------------------------------------------------------------------- */

static void say_gateways(struct verb_call *c, const struct conf *now)
{
    static const char *const migrations[] = {"no migration chosen", "migration automatic", "migration custom"};

    for (size_t i = 0; i < now->appliance.n; i++) {
        const struct conf_appliance *a = &now->appliance.items[i];

        buf_addf(&c->text, "Gateway %.*s: %s, %s\n", STR(a->name), a->pvo ? "ticked" : "not ticked",
                 migrations[a->migration < 3 ? a->migration : 0]);
    }
}

static void take_contacts(struct verb_call *c, const struct bus_verb_reply *r)
{
    c->take = NULL;
    alternate_say(c, r->json);
    verb_ask(c, ROLE_quarantine, "pvoconfig", (struct strs){0});
}

static void status(struct verb_call *c)
{
    const struct conf *now = &c->admin->current->conf;
    const struct conf_manager *m = conf_destination(now);

    if (conf_is_manager(now)) {
        buf_addf(&c->text, "Central quarantines: %s\n", now->pvo.enabled ? "enabled" : "not enabled");
        listener(c);
        say_gateways(c, now);
        if (now->pvo.alternate.n) {
            c->take = take_contacts;
            verb_ask(c, ROLE_central, "contact", (struct strs){0});
        } else {
            verb_ask(c, ROLE_quarantine, "pvoconfig", (struct strs){0});
        }
    } else if (m && m->serial.n) {
        buf_addf(&c->text, "Policy, virus and outbreak quarantines are on %s.\n",
                 now->pvo.central ? "the manager" : "this machine");
        c->take = take_probe;
        probe(c, "pvo");
    } else {
        buf_add(&c->text, str_lit("Policy, virus and outbreak quarantines are on this machine; no manager is enrolled for "
                                  "quarantined mail.\n"));
        listener(c);
        verb_ask(c, ROLE_quarantine, "pvoconfig", (struct strs){0});
    }
    verb_wait(c);
}

/* Which quarantines a gateway has, for sessions that choose how they move. */
static void of_gateway(struct verb_call *c, struct str name)
{
    struct str *words = arena_must_alloc(&c->arena, 2 * sizeof *words);

    words[0] = name;
    words[1] = str_lit("quarantines");
    c->ask_ms = PROBE_MS;
    verb_ask(c, ROLE_central, "gateway_config", (struct strs){words, 2});
    verb_wait(c);
}

void verb_pvoconfig(struct verb_call *c)
{
    bool spam = c->args.n == 2 && str_eqi(c->args.items[1], str_lit("spam"));

    if (c->args.n == 0 || (c->args.n == 1 && str_eqi(c->args.items[0], str_lit("status")))) {
        status(c);
    } else if (str_eqi(c->args.items[0], str_lit("probe")) && (c->args.n == 1 || spam)) {
        probe(c, spam ? "spam" : "pvo");
        verb_wait(c);
    } else if (str_eqi(c->args.items[0], str_lit("quarantines")) && c->args.n == 2) {
        of_gateway(c, c->args.items[1]);
    } else {
        verb_usage(c);
    }
}
