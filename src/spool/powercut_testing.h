/*
 * The power cut: records what reaches the disk in which order and rebuilds every state of the disk that a cut allows (K2).
 *
 * Model: a write is certain once its file was synced after it; a name is certain once its directory was synced after it.
 * What is not certain is there or not, each 512-octet sector of a write for itself; changes of a directory come in order.
 */
#ifndef SPOOL_POWERCUT_TESTING_H
#define SPOOL_POWERCUT_TESTING_H

#include "base/buf.h"

enum { CUT_ALL, CUT_NONE, CUT_RANDOM }; /* what becomes of uncertain writes; CUT_RANDOM and above are seeds */

struct trace;

/* Records everything under `dir` from now on. Files there before are not known. */
struct trace *trace_begin(const char *dir);
void trace_end(struct trace *t); /* stops recording, keeps the trace */
void trace_free(struct trace *t);
/* A fact of the test itself at this point of the order. */
void trace_mark(struct trace *t, uint64_t what, uint64_t id);
size_t trace_length(const struct trace *t);
/* The i-th step is a mark: what and which. */
bool trace_is_mark(const struct trace *t, size_t i, uint64_t *what_out, uint64_t *id_out);
/* Files under seg/ always have this length (they are allocated before they are written). */
void trace_segment_bytes(struct trace *t, uint64_t bytes);
/* Writes the state after the first `steps` steps into the empty directory `out`. */
void trace_image(const struct trace *t, size_t steps, unsigned mode, const char *out);

#endif
