/* Threads cancelled inside a call, with handlers registered as C does it: cancel deferred|async */
#define _GNU_SOURCE
#include <pthread.h>
#include <signal.h>

#include "harm.h"

DEFINE_COUNTS;

static int inside, cleaned;
static const char *how;

static void wait_inside(void *data)
{
	(void)data;
	__atomic_store_n(&inside, 1, __ATOMIC_RELEASE);
	if (strcmp(how, "async"))
		for (;;)
			pause();
	for (;;)
		__asm__ volatile("");
}

static void cleanup(void *data)
{
	(void)data;
	sync_call();
	cleaned++;
}

static void *work(void *arg)
{
	if (!strcmp(how, "async"))
		pthread_setcanceltype(PTHREAD_CANCEL_ASYNCHRONOUS, NULL);
	pthread_cleanup_push(cleanup, NULL);
	with_call(wait_inside, arg);
	pthread_cleanup_pop(0);
	return NULL;
}

int main(int argc, char **argv)
{
	int cancelled = 0;

	if (argc < 2)
		return 2;
	how = argv[1];
	for (int i = 0; i < 50; i++) {
		pthread_t thread;
		void *result;

		inside = 0;
		pthread_create(&thread, NULL, work, NULL);
		while (!__atomic_load_n(&inside, __ATOMIC_ACQUIRE))
			usleep(50);
		pthread_cancel(thread);
		pthread_join(thread, &result);
		cancelled += result == PTHREAD_CANCELED;
		sync_call();
	}
	printf("%d cancelled, %d cleaned up\n", cancelled, cleaned);
	tell();
	return 0;
}
