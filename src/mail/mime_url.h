/* Addresses of the web: their normal form. Lists of those in a message: mime_urls() of mime.h. */
#ifndef MAIL_MIME_URL_H
#define MAIL_MIME_URL_H

#include "base/arena.h"

/*
 * The address as a browser goes to it: scheme and host in lower case, host decoded and in its ASCII form (IDNA 2008
 * non-transitional), numbers of IPv4 in dotted form, no user part, no default port, white space and controls out,
 * backslashes turned, dot segments gone, percent codes of plain characters decoded. Empty when it is no http, https or ftp
 * address. From the arena.
 */
struct str mime_url_normal(struct arena *a, struct str url);

#endif
