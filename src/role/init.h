/* Parts of `postern init`: what a new machine needs that is neither a default nor asked for. */
#ifndef ROLE_INIT_H
#define ROLE_INIT_H

#include "conf/draft.h"

/* Serial number in the virtual form, 20 hex - 12 hex: derived from the machine id and the home's path, so the same for ever.
 */
void init_serial(const char *home, char out[40]);
/* 16 characters of base32, 80 bits. */
void init_password(char out[20]);
/* Writes a self-signed certificate (P-256, ten years) for the host name in d, and its key, to the files of admin/first.h. */
enum rc init_certificate(const char *home, struct conf_draft *d, struct err *e);

#endif
