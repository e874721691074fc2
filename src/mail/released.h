/*
 * A message that leaves quarantine as it goes into the queue: its envelope with what judging had gathered, and the changes
 * its release asks for (central.md 7.3, 9).
 *
 * Called by quarantine (its own releases) and by receive (those that a manager gives back). Nothing is kept; all views point
 * into the arena or the caller's memory.
 */
#ifndef MAIL_RELEASED_H
#define MAIL_RELEASED_H

#include "mail/cpq_meta.h"

struct released {
    const struct cpq_meta *meta;
    const struct json *release;         /* the member `release`, NULL = none */
    uint64_t mid;                       /* under which the gateway knew it */
    bool spam;                          /* out of the spam quarantine: delivered without another look */
    bool copy;                          /* a copy for somebody else: the same, and nothing that was gathered goes along */
    struct str edits;                   /* of released_edits() */
    struct str key;                     /* carried.release_key */
    const struct recipient *recipients; /* instead of those of the metadata; NULL = those */
    size_t n_recipients;
};

/* Appends the coded envelope (mail/envelope.h) with what it carries (mail/carried.h): where the pipeline goes on, policy,
 * route, tags and so on. `out->failed` on lack of memory. */
void released_envelope(const struct released *r, struct buf *out);

/* The same for mail that another machine held here: it carries its metadata with the member `release` (JSON text, also of an
 * empty r->release), as it goes back to that machine. */
void released_onward(const struct released *r, struct str release, struct buf *out);

/* The same for mail that goes to its manager later (quarantine/drain.h): it carries `meta`; `holds` = carried.holds. */
void released_again(const struct released *r, struct str meta, struct str holds, struct buf *out);

enum { RELEASED_HEAD = 256 << 10 }; /* octets of the message that released_edits() needs at most */
/* The coded edits (mail/edits.h) that the member `edits` of a release asks for: text around the subject, header fields.
 * `head` begins with the header section. Empty = none, also when memory is short. */
struct str released_edits(struct arena *a, struct str head, const struct json *edits);

#endif
