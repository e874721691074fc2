/*
 * A second opinion about the structure of a message: GMime, strict and loose.
 *
 * Called by the scan role once per message. It works from the same octets and keeps nothing.
 */
#ifndef SCAN_GMIME_H
#define SCAN_GMIME_H

#include "mail/mime.h"

/* Once, before the process gives up its rights: GMime's tables, the modules of its character sets. */
void gmime_begin(void);
/* Compares what GMime sees with the first reading of the tree; where they differ the message gets the flaw READERS_DIFFER
 * and becomes ambiguous. A message that was cut or is ambiguous already is left as it is. */
void gmime_compare(struct mime *m);

#endif
