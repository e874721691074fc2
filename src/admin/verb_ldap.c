/*
 * The verbs ldaptest and ldapflush: a query as mail would ask it, and forgetting the answers kept.
 *
 * Called through spec/verbs.def. Owns nothing; lookup does the work.
 */
#include "admin/verbs.h"

#include "base/json.h"
#include "mail/ldap.h"

enum { TEST_MS = 60000, FLUSH_MS = 5000 };

static void show(struct verb_call *c, const struct ldap_answer *a)
{
    static const char *const results[] = {"matched", "did not match", "failed"};

    buf_addf(&c->text, "Result: %s%s%.*s\n", results[a->result], a->why.n ? ": " : "", STR(a->why));
    buf_addf(&c->json, "{\"result\":\"%s\",\"why\":", results[a->result]);
    json_str(&c->json, a->why);
    buf_add(&c->json, str_lit(",\"values\":["));
    for (size_t i = 0; i < a->n; i++) {
        buf_addf(&c->text, "  %.*s: %.*s\n", STR(a->values[i].name), STR(a->values[i].value));
        buf_add(&c->json, i ? str_lit(",[") : str_lit("["));
        json_str(&c->json, a->values[i].name);
        buf_addc(&c->json, ',');
        json_str(&c->json, a->values[i].value);
        buf_addc(&c->json, ']');
    }
    buf_add(&c->json, str_lit("]}"));
    c->rc = a->result == LDAP_TEMPORARY ? RC_UNAVAILABLE : RC_OK;
}

static void answered(void *ctx, enum rc rc, const void *msg)
{
    struct verb_call *c = ctx;
    const struct bus_ldap_answers *m = msg;
    const struct ldap_answer *list;
    size_t n;

    if (rc == RC_OK && ldap_answers_decode(&c->arena, m->answers, &list, &n) == RC_OK && n == 1) {
        show(c, list);
    } else {
        c->rc = RC_UNAVAILABLE;
        buf_add(&c->text, str_lit("The look-up service does not answer.\n"));
    }
    verb_wait(c);
}

/* args: QUERY ADDRESS [GROUP [PASSPHRASE]] */
void verb_ldaptest(struct verb_call *c)
{
    struct bus_peer *lookup = c->admin->bus ? bus_peer(c->admin->bus, ROLE_lookup, 0) : NULL;
    struct ldap_question q = {0};
    struct buf b = BUF(64 << 10);

    if (c->args.n < 2 || c->args.n > 4 || !c->admin->bus) {
        verb_usage(c);
        return;
    }
    q.query = c->args.items[0];
    q.address = c->args.items[1];
    if (c->args.n > 2)
        q.group = c->args.items[2];
    if (c->args.n > 3)
        q.password = c->args.items[3];
    ldap_questions_encode(&q, 1, &b);
    c->waiting++;
    bus_call(c->admin->bus, lookup, BUS_ldap_questions, &(struct bus_ldap_questions){.questions = buf_str(&b)}, TEST_MS,
             answered, c);
    buf_done(&b);
    verb_wait(c);
}

static void flushed(void *ctx, enum rc rc, const void *msg)
{
    struct verb_call *c = ctx;
    const struct bus_ldap_flushed *m = msg;

    c->rc = rc;
    if (rc == RC_OK)
        buf_addf(&c->text, "LDAP cache flushed: %llu answers.\n", (unsigned long long)m->answers);
    else
        buf_add(&c->text, str_lit("The look-up service does not answer.\n"));
    verb_wait(c);
}

/* args: [SERVER] */
void verb_ldapflush(struct verb_call *c)
{
    struct bus_peer *lookup = c->admin->bus ? bus_peer(c->admin->bus, ROLE_lookup, 0) : NULL;
    const struct bus_ldap_flush m = {.server = c->args.n ? c->args.items[0] : STR_NONE};

    if (c->args.n > 1 || !c->admin->bus) {
        verb_usage(c);
        return;
    }
    if (m.server.n && !conf_find(&c->admin->current->conf.ldap_server, m.server)) {
        buf_addf(&c->text, "LDAP server %.*s does not exist\n", STR(str_first(m.server, 100)));
        verb_end(c, RC_NOT_FOUND);
        return;
    }
    c->waiting++;
    bus_call(c->admin->bus, lookup, BUS_ldap_flush, &m, FLUSH_MS, flushed, c);
    verb_wait(c);
}
