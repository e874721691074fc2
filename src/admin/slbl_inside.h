/* What the files of the safelists and blocklists share. */
#ifndef ADMIN_SLBL_INSIDE_H
#define ADMIN_SLBL_INSIDE_H

#include "admin/slbl.h"
#include "policy/slbl.h"

enum { SLBL_DELTAS = 4096, SLBL_PUT_MAX = 64 << 20 };

/* One numbered change of the master: lines of put-slbl, without the header. */
struct slbl_delta {
    uint64_t version;
    char *lines;
};

struct slbl_store {
    struct admin *admin;
    struct buf text;  /* a line an entry; the first line, "# VERSION", is none and says the number of the last change */
    uint64_t version; /* of a manager's lists: 1 on; kept in the file, so it rises for ever */
    uint64_t changed_ms;
    struct slbl_delta deltas[SLBL_DELTAS]; /* ring of the last ones since this process runs: version modulo SLBL_DELTAS */
    uint64_t first_delta;                  /* from this version on a delta leads to the next; version: none */
};

/* `now` (taken over) becomes the lists, numbered `version`; `lines` = the change as a delta, empty: none leads there. */
enum rc slbl_put_in_force(struct slbl_store *s, struct buf *now, uint64_t version, struct str lines, struct err *e);
/* A line of the text / of put-slbl. */
void slbl_put_line(struct buf *out, struct str user, enum slbl_list list, struct str entry);
void slbl_put_op(struct buf *out, bool remove, struct str user, enum slbl_list list, struct str entry);

struct slbl_change {
    struct str user, entry;
    enum slbl_list list;
    bool remove;
    size_t found, others, entries; /* the entry there; on the other list; of this user */
};
/* One entry in or out; the limits of central.md 10 hold. */
enum rc slbl_change(struct slbl_store *s, struct slbl_change *c, struct err *e);
/* Are the lists a manager's, who alone changes them? RC_NOT_PERMITTED says so. */
enum rc slbl_ours(const struct admin *a, struct err *e);

/* --- slbl_delta.c ---------------------------------------------------------------------------------------------------- */

void slbl_deltas_open(struct slbl_store *s);
void slbl_deltas_close(struct slbl_store *s);
/* Keeps the change that leads to `version`. */
void slbl_keep_delta(struct slbl_store *s, uint64_t version, struct str lines);
/* Input of put-slbl for a gateway that has `base`: the deltas since then, or a full copy. */
void slbl_write_put(const struct slbl_store *s, uint64_t base, bool full, struct buf *out);

#endif
