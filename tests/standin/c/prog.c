// SPDX-License-Identifier: Apache-2.0
#define _GNU_SOURCE
#include "prog.h"

#include <errno.h>
#include <sched.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

void die(const char *format, ...)
{
	va_list args;

	va_start(args, format);
	fprintf(stderr, "%s: ", program_invocation_short_name);
	vfprintf(stderr, format, args);
	fputc('\n', stderr);
	va_end(args);
	exit(2);
}

void must(int rc, const char *what)
{
	if (rc)
		die("%s failed: error %d", what, rc);
}

uint64_t number(const char *option, const char *text)
{
	char *end;
	unsigned long long value = strtoull(text, &end, 10);

	if (*text < '0' || *text > '9' || *end)
		die("--%s: '%s' is not a whole number", option, text);
	return value;
}

uint64_t seconds_ns(const char *option, const char *text)
{
	char *end;
	double value = strtod(text, &end);

	if (end == text || *end || !(value >= 0) || value > 1e9)
		die("--%s: '%s' is not a number of seconds", option, text);
	return (uint64_t)(value * 1e9);
}

void pin_to(int cpu)
{
	cpu_set_t set;

	if (cpu < 0)
		return;
	CPU_ZERO(&set);
	CPU_SET((unsigned)cpu % CPU_SETSIZE, &set);
	if (sched_setaffinity(0, sizeof(set), &set))
		die("cannot run on CPU %d: %s", cpu, strerror(errno));
}

void wait_for_start(void)
{
	int c;

	printf("READY %d\n", (int)getpid());
	fflush(stdout);
	while ((c = getchar()) != '\n') {
		if (c == EOF)
			die("standard input ended before the start line");
	}
}

void wait_for_end(void)
{
	fflush(stdout);
	while (getchar() != EOF)
		;
}
