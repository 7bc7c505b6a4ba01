/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Inside of the stand-in driver. Entry points never call entry points: they
 * share the functions declared here, so that one call of the application is
 * one hit of one probe.
 */
#ifndef STANDIN_GPU_H
#define STANDIN_GPU_H

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

#include "clock.h"
#include "cuda.h"

/* A real stream holds about this many launches before the caller must wait. */
#define GPU_RING 1024u

/* First word of each object: a cheap test that a handle is what it claims. */
enum {
	MAGIC_CTX = 0x43545831,
	MAGIC_STREAM = 0x53545231,
	MAGIC_EVENT = 0x45564e31,
	MAGIC_MODULE = 0x4d4f4431,
	MAGIC_LIBRARY = 0x4c494231,
	MAGIC_FUNCTION = 0x46554e31,
	MAGIC_KERNEL = 0x4b524e31,
	MAGIC_GRAPH = 0x47524831,
	MAGIC_EXEC = 0x47455831,
};

enum wait_mode { WAIT_SPIN, WAIT_YIELD, WAIT_BLOCK };

struct CUctx_st {
	uint32_t magic;
	enum wait_mode mode;
	pthread_mutex_t lock; /* guards the list and orphan_until */
	struct CUstream_st *streams;
	struct CUstream_st *legacy;
	uint64_t orphan_until; /* work left behind by destroyed streams */
};

struct CUstream_st {
	uint32_t magic;
	enum wait_mode mode;
	struct CUctx_st *ctx;
	struct CUstream_st *next;
	pthread_mutex_t lock; /* guards all that follows */
	uint64_t busy_until;
	struct CUgraph_st *capture; /* where launches go while capturing */
	uint64_t host_asked;	    /* host functions enqueued */
	uint64_t host_done;	    /* host functions that have returned */
	unsigned head, count;
	uint64_t done[GPU_RING]; /* completion times of pending work */
};

struct CUgraph_st {
	uint32_t magic;
	uint32_t nodes;
	uint64_t total_ns;
};

struct CUfunc_st {
	uint32_t magic;
	int loaded; /* atomic: has the first use been paid for? */
	uint64_t duration_ns;
	uint64_t load_ns;
	struct CUfunc_st *next;
	char name[];
};

struct CUkern_st {
	uint32_t magic;
	struct CUfunc_st *function;
	struct CUkern_st *next;
};

struct config {
	uint64_t launch_ns;	 /* host cost of a launch */
	uint64_t module_load_ns; /* host cost of loading a module or library */
	uint64_t alloc_mib_ns;	 /* cost of each MiB of an allocation */
	int sync_override;	 /* an enum wait_mode, or -1 */
	int log_fd;		 /* first-use log, or -1 */
};

/* config.c: settings from the environment, read once. */
const struct config *config_get(void);

/* context.c */
struct CUctx_st *ctx_current(void);

/* stream.c: the stream a handle means in the calling thread, or NULL. */
struct CUstream_st *stream_of(CUstream handle);
struct CUstream_st *stream_new(struct CUctx_st *ctx);
void stream_free(struct CUstream_st *s);

/* gpu.c: the model. Times are CLOCK_MONOTONIC nanoseconds. */
CUresult gpu_submit(struct CUstream_st *s, uint64_t duration_ns, uint64_t *done);
uint64_t gpu_tail(struct CUstream_st *s);
void gpu_order_after(struct CUstream_st *s, uint64_t when);
void gpu_wait(enum wait_mode mode, uint64_t when);
CUresult gpu_drain(struct CUstream_st *s);

/* first_use.c: pays for a function's lazy load the first time. */
void first_use(struct CUfunc_st *f);

/* module.c: the function behind a CUfunction, or a CUkernel cast to one. */
struct CUfunc_st *function_of(CUfunction handle);

#endif
