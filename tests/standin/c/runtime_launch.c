// SPDX-License-Identifier: Apache-2.0
// Launches through the runtime: one call here is one call of the driver.
#include "runtime.h"

cudaError_t cudaLaunchKernel(const void *function, dim3 grid, dim3 block, void **args,
			     size_t shared_bytes, cudaStream_t stream)
{
	CUfunction f = NULL;
	cudaError_t rc = rt_ready();

	if (!rc)
		rc = rt_function(function, &f);
	if (!rc)
		rc = cuLaunchKernel(f, grid.x, grid.y, grid.z, block.x, block.y, block.z,
				    (unsigned)shared_bytes, stream, args, NULL);
	return rt_result(rc);
}

cudaError_t cudaLaunchKernelExC(const cudaLaunchConfig_t *config, const void *function, void **args)
{
	CUfunction f = NULL;
	cudaError_t rc = rt_ready();

	if (!config)
		return rt_result(CUDA_ERROR_INVALID_VALUE);
	if (!rc)
		rc = rt_function(function, &f);
	if (!rc) {
		CUlaunchConfig c = {
			.gridDimX = config->gridDim.x,
			.gridDimY = config->gridDim.y,
			.gridDimZ = config->gridDim.z,
			.blockDimX = config->blockDim.x,
			.blockDimY = config->blockDim.y,
			.blockDimZ = config->blockDim.z,
			.sharedMemBytes = (unsigned)config->dynamicSmemBytes,
			.hStream = config->stream,
			.attrs = config->attrs,
			.numAttrs = config->numAttrs,
		};

		rc = cuLaunchKernelEx(&c, f, args, NULL);
	}
	return rt_result(rc);
}
