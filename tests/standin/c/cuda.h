/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The part of the CUDA driver interface that the stand-in offers, declared in
 * our own words. Names, argument order and argument widths are those of the
 * real interface, because the recorder reads arguments from registers.
 */
#ifndef STANDIN_CUDA_H
#define STANDIN_CUDA_H

#include <stddef.h>

/*
 * noinline and noclone keep each entry point one function at one address: a
 * uprobe sits on that address and on no other copy.
 */
#if defined(__clang__)
#define STANDIN_API __attribute__((visibility("default"), noinline))
#else
#define STANDIN_API __attribute__((visibility("default"), noinline, noclone))
#endif

/*
 * GCC drops the frame of a leaf function that does not touch its stack, even
 * when told to keep frame pointers, and with it the push that a probe wants.
 * Asking for the address of the frame keeps it. Tiny entry points need this.
 */
#define KEEP_FRAME() __asm__ volatile("" : : "r"(__builtin_frame_address(0)))

typedef int CUresult;
typedef int CUdevice;
typedef unsigned long long CUdeviceptr;
typedef struct CUctx_st *CUcontext;
typedef struct CUmod_st *CUmodule;
typedef struct CUlib_st *CUlibrary;
typedef struct CUfunc_st *CUfunction;
typedef struct CUkern_st *CUkernel;
typedef struct CUstream_st *CUstream;
typedef struct CUevent_st *CUevent;
typedef struct CUgraph_st *CUgraph;
typedef struct CUgraphExec_st *CUgraphExec;
typedef void (*CUhostFn)(void *user_data);

enum {
	CUDA_SUCCESS = 0,
	CUDA_ERROR_INVALID_VALUE = 1,
	CUDA_ERROR_OUT_OF_MEMORY = 2,
	CUDA_ERROR_NOT_INITIALIZED = 3,
	CUDA_ERROR_INVALID_DEVICE = 101,
	CUDA_ERROR_INVALID_CONTEXT = 201,
	CUDA_ERROR_INVALID_HANDLE = 400,
	CUDA_ERROR_NOT_FOUND = 500,
	CUDA_ERROR_NOT_READY = 600,
	CUDA_ERROR_STREAM_CAPTURE_UNSUPPORTED = 900,
};

enum {
	CU_CTX_SCHED_SPIN = 0x1,
	CU_CTX_SCHED_YIELD = 0x2,
	CU_CTX_SCHED_BLOCKING_SYNC = 0x4,
	CU_EVENT_BLOCKING_SYNC = 0x1,
};

typedef struct {
	unsigned gridDimX, gridDimY, gridDimZ;
	unsigned blockDimX, blockDimY, blockDimZ;
	unsigned sharedMemBytes;
	CUstream hStream;
	void *attrs;
	unsigned numAttrs;
} CUlaunchConfig;

/* context.c */
STANDIN_API CUresult cuInit(unsigned flags);
STANDIN_API CUresult cuDriverGetVersion(int *version);
STANDIN_API CUresult cuDeviceGet(CUdevice *device, int ordinal);
STANDIN_API CUresult cuDeviceGetCount(int *count);
STANDIN_API CUresult cuCtxCreate_v2(CUcontext *out, unsigned flags, CUdevice device);
STANDIN_API CUresult cuCtxSetCurrent(CUcontext ctx);
STANDIN_API CUresult cuCtxGetCurrent(CUcontext *out);
STANDIN_API CUresult cuCtxDestroy_v2(CUcontext ctx);
STANDIN_API CUresult cuCtxSynchronize(void);
STANDIN_API CUresult cuDevicePrimaryCtxRetain(CUcontext *out, CUdevice device);
STANDIN_API CUresult cuDevicePrimaryCtxRelease_v2(CUdevice device);

/* module.c */
STANDIN_API CUresult cuModuleLoadData(CUmodule *out, const void *image);
STANDIN_API CUresult cuModuleLoadDataEx(CUmodule *out, const void *image, unsigned num_options,
					int *options, void **values);
STANDIN_API CUresult cuModuleGetFunction(CUfunction *out, CUmodule module, const char *name);
STANDIN_API CUresult cuModuleUnload(CUmodule module);
STANDIN_API CUresult cuLibraryLoadData(CUlibrary *out, const void *code, int *jit_options,
				       void **jit_values, unsigned num_jit, int *lib_options,
				       void **lib_values, unsigned num_lib);
STANDIN_API CUresult cuLibraryGetKernel(CUkernel *out, CUlibrary library, const char *name);
STANDIN_API CUresult cuLibraryUnload(CUlibrary library);
STANDIN_API CUresult cuKernelGetFunction(CUfunction *out, CUkernel kernel);

/* stream.c */
STANDIN_API CUresult cuStreamCreate(CUstream *out, unsigned flags);
STANDIN_API CUresult cuStreamCreateWithPriority(CUstream *out, unsigned flags, int priority);
STANDIN_API CUresult cuStreamDestroy_v2(CUstream stream);
STANDIN_API CUresult cuStreamSynchronize(CUstream stream);
STANDIN_API CUresult cuStreamSynchronize_ptsz(CUstream stream);
STANDIN_API CUresult cuStreamQuery(CUstream stream);

/* event.c */
STANDIN_API CUresult cuEventCreate(CUevent *out, unsigned flags);
STANDIN_API CUresult cuEventRecord(CUevent event, CUstream stream);
STANDIN_API CUresult cuEventSynchronize(CUevent event);
STANDIN_API CUresult cuEventQuery(CUevent event);
STANDIN_API CUresult cuEventDestroy_v2(CUevent event);
STANDIN_API CUresult cuStreamWaitEvent(CUstream stream, CUevent event, unsigned flags);

/* launch.c */
STANDIN_API CUresult cuLaunchKernel(CUfunction f, unsigned gx, unsigned gy, unsigned gz,
				    unsigned bx, unsigned by, unsigned bz, unsigned shared_bytes,
				    CUstream stream, void **params, void **extra);
STANDIN_API CUresult cuLaunchKernel_ptsz(CUfunction f, unsigned gx, unsigned gy, unsigned gz,
					 unsigned bx, unsigned by, unsigned bz,
					 unsigned shared_bytes, CUstream stream, void **params,
					 void **extra);
STANDIN_API CUresult cuLaunchKernelEx(const CUlaunchConfig *config, CUfunction f, void **params,
				      void **extra);
STANDIN_API CUresult cuLaunchCooperativeKernel(CUfunction f, unsigned gx, unsigned gy, unsigned gz,
					       unsigned bx, unsigned by, unsigned bz,
					       unsigned shared_bytes, CUstream stream,
					       void **params);

/* host_func.c */
STANDIN_API CUresult cuLaunchHostFunc(CUstream stream, CUhostFn fn, void *user_data);

/* memory.c */
STANDIN_API CUresult cuMemAlloc_v2(CUdeviceptr *out, size_t bytes);
STANDIN_API CUresult cuMemFree_v2(CUdeviceptr ptr);
STANDIN_API CUresult cuMemAllocManaged(CUdeviceptr *out, size_t bytes, unsigned flags);
STANDIN_API CUresult cuMemAllocHost_v2(void **out, size_t bytes);
STANDIN_API CUresult cuMemHostAlloc(void **out, size_t bytes, unsigned flags);
STANDIN_API CUresult cuMemFreeHost(void *ptr);
STANDIN_API CUresult cuMemAllocAsync(CUdeviceptr *out, size_t bytes, CUstream stream);
STANDIN_API CUresult cuMemFreeAsync(CUdeviceptr ptr, CUstream stream);

/* copy.c */
STANDIN_API CUresult cuMemcpy(CUdeviceptr dst, CUdeviceptr src, size_t bytes);
STANDIN_API CUresult cuMemcpyAsync(CUdeviceptr dst, CUdeviceptr src, size_t bytes, CUstream stream);
STANDIN_API CUresult cuMemcpyAsync_ptsz(CUdeviceptr dst, CUdeviceptr src, size_t bytes,
					CUstream stream);
STANDIN_API CUresult cuMemcpyHtoD_v2(CUdeviceptr dst, const void *src, size_t bytes);
STANDIN_API CUresult cuMemcpyDtoH_v2(void *dst, CUdeviceptr src, size_t bytes);
STANDIN_API CUresult cuMemcpyDtoD_v2(CUdeviceptr dst, CUdeviceptr src, size_t bytes);
STANDIN_API CUresult cuMemcpyHtoDAsync_v2(CUdeviceptr dst, const void *src, size_t bytes,
					  CUstream stream);
STANDIN_API CUresult cuMemcpyDtoHAsync_v2(void *dst, CUdeviceptr src, size_t bytes,
					  CUstream stream);
STANDIN_API CUresult cuMemcpyDtoDAsync_v2(CUdeviceptr dst, CUdeviceptr src, size_t bytes,
					  CUstream stream);
STANDIN_API CUresult cuMemsetD8_v2(CUdeviceptr dst, unsigned char value, size_t count);
STANDIN_API CUresult cuMemsetD32_v2(CUdeviceptr dst, unsigned value, size_t count);
STANDIN_API CUresult cuMemsetD8Async(CUdeviceptr dst, unsigned char value, size_t count,
				     CUstream stream);
STANDIN_API CUresult cuMemsetD32Async(CUdeviceptr dst, unsigned value, size_t count,
				      CUstream stream);

/* graph.c */
STANDIN_API CUresult cuStreamBeginCapture_v2(CUstream stream, int mode);
STANDIN_API CUresult cuStreamEndCapture(CUstream stream, CUgraph *out);
STANDIN_API CUresult cuStreamIsCapturing(CUstream stream, int *status);
STANDIN_API CUresult cuGraphInstantiateWithFlags(CUgraphExec *out, CUgraph graph,
						 unsigned long long flags);
STANDIN_API CUresult cuGraphLaunch(CUgraphExec exec, CUstream stream);
STANDIN_API CUresult cuGraphExecDestroy(CUgraphExec exec);
STANDIN_API CUresult cuGraphDestroy(CUgraph graph);

#endif
