/*
 * Rules about the envelope and about who vouches for it: sender, recipients, groups, SPF, DKIM, DMARC. See rules.h.
 *
 * Called through the table of filter_eval.c. A group that cannot be asked is no match.
 */
#include "policy/forged.h"
#include "policy/rules.h"

#include "conf/table.h"
#include "mail/address.h"
#include "mail/auth.h"

static struct str sender(const struct message *m)
{
    return m->outcome.has_new_sender ? m->outcome.new_sender : m->env->sender;
}

bool rule_mail_from(struct message *m, const struct filter_rule *r)
{
    return rule_finds(m, r->operand.regex, sender(m));
}

bool rule_rcpt_to(struct message *m, const struct filter_rule *r)
{
    for (size_t i = 0; i < m->n_recipients; i++)
        if (rule_finds(m, r->operand.regex, message_recipient(m, i)))
            return true;
    return false;
}

bool rule_rcpt_count(struct message *m, const struct filter_rule *r)
{
    return rule_compare(r, (double)m->n_recipients);
}

static bool in_group(struct message *m, struct str address, struct str group)
{
    return address.n && m->world && m->world->in_group &&
           m->world->in_group(m->world->ctx, m, STR_NONE, address, group) == RC_OK;
}

bool rule_mail_from_group(struct message *m, const struct filter_rule *r)
{
    return in_group(m, sender(m), r->operand.text);
}

bool rule_rcpt_to_group(struct message *m, const struct filter_rule *r)
{
    for (size_t i = 0; i < m->n_recipients; i++)
        if (in_group(m, message_recipient(m, i), r->operand.text))
            return true;
    return false;
}

bool rule_mail_from_dictionary_match(struct message *m, const struct filter_rule *r)
{
    return rule_words_reach(m, r, 1, rule_words(m, filter_text(r->args, r->n_args, 0), sender(m)));
}

bool rule_rcpt_to_dictionary_match(struct message *m, const struct filter_rule *r)
{
    uint64_t score = 0;

    for (size_t i = 0; i < m->n_recipients; i++)
        score += rule_words(m, filter_text(r->args, r->n_args, 0), message_recipient(m, i));
    return rule_words_reach(m, r, 1, score);
}

/* --- lists of addresses -------------------------------------------------------------------------------------------- */

/* user@domain, domain, @domain, .domain, user@ of a list. */
bool rule_in_lines(struct strs lines, struct str address)
{
    struct str local = STR_NONE, domain = address;

    if (!address.n)
        return false;
    address_cut(address, &local, &domain);
    for (size_t i = 0; i < lines.n; i++) {
        struct str line = str_trim(lines.items[i]);

        if (!line.n)
            continue;
        if (str_eqi(line, address) || (line.p[0] == '@' ? str_eqi(str_from(line, 1), domain) : str_eqi(line, domain)))
            return true;
        if (line.p[0] == '.' && domain.n > line.n && str_endsi(domain, line))
            return true;
        if (line.p[line.n - 1] == '@' && local.n && str_eqi(str_first(line, line.n - 1), local))
            return true;
    }
    return false;
}

bool rule_excepted(struct message *m, struct str list)
{
    const struct conf_address_list *l = list.n ? conf_find(&m->conf->address_list, list) : NULL;
    struct strs from;

    if (!l)
        return false;
    if (rule_in_lines(l->members, m->env->sender) || rule_in_lines(l->members, m->env->client_ip))
        return true;
    from = rule_header_raw(m, str_lit("From"));
    return from.n && rule_in_lines(l->members, rule_address(m, from.items[0], NULL));
}

/* --- authentication ------------------------------------------------------------------------------------------------ */

static bool result_listed(struct strs list, enum auth_result result)
{
    return rule_listed(list, str_c(auth_result_word(result))) ||
           (result == AUTH_FAIL && rule_listed(list, str_lit("hardfail")));
}

bool rule_spf_status(struct message *m, const struct filter_rule *r)
{
    const struct auth_results *a = message_auth(m);
    struct str identity = filter_text(r->args, r->n_args, 0);
    const struct auth_spf *spf = a ? &a->spf_mailfrom : NULL;

    if (a && (str_eqi(identity, str_lit("helo")) || (!identity.n && !a->spf_mailfrom.checked)))
        spf = &a->spf_helo;
    return result_listed(r->operand.list, spf && spf->checked ? spf->result : AUTH_NONE);
}

bool rule_spf_passed(struct message *m, const struct filter_rule *r)
{
    const struct auth_results *a = message_auth(m);

    (void)r;
    if (!a)
        return false;
    return a->spf_mailfrom.checked ? a->spf_mailfrom.result == AUTH_PASS
                                   : a->spf_helo.checked && a->spf_helo.result == AUTH_PASS;
}

/* One signature that passes decides; else the first one. */
bool rule_dkim_authentication(struct message *m, const struct filter_rule *r)
{
    const struct auth_results *a = message_auth(m);
    enum auth_result result = a && a->n_dkim ? a->dkim[0].result : AUTH_NONE;

    for (size_t i = 0; a && i < a->n_dkim; i++)
        if (a->dkim[i].result == AUTH_PASS)
            result = AUTH_PASS;
    return result_listed(r->operand.list, result);
}

bool rule_dmarc(struct message *m, const struct filter_rule *r)
{
    const struct auth_results *a = message_auth(m);

    return result_listed(r->operand.list, a && a->dmarc.checked ? a->dmarc.result : AUTH_NONE);
}

/* --- forged senders ------------------------------------------------------------------------------------------------ */

/* "John Doe,5" -> "John Doe" */
static struct str without_weight(struct str term)
{
    size_t comma = str_find_last(term, ',');
    uint64_t weight;

    return comma < term.n && str_u64(str_trim(str_from(term, comma + 1)), &weight) ? str_first(term, comma) : term;
}

bool rule_forged_email_detection(struct message *m, const struct filter_rule *r)
{
    struct strs from = rule_header_raw(m, str_lit("From"));
    struct strs names = rule_terms(m, filter_text(r->args, r->n_args, 0));
    uint64_t threshold = filter_number(r->args, r->n_args, 1, 100);

    if (rule_excepted(m, filter_text(r->args, r->n_args, 2)))
        return false;
    for (size_t i = 0; i < from.n; i++) {
        struct str name = STR_NONE, address = rule_address(m, from.items[i], &name);

        for (size_t j = 0; j < names.n; j++)
            if (forged_score(m->arena, name, address, without_weight(names.items[j])) >= threshold) {
                rule_found(m, name.n ? name : address);
                return true;
            }
    }
    return false;
}
