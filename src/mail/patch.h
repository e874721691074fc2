/*
 * A message while it is judged: the received octets and what stages changed so far, as a piece table. Stages see and change
 * the current form; what remains at the end is the list of edits over the original (design: edits, not rewrites).
 *
 * Called by policy and scan. Memory is the message's arena. Nothing fails but for want of room: then `failed` sticks and the
 * message counts as unscannable.
 */
#ifndef MAIL_PATCH_H
#define MAIL_PATCH_H

#include "base/arena.h"
#include "base/buf.h"
#include "mail/edits.h"
#include "mail/header.h"

struct patch_piece;

struct patch {
    struct arena *arena;
    struct str original;
    struct patch_piece *pieces; /* in order; see patch.c */
    size_t n, cap;
    size_t length;      /* octets of the current form */
    struct str current; /* made when asked for after a change */
    bool stale, failed;
    uint64_t changes; /* rises with each change: who caches what he read compares it */
};

void patch_init(struct patch *p, struct arena *a, struct str original);
/* Another table over the same octets, with the changes made so far: for a copy that gets changes of its own. */
void patch_copy(struct patch *p, const struct patch *from);
/* The message as it is now; valid until the next change. The original itself while nothing changed. */
struct str patch_octets(struct patch *p);
bool patch_changed(const struct patch *p);
/* `length` octets at `offset` of the current form become `by` (copied). length 0 inserts before `offset`. */
void patch_replace(struct patch *p, size_t offset, size_t length, struct str by);
/* Replaces a range given as a view into patch_octets() (a header field, a part's body). */
void patch_replace_view(struct patch *p, struct str view, struct str by);
/* "Name: value\r\n" at the top of the header section, or behind its last field. Values get encoded words and folds as
 * needed. */
void patch_header_add(struct patch *p, struct str name, struct str value, bool first);
/* Another value for a field, which is a view into patch_octets(). */
void patch_header_set(struct patch *p, struct header_field field, struct str value);
/* The one field of that name gets this value, in its place; added at the end where there is none, others of the name go. */
void patch_header_put(struct patch *p, struct str name, struct str value);
/* All fields of that name go; how many there were. */
size_t patch_header_remove(struct patch *p, struct str name);
/* The list over the original, from the arena. */
struct edits patch_edits(struct patch *p);

#endif
