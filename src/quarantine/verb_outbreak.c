/*
 * outbreakstatus and outbreakupdate: since when the rules are in force, what is scanned again, the copies of what the
 * manager holds.
 *
 * Called by verbs.c. Owns nothing. Rights are those of the verbs themselves.
 */
#include "quarantine/copies.h"
#include "quarantine/verbs.h"

enum rc question_outbreak_status(struct question *v)
{
    struct quarantine *q = v->q;
    const struct conf *c = quarantine_conf(q);
    struct buf when = BUF(64);
    struct rescan_facts f;
    size_t n;

    if (v->n_args)
        return RC_SYNTAX;
    rescan_facts(q, &f);
    copies_all(q, &n);
    question_time(&when, f.rules_since_ms);
    question_say(v, RC_OK, "Outbreak filters:                     %s", c->outbreak.enabled ? "on" : "off");
    question_say(v, RC_OK, "Rules:                                %zu", c->outbreak_rule.n);
    question_say(v, RC_OK, "Rules last changed:                   %.*s", STR(buf_str(&when)));
    question_say(v, RC_OK, "Copies of mail held on the manager:   %zu (%llu bytes)", n, (unsigned long long)copies_bytes(q));
    question_say(v, RC_OK, "Messages still to be scanned again:   %llu", (unsigned long long)f.waiting);
    question_say(v, RC_OK, "Verdicts that wait for the manager:   %llu", (unsigned long long)f.verdicts);
    buf_addf(&v->json, "{\"enabled\":%s,\"rules\":%zu,\"changed\":%llu,\"copies\":%zu,\"bytes\":%llu",
             c->outbreak.enabled ? "true" : "false", c->outbreak_rule.n, (unsigned long long)f.rules_since_ms, n,
             (unsigned long long)copies_bytes(q));
    buf_addf(&v->json, ",\"waiting\":%llu,\"verdicts\":%llu}", (unsigned long long)f.waiting,
             (unsigned long long)f.verdicts);
    buf_done(&when);
    return RC_OK;
}

enum rc question_outbreak_update(struct question *v)
{
    uint64_t n;

    if (v->n_args > 1 || (v->n_args && !str_eqi(v->args[0], str_lit("force"))))
        return RC_SYNTAX;
    if (!quarantine_conf(v->q)->outbreak.enabled)
        return question_say(v, RC_UNAVAILABLE, "Outbreak filters are off.");
    n = rescan_all(v->q);
    buf_addf(&v->json, "{\"messages\":%llu}", (unsigned long long)n);
    return question_say(v, RC_OK, "%llu held message%s will be scanned again.", (unsigned long long)n, n == 1 ? "" : "s");
}
