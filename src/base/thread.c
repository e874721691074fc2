/*
 * Starting threads. See thread.h.
 *
 * Called by shell (logins) and central (gateways, the link). Owns nothing; the thread is the caller's to join.
 */
#include "base/thread.h"

#include "base/must.h"

#include <signal.h>
#include <stddef.h>

enum { STACK_BYTES = 256 << 10 };

bool thread_start(pthread_t *out, void *(*fn)(void *ctx), void *ctx)
{
    pthread_attr_t how;
    sigset_t all, before;
    int failed;

    must(pthread_attr_init(&how) == 0 && pthread_attr_setstacksize(&how, STACK_BYTES) == 0);
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    failed = pthread_create(out, &how, fn, ctx);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    pthread_attr_destroy(&how);
    return !failed;
}
