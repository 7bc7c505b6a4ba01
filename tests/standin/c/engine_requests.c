// SPDX-License-Identifier: Apache-2.0
// The host side of standin-engine: a thread that receives requests, and one
// that works on each before the engine may have it.
#define _GNU_SOURCE
#include <poll.h>
#include <pthread.h>
#include <stdbool.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "clock.h"
#include "engine.h"
#include "prog.h"

#define TOKENIZE_NS 1000000u
#define SLOW_TOKENIZE_NS 25000000u

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t arrived = PTHREAD_COND_INITIALIZER;
static uint64_t received; // waiting for the tokenizer
static int tokenized = -1; // counts those that wait for the engine
static bool stopping, slow;
static pthread_t http_thread, tokenizer_thread;

// Receives a request every 5 to 20 ms, at the same moments in every run.
static void *http(void *unused)
{
	uint32_t state = 1;
	bool stop = false;

	(void)unused;
	pthread_setname_np(pthread_self(), "http");
	while (!stop) {
		state = state * 1664525u + 1013904223u;
		sleep_ns(5000000 + (uint64_t)(state >> 8) % 15000000);
		pthread_mutex_lock(&lock);
		received++;
		stop = stopping;
		pthread_cond_signal(&arrived);
		pthread_mutex_unlock(&lock);
	}
	return NULL;
}

static void *tokenizer(void *unused)
{
	(void)unused;
	pthread_setname_np(pthread_self(), "tokenizer");
	pthread_mutex_lock(&lock);
	for (;;) {
		while (!received && !stopping)
			pthread_cond_wait(&arrived, &lock);
		if (stopping)
			break;
		received--;
		uint64_t work_ns = slow ? SLOW_TOKENIZE_NS : TOKENIZE_NS;

		pthread_mutex_unlock(&lock);
		burn_cpu(work_ns);
		eventfd_write(tokenized, 1);
		pthread_mutex_lock(&lock);
	}
	pthread_mutex_unlock(&lock);
	return NULL;
}

void requests_start(void)
{
	tokenized = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
	if (tokenized < 0)
		die("cannot make an eventfd");
	if (pthread_create(&http_thread, NULL, http, NULL) ||
	    pthread_create(&tokenizer_thread, NULL, tokenizer, NULL))
		die("cannot start a thread");
}

// From now on each request costs the tokenizer far more work, or as before.
void requests_slow(bool now)
{
	pthread_mutex_lock(&lock);
	slow = now;
	pthread_mutex_unlock(&lock);
}

// Waits for a request: the engine has no sequence to go on with.
uint64_t requests_wait(void)
{
	struct pollfd ready = {.fd = tokenized, .events = POLLIN};

	poll(&ready, 1, 1000);
	return requests_take();
}

// The engine does not wait here: it always has sequences to go on with.
uint64_t requests_take(void)
{
	eventfd_t taken = 0;

	return eventfd_read(tokenized, &taken) ? 0 : taken;
}

void requests_stop(void)
{
	pthread_mutex_lock(&lock);
	stopping = true;
	pthread_cond_broadcast(&arrived);
	pthread_mutex_unlock(&lock);
	pthread_join(http_thread, NULL);
	pthread_join(tokenizer_thread, NULL);
	close(tokenized);
}
