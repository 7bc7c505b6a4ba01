// SPDX-License-Identifier: Apache-2.0
// Copies and fills. The bytes move at the call; the stream is busy for as long
// as a GPU would have taken. Kernels compute nothing, so nobody can tell.
#include <string.h>

#include "gpu.h"

#define LINK_FIXED_NS 5000u  // a transfer over the host link, whatever its size
#define LINK_BYTES_PER_US 12000u // 12 GB/s
#define CHIP_FIXED_NS 2000u
#define CHIP_BYTES_PER_US 1000000u // 1 TB/s
#define ASYNC_CALL_NS 1000u

static uint64_t link_ns(size_t bytes)
{
	return LINK_FIXED_NS + bytes * 1000 / LINK_BYTES_PER_US;
}

static uint64_t chip_ns(size_t bytes)
{
	return CHIP_FIXED_NS + bytes * 1000 / CHIP_BYTES_PER_US;
}

static bool both(CUdeviceptr dst, CUdeviceptr src, size_t bytes)
{
	return (dst && src) || !bytes;
}

static CUresult enqueue(CUdeviceptr dst, CUdeviceptr src, size_t bytes, uint64_t duration_ns,
			CUstream handle)
{
	uint64_t start = clock_mono();
	struct CUstream_st *s = stream_of(handle);

	if (!s)
		return CUDA_ERROR_INVALID_HANDLE;
	if (!both(dst, src, bytes))
		return CUDA_ERROR_INVALID_VALUE;
	memmove((void *)(uintptr_t)dst, (const void *)(uintptr_t)src, bytes);
	CUresult rc = gpu_submit(s, duration_ns, NULL);
	spin_until(start + ASYNC_CALL_NS);
	return rc;
}

// A synchronous copy runs in the legacy stream, after what is in it.
static CUresult transfer(CUdeviceptr dst, CUdeviceptr src, size_t bytes)
{
	struct CUctx_st *ctx = ctx_current();
	uint64_t done;

	if (!ctx)
		return CUDA_ERROR_INVALID_CONTEXT;
	if (!both(dst, src, bytes))
		return CUDA_ERROR_INVALID_VALUE;
	memmove((void *)(uintptr_t)dst, (const void *)(uintptr_t)src, bytes);
	CUresult rc = gpu_submit(ctx->legacy, link_ns(bytes), &done);
	gpu_wait(ctx->mode, done);
	return rc;
}

static CUresult fill(CUdeviceptr dst, unsigned value, size_t width, size_t count, CUstream handle)
{
	uint64_t start = clock_mono();
	struct CUstream_st *s = stream_of(handle);

	if (!s)
		return CUDA_ERROR_INVALID_HANDLE;
	if ((!dst && count) || dst % width)
		return CUDA_ERROR_INVALID_VALUE;
	if (width == 1) {
		memset((void *)(uintptr_t)dst, (int)value, count);
	} else {
		unsigned *words = (unsigned *)(uintptr_t)dst;

		for (size_t i = 0; i < count; i++)
			words[i] = value;
	}
	CUresult rc = gpu_submit(s, chip_ns(count * width), NULL);
	spin_until(start + ASYNC_CALL_NS);
	return rc;
}

static CUdeviceptr address(const void *ptr)
{
	return (CUdeviceptr)(uintptr_t)ptr;
}

CUresult cuMemcpy(CUdeviceptr dst, CUdeviceptr src, size_t bytes)
{
	return transfer(dst, src, bytes);
}

CUresult cuMemcpyAsync(CUdeviceptr dst, CUdeviceptr src, size_t bytes, CUstream stream)
{
	return enqueue(dst, src, bytes, link_ns(bytes), stream);
}

CUresult cuMemcpyAsync_ptsz(CUdeviceptr dst, CUdeviceptr src, size_t bytes, CUstream stream)
{
	return enqueue(dst, src, bytes, link_ns(bytes), stream);
}

CUresult cuMemcpyHtoD_v2(CUdeviceptr dst, const void *src, size_t bytes)
{
	return transfer(dst, address(src), bytes);
}

CUresult cuMemcpyDtoH_v2(void *dst, CUdeviceptr src, size_t bytes)
{
	return transfer(address(dst), src, bytes);
}

// Within the device the host is not held up, as with the real call.
CUresult cuMemcpyDtoD_v2(CUdeviceptr dst, CUdeviceptr src, size_t bytes)
{
	return enqueue(dst, src, bytes, chip_ns(bytes), NULL);
}

CUresult cuMemcpyHtoDAsync_v2(CUdeviceptr dst, const void *src, size_t bytes, CUstream stream)
{
	return enqueue(dst, address(src), bytes, link_ns(bytes), stream);
}

CUresult cuMemcpyDtoHAsync_v2(void *dst, CUdeviceptr src, size_t bytes, CUstream stream)
{
	return enqueue(address(dst), src, bytes, link_ns(bytes), stream);
}

CUresult cuMemcpyDtoDAsync_v2(CUdeviceptr dst, CUdeviceptr src, size_t bytes, CUstream stream)
{
	return enqueue(dst, src, bytes, chip_ns(bytes), stream);
}

CUresult cuMemsetD8_v2(CUdeviceptr dst, unsigned char value, size_t count)
{
	return fill(dst, value, 1, count, NULL);
}

CUresult cuMemsetD32_v2(CUdeviceptr dst, unsigned value, size_t count)
{
	return fill(dst, value, 4, count, NULL);
}

CUresult cuMemsetD8Async(CUdeviceptr dst, unsigned char value, size_t count, CUstream stream)
{
	return fill(dst, value, 1, count, stream);
}

CUresult cuMemsetD32Async(CUdeviceptr dst, unsigned value, size_t count, CUstream stream)
{
	return fill(dst, value, 4, count, stream);
}
