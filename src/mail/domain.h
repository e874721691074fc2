/*
 * Domain names as the DNS wants them: lower case, A-labels (RFC 5890), no trailing dot, lengths of RFC 1035 2.3.4.
 *
 * Pure: results lie in the caller's arena. Nothing here asks anybody.
 */
#ifndef MAIL_DOMAIN_H
#define MAIL_DOMAIN_H

#include "base/arena.h"

enum { DOMAIN_TEXT_MAX = 253, DOMAIN_LABEL_MAX = 63 };

/* Labels of 1 to 63 octets, 253 in all, at least one; says nothing about which octets the labels have. */
bool domain_fits_dns(struct str name);
/* A domain out of an address or a header field as a name to ask for: U-labels become A-labels, letters lower case, one
 * trailing dot goes. False for everything that is no host name of at least min_labels labels (a literal, an empty label,
 * a space, ...) and without memory. */
bool domain_ascii(struct arena *a, struct str name, size_t min_labels, struct str *out);
/* The same domain or one below it; case ignored, no dot at the ends. */
bool domain_is_below(struct str name, struct str top);
/* Number of labels: dots + 1, 0 for the empty name. */
size_t domain_labels(struct str name);
/* The last n labels of a name (all when it has fewer). */
struct str domain_last(struct str name, size_t n);

#endif
