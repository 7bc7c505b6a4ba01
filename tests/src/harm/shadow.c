/* Calls on a user shadow stack; exits with 77 where there is none. */
#include <sys/syscall.h>

#include "harm.h"

DEFINE_COUNTS;

/* ARCH_SHSTK_ENABLE and ARCH_SHSTK_SHSTK of asm/prctl.h. */
enum { ENABLE = 0x5001, SHADOW_STACK = 1 };

static void nest(void *data)
{
	sync_call();
	if (data)
		with_call(nest, NULL);
}

int main(void)
{
	long rc = SYS_arch_prctl;

	/* Inline: nobody may return past the moment at which returns begin to be checked. */
	__asm__ volatile("syscall" : "+a"(rc) : "D"((long)ENABLE), "S"((long)SHADOW_STACK) : "rcx", "r11", "memory");
	if (rc)
		_exit(77);
	for (int i = 0; i < 200; i++)
		with_call(nest, (void *)1);
	tell();
	_exit(0);
}
