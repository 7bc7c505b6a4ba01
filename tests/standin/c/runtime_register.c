// SPDX-License-Identifier: Apache-2.0
// Registration of device code, and what the first launch of a host function
// finds out: library once per fat binary, then kernel, then function.
#include <pthread.h>
#include <stdint.h>
#include <stdlib.h>

#include "runtime.h"

#define BUCKETS 4096u

struct fatbin {
	const void *image;
	pthread_mutex_t lock; // held while the library loads
	CUlibrary library;
};

struct entry {
	const void *host_function;
	const char *device_name;
	struct fatbin *fatbin;
	CUfunction function; // atomic; NULL until the first launch
	struct entry *next;
};

// Entries are only ever added, at the head, so a lookup needs no lock.
static struct entry *buckets[BUCKETS];
static pthread_mutex_t add_lock = PTHREAD_MUTEX_INITIALIZER;

static unsigned bucket_of(const void *host_function)
{
	return (unsigned)(((uintptr_t)host_function * 0x9e3779b97f4a7c15ull) >> 52) % BUCKETS;
}

static struct entry *find(const void *host_function)
{
	struct entry *e = __atomic_load_n(&buckets[bucket_of(host_function)], __ATOMIC_ACQUIRE);

	while (e && e->host_function != host_function)
		e = e->next;
	return e;
}

void **__cudaRegisterFatBinary(void *fatbin)
{
	struct fatbin_wrapper *wrapper = fatbin;

	if (!wrapper || wrapper->magic != FATBIN_MAGIC)
		return NULL;
	struct fatbin *f = calloc(1, sizeof(*f));
	if (!f)
		return NULL;
	f->image = wrapper->data;
	pthread_mutex_init(&f->lock, NULL);
	return (void **)f;
}

void __cudaRegisterFatBinaryEnd(void **handle)
{
	KEEP_FRAME();
	(void)handle;
}

// Entries point at the fat binary, so it is emptied but not freed.
void __cudaUnregisterFatBinary(void **handle)
{
	struct fatbin *f = (struct fatbin *)(void *)handle;

	if (!f)
		return;
	pthread_mutex_lock(&f->lock);
	CUlibrary library = f->library;
	f->library = NULL;
	f->image = NULL;
	pthread_mutex_unlock(&f->lock);
	if (library)
		cuLibraryUnload(library);
}

void __cudaRegisterFunction(void **handle, const char *host_function, char *device_function,
			    const char *device_name, int thread_limit, void *tid, void *bid,
			    void *block_dim, void *grid_dim, int *warp_size)
{
	(void)device_function;
	(void)thread_limit;
	(void)tid;
	(void)bid;
	(void)block_dim;
	(void)grid_dim;
	(void)warp_size;
	if (!handle || !device_name)
		return;
	struct entry *e = calloc(1, sizeof(*e));
	if (!e)
		return;
	e->host_function = host_function;
	e->device_name = device_name;
	e->fatbin = (struct fatbin *)(void *)handle;
	struct entry **bucket = &buckets[bucket_of(host_function)];
	pthread_mutex_lock(&add_lock);
	e->next = *bucket;
	__atomic_store_n(bucket, e, __ATOMIC_RELEASE);
	pthread_mutex_unlock(&add_lock);
}

// Needs the fat binary's lock.
static cudaError_t resolve(struct entry *e)
{
	struct fatbin *f = e->fatbin;
	CUkernel kernel;
	CUfunction function;
	CUresult rc = CUDA_SUCCESS;

	if (!f->image)
		return cudaErrorInvalidDeviceFunction;
	if (!f->library)
		rc = cuLibraryLoadData(&f->library, f->image, NULL, NULL, 0, NULL, NULL, 0);
	if (!rc)
		rc = cuLibraryGetKernel(&kernel, f->library, e->device_name);
	if (!rc)
		rc = cuKernelGetFunction(&function, kernel);
	if (!rc)
		__atomic_store_n(&e->function, function, __ATOMIC_RELEASE);
	return rc;
}

cudaError_t rt_function(const void *host_function, CUfunction *out)
{
	struct entry *e = find(host_function);
	cudaError_t rc = CUDA_SUCCESS;

	if (!e)
		return cudaErrorInvalidDeviceFunction;
	*out = __atomic_load_n(&e->function, __ATOMIC_ACQUIRE);
	if (*out)
		return CUDA_SUCCESS;
	pthread_mutex_lock(&e->fatbin->lock);
	if (!e->function)
		rc = resolve(e);
	*out = e->function;
	pthread_mutex_unlock(&e->fatbin->lock);
	return rc;
}
