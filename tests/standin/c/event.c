// SPDX-License-Identifier: Apache-2.0
// Events: a moment at which a stream will have got so far.
#include <stdlib.h>

#include "gpu.h"

struct CUevent_st {
	uint32_t magic;
	enum wait_mode mode;
	uint64_t when; /* atomic; 0 is "never recorded", which counts as complete */
};

static bool is_event(CUevent e)
{
	return e && (uintptr_t)e % _Alignof(struct CUevent_st) == 0 && e->magic == MAGIC_EVENT;
}

static uint64_t moment(CUevent e)
{
	return __atomic_load_n(&e->when, __ATOMIC_ACQUIRE);
}

CUresult cuEventCreate(CUevent *out, unsigned flags)
{
	struct CUctx_st *ctx = ctx_current();

	if (!out)
		return CUDA_ERROR_INVALID_VALUE;
	if (!ctx)
		return CUDA_ERROR_INVALID_CONTEXT;
	struct CUevent_st *e = calloc(1, sizeof(*e));
	if (!e)
		return CUDA_ERROR_OUT_OF_MEMORY;
	e->magic = MAGIC_EVENT;
	e->mode = flags & CU_EVENT_BLOCKING_SYNC ? WAIT_BLOCK : ctx->mode;
	*out = e;
	return CUDA_SUCCESS;
}

CUresult cuEventRecord(CUevent e, CUstream handle)
{
	struct CUstream_st *s = stream_of(handle);

	if (!is_event(e) || !s)
		return CUDA_ERROR_INVALID_HANDLE;
	__atomic_store_n(&e->when, gpu_tail(s), __ATOMIC_RELEASE);
	return CUDA_SUCCESS;
}

CUresult cuEventSynchronize(CUevent e)
{
	if (!is_event(e))
		return CUDA_ERROR_INVALID_HANDLE;
	gpu_wait(e->mode, moment(e));
	return CUDA_SUCCESS;
}

CUresult cuEventQuery(CUevent e)
{
	if (!is_event(e))
		return CUDA_ERROR_INVALID_HANDLE;
	return moment(e) > clock_mono() ? CUDA_ERROR_NOT_READY : CUDA_SUCCESS;
}

CUresult cuEventDestroy_v2(CUevent e)
{
	if (!is_event(e))
		return CUDA_ERROR_INVALID_HANDLE;
	e->magic = 0;
	free(e);
	return CUDA_SUCCESS;
}

CUresult cuStreamWaitEvent(CUstream handle, CUevent e, unsigned flags)
{
	struct CUstream_st *s = stream_of(handle);

	(void)flags;
	if (!is_event(e) || !s)
		return CUDA_ERROR_INVALID_HANDLE;
	gpu_order_after(s, moment(e));
	return CUDA_SUCCESS;
}
