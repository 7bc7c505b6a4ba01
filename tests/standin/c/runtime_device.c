// SPDX-License-Identifier: Apache-2.0
// The runtime's device, its primary context, streams and events.
#include <pthread.h>

#include "runtime.h"

static pthread_once_t once = PTHREAD_ONCE_INIT;
static CUcontext primary;
static CUresult init_result;

static __thread int bound; // this thread has a context
static __thread cudaError_t last_error;

static void initialise(void)
{
	CUdevice device;

	init_result = cuInit(0);
	if (!init_result)
		init_result = cuDeviceGet(&device, 0);
	if (!init_result)
		init_result = cuDevicePrimaryCtxRetain(&primary, device);
}

// The runtime starts itself at the first call that needs it, and binds each
// thread to the primary context, unless the thread has chosen another one.
cudaError_t rt_ready(void)
{
	CUcontext current = NULL;

	if (bound)
		return CUDA_SUCCESS;
	pthread_once(&once, initialise);
	CUresult rc = init_result;
	if (!rc)
		rc = cuCtxGetCurrent(&current);
	if (!rc && !current)
		rc = cuCtxSetCurrent(primary);
	bound = rc == CUDA_SUCCESS;
	return rc;
}

cudaError_t rt_result(cudaError_t rc)
{
	// "Not ready" is an answer, not an error to remember.
	if (rc && rc != CUDA_ERROR_NOT_READY)
		last_error = rc;
	return rc;
}

cudaError_t cudaGetLastError(void)
{
	KEEP_FRAME();
	cudaError_t rc = last_error;

	last_error = CUDA_SUCCESS;
	return rc;
}

cudaError_t cudaGetDeviceCount(int *count)
{
	cudaError_t rc = cuInit(0);

	return rt_result(rc ? rc : cuDeviceGetCount(count));
}

cudaError_t cudaGetDevice(int *device)
{
	KEEP_FRAME();
	if (!device)
		return rt_result(CUDA_ERROR_INVALID_VALUE);
	*device = 0;
	return CUDA_SUCCESS;
}

cudaError_t cudaSetDevice(int device)
{
	return rt_result(device == 0 ? rt_ready() : cudaErrorInvalidDevice);
}

cudaError_t cudaDeviceSynchronize(void)
{
	cudaError_t rc = rt_ready();

	return rt_result(rc ? rc : cuCtxSynchronize());
}

cudaError_t cudaStreamCreate(cudaStream_t *out)
{
	cudaError_t rc = rt_ready();

	return rt_result(rc ? rc : cuStreamCreate(out, 0));
}

cudaError_t cudaStreamDestroy(cudaStream_t stream)
{
	cudaError_t rc = rt_ready();

	return rt_result(rc ? rc : cuStreamDestroy_v2(stream));
}

cudaError_t cudaStreamSynchronize(cudaStream_t stream)
{
	cudaError_t rc = rt_ready();

	return rt_result(rc ? rc : cuStreamSynchronize(stream));
}

cudaError_t cudaEventCreate(cudaEvent_t *out)
{
	cudaError_t rc = rt_ready();

	return rt_result(rc ? rc : cuEventCreate(out, 0));
}

cudaError_t cudaEventRecord(cudaEvent_t event, cudaStream_t stream)
{
	cudaError_t rc = rt_ready();

	return rt_result(rc ? rc : cuEventRecord(event, stream));
}

cudaError_t cudaEventSynchronize(cudaEvent_t event)
{
	cudaError_t rc = rt_ready();

	return rt_result(rc ? rc : cuEventSynchronize(event));
}

cudaError_t cudaEventDestroy(cudaEvent_t event)
{
	cudaError_t rc = rt_ready();

	return rt_result(rc ? rc : cuEventDestroy_v2(event));
}
