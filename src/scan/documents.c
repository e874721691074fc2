/*
 * Office documents (ECMA-376, ISO 26300, OLE) and PDF. See documents.h.
 *
 * Called by content.c. Texts lie in the message's arena.
 */
#include "scan/documents.h"

#include "scan/file_type.h"

/* By the folder that only this kind has. */
static const struct kind {
    const char *folder, *type;
} kinds[] = {
    {"word/", "application/vnd.openxmlformats-officedocument.wordprocessingml.document"},
    {"xl/", "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"},
    {"ppt/", "application/vnd.openxmlformats-officedocument.presentationml.presentation"},
    {"visio/", "application/vnd.ms-visio.drawing"},
};

/* The name of a member inside its archive, with folders. */
static struct str inner_name(const struct mime_part *archive, const struct mime_part *member)
{
    return str_from(member->path, archive->path.n + 1);
}

static const struct mime_part *find(const struct mime_part *archive, const char *name)
{
    for (const struct mime_part *q = archive->first; q; q = q->next)
        if (str_eq(inner_name(archive, q), str_c(name)))
            return q;
    return NULL;
}

static bool holds_words(struct str name)
{
    static const char *const parts[] = {
        "word/", "xl/sharedStrings", "xl/worksheets/", "ppt/slides/", "ppt/notesSlides/", "content.xml", "ppt/comments/"};

    for (size_t i = 0; i < sizeof parts / sizeof *parts; i++)
        if (str_starts(name, str_c(parts[i])))
            return str_endsi(name, str_lit(".xml"));
    return false;
}

static void make_text(struct mime *m, struct mime_part *q)
{
    q->type = str_lit("text/xml");
    q->text = mime_html_text(m->arena, q->body);
    q->texted = true;
}

static void take_parts(struct mime *m, struct mime_part *p)
{
    for (struct mime_part *q = p->first; q; q = q->next) {
        struct str name = inner_name(p, q);

        if (str_endsi(name, str_lit("vbaProject.bin")) || str_starts(name, str_lit("Basic/")) ||
            str_starts(name, str_lit("Scripts/")) || str_starts(name, str_lit("xl/macrosheets/")))
            p->macros = true;
        if (holds_words(name))
            make_text(m, q);
    }
}

static void set_ooxml(struct mime_part *p)
{
    for (const struct mime_part *q = p->first; q; q = q->next)
        for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++)
            if (str_starts(inner_name(p, q), str_c(kinds[i].folder))) {
                p->detected = str_c(kinds[i].type);
                return;
            }
}

void document_of_zip(struct mime *m, struct mime_part *p)
{
    const struct mime_part *type = find(p, "mimetype");

    if (find(p, "[Content_Types].xml")) {
        set_ooxml(p);
        p->archive = false;
        take_parts(m, p);
    } else if (type && str_starts(type->body, str_lit("application/"))) {
        p->detected = str_trim(str_first(type->body, 128));
        p->archive = false;
        take_parts(m, p);
    } else if (find(p, "META-INF/MANIFEST.MF")) {
        p->detected = str_lit("application/java-archive");
    }
}

void document_look(struct mime_part *p, const char *type)
{
    if (str_eq(str_c(type), str_lit("application/pdf"))) {
        p->encrypted |= file_pdf_encrypted(p->body);
        p->script |= file_pdf_script(p->body);
    } else if (str_eq(str_c(type), str_lit("application/x-ole-storage"))) {
        p->encrypted |= file_ole_encrypted(p->body);
        p->macros |= file_ole_macros(p->body);
    }
}
