/*
 * Masquerading by table (listener.masquerade): which address takes the place of a sender's.
 */
#ifndef POLICY_MASQUERADE_H
#define POLICY_MASQUERADE_H

#include "base/arena.h"
#include "base/err.h"

/* The new address, from the arena; empty when no line fits. user@domain goes before @domain before the longest @.domain. */
struct str masquerade_find(struct arena *a, struct strs lines, struct str address);
/* "PATTERN NEW" as spec/settings/listener.def says: for checks of settings. */
bool masquerade_line_fits(struct str line);

#endif
