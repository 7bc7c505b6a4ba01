/*
 * Coroutines that call: coroutine between|inside. With `between` they switch between calls, with `inside` while
 * a call of one is open and another calls.
 */
#define _GNU_SOURCE
#include <sys/mman.h>
#include <ucontext.h>

#include "harm.h"

DEFINE_COUNTS;

enum { ROUTINES = 3, ROUNDS = 300, STACK = 128 << 10 };

static ucontext_t home, routine[ROUTINES];
static int inside, switches;

static void next(int from)
{
	switches++;
	swapcontext(&routine[from], &home);
}

static void switch_inside(void *data)
{
	next((int)(long)data);
}

static void body(int self)
{
	for (int i = 0; i < ROUNDS; i++) {
		sync_call();
		if (inside)
			with_call(switch_inside, (void *)(long)self);
		else
			next(self);
	}
}

int main(int argc, char **argv)
{
	if (argc < 2)
		return 2;
	inside = !strcmp(argv[1], "inside");
	for (int i = 0; i < ROUTINES; i++) {
		getcontext(&routine[i]);
		routine[i].uc_stack.ss_sp =
			mmap(NULL, STACK, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
		routine[i].uc_stack.ss_size = STACK;
		routine[i].uc_link = &home;
		makecontext(&routine[i], (void (*)(void))body, 1, i);
	}
	for (int i = 0; i < (ROUNDS + 1) * ROUTINES; i++)
		swapcontext(&home, &routine[i % ROUTINES]);
	printf("%d switches\n", switches);
	tell();
	return 0;
}
