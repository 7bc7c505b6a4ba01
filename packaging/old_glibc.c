/* Rust's standard library asks for this one weakly, which does not survive link-time optimisation against a C library
   that lacks it (before 2.30). */
#include <sys/syscall.h>
#include <unistd.h>

__attribute__((visibility("hidden"))) int gettid(void)
{
	return (int)syscall(SYS_gettid);
}
