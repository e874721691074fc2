/* Office documents and PDF: what they are, their text, whether they bring macros or ask for a passphrase. */
#ifndef SCAN_DOCUMENTS_H
#define SCAN_DOCUMENTS_H

#include "mail/mime.h"

/* A zip archive whose members are in the tree: when it is an office document, its detected type says so, it no longer counts
 * as an archive, and the members that hold its words have their text made. */
void document_of_zip(struct mime *m, struct mime_part *p);
/* A file that is no archive: `type` as file_type_of() names it. */
void document_look(struct mime_part *p, const char *type);

#endif
