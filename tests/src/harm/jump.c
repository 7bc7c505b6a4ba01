/* Leaves probed frames by longjmp, at several depths, with ordinary calls between. */
#include <setjmp.h>

#include "harm.h"

DEFINE_COUNTS;

static jmp_buf home;
static volatile long round, jumps;
static int depth;

static void leave(void *data)
{
	long left = (long)data;

	depth++;
	if (left > 0)
		with_call(leave, (void *)(left - 1));
	sync_call();
	longjmp(home, 1);
}

int main(void)
{
	for (round = 0; round < 200; round++) {
		if (!setjmp(home))
			with_call(leave, (void *)(round % 3));
		else
			jumps++;
		sync_call();
	}
	printf("%ld jumps, %d deep\n", jumps, depth);
	tell();
	return 0;
}
