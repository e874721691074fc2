/* Threads beside the loop, for work that must block (libssh, TLS of the link). */
#ifndef BASE_THREAD_H
#define BASE_THREAD_H

#include <pthread.h>
#include <stdbool.h>

/* Runs fn(ctx) with a small stack and without signals: those are for the main thread. False: the system has none to give. */
bool thread_start(pthread_t *out, void *(*fn)(void *ctx), void *ctx);

#endif
