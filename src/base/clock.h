/*
 * The only source of time and random numbers. Tests put their own values in, so 72 hours of retries run in milliseconds.
 */
#ifndef BASE_CLOCK_H
#define BASE_CLOCK_H

#include "base/str.h"

uint64_t clock_wall_ms(void); /* UTC, milliseconds since 1970; may jump */
uint64_t clock_mono_ns(void); /* never goes back; same origin in all processes of one machine since boot */
uint64_t clock_mono_ms(void);

/* The zone of local times (localtime_r) of this process, a name of /usr/share/zoneinfo; empty = that of the operating
 * system. Nothing happens when it is in force already. */
void clock_zone(struct str zone);

/* Tests only: a fixed pair of clocks that moves by clock_test_advance(). */
void clock_test_set(uint64_t wall_ms, uint64_t mono_ms);
void clock_test_advance(uint64_t ms);

void random_bytes(void *out, size_t n); /* getrandom(2); ends the process if the kernel has none */
uint64_t random_u64(void);

#endif
