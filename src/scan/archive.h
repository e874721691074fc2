/*
 * Copies of messages for the archives of engines: mbox files among the logs, which policies ask for by verdict.
 *
 * Called by the actions of engines. The copy travels as an event, so it is written once and in its place among all events,
 * as lines of logs are; role record adds it to the subscriptions of the archive's type.
 */
#ifndef SCAN_ARCHIVE_H
#define SCAN_ARCHIVE_H

#include "policy/message.h"

enum archive { ARCHIVE_SPAM, ARCHIVE_VIRUS, ARCHIVE_GRAYMAIL }; /* of event message_archived */

/* The message, of which `octets` are the text (as it was before it was repaired, say), as an entry of an mbox file (RFC
 * 4155; mboxrd quoting, LF line ends). What is longer than an event holds (240 KiB) is cut behind a line, and a last line
 * says so. Nothing in a trace. */
void archive_message(struct message *m, enum archive archive, struct str octets);
/* The entry alone. */
void archive_entry(struct message *m, struct str octets, struct buf *out);

#endif
