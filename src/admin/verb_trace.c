/*
 * trace, control's side: the changes that a session has staged, over the configuration in force, and a message go to a scan
 * worker, whose report is the answer. Nothing is committed.
 *
 * Called through spec/verbs.def; args: BASE FILE MESSAGE WORD... with FILE as in `commit` (the changed sections; empty =
 * none). Owns nothing. What would not be committed is not traced either: the reason is the answer.
 */
#include "admin/verbs.h"

#include "base/must.h"
#include "conf/snapshot.h"
#include "conf/xml.h"

enum { FIXED = 3, ANSWER_MS = 180000, SNAPSHOT_MAX = 60 << 20, WORDS_MAX = 1 << 20, ROOM = 1 << 20 };

static void answered(void *ctx, enum rc rc, const void *msg)
{
    const struct bus_trace_report *r = msg;
    struct verb_call *c = ctx;

    c->rc = rc != RC_OK ? rc : r->rc < RC_COUNT ? (enum rc)r->rc : RC_INTERNAL;
    if (rc != RC_OK) {
        buf_addf(&c->text, "No answer: %s\n", rc_info(rc)->text);
    } else {
        buf_add(&c->text, r->text);
        buf_add(&c->json, r->json);
    }
    if (c->rc == RC_SYNTAX && !c->text.n)
        buf_addf(&c->text, "Invalid arguments\nUsage: %s\n", c->verb->usage);
    verb_wait(c);
}

/* What would be in force after a commit of these sections, as scan gets its settings. */
static enum rc staged(struct verb_call *c, struct str file, struct buf *out, struct err *e)
{
    struct conf_draft *d = conf_draft_copy(&c->admin->current->conf);
    enum rc rc = d ? RC_OK : err_set(e, RC_NO_MEMORY, "no memory");

    if (rc == RC_OK)
        rc = conf_xml_read(d, file, e);
    if (rc == RC_OK)
        rc = unseal_secrets(c->admin, d, e);
    if (rc == RC_OK)
        rc = admin_check(&d->conf, &c->admin->current->conf, true, e);
    if (rc == RC_OK)
        conf_encode(&d->conf, role_name(ROLE_scan), out);
    conf_draft_free(d);
    return rc;
}

static enum rc question(struct verb_call *c, struct buf *snapshot, struct buf *words, struct err *e)
{
    struct str file = c->args.items[1], message = c->args.items[2];

    if (file.n && staged(c, file, snapshot, e) != RC_OK)
        return err_wrap(e, e->rc, "The changes that are not committed cannot be used");
    for (size_t i = FIXED; i < c->args.n; i++)
        buf_put_str(words, c->args.items[i]);
    if (snapshot->failed || words->failed || snapshot->n + words->n + message.n > SNAPSHOT_MAX - ROOM)
        return err_set(e, RC_TOO_LARGE, "The message is too large to be traced");
    return RC_OK;
}

void verb_trace(struct verb_call *c)
{
    struct bus_peer *scan = c->admin->bus ? bus_peer(c->admin->bus, ROLE_scan, 0) : NULL;
    struct buf snapshot = BUF(SNAPSHOT_MAX), words = BUF(WORDS_MAX);
    struct err e = ERR_NONE;

    if (c->args.n <= FIXED) {
        verb_usage(c);
        return;
    }
    if (!scan) {
        buf_add(&c->text, str_lit("The scan service is not running; try again in a moment.\n"));
        verb_end(c, RC_UNAVAILABLE);
        return;
    }
    if (question(c, &snapshot, &words, &e) == RC_OK) {
        c->waiting++;
        bus_call(c->admin->bus, scan, BUS_trace_question,
                 &(struct bus_trace_question){
                     .snapshot = buf_str(&snapshot), .words = buf_str(&words), .message = c->args.items[2]},
                 ANSWER_MS, answered, c);
        verb_wait(c);
    } else {
        verb_fail(c, &e);
    }
    buf_done(&snapshot);
    buf_done(&words);
}
