/* Calls under a seccomp filter that lets only known system calls pass: seccomp kill|errno before|after */
#define _GNU_SOURCE
#include <errno.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stddef.h>
#include <sys/prctl.h>
#include <sys/syscall.h>

#include "harm.h"

DEFINE_COUNTS;

static const int allowed[] = {
	SYS_read,    SYS_write,	  SYS_exit,	  SYS_exit_group, SYS_brk,	       SYS_mmap,
	SYS_munmap,  SYS_mprotect, SYS_madvise,	  SYS_futex,	  SYS_clock_gettime,   SYS_clock_nanosleep,
	SYS_newfstatat, SYS_rt_sigreturn, SYS_sched_yield, SYS_gettid,
};

static void filter(unsigned otherwise)
{
	struct sock_filter code[2 * sizeof(allowed) / sizeof(*allowed) + 2];
	size_t n = 0;

	code[n++] = (struct sock_filter)BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr));
	for (size_t i = 0; i < sizeof(allowed) / sizeof(*allowed); i++) {
		code[n++] = (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, allowed[i], 0, 1);
		code[n++] = (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW);
	}
	code[n++] = (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, otherwise);
	struct sock_fprog program = {.len = (unsigned short)n, .filter = code};
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) || prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program)) {
		perror("seccomp");
		exit(2);
	}
}

static int calls(int rounds)
{
	int failed = 0;

	for (int i = 0; i < rounds; i++) {
		unsigned long long p = 0;

		COUNT(made_alloc);
		failed += cuMemAlloc_v2(&p, 4096) != 0;
		failed += sync_call() != 0;
		COUNT(made_free);
		failed += cuMemFree_v2(p) != 0;
	}
	return failed;
}

int main(int argc, char **argv)
{
	if (argc < 3)
		return 2;
	unsigned otherwise = strcmp(argv[1], "kill") ? (SECCOMP_RET_ERRNO | EPERM) : SECCOMP_RET_KILL_PROCESS;
	int after = !strcmp(argv[2], "after"), failed = 0;
	void *context;

	if (cuInit(0) || cuDevicePrimaryCtxRetain(&context, 0) || cuCtxSetCurrent(context))
		return 3;
	if (after)
		failed += calls(20);
	filter(otherwise);
	errno = 0;
	failed += calls(200);
	printf("%d failed, errno %d\n", failed, errno);
	tell();
	return failed != 0;
}
