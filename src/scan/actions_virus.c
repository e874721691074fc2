/*
 * Actions by the verdict of anti-virus: marks, a warning around the message, notifications, quarantine. See actions.h.
 *
 * Called by stage_antivirus.c, and by stage_antispam.c for what its engine cannot take. Owns nothing beyond the message's
 * arena.
 */
#include "base/clock.h"
#include "policy/part.h"
#include "policy/variables.h"
#include "scan/actions.h"
#include "scan/engines.h"

enum { TEXT_MAX = 64 << 10, NOTICES_MAX = 20 };

static const char *word(uint64_t result)
{
    static const char *const words[] = {"clean", "infected", "encrypted", "unscannable", "repaired"};

    return words[result <= VIRUS_REPAIRED ? result : VIRUS_UNSCANNABLE];
}

/* --- texts ----------------------------------------------------------------------------------------------------------------
 */

static struct str subject_of(struct message *m)
{
    struct header_field f;

    return header_find(message_octets(m), str_lit("Subject"), &f) ? header_unfold(m->arena, f.value, 500) : STR_NONE;
}

/* Lines end in CRLF; what comes from the message is cut to one line each. */
static void put_line(struct buf *b, const char *label, struct str value)
{
    if (!value.n)
        return;
    buf_add(b, str_c(label));
    for (size_t i = 0; i < value.n && i < 500; i++)
        buf_addc(b, (unsigned char)value.p[i] < 0x20 ? ' ' : value.p[i]);
    buf_add(b, str_lit("\r\n"));
}

static void put_finding(struct message *m, const struct virus_finding *f, struct buf *b)
{
    struct str rest = f->parts, one;

    put_line(b, "Sender:    ", m->env->sender.n ? m->env->sender : str_lit("<>"));
    for (size_t i = 0; i < m->n_recipients && i < 20; i++)
        put_line(b, "Recipient: ", message_recipient(m, i));
    put_line(b, "Subject:   ", mime_decode_words(m->arena, subject_of(m)));
    put_line(b, "Result:    ", str_c(word(f->result)));
    put_line(b, f->result == VIRUS_FOUND ? "Virus:     " : "Reason:    ", f->virus);
    while (rest.n && str_split(&rest, '\n', &one))
        put_line(b, "Found in:  ", one);
}

/* --- notifications
 * ------------------------------------------------------------------------------------------------------------ */

static struct str notice(struct message *m, const struct virus_finding *f, struct str to)
{
    struct buf b = BUF(TEXT_MAX);
    struct str text, host = m->conf->system.hostname;

    buf_addf(&b, "From: \"Mail Security\" <MAILER-DAEMON@%.*s>\r\nTo: <%.*s>\r\n", STR(host), STR(to));
    buf_addf(&b, "Date: %.*s\r\n", STR(header_date(m->arena, message_now_ms(m))));
    buf_addf(&b, "Message-ID: <%016llx@%.*s>\r\n", (unsigned long long)random_u64(), STR(host));
    buf_addf(&b, "Subject: [Anti-Virus] %s message\r\nAuto-Submitted: auto-generated\r\nMIME-Version: 1.0\r\n",
             word(f->result));
    buf_add(&b, str_lit("Content-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: 8bit\r\n\r\n"));
    buf_addf(&b, "A message was found to be %s by the anti-virus scanner.\r\n\r\n", word(f->result));
    put_finding(m, f, &b);
    text = b.failed ? STR_NONE : arena_str(m->arena, buf_str(&b));
    buf_done(&b);
    return text;
}

static void notify_one(struct message *m, const struct virus_finding *f, struct str to)
{
    struct verdict_copy copy = {.kind = COPY_GENERATED, .by = str_lit("antivirus"), .body = notice(m, f, to)};
    struct buf list = BUF(4096);
    struct carried on = {.resume = RESUME_DELIVER};
    struct buf carried = BUF(4096);

    buf_put_str(&list, to);
    carried_encode(&on, &carried);
    copy.recipients = arena_str(m->arena, buf_str(&list));
    copy.carried = arena_str(m->arena, buf_str(&carried));
    if (to.n && copy.body.n)
        message_copy(m, &copy);
    buf_done(&list);
    buf_done(&carried);
}

static void notify(struct message *m, const struct virus_finding *f, struct strs whom)
{
    for (size_t i = 0; i < whom.n; i++) {
        if (str_eqi(whom.items[i], str_lit("sender")))
            notify_one(m, f, m->env->sender); /* nobody when it is null: no answer to a bounce */
        else if (str_eqi(whom.items[i], str_lit("recipient")))
            for (size_t k = 0; k < m->n_recipients && k < NOTICES_MAX; k++)
                notify_one(m, f, message_recipient(m, k));
        else
            notify_one(m, f, whom.items[i]);
    }
}

/* --- attachments taken out
 * -------------------------------------------------------------------------------------------------
 */

static struct str container_text(const struct message *m)
{
    enum { ANTIVIRUS_CONTAINER = 2 }; /* of text_resource.kind */

    for (size_t i = 0; i < m->conf->text_resource.n; i++)
        if (m->conf->text_resource.items[i].kind == ANTIVIRUS_CONTAINER)
            return m->conf->text_resource.items[i].text;
    return STR_NONE;
}

static struct str in_its_place(struct message *m, const struct virus_finding *f, const struct mime_part *p)
{
    struct variables v = {.m = m, .dropped_names = p->name.n ? p->name : str_lit("unnamed"), .dropped_types = p->type};
    struct str own = container_text(m);

    return own.n ? variables_fill(&v, own, false)
                 : arena_printf(m->arena, "The attachment \"%.*s\" was removed by the anti-virus scanner: %s (%.*s).",
                                STR(str_first(v.dropped_names, 500)), word(f->result), STR(str_first(f->virus, 500)));
}

size_t action_drop_infected(struct message *m, const struct virus_finding *f)
{
    struct part_changes c;
    const struct mime_part *before = NULL;

    part_changes_begin(&c, m);
    for (size_t i = 0; i < f->n_items; i++) {
        struct mime_part *p = part_holder(f->items[i]);
        bool body = !p->parent && str_startsi(p->type, str_lit("text/")) && !p->attachment;

        if (p == before || body || p->alternative)
            continue;
        part_drop(&c, p, in_its_place(m, f, p));
        before = p;
    }
    return part_changes_make(&c);
}

/* --- as an attachment
 * ----------------------------------------------------------------------------------------------------------- */

/* Header fields that a reader needs stay on the outside; all others go inside only. */
static bool stays_outside(struct str name)
{
    static const char *const names[] = {"Received", "From",       "To",       "Cc",          "Subject",
                                        "Date",     "Message-ID", "Reply-To", "In-Reply-To", "References"};

    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        if (str_eqi(name, str_c(names[i])))
            return true;
    return false;
}

static void attach(struct message *m, const struct virus_finding *f)
{
    struct str octets = message_octets(m), rest = octets,
               mark = arena_printf(m->arena, "av-%016llx%016llx", (unsigned long long)random_u64(),
                                   (unsigned long long)random_u64());
    struct buf b = BUF(octets.n + TEXT_MAX + (1 << 20));
    struct header_field h;

    while (header_next(&rest, &h))
        if (stays_outside(h.name))
            buf_add(&b, h.whole);
    if (b.n && b.p[b.n - 1] != '\n')
        buf_add(&b, str_lit("\r\n"));
    buf_addf(&b, "MIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary=\"%.*s\"\r\n\r\n--%.*s\r\n", STR(mark),
             STR(mark));
    buf_add(&b, str_lit("Content-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: 8bit\r\n\r\n"));
    buf_addf(&b,
             "The attached message was found to be %s by the anti-virus scanner. Do not open it unless you know\r\nwhat it "
             "is.\r\n\r\n",
             word(f->result));
    put_finding(m, f, &b);
    buf_addf(
        &b,
        "\r\n--%.*s\r\nContent-Type: message/rfc822\r\nContent-Disposition: attachment; filename=\"original.eml\"\r\n\r\n",
        STR(mark));
    buf_add(&b, octets);
    buf_addf(&b, "%s--%.*s--\r\n", str_ends(octets, str_lit("\n")) ? "" : "\r\n", STR(mark));
    if (b.failed)
        m->patch.failed = true; /* held as unscannable: it does not go on as it was */
    else
        patch_replace(&m->patch, 0, octets.n, buf_str(&b));
    buf_done(&b);
}

/* --- all of it
 * -------------------------------------------------------------------------------------------------------------------- */

static void hold(struct message *m, const struct virus_finding *f)
{
    static const char *const reasons[] = {"CLEAN", "VIRAL", "ENCRYPTED", "UNSCANNABLE", "REPAIRED"};

    message_hold(m,
                 &(struct hold){.quarantine = str_lit("Virus"),
                                .kind = str_lit("virus"),
                                .reason = arena_printf(m->arena, "a/v verdict:%s",
                                                       reasons[f->result <= VIRUS_REPAIRED ? f->result : VIRUS_UNSCANNABLE]),
                                .rule = f->virus});
}

void action_virus(struct message *m, const struct virus_actions *a, const struct virus_finding *f)
{
    if (a->archive)
        archive_message(m, ARCHIVE_VIRUS, f->original.n ? f->original : message_octets(m));
    notify(m, f, a->notify);
    if (a->action == AV_DROP) {
        event(m->events, message_dropped, .mid = m->mid, .by = 1);
        message_final(m, FINAL_DROP, str_lit("antivirus"), STR_NONE);
        return;
    }
    if (a->drop_attachments)
        action_drop_infected(m, f);
    if (a->action == AV_ATTACH)
        attach(m, f);
    action_mark(m, a->tag, a->header);
    if (a->action == AV_QUARANTINE)
        hold(m, f);
    else
        action_reroute(m, a->host, a->recipient, "antivirus", RESUME_GRAYMAIL);
}
