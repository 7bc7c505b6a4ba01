// SPDX-License-Identifier: Apache-2.0
// Stream capture and graphs. A graph is a chain: captured work adds up.
#include <stdlib.h>

#include "gpu.h"

#define INSTANTIATE_NS 10000u
#define INSTANTIATE_NODE_NS 2000u
#define GRAPH_LAUNCH_NS 3000u

struct CUgraphExec_st {
	uint32_t magic;
	uint32_t nodes;
	uint64_t total_ns;
};

CUresult cuStreamBeginCapture_v2(CUstream handle, int mode)
{
	struct CUstream_st *s = stream_of(handle);

	(void)mode;
	if (!s)
		return CUDA_ERROR_INVALID_HANDLE;
	if (s == s->ctx->legacy)
		return CUDA_ERROR_STREAM_CAPTURE_UNSUPPORTED;
	struct CUgraph_st *g = calloc(1, sizeof(*g));
	if (!g)
		return CUDA_ERROR_OUT_OF_MEMORY;
	g->magic = MAGIC_GRAPH;
	pthread_mutex_lock(&s->lock);
	bool already = s->capture != NULL;
	if (!already)
		s->capture = g;
	pthread_mutex_unlock(&s->lock);
	if (already) {
		free(g);
		return CUDA_ERROR_INVALID_VALUE;
	}
	return CUDA_SUCCESS;
}

CUresult cuStreamEndCapture(CUstream handle, CUgraph *out)
{
	struct CUstream_st *s = stream_of(handle);

	if (!s)
		return CUDA_ERROR_INVALID_HANDLE;
	if (!out)
		return CUDA_ERROR_INVALID_VALUE;
	pthread_mutex_lock(&s->lock);
	*out = s->capture;
	s->capture = NULL;
	pthread_mutex_unlock(&s->lock);
	return *out ? CUDA_SUCCESS : CUDA_ERROR_INVALID_VALUE;
}

CUresult cuStreamIsCapturing(CUstream handle, int *status)
{
	struct CUstream_st *s = stream_of(handle);

	if (!s)
		return CUDA_ERROR_INVALID_HANDLE;
	if (!status)
		return CUDA_ERROR_INVALID_VALUE;
	pthread_mutex_lock(&s->lock);
	*status = s->capture != NULL;
	pthread_mutex_unlock(&s->lock);
	return CUDA_SUCCESS;
}

CUresult cuGraphInstantiateWithFlags(CUgraphExec *out, CUgraph g, unsigned long long flags)
{
	(void)flags;
	if (!out)
		return CUDA_ERROR_INVALID_VALUE;
	if (!g || g->magic != MAGIC_GRAPH)
		return CUDA_ERROR_INVALID_HANDLE;
	struct CUgraphExec_st *e = calloc(1, sizeof(*e));
	if (!e)
		return CUDA_ERROR_OUT_OF_MEMORY;
	e->magic = MAGIC_EXEC;
	e->nodes = g->nodes;
	e->total_ns = g->total_ns;
	burn_cpu(INSTANTIATE_NS + (uint64_t)g->nodes * INSTANTIATE_NODE_NS);
	*out = e;
	return CUDA_SUCCESS;
}

CUresult cuGraphLaunch(CUgraphExec e, CUstream handle)
{
	uint64_t start = clock_mono();
	struct CUstream_st *s = stream_of(handle);

	if (!s || !e || e->magic != MAGIC_EXEC)
		return CUDA_ERROR_INVALID_HANDLE;
	CUresult rc = gpu_submit(s, e->total_ns, NULL);
	spin_until(start + GRAPH_LAUNCH_NS);
	return rc;
}

CUresult cuGraphExecDestroy(CUgraphExec e)
{
	if (!e || e->magic != MAGIC_EXEC)
		return CUDA_ERROR_INVALID_HANDLE;
	e->magic = 0;
	free(e);
	return CUDA_SUCCESS;
}

CUresult cuGraphDestroy(CUgraph g)
{
	if (!g || g->magic != MAGIC_GRAPH)
		return CUDA_ERROR_INVALID_HANDLE;
	g->magic = 0;
	free(g);
	return CUDA_SUCCESS;
}
