/*
 * Looks for macros. See macro.h.
 *
 * Called by macro-detection-rule and drop-macro-enabled-attachments. Looks for the marks that such a file must have: the
 * project streams of VBA (MS-OVBA 2.2.1), their member in Office Open XML, the script actions of PDF (ISO 32000 12.6.4.17).
 */
#include "policy/macro.h"

static bool has(struct str body, const char *mark, size_t n)
{
    return body.n >= n && memmem(body.p, body.n, mark, n);
}

#define HAS(body, mark) has((body), mark, sizeof(mark) - 1)

static bool is_ole(struct str body)
{
    return body.n > 512 && memcmp(body.p, "\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", 8) == 0;
}

/* Names of streams are UTF-16 in the directory; "Attribut" begins the source of each module, compressed or not. */
static bool ole_macros(struct str body)
{
    return HAS(body, "_\0V\0B\0A\0_\0P\0R\0O\0J\0E\0C\0T\0") || HAS(body, "V\0B\0A\0\0\0") ||
           HAS(body, "M\0a\0c\0r\0o\0s\0\0\0") || HAS(body, "Attribut\0e ");
}

/* Names in PDF may write any letter as #XX (ISO 32000 7.3.5). */
static size_t name_octet(struct str s, char *out)
{
    uint64_t v;

    *out = s.p[0];
    if (s.p[0] == '#' && s.n > 2 && str_hex(str_of(s.p + 1, 2), &v)) {
        *out = (char)v;
        return 3;
    }
    return 1;
}

static bool pdf_name_is(struct str at, const char *name)
{
    char c;

    for (; *name; name++) {
        if (!at.n)
            return false;
        size_t n = name_octet(at, &c);

        if (c != *name)
            return false;
        at = str_from(at, n);
    }
    return !at.n || !(ascii_alpha(at.p[0]) || ascii_digit(at.p[0]));
}

static bool pdf_scripts(struct str body)
{
    for (size_t i = 0; i < body.n; i++) {
        const char *slash = memchr(body.p + i, '/', body.n - i);

        if (!slash)
            return false;
        i = (size_t)(slash - body.p);
        if (pdf_name_is(str_from(body, i + 1), "JavaScript") || pdf_name_is(str_from(body, i + 1), "JS") ||
            pdf_name_is(str_from(body, i + 1), "Launch"))
            return true;
    }
    return false;
}

static bool is_project(struct str name)
{
    return str_endsi(name, str_lit("vbaProject.bin")) || str_endsi(name, str_lit("xlmacrosheet.xml")) ||
           str_find_str(name, str_lit("macrosheets/")) < name.n;
}

enum macro_group macro_find(const struct mime_part *p, struct str body)
{
    if (p->member && (is_project(p->name) || is_project(p->path)))
        return MACRO_OFFICE;
    if (is_ole(body))
        return p->macros || ole_macros(body) ? MACRO_OLE : MACRO_NONE;
    if (p->macros)
        return MACRO_OFFICE;
    if (p->script)
        return MACRO_PDF;
    if (body.n > 4 && memcmp(body.p, "PK\3\4", 4) == 0)
        return HAS(body, "vbaProject.bin") || HAS(body, "xl/macrosheets/") ? MACRO_OFFICE : MACRO_NONE;
    if (str_find_str(str_first(body, 1024), str_lit("%PDF-")) < 1024 && str_find_str(body, str_lit("%PDF-")) < body.n)
        return pdf_scripts(body) ? MACRO_PDF : MACRO_NONE;
    return MACRO_NONE;
}

const char *macro_group_name(enum macro_group g)
{
    static const char *const names[] = {"", "Adobe Portable Document Format", "Microsoft Office Files", "OLE File types"};

    return names[g];
}
