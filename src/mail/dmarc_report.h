/*
 * Aggregate reports of DMARC (RFC 7489 7.2, RFC 9990): what is kept of each message, how it is counted, the XML, where it
 * goes, the mail.
 *
 * scan makes a row of each message that was checked, role record keeps and counts them and sends the reports. Pure: no
 * files, no clock; memory is the caller's arena or buffer.
 */
#ifndef MAIL_DMARC_REPORT_H
#define MAIL_DMARC_REPORT_H

#include "base/buf.h"
#include "base/err.h"
#include "mail/dmarc.h"

enum {
    DMARC_ROW_DKIM = 10,           /* signatures told of one message */
    DMARC_ROW_BYTES = 16384,       /* one row as a line */
    DMARC_TALLY_ROWS = 500000,     /* different rows counted at once */
    DMARC_TALLY_BYTES = 256 << 20, /* their octets */
    DMARC_REPORT_ROWS = 50000,     /* in one report */
};

/* What a report says of one message, or of many that are alike. */
struct dmarc_row {
    struct str domain; /* whose record counted: the report is for its owner */
    struct str record; /* that record, as published */
    enum dmarc_method method;
    struct str source_ip; /* text */
    enum dmarc_policy disposition;
    bool passed, spf_aligned, dkim_aligned;
    struct str override;                   /* empty = none */
    struct str header_from, envelope_from; /* domains; envelope_from empty for <> */
    enum auth_result spf;                  /* of MAIL FROM */
    struct str spf_domain;                 /* empty = not checked */
    struct {
        struct str domain, selector;
        enum auth_result result;
    } dkim[DMARC_ROW_DKIM];
    size_t n_dkim;
    uint64_t count;
};

/* False when the message belongs in no report (no record was found). `override` of auth_dmarc goes along. */
bool dmarc_row_of(const struct auth_results *r, enum dmarc_method method, struct str source_ip, struct str envelope_from,
                  struct dmarc_row *out);
/* One line of words without line end (the same texts give the same line; count is left out). */
void dmarc_row_write(const struct dmarc_row *row, struct buf *out);
enum rc dmarc_row_read(struct arena *a, struct str line, struct dmarc_row *out, struct err *e);

/* Counts lines: the same line again only raises its count. */
struct dmarc_tally;
struct dmarc_tally *dmarc_tally_new(void);
void dmarc_tally_free(struct dmarc_tally *t); /* NULL is fine */
/* False: beyond the limits, the line is not counted (dmarc_tally_lost() tells how many). */
bool dmarc_tally_add(struct dmarc_tally *t, struct str line);
uint64_t dmarc_tally_lost(const struct dmarc_tally *t);
struct dmarc_report {
    struct str organization, email, contact; /* who reports */
    struct str receiver;                     /* our host name, part of the file name and the report id */
    struct str domain;                       /* whom it is about */
    uint64_t begin, end;                     /* seconds since 1970, end included */
    const struct dmarc_row *rows;
    size_t n;
    uint64_t omitted; /* messages left out for the size */
};

/* Sorts: domains in alphabetical order, each with its rows, most frequent first. Nothing may be added afterwards. */
void dmarc_tally_sort(struct dmarc_tally *t);
/* Domain by domain (sorted, *at = 0 first; false at the end): fills domain, rows, n and omitted of a report. At most
 * DMARC_REPORT_ROWS rows, which lie in the arena; lines that do not read are passed over. */
bool dmarc_tally_next(const struct dmarc_tally *t, struct arena *a, size_t *at, struct dmarc_report *out);

/* "example.org.1700000000.1700086399@gw.example.net": the same for the same report again. */
void dmarc_report_id(const struct dmarc_report *r, struct buf *out);
/* The document: by RFC 9990 when the rows were made by the tree walk, else by RFC 7489 appendix C. */
void dmarc_report_xml(const struct dmarc_report *r, struct buf *out);
/* Compressed document of at most max_bytes: as many rows as fit, most frequent first. RC_TOO_LARGE when not even one does.
 */
enum rc dmarc_report_gzip(const struct dmarc_report *r, uint64_t max_bytes, struct buf *out);
/* The whole mail with CRLF: gzip as attachment. Add no envelope data: sender and recipient are those given. */
void dmarc_report_mail(const struct dmarc_report *r, struct str from, struct str to, struct str gzip, uint64_t now_ms,
                       struct buf *out);

/*
 * Whether a host may get reports about a domain (RFC 7489 7.1): its own owner's hosts may, others say so in the DNS at the
 * name that dmarc_external_name() gives. `suffixes` decides who has the same owner, by either method.
 */
bool dmarc_uri_is_internal(const struct suffixes *s, struct str domain, const struct dmarc_uri *uri);
struct str dmarc_external_name(struct arena *a, struct str domain, const struct dmarc_uri *uri);
/* The answer to a TXT question for that name: true = it may; *to_out is the address, or the one that the host prefers. */
bool dmarc_external_allows(struct arena *a, const struct dns_answer *d, const struct dmarc_uri *uri,
                           struct dmarc_uri *to_out);
/* All of it in one call that waits. */
bool dmarc_uri_permitted(struct arena *a, const struct dns_source *dns, const struct suffixes *s, struct str domain,
                         const struct dmarc_uri *uri, struct dmarc_uri *to_out);

#endif
