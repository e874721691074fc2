/*
 * A recipient that was taken becomes those of the envelope: itself, or whoever its alias stands for.
 *
 * Called for RCPT and by QMQP, behind HAT and RAT: an alias lets nobody in, its targets may be anywhere. All or nothing:
 * when the targets go beyond a limit the message keeps what it had. Memory is the transaction's arena; targets are views
 * into the compiled settings, which the conversation holds.
 */
#include "mail/address.h"
#include "receive/inside.h"

enum { SHOWN_TARGETS = 100, TEXT_MAX = 24 << 10 };

/* From the first alias on a message has each recipient once, whichever way it comes. */
static enum rc begin_once(struct message *m, struct arena *a, struct err *e)
{
    address_set_begin(&m->once, a);
    for (size_t i = 0; i < m->n; i++)
        if (address_set_add(&m->once, m->recipients[i].address) == RC_NO_MEMORY)
            return err_set(e, RC_NO_MEMORY, "%s", rc_info(RC_NO_MEMORY)->text);
    m->aliased = true;
    return RC_OK;
}

static void add_text(struct buf *b, struct str line)
{
    if (b->n)
        buf_addc(b, '\n');
    buf_add(b, line);
}

static void tell(const struct origin *o, const struct message *m, const struct recipient *to, const struct alias_targets *t)
{
    struct buf text = BUF(TEXT_MAX);

    for (size_t i = 0; i < t->fresh.n && i < SHOWN_TARGETS && text.n < TEXT_MAX - 2 * ADDRESS_MAX; i++)
        add_text(&text, t->fresh.items[i]);
    if (t->fresh.n > SHOWN_TARGETS)
        add_text(&text, str_lit("..."));
    if (t->dropped)
        add_text(&text, str_lit("/dev/null"));
    event(o->receive->o.events, alias_match, .mid = m->mid, .rid = m->n, .recipient = to->address,
          .targets = buf_str(&text));
    buf_done(&text);
}

/* RFC 3461 4.2: where the mail was sent to, unless the peer has said so; ASCII only (RFC 6533 has another form). */
static struct str original(struct arena *a, const struct recipient *to)
{
    if (to->orcpt.n)
        return to->orcpt;
    for (size_t i = 0; i < to->address.n; i++)
        if ((unsigned char)to->address.p[i] >= 0x80)
            return STR_NONE;
    return arena_printf(a, "rfc822;%.*s", STR(to->address));
}

static enum rc put_all(const struct origin *o, struct message *m, struct arena *a, const struct recipient *to,
                       const struct alias_targets *t, struct err *e)
{
    struct recipient r = {.notify = to->notify, .orcpt = original(a, to)};
    size_t bytes = 0;

    for (size_t i = 0; i < t->fresh.n; i++)
        bytes += message_recipient_bytes(&(struct recipient){.address = t->fresh.items[i], .orcpt = r.orcpt});
    if (!message_has_room(m, t->fresh.n, bytes))
        return err_set(e, RC_TOO_MANY_RECIPIENTS, "%s", rc_info(RC_TOO_MANY_RECIPIENTS)->text);
    tell(o, m, to, t);
    for (size_t i = 0; i < t->fresh.n; i++) {
        r.address = t->fresh.items[i];
        TRY(message_recipient(o, m, a, &r, e));
    }
    return RC_OK;
}

static enum rc expand(const struct origin *o, struct message *m, struct arena *a, const struct recipient *to, uint32_t alias,
                      size_t most, struct err *e)
{
    struct alias_targets targets;
    enum rc rc = m->aliased ? RC_OK : begin_once(m, a, e);

    if (rc == RC_OK)
        rc = alias_expand(o->terms->aliases, alias, a, &m->once, most > m->n ? most - m->n : 0, &targets, e);
    if (rc == RC_OK)
        rc = put_all(o, m, a, to, &targets, e);
    if (rc != RC_OK)
        m->aliased = false; /* the set may hold more than the message: made anew at the next alias */
    else if (targets.dropped)
        m->dropped++;
    return rc;
}

enum rc message_to(const struct origin *o, struct message *m, struct arena *a, const struct recipient *to, size_t most,
                   struct err *e)
{
    struct str local, domain;
    uint32_t alias = ALIAS_NONE;
    enum rc rc;

    if (o->terms->conf->type != 2 && address_cut(to->address, &local, &domain))
        alias = alias_match(o->terms->aliases, local, domain);
    if (alias != ALIAS_NONE)
        rc = expand(o, m, a, to, alias, most, e);
    else if (m->aliased && address_set_add(&m->once, to->address) == RC_EXISTS)
        rc = RC_OK;
    else
        rc = message_recipient(o, m, a, to, e);
    if (rc == RC_OK && m->given++ == 0)
        m->first_given = to->address;
    return rc;
}
