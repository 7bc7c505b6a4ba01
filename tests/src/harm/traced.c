/* Calls under a tracer: traced step|syscall|stops */
#define _GNU_SOURCE
#include <signal.h>
#include <sys/ptrace.h>
#include <sys/wait.h>

#include "harm.h"

DEFINE_COUNTS;

static void nest(void *data)
{
	sync_call();
	if (data)
		with_call(nest, NULL);
}

static int subject(int traced, int rounds, int pause)
{
	if (traced)
		ptrace(PTRACE_TRACEME, 0, NULL, NULL);
	raise(traced ? SIGSTOP : SIGCONT);
	for (int i = 0; i < rounds; i++) {
		with_call(nest, (void *)1);
		if (pause)
			usleep(100);
	}
	tell();
	return 7;
}

/* Lets the subject go on by one request at a time until it ends. */
static int trace(pid_t pid, int request)
{
	int status, signal;
	long stops = 0;

	while (waitpid(pid, &status, 0) == pid && WIFSTOPPED(status)) {
		stops++;
		signal = WSTOPSIG(status) & 0x7f;
		if (signal == SIGTRAP || signal == SIGSTOP)
			signal = 0;
		if (ptrace(request, pid, NULL, (void *)(long)signal))
			perror("ptrace");
	}
	fprintf(stderr, "%ld stops\n", stops);
	return status;
}

static int stop_and_go(pid_t pid)
{
	int status;

	while (!waitpid(pid, &status, WNOHANG)) {
		kill(pid, SIGSTOP);
		usleep(150);
		kill(pid, SIGCONT);
		usleep(350);
	}
	return status;
}

int main(int argc, char **argv)
{
	if (argc < 2)
		return 2;
	int stops = !strcmp(argv[1], "stops"), step = !strcmp(argv[1], "step");
	pid_t pid = fork();

	if (!pid)
		_exit(subject(!stops, stops ? 1000 : 50, stops));
	int status = stops ? stop_and_go(pid) : trace(pid, step ? PTRACE_SINGLESTEP : PTRACE_SYSCALL);
	printf("status %x\n", status);
	return 0;
}
