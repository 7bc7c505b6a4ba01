/* Calls under a name that was chosen to confuse terminals, logs and whoever reads /proc. */
#include <sys/prctl.h>

#include "../harm/harm.h"

DEFINE_COUNTS;

int main(void)
{
	prctl(PR_SET_NAME, "\033[2J) \n<0>x\"',;");
	for (int i = 0; i < 100; i++)
		sync_call();
	printf("READY\n");
	tell();
	/* Stays, so that it is found in /proc too. */
	return getchar() == EOF ? 0 : 1;
}
