/* Calls from many threads that all live at once: threads COUNT */
#include <pthread.h>

#include "../harm/harm.h"

DEFINE_COUNTS;

static pthread_barrier_t all;

static void *work(void *arg)
{
	for (int i = 0; i < 20; i++)
		sync_call();
	pthread_barrier_wait(&all);
	return arg;
}

int main(int argc, char **argv)
{
	pthread_attr_t attributes;
	pthread_t threads[1000];
	int count = argc > 1 ? atoi(argv[1]) : 1;

	if (count < 1 || count > 1000)
		return 2;
	pthread_barrier_init(&all, NULL, (unsigned)count);
	pthread_attr_init(&attributes);
	pthread_attr_setstacksize(&attributes, 1 << 16);
	for (int i = 0; i < count; i++)
		if (pthread_create(&threads[i], &attributes, work, NULL))
			return 3;
	for (int i = 0; i < count; i++)
		pthread_join(threads[i], NULL);
	tell();
	return 0;
}
