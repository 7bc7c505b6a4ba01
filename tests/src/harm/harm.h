/* What the programs of the harm tests share. Each prints, per operation, how many calls it made. */
#ifndef HARM_H
#define HARM_H

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef int CUresult;
typedef void (*CUhostFn)(void *);

/* Both in the stand-in and in callback.c. */
CUresult cuInit(unsigned flags);
CUresult cuCtxSynchronize(void);
CUresult cuMemAlloc_v2(unsigned long long *out, size_t bytes);
CUresult cuMemFree_v2(unsigned long long p);
/* In callback.c it calls the function at once, inside itself. */
CUresult cuLaunchHostFunc(void *stream, CUhostFn fn, void *data);
/* Only in the stand-in. */
CUresult cuDevicePrimaryCtxRetain(void **out, int device);
CUresult cuCtxSetCurrent(void *ctx);

#ifdef __cplusplus
}
#endif

/* Calls that were made; programs with threads add to them atomically. */
extern long made_sync, made_alloc, made_free, made_launch;

#define COUNT(counter) __atomic_add_fetch(&(counter), 1, __ATOMIC_RELAXED)

static inline CUresult sync_call(void)
{
	COUNT(made_sync);
	return cuCtxSynchronize();
}

static inline CUresult with_call(CUhostFn fn, void *data)
{
	COUNT(made_launch);
	return cuLaunchHostFunc(NULL, fn, data);
}

static inline void tell(void)
{
	printf("made cuCtxSynchronize %ld\nmade cuMemAlloc %ld\nmade cuMemFree %ld\nmade cuLaunchHostFunc %ld\n",
	       made_sync, made_alloc, made_free, made_launch);
	fflush(stdout);
}

#define DEFINE_COUNTS long made_sync, made_alloc, made_free, made_launch

#endif
