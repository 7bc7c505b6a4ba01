// SPDX-License-Identifier: Apache-2.0
// Lazy loading: the first launch of a function pays for loading it.
#define _GNU_SOURCE
#include <stdio.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "gpu.h"

// One load at a time in the process: the real driver holds a lock while it
// loads, and other threads that need a load wait for it.
static pthread_mutex_t load_lock = PTHREAD_MUTEX_INITIALIZER;

// One write per line, so that lines of several threads do not mix.
static void log_first_use(const struct CUfunc_st *f, uint64_t start, uint64_t end)
{
	char line[512];
	int fd = config_get()->log_fd;

	if (fd < 0)
		return;
	int n = snprintf(line, sizeof(line), "first_use %llu %llu %d %.400s\n",
			 (unsigned long long)start, (unsigned long long)(end - start),
			 (int)syscall(SYS_gettid), f->name);
	if (n > 0 && write(fd, line, (size_t)n) != n)
		fprintf(stderr, "standin: the first-use log is incomplete\n");
}

void first_use(struct CUfunc_st *f)
{
	if (__atomic_load_n(&f->loaded, __ATOMIC_ACQUIRE))
		return;
	pthread_mutex_lock(&load_lock);
	if (!f->loaded) {
		uint64_t start = clock_ns(CLOCK_BOOTTIME);

		burn_cpu(f->load_ns);
		log_first_use(f, start, clock_ns(CLOCK_BOOTTIME));
		__atomic_store_n(&f->loaded, 1, __ATOMIC_RELEASE);
	}
	pthread_mutex_unlock(&load_lock);
}
