/*
 * What follows from mail authentication: log lines, report row, the Authentication-Results field, DMARC's action. See
 * authenticate.h.
 *
 * Called by scan once for a message. Records in the message's outcome and patch alone.
 */
#include "policy/authenticate.h"

#include "mail/auth_header.h"
#include "mail/dmarc_report.h"
#include "mail/header.h"

/* --- log lines (logs.md 5) ----------------------------------------------------------------------------------------- */

static void log_spf(struct message *m, const struct auth_results *r)
{
    const struct auth_spf *h = &r->spf_helo, *f = &r->spf_mailfrom, *p = &r->spf_pra;

    if (h->checked)
        event(m->events, spf_helo, .mid = m->mid, .identity = h->identity, .result = str_c(auth_result_log(h->result)),
              .record = h->has_record);
    if (f->checked)
        event(m->events, spf_mailfrom, .mid = m->mid, .identity = f->identity, .result = str_c(auth_result_log(f->result)));
    if (p->checked)
        event(m->events, spf_pra, .mid = m->mid, .identity = p->identity, .result = str_c(auth_result_log(p->result)),
              .header = r->spf_pra_field);
}

/* ROW for each result: the word of a DKIM line. */
static const char *const dkim_words[AUTH_RESULT_COUNT] = {
    [AUTH_NONE] = "none",         [AUTH_NEUTRAL] = "neutral",    [AUTH_PASS] = "pass",          [AUTH_FAIL] = "permfail",
    [AUTH_SOFTFAIL] = "permfail", [AUTH_TEMPERROR] = "tempfail", [AUTH_PERMERROR] = "permfail", [AUTH_POLICY] = "neutral",
};

/* A permanent failure of a signature is final. */
static void log_dkim(struct message *m, const struct auth_results *r)
{
    if (r->dkim_checked && !r->n_dkim)
        event(m->events, dkim_absent, .mid = m->mid);
    for (size_t i = 0; i < r->n_dkim; i++) {
        const struct auth_dkim *k = &r->dkim[i];

        event(m->events, dkim, .mid = m->mid, .result = str_c(dkim_words[k->result]), .why = k->reason,
              .final = k->result == AUTH_FAIL || k->result == AUTH_PERMERROR, .domain = k->domain, .selector = k->selector,
              .identity = k->identity);
    }
}

static const char *const verifications[AUTH_RESULT_COUNT] = {
    [AUTH_NONE] = "skipped (no record)",
    [AUTH_PASS] = "passed",
    [AUTH_FAIL] = "failed",
    [AUTH_TEMPERROR] = "skipped (temporary error)",
    [AUTH_PERMERROR] = "skipped (permanent error)",
};

static void log_dmarc(struct message *m, const struct auth_results *r)
{
    const struct auth_dmarc *d = &r->dmarc;

    if (r->dmarc_bypassed)
        event(m->events, dmarc_verification, .mid = m->mid, .result = str_lit("skipped (sender or header is exempt)"));
    if (!d->checked)
        return;
    if (d->from_domain.n)
        event(m->events, dmarc, .mid = m->mid, .domain = d->from_domain, .result = str_c(auth_result_word(d->result)),
              .spf_aligned = d->spf_aligned, .dkim_aligned = d->dkim_aligned);
    event(m->events, dmarc_verification, .mid = m->mid,
          .result = d->from_domain.n ? str_c(verifications[d->result]) : str_lit("skipped (no author domain)"));
}

static void report_row(struct message *m, const struct auth_results *r)
{
    struct dmarc_row row;
    struct buf line = BUF(DMARC_ROW_BYTES);
    enum dmarc_method method = m->conf->authentication.dmarc_method ? DMARC_BY_WALK : DMARC_BY_LIST;

    if (m->conf->dmarc.report && dmarc_row_of(r, method, m->env->client_ip, m->env->sender, &row)) {
        dmarc_row_write(&row, &line);
        if (!line.failed)
            event(m->events, dmarc_row, .mid = m->mid, .line = buf_str(&line));
    }
    buf_done(&line);
}

/* --- the field ----------------------------------------------------------------------------------------------------- */

static struct str authserv_id(const struct message *m)
{
    return m->conf->authentication.authserv_id.n ? m->conf->authentication.authserv_id : m->conf->system.hostname;
}

static bool next_forged(struct message *m, struct str *whole_out)
{
    struct str rest = message_octets(m);
    struct header_field f;

    while (header_next(&rest, &f))
        if (str_eqi(f.name, str_lit("Authentication-Results")) && auth_header_is_ours(f.value, authserv_id(m))) {
            *whole_out = f.whole;
            return true;
        }
    return false;
}

size_t auth_remove_forged(struct message *m)
{
    struct str whole;
    size_t n = 0;

    for (; !m->patch.failed && next_forged(m, &whole); n++)
        patch_replace_view(&m->patch, whole, STR_NONE);
    return n;
}

static void add_field(struct message *m, const struct auth_results *r)
{
    struct buf b = BUF(1 << 16);

    auth_header_field(r, authserv_id(m), &b);
    if (!b.failed)
        patch_replace(&m->patch, 0, 0, buf_str(&b));
    buf_done(&b);
}

/* --- DMARC's action ------------------------------------------------------------------------------------------------ */

enum { DELIVER, QUARANTINE, DROP, BOUNCE }; /* choices of authentication.on_... */

static uint64_t action_of(const struct conf_authentication *c, const struct auth_dmarc *d)
{
    const uint64_t by_policy[] = {c->on_none, c->on_quarantine, c->on_reject};

    if (d->result == AUTH_TEMPERROR)
        return c->on_temperror;
    if (d->result == AUTH_PERMERROR)
        return c->on_permerror;
    if (d->result != AUTH_FAIL || (d->disposition == DMARC_NONE && d->policy != DMARC_NONE))
        return DELIVER;
    return by_policy[d->disposition];
}

static void act_on_dmarc(struct message *m, const struct auth_dmarc *d)
{
    const struct conf_authentication *c = &m->conf->authentication;
    uint64_t action = d->checked ? action_of(c, d) : DELIVER;

    if (action == QUARANTINE) {
        message_hold(m, &(struct hold){.quarantine = c->quarantine,
                                       .kind = str_lit("policy"),
                                       .reason = str_lit("DMARC verification"),
                                       .rule = str_lit("DMARC"),
                                       .matched = d->from_domain});
    } else if (action == DROP) {
        event(m->events, message_dropped, .mid = m->mid, .by = 6);
        message_final(m, FINAL_DROP, str_lit("DMARC"), STR_NONE);
    } else if (action == BOUNCE) {
        message_final(m, FINAL_BOUNCE, str_lit("DMARC"), c->reject_text);
    }
}

static bool anything(const struct auth_results *r)
{
    return r->spf_helo.checked || r->spf_mailfrom.checked || r->dkim_checked || r->arc_checked || r->dmarc.checked;
}

void auth_apply(struct message *m, const struct auth_results *r)
{
    if (m->env->icid && !m->env->outgoing)
        auth_remove_forged(m);
    if (!r || (!anything(r) && !r->dmarc_bypassed))
        return;
    log_spf(m, r);
    log_dkim(m, r);
    log_dmarc(m, r);
    if (!m->trace)
        report_row(m, r);
    if (m->conf->authentication.add_header && anything(r))
        add_field(m, r);
    act_on_dmarc(m, &r->dmarc);
}
