/*
 * The structure of a message by GMime, compared with our own. See gmime.h.
 *
 * Called by content.c. Owns GMime's objects while it compares. What is compared is the shape: which part is a multipart, a
 * message, or neither, and how deep it lies; the type of a part is compared where it decides the shape.
 */
#include "scan/gmime.h"

#include <gmime/gmime.h>

enum { SHAPE_MOST = 4096 };

/* One octet a part: its depth, and what it is. */
struct shape {
    unsigned char at[SHAPE_MOST];
    size_t n;
    bool full;
};

enum kind { LEAF = 0, MULTIPART = 1, MESSAGE = 2 };

static void note(struct shape *s, unsigned depth, enum kind kind)
{
    if (s->n == SHAPE_MOST || depth > 60)
        s->full = true;
    else
        s->at[s->n++] = (unsigned char)(depth << 2 | kind);
}

/* What is decoded first, and files inside texts, are seen by us alone. */
static bool counts(const struct mime_part *p)
{
    return !p->alternative && !p->member && !str_eq(p->encoding, str_lit("x-uuencode"));
}

static void shape_of_ours(const struct mime *m, const struct mime_part *p, struct shape *s)
{
    bool opened = p->first && !p->first->inside && counts(p->first);

    note(s, p->depth, p->multipart ? MULTIPART : p->message && opened ? MESSAGE : LEAF);
    for (const struct mime_part *c = p->first; c && !s->full; c = c->next)
        if (counts(c) && !c->inside)
            shape_of_ours(m, c, s);
}

static void shape_of_theirs(GMimeObject *o, unsigned depth, struct shape *s)
{
    if (s->full)
        return;
    if (GMIME_IS_MULTIPART(o)) {
        int n = g_mime_multipart_get_count((GMimeMultipart *)o);

        note(s, depth, MULTIPART);
        for (int i = 0; i < n; i++)
            shape_of_theirs(g_mime_multipart_get_part((GMimeMultipart *)o, i), depth + 1, s);
    } else if (GMIME_IS_MESSAGE_PART(o)) {
        GMimeMessage *inner = g_mime_message_part_get_message((GMimeMessagePart *)o);
        GMimeObject *part = inner ? g_mime_message_get_mime_part(inner) : NULL;

        note(s, depth, part ? MESSAGE : LEAF);
        if (part)
            shape_of_theirs(part, depth + 1, s);
    } else {
        note(s, depth, LEAF);
    }
}

/* False: GMime could not read it at all. */
static bool parse(struct str octets, GMimeRfcComplianceMode mode, struct shape *s)
{
    GMimeStream *stream = g_mime_stream_mem_new_with_buffer("", 0);
    GByteArray *bytes = g_byte_array_new_take((guint8 *)(uintptr_t)octets.p, octets.n);
    GMimeParserOptions *options = g_mime_parser_options_new();
    GMimeParser *parser = g_mime_parser_new();
    GMimeMessage *message;
    GMimeObject *part;

    g_mime_stream_mem_set_byte_array((GMimeStreamMem *)stream, bytes);
    g_mime_stream_mem_set_owner((GMimeStreamMem *)stream, FALSE);
    g_mime_parser_options_set_address_compliance_mode(options, mode);
    g_mime_parser_options_set_parameter_compliance_mode(options, mode);
    g_mime_parser_init_with_stream(parser, stream);
    g_mime_parser_set_persist_stream(parser, TRUE);
    g_mime_parser_set_format(parser, GMIME_FORMAT_MESSAGE);
    message = g_mime_parser_construct_message(parser, options);
    part = message ? g_mime_message_get_mime_part(message) : NULL;
    if (part)
        shape_of_theirs(part, 0, s);
    if (message)
        g_object_unref(message);
    g_mime_parser_options_free(options);
    g_object_unref(parser);
    g_object_unref(stream);
    g_byte_array_steal(bytes, NULL); /* the octets are not GMime's */
    g_byte_array_unref(bytes);
    return part != NULL;
}

void gmime_begin(void)
{
    g_mime_init();
}

void gmime_compare(struct mime *m)
{
    static const GMimeRfcComplianceMode modes[] = {GMIME_RFC_COMPLIANCE_STRICT, GMIME_RFC_COMPLIANCE_LOOSE};
    struct shape ours, theirs;

    if (m->cut || m->ambiguous)
        return;
    ours.n = 0;
    ours.full = false;
    shape_of_ours(m, m->root, &ours);
    for (size_t i = 0; i < 2; i++) {
        theirs.n = 0;
        theirs.full = false;
        if (!parse(m->octets, modes[i], &theirs) || ours.full || theirs.full)
            continue;
        if (ours.n == theirs.n && memcmp(ours.at, theirs.at, ours.n) == 0) {
            if (!m->flaws)
                return; /* nothing that loose reading could take differently */
            continue;
        }
        mime_flaw(m, m->root, MIME_FLAW_READERS_DIFFER);
        m->ambiguous = true;
        return;
    }
}
