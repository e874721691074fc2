/*
 * Variables in the texts of filters, notifications and disclaimers: $Subject, $EnvelopeFrom, $filenames ... Names in any
 * case; $Header['Name'] for any field; $$ is one dollar; what is no variable stays as it is. The list is spec/variables.def.
 *
 * Called by actions and by engines that write texts. What comes from the message has no line ends or other controls left,
 * and is escaped where the text is HTML; the result is bounded.
 */
#ifndef POLICY_VARIABLES_H
#define POLICY_VARIABLES_H

#include "policy/message.h"

enum { VARIABLES_TEXT_MAX = 4 << 20, VARIABLES_VALUE_MAX = 65536 };

struct variables {
    struct message *m;
    struct str filter, matched, dropped_names, dropped_types; /* of the filter that acts; may be empty */
};

/* `text` itself when it names none; else a new text in the message's arena. */
struct str variables_fill(const struct variables *v, struct str text, bool html);
/* Adds text so that HTML shows it as it is: & < > " and all that is not ASCII as references; line ends become <br>. */
void variables_html(struct str text, struct buf *out);
/* HTML with references for all that is not ASCII. */
void variables_references(struct str html, struct buf *out);

#endif
