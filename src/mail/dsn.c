/*
 * Writing of delivery status notifications. See dsn.h.
 *
 * Called by queue/bounce.c. Owns nothing, keeps nothing. The three kinds differ by the rows of a table.
 */
#include "mail/dsn.h"

#include "base/arena.h"
#include "mail/header.h"

enum { FOLD_AT = 76, TEXT_MAX = 2000 };

static const struct {
    const char *action, *status, *intro, *per_recipient;
} kinds[] = {
    [DSN_FAILURE] = {"failed", "5.0.0",
                     "Your message could not be delivered to the recipients below.\r\n"
                     "It will not be tried again.\r\n",
                     "failed"},
    [DSN_DELAY] = {"delayed", "4.0.0",
                   "Your message has not been delivered to the recipients below yet.\r\n"
                   "It is tried again; there is nothing you need to do now.\r\n",
                   "delayed"},
    [DSN_RELAYED] = {"relayed", "2.0.0",
                     "Your message was passed on for the recipients below to a host that\r\n"
                     "does not confirm delivery. You will hear of it only if it fails.\r\n",
                     "relayed"},
};

static bool is_ascii(struct str s)
{
    for (size_t i = 0; i < s.n; i++)
        if ((unsigned char)s.p[i] > 127)
            return false;
    return true;
}

bool dsn_needs_utf8(const struct dsn *d)
{
    bool ascii = is_ascii(d->to) && is_ascii(d->from);

    for (size_t i = 0; i < d->n_recipients && ascii; i++)
        ascii = is_ascii(d->recipients[i].address) && is_ascii(d->recipients[i].orcpt);
    return !ascii;
}

/* One line of foreign text: printable, without control characters, non-ASCII only where it is allowed. */
static void put_clean(struct buf *out, struct str s, bool utf8)
{
    for (size_t i = 0; i < s.n; i++) {
        unsigned char c = (unsigned char)s.p[i];

        buf_addc(out, c < 32 || c == 127 || (c > 127 && !utf8) ? '?' : (char)c);
    }
}

/* Foreign text in a header field, lines joined, folded at spaces; a word longer than half a line limit is cut. */
static void put_folded(struct buf *out, struct str s, size_t column, bool utf8)
{
    struct str line, word;

    for (s = str_first(s, TEXT_MAX); str_split(&s, '\n', &line);)
        while (str_word(&line, &word)) {
            word = str_first(word, 500);
            if (column + 1 + word.n > FOLD_AT) {
                buf_add(out, str_lit("\r\n "));
                column = 1;
            } else {
                buf_addc(out, ' ');
                column++;
            }
            put_clean(out, word, utf8);
            column += word.n;
        }
}

static void put_date(struct buf *out, const char *name, uint64_t ms)
{
    struct arena a;
    struct str date;

    arena_init(&a, 256, 1024);
    date = header_date(&a, ms);
    buf_addf(out, "%s: %.*s\r\n", name, STR(date));
    arena_done(&a);
}

static void put_head(const struct dsn *d, bool utf8, struct buf *out)
{
    buf_add(out, str_lit("From: Mail Delivery System <"));
    if (d->from.n)
        put_clean(out, d->from, utf8);
    else
        buf_addf(out, "MAILER-DAEMON@%.*s", STR(d->host));
    buf_add(out, str_lit(">\r\nTo: <"));
    put_clean(out, d->to, utf8);
    buf_add(out, str_lit(">\r\nSubject: "));
    header_encode_word(d->subject, out);
    buf_add(out, str_lit("\r\n"));
    put_date(out, "Date", d->now_ms);
    buf_addf(out, "Message-ID: <%llu.%.*s@%.*s>\r\n", (unsigned long long)d->mid, STR(d->boundary), STR(d->host));
    buf_addf(out,
             "Auto-Submitted: auto-replied\r\nMIME-Version: 1.0\r\nContent-Type: multipart/report;\r\n"
             " report-type=%s; boundary=\"%.*s\"\r\n\r\nThis is a MIME-encapsulated message.\r\n\r\n",
             utf8 ? "global-delivery-status" : "delivery-status", STR(d->boundary));
}

/* The reply as lines for people. */
static void put_reply(struct buf *out, const struct dsn_recipient *r, bool utf8)
{
    struct str rest = str_first(r->text, TEXT_MAX), line;

    while (str_split(&rest, '\n', &line)) {
        buf_add(out, str_lit("    "));
        if (r->code)
            buf_addf(out, "%u ", (unsigned)r->code);
        put_clean(out, str_first(str_trim(line), 900), utf8);
        buf_add(out, str_lit("\r\n"));
    }
}

static void put_text(const struct dsn *d, bool utf8, struct buf *out)
{
    buf_addf(out, "--%.*s\r\nContent-Type: text/plain; charset=%s\r\n%s\r\n", STR(d->boundary), utf8 ? "utf-8" : "us-ascii",
             utf8 ? "Content-Transfer-Encoding: 8bit\r\n" : "");
    buf_addf(out, "This is the mail system at host %.*s.\r\n\r\n%s", STR(d->host), kinds[d->kind].intro);
    if (d->kind == DSN_DELAY)
        put_date(out, "Tried until", d->retry_until_ms);
    for (size_t i = 0; i < d->n_recipients; i++) {
        const struct dsn_recipient *r = &d->recipients[i];

        buf_add(out, str_lit("\r\n<"));
        put_clean(out, r->address, utf8);
        buf_addf(out, ">: %s", kinds[d->kind].per_recipient);
        if (r->mta.n) {
            buf_add(out, str_lit(", host "));
            put_clean(out, str_first(r->mta, 255), false);
            buf_add(out, str_c(r->code ? " said:" : ""));
        }
        buf_add(out, str_lit("\r\n"));
        put_reply(out, r, utf8);
    }
    buf_add(out, str_lit("\r\n"));
}

/* "rfc822;user@x" as given (RFC 3461 4.2), else nothing: there was no original recipient. */
static void put_original_recipient(struct buf *out, const struct dsn_recipient *r, bool utf8)
{
    if (!r->orcpt.n)
        return;
    buf_add(out, str_lit("Original-Recipient: "));
    put_clean(out, str_first(r->orcpt, 800), utf8);
    buf_add(out, str_lit("\r\n"));
}

static void put_recipient(const struct dsn *d, const struct dsn_recipient *r, bool utf8, struct buf *out)
{
    struct str status = r->status.n ? r->status : str_c(kinds[d->kind].status);

    buf_add(out, str_lit("\r\n"));
    put_original_recipient(out, r, utf8);
    buf_addf(out, "Final-Recipient: %s; ", is_ascii(r->address) ? "rfc822" : "utf-8");
    put_clean(out, r->address, utf8);
    buf_addf(out, "\r\nAction: %s\r\nStatus: %.*s\r\n", kinds[d->kind].action, STR(status));
    if (r->mta.n) {
        buf_add(out, str_lit("Remote-MTA: dns; "));
        put_clean(out, str_first(r->mta, 255), false);
        buf_add(out, str_lit("\r\n"));
    }
    if (r->code) {
        buf_addf(out, "Diagnostic-Code: smtp; %u", (unsigned)r->code);
        put_folded(out, r->text, 26, utf8);
        buf_add(out, str_lit("\r\n"));
    } else if (r->text.n) {
        buf_add(out, str_lit("Diagnostic-Code: X-Postern;"));
        put_folded(out, r->text, 27, utf8);
        buf_add(out, str_lit("\r\n"));
    }
    put_date(out, "Last-Attempt-Date", d->now_ms);
    if (d->kind == DSN_DELAY)
        put_date(out, "Will-Retry-Until", d->retry_until_ms);
}

static void put_status(const struct dsn *d, bool utf8, struct buf *out)
{
    buf_addf(out, "--%.*s\r\nContent-Type: message/%s\r\n%s\r\n", STR(d->boundary),
             utf8 ? "global-delivery-status" : "delivery-status", utf8 ? "Content-Transfer-Encoding: 8bit\r\n" : "");
    if (d->envid.n) {
        buf_add(out, str_lit("Original-Envelope-Id: "));
        put_clean(out, str_first(d->envid, 800), utf8);
        buf_add(out, str_lit("\r\n"));
    }
    buf_addf(out, "Reporting-MTA: dns; %.*s\r\n", STR(d->host));
    put_date(out, "Arrival-Date", d->arrival_ms);
    for (size_t i = 0; i < d->n_recipients; i++)
        put_recipient(d, &d->recipients[i], utf8, out);
    buf_add(out, str_lit("\r\n"));
}

static void put_original(const struct dsn *d, struct buf *out)
{
    bool ascii = is_ascii(d->original);
    bool utf8_head = !is_ascii(str_first(d->original, header_length(d->original)));
    const char *type = d->full ? (utf8_head ? "message/global" : "message/rfc822")
                               : (utf8_head ? "message/global-headers" : "text/rfc822-headers");

    buf_addf(out, "--%.*s\r\nContent-Type: %s\r\n%s\r\n", STR(d->boundary), type,
             ascii ? "" : "Content-Transfer-Encoding: 8bit\r\n");
    buf_add(out, d->original);
    if (!str_ends(d->original, str_lit("\r\n")))
        buf_add(out, str_lit("\r\n"));
    buf_addf(out, "\r\n--%.*s--\r\n", STR(d->boundary));
}

void dsn_write(const struct dsn *d, struct buf *out)
{
    bool utf8 = dsn_needs_utf8(d);

    put_head(d, utf8, out);
    put_text(d, utf8, out);
    put_status(d, utf8, out);
    put_original(d, out);
}
