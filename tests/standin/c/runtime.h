/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Inside of the stand-in runtime. It keeps no model of its own: it calls the
 * exported functions of the driver library, where the probes are.
 */
#ifndef STANDIN_RUNTIME_H
#define STANDIN_RUNTIME_H

#include "cudart.h"

/* runtime_device.c */
cudaError_t rt_ready(void);	       /* the calling thread has a context */
cudaError_t rt_result(cudaError_t rc); /* keeps an error for cudaGetLastError */

/* runtime_register.c: the driver's function for a host function. */
cudaError_t rt_function(const void *host_function, CUfunction *out);

#endif
