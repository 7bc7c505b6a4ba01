// SPDX-License-Identifier: Apache-2.0
// Memory. Device memory is host memory here, which lets copies be real.
#include <stdlib.h>

#include "gpu.h"

// Real device allocations start at multiples of this.
#define ALIGNMENT 256u
#define ALLOC_NS 2000u
#define FREE_NS 1000u
#define MAGIC_BLOCK 0x53424c4b424c4f43ull

// Sits in front of each block, to refuse pointers that are not ours.
struct block {
	_Alignas(ALIGNMENT) uint64_t magic;
	size_t bytes;
};

static CUresult allocate(void **out, size_t bytes)
{
	uint64_t start = clock_mono();

	if (!out || !bytes || bytes > SIZE_MAX / 2)
		return CUDA_ERROR_INVALID_VALUE;
	size_t rounded = (bytes + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT;
	struct block *b = aligned_alloc(ALIGNMENT, sizeof(*b) + rounded);
	if (!b)
		return CUDA_ERROR_OUT_OF_MEMORY;
	b->magic = MAGIC_BLOCK;
	b->bytes = bytes;
	*out = b + 1;
	spin_until(start + ALLOC_NS + (bytes >> 20) * config_get()->alloc_mib_ns);
	return CUDA_SUCCESS;
}

static CUresult release(void *ptr)
{
	uint64_t start = clock_mono();

	if (!ptr)
		return CUDA_SUCCESS;
	struct block *b = (struct block *)ptr - 1;
	if ((uintptr_t)ptr % ALIGNMENT || b->magic != MAGIC_BLOCK)
		return CUDA_ERROR_INVALID_VALUE;
	b->magic = 0;
	free(b);
	spin_until(start + FREE_NS);
	return CUDA_SUCCESS;
}

static CUresult allocate_device(CUdeviceptr *out, size_t bytes)
{
	void *ptr;

	if (!out)
		return CUDA_ERROR_INVALID_VALUE;
	if (!ctx_current())
		return CUDA_ERROR_INVALID_CONTEXT;
	CUresult rc = allocate(&ptr, bytes);
	if (!rc)
		*out = (CUdeviceptr)(uintptr_t)ptr;
	return rc;
}

CUresult cuMemAlloc_v2(CUdeviceptr *out, size_t bytes)
{
	return allocate_device(out, bytes);
}

CUresult cuMemFree_v2(CUdeviceptr ptr)
{
	return release((void *)(uintptr_t)ptr);
}

CUresult cuMemAllocManaged(CUdeviceptr *out, size_t bytes, unsigned flags)
{
	(void)flags;
	return allocate_device(out, bytes);
}

CUresult cuMemAllocHost_v2(void **out, size_t bytes)
{
	return ctx_current() ? allocate(out, bytes) : CUDA_ERROR_INVALID_CONTEXT;
}

CUresult cuMemHostAlloc(void **out, size_t bytes, unsigned flags)
{
	(void)flags;
	return ctx_current() ? allocate(out, bytes) : CUDA_ERROR_INVALID_CONTEXT;
}

CUresult cuMemFreeHost(void *ptr)
{
	return release(ptr);
}

CUresult cuMemAllocAsync(CUdeviceptr *out, size_t bytes, CUstream stream)
{
	return stream_of(stream) ? allocate_device(out, bytes) : CUDA_ERROR_INVALID_HANDLE;
}

// Bytes are moved when a copy is asked for, so nothing pending needs the block.
CUresult cuMemFreeAsync(CUdeviceptr ptr, CUstream stream)
{
	return stream_of(stream) ? release((void *)(uintptr_t)ptr) : CUDA_ERROR_INVALID_HANDLE;
}
