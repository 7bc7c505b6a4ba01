// SPDX-License-Identifier: Apache-2.0
// Initialisation, the one device, and contexts.
#include <stdlib.h>

#include "gpu.h"

static __thread struct CUctx_st *current;
static int initialised;
static pthread_mutex_t primary_lock = PTHREAD_MUTEX_INITIALIZER;
static struct CUctx_st *primary;

struct CUctx_st *ctx_current(void)
{
	// Contexts are never freed, so a stale pointer can still be asked.
	if (!current || __atomic_load_n(&current->magic, __ATOMIC_ACQUIRE) != MAGIC_CTX)
		return NULL;
	return current;
}

static bool is_ctx(struct CUctx_st *ctx)
{
	return ctx && __atomic_load_n(&ctx->magic, __ATOMIC_ACQUIRE) == MAGIC_CTX;
}

static enum wait_mode wait_mode_of(unsigned flags)
{
	int override = config_get()->sync_override;

	if (override >= 0)
		return (enum wait_mode)override;
	if (flags & CU_CTX_SCHED_BLOCKING_SYNC)
		return WAIT_BLOCK;
	if (flags & CU_CTX_SCHED_YIELD)
		return WAIT_YIELD;
	return WAIT_SPIN;
}

static struct CUctx_st *ctx_new(unsigned flags)
{
	struct CUctx_st *ctx = calloc(1, sizeof(*ctx));

	if (!ctx)
		return NULL;
	ctx->mode = wait_mode_of(flags);
	pthread_mutex_init(&ctx->lock, NULL);
	ctx->legacy = stream_new(ctx);
	if (!ctx->legacy) {
		free(ctx);
		return NULL;
	}
	__atomic_store_n(&ctx->magic, MAGIC_CTX, __ATOMIC_RELEASE);
	return ctx;
}

CUresult cuInit(unsigned flags)
{
	if (flags)
		return CUDA_ERROR_INVALID_VALUE;
	config_get();
	__atomic_store_n(&initialised, 1, __ATOMIC_RELEASE);
	return CUDA_SUCCESS;
}

static bool ready(void)
{
	return __atomic_load_n(&initialised, __ATOMIC_ACQUIRE);
}

CUresult cuDriverGetVersion(int *version)
{
	KEEP_FRAME();
	if (!version)
		return CUDA_ERROR_INVALID_VALUE;
	*version = 13000;
	return CUDA_SUCCESS;
}

CUresult cuDeviceGet(CUdevice *device, int ordinal)
{
	KEEP_FRAME();
	if (!device)
		return CUDA_ERROR_INVALID_VALUE;
	if (!ready())
		return CUDA_ERROR_NOT_INITIALIZED;
	if (ordinal != 0)
		return CUDA_ERROR_INVALID_DEVICE;
	*device = 0;
	return CUDA_SUCCESS;
}

CUresult cuDeviceGetCount(int *count)
{
	KEEP_FRAME();
	if (!count)
		return CUDA_ERROR_INVALID_VALUE;
	if (!ready())
		return CUDA_ERROR_NOT_INITIALIZED;
	*count = 1;
	return CUDA_SUCCESS;
}

CUresult cuCtxCreate_v2(CUcontext *out, unsigned flags, CUdevice device)
{
	if (!out)
		return CUDA_ERROR_INVALID_VALUE;
	if (!ready())
		return CUDA_ERROR_NOT_INITIALIZED;
	if (device != 0)
		return CUDA_ERROR_INVALID_DEVICE;
	struct CUctx_st *ctx = ctx_new(flags);
	if (!ctx)
		return CUDA_ERROR_OUT_OF_MEMORY;
	current = ctx;
	*out = ctx;
	return CUDA_SUCCESS;
}

CUresult cuCtxSetCurrent(CUcontext ctx)
{
	if (ctx && !is_ctx(ctx))
		return CUDA_ERROR_INVALID_CONTEXT;
	current = ctx;
	return CUDA_SUCCESS;
}

CUresult cuCtxGetCurrent(CUcontext *out)
{
	if (!out)
		return CUDA_ERROR_INVALID_VALUE;
	*out = ctx_current();
	return CUDA_SUCCESS;
}

// Ends a context and its streams. The structure itself stays, because other
// threads may still hold it as their current context.
CUresult cuCtxDestroy_v2(CUcontext ctx)
{
	if (!is_ctx(ctx))
		return CUDA_ERROR_INVALID_CONTEXT;
	__atomic_store_n(&ctx->magic, 0, __ATOMIC_RELEASE);
	pthread_mutex_lock(&ctx->lock);
	struct CUstream_st *s = ctx->streams;
	ctx->streams = NULL;
	pthread_mutex_unlock(&ctx->lock);
	while (s) {
		struct CUstream_st *next = s->next;

		stream_free(s);
		s = next;
	}
	if (current == ctx)
		current = NULL;
	return CUDA_SUCCESS;
}

CUresult cuCtxSynchronize(void)
{
	struct CUctx_st *ctx = ctx_current();

	if (!ctx)
		return CUDA_ERROR_INVALID_CONTEXT;
	pthread_mutex_lock(&ctx->lock);
	uint64_t until = ctx->orphan_until;
	for (struct CUstream_st *s = ctx->streams; s; s = s->next) {
		uint64_t tail = gpu_tail(s);

		if (tail > until)
			until = tail;
	}
	pthread_mutex_unlock(&ctx->lock);
	gpu_wait(ctx->mode, until);
	return CUDA_SUCCESS;
}

CUresult cuDevicePrimaryCtxRetain(CUcontext *out, CUdevice device)
{
	if (!out)
		return CUDA_ERROR_INVALID_VALUE;
	if (!ready())
		return CUDA_ERROR_NOT_INITIALIZED;
	if (device != 0)
		return CUDA_ERROR_INVALID_DEVICE;
	pthread_mutex_lock(&primary_lock);
	if (!primary)
		primary = ctx_new(0);
	*out = primary;
	pthread_mutex_unlock(&primary_lock);
	return *out ? CUDA_SUCCESS : CUDA_ERROR_OUT_OF_MEMORY;
}

// The primary context stays for the life of the process, as it does in nearly
// every program: the count of retains is not kept.
CUresult cuDevicePrimaryCtxRelease_v2(CUdevice device)
{
	if (device != 0)
		return CUDA_ERROR_INVALID_DEVICE;
	pthread_mutex_lock(&primary_lock);
	bool known = primary != NULL;
	pthread_mutex_unlock(&primary_lock);
	return known ? CUDA_SUCCESS : CUDA_ERROR_INVALID_CONTEXT;
}
