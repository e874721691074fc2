/*
 * The scan engines of a worker: whether each answers, its connections, and what is tried when it does not.
 *
 * Called by the stages (one message at a time, blocking) and by the verbs of this role. Owns one idle connection an engine,
 * made ahead, since engines close theirs after an answer. An engine fails when it cannot be reached, does not answer in
 * time, closes, or says what makes no sense: what was asked is tried once more on a fresh connection; then the engine is
 * *away* and asked no more until a probe (every `probe_ms`) finds it answering. A message that does this twice while probes
 * succeed is at fault itself: RC_CORRUPT instead of RC_UNAVAILABLE, so that it counts as unscannable and does not stop the
 * mail behind.
 */
#ifndef SCAN_ENGINE_H
#define SCAN_ENGINE_H

#include "bus/bus.h"
#include "event/event.h"
#include "scan/engine_io.h"

/* Numbers go over the bus. */
enum engine_kind { ENGINE_RSPAMD, ENGINE_SPAMD, ENGINE_CLAMD, ENGINE_LEARN, ENGINE_KINDS };

/* "rspamd", "spamd", "clamd", "rspamd controller". */
struct str engine_kind_name(enum engine_kind kind);

/* How connections come: from lookup over the bus; tests connect themselves. Returns a connected descriptor, or -1 with `e`
 * set. `ahead` may ask for the next one without waiting. Either may be NULL. */
struct engine_dialer {
    int (*open)(void *ctx, enum engine_kind kind, struct str address, uint64_t timeout_ms, struct err *e);
    void (*ahead)(void *ctx, enum engine_kind kind, struct str address);
    void *ctx;
};

struct engine_setup {
    struct str address;
    uint64_t timeout_ms; /* for one answer; connecting gets a quarter of it, at least a second */
    uint64_t probe_ms;
};

/* One question on a connection: writes, reads, fills ctx. May be called twice. */
typedef enum rc engine_talk(void *ctx, const struct engine_io *io, struct err *e);

struct engines;

/* `state(ctx, kind, up, why)` is told when an engine goes away and comes back, once for all workers that share; may be NULL.
 */
struct engines *engines_new(const struct engine_dialer *dialer,
                            void (*state)(void *ctx, enum engine_kind kind, bool up, struct str why), void *ctx);
/* Which engines are away is known to all whose `away` (board) this is. */
void engines_share(struct engines *all, uint64_t *away);
void engines_free(struct engines *all);

/* RC_OK; RC_UNAVAILABLE: the engine is away; RC_CORRUPT: this message cannot be scanned by it. `mid` 0: a probe or a verb.
 */
enum rc engine_ask(struct engines *all, enum engine_kind kind, const struct engine_setup *how, uint64_t mid,
                   engine_talk *talk, void *ctx, struct err *e);
/* Is it known to be away, and why? */
bool engine_away(const struct engines *all, enum engine_kind kind, struct str *why_out);
/* Asks an engine that is away, whatever its probe time; true when it answers (it is away no longer). */
bool engine_probe(struct engines *all, enum engine_kind kind, const struct engine_setup *how);

/* engine_dial.c: connections by lookup. Handles BUS_engine_socket of this bus. */
struct engine_dial;
struct engine_dial *engine_dial_new(struct bus *bus);
void engine_dial_free(struct engine_dial *d);
struct engine_dialer engine_dial_dialer(struct engine_dial *d);

#endif
