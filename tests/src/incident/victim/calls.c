/* Calls of the library that take long. */
#include "victim.h"

uint64_t load(unsigned turn)
{
	char name[64];
	CUfunction cold;
	snprintf(name, sizeof(name), "cold_%03u@5:%llu", turn, (unsigned long long)(each / 1000));
	uint64_t before = boot();
	if (strstr(kind, "module")) {
		CUmodule own;
		cuModuleLoadData(&own, name);
		cuModuleGetFunction(&cold, own, name);
	} else {
		cold = function(name);
	}
	launch(cold);
	return boot() - before;
}

uint64_t long_kernel(unsigned turn)
{
	(void)turn;
	launch(slow);
	uint64_t before = boot();
	cuStreamSynchronize(stream);
	return boot() - before;
}

uint64_t long_copy(unsigned turn)
{
	char out[64];
	CUdeviceptr from;
	(void)turn;
	cuMemAlloc_v2(&from, sizeof(out));
	/* Into the stream that a copy waits for. */
	cuLaunchKernel(slow, 1, 1, 1, 1, 1, 1, 0, NULL, NULL, NULL);
	uint64_t before = boot();
	cuMemcpyDtoH_v2(out, from, sizeof(out));
	uint64_t took = boot() - before;
	cuMemFree_v2(from);
	return took;
}

/* The stand-in takes STANDIN_ALLOC_US_PER_MIB for each MiB. */
uint64_t allocate(unsigned turn)
{
	(void)turn;
	size_t bytes = (size_t)(each / MS) << 20;
	CUdeviceptr pointer;
	void *host;
	uint64_t before = boot();
	if (strstr(kind, "host"))
		cuMemAllocHost_v2(&host, bytes);
	else
		cuMemAlloc_v2(&pointer, bytes);
	uint64_t took = boot() - before;
	if (strstr(kind, "host"))
		cuMemFreeHost(host);
	else
		cuMemFree_v2(pointer);
	return took;
}

void storm(void)
{
	uint64_t end = clock_mono() + each, delay = run_delay();
	while (clock_mono() < end) {
		launch(slow);
		uint64_t before = boot();
		cuStreamSynchronize(stream);
		label.injected += boot() - before;
		sleep_ns(80000);
	}
	label.to = boot();
	/* A thread that is woken late waits for its CPU then. */
	label.injected -= run_delay() - delay;
}
