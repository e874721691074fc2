/*
 * File types by their first octets, and what can be seen of documents without taking them apart. See file_type.h.
 *
 * Called by content.c. Pure functions over views; time is linear in the octets.
 */
#include "scan/file_type.h"

#include "mail/header.h"

enum { TEXT_LOOKED_AT = 4096, ZIP_END = 22, ZIP_COMMENT_MOST = 65535 };

static const struct row {
    struct file_type t;
    size_t at;
    struct str octets;
} rows[] = {
#define FILE_TYPE(name, ext, offset, magic, kind) {{name, ext, FILE_##kind}, offset, {magic, sizeof(magic) - 1}},
#include "spec/file_types.def"
#undef FILE_TYPE
};

struct file_type file_type_of(struct str octets)
{
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        if (str_starts(str_from(octets, rows[i].at), rows[i].octets))
            return rows[i].t;
    return (struct file_type){0};
}

struct str file_extension(struct str name)
{
    size_t dot;

    name = str_first(name, str_find(name, '\0'));
    while (name.n && (name.p[name.n - 1] == '.' || name.p[name.n - 1] == ' '))
        name.n--;
    dot = str_find_last(name, '.');
    return dot == name.n ? STR_NONE : str_from(name, dot + 1);
}

static bool has_word(const char *words, struct str word)
{
    struct str rest = str_c(words), one;

    while (str_word(&rest, &one))
        if (str_eqi(one, word))
            return true;
    return false;
}

bool file_extension_lies(struct str name, const struct file_type *found)
{
    static const char texts[] = "txt csv log htm html xml json ics vcf eml asc md";
    struct str extension = file_extension(name);

    if (!extension.n || !found->type || has_word(found->extensions, extension))
        return false;
    if (has_word(texts, extension))
        return true;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        if (has_word(rows[i].t.extensions, extension))
            return true;
    return false;
}

bool file_ends_in_zip(struct str octets)
{
    struct str tail = str_from(octets, octets.n > ZIP_END + ZIP_COMMENT_MOST ? octets.n - ZIP_END - ZIP_COMMENT_MOST : 0);

    return tail.n >= ZIP_END && str_find_str(tail, str_lit("PK\5\6")) <= tail.n - ZIP_END &&
           str_find_str(octets, str_lit("PK\1\2")) < octets.n;
}

static bool has(struct str s, struct str needle)
{
    return s.n && str_find_str(s, needle) < s.n;
}

/* Names of OLE streams are UTF-16. */
#define WIDE_VBA "_\0V\0B\0A\0_\0P\0R\0O\0J\0E\0C\0T\0"
#define WIDE_MACROS "M\0a\0c\0r\0o\0s\0\0"
#define WIDE_PACKAGE "E\0n\0c\0r\0y\0p\0t\0e\0d\0P\0a\0c\0k\0a\0g\0e\0"

bool file_ole_macros(struct str octets)
{
    return has(octets, str_lit(WIDE_VBA)) || has(octets, str_lit(WIDE_MACROS));
}

bool file_ole_encrypted(struct str octets)
{
    return has(octets, str_lit(WIDE_PACKAGE));
}

bool file_pdf_encrypted(struct str octets)
{
    return has(octets, str_lit("/Encrypt"));
}

bool file_pdf_script(struct str octets)
{
    return has(octets, str_lit("/JavaScript")) || has(octets, str_lit("/JS ")) || has(octets, str_lit("/JS(")) ||
           has(octets, str_lit("/Launch"));
}

bool file_is_text(struct str octets)
{
    size_t odd = 0;

    octets = str_first(octets, TEXT_LOOKED_AT);
    for (size_t i = 0; i < octets.n; i++) {
        unsigned char c = (unsigned char)octets.p[i];

        if (!c)
            return false;
        odd += (c < 0x20 && c != '\t' && c != '\r' && c != '\n' && c != '\f' && c != 0x1b) || c == 0x7f;
    }
    return odd * 50 <= octets.n;
}

bool file_is_message(struct str octets)
{
    static const char *const names[] = {"received",   "from",        "mime-version", "subject",
                                        "message-id", "return-path", "content-type"};
    struct header_field f;
    unsigned known = 0;

    for (unsigned n = 0; n < 40 && known < 2 && header_next(&octets, &f); n++)
        for (size_t i = 0; i < sizeof names / sizeof *names; i++)
            known += str_eqi(f.name, str_c(names[i]));
    return known >= 2;
}
