// SPDX-License-Identifier: Apache-2.0
// standin-hog: takes the CPU away from others, with a name one can look for.
#define _GNU_SOURCE
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "clock.h"
#include "prog.h"

static const char usage[] =
	"usage: standin-hog [--cpu N] --seconds S [--busy-ms B --idle-ms I] [--name NAME]\n";

static const struct option options[] = {
	{"cpu", required_argument, NULL, 'c'},	   {"seconds", required_argument, NULL, 's'},
	{"busy-ms", required_argument, NULL, 'b'}, {"idle-ms", required_argument, NULL, 'i'},
	{"name", required_argument, NULL, 'n'},	   {"help", no_argument, NULL, 'h'},
	{NULL, 0, NULL, 0},
};

int main(int argc, char **argv)
{
	const char *name = "standin-hog";
	uint64_t length = 0, busy = 0, idle = 0;
	int cpu = -1, c;

	while ((c = getopt_long(argc, argv, "", options, NULL)) != -1) {
		switch (c) {
		case 'c':
			cpu = (int)number("cpu", optarg);
			break;
		case 's':
			length = seconds_ns("seconds", optarg);
			break;
		case 'b':
			busy = number("busy-ms", optarg) * 1000000;
			break;
		case 'i':
			idle = number("idle-ms", optarg) * 1000000;
			break;
		case 'n':
			name = optarg;
			break;
		case 'h':
			fputs(usage, stdout);
			return 0;
		default:
			fputs(usage, stderr);
			return 2;
		}
	}
	if (!length || (idle && !busy)) {
		fputs(usage, stderr);
		return 2;
	}
	prctl(PR_SET_NAME, name);
	pin_to(cpu);

	uint64_t end = clock_mono() + length;
	for (uint64_t now = clock_mono(); now < end; now = clock_mono()) {
		uint64_t stop = idle && now + busy < end ? now + busy : end;

		spin_until(stop);
		if (idle && stop + idle < end)
			sleep_until(stop + idle);
		else if (idle)
			sleep_until(end);
	}
	printf("{\"pid\":%d,\"cpu_ns\":%llu}\n", (int)getpid(),
	       (unsigned long long)clock_ns(CLOCK_PROCESS_CPUTIME_ID));
	return 0;
}
