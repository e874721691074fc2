/*
 * Looks into a message. See content.h.
 *
 * Called by the scan role and by trace. Owns libmagic's tables and the line to the helper. What is found goes into the tree;
 * members found in archives come at the end of its list and are looked at in turn, so nesting needs no recursion here.
 */
#include "scan/content.h"

#include "base/clock.h"
#include "base/io.h"
#include "scan/documents.h"
#include "scan/file_type.h"
#include "scan/gmime.h"
#include "scan/unpack.h"
#include "scan/zip.h"

#include <magic.h>
#include <stdio.h>
#include <stdlib.h>

enum { MAGIC_OCTETS = 65536 };

struct content {
    magic_t magic; /* NULL = libmagic is not to be had */
    struct unpacker *unpacker;
};

/* One message being looked at. */
struct look {
    struct content *c;
    struct mime *m;
    const struct conf_scanning *s;
    uint64_t entries, bytes; /* that may still come out of archives */
    uint64_t deadline_ms;
    struct mime_part *archive; /* being unpacked */
    bool packed;               /* it is one file, packed */
};

struct content *content_new(void)
{
    struct content *c = calloc(1, sizeof *c);
    size_t most = MAGIC_OCTETS;

    if (!c)
        return NULL;
    c->unpacker = unpacker_new();
    if (!c->unpacker)
        fprintf(stderr, "postern-scan: no helper for archives: they count as unscannable\n");
    c->magic = magic_open(MAGIC_MIME_TYPE | MAGIC_NO_CHECK_COMPRESS | MAGIC_NO_CHECK_TAR | MAGIC_NO_CHECK_CDF |
                          MAGIC_NO_CHECK_ENCODING | MAGIC_NO_CHECK_TOKENS);
    if (c->magic && magic_load(c->magic, NULL) != 0) {
        fprintf(stderr, "postern-scan: libmagic: %s\n", magic_error(c->magic));
        magic_close(c->magic);
        c->magic = NULL;
    }
    if (c->magic)
        magic_setparam(c->magic, MAGIC_PARAM_BYTES_MAX, &most);
    gmime_begin();
    return c;
}

void content_free(struct content *c)
{
    if (!c)
        return;
    unpacker_free(c->unpacker);
    if (c->magic)
        magic_close(c->magic);
    free(c);
}

/* --- archives ------------------------------------------------------------------------------------------------------- */

/* Archives around the part. A file that is merely packed is half a level: a.tar.gz is one archive to its reader. */
static unsigned levels_above(const struct mime_part *p)
{
    unsigned halves = 0;

    for (; p; p = p->parent)
        if (p->member)
            halves += file_type_of(p->parent->body).group == FILE_PACKED ? 1 : 2;
    return halves / 2;
}

static char *member_room(void *ctx, const struct unpack_member *member)
{
    struct look *l = ctx;

    return mime_room(l->m, (size_t)member->size);
}

/* "a.gz" holds "a" */
static struct str packed_name(const struct mime_part *archive)
{
    size_t dot = str_find_last(archive->name, '.');

    return dot && dot < archive->name.n ? str_first(archive->name, dot) : str_lit("data");
}

static void take_member(void *ctx, const struct unpack_member *member, struct str body)
{
    struct look *l = ctx;
    struct mime_part *p = l->archive, *q;
    struct str name = l->packed && str_eq(member->name, str_lit("data")) ? packed_name(p) : member->name;

    q = mime_add_member(l->m, p, name, body);
    p->encrypted |= member->encrypted;
    if (q)
        q->encrypted = member->encrypted;
}

static void unpack(struct look *l, struct mime_part *p, enum unpack_how how)
{
    struct unpack_limits limits = {l->entries, l->bytes, l->s->max_ratio, l->deadline_ms};
    struct unpack_taker to = {member_room, take_member, l};
    uint64_t entries, bytes;
    enum unpack_end end;

    l->archive = p;
    io_pass("scan.unpack");
    end = unpack_run(l->c->unpacker, p->body, how, &limits, &to, &entries, &bytes);
    l->entries -= entries < l->entries ? entries : l->entries;
    l->bytes -= bytes < l->bytes ? bytes : l->bytes;
    if (end == UNPACK_END_ENCRYPTED)
        p->encrypted = true;
    else if (end != UNPACK_END_DONE && !p->unscannable.n)
        p->unscannable = str_c(unpack_end_text(end));
}

/* The directory and the local headers of a zip; false: not to be unpacked. */
static bool look_at_zip(struct look *l, struct mime_part *p, struct zip_look *z)
{
    struct arena_mark mark = arena_mark(l->m->arena);

    zip_look(l->m->arena, p->body, l->entries + 1, z);
    arena_rewind(l->m->arena, mark);
    if (z->overlap)
        p->unscannable = str_lit("overlapping entries");
    else if (z->entries > l->entries)
        p->unscannable = str_c(unpack_end_text(UNPACK_END_ENTRIES));
    else if (z->unpacked > l->bytes)
        p->unscannable = str_c(unpack_end_text(UNPACK_END_BYTES));
    return !p->unscannable.n;
}

/* What those see who go by the directory. */
static void give_other_names(struct mime *m, struct mime_part *p, const struct zip_look *z)
{
    for (struct mime_part *q = p->first; q; q = q->next) {
        struct str name = str_from(q->path, p->path.n + 1);

        for (size_t i = 0; i < z->n_renamed; i++) {
            if (!str_eq(z->renamed[i].local, name))
                continue;
            q->other_name = arena_str(m->arena, z->renamed[i].directory);
            mime_flaw(m, q, MIME_FLAW_BAD_NAME);
        }
    }
}

static void open_archive(struct look *l, struct mime_part *p, bool zip, bool packed)
{
    struct zip_look z = {0};

    p->archive = true;
    if (levels_above(p) >= l->s->max_depth)
        p->unscannable = str_lit("nested too deep");
    else if (!l->entries || clock_mono_ms() >= l->deadline_ms)
        p->unscannable = str_c(unpack_end_text(l->entries ? UNPACK_END_TIME : UNPACK_END_ENTRIES));
    if (p->unscannable.n || (zip && !look_at_zip(l, p, &z)))
        return;
    l->packed = packed;
    unpack(l, p, packed ? UNPACK_HOW_RAW : UNPACK_HOW_ANY); /* a packed tar is opened as a member */
    if (z.differs) {
        mime_flaw(l->m, p, MIME_FLAW_ARCHIVE_DIFFERS);
        l->m->ambiguous = true;
        unpack(l, p, UNPACK_HOW_STREAM);
        give_other_names(l->m, p, &z);
    }
    if (zip)
        document_of_zip(l->m, p);
}

/* --- types ---------------------------------------------------------------------------------------------------------- */

static bool holds_packer(struct str body)
{
    static const struct str marks[] = {{"Rar!\x1a\x07", 6}, {"7z\xbc\xaf\x27\x1c", 6}, {"MSCF\0\0\0\0", 8}};

    for (size_t i = 0; i < sizeof marks / sizeof *marks; i++)
        if (str_find_str(body, marks[i]) < body.n)
            return true;
    return false;
}

static struct str by_libmagic(const struct look *l, const struct mime_part *p)
{
    const char *type;

    if (file_is_text(p->body))
        return str_starts(p->type, str_lit("text/")) ? p->type : str_lit("text/plain");
    type = l->c->magic ? magic_buffer(l->c->magic, p->body.p, p->body.n < MAGIC_OCTETS ? p->body.n : MAGIC_OCTETS) : NULL;
    return type ? arena_str(l->m->arena, str_c(type)) : str_lit("application/octet-stream");
}

/* A text or picture that is a program or an archive, a name that says so: what the receiver sees is not what he gets. */
static bool lies(const struct mime_part *p, const struct file_type *t)
{
    bool harmless = str_starts(p->type, str_lit("text/")) || str_starts(p->type, str_lit("image/"));
    bool danger =
        t->group == FILE_EXECUTABLE || t->group == FILE_ARCHIVE || t->group == FILE_PACKED || t->group == FILE_DOCUMENT;

    if (p->member)
        harmless = false; /* its type is ours */
    return (harmless && danger && !str_starts(str_c(t->type), str_lit("text/"))) || file_extension_lies(p->name, t) ||
           file_extension_lies(p->other_name, t);
}

static bool is_message_file(const struct mime_part *p)
{
    struct str extension = file_extension(p->name);
    bool named =
        str_eqi(extension, str_lit("eml")) || str_eqi(extension, str_lit("mht")) || str_eqi(extension, str_lit("mhtml"));

    return (named || p->member || !str_starts(p->type, str_lit("text/"))) && !p->message && p->depth &&
           file_is_message(p->body);
}

static void open_file(struct look *l, struct mime_part *p, const struct file_type *t)
{
    bool zip = t->type && str_eq(str_c(t->type), str_lit("application/zip"));

    if (zip || t->group == FILE_ARCHIVE || t->group == FILE_PACKED)
        open_archive(l, p, zip, t->group == FILE_PACKED);
    else if (p->body.n > 100 && file_ends_in_zip(p->body))
        open_archive(l, p, true, false);
    else if (t->group == FILE_EXECUTABLE && holds_packer(p->body))
        open_archive(l, p, false, false);
    else if (t->group == FILE_DOCUMENT)
        document_look(p, t->type);
    else if (t->group == FILE_SYSTEM)
        mime_tnef(l->m, p);
    else if (is_message_file(p))
        mime_read_inside(l->m, p);
}

static void look_at(struct look *l, struct mime_part *p)
{
    struct file_type t;
    struct str unscannable;

    mime_body(l->m, p);
    if (p->multipart || (p->message && p->first) || !p->body.n) {
        p->detected = p->type;
        return;
    }
    t = file_type_of(p->body);
    p->detected = t.type ? str_c(t.type) : by_libmagic(l, p);
    if (p->member)
        p->type = p->detected;
    if (lies(p, &t))
        mime_flaw(l->m, p, MIME_FLAW_BAD_TYPE);
    unscannable = p->unscannable;
    open_file(l, p, &t);
    if (p->archive && !p->first && file_is_text(p->body)) { /* words that only begin like an archive */
        p->archive = false;
        p->unscannable = unscannable;
        p->detected = str_lit("text/plain");
    }
}

void content_read(struct content *c, struct mime *m, const struct conf_scanning *s)
{
    struct look l = {.c = c, .m = m, .s = s, .entries = s->max_entries, .bytes = s->max_bytes};

    if (m->octets.n > s->max_message_bytes) {
        mime_cut(m, str_lit("larger than what is scanned"));
        return;
    }
    l.deadline_ms = clock_mono_ms() + s->timeout_ms;
    gmime_compare(m);
    for (struct mime_part *p = m->all; p; p = p->all_next)
        look_at(&l, p);
    unpacker_rest(c->unpacker);
}

void content_sum(const struct mime *m, struct content_sum *out)
{
    *out = (struct content_sum){.ambiguous = m->ambiguous};
    if (m->cut)
        out->unscannable = m->cut_why;
    for (const struct mime_part *p = m->all; p; p = p->all_next) {
        out->encrypted |= p->encrypted;
        out->macros |= p->macros;
        out->script |= p->script;
        if (p->unscannable.n && !out->part.n) {
            out->part = p->path;
            if (!out->unscannable.n)
                out->unscannable = p->unscannable;
        }
    }
}
