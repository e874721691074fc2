/*
 * Envelope and edits of a message that leaves quarantine. See released.h.
 *
 * Owns nothing. The stored message stays as it is: what its release changes goes along as edits. A message whose header
 * section cannot be read goes unchanged.
 */
#include "mail/released.h"

#include "mail/carried.h"
#include "mail/edits.h"
#include "mail/header.h"

enum { ADDED_MAX = 8192, CARRIED_MAX = 4 << 20 };

/* ---- where it goes on ------------------------------------------------------------------------------------------------ */

static uint64_t number_of(const struct json *o, const char *key)
{
    uint64_t v = 0;

    return json_u64(json_get(o, key), &v) ? v : 0;
}

/* What judging had gathered comes back with it. */
static struct carried carried_of(const struct released *r)
{
    const struct json *pending = r->meta->pending;
    struct carried c = {.policy = r->meta->mail_policy,
                        .skip = number_of(pending, "skip"),
                        .route = json_str_of(json_get(pending, "alt_host")),
                        .bounce_profile = json_str_of(json_get(pending, "bounce_profile")),
                        .source_interface = json_str_of(json_get(pending, "source_interface")),
                        .tags = json_str_of(json_get(pending, "tags")),
                        .encrypt = json_str_of(json_get(pending, "encrypt")),
                        .spam = json_str_of(json_get(pending, "spam")),
                        .original_mid = r->mid};

    if (r->copy)
        return (struct carried){.resume = RESUME_DELIVER};
    if (r->spam) {
        c.resume = RESUME_DELIVER;
        c.spam = STR_NONE;
    } else {
        c.resume = RESUME_RESCAN;
        if (r->release)
            c.release = r->release->raw;
        if (json_is(json_get(r->release, "resume"), JSON_TRUE) && number_of(pending, "resume") - 1 < RESUME_DLP)
            c.resume = number_of(pending, "resume");
    }
    return c;
}

static void put_envelope(const struct released *r, const struct carried *c, struct buf *out)
{
    struct envelope env = r->meta->envelope;
    struct buf carried = BUF(CARRIED_MAX);

    carried_encode(c, &carried);
    env.carried = buf_str(&carried);
    env.parent_mid = r->mid;
    if (r->recipients) {
        env.recipients = r->recipients;
        env.n_recipients = r->n_recipients;
    }
    envelope_encode(&env, out);
    out->failed |= carried.failed;
    buf_done(&carried);
}

void released_envelope(const struct released *r, struct buf *out)
{
    struct carried c = carried_of(r);

    c.edits = r->edits;
    c.release_key = r->key;
    put_envelope(r, &c, out);
}

void released_again(const struct released *r, struct str meta, struct str holds, struct buf *out)
{
    put_envelope(r, &(struct carried){.resume = RESUME_DELIVER, .original_mid = r->mid, .meta = meta, .holds = holds}, out);
}

void released_onward(const struct released *r, struct str release, struct buf *out)
{
    struct str text = str_trim(r->meta->raw);
    struct buf meta = BUF(CPQ_META_MAX + RELEASED_HEAD);

    buf_add(&meta, str_first(text, text.n - 1));
    buf_add(&meta, str_lit(",\"release\":"));
    buf_add(&meta, release);
    buf_addc(&meta, '}');
    released_again(r, buf_str(&meta), STR_NONE, out);
    out->failed |= meta.failed;
    buf_done(&meta);
}

/* ---- what it changes ------------------------------------------------------------------------------------------------- */

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

struct str released_edits(struct arena *a, struct str head, const struct json *edits)
{
    struct edit list[3];
    struct edits all = {.items = list};
    struct buf coded = BUF(4 * ADDED_MAX);

    if (!edits)
        return STR_NONE;
    all.n = make(a, str_first(head, RELEASED_HEAD), edits, list);
    if (all.n)
        edits_encode(all, &coded);
    return kept(a, &coded);
}
