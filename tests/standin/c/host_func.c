// SPDX-License-Identifier: Apache-2.0
// Host functions: run by a thread of the driver when the stream gets there.
#define _GNU_SOURCE
#include <signal.h>
#include <stdlib.h>

#include "gpu.h"

struct job {
	uint64_t when;
	CUhostFn fn;
	void *user_data;
	struct CUstream_st *stream;
	struct job *next;
};

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t more;
static struct job *jobs; // earliest first
static pthread_once_t once = PTHREAD_ONCE_INIT;
static bool running;

static void run(struct job *job)
{
	job->fn(job->user_data);
	pthread_mutex_lock(&job->stream->lock);
	job->stream->host_done++;
	pthread_mutex_unlock(&job->stream->lock);
	free(job);
}

static void *runner(void *unused)
{
	(void)unused;
	pthread_mutex_lock(&lock);
	for (;;) {
		if (!jobs) {
			pthread_cond_wait(&more, &lock);
		} else if (jobs->when > clock_mono()) {
			struct timespec ts = {
				.tv_sec = (time_t)(jobs->when / 1000000000u),
				.tv_nsec = (long)(jobs->when % 1000000000u),
			};

			pthread_cond_timedwait(&more, &lock, &ts);
		} else {
			struct job *job = jobs;

			jobs = job->next;
			pthread_mutex_unlock(&lock);
			run(job);
			pthread_mutex_lock(&lock);
		}
	}
	return NULL;
}

// Started at first need, with signals blocked: they are the application's.
static void start_runner(void)
{
	pthread_condattr_t attr;
	pthread_t thread;
	sigset_t all, before;

	pthread_condattr_init(&attr);
	pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
	pthread_cond_init(&more, &attr);
	pthread_condattr_destroy(&attr);
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	running = pthread_create(&thread, NULL, runner, NULL) == 0;
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	if (running) {
		pthread_setname_np(thread, "cuda-hostfunc");
		pthread_detach(thread);
	}
}

CUresult cuLaunchHostFunc(CUstream handle, CUhostFn fn, void *user_data)
{
	struct CUstream_st *s = stream_of(handle);

	if (!s)
		return CUDA_ERROR_INVALID_HANDLE;
	if (!fn)
		return CUDA_ERROR_INVALID_VALUE;
	pthread_once(&once, start_runner);
	struct job *job = calloc(1, sizeof(*job));
	if (!job || !running) {
		free(job);
		return CUDA_ERROR_OUT_OF_MEMORY;
	}
	job->fn = fn;
	job->user_data = user_data;
	job->stream = s;

	pthread_mutex_lock(&s->lock);
	bool capturing = s->capture != NULL;
	if (!capturing)
		s->host_asked++;
	job->when = s->busy_until;
	pthread_mutex_unlock(&s->lock);
	if (capturing) {
		free(job);
		return CUDA_ERROR_STREAM_CAPTURE_UNSUPPORTED;
	}

	pthread_mutex_lock(&lock);
	struct job **link = &jobs;
	while (*link && (*link)->when <= job->when)
		link = &(*link)->next;
	job->next = *link;
	*link = job;
	pthread_cond_signal(&more);
	pthread_mutex_unlock(&lock);
	return CUDA_SUCCESS;
}
