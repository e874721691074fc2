/*
 * The versions of the configuration on disk: HOME/conf/versions/NNNNNN.xml, one a commit, and HOME/conf/current, which holds
 * the number of the one in force. A version is never changed once written.
 */
#ifndef CONF_VERSIONS_H
#define CONF_VERSIONS_H

#include "conf/xml.h"

/* Makes HOME/conf and HOME/conf/versions (mode 0700) when missing. */
enum rc conf_versions_init(const char *home, struct err *e);
/* Writes the next version, syncs it, makes it the current one. c->version is not looked at. */
enum rc conf_versions_commit(const char *home, const struct conf *c, struct str user, struct str comment,
                             uint64_t *version_out, struct err *e);
/* One version. *out is the caller's (conf_draft_free); out->conf.version is set. */
enum rc conf_versions_read(const char *home, uint64_t version, struct conf_draft **out, struct err *e);
/* The current version; when that is broken the newest older one that is not: then `broken` says what was wrong (else it
 * stays RC_OK). Fails only when none can be read. */
enum rc conf_versions_current(const char *home, struct conf_draft **out, struct err *broken, struct err *e);
/* Newest first; stops when fn returns false. Texts are valid during the call. */
enum rc conf_versions_each(const char *home, bool (*fn)(void *ctx, const struct conf_header *h, bool current), void *ctx,
                           struct err *e);

#endif
