/*
 * Changes of parts of a message: another text, text added, a part taken out, all by edits of the octets that change; what is
 * around them stays as it was received.
 *
 * Called by actions and by stages that add texts (disclaimers, banners) or drop attachments. Views into the message's tree
 * are not valid after a change: ask message_mime() again. Several changes of one tree are gathered and made together.
 */
#ifndef POLICY_PART_H
#define POLICY_PART_H

#include "policy/message.h"

/* Changes of one tree, gathered: ranges of the octets and what comes in their place. */
struct part_change {
    size_t offset, length, order;
    struct str by;
};
struct part_changes {
    struct message *m;
    struct mime *mime; /* the tree they belong to */
    struct part_change *items;
    size_t n, cap;
};

/* Of message_content(m): archives are opened. */
void part_changes_begin(struct part_changes *c, struct message *m);
/* A change by place; where two overlap the larger one wins. */
void part_change_add(struct part_changes *c, size_t offset, size_t length, struct str by);
/* Makes them. How many there were. */
size_t part_changes_make(struct part_changes *c);

/* The part that lies in the message's octets: itself, or the one around a member of an archive. */
struct mime_part *part_holder(struct mime_part *p);

/* Another text (UTF-8) for a text part. Its encoding stays; its character set too if the text fits it, else it becomes
 * UTF-8. */
void part_set_text(struct part_changes *c, struct mime_part *p, struct str text);
/* The same for a text part that becomes text of another kind ("text/plain"). */
void part_set_text_as(struct part_changes *c, struct mime_part *p, struct str type, struct str text);
/* Text above or below that of a text part. `html` is used in HTML parts as it is (ASCII), `text` (UTF-8) in others. */
void part_add_text(struct part_changes *c, struct mime_part *p, struct str text, struct str html, bool above);
/* The part goes; a text part that says `text` (UTF-8) comes in its place. */
void part_drop(struct part_changes *c, struct mime_part *p, struct str text);
/* The whole message becomes the first (or last) part of a multipart/mixed, with a text part beside it: for messages that
 * have no text that may be changed. */
void part_wrap(struct part_changes *c, struct str text, bool above);

bool part_is_ascii(struct str s);
/* The text with CRLF at every line end and none behind the last line. */
struct str part_lines(struct arena *a, struct str text);

enum { PART_TEXTS = 16 };
/* The texts that a reader sees first: the first text of the message in each of its alternatives, none inside signed or
 * encrypted parts or attachments. How many, at most PART_TEXTS. */
size_t part_first_texts(struct mime *mime, struct mime_part **out);
/* Puts text above or below what readers see first; as a part of its own where there is none. */
void part_frame(struct message *m, struct str text, struct str html, bool above);

#endif
