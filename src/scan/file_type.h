/* What a file is by its octets, and whether its name says otherwise. */
#ifndef SCAN_FILE_TYPE_H
#define SCAN_FILE_TYPE_H

#include "base/str.h"

enum file_group {
    FILE_UNKNOWN,
    FILE_EXECUTABLE,
    FILE_ARCHIVE,
    FILE_PACKED,
    FILE_DOCUMENT,
    FILE_IMAGE,
    FILE_MEDIA,
    FILE_SYSTEM
};

struct file_type {
    const char *type;       /* "application/zip"; NULL = not known by its first octets */
    const char *extensions; /* that such a file may bear, words */
    enum file_group group;
};

/* By the first octets alone (spec/file_types.def). */
struct file_type file_type_of(struct str octets);
/* The part behind the last dot, without trailing dots and spaces; empty = none. */
struct str file_extension(struct str name);
/* The extension is one of another type than the octets, and not merely one nobody knows: "invoice.pdf" that is a program. */
bool file_extension_lies(struct str name, const struct file_type *found);
/* A zip archive whose directory stands at the end of something else (a program, a picture). */
bool file_ends_in_zip(struct str octets);
/* Names of streams in an OLE file: macros, encryption. */
bool file_ole_macros(struct str octets);
bool file_ole_encrypted(struct str octets);
/* Words of a PDF that say it is encrypted, or runs script or programs. */
bool file_pdf_encrypted(struct str octets);
bool file_pdf_script(struct str octets);
/* Looks like text: no NUL, few controls, in its first octets. */
bool file_is_text(struct str octets);
/* Begins with header fields of a mail. */
bool file_is_message(struct str octets);

#endif
