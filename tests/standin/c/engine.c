// SPDX-License-Identifier: Apache-2.0
// standin-engine: decode steps in one thread, requests in others, and on
// demand a storm of first uses that stops the steps.
#define _GNU_SOURCE
#include "engine.h"

#include <getopt.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "clock.h"
#include "prog.h"

// Host work of a step: choosing what to run, and dealing with its tokens.
#define SCHEDULE_NS 200000u
#define DETOKENIZE_NS 450000u

static const char usage[] =
	"usage: standin-engine --duration SECONDS [--cpu N] [--step-launches 32]\n"
	"                      [--storm-at SECONDS --storm-kernels N --storm-load-us U]\n"
	"                      [--phase long-kernels|slow-tokenizer --phase-at SECONDS --phase-for SECONDS]\n"
	"                      [--sync spin|block] [--log FILE] [--start-on-stdin]\n";

static const struct option options[] = {
	{"duration", required_argument, NULL, 'd'},
	{"cpu", required_argument, NULL, 'c'},
	{"step-launches", required_argument, NULL, 'n'},
	{"storm-at", required_argument, NULL, 'a'},
	{"storm-kernels", required_argument, NULL, 'k'},
	{"storm-load-us", required_argument, NULL, 'u'},
	{"phase", required_argument, NULL, 'p'},
	{"phase-at", required_argument, NULL, 'A'},
	{"phase-for", required_argument, NULL, 'F'},
	{"sync", required_argument, NULL, 's'},
	{"log", required_argument, NULL, 'l'},
	{"start-on-stdin", no_argument, NULL, 'w'},
	{"help", no_argument, NULL, 'h'},
	{NULL, 0, NULL, 0},
};

static struct settings settings = {
	.cpu = -1,
	.step_launches = 32,
	.storm_load_us = 8000,
};
static struct results results;
static bool wait_first;

static void step(bool storm, bool phase)
{
	uint64_t start = clock_mono();
	bool starved = phase && settings.phase == SLOW_TOKENIZER;

	results.requests += starved ? requests_wait() : requests_take();
	burn_cpu(SCHEDULE_NS);
	if (storm)
		gpu_storm(&settings, &results);
	if (phase && settings.phase == LONG_KERNELS)
		gpu_long_kernel(&results);
	gpu_step(&settings, &results);
	burn_cpu(DETOKENIZE_NS);
	if (results.steps < results.room)
		results.step_ns[results.steps] = clock_mono() - start;
	results.steps++;
}

static void *engine_loop(void *unused)
{
	bool storm_left = settings.storm_kernels > 0 &&
			  settings.storm_at_ns < settings.duration_ns;

	(void)unused;
	pthread_setname_np(pthread_self(), "engine-loop");
	pin_to(settings.cpu);
	gpu_set_up(&settings, &results);
	if (wait_first)
		wait_for_start();
	requests_start();
	results.loop_start_ns = clock_ns(CLOCK_BOOTTIME);
	uint64_t start = clock_mono();
	for (;;) {
		uint64_t elapsed = clock_mono() - start;

		// A storm that was asked for comes, however slow the steps were.
		if (elapsed >= settings.duration_ns && !storm_left)
			break;
		bool storm = storm_left && elapsed >= settings.storm_at_ns;
		bool phase = settings.phase && elapsed >= settings.phase_at_ns &&
			     elapsed < settings.phase_at_ns + settings.phase_for_ns;

		requests_slow(phase && settings.phase == SLOW_TOKENIZER);
		step(storm, phase);
		if (storm)
			storm_left = false;
	}
	gpu_tear_down();
	return NULL;
}

static void parse(int argc, char **argv)
{
	int c;

	while ((c = getopt_long(argc, argv, "", options, NULL)) != -1) {
		switch (c) {
		case 'd':
			settings.duration_ns = seconds_ns("duration", optarg);
			break;
		case 'c':
			settings.cpu = (int)number("cpu", optarg);
			break;
		case 'n':
			settings.step_launches = (unsigned)number("step-launches", optarg);
			break;
		case 'a':
			settings.storm_at_ns = seconds_ns("storm-at", optarg);
			break;
		case 'k':
			settings.storm_kernels = (unsigned)number("storm-kernels", optarg);
			break;
		case 'u':
			settings.storm_load_us = number("storm-load-us", optarg);
			break;
		case 'p':
			if (!strcmp(optarg, "long-kernels"))
				settings.phase = LONG_KERNELS;
			else if (!strcmp(optarg, "slow-tokenizer"))
				settings.phase = SLOW_TOKENIZER;
			else
				die("--phase: '%s' is neither long-kernels nor slow-tokenizer", optarg);
			break;
		case 'A':
			settings.phase_at_ns = seconds_ns("phase-at", optarg);
			break;
		case 'F':
			settings.phase_for_ns = seconds_ns("phase-for", optarg);
			break;
		case 's':
			if (strcmp(optarg, "spin") && strcmp(optarg, "block"))
				die("--sync: '%s' is neither spin nor block", optarg);
			setenv("STANDIN_SYNC", optarg, 1);
			break;
		case 'l':
			setenv("STANDIN_LOG", optarg, 1);
			break;
		case 'w':
			wait_first = true;
			break;
		case 'h':
			fputs(usage, stdout);
			exit(0);
		default:
			fputs(usage, stderr);
			exit(2);
		}
	}
	if (!settings.duration_ns || !settings.step_launches || settings.storm_kernels > 100000) {
		fputs(usage, stderr);
		exit(2);
	}
}

static int ascending(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return (x > y) - (x < y);
}

static void report(void)
{
	uint64_t kept = results.steps < results.room ? results.steps : results.room;
	uint64_t p50 = 0, p99 = 0, max = 0;

	qsort(results.step_ns, kept, sizeof(*results.step_ns), ascending);
	if (kept) {
		p50 = results.step_ns[kept / 2];
		p99 = results.step_ns[kept - 1 - (kept - 1) / 100];
		max = results.step_ns[kept - 1];
	}
	printf("{\"pid\":%d,\"steps\":%llu,\"launches\":%llu,\"graph_launches\":%llu,"
	       "\"requests\":%llu,\"step_p50_ns\":%llu,\"step_p99_ns\":%llu,\"step_max_ns\":%llu,"
	       "\"loop_start_ns\":%llu,\"storm_start_ns\":%llu,\"storm_ns\":%llu}\n",
	       (int)getpid(), (unsigned long long)results.steps,
	       (unsigned long long)results.launches, (unsigned long long)results.graph_launches,
	       (unsigned long long)results.requests, (unsigned long long)p50,
	       (unsigned long long)p99, (unsigned long long)max,
	       (unsigned long long)results.loop_start_ns,
	       (unsigned long long)results.storm_start_ns, (unsigned long long)results.storm_ns);
}

int main(int argc, char **argv)
{
	pthread_t engine;

	parse(argc, argv);
	// A step is never shorter than its host work; room for all, taken now so
	// that the loop never asks for memory.
	results.room = settings.duration_ns / (SCHEDULE_NS + DETOKENIZE_NS) + 1;
	results.step_ns = calloc(results.room, sizeof(*results.step_ns));
	if (!results.step_ns)
		die("out of memory");
	if (pthread_create(&engine, NULL, engine_loop, NULL))
		die("cannot start a thread");
	pthread_join(engine, NULL);
	requests_stop();
	report();
	return 0;
}
