/* Calls inside calls: depth N ROUNDS */
#include "harm.h"

DEFINE_COUNTS;

static long deepest;

static void nest(void *data)
{
	long left = (long)data;

	if (left == 0)
		deepest++;
	else
		with_call(nest, (void *)(left - 1));
}

int main(int argc, char **argv)
{
	if (argc < 3)
		return 2;
	for (int i = 0; i < atoi(argv[2]); i++) {
		with_call(nest, (void *)(long)(atoi(argv[1]) - 1));
		sync_call();
	}
	printf("%ld at the bottom\n", deepest);
	tell();
	return 0;
}
