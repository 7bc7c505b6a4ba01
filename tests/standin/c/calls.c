// SPDX-License-Identifier: Apache-2.0
// standin-calls: makes a known number of driver calls at a known rate, and
// says exactly how many of each it made.
#define _GNU_SOURCE
#include <getopt.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "clock.h"
#include "cuda.h"
#include "prog.h"

static const char usage[] =
	"usage: standin-calls [--threads T] --per-thread N [--rate CALLS_PER_SECOND]\n"
	"                     [--start-on-stdin] [--linger]\n";

static const struct option options[] = {
	{"threads", required_argument, NULL, 't'}, {"per-thread", required_argument, NULL, 'n'},
	{"rate", required_argument, NULL, 'r'},	   {"start-on-stdin", no_argument, NULL, 'w'},
	{"linger", no_argument, NULL, 'l'},	   {"help", no_argument, NULL, 'h'},
	{NULL, 0, NULL, 0},
};

// Every driver function this program calls.
#define EACH_CALL(X)                                                                               \
	X(cuInit) X(cuDeviceGet) X(cuCtxCreate_v2) X(cuCtxSetCurrent) X(cuCtxSynchronize)          \
	X(cuCtxDestroy_v2) X(cuModuleLoadData) X(cuModuleGetFunction) X(cuModuleUnload)            \
	X(cuStreamCreate) X(cuStreamDestroy_v2) X(cuStreamSynchronize) X(cuStreamQuery)            \
	X(cuEventCreate) X(cuEventRecord) X(cuEventSynchronize) X(cuEventDestroy_v2)               \
	X(cuLaunchKernel) X(cuLaunchKernelEx) X(cuMemAlloc_v2) X(cuMemFree_v2) X(cuMemHostAlloc)   \
	X(cuMemFreeHost) X(cuMemcpyHtoDAsync_v2) X(cuMemcpyDtoHAsync_v2) X(cuMemsetD8Async)

#define AS_ENUM(name) CALL_##name,
#define AS_NAME(name) #name,
enum { EACH_CALL(AS_ENUM) CALLS };
static const char *const names[CALLS] = {EACH_CALL(AS_NAME)};

struct counts {
	uint64_t of[CALLS];
};

// Counts a call where it is made, so the count cannot miss one.
#define CALL(counts, name, ...) ((counts)->of[CALL_##name]++, name(__VA_ARGS__))
#define MUST(counts, name, ...) must(CALL(counts, name, __VA_ARGS__), #name)

#define BYTES 64u
#define KERNELS 8u

struct worker {
	pthread_t thread;
	unsigned index;
	struct counts counts;
	CUstream stream;
	CUevent event;
	CUdeviceptr device, scratch;
	void *host;
};

static uint64_t threads = 8, per_thread, rate, start_at;
static CUcontext ctx;
static CUfunction functions[KERNELS];
static pthread_barrier_t set_up, started;

static void launch_ex(struct worker *w, CUfunction f)
{
	CUlaunchConfig config = {
		.gridDimX = 16,
		.gridDimY = 1,
		.gridDimZ = 1,
		.blockDimX = 128,
		.blockDimY = 1,
		.blockDimZ = 1,
		.hStream = w->stream,
	};

	MUST(&w->counts, cuLaunchKernelEx, &config, f, NULL, NULL);
}

// Allocations and frees take turns, so each is half of its share.
static void allocate_or_free(struct worker *w)
{
	if (w->scratch) {
		MUST(&w->counts, cuMemFree_v2, w->scratch);
		w->scratch = 0;
	} else {
		MUST(&w->counts, cuMemAlloc_v2, &w->scratch, BYTES);
	}
}

// One call, which one depending on nothing but the index. 37 has no divisor in
// common with 100: a hundred calls in a row hold the exact mix, well stirred.
static void one_call(struct worker *w, uint64_t i)
{
	struct counts *n = &w->counts;
	CUfunction f = functions[i % KERNELS];
	unsigned slot = (unsigned)(i * 37 % 100);

	if (slot < 60)
		MUST(n, cuLaunchKernel, f, 16, 1, 1, 128, 1, 1, 0, w->stream, NULL, NULL);
	else if (slot < 65)
		launch_ex(w, f);
	else if (slot < 71)
		MUST(n, cuMemcpyHtoDAsync_v2, w->device, w->host, BYTES, w->stream);
	else if (slot < 77)
		MUST(n, cuMemcpyDtoHAsync_v2, w->host, w->device, BYTES, w->stream);
	else if (slot < 82)
		MUST(n, cuMemsetD8Async, w->device, 0, BYTES, w->stream);
	else if (slot < 86)
		MUST(n, cuStreamSynchronize, w->stream);
	else if (slot < 90)
		MUST(n, cuEventRecord, w->event, w->stream);
	else if (slot < 92)
		MUST(n, cuEventSynchronize, w->event);
	else if (slot < 94)
		(void)CALL(n, cuStreamQuery, w->stream); // "not ready" is fine
	else
		allocate_or_free(w);
}

// Makes the calls in batches of about 1 ms, each at its place in the schedule.
static void paced_calls(struct worker *w)
{
	double interval = rate ? 1e9 * (double)threads / (double)rate : 0;
	uint64_t batch = interval > 0 ? (uint64_t)(1e6 / interval) : per_thread;
	uint64_t phase = 1000000 * (uint64_t)w->index / threads;
	uint64_t done = 0;

	if (!batch)
		batch = 1;
	while (done < per_thread) {
		uint64_t until = done + batch < per_thread ? done + batch : per_thread;

		if (interval > 0)
			sleep_until(start_at + phase + (uint64_t)((double)done * interval));
		while (done < until)
			one_call(w, done++);
	}
}

static void *work(void *arg)
{
	struct worker *w = arg;
	struct counts *n = &w->counts;
	char name[16];

	snprintf(name, sizeof(name), "calls-%u", w->index);
	pthread_setname_np(pthread_self(), name);
	MUST(n, cuCtxSetCurrent, ctx);
	MUST(n, cuStreamCreate, &w->stream, 0);
	MUST(n, cuEventCreate, &w->event, 0);
	MUST(n, cuMemAlloc_v2, &w->device, BYTES);
	MUST(n, cuMemHostAlloc, &w->host, BYTES, 0);
	memset(w->host, 1, BYTES);
	MUST(n, cuMemcpyHtoDAsync_v2, w->device, w->host, BYTES, w->stream);
	MUST(n, cuStreamSynchronize, w->stream);
	pthread_barrier_wait(&set_up);

	pthread_barrier_wait(&started);
	paced_calls(w);

	MUST(n, cuStreamSynchronize, w->stream);
	if (w->scratch)
		MUST(n, cuMemFree_v2, w->scratch);
	MUST(n, cuMemFreeHost, w->host);
	MUST(n, cuMemFree_v2, w->device);
	MUST(n, cuEventDestroy_v2, w->event);
	MUST(n, cuStreamDestroy_v2, w->stream);
	return NULL;
}

static void add(struct counts *sum, const struct counts *n)
{
	for (unsigned i = 0; i < CALLS; i++)
		sum->of[i] += n->of[i];
}

static struct counts total(const struct counts *own, const struct worker *workers)
{
	struct counts sum = *own;

	for (uint64_t i = 0; i < threads; i++)
		add(&sum, &workers[i].counts);
	return sum;
}

// An object of the counts that are not zero, less those of `before`.
static void print_counts(const char *key, const struct counts *n, const struct counts *before)
{
	const char *comma = "";

	printf(",\"%s\":{", key);
	for (unsigned i = 0; i < CALLS; i++) {
		uint64_t value = n->of[i] - (before ? before->of[i] : 0);

		if (!value)
			continue;
		printf("%s\"%s\":%llu", comma, names[i], (unsigned long long)value);
		comma = ",";
	}
	putchar('}');
}

int main(int argc, char **argv)
{
	bool wait = false, linger = false;
	int c;

	while ((c = getopt_long(argc, argv, "", options, NULL)) != -1) {
		switch (c) {
		case 't':
			threads = number("threads", optarg);
			break;
		case 'n':
			per_thread = number("per-thread", optarg);
			break;
		case 'r':
			rate = number("rate", optarg);
			break;
		case 'w':
			wait = true;
			break;
		case 'l':
			linger = true;
			break;
		case 'h':
			fputs(usage, stdout);
			return 0;
		default:
			fputs(usage, stderr);
			return 2;
		}
	}
	if (!threads || threads > 1024 || !per_thread) {
		fputs(usage, stderr);
		return 2;
	}

	struct counts own = {0};
	CUdevice device;
	CUmodule module;
	MUST(&own, cuInit, 0);
	MUST(&own, cuDeviceGet, &device, 0);
	MUST(&own, cuCtxCreate_v2, &ctx, 0, device);
	MUST(&own, cuModuleLoadData, &module, "device code");
	for (unsigned i = 0; i < KERNELS; i++) {
		char name[32];

		snprintf(name, sizeof(name), "tiny_kernel_%u@1:0", i);
		MUST(&own, cuModuleGetFunction, &functions[i], module, name);
	}

	struct worker *workers = calloc(threads, sizeof(*workers));
	if (!workers)
		die("out of memory");
	pthread_barrier_init(&set_up, NULL, (unsigned)threads + 1);
	pthread_barrier_init(&started, NULL, (unsigned)threads + 1);
	for (uint64_t i = 0; i < threads; i++) {
		workers[i].index = (unsigned)i;
		if (pthread_create(&workers[i].thread, NULL, work, &workers[i]))
			die("cannot start a thread");
	}
	pthread_barrier_wait(&set_up);
	struct counts setup = total(&own, workers);

	if (wait)
		wait_for_start();
	uint64_t from = clock_ns(CLOCK_BOOTTIME);
	start_at = clock_mono();
	pthread_barrier_wait(&started);
	for (uint64_t i = 0; i < threads; i++)
		pthread_join(workers[i].thread, NULL);
	MUST(&own, cuCtxSynchronize);
	MUST(&own, cuModuleUnload, module);
	MUST(&own, cuCtxDestroy_v2, ctx);
	uint64_t to = clock_ns(CLOCK_BOOTTIME);

	struct counts all = total(&own, workers);
	printf("{\"pid\":%d,\"threads\":%llu,\"per_thread\":%llu,\"start_ns\":%llu,\"end_ns\":%llu",
	       (int)getpid(), (unsigned long long)threads, (unsigned long long)per_thread,
	       (unsigned long long)from, (unsigned long long)to);
	print_counts("calls", &all, NULL);
	print_counts("calls_after_start", &all, &setup);
	puts("}");
	if (linger)
		wait_for_end();
	return 0;
}
