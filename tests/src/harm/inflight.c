/* Says when it is inside a call, stays there until told, and comes back: for recorders that end meanwhile. */
#include <pthread.h>

#include "harm.h"

DEFINE_COUNTS;

static void stay(void *data)
{
	char line[8];

	(void)data;
	printf("INSIDE\n");
	fflush(stdout);
	if (!fgets(line, sizeof(line), stdin))
		exit(3);
}

int main(int argc, char **argv)
{
	int rounds = argc > 1 ? atoi(argv[1]) : 1;

	printf("READY\n");
	fflush(stdout);
	for (int i = 0; i < rounds; i++) {
		with_call(stay, NULL);
		sync_call();
	}
	printf("BACK\n");
	tell();
	return 0;
}
