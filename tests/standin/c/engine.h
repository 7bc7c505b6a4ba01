/* SPDX-License-Identifier: Apache-2.0 */
/* Parts of standin-engine, a small model of an LLM server. */
#ifndef STANDIN_ENGINE_H
#define STANDIN_ENGINE_H

#include <stdbool.h>
#include <stdint.h>

struct settings {
	uint64_t duration_ns;
	int cpu;
	unsigned step_launches;
	uint64_t storm_at_ns; /* after the start of the loop */
	unsigned storm_kernels;
	uint64_t storm_load_us;
	enum { NOTHING, LONG_KERNELS, SLOW_TOKENIZER } phase;
	uint64_t phase_at_ns, phase_for_ns; /* after the start of the loop */
};

/* What the engine thread found, for the report. */
struct results {
	uint64_t *step_ns;
	uint64_t steps, room;
	uint64_t launches, graph_launches, requests;
	uint64_t loop_start_ns, storm_start_ns, storm_ns; /* CLOCK_BOOTTIME; 0: none */
};

/* engine_gpu.c: what the engine thread asks of the GPU. */
void gpu_set_up(const struct settings *settings, struct results *results);
void gpu_step(const struct settings *settings, struct results *results);
void gpu_long_kernel(struct results *results);
void gpu_storm(const struct settings *settings, struct results *results);
void gpu_tear_down(void);

/* engine_requests.c: the threads that bring requests to the engine. */
void requests_start(void);
uint64_t requests_take(void);
uint64_t requests_wait(void);
void requests_slow(bool slow);
void requests_stop(void);

#endif
