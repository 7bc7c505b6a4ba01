// SPDX-License-Identifier: Apache-2.0
// Memory and copies through the runtime.
#include <stdint.h>

#include "runtime.h"

static CUdeviceptr device(const void *ptr)
{
	return (CUdeviceptr)(uintptr_t)ptr;
}

// The two interfaces differ in the type of a device pointer, not in its bits.
static cudaError_t store(cudaError_t rc, void **out, const CUdeviceptr *ptr)
{
	if (!rc)
		*out = (void *)(uintptr_t)*ptr;
	return rt_result(rc);
}

cudaError_t cudaMalloc(void **out, size_t bytes)
{
	CUdeviceptr ptr = 0;
	cudaError_t rc = out ? rt_ready() : CUDA_ERROR_INVALID_VALUE;

	return store(rc ? rc : cuMemAlloc_v2(&ptr, bytes), out, &ptr);
}

cudaError_t cudaFree(void *ptr)
{
	cudaError_t rc = rt_ready();

	return rt_result(rc ? rc : cuMemFree_v2(device(ptr)));
}

cudaError_t cudaMallocAsync(void **out, size_t bytes, cudaStream_t stream)
{
	CUdeviceptr ptr = 0;
	cudaError_t rc = out ? rt_ready() : CUDA_ERROR_INVALID_VALUE;

	return store(rc ? rc : cuMemAllocAsync(&ptr, bytes, stream), out, &ptr);
}

cudaError_t cudaFreeAsync(void *ptr, cudaStream_t stream)
{
	cudaError_t rc = rt_ready();

	return rt_result(rc ? rc : cuMemFreeAsync(device(ptr), stream));
}

cudaError_t cudaMallocHost(void **out, size_t bytes)
{
	cudaError_t rc = rt_ready();

	return rt_result(rc ? rc : cuMemAllocHost_v2(out, bytes));
}

cudaError_t cudaFreeHost(void *ptr)
{
	cudaError_t rc = rt_ready();

	return rt_result(rc ? rc : cuMemFreeHost(ptr));
}

cudaError_t cudaMallocManaged(void **out, size_t bytes, unsigned flags)
{
	CUdeviceptr ptr = 0;
	cudaError_t rc = out ? rt_ready() : CUDA_ERROR_INVALID_VALUE;

	return store(rc ? rc : cuMemAllocManaged(&ptr, bytes, flags), out, &ptr);
}

cudaError_t cudaMemcpy(void *dst, const void *src, size_t bytes, enum cudaMemcpyKind kind)
{
	cudaError_t rc = rt_ready();

	if (rc)
		return rt_result(rc);
	switch (kind) {
	case cudaMemcpyHostToDevice:
		rc = cuMemcpyHtoD_v2(device(dst), src, bytes);
		break;
	case cudaMemcpyDeviceToHost:
		rc = cuMemcpyDtoH_v2(dst, device(src), bytes);
		break;
	case cudaMemcpyDeviceToDevice:
		rc = cuMemcpyDtoD_v2(device(dst), device(src), bytes);
		break;
	default:
		rc = cuMemcpy(device(dst), device(src), bytes);
	}
	return rt_result(rc);
}

cudaError_t cudaMemcpyAsync(void *dst, const void *src, size_t bytes, enum cudaMemcpyKind kind,
			    cudaStream_t stream)
{
	cudaError_t rc = rt_ready();

	if (rc)
		return rt_result(rc);
	switch (kind) {
	case cudaMemcpyHostToDevice:
		rc = cuMemcpyHtoDAsync_v2(device(dst), src, bytes, stream);
		break;
	case cudaMemcpyDeviceToHost:
		rc = cuMemcpyDtoHAsync_v2(dst, device(src), bytes, stream);
		break;
	case cudaMemcpyDeviceToDevice:
		rc = cuMemcpyDtoDAsync_v2(device(dst), device(src), bytes, stream);
		break;
	default:
		rc = cuMemcpyAsync(device(dst), device(src), bytes, stream);
	}
	return rt_result(rc);
}

cudaError_t cudaMemset(void *dst, int value, size_t bytes)
{
	cudaError_t rc = rt_ready();

	return rt_result(rc ? rc : cuMemsetD8_v2(device(dst), (unsigned char)value, bytes));
}

cudaError_t cudaMemsetAsync(void *dst, int value, size_t bytes, cudaStream_t stream)
{
	cudaError_t rc = rt_ready();

	return rt_result(rc ? rc
			    : cuMemsetD8Async(device(dst), (unsigned char)value, bytes, stream));
}
