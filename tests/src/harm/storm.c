/* Forks, vforks and executes itself while its threads call; also forks inside a call. */
#define _GNU_SOURCE
#include <pthread.h>
#include <spawn.h>
#include <sys/wait.h>

#include "harm.h"

DEFINE_COUNTS;

extern char **environ;
static int stop;

static void *caller(void *arg)
{
	(void)arg;
	while (!__atomic_load_n(&stop, __ATOMIC_RELAXED)) {
		sync_call();
		usleep(200);
	}
	return NULL;
}

static int child_calls(int n)
{
	int failed = 0;

	for (int i = 0; i < n; i++)
		failed += cuCtxSynchronize() != 0;
	return failed ? 9 : 40 + n % 10;
}

static pid_t forked;

static void fork_inside(void *data)
{
	(void)data;
	forked = fork();
}

static int wait_for(pid_t pid)
{
	int status = 0;

	if (pid < 0 || waitpid(pid, &status, 0) != pid)
		return -1;
	return WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status);
}

int main(int argc, char **argv)
{
	if (argc > 1)
		return child_calls(atoi(argv[1]));

	pthread_t threads[2];
	char *args[] = {argv[0], "3", NULL};
	int odd = 0;

	for (int i = 0; i < 2; i++)
		pthread_create(&threads[i], NULL, caller, NULL);
	for (int i = 0; i < 40; i++) {
		pid_t pid = fork();
		if (!pid)
			_exit(child_calls(5));
		odd += wait_for(pid) != 45;

		pid = vfork();
		if (!pid) {
			execv("/proc/self/exe", args);
			_exit(1);
		}
		odd += wait_for(pid) != 43;

		odd += posix_spawn(&pid, "/proc/self/exe", NULL, NULL, args, environ) != 0;
		odd += wait_for(pid) != 43;

		/* Both return out of the call that both are in. */
		with_call(fork_inside, NULL);
		if (!forked)
			_exit(child_calls(2));
		odd += wait_for(forked) != 42;
	}
	__atomic_store_n(&stop, 1, __ATOMIC_RELAXED);
	for (int i = 0; i < 2; i++)
		pthread_join(threads[i], NULL);
	printf("%d children went wrong\n", odd);
	/* How often the threads came round differs from run to run. */
	fprintf(stderr, "made cuCtxSynchronize %ld\n", made_sync + 40 * (5 + 3 + 3 + 2));
	/* The call in which the child was forked ends twice. */
	printf("made cuLaunchHostFunc %ld\n", made_launch);
	return odd != 0;
}
