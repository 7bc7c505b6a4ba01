/* For each line `FUNCTION CALLS` says what CPU time a call costs: the median of several runs, in ps. */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

int cuCtxSynchronize(void);
int cuStreamSynchronize(void *stream);
int cuEventSynchronize(void *event);

enum { RUNS = 15 };

static uint64_t now(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &ts);
	return (uint64_t)ts.tv_sec * 1000000000u + (uint64_t)ts.tv_nsec;
}

static uint64_t run(int function, uint64_t calls)
{
	uint64_t begun = now();

	for (uint64_t i = 0; i < calls; i++) {
		if (function == 0)
			cuCtxSynchronize();
		else if (function == 1)
			cuStreamSynchronize(NULL);
		else
			cuEventSynchronize(NULL);
	}
	return (now() - begun) * 1000 / calls;
}

static int order(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return x < y ? -1 : x > y;
}

int main(void)
{
	int function;
	unsigned long calls;

	printf("READY %d\n", getpid());
	fflush(stdout);
	while (scanf("%d %lu", &function, &calls) == 2) {
		uint64_t runs[RUNS];

		run(function, calls / 10 + 1);
		for (int i = 0; i < RUNS; i++)
			runs[i] = run(function, calls);
		qsort(runs, RUNS, sizeof(*runs), order);
		printf("%lu\n", (unsigned long)runs[RUNS / 2]);
		fflush(stdout);
	}
	return 0;
}
