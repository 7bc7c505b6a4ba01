// Leaves probed frames by an exception.
#include "harm.h"

DEFINE_COUNTS;

struct Guard {
	long *count;
	~Guard() { ++*count; }
};

static long destroyed;

static void thrower(void *data)
{
	Guard guard{&destroyed};
	if (data)
		with_call(thrower, nullptr);
	throw 7;
}

int main()
{
	int caught = 0;

	for (long i = 0; i < 100; i++) {
		try {
			with_call(thrower, (void *)(i & 1));
		} catch (int) {
			caught++;
		}
		sync_call();
	}
	printf("%d caught, %ld destroyed\n", caught, destroyed);
	tell();
	return 0;
}
