/*
 * What judging knows of a held message, as the metadata of CPQ. See meta.h.
 *
 * Called by verdict.c. Owns nothing. Text that is not UTF-8 is shown with U+FFFD here; the octets themselves travel in the
 * message.
 */
#include "scan/meta.h"

#include "base/clock.h"
#include "base/json.h"

#include <inttypes.h>
#include <math.h>

enum { META_MAX = 512 << 10, VALUE_MAX = 1000, ATTACHMENTS_MAX = 500, ATTACHMENTS_BYTES = 128 << 10 };

static void put_key(struct buf *b, const char *key)
{
    if (b->n && b->p[b->n - 1] != '{' && b->p[b->n - 1] != '[')
        buf_addc(b, ',');
    json_str(b, str_c(key));
    buf_addc(b, ':');
}

static void put_text(struct buf *b, const char *key, struct str value)
{
    if (!value.n)
        return;
    put_key(b, key);
    json_str(b, str_first(value, VALUE_MAX));
}

static void put_number(struct buf *b, const char *key, uint64_t value)
{
    put_key(b, key);
    buf_addf(b, "%" PRIu64, value);
}

static void begin_item(struct buf *b)
{
    if (b->p[b->n - 1] == '}')
        buf_addc(b, ',');
    buf_addc(b, '{');
}

static void put_holds_json(struct buf *b, const struct outcome *o)
{
    if (!o->n_holds)
        return;
    put_key(b, "holds");
    buf_addc(b, '[');
    for (size_t i = 0; i < o->n_holds; i++) {
        const struct hold *h = &o->holds[i];

        begin_item(b);
        put_text(b, "quarantine", h->quarantine);
        put_text(b, "kind", h->kind.n ? h->kind : str_lit("policy"));
        put_text(b, "reason", h->reason);
        put_text(b, "rule", h->rule);
        put_number(b, "level", h->level);
        if (h->exit_ms)
            put_number(b, "exit", h->exit_ms);
        if (h->matched.n) {
            put_key(b, "matched");
            buf_add(b, str_lit("[{\"part\":\"1\",\"text\":"));
            json_str(b, str_first(h->matched, VALUE_MAX));
            buf_add(b, str_lit("}]"));
        }
        buf_addc(b, '}');
    }
    buf_addc(b, ']');
}

/* "positive 97"; a verdict may come without a score. */
static void put_spam(struct buf *b, struct str verdict)
{
    struct str rest = verdict, word;
    uint64_t score;

    if (!verdict.n || !str_word(&rest, &word))
        return;
    put_key(b, "spam");
    buf_addc(b, '{');
    put_text(b, "verdict", word);
    if (str_u64(str_trim(rest), &score))
        put_number(b, "score", score);
    buf_addc(b, '}');
}

static void put_verdicts(struct buf *b, const struct outcome *o)
{
    if (!o->n_steps)
        return;
    put_key(b, "verdicts");
    buf_addc(b, '{');
    for (size_t i = 0; i < o->n_steps; i++) {
        const struct step *s = &o->steps[i];
        bool again = false;

        for (size_t k = 0; k < i; k++)
            again |= str_eq(o->steps[k].stage, s->stage);
        if (again)
            continue;
        if (b->p[b->n - 1] == '}')
            buf_addc(b, ',');
        json_str(b, s->stage);
        buf_add(b, str_lit(":{"));
        put_text(b, "verdict", s->verdict);
        if (s->has_score && isfinite(s->score)) {
            put_key(b, "score");
            buf_addf(b, "%.2f", s->score);
        }
        put_text(b, "detail", s->detail);
        buf_addc(b, '}');
    }
    buf_addc(b, '}');
}

static void put_headers(struct buf *b, struct message *m)
{
    static const struct {
        const char *key, *field;
    } list[] = {{"from", "From"},       {"reply_to", "Reply-To"},     {"to", "To"},
                {"subject", "Subject"}, {"message_id", "Message-ID"}, {"date", "Date"}};

    put_key(b, "hdr");
    buf_addc(b, '{');
    for (size_t i = 0; i < sizeof list / sizeof *list; i++) {
        struct header_field f;

        if (header_find(m->patch.original, str_c(list[i].field), &f))
            put_text(b, list[i].key, mime_decode_words(m->arena, header_unfold(m->arena, f.value, VALUE_MAX)));
    }
    buf_addc(b, '}');
}

/* Names of what was read already; nothing is read for the metadata alone. */
static void put_attachments(struct buf *b, const struct message *m)
{
    size_t n = 0;

    if (!m->mime_now)
        return;
    put_key(b, "attachments");
    buf_addc(b, '[');
    for (const struct mime_part *p = m->mime_now->all; p && n < ATTACHMENTS_MAX && b->n < ATTACHMENTS_BYTES;
         p = p->all_next) {
        if (!p->attachment || p->multipart)
            continue;
        begin_item(b);
        put_text(b, "name", p->name);
        put_text(b, "type", p->detected.n ? p->detected : p->type);
        put_number(b, "size", p->size);
        buf_addc(b, '}');
        n++;
    }
    buf_addc(b, ']');
}

static void put_client(struct buf *b, const struct envelope *env)
{
    struct str rest = env->tls, protocol = STR_NONE;

    put_key(b, "client");
    buf_addc(b, '{');
    put_text(b, "ip", env->client_ip);
    put_text(b, "helo", env->helo);
    put_text(b, "rdns", env->client_name);
    put_text(b, "auth_user", env->auth_user);
    if (str_word(&rest, &protocol)) {
        put_text(b, "tls_protocol", protocol);
        put_text(b, "tls_cipher", str_trim(rest));
    }
    buf_addc(b, '}');
}

/* Actions that were gathered and apply when it goes on. */
static void put_pending(struct buf *b, const struct carried *c)
{
    put_key(b, "pending");
    buf_addc(b, '{');
    put_text(b, "alt_host", c->route);
    put_text(b, "bounce_profile", c->bounce_profile);
    put_text(b, "source_interface", c->source_interface);
    put_text(b, "encrypt", c->encrypt);
    put_text(b, "tags", c->tags);
    put_text(b, "spam", c->spam);
    put_number(b, "skip", c->skip);
    put_number(b, "resume", c->resume);
    buf_addc(b, '}');
}

struct str meta_make(struct message *m, const struct carried *c)
{
    const struct outcome *o = &m->outcome;
    struct buf b = BUF(META_MAX);
    struct str text;

    buf_addc(&b, '{');
    put_text(&b, "class", o->n_holds ? str_lit("pvo") : str_lit("spam"));
    put_number(&b, "held", message_now_ms(m));
    put_text(&b, "direction", m->env->outgoing ? str_lit("out") : str_lit("in"));
    put_text(&b, "mail_policy", m->carried.policy);
    put_client(&b, m->env);
    put_headers(&b, m);
    put_attachments(&b, m);
    put_verdicts(&b, o);
    put_holds_json(&b, o);
    if (!o->n_holds)
        put_spam(&b, o->spam_hold);
    put_text(&b, "stage", o->n_holds ? o->holds[0].reason : str_lit("antispam"));
    put_pending(&b, c);
    buf_addc(&b, '}');
    text = b.failed ? str_lit("{}") : arena_str(m->arena, buf_str(&b));
    buf_done(&b);
    return text;
}
