/* must(cond): a broken invariant ends the process (master restarts it). Stays on in production; never for input. */
#ifndef BASE_MUST_H
#define BASE_MUST_H

_Noreturn void must_failed(const char *cond, const char *file, int line);

#define must(cond) ((cond) ? (void)0 : must_failed(#cond, __FILE__, __LINE__))

#endif
