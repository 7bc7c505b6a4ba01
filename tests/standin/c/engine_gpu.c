// SPDX-License-Identifier: Apache-2.0
// The GPU side of standin-engine: the kernels of a decode step, a small graph,
// and a storm of kernels never launched before.
#include "engine.h"

#include <stdio.h>
#include <stdlib.h>

#include "clock.h"
#include "cudart.h"
#include "prog.h"

#define TOKENS_BYTES 8192u
#define NAME_BYTES 48u

// Times on the device and of the first load, in microseconds, in the names.
enum { RMS_NORM, GEMM_QKV, ROPE, ATTN_FWD, GEMM_MLP, SAMPLER, PREFILL, KERNELS };
static const char *const kernel_names[KERNELS] = {
	"rms_norm@10:400",   "gemm_qkv@70:2500",  "rope@12:500",
	"attn_fwd@150:4000", "gemm_mlp@110:3000", "sampler@25:800",
	"attn_prefill@9000:4000",
};

// The runtime knows a kernel by the address of its host function. Nothing is
// ever called there, so one byte each will do.
static char host_functions[KERNELS];
static char *cold_functions;
static char (*cold_names)[NAME_BYTES];

static const struct fatbin_wrapper fatbin = {FATBIN_MAGIC, 1, "device code", NULL};
static void **fatbin_handle;
static cudaStream_t stream;
static void *tokens_device, *tokens_host;
static CUgraph graph;
static CUgraphExec graph_exec;

static const dim3 grid = {64, 1, 1}, block = {128, 1, 1};

static void register_kernel(const void *host_function, const char *name)
{
	__cudaRegisterFunction(fatbin_handle, host_function, NULL, name, -1, NULL, NULL, NULL,
			       NULL, NULL);
}

// In a real program this happens before main: cheap, and nothing is loaded.
static void register_all(const struct settings *settings)
{
	fatbin_handle = __cudaRegisterFatBinary((void *)&fatbin);
	for (unsigned i = 0; i < KERNELS; i++)
		register_kernel(&host_functions[i], kernel_names[i]);
	cold_functions = calloc(settings->storm_kernels + 1, 1);
	cold_names = calloc(settings->storm_kernels + 1, NAME_BYTES);
	if (!fatbin_handle || !cold_functions || !cold_names)
		die("out of memory");
	for (unsigned i = 0; i < settings->storm_kernels; i++) {
		snprintf(cold_names[i], NAME_BYTES, "cold_kernel_%03u@5:%llu", i,
			 (unsigned long long)settings->storm_load_us);
		register_kernel(&cold_functions[i], cold_names[i]);
	}
	__cudaRegisterFatBinaryEnd(fatbin_handle);
}

static void launch(const void *function, struct results *results)
{
	results->launches++;
	must(cudaLaunchKernel(function, grid, block, NULL, 0, stream), "cudaLaunchKernel");
}

static void launch_extended(const void *function, struct results *results)
{
	cudaLaunchConfig_t config = {.gridDim = grid, .blockDim = block, .stream = stream};

	results->launches++;
	must(cudaLaunchKernelExC(&config, function, NULL), "cudaLaunchKernelExC");
}

static void capture_graph(struct results *results)
{
	must(cuStreamBeginCapture_v2(stream, 0), "cuStreamBeginCapture");
	for (unsigned i = RMS_NORM; i <= ROPE; i++)
		launch(&host_functions[i], results);
	must(cuStreamEndCapture(stream, &graph), "cuStreamEndCapture");
	must(cuGraphInstantiateWithFlags(&graph_exec, graph, 0), "cuGraphInstantiate");
}

// Starts up and warms up, as servers do, so that the storm's kernels are the
// only new ones afterwards.
void gpu_set_up(const struct settings *settings, struct results *results)
{
	register_all(settings);
	must(cudaSetDevice(0), "cudaSetDevice");
	must(cudaStreamCreate(&stream), "cudaStreamCreate");
	must(cudaMalloc(&tokens_device, TOKENS_BYTES), "cudaMalloc");
	must(cudaMallocHost(&tokens_host, TOKENS_BYTES), "cudaMallocHost");
	must(cudaMemset(tokens_device, 0, TOKENS_BYTES), "cudaMemset");
	for (unsigned i = 0; i < KERNELS; i++)
		launch(&host_functions[i], results);
	must(cudaStreamSynchronize(stream), "cudaStreamSynchronize");
	capture_graph(results);
}

void gpu_step(const struct settings *settings, struct results *results)
{
	for (unsigned i = 0; i < settings->step_launches; i++) {
		// Layers are the first five kernels over and over; the last launch
		// picks the next tokens.
		unsigned which = i + 1 == settings->step_launches ? SAMPLER : i % SAMPLER;

		if (i % 8 == 7)
			launch_extended(&host_functions[which], results);
		else
			launch(&host_functions[which], results);
	}
	if (results->steps % 16 == 15) {
		results->graph_launches++;
		must(cuGraphLaunch(graph_exec, stream), "cuGraphLaunch");
	}
	must(cudaMemcpyAsync(tokens_host, tokens_device, TOKENS_BYTES, cudaMemcpyDeviceToHost,
			     stream),
	     "cudaMemcpyAsync");
	must(cudaStreamSynchronize(stream), "cudaStreamSynchronize");
}

// A prompt far longer than the others comes in between the tokens.
void gpu_long_kernel(struct results *results)
{
	launch(&host_functions[PREFILL], results);
}

void gpu_storm(const struct settings *settings, struct results *results)
{
	uint64_t start = clock_ns(CLOCK_BOOTTIME);

	for (unsigned i = 0; i < settings->storm_kernels; i++)
		launch(&cold_functions[i], results);
	results->storm_start_ns = start;
	results->storm_ns = clock_ns(CLOCK_BOOTTIME) - start;
}

void gpu_tear_down(void)
{
	must(cuGraphExecDestroy(graph_exec), "cuGraphExecDestroy");
	must(cuGraphDestroy(graph), "cuGraphDestroy");
	must(cudaFreeHost(tokens_host), "cudaFreeHost");
	must(cudaFree(tokens_device), "cudaFree");
	must(cudaStreamDestroy(stream), "cudaStreamDestroy");
	__cudaUnregisterFatBinary(fatbin_handle);
	free(cold_functions);
	free(cold_names);
}
