// Threads cancelled inside a call, whose frames have destructors.
#include <pthread.h>

#include "harm.h"

DEFINE_COUNTS;

static int inside, destroyed;

struct Guard {
	~Guard() { destroyed++; }
};

static void wait_inside(void *)
{
	__atomic_store_n(&inside, 1, __ATOMIC_RELEASE);
	for (;;)
		pause();
}

static void *work(void *)
{
	Guard guard;
	with_call(wait_inside, nullptr);
	return nullptr;
}

int main()
{
	int cancelled = 0;

	for (int i = 0; i < 50; i++) {
		pthread_t thread;
		void *result;

		inside = 0;
		pthread_create(&thread, nullptr, work, nullptr);
		while (!__atomic_load_n(&inside, __ATOMIC_ACQUIRE))
			usleep(50);
		pthread_cancel(thread);
		pthread_join(thread, &result);
		cancelled += result == PTHREAD_CANCELED;
		sync_call();
	}
	printf("%d cancelled, %d destroyed\n", cancelled, destroyed);
	tell();
	return 0;
}
