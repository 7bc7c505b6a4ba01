// SPDX-License-Identifier: Apache-2.0
// Streams.
#include <stdlib.h>

#include "gpu.h"

struct CUstream_st *stream_new(struct CUctx_st *ctx)
{
	struct CUstream_st *s = calloc(1, sizeof(*s));

	if (!s)
		return NULL;
	s->magic = MAGIC_STREAM;
	s->mode = ctx->mode;
	s->ctx = ctx;
	pthread_mutex_init(&s->lock, NULL);
	pthread_mutex_lock(&ctx->lock);
	s->next = ctx->streams;
	ctx->streams = s;
	pthread_mutex_unlock(&ctx->lock);
	return s;
}

// Frees a stream that no list holds any more.
void stream_free(struct CUstream_st *s)
{
	s->magic = 0;
	free(s->capture);
	pthread_mutex_destroy(&s->lock);
	free(s);
}

// The values 0, 1 and 2 name default streams. The per-thread default stream is
// not modelled: all three mean the context's legacy stream.
struct CUstream_st *stream_of(CUstream handle)
{
	if ((uintptr_t)handle <= 2) {
		struct CUctx_st *ctx = ctx_current();

		return ctx ? ctx->legacy : NULL;
	}
	if ((uintptr_t)handle % _Alignof(struct CUstream_st))
		return NULL;
	return handle->magic == MAGIC_STREAM ? handle : NULL;
}

static CUresult create(CUstream *out)
{
	struct CUctx_st *ctx = ctx_current();

	if (!out)
		return CUDA_ERROR_INVALID_VALUE;
	if (!ctx)
		return CUDA_ERROR_INVALID_CONTEXT;
	*out = stream_new(ctx);
	return *out ? CUDA_SUCCESS : CUDA_ERROR_OUT_OF_MEMORY;
}

CUresult cuStreamCreate(CUstream *out, unsigned flags)
{
	(void)flags;
	return create(out);
}

CUresult cuStreamCreateWithPriority(CUstream *out, unsigned flags, int priority)
{
	(void)flags;
	(void)priority;
	return create(out);
}

// Real streams may be destroyed with work in them; the work still runs. The
// context remembers until when. Host functions hold the stream, so they are
// waited for.
CUresult cuStreamDestroy_v2(CUstream handle)
{
	struct CUstream_st *s = stream_of(handle);

	if (!s || s == s->ctx->legacy)
		return CUDA_ERROR_INVALID_HANDLE;
	pthread_mutex_lock(&s->lock);
	bool host = s->host_done < s->host_asked;
	uint64_t tail = s->busy_until;
	pthread_mutex_unlock(&s->lock);
	if (host)
		gpu_drain(s);

	struct CUctx_st *ctx = s->ctx;
	pthread_mutex_lock(&ctx->lock);
	struct CUstream_st **link = &ctx->streams;
	while (*link && *link != s)
		link = &(*link)->next;
	if (*link)
		*link = s->next;
	if (ctx->orphan_until < tail)
		ctx->orphan_until = tail;
	pthread_mutex_unlock(&ctx->lock);
	stream_free(s);
	return CUDA_SUCCESS;
}

static CUresult synchronise(CUstream handle)
{
	struct CUstream_st *s = stream_of(handle);

	return s ? gpu_drain(s) : CUDA_ERROR_INVALID_HANDLE;
}

CUresult cuStreamSynchronize(CUstream handle)
{
	return synchronise(handle);
}

CUresult cuStreamSynchronize_ptsz(CUstream handle)
{
	return synchronise(handle);
}

CUresult cuStreamQuery(CUstream handle)
{
	struct CUstream_st *s = stream_of(handle);

	if (!s)
		return CUDA_ERROR_INVALID_HANDLE;
	pthread_mutex_lock(&s->lock);
	bool busy = s->busy_until > clock_mono() || s->host_done < s->host_asked;
	bool capturing = s->capture != NULL;
	pthread_mutex_unlock(&s->lock);
	if (capturing)
		return CUDA_ERROR_STREAM_CAPTURE_UNSUPPORTED;
	return busy ? CUDA_ERROR_NOT_READY : CUDA_SUCCESS;
}
