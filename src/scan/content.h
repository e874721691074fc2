/*
 * What lies inside a message: bodies decoded, file types found, archives and containers opened, readings compared.
 *
 * Called by the scan role: content_new() before the process gives up its rights, content_read() once per message before any
 * stage judges. Results stand in the tree (mail/mime.h): detected, archive, encrypted, macros, script, unscannable, flaws,
 * further parts. Nothing here decides; content_sum() says what there is to decide about. doc/why/scanning.md.
 */
#ifndef SCAN_CONTENT_H
#define SCAN_CONTENT_H

#include "conf/conf.h"
#include "mail/mime.h"

struct content;

/* Loads libmagic and GMime, forks the helper that unpacks. A part that cannot be had is said on standard error, and what
 * needs it counts as unscannable. NULL: no memory. */
struct content *content_new(void);
void content_free(struct content *c);

/* Looks at every part. Bounded by the settings whatever comes; what could not be looked into says so in `unscannable`. */
void content_read(struct content *c, struct mime *m, const struct conf_scanning *s);

struct content_sum {
    struct str unscannable; /* why, empty = everything could be read */
    struct str part;        /* path of the first part it is about */
    bool encrypted, macros, script;
    bool ambiguous; /* readers differ */
};
void content_sum(const struct mime *m, struct content_sum *out);

#endif
