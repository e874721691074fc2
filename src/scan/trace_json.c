/*
 * The report of a trace as the JSON object of spec/cli.md 12.4. See trace.h.
 *
 * Called by trace.c. Owns nothing. Members are always there; what was not looked at has empty values and result "none".
 */
#include "base/json.h"
#include "scan/trace_inside.h"

#include <inttypes.h>

enum { PARTS_SHOWN = 2000, URLS_SHOWN = 2000, RULES_SHOWN = 300 };

static void key(struct buf *b, const char *name)
{
    char last = b->n ? b->p[b->n - 1] : '{';

    if (last != '{' && last != '[')
        buf_addc(b, ',');
    json_str(b, str_c(name));
    buf_addc(b, ':');
}

static void text(struct buf *b, const char *name, struct str value)
{
    key(b, name);
    json_str(b, value);
}

static void number(struct buf *b, const char *name, uint64_t value)
{
    key(b, name);
    buf_addf(b, "%" PRIu64, value);
}

static void flag(struct buf *b, const char *name, bool value)
{
    key(b, name);
    buf_add(b, value ? str_lit("true") : str_lit("false"));
}

static void begin(struct buf *b, const char *name, char c)
{
    key(b, name);
    buf_addc(b, c);
}

static void item(struct buf *b)
{
    if (b->n && b->p[b->n - 1] != '[')
        buf_addc(b, ',');
}

static void texts(struct buf *b, const char *name, struct strs list)
{
    begin(b, name, '[');
    for (size_t i = 0; i < list.n; i++) {
        item(b);
        json_str(b, list.items[i]);
    }
    buf_addc(b, ']');
}

/* --- receipt ----------------------------------------------------------------------------------------------------------- */

static void put_connection(struct trace *t, struct buf *b)
{
    static const char *const actions[] = {"accept", "relay", "reject", "tcprefuse"};
    const struct conf_mail_flow_policy *p = t->match.policy;

    text(b, "listener", t->listener->name);
    begin(b, "connection", '{');
    text(b, "ip", t->o.ip_text);
    text(b, "rdns", t->name);
    text(b, "helo", t->helo);
    text(b, "group", t->match.group);
    text(b, "policy", p ? p->name : STR_NONE);
    text(b, "action", str_c(p && p->behavior < 4 ? actions[p->behavior] : ""));
    key(b, "reputation");
    if (t->reputation.state == REPUTATION_NUMBER)
        buf_addf(b, "%.1f", t->reputation.tenths / 10.0);
    else
        buf_add(b, str_lit("null"));
    buf_addc(b, '}');
    begin(b, "smtp", '{');
    number(b, "code", t->code);
    text(b, "text", t->text);
    buf_addc(b, '}');
}

/* --- authentication ---------------------------------------------------------------------------------------------------- */

static void put_spf(const struct auth_results *r, struct buf *b)
{
    const struct auth_spf *s = !r ? NULL : r->spf_mailfrom.checked || !r->spf_helo.checked ? &r->spf_mailfrom : &r->spf_helo;

    begin(b, "spf", '{');
    text(b, "result", str_c(auth_result_word(s && s->checked ? s->result : AUTH_NONE)));
    text(b, "identity", !s || !s->checked ? STR_NONE : s == &r->spf_helo ? str_lit("helo") : str_lit("mailfrom"));
    text(b, "domain", s ? s->domain : STR_NONE);
    text(b, "explanation", s ? s->explanation : STR_NONE);
    buf_addc(b, '}');
}

static void put_dkim(const struct auth_results *r, struct buf *b)
{
    begin(b, "dkim", '[');
    for (size_t i = 0; r && r->dkim_checked && i < r->n_dkim; i++) {
        const struct auth_dkim *k = &r->dkim[i];

        item(b);
        buf_addc(b, '{');
        text(b, "result", str_c(auth_result_word(k->result)));
        text(b, "domain", k->domain);
        text(b, "selector", k->selector);
        text(b, "reason", k->reason);
        buf_addc(b, '}');
    }
    buf_addc(b, ']');
}

static void put_auth(struct trace *t, struct buf *b)
{
    const struct auth_results *r = t->first ? t->first->m.auth : NULL;
    const struct auth_dmarc *d = r && r->dmarc.checked ? &r->dmarc : NULL;

    begin(b, "auth", '{');
    put_spf(r, b);
    put_dkim(r, b);
    begin(b, "dmarc", '{');
    text(b, "result", str_c(auth_result_word(d ? d->result : AUTH_NONE)));
    text(b, "policy", str_c(dmarc_policy_word(d ? d->policy : DMARC_NONE)));
    text(b, "disposition", str_c(dmarc_policy_word(d ? d->disposition : DMARC_NONE)));
    text(b, "domain", d ? d->from_domain : STR_NONE);
    buf_addc(b, '}');
    begin(b, "arc", '{');
    text(b, "result", str_c(auth_result_word(r && r->arc_checked ? r->arc.result : AUTH_NONE)));
    buf_add(b, str_lit("}}"));
}

/* --- what is inside ---------------------------------------------------------------------------------------------------- */

static void put_flaws(struct buf *b, uint64_t flaws)
{
    begin(b, "malformed", '[');
    for (enum mime_flaw f = 0; f < MIME_FLAWS; f++)
        if (flaws >> f & 1) {
            item(b);
            json_str(b, str_c(mime_flaw_name(f)));
        }
    buf_addc(b, ']');
}

static void put_part(struct mime *mime, struct mime_part *p, struct buf *b)
{
    if (!p->multipart)
        mime_body(mime, p);
    item(b);
    buf_addc(b, '{');
    text(b, "path", p->path);
    text(b, "type", p->type);
    text(b, "detected", p->detected);
    text(b, "name", p->name);
    number(b, "size", p->multipart ? p->raw.n : p->size);
    flag(b, "encrypted", p->encrypted);
    flag(b, "unscannable", p->unscannable.n > 0);
    put_flaws(b, p->flaws);
    buf_addc(b, '}');
}

static void put_inside(struct trace *t, struct buf *b)
{
    struct mime *mime = t->first ? message_content(&t->first->m) : NULL;
    struct mime_urls urls = {0};
    size_t n = 0;

    begin(b, "parts", '[');
    for (struct mime_part *p = mime ? mime->all : NULL; p && n < PARTS_SHOWN; p = p->all_next, n++)
        put_part(mime, p, b);
    buf_addc(b, ']');
    begin(b, "urls", '[');
    if (mime)
        urls = mime_urls(mime);
    for (size_t i = 0; i < urls.n && i < URLS_SHOWN; i++) {
        bool again = false;

        for (size_t k = 0; k < i && !again; k++)
            again = str_eq(urls.items[k].url, urls.items[i].url);
        if (again)
            continue;
        item(b);
        json_str(b, urls.items[i].url);
    }
    buf_addc(b, ']');
}

static void put_dlp(struct trace *t, struct buf *b)
{
    begin(b, "dlp", '[');
    for (size_t i = 0; i < t->n_dlp; i++) {
        const struct dlp_hit *h = &t->dlp[i];

        item(b);
        buf_addc(b, '{');
        text(b, "policy", h->policy->name);
        text(b, "classifier", h->classifier);
        number(b, "count", h->count);
        number(b, "risk", h->risk);
        text(b, "severity", str_c(dlp_severity_name(h->severity)));
        buf_addc(b, '}');
    }
    buf_addc(b, ']');
}

static void put_bounce(struct trace *t, struct buf *b)
{
    struct trace_bounce found;

    key(b, "bounce");
    if (!trace_bounce(t, &found)) {
        buf_add(b, str_lit("null"));
        return;
    }
    buf_addc(b, '{');
    text(b, "recipient", found.recipient);
    text(b, "status", found.status);
    text(b, "class", str_c(found.class));
    buf_addc(b, '}');
}

/* --- recipients -------------------------------------------------------------------------------------------------------- */

/* Symbols of anti-spam are a list, the detail of other stages is a name. */
static void put_step(struct trace *t, const struct step *s, struct buf *b)
{
    struct str rest = s->detail, one;
    size_t n = 0;

    item(b);
    buf_addc(b, '{');
    text(b, "stage", s->stage);
    text(b, "verdict", s->verdict);
    if (s->has_score) {
        key(b, "score");
        buf_addf(b, "%.1f", s->score);
    }
    if (!str_eq(s->stage, str_lit("antispam"))) {
        text(b, "name", trace_detail(t, s));
        buf_addc(b, '}');
        return;
    }
    begin(b, "rules", '[');
    while (s->has_score && rest.n && n++ < RULES_SHOWN && str_split(&rest, ',', &one)) {
        item(b);
        json_str(b, one);
    }
    buf_add(b, str_lit("]}"));
}

static void put_fate(struct trace *t, const struct trace_fate *f, struct buf *b)
{
    item(b);
    buf_addc(b, '{');
    text(b, "address", f->address);
    text(b, "policy", f->policy);
    begin(b, "steps", '[');
    for (size_t i = 0; i < f->n_steps; i++)
        put_step(t, &f->steps[i], b);
    buf_addc(b, ']');
    text(b, "action", str_c(f->action));
    text(b, "reason", f->reason);
    texts(b, "quarantines", f->quarantines);
    text(b, "next_hop", f->next_hop);
    buf_addc(b, '}');
}

static void put_recipients(struct trace *t, struct buf *b)
{
    begin(b, "recipients", '[');
    for (size_t i = 0; i < t->n_ended; i++)
        put_fate(t, &t->ended[i], b);
    for (struct trace_message *x = t->first; x; x = x->next)
        for (size_t i = 0; x->kind != COPY_GENERATED && i < x->n_fates; i++)
            put_fate(t, &x->fates[i], b);
    buf_addc(b, ']');
}

void trace_json(struct trace *t, struct buf *b)
{
    buf_addc(b, '{');
    put_connection(t, b);
    put_auth(t, b);
    put_inside(t, b);
    put_dlp(t, b);
    put_bounce(t, b);
    put_recipients(t, b);
    text(b, "action", str_c(t->action));
    texts(b, "headers_added", t->first ? trace_headers_added(t) : (struct strs){0});
    buf_addc(b, '}');
}
