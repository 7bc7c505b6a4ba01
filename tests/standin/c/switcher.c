// SPDX-License-Identifier: Apache-2.0
// standin-switcher: one thread that leaves its CPU at a known rhythm, with the
// kernel's own account of it (schedstat) as the truth to compare with.
#define _GNU_SOURCE
#include <fcntl.h>
#include <getopt.h>
#include <sched.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "clock.h"
#include "cuda.h"
#include "prog.h"

static const char usage[] =
	"usage: standin-switcher [--cpu N] --seconds S [--sleep-us A] [--work-us B] [--cuda]\n"
	"                        [--batch] [--start-on-stdin]\n";

static const struct option options[] = {
	{"cpu", required_argument, NULL, 'c'},	    {"seconds", required_argument, NULL, 's'},
	{"sleep-us", required_argument, NULL, 'a'}, {"work-us", required_argument, NULL, 'b'},
	{"cuda", no_argument, NULL, 'g'},	    {"start-on-stdin", no_argument, NULL, 'w'},
	{"batch", no_argument, NULL, 'B'},	    {"help", no_argument, NULL, 'h'},
	{NULL, 0, NULL, 0},
};

static uint64_t slept, sleeps;

static void measured_sleep(uint64_t ns)
{
	uint64_t start = clock_mono();

	sleep_until(start + ns);
	slept += clock_mono() - start;
	sleeps++;
}

// The kernel brings the account of a running thread up to date when it leaves
// the CPU, so the thread leaves it just before it looks. Gives the moment.
static uint64_t print_schedstat(int fd)
{
	char text[128];

	measured_sleep(1000);
	ssize_t n = pread(fd, text, sizeof(text) - 1, 0);
	uint64_t now = clock_ns(CLOCK_BOOTTIME);
	if (n <= 0)
		die("cannot read schedstat");
	text[n] = '\0';

	unsigned long long on_cpu, delay, slices;
	if (sscanf(text, "%llu %llu %llu", &on_cpu, &delay, &slices) != 3)
		die("schedstat is not three numbers");
	printf("schedstat %llu %llu %llu %llu\n", (unsigned long long)now, on_cpu, delay, slices);
	fflush(stdout);
	return now;
}

// A thread that wakes takes the CPU at once, and then the scheduler's clock stands still from
// its waking to the switch (rq_clock_skip_update in kernel/sched/core.c): its account calls that
// time, 5 to 15 us on a virtual machine, time on the CPU. A batch thread waits for the next tick,
// so that its account is exact.
static void patient(void)
{
	struct sched_param none = {0};

	if (sched_setscheduler(0, SCHED_BATCH, &none))
		die("cannot become a batch thread");
}

static void start_cuda(void)
{
	CUcontext ctx;

	must(cuInit(0), "cuInit");
	must(cuCtxCreate_v2(&ctx, 0, 0), "cuCtxCreate");
	must(cuCtxSynchronize(), "cuCtxSynchronize");
}

int main(int argc, char **argv)
{
	uint64_t length = 0, sleep = 1000000, work = 200000;
	bool cuda = false, wait = false, batch = false;
	int cpu = -1, c;

	while ((c = getopt_long(argc, argv, "", options, NULL)) != -1) {
		switch (c) {
		case 'c':
			cpu = (int)number("cpu", optarg);
			break;
		case 's':
			length = seconds_ns("seconds", optarg);
			break;
		case 'a':
			sleep = number("sleep-us", optarg) * 1000;
			break;
		case 'b':
			work = number("work-us", optarg) * 1000;
			break;
		case 'g':
			cuda = true;
			break;
		case 'w':
			wait = true;
			break;
		case 'B':
			batch = true;
			break;
		case 'h':
			fputs(usage, stdout);
			return 0;
		default:
			fputs(usage, stderr);
			return 2;
		}
	}
	if (!length) {
		fputs(usage, stderr);
		return 2;
	}
	pin_to(cpu);
	if (batch)
		patient();

	char path[64];
	snprintf(path, sizeof(path), "/proc/self/task/%d/schedstat", (int)syscall(SYS_gettid));
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		die("this kernel keeps no schedstat");
	if (cuda)
		start_cuda();
	if (wait)
		wait_for_start();
	// A recorder that attached during the wait must see a call as well.
	if (cuda)
		must(cuCtxSynchronize(), "cuCtxSynchronize");

	uint64_t from = print_schedstat(fd);
	slept = 0;
	sleeps = 0;
	uint64_t start = clock_mono();
	while (clock_mono() - start < length) {
		spin_until(clock_mono() + work);
		measured_sleep(sleep);
	}
	uint64_t wall = print_schedstat(fd) - from;
	printf("slept %llu\nwall %llu\nsleeps %llu\n", (unsigned long long)slept,
	       (unsigned long long)wall, (unsigned long long)sleeps);
	return 0;
}
