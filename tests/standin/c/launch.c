// SPDX-License-Identifier: Apache-2.0
// Kernel launches. The call returns when the work is enqueued, not done.
#include "gpu.h"

struct shape {
	unsigned gx, gy, gz, bx, by, bz;
};

static bool valid(const struct shape *s)
{
	return s->gx && s->gy && s->gz && s->bx && s->by && s->bz &&
	       (uint64_t)s->bx * s->by * s->bz <= 1024;
}

static CUresult launch(CUfunction handle, struct shape shape, CUstream stream)
{
	uint64_t start = clock_mono();
	struct CUfunc_st *f = function_of(handle);
	struct CUstream_st *s = stream_of(stream);

	if (!f || !s)
		return CUDA_ERROR_INVALID_HANDLE;
	if (!valid(&shape))
		return CUDA_ERROR_INVALID_VALUE;
	first_use(f);
	CUresult rc = gpu_submit(s, f->duration_ns, NULL);
	// Counted from the entry, so that the model's own work is part of it.
	spin_until(start + config_get()->launch_ns);
	return rc;
}

CUresult cuLaunchKernel(CUfunction f, unsigned gx, unsigned gy, unsigned gz, unsigned bx,
			unsigned by, unsigned bz, unsigned shared_bytes, CUstream stream,
			void **params, void **extra)
{
	(void)shared_bytes;
	(void)params;
	(void)extra;
	return launch(f, (struct shape){gx, gy, gz, bx, by, bz}, stream);
}

CUresult cuLaunchKernel_ptsz(CUfunction f, unsigned gx, unsigned gy, unsigned gz, unsigned bx,
			     unsigned by, unsigned bz, unsigned shared_bytes, CUstream stream,
			     void **params, void **extra)
{
	(void)shared_bytes;
	(void)params;
	(void)extra;
	return launch(f, (struct shape){gx, gy, gz, bx, by, bz}, stream);
}

CUresult cuLaunchKernelEx(const CUlaunchConfig *c, CUfunction f, void **params, void **extra)
{
	(void)params;
	(void)extra;
	if (!c)
		return CUDA_ERROR_INVALID_VALUE;
	struct shape shape = {c->gridDimX,  c->gridDimY,  c->gridDimZ,
			      c->blockDimX, c->blockDimY, c->blockDimZ};
	return launch(f, shape, c->hStream);
}

CUresult cuLaunchCooperativeKernel(CUfunction f, unsigned gx, unsigned gy, unsigned gz, unsigned bx,
				   unsigned by, unsigned bz, unsigned shared_bytes, CUstream stream,
				   void **params)
{
	(void)shared_bytes;
	(void)params;
	return launch(f, (struct shape){gx, gy, gz, bx, by, bz}, stream);
}
