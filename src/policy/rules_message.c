/*
 * Rules about the whole message: size, structure, signatures, language, verdicts of engines. See rules.h.
 *
 * Called through the table of filter_eval.c.
 */
#include "policy/language.h"
#include "policy/rules.h"

bool rule_body_size(struct message *m, const struct filter_rule *r)
{
    return rule_compare(r, (double)message_octets(m).n);
}

/* Every reader sees the same, and nothing is broken. */
bool rule_valid(struct message *m, const struct filter_rule *r)
{
    const struct mime *mime = message_mime(m);

    (void)r;
    return !mime->flaws && !mime->cut && !mime->ambiguous;
}

bool rule_duplicate_boundaries(struct message *m, const struct filter_rule *r)
{
    (void)r;
    return message_mime(m)->flaws & 1u << MIME_FLAW_DUPLICATE_BOUNDARY;
}

static bool has(struct str s, const char *what)
{
    struct str wanted = str_c(what);

    for (size_t i = 0; i + wanted.n <= s.n; i++)
        if (str_startsi(str_from(s, i), wanted))
            return true;
    return false;
}

/* application/pkcs7-mime: what it says to be in its smime-type parameter, or by its name. */
static bool is_pkcs7(const struct mime_part *p, const char *kind)
{
    struct header_field f;

    return (str_eq(p->type, str_lit("application/pkcs7-mime")) || str_eq(p->type, str_lit("application/x-pkcs7-mime"))) &&
           header_find(p->headers, str_lit("Content-Type"), &f) && has(f.value, kind);
}

bool rule_signed(struct message *m, const struct filter_rule *r)
{
    (void)r;
    for (const struct mime_part *p = message_mime(m)->all; p; p = p->all_next)
        if (str_eq(p->type, str_lit("multipart/signed")) || str_eq(p->type, str_lit("application/pkcs7-signature")) ||
            str_eq(p->type, str_lit("application/x-pkcs7-signature")) ||
            str_eq(p->type, str_lit("application/pgp-signature")) || is_pkcs7(p, "signed-data"))
            return true;
    return false;
}

/* A block of OpenPGP in the text: at the begin of a line (RFC 9580 6.2). */
static bool is_pgp_text(struct message *m, struct mime *mime, struct mime_part *p)
{
    static const char mark[] = "-----BEGIN PGP MESSAGE-----";
    struct str text = mime_text(mime, p);
    size_t at = str_find_str(text, str_c(mark));

    (void)m;
    return at < text.n && (at == 0 || text.p[at - 1] == '\n');
}

bool rule_encrypted(struct message *m, const struct filter_rule *r)
{
    struct mime *mime = message_mime(m);

    (void)r;
    for (struct mime_part *p = mime->all; p; p = p->all_next) {
        bool pkcs7 =
            str_eq(p->type, str_lit("application/pkcs7-mime")) || str_eq(p->type, str_lit("application/x-pkcs7-mime"));

        if (str_eq(p->type, str_lit("multipart/encrypted")) || str_eq(p->type, str_lit("application/pgp-encrypted")) ||
            (pkcs7 && !is_pkcs7(p, "signed-data") && !is_pkcs7(p, "certs-only") && !is_pkcs7(p, "compressed-data")) ||
            (str_starts(p->type, str_lit("text/")) && is_pgp_text(m, mime, p)))
            return true;
    }
    return false;
}

bool rule_message_language(struct message *m, const struct filter_rule *r)
{
    struct mime *mime = message_mime(m);
    struct mime_part *p = mime_first_text(mime);
    struct str text = p ? rule_part_text(m, mime, p) : STR_NONE;
    const char *name = language_of(text);

    for (size_t i = 0; i < r->operand.list.n; i++)
        if (language_is(name, r->operand.list.items[i]))
            return true;
    return false;
}

/* What the stages before said about malware: anti-virus and file reputation. Alone: anything bad. */
bool rule_malware(struct message *m, const struct filter_rule *r)
{
    static const char *const bad[] = {"infected", "malicious", "repaired", "positive"};

    for (size_t i = 0; i < m->outcome.n_steps; i++) {
        const struct step *s = &m->outcome.steps[i];

        if (!str_eqi(s->stage, str_lit("antivirus")) && !str_eqi(s->stage, str_lit("amp")) &&
            !str_eqi(s->stage, str_lit("file reputation")))
            continue;
        for (size_t j = 0; r->op == FILTER_ALONE && j < sizeof bad / sizeof *bad; j++)
            if (str_eqi(s->verdict, str_c(bad[j])))
                return true;
        if (r->op != FILTER_ALONE &&
            (rule_listed(r->operand.list, s->verdict) ||
             (str_eqi(s->verdict, str_lit("positive")) && rule_listed(r->operand.list, str_lit("infected"))) ||
             (str_eqi(s->verdict, str_lit("negative")) && rule_listed(r->operand.list, str_lit("clean")))))
            return true;
    }
    return false;
}
