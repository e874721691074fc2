/*
 * A configuration as octets: what control sends to every role (bus row conf_snapshot).
 *
 * Form: u64 fingerprint of the tables, then each section in the order of sections.def: a LIST its count (varint), then each
 * item: name (LIST only) and each setting in the order of its rows: numbers as varint, texts with length, lists with count.
 * Both ends come from one build; a blob of other tables is refused by its fingerprint.
 */
#ifndef CONF_SNAPSHOT_H
#define CONF_SNAPSHOT_H

#include "conf/draft.h"

/* `role` leaves out the secrets that this role has no use for (sections.def); NULL keeps all. Check out->failed. */
void conf_encode(const struct conf *c, const char *role, struct buf *out);
/* Fills an empty draft (conf_draft_empty). Texts are copied into its arena. RC_CORRUPT for what no encoder writes. */
enum rc conf_decode(struct conf_draft *d, struct str blob, struct err *e);
/* A copy that may be changed; NULL without memory. */
struct conf_draft *conf_draft_copy(const struct conf *c);
uint64_t conf_fingerprint(void);

#endif
