/*
 * Safelists and blocklists of recipients (spec/central.md, spam quarantine): whose mail a user always or never wants.
 *
 * control owns the lists (admin/slbl.c) and publishes them as text; scan reads it into a table and asks it for each
 * recipient just before anti-spam. The text: one line an entry, "user TAB safe|block TAB entry LF", users in lower case.
 * Pure.
 */
#ifndef POLICY_SLBL_H
#define POLICY_SLBL_H

#include "base/arena.h"
#include "base/err.h"

enum { SLBL_ENTRIES = 100, SLBL_TEXT_MAX = 48 << 20, SLBL_ENTRY_MAX = 320 };
enum slbl_list { SLBL_NONE, SLBL_SAFE, SLBL_BLOCK };

/* user@domain, domain, sub.domain, .domain, [ip]; RC_INVALID says what is wrong. */
enum rc slbl_entry_fits(struct str entry, struct err *e);
/* One line; false: none of ours. Views into it. */
bool slbl_line(struct str line, struct str *user_out, enum slbl_list *list_out, struct str *entry_out);

struct slbl;

/* A table over the text (copied); lines that are none are passed over. NULL without memory. */
struct slbl *slbl_new(struct str text);
void slbl_free(struct slbl *t);
size_t slbl_users(const struct slbl *t);
/* What the user says of this mail: its envelope sender, the address of its From header, the client. The closest entry
 * decides: whole address or client before domain before .domain; of equally close ones the blocklist. `t` may be NULL. */
enum slbl_list slbl_ask(const struct slbl *t, struct str user, struct str sender, struct str from, struct str client_ip);

#endif
