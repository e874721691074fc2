/* Between the files that change parts; what others call is in part.h. */
#ifndef POLICY_PART_INSIDE_H
#define POLICY_PART_INSIDE_H

#include "policy/part.h"

/* --- part.c */
/* Offset of a view into the message's octets. */
size_t part_offset(const struct part_changes *c, const char *p);
/* The field of a part becomes this one (further ones of that name go); an empty value takes it out. */
void part_set_field(struct part_changes *c, struct mime_part *p, struct str name, struct str value);

/* --- part_text.c */
struct str part_joined(struct arena *a, struct str one, struct str two);
/* A whole text part with its header section, quoted-printable in UTF-8; no line end behind its last line. */
struct str part_text_entity(struct arena *a, struct str text);
struct str part_quoted(struct arena *a, struct str text);

#endif
