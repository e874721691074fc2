/*
 * Writes notifications. See notice.h.
 *
 * Called by actions and engines. Owns nothing beyond the message's arena.
 */
#include "policy/notice.h"

#include "mail/transfer.h"
#include "policy/part.h"

#include <inttypes.h>

enum { NOTICE_MAX = 64 << 20, TO_MAX = 20 };

static struct str host_of(const struct message *m)
{
    const struct conf_listener *l = m->conf ? conf_find(&m->conf->listener, m->env->listener) : NULL;
    struct str host = l ? conf_listener_host(m->conf, l) : m->conf ? m->conf->system.hostname : STR_NONE;

    return host.n ? host : str_lit("localhost");
}

static struct str listed(struct message *m, struct strs to)
{
    struct buf b = BUF(65536);
    struct str s;

    for (size_t i = 0; i < to.n && i < TO_MAX; i++)
        buf_addf(&b, "%s%.*s", i ? ", " : "", STR(to.items[i]));
    s = arena_str(m->arena, buf_str(&b));
    buf_done(&b);
    return s;
}

static void put_text(struct str text, struct buf *out)
{
    buf_add(out, str_lit("Content-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\n"));
    transfer_quoted_printable(text, out);
    buf_add(out, str_lit("\r\n"));
}

static void put_with_message(struct message *m, struct str text, struct buf *out)
{
    struct str octets = message_octets(m), boundary;
    uint64_t seed = str_hash(octets);

    do
        boundary = arena_printf(m->arena, "notice-%016" PRIx64, seed++);
    while (str_find_str(octets, boundary) < octets.n);
    buf_addf(out, "Content-Type: multipart/mixed; boundary=\"%.*s\"\r\n\r\n--%.*s\r\n", STR(boundary), STR(boundary));
    put_text(text, out);
    buf_addf(out, "--%.*s\r\nContent-Type: message/rfc822\r\nContent-Disposition: attachment\r\n%s\r\n", STR(boundary),
             part_is_ascii(octets) ? "" : "Content-Transfer-Encoding: 8bit\r\n");
    buf_add(out, octets);
    buf_addf(out, "\r\n--%.*s--\r\n", STR(boundary));
}

struct str notice_write(struct message *m, const struct notice *n)
{
    struct buf body = BUF(NOTICE_MAX);
    struct str host = host_of(m), whole = STR_NONE, text = part_lines(m->arena, n->text);
    struct patch p;
    const struct {
        const char *name;
        struct str value;
    } fields[] = {
        {"From", n->sender.n ? arena_printf(m->arena, "<%.*s>", STR(n->sender))
                             : arena_printf(m->arena, "Mail Delivery System <MAILER-DAEMON@%.*s>", STR(host))},
        {"To", listed(m, n->to)},
        {"Subject", n->subject},
        {"Date", header_date(m->arena, message_now_ms(m))},
        {"Message-ID", arena_printf(m->arena, "<%" PRIu64 ".%zu.%" PRIx64 "@%.*s>", m->mid, m->outcome.n_copies,
                                    message_now_ms(m), STR(host))},
        {"Auto-Submitted", str_lit("auto-generated")},
        {"MIME-Version", str_lit("1.0")},
    };

    if (n->with_message)
        put_with_message(m, text, &body);
    else
        put_text(text, &body);
    if (!body.failed) {
        patch_init(&p, m->arena, arena_str(m->arena, buf_str(&body)));
        for (size_t i = sizeof fields / sizeof *fields; i-- > 0;)
            patch_header_add(&p, str_c(fields[i].name), fields[i].value, true);
        whole = p.failed ? STR_NONE : patch_octets(&p);
    }
    buf_done(&body);
    return whole;
}
