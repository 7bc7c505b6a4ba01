/*
 * A libcuda.so.1 whose cuLaunchHostFunc calls the function inside itself, so that a test can do to a probed
 * frame whatever it likes. Everything here may be called from a signal handler.
 */
#include <stddef.h>

#define API __attribute__((visibility("default"), noinline, noclone))
/* Keeps the frame, and with it `push %rbp` as the first instruction. */
#define KEEP_FRAME() __asm__ volatile("" : : "r"(__builtin_frame_address(0)))

API int cuInit(unsigned flags)
{
	KEEP_FRAME();
	return flags ? 1 : 0;
}

API int cuCtxSynchronize(void)
{
	KEEP_FRAME();
	for (volatile int i = 0; i < 50; i++)
		;
	return 0;
}

API int cuMemAlloc_v2(unsigned long long *out, size_t bytes)
{
	static unsigned long long next = 0x700000000000;

	KEEP_FRAME();
	*out = __atomic_fetch_add(&next, bytes, __ATOMIC_RELAXED);
	return 0;
}

API int cuMemFree_v2(unsigned long long p)
{
	KEEP_FRAME();
	return p ? 0 : 1;
}

API int cuLaunchHostFunc(void *stream, void (*fn)(void *), void *data)
{
	KEEP_FRAME();
	(void)stream;
	fn(data);
	/* Not a jump: the frame must stay until the function has returned. */
	__asm__ volatile("");
	return 0;
}
