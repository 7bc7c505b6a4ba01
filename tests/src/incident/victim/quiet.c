/* Nothing happens: ways in which a program may look as if something did. */
#include "victim.h"

static void *beside(void *unused)
{
	(void)unused;
	pin(0);
	below_all();
	for (;;) {
		if (strstr(kind, "busy"))
			burn_cpu(30 * MS);
		sleep_ns(strstr(kind, "switches") ? 100 * 1000 : 50 * MS);
	}
	return NULL;
}

void quiet(void)
{
	pthread_t thread;
	if (strstr(kind, "beside"))
		pthread_create(&thread, NULL, beside, NULL);
	uint64_t end = clock_mono() + each;
	for (unsigned n = 0; clock_mono() < end; n++) {
		if (strstr(kind, "idle"))
			sleep_ns(100 * MS);
		else if (strstr(kind, "bursty")) {
			steady(20 * MS);
			sleep_ns((5 + n * 37 % 60) * MS);
		} else if (strstr(kind, "yield")) {
			step(1);
			sched_yield();
		} else if (strstr(kind, "nap")) {
			launch(gemm);
			sleep_ns(300 * 1000);
		} else if (!strstr(kind, "phase"))
			step(1);
		else
			sleep_ns(each);
	}
	label.to = boot();
}

/* Another thread that launches now and then. Nothing that happens to the victim may keep it from that. */
static void *dispatcher(void *context)
{
	struct sched_param above = {.sched_priority = 12};
	CUstream own;
	cuCtxSetCurrent(context);
	prctl(PR_SET_NAME, "dispatcher");
	if (real_time) {
		pin(0);
		sched_setscheduler(0, SCHED_FIFO, &above);
	}
	if (cuStreamCreate(&own, 0))
		exit(3);
	CUfunction f = function("aside@50:200");
	for (;;) {
		cuLaunchKernel(f, 1, 1, 1, 1, 1, 1, 0, own, NULL, NULL);
		burn_cpu(20000);
		sleep_ns(2 * MS);
	}
	return NULL;
}

void threads_start(unsigned n)
{
	pthread_t thread;
	CUcontext context = NULL;
	cuCtxGetCurrent(&context);
	for (unsigned i = 1; i < n; i++)
		pthread_create(&thread, NULL, dispatcher, context);
}
