/*
 * Signals that interrupt calls, with handlers that call: signals same|below|above, by where the handler's stack
 * lies relative to the thread's.
 */
#define _GNU_SOURCE
#include <pthread.h>
#include <signal.h>
#include <sys/mman.h>

#include "harm.h"

DEFINE_COUNTS;

enum { STACK = 256 << 10, ROUNDS = 2000 };

static volatile int handled;
static char *low, *high, *alternate;

static void handler(int signal)
{
	(void)signal;
	handled++;
	sync_call();
}

/* One signal while the call is open; others come whenever they like. */
static void interrupted(void *data)
{
	(void)data;
	raise(SIGUSR1);
}

static void *work(void *arg)
{
	(void)arg;
	if (alternate) {
		stack_t stack = {.ss_sp = alternate, .ss_size = STACK};
		sigaltstack(&stack, NULL);
	}
	for (int i = 0; i < ROUNDS; i++) {
		with_call(interrupted, NULL);
		sync_call();
	}
	return NULL;
}

int main(int argc, char **argv)
{
	struct sigaction action = {.sa_handler = handler, .sa_flags = SA_ONSTACK | SA_RESTART};
	pthread_attr_t attributes;
	pthread_t thread;

	if (argc < 2)
		return 2;
	low = mmap(NULL, 2 * STACK, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	high = low + STACK;
	int above = !strcmp(argv[1], "above");
	if (strcmp(argv[1], "same"))
		alternate = above ? high : low;
	sigaction(SIGUSR1, &action, NULL);
	pthread_attr_init(&attributes);
	pthread_attr_setstack(&attributes, above ? low : high, STACK);
	if (pthread_create(&thread, &attributes, work, NULL))
		return 3;
	pthread_join(thread, NULL);
	printf("%d handled\n", handled);
	tell();
	return 0;
}
