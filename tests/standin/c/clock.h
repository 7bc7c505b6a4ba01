/* SPDX-License-Identifier: Apache-2.0 */
/* Clocks and ways to use up time, shared by the libraries and the programs. */
#ifndef STANDIN_CLOCK_H
#define STANDIN_CLOCK_H

#include <errno.h>
#include <stdint.h>
#include <time.h>

static inline uint64_t clock_ns(clockid_t id)
{
	struct timespec ts;

	clock_gettime(id, &ts);
	return (uint64_t)ts.tv_sec * 1000000000u + (uint64_t)ts.tv_nsec;
}

static inline uint64_t clock_mono(void)
{
	return clock_ns(CLOCK_MONOTONIC);
}

static inline void cpu_relax(void)
{
#if defined(__x86_64__)
	__builtin_ia32_pause();
#endif
}

/* Spins until a moment of the monotonic clock. */
static inline void spin_until(uint64_t when)
{
	while (clock_mono() < when)
		cpu_relax();
}

/* Sleeps until a moment of the monotonic clock, through any signals. */
static inline void sleep_until(uint64_t when)
{
	struct timespec ts = {
		.tv_sec = (time_t)(when / 1000000000u),
		.tv_nsec = (long)(when % 1000000000u),
	};

	while (clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &ts, NULL) == EINTR)
		;
}

static inline void sleep_ns(uint64_t ns)
{
	sleep_until(clock_mono() + ns);
}

/*
 * Burns `ns` of this thread's CPU time, not of wall time: real work takes
 * longer on the wall when another thread takes the CPU away, so this does too.
 * The CPU clock costs a system call, hence one look every 20 us at most.
 */
static inline void burn_cpu(uint64_t ns)
{
	uint64_t end = clock_ns(CLOCK_THREAD_CPUTIME_ID) + ns;

	for (;;) {
		uint64_t now = clock_ns(CLOCK_THREAD_CPUTIME_ID);

		if (now >= end)
			return;
		uint64_t left = end - now;
		spin_until(clock_mono() + (left < 20000 ? left : 20000));
	}
}

#endif
