/*
 * The document of an aggregate report. See dmarc_report.h.
 *
 * Called by record. Two schemas: RFC 9990 (its own name space, np, testing, discovery method) and RFC 7489 appendix C (pct),
 * by the method that judged. Every text that a stranger chose is escaped, octets that XML cannot hold become "?".
 */
#include "mail/dmarc_report.h"

static void escape(struct str s, struct buf *out)
{
    for (size_t i = 0; i < s.n; i++) {
        unsigned char c = (unsigned char)s.p[i];

        if (c == '&')
            buf_add(out, str_lit("&amp;"));
        else if (c == '<')
            buf_add(out, str_lit("&lt;"));
        else if (c == '>')
            buf_add(out, str_lit("&gt;"));
        else
            buf_addc(out, c < 0x20 || c >= 0x7f ? '?' : (char)c);
    }
}

static void element(struct buf *out, unsigned depth, const char *name, struct str value)
{
    buf_addf(out, "%*s<%s>", (int)(2 * depth), "", name);
    escape(value, out);
    buf_addf(out, "</%s>\n", name);
}

static void number(struct buf *out, unsigned depth, const char *name, uint64_t value)
{
    buf_addf(out, "%*s<%s>", (int)(2 * depth), "", name);
    buf_add_u64(out, value);
    buf_addf(out, "</%s>\n", name);
}

static void metadata(const struct dmarc_report *r, struct buf *out)
{
    struct buf id = BUF(1024);

    dmarc_report_id(r, &id);
    buf_add(out, str_lit("  <report_metadata>\n"));
    element(out, 2, "org_name", r->organization);
    element(out, 2, "email", r->email);
    if (r->contact.n)
        element(out, 2, "extra_contact_info", r->contact);
    element(out, 2, "report_id", buf_str(&id));
    buf_add(out, str_lit("    <date_range>\n"));
    number(out, 3, "begin", r->begin);
    number(out, 3, "end", r->end);
    buf_add(out, str_lit("    </date_range>\n"));
    if (r->omitted)
        buf_addf(out, "    <error>%llu messages are left out to keep the report small</error>\n",
                 (unsigned long long)r->omitted);
    buf_add(out, str_lit("  </report_metadata>\n"));
    buf_done(&id);
}

static void published(const struct dmarc_report *r, bool walk, struct buf *out)
{
    struct arena a;
    const struct dmarc_record *p;

    arena_init(&a, 4096, 1 << 20);
    p = r->n ? dmarc_record_parse(&a, r->rows[0].record) : NULL;
    buf_add(out, str_lit("  <policy_published>\n"));
    element(out, 2, "domain", r->domain);
    if (walk)
        element(out, 2, "discovery_method", str_lit("treewalk"));
    if (p) {
        element(out, 2, "adkim", p->strict_dkim ? str_lit("s") : str_lit("r"));
        element(out, 2, "aspf", p->strict_spf ? str_lit("s") : str_lit("r"));
        element(out, 2, "p", str_c(dmarc_policy_word(p->p)));
        element(out, 2, "sp", str_c(dmarc_policy_word(p->sp)));
        if (walk) {
            element(out, 2, "np", str_c(dmarc_policy_word(p->np)));
            element(out, 2, "testing", p->testing ? str_lit("y") : str_lit("n"));
        } else {
            number(out, 2, "pct", p->percent);
        }
        element(out, 2, "fo", p->fo.n ? p->fo : str_lit("0"));
    }
    buf_add(out, str_lit("  </policy_published>\n"));
    arena_done(&a);
}

/* Reasons that one of the schemas does not have are "other" there, with their name as comment. */
static void reason(const struct dmarc_row *row, bool walk, struct buf *out)
{
    struct str only = walk ? str_lit("sampled_out") : str_lit("policy_test_mode");

    if (!row->override.n)
        return;
    buf_add(out, str_lit("        <reason>\n"));
    element(out, 5, "type", str_eq(row->override, only) ? str_lit("other") : row->override);
    if (str_eq(row->override, only))
        element(out, 5, "comment", row->override);
    buf_add(out, str_lit("        </reason>\n"));
}

static struct str pass_or_fail(bool pass)
{
    return pass ? str_lit("pass") : str_lit("fail");
}

static void row_part(const struct dmarc_row *row, bool walk, struct buf *out)
{
    buf_add(out, str_lit("    <row>\n"));
    element(out, 3, "source_ip", row->source_ip);
    number(out, 3, "count", row->count);
    buf_add(out, str_lit("      <policy_evaluated>\n"));
    element(out, 4, "disposition", walk && row->passed ? str_lit("pass") : str_c(dmarc_policy_word(row->disposition)));
    element(out, 4, "dkim", pass_or_fail(row->dkim_aligned));
    element(out, 4, "spf", pass_or_fail(row->spf_aligned));
    reason(row, walk, out);
    buf_add(out, str_lit("      </policy_evaluated>\n    </row>\n"));
}

static void identifiers(const struct dmarc_row *row, struct buf *out)
{
    buf_add(out, str_lit("    <identifiers>\n"));
    element(out, 3, "envelope_from", row->envelope_from);
    element(out, 3, "header_from", row->header_from);
    buf_add(out, str_lit("    </identifiers>\n"));
}

/* At least SPF stands there: the older schema wants it always. */
static void results(const struct dmarc_row *row, struct buf *out)
{
    buf_add(out, str_lit("    <auth_results>\n"));
    for (size_t i = 0; i < row->n_dkim; i++) {
        buf_add(out, str_lit("      <dkim>\n"));
        element(out, 4, "domain", row->dkim[i].domain);
        element(out, 4, "selector", row->dkim[i].selector);
        element(out, 4, "result", str_c(auth_result_word(row->dkim[i].result)));
        buf_add(out, str_lit("      </dkim>\n"));
    }
    buf_add(out, str_lit("      <spf>\n"));
    element(out, 4, "domain", row->spf_domain);
    element(out, 4, "scope", str_lit("mfrom"));
    element(out, 4, "result", str_c(auth_result_word(row->spf)));
    buf_add(out, str_lit("      </spf>\n    </auth_results>\n"));
}

void dmarc_report_xml(const struct dmarc_report *r, struct buf *out)
{
    bool walk = r->n && r->rows[0].method == DMARC_BY_WALK;

    buf_add(out, str_lit("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n"));
    buf_add(out, walk ? str_lit("<feedback xmlns=\"urn:ietf:params:xml:ns:dmarc-2.0\">\n") : str_lit("<feedback>\n"));
    buf_add(out, str_lit("  <version>1.0</version>\n"));
    metadata(r, out);
    published(r, walk, out);
    for (size_t i = 0; i < r->n; i++) {
        buf_add(out, str_lit("  <record>\n"));
        row_part(&r->rows[i], walk, out);
        identifiers(&r->rows[i], out);
        results(&r->rows[i], out);
        buf_add(out, str_lit("  </record>\n"));
    }
    buf_add(out, str_lit("</feedback>\n"));
}
