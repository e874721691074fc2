/*
 * Actions that make further messages: copies (bcc, bcc-scan) and notifications. See action.h.
 *
 * Called by the runners of filters through action_do(). Owns nothing beyond the message's arena. A copy that cannot be coded
 * is an error, which the runner logs; the message itself goes its way.
 */
#include "policy/action.h"

#include "policy/notice.h"

enum { CODED_MAX = 24 << 20, RECIPIENTS_MAX = 1000 };

#define ACTION(name) \
    enum rc action_##name(struct message *m, const struct filter_action *a, struct filter_run *r, struct err *e)

static struct str taken(struct message *m, struct buf *b)
{
    struct str s = b->failed ? STR_NONE : arena_str(m->arena, buf_str(b));

    buf_done(b);
    return s;
}

static struct str edits_of(struct message *m, struct patch *p)
{
    struct buf b = BUF(CODED_MAX);
    struct edits edits = patch_changed(p) ? patch_edits(p) : (struct edits){0};

    if (edits.n)
        edits_encode(edits, &b);
    return taken(m, &b);
}

static struct str indices_of(struct message *m)
{
    struct buf b = BUF(1 << 20);

    for (size_t i = 0; i < m->n_recipients; i++)
        buf_put_varint(&b, m->recipients[i]);
    return taken(m, &b);
}

static struct str list_of(struct message *m, struct strs items)
{
    struct buf b = BUF(4 << 20);

    for (size_t i = 0; i < items.n; i++)
        buf_put_str(&b, items.items[i]);
    return taken(m, &b);
}

enum rc action_generate(struct message *m, const struct filter_run *r, struct action_new *n, struct err *e)
{
    struct patch *p = n->patch ? n->patch : &m->patch;
    struct verdict_copy copy = {.kind = COPY_GENERATED,
                                .by = n->by,
                                .filter = r->filter,
                                .same_sender = !n->other_sender,
                                .sender = n->sender,
                                .body = n->body,
                                .destination = n->destination};
    struct buf coded = BUF(CODED_MAX);

    if (!n->body.n)
        n->carried.edits = edits_of(m, p);
    if (p->failed || (!n->body.n && patch_changed(p) && !n->carried.edits.n))
        return err_set(e, RC_LIMIT, "the changes of a copy are too many");
    carried_encode(&n->carried, &coded);
    if (coded.failed) {
        buf_done(&coded);
        return err_set(e, RC_LIMIT, "a copy is too large");
    }
    copy.carried = taken(m, &coded);
    if (n->same)
        copy.indices = indices_of(m);
    else
        copy.recipients = list_of(m, n->recipients);
    message_copy(m, &copy);
    return m->outcome.overflow ? err_set(e, RC_LIMIT, "too many copies") : RC_OK;
}

/* --- addresses
 * ------------------------------------------------------------------------------------------------------------- */

/* The addresses of an argument, separated by commas; what is no address (the null sender) is left out. */
static struct strs addresses(struct message *m, struct str text)
{
    struct str *items = arena_array(m->arena, struct str, RECIPIENTS_MAX), one;
    size_t n = 0;

    while (items && n < RECIPIENTS_MAX && str_split(&text, ',', &one)) {
        one = str_trim(one);
        if (str_find(one, '@') < one.n)
            items[n++] = one;
    }
    return (struct strs){items, n};
}

/* --- copies
 * ---------------------------------------------------------------------------------------------------------------- */

/* A copy of the message as it is now, with another subject if one is given. */
static enum rc copy_to(struct message *m, const struct filter_action *a, struct filter_run *r, struct action_new *n,
                       struct err *e)
{
    struct str subject = action_text(m, a, r, 1), sender = action_text(m, a, r, 2);
    struct patch other;

    n->recipients = addresses(m, action_text(m, a, r, 0));
    if (!n->recipients.n)
        return RC_OK; /* for example $EnvelopeFrom of a bounce */
    n->other_sender = a->n_args > 2 && sender.n;
    n->sender = str_trim(sender);
    n->carried.route = action_text(m, a, r, 3);
    n->destination = n->carried.resume == RESUME_DELIVER ? n->carried.route : STR_NONE;
    if (subject.n) {
        patch_copy(&other, &m->patch);
        patch_header_put(&other, str_lit("Subject"), subject);
        n->patch = &other;
    }
    return action_generate(m, r, n, e);
}

ACTION(bcc)
{
    struct action_new n = {.by = str_lit("bcc"), .carried = {.resume = RESUME_DELIVER, .policy = m->carried.policy}};

    return copy_to(m, a, r, &n, e);
}

/* The copy is judged like a new message, but not by the filters that made it: it would copy itself for ever. */
ACTION(bcc_scan)
{
    struct action_new n = {.by = str_lit("bcc-scan"), .carried = {.resume = RESUME_START, .skip = SKIP_FILTERS}};

    if (r->content || r->dlp)
        n.carried.skip |= SKIP_CONTENT;
    if (r->dlp)
        n.carried.skip |= SKIP_DLP;
    return copy_to(m, a, r, &n, e);
}

/* --- notifications
 * --------------------------------------------------------------------------------------------------------- */

static const char standard_text[] = "A filter of this mail gateway acted on a message.\n\n"
                                    "Filter:     $FilterName\n"
                                    "Message:    $MID\n"
                                    "Subject:    $Subject\n"
                                    "Sender:     $EnvelopeFrom\n"
                                    "Recipients: $EnvelopeRecipients\n"
                                    "Attachments: $filenames\n";

static enum rc notify(struct message *m, const struct filter_action *a, struct filter_run *r, bool copy, struct err *e)
{
    struct str subject = action_text(m, a, r, 1), sender = action_text(m, a, r, 2),
               name = filter_text(a->args, a->n_args, 3);
    struct action_new n = {.by = copy ? str_lit("notify-copy") : str_lit("notify"),
                           .carried = {.resume = RESUME_DELIVER},
                           .other_sender = true,
                           .sender = str_trim(sender)};
    const struct conf_text_resource *t = name.n ? action_resource(m, name, e) : NULL;
    struct notice notice = {.subject = subject, .sender = n.sender, .with_message = copy};

    if (name.n && !t)
        return RC_NOT_FOUND;
    n.recipients = addresses(m, action_text(m, a, r, 0));
    if (!n.recipients.n)
        return RC_OK;
    if (!subject.n)
        notice.subject = action_filled(m, r, str_lit("Notification of filter $FilterName"), false);
    notice.to = n.recipients;
    notice.text = action_filled(m, r, t ? t->text : str_c(standard_text), false);
    n.body = notice_write(m, &notice);
    if (!n.body.n)
        return err_set(e, RC_LIMIT, "a notification is too large");
    return action_generate(m, r, &n, e);
}

ACTION(notify)
{
    return notify(m, a, r, false, e);
}

ACTION(notify_copy)
{
    return notify(m, a, r, true, e);
}

/* A file of mail on this machine needs the role that writes logs: scan itself writes nothing. */
ACTION(archive)
{
    (void)m;
    (void)a;
    (void)r;
    return err_set(e, RC_NOT_IMPLEMENTED, "archive: this system keeps no archives of mail");
}
