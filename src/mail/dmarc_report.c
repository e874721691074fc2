/*
 * Aggregate reports on their way: identity, compression, the mail, who may get them. See dmarc_report.h.
 *
 * Called by record. Owns buffers for the length of a call; zlib compresses.
 */
#include "mail/dmarc_report.h"

#include "mail/domain.h"
#include "mail/header.h"
#include "mail/transfer.h"

#include <inttypes.h>
#include <zlib.h>

enum { XML_MAX = 1 << 30 };

void dmarc_report_id(const struct dmarc_report *r, struct buf *out)
{
    buf_addf(out, "%.*s.%" PRIu64 ".%" PRIu64 "@%.*s", STR(r->domain), r->begin, r->end, STR(r->receiver));
}

static enum rc compress_gzip(struct str in, struct buf *out)
{
    z_stream z = {0};
    char *to = buf_reserve(out, compressBound((uLong)in.n) + 64);
    int status;

    if (!to || in.n > UINT32_MAX || deflateInit2(&z, Z_BEST_COMPRESSION, Z_DEFLATED, 15 + 16, 8, Z_DEFAULT_STRATEGY) != Z_OK)
        return RC_NO_MEMORY;
    z.next_in = (unsigned char *)(uintptr_t)in.p;
    z.avail_in = (uInt)in.n;
    z.next_out = (unsigned char *)to;
    z.avail_out = (uInt)(compressBound((uLong)in.n) + 64);
    status = deflate(&z, Z_FINISH);
    out->n += z.total_out;
    deflateEnd(&z);
    return status == Z_STREAM_END ? RC_OK : RC_INTERNAL;
}

enum rc dmarc_report_gzip(const struct dmarc_report *r, uint64_t max_bytes, struct buf *out)
{
    struct dmarc_report part = *r;
    enum rc rc = RC_TOO_LARGE;

    for (size_t n = r->n; n > 0; n = n == 1 ? 0 : (n + 1) / 2) {
        struct buf xml = BUF(XML_MAX), z = BUF(XML_MAX);

        part.n = n;
        part.omitted = r->omitted;
        for (size_t i = n; i < r->n; i++)
            part.omitted += r->rows[i].count;
        dmarc_report_xml(&part, &xml);
        rc = xml.failed ? RC_TOO_LARGE : compress_gzip(buf_str(&xml), &z);
        if (rc == RC_OK && z.n > max_bytes)
            rc = RC_TOO_LARGE;
        if (rc == RC_OK)
            buf_add(out, buf_str(&z));
        buf_done(&xml);
        buf_done(&z);
        if (rc != RC_TOO_LARGE)
            return rc == RC_OK && out->failed ? RC_NO_MEMORY : rc;
    }
    return rc;
}

static void head(const struct dmarc_report *r, struct str from, struct str to, struct str id, uint64_t now_ms,
                 struct buf *out)
{
    struct arena a;

    arena_init(&a, 512, 4096);
    buf_addf(out, "From: <%.*s>\r\nTo: <%.*s>\r\nDate: %.*s\r\n", STR(from), STR(to), STR(header_date(&a, now_ms)));
    buf_addf(out, "Subject: Report Domain: %.*s\r\n Submitter: %.*s\r\n Report-ID: <%.*s>\r\n", STR(r->domain),
             STR(r->receiver), STR(id));
    buf_addf(out, "Message-ID: <dmarc.%.*s>\r\nAuto-Submitted: auto-generated\r\n", STR(id));
    buf_addf(out, "MIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary=\"report-%" PRIu64 "\"\r\n\r\n", r->begin);
    arena_done(&a);
}

void dmarc_report_mail(const struct dmarc_report *r, struct str from, struct str to, struct str gzip, uint64_t now_ms,
                       struct buf *out)
{
    struct buf id = BUF(1024);

    dmarc_report_id(r, &id);
    head(r, from, to, buf_str(&id), now_ms, out);
    buf_addf(out,
             "--report-%" PRIu64 "\r\nContent-Type: text/plain; charset=us-ascii\r\n\r\n"
             "This is a DMARC aggregate report about mail from %.*s,\r\nas received by %.*s.\r\n\r\n",
             r->begin, STR(r->domain), STR(r->receiver));
    buf_addf(out,
             "--report-%" PRIu64 "\r\nContent-Type: application/gzip\r\nContent-Transfer-Encoding: base64\r\n"
             "Content-Disposition: attachment;\r\n filename=\"%.*s!%.*s!%" PRIu64 "!%" PRIu64 ".xml.gz\"\r\n\r\n",
             r->begin, STR(r->receiver), STR(r->domain), r->begin, r->end);
    transfer_base64(gzip, out);
    buf_addf(out, "\r\n--report-%" PRIu64 "--\r\n", r->begin);
    buf_done(&id);
}

/* --- who may get them ---------------------------------------------------------------------------------------------- */

static struct str host_of(const struct dmarc_uri *uri)
{
    return str_from(uri->address, str_find_last(uri->address, '@') + 1);
}

bool dmarc_uri_is_internal(const struct suffixes *s, struct str domain, const struct dmarc_uri *uri)
{
    return str_eqi(orgdomain_by_list(s, domain), orgdomain_by_list(s, host_of(uri)));
}

struct str dmarc_external_name(struct arena *a, struct str domain, const struct dmarc_uri *uri)
{
    return arena_printf(a, "%.*s._report._dmarc.%.*s", STR(domain), STR(host_of(uri)));
}

/* The host says yes by any DMARC record; an rua= in it may name another address at the same host (RFC 7489 7.1). */
bool dmarc_external_allows(struct arena *a, const struct dns_answer *d, const struct dmarc_uri *uri,
                           struct dmarc_uri *to_out)
{
    for (size_t i = 0; d->result == DNS_OK && i < d->n; i++) {
        struct str txt = d->records[i].data, version;
        const struct dmarc_record *r;

        if (!str_split(&txt, ';', &version) || !str_eq(str_trim(version), str_lit("v=DMARC1")))
            continue;
        *to_out = *uri;
        r = dmarc_record_parse(a, d->records[i].data);
        if (r && r->n_rua && str_eqi(host_of(&r->rua[0]), host_of(uri)))
            *to_out = r->rua[0];
        return true;
    }
    return false;
}

bool dmarc_uri_permitted(struct arena *a, const struct dns_source *dns, const struct suffixes *s, struct str domain,
                         const struct dmarc_uri *uri, struct dmarc_uri *to_out)
{
    struct dns_question q = {DNS_TXT, dmarc_external_name(a, domain, uri)};
    const struct dns_answer *d;

    if (dmarc_uri_is_internal(s, domain, uri)) {
        *to_out = *uri;
        return true;
    }
    return domain_fits_dns(q.name) && dns->ask(dns->ctx, a, &q, 1, &d) == RC_OK && dmarc_external_allows(a, d, uri, to_out);
}
