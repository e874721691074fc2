/*
 * What a quarantine adds to mail that the program lets out early: text around the subject, a header (central.md 9).
 *
 * Called by decide.c, which writes the member `edits` of a release, and leave.c, which makes the changes. Owns nothing. The
 * stored message stays as it is: the changes go along as edits (mail/edits.h). A message whose header section cannot be read
 * goes unchanged. Attachments are taken out by scan, which knows what is one (scan/released.c).
 */
#include "base/io.h"
#include "base/json.h"
#include "mail/edits.h"
#include "mail/header.h"
#include "quarantine/inside.h"

enum { HEADER_READ = 256 << 10, ADDED_MAX = 8192 };

void early_json(const struct conf_quarantine *row, struct buf *out)
{
    if (!row || (!row->subject_prefix.n && !row->subject_suffix.n && !row->header_name.n && !row->strip_attachments))
        return;
    buf_add(out, str_lit(",\"edits\":{"));
    if (row->subject_prefix.n)
        cpq_put_text(out, "subject_prefix", row->subject_prefix);
    if (row->subject_suffix.n)
        cpq_put_text(out, "subject_suffix", row->subject_suffix);
    if (row->header_name.n) {
        if (out->p[out->n - 1] != '{')
            buf_addc(out, ',');
        buf_add(out, str_lit("\"headers\":[{"));
        cpq_put_text(out, "name", row->header_name);
        cpq_put_text(out, "value", row->header_value);
        buf_add(out, str_lit("}]"));
    }
    if (row->strip_attachments) {
        if (out->p[out->n - 1] != '{')
            buf_addc(out, ',');
        buf_add(out, str_lit("\"strip_attachments\":true"));
    }
    buf_addc(out, '}');
}

static bool is_name(struct str name)
{
    for (size_t i = 0; i < name.n; i++)
        if ((unsigned char)name.p[i] <= 32 || (unsigned char)name.p[i] >= 127 || name.p[i] == ':')
            return false;
    return name.n > 0 && name.n < 100;
}

static struct str kept(struct arena *a, struct buf *b)
{
    struct str s = arena_str(a, buf_str(b));

    buf_done(b);
    return s;
}

/* "Name: value" CRLF for each header of the release; a subject where there is none. */
static struct str new_fields(struct arena *a, const struct json *edits, bool subject)
{
    const struct json *headers = json_get(edits, "headers");
    struct buf b = BUF(ADDED_MAX);

    for (const struct json *h = headers ? headers->first : NULL; h; h = h->next) {
        struct str name = json_str_of(json_get(h, "name"));

        if (!is_name(name))
            continue;
        buf_add(&b, name);
        buf_add(&b, str_lit(": "));
        header_encode_word(json_str_of(json_get(h, "value")), &b);
        buf_add(&b, str_lit("\r\n"));
    }
    if (!subject && (json_get(edits, "subject_prefix") || json_get(edits, "subject_suffix"))) {
        buf_add(&b, str_lit("Subject: "));
        header_encode_word(json_str_of(json_get(edits, "subject_prefix")), &b);
        buf_addc(&b, ' ');
        header_encode_word(json_str_of(json_get(edits, "subject_suffix")), &b);
        buf_add(&b, str_lit("\r\n"));
    }
    return kept(a, &b);
}

static struct str around(struct arena *a, struct str text, const char *before, const char *behind)
{
    struct buf b = BUF(ADDED_MAX);

    buf_add(&b, str_c(before));
    header_encode_word(text, &b);
    buf_add(&b, str_c(behind));
    return kept(a, &b);
}

static size_t make(struct arena *a, struct str message, const struct json *edits, struct edit out[3])
{
    struct str prefix = json_str_of(json_get(edits, "subject_prefix")),
               suffix = json_str_of(json_get(edits, "subject_suffix"));
    struct header_field f;
    bool subject = header_find(message, str_lit("Subject"), &f);
    struct str fields = new_fields(a, edits, subject);
    size_t n = 0, begin = 0;

    if (fields.n)
        out[n++] = (struct edit){.replacement = fields};
    if (!subject)
        return n;
    while (begin < f.value.n && (f.value.p[begin] == ' ' || f.value.p[begin] == '\t'))
        begin++;
    if (prefix.n)
        out[n++] =
            (struct edit){.offset = (uint64_t)(f.value.p - message.p) + begin, .replacement = around(a, prefix, "", " ")};
    if (suffix.n)
        out[n++] = (struct edit){.offset = (uint64_t)(f.value.p - message.p) + f.value.n,
                                 .replacement = around(a, suffix, " ", "")};
    return n;
}

 * Called by leave.c with the member `edits` of a release. Owns nothing: reads the header section and leaves the rest to
 * mail/released.h.
#include "mail/released.h"
struct str early_edits(struct arena *a, int fd, uint64_t offset, uint64_t body_bytes, const struct json *edits)
{
    size_t n = body_bytes < RELEASED_HEAD ? (size_t)body_bytes : RELEASED_HEAD;
    char *octets = edits ? arena_alloc(a, n + 1) : NULL;

    if (!octets || io_pread(fd, octets, n, offset, NULL) != RC_OK)
        return STR_NONE;
    return released_edits(a, str_of(octets, n), edits);
}
