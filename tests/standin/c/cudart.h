/* SPDX-License-Identifier: Apache-2.0 */
/* The part of the CUDA runtime interface that the stand-in offers. */
#ifndef STANDIN_CUDART_H
#define STANDIN_CUDART_H

#include "cuda.h"

typedef int cudaError_t;
typedef CUstream cudaStream_t;
typedef CUevent cudaEvent_t;

typedef struct {
	unsigned x, y, z;
} dim3;

typedef struct {
	dim3 gridDim, blockDim;
	size_t dynamicSmemBytes;
	cudaStream_t stream;
	void *attrs;
	unsigned numAttrs;
} cudaLaunchConfig_t;

/* What the compiler of CUDA programs puts in front of the device code. */
struct fatbin_wrapper {
	int magic;
	int version;
	const void *data;
	void *filename;
};

#define FATBIN_MAGIC 0x466243b1

enum {
	cudaErrorInvalidDevice = 101,
	cudaErrorInvalidDeviceFunction = 98,
};

enum cudaMemcpyKind {
	cudaMemcpyHostToHost,
	cudaMemcpyHostToDevice,
	cudaMemcpyDeviceToHost,
	cudaMemcpyDeviceToDevice,
	cudaMemcpyDefault,
};

/* runtime_register.c */
STANDIN_API void **__cudaRegisterFatBinary(void *fatbin);
STANDIN_API void __cudaRegisterFatBinaryEnd(void **handle);
STANDIN_API void __cudaUnregisterFatBinary(void **handle);
STANDIN_API void __cudaRegisterFunction(void **handle, const char *host_function,
					char *device_function, const char *device_name,
					int thread_limit, void *tid, void *bid, void *block_dim,
					void *grid_dim, int *warp_size);

/* runtime_launch.c */
STANDIN_API cudaError_t cudaLaunchKernel(const void *function, dim3 grid, dim3 block, void **args,
					 size_t shared_bytes, cudaStream_t stream);
STANDIN_API cudaError_t cudaLaunchKernelExC(const cudaLaunchConfig_t *config, const void *function,
					    void **args);

/* runtime_device.c */
STANDIN_API cudaError_t cudaGetDeviceCount(int *count);
STANDIN_API cudaError_t cudaGetDevice(int *device);
STANDIN_API cudaError_t cudaSetDevice(int device);
STANDIN_API cudaError_t cudaDeviceSynchronize(void);
STANDIN_API cudaError_t cudaGetLastError(void);
STANDIN_API cudaError_t cudaStreamCreate(cudaStream_t *out);
STANDIN_API cudaError_t cudaStreamDestroy(cudaStream_t stream);
STANDIN_API cudaError_t cudaStreamSynchronize(cudaStream_t stream);
STANDIN_API cudaError_t cudaEventCreate(cudaEvent_t *out);
STANDIN_API cudaError_t cudaEventRecord(cudaEvent_t event, cudaStream_t stream);
STANDIN_API cudaError_t cudaEventSynchronize(cudaEvent_t event);
STANDIN_API cudaError_t cudaEventDestroy(cudaEvent_t event);

/* runtime_memory.c */
STANDIN_API cudaError_t cudaMalloc(void **out, size_t bytes);
STANDIN_API cudaError_t cudaFree(void *ptr);
STANDIN_API cudaError_t cudaMallocAsync(void **out, size_t bytes, cudaStream_t stream);
STANDIN_API cudaError_t cudaFreeAsync(void *ptr, cudaStream_t stream);
STANDIN_API cudaError_t cudaMallocHost(void **out, size_t bytes);
STANDIN_API cudaError_t cudaFreeHost(void *ptr);
STANDIN_API cudaError_t cudaMallocManaged(void **out, size_t bytes, unsigned flags);
STANDIN_API cudaError_t cudaMemcpy(void *dst, const void *src, size_t bytes,
				   enum cudaMemcpyKind kind);
STANDIN_API cudaError_t cudaMemcpyAsync(void *dst, const void *src, size_t bytes,
					enum cudaMemcpyKind kind, cudaStream_t stream);
STANDIN_API cudaError_t cudaMemset(void *dst, int value, size_t bytes);
STANDIN_API cudaError_t cudaMemsetAsync(void *dst, int value, size_t bytes, cudaStream_t stream);

#endif
