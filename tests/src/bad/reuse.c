/*
 * Processes that have the same id, one after the other: reuse ROUNDS. Those with an even number call, the others
 * only sleep, and by then the id is that of somebody who does not call.
 */
#define _GNU_SOURCE
#include <linux/sched.h>
#include <sched.h>
#include <signal.h>
#include <stdint.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "../harm/harm.h"

DEFINE_COUNTS;

static pid_t child_with(pid_t pid)
{
	struct clone_args args = {
		.exit_signal = SIGCHLD,
		.set_tid = (uintptr_t)&pid,
		.set_tid_size = pid ? 1 : 0,
	};

	return (pid_t)syscall(SYS_clone3, &args, sizeof(args));
}

int main(int argc, char **argv)
{
	pid_t pid = 0, same = 0;

	if (argc < 2)
		return 2;
	for (int i = 0; i < atoi(argv[1]); i++) {
		pid = child_with(same);
		if (pid == 0) {
			if (i % 2) {
				execl("/bin/sleep", "sleep", "0.02", NULL);
				_exit(1);
			}
			for (int n = 0; n < 10; n++)
				cuCtxSynchronize();
			_exit(0);
		}
		if (pid < 0) {
			perror("clone3");
			return 77;
		}
		same = pid;
		waitpid(pid, NULL, 0);
		made_sync += i % 2 ? 0 : 10;
	}
	printf("process %d\n", same);
	tell();
	return 0;
}
