/* Kinds of files as filters name them: groups ("Executable", "Document") and single ones ("exe", "pdf"). */
#ifndef POLICY_FILE_KIND_H
#define POLICY_FILE_KIND_H

#include "mail/mime.h"

/* Is it a group or a kind of spec/file_kinds.def? Letters of either case. */
bool file_kind_known(struct str name);
/* Is the part of this kind or group? By what its octets say (`detected`); parts nobody looked at by declared type and name.
 * A file whose octets say nothing definite (octet-stream, plain text) is also what its name says. */
bool file_is(const struct mime_part *p, struct str name);
/* Name of the kind, for logs; empty = unknown. */
struct str file_kind(const struct mime_part *p);

#endif
