// SPDX-License-Identifier: Apache-2.0
// A stand-in for the driver's management library: two GPUs whose numbers never change. The second does not
// support all that the first does. Declared in our own words; names, widths and results are those of the
// real interface.
#define _GNU_SOURCE
#include <dlfcn.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define API __attribute__((visibility("default")))

enum { SUCCESS = 0, UNINITIALIZED = 1, INVALID_ARGUMENT = 2, NOT_SUPPORTED = 3, NOT_FOUND = 6, TOO_SMALL = 7, TIMEOUT = 10 };
enum { EVENT_XID = 8 };
enum { CLOCK_SM = 1, CLOCK_MEM = 2 };

struct gpu {
	const char *uuid;
	bool complete;
	unsigned busy, memory_busy, sm_mhz, memory_mhz, milliwatts, celsius;
	unsigned long long reasons, used, total;
};

static struct gpu gpus[] = {
	{ "GPU-5ca1ab1e-0000-4000-8000-000000000000", true, 87, 42, 1980, 2619, 412345, 66, 0x4,
	  40000000000ull, 80000000000ull },
	{ "GPU-5ca1ab1e-0000-4000-8000-000000000001", false, 1, 0, 345, 2619, 0, 31, 0x1,
	  500000000ull, 80000000000ull },
};

struct event {
	void *device;
	unsigned long long kind, data;
	unsigned gpu_instance, compute_instance;
};

static int users;

struct utilization {
	unsigned gpu, memory;
};

struct memory_v2 {
	unsigned version;
	unsigned long long total, reserved, free, used;
};

// The path of a file beside the library; false if there is no telling.
static bool beside(const char *name, char *path, size_t length)
{
	Dl_info self;
	char *slash;

	if (!dladdr((void *)beside, &self) || strlen(self.dli_fname) + strlen(name) + 2 > length)
		return false;
	strcpy(path, self.dli_fname);
	slash = strrchr(path, '/');
	if (!slash)
		return false;
	strcpy(slash + 1, name);
	return true;
}

static bool is_told(const char *name)
{
	char path[4096];

	return beside(name, path, sizeof(path)) && access(path, F_OK) == 0;
}

// A file of this name beside the library makes its slowest call never return: a driver that hangs.
static void hang_if_told(void)
{
	while (is_told("nvml-hangs"))
		sleep(1);
}

static struct gpu *of(void *device)
{
	struct gpu *gpu = device;

	return users > 0 && (gpu == &gpus[0] || gpu == &gpus[1]) ? gpu : NULL;
}

API int nvmlInit_v2(void)
{
	users++;
	return SUCCESS;
}

API int nvmlShutdown(void)
{
	if (users == 0)
		return UNINITIALIZED;
	users--;
	return SUCCESS;
}

API const char *nvmlErrorString(int result)
{
	return result == SUCCESS ? "Success" : "stand-in error";
}

API int nvmlSystemGetDriverVersion(char *version, unsigned length)
{
	if (length < sizeof("580.0.0"))
		return TOO_SMALL;
	strcpy(version, "580.0.0");
	return SUCCESS;
}

API int nvmlDeviceGetCount_v2(unsigned *count)
{
	if (users == 0)
		return UNINITIALIZED;
	*count = sizeof(gpus) / sizeof(gpus[0]);
	return SUCCESS;
}

API int nvmlDeviceGetHandleByIndex_v2(unsigned index, void **device)
{
	if (users == 0)
		return UNINITIALIZED;
	if (index >= sizeof(gpus) / sizeof(gpus[0]))
		return INVALID_ARGUMENT;
	*device = &gpus[index];
	return SUCCESS;
}

API int nvmlDeviceGetUUID(void *device, char *uuid, unsigned length)
{
	struct gpu *gpu = of(device);

	if (!gpu)
		return INVALID_ARGUMENT;
	if (length <= strlen(gpu->uuid))
		return TOO_SMALL;
	strcpy(uuid, gpu->uuid);
	return SUCCESS;
}

API int nvmlDeviceGetUtilizationRates(void *device, struct utilization *rates)
{
	struct gpu *gpu = of(device);

	if (!gpu)
		return INVALID_ARGUMENT;
	rates->gpu = gpu->busy;
	rates->memory = gpu->memory_busy;
	return SUCCESS;
}

API int nvmlDeviceGetClockInfo(void *device, unsigned kind, unsigned *mhz)
{
	struct gpu *gpu = of(device);

	if (!gpu || (kind != CLOCK_SM && kind != CLOCK_MEM))
		return INVALID_ARGUMENT;
	*mhz = kind == CLOCK_SM ? gpu->sm_mhz : gpu->memory_mhz;
	return SUCCESS;
}

API int nvmlDeviceGetCurrentClocksThrottleReasons(void *device, unsigned long long *reasons)
{
	struct gpu *gpu = of(device);

	if (!gpu)
		return INVALID_ARGUMENT;
	// A file of this name beside the library: the first GPU is too hot.
	*reasons = gpu == &gpus[0] && is_told("nvml-is-hot") ? 0x40 : gpu->reasons;
	return SUCCESS;
}

API int nvmlDeviceGetPowerUsage(void *device, unsigned *milliwatts)
{
	struct gpu *gpu = of(device);

	hang_if_told();
	if (!gpu)
		return INVALID_ARGUMENT;
	if (!gpu->complete)
		return NOT_SUPPORTED;
	*milliwatts = gpu->milliwatts;
	return SUCCESS;
}

API int nvmlDeviceGetTemperature(void *device, unsigned sensor, unsigned *celsius)
{
	struct gpu *gpu = of(device);

	if (!gpu || sensor != 0)
		return INVALID_ARGUMENT;
	*celsius = gpu->celsius;
	return SUCCESS;
}

API int nvmlDeviceGetMemoryInfo_v2(void *device, struct memory_v2 *memory)
{
	struct gpu *gpu = of(device);

	if (!gpu || memory->version != (sizeof(*memory) | 2u << 24))
		return INVALID_ARGUMENT;
	memory->total = gpu->total;
	memory->used = gpu->used;
	memory->free = gpu->total - gpu->used;
	memory->reserved = 0;
	return SUCCESS;
}

API int nvmlDeviceGetSupportedEventTypes(void *device, unsigned long long *kinds)
{
	struct gpu *gpu = of(device);

	if (!gpu)
		return INVALID_ARGUMENT;
	*kinds = gpu->complete ? EVENT_XID : 0;
	return SUCCESS;
}

// One set is enough: what it is of does not matter, since only the first GPU has events.
static char event_set;

API int nvmlEventSetCreate(void **set)
{
	if (users == 0)
		return UNINITIALIZED;
	*set = &event_set;
	return SUCCESS;
}

API int nvmlEventSetFree(void *set)
{
	return set == &event_set ? SUCCESS : INVALID_ARGUMENT;
}

API int nvmlDeviceRegisterEvents(void *device, unsigned long long kinds, void *set)
{
	struct gpu *gpu = of(device);

	if (!gpu || set != &event_set)
		return INVALID_ARGUMENT;
	return gpu->complete && kinds == EVENT_XID ? SUCCESS : NOT_SUPPORTED;
}

// A file of this name beside the library is an XID error: its number is in it. It is told once.
API int nvmlEventSetWait_v2(void *set, struct event *event, unsigned milliseconds)
{
	char path[4096];
	unsigned waited, number;

	if (set != &event_set || !beside("nvml-xid", path, sizeof(path)))
		return INVALID_ARGUMENT;
	for (waited = 0; waited < milliseconds; waited += 10) {
		FILE *file = fopen(path, "r");

		if (file && fscanf(file, "%u", &number) == 1) {
			fclose(file);
			unlink(path);
			memset(event, 0, sizeof(*event));
			event->device = &gpus[0];
			event->kind = EVENT_XID;
			event->data = number;
			return SUCCESS;
		}
		if (file)
			fclose(file);
		usleep(10000);
	}
	return TIMEOUT;
}
