/* What the programs call and C libraries lack that are older than the kernels they run on. gettid (2.30): asked for
   weakly by Rust's standard library, which does not survive link-time optimisation. renameat2 (2.28): exchanges two
   folders of an export. */
#include <sys/syscall.h>
#include <unistd.h>

#define OURS __attribute__((visibility("hidden")))

OURS int gettid(void)
{
	return (int)syscall(SYS_gettid);
}

OURS int renameat2(int from_dir, const char *from, int to_dir, const char *to, unsigned int flags)
{
	return (int)syscall(SYS_renameat2, from_dir, from, to_dir, to, flags);
}
