// SPDX-License-Identifier: Apache-2.0
// The model of a GPU: each stream is a queue that will be empty at a known
// moment. Nothing runs; enqueueing moves that moment, waiting waits for it.
#include <sched.h>

#include "gpu.h"

// Work reaches an idle GPU a little after the call that asked for it.
#define SUBMIT_LATENCY_NS 2000u

void gpu_wait(enum wait_mode mode, uint64_t when)
{
	switch (mode) {
	case WAIT_SPIN:
		spin_until(when);
		break;
	case WAIT_YIELD:
		while (clock_mono() < when)
			sched_yield();
		break;
	case WAIT_BLOCK:
		if (clock_mono() < when)
			sleep_until(when);
		break;
	}
}

// Forgets pending work that is complete. Needs the stream's lock.
static void retire(struct CUstream_st *s, uint64_t now)
{
	while (s->count && s->done[s->head] <= now) {
		s->head = (s->head + 1) % GPU_RING;
		s->count--;
	}
}

CUresult gpu_submit(struct CUstream_st *s, uint64_t duration_ns, uint64_t *done)
{
	pthread_mutex_lock(&s->lock);
	if (s->capture) {
		s->capture->nodes++;
		s->capture->total_ns += duration_ns;
		pthread_mutex_unlock(&s->lock);
		if (done)
			*done = 0;
		return CUDA_SUCCESS;
	}
	uint64_t now = clock_mono();
	retire(s, now);
	while (s->count == GPU_RING) {
		uint64_t oldest = s->done[s->head];

		// Others may look at the stream while this caller waits for room.
		pthread_mutex_unlock(&s->lock);
		gpu_wait(s->mode, oldest);
		pthread_mutex_lock(&s->lock);
		now = clock_mono();
		retire(s, now);
	}
	uint64_t start = now + SUBMIT_LATENCY_NS;
	if (start < s->busy_until)
		start = s->busy_until;
	s->busy_until = start + duration_ns;
	s->done[(s->head + s->count) % GPU_RING] = s->busy_until;
	s->count++;
	if (done)
		*done = s->busy_until;
	pthread_mutex_unlock(&s->lock);
	return CUDA_SUCCESS;
}

uint64_t gpu_tail(struct CUstream_st *s)
{
	pthread_mutex_lock(&s->lock);
	uint64_t tail = s->busy_until;
	pthread_mutex_unlock(&s->lock);
	return tail;
}

void gpu_order_after(struct CUstream_st *s, uint64_t when)
{
	pthread_mutex_lock(&s->lock);
	if (s->busy_until < when)
		s->busy_until = when;
	pthread_mutex_unlock(&s->lock);
}

// Waits for what was in the stream at the call, host functions included.
CUresult gpu_drain(struct CUstream_st *s)
{
	pthread_mutex_lock(&s->lock);
	bool capturing = s->capture != NULL;
	uint64_t tail = s->busy_until;
	uint64_t asked = s->host_asked;
	uint64_t ran = s->host_done;
	pthread_mutex_unlock(&s->lock);

	if (capturing)
		return CUDA_ERROR_STREAM_CAPTURE_UNSUPPORTED;
	gpu_wait(s->mode, tail);
	while (ran < asked) {
		// A host function takes as long as it takes; look now and then.
		sleep_ns(20000);
		pthread_mutex_lock(&s->lock);
		ran = s->host_done;
		pthread_mutex_unlock(&s->lock);
	}
	return CUDA_SUCCESS;
}
