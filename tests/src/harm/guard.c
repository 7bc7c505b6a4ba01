/* Recursion through calls until the stack ends, and back by siglongjmp; the depth reached must be the same. */
#define _GNU_SOURCE
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <sys/mman.h>
#include <ucontext.h>

#include "harm.h"

DEFINE_COUNTS;

enum { STACK = 64 << 10 };

static sigjmp_buf home;
static volatile int depth;

/* A call instruction that could not push its return address has called nobody. */
static void overflow(int signal, siginfo_t *info, void *context)
{
	const ucontext_t *at = context;
	const unsigned char *instruction = (const unsigned char *)at->uc_mcontext.gregs[REG_RIP];

	(void)signal;
	(void)info;
	if (*instruction == 0xe8)
		made_launch--;
	siglongjmp(home, 1);
}

static void deeper(void *data)
{
	/* Frames of many sizes, so that the end is met at every distance. */
	volatile char frame[(size_t)data];

	frame[0] = 1;
	depth++;
	with_call(deeper, data);
	depth -= frame[0];
}

static void *work(void *arg)
{
	static char alternate[1 << 14];
	stack_t stack = {.ss_sp = alternate, .ss_size = sizeof(alternate)};

	sigaltstack(&stack, NULL);
	for (size_t i = 0; i < 40; i++) {
		depth = 0;
		if (!sigsetjmp(home, 1))
			deeper((void *)(16 * (i + 1)));
		printf("frames of %zu bytes: %d deep\n", 16 * (i + 1), depth);
		sync_call();
	}
	return arg;
}

int main(void)
{
	struct sigaction action = {.sa_sigaction = overflow, .sa_flags = SA_ONSTACK | SA_SIGINFO};
	pthread_attr_t attributes;
	pthread_t thread;
	char *memory = mmap(NULL, STACK + 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	mprotect(memory, 4096, PROT_NONE);
	sigaction(SIGSEGV, &action, NULL);
	pthread_attr_init(&attributes);
	pthread_attr_setstack(&attributes, memory + 4096, STACK);
	if (pthread_create(&thread, &attributes, work, NULL))
		return 3;
	pthread_join(thread, NULL);
	tell();
	return 0;
}
