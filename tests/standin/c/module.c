// SPDX-License-Identifier: Apache-2.0
// Modules, libraries, and the functions in them. A module holds every function
// that is asked for: the name says what it costs, as NAME or NAME@DUR_US:LOAD_US.
#include <stdlib.h>
#include <string.h>

#include "gpu.h"

#define BUCKETS 256u
#define DEFAULT_DURATION_NS 10000u
#define DEFAULT_LOAD_NS 50000u

struct table {
	pthread_mutex_t lock;
	struct CUfunc_st *functions[BUCKETS];
	struct CUkern_st *kernels[BUCKETS];
};

struct CUmod_st {
	uint32_t magic;
	struct table table;
};

struct CUlib_st {
	uint32_t magic;
	struct table table;
};

static unsigned bucket_of(const char *name)
{
	uint32_t hash = 2166136261u;

	for (; *name; name++)
		hash = (hash ^ (unsigned char)*name) * 16777619u;
	return hash % BUCKETS;
}

// Reads "DUR_US:LOAD_US" or "DUR_US"; false if it is neither.
static bool parse_cost(const char *text, uint64_t *duration_ns, uint64_t *load_ns)
{
	char *end;

	if (*text < '0' || *text > '9')
		return false;
	*duration_ns = strtoull(text, &end, 10) * 1000;
	if (*end == '\0')
		return true;
	if (*end != ':' || end[1] < '0' || end[1] > '9')
		return false;
	*load_ns = strtoull(end + 1, &end, 10) * 1000;
	return *end == '\0';
}

// Finds or makes the function of a name: asking twice gives one function, so
// that its first use is paid for once. Needs the table's lock.
static CUresult function_in(struct table *t, const char *name, struct CUfunc_st **out)
{
	struct CUfunc_st **bucket = &t->functions[bucket_of(name)];
	const char *cost = strrchr(name, '@');
	uint64_t duration_ns = DEFAULT_DURATION_NS, load_ns = DEFAULT_LOAD_NS;

	for (struct CUfunc_st *f = *bucket; f; f = f->next) {
		if (!strcmp(f->name, name)) {
			*out = f;
			return CUDA_SUCCESS;
		}
	}
	if (!*name || (cost && !parse_cost(cost + 1, &duration_ns, &load_ns)))
		return CUDA_ERROR_NOT_FOUND;
	struct CUfunc_st *f = calloc(1, sizeof(*f) + strlen(name) + 1);
	if (!f)
		return CUDA_ERROR_OUT_OF_MEMORY;
	f->magic = MAGIC_FUNCTION;
	f->duration_ns = duration_ns;
	f->load_ns = load_ns;
	strcpy(f->name, name);
	f->next = *bucket;
	*bucket = f;
	*out = f;
	return CUDA_SUCCESS;
}

// The same for the kernel of a library. Needs the table's lock.
static CUresult kernel_in(struct table *t, const char *name, struct CUkern_st **out)
{
	struct CUkern_st **bucket = &t->kernels[bucket_of(name)];
	struct CUfunc_st *f;
	CUresult rc = function_in(t, name, &f);

	if (rc)
		return rc;
	for (struct CUkern_st *k = *bucket; k; k = k->next) {
		if (k->function == f) {
			*out = k;
			return CUDA_SUCCESS;
		}
	}
	struct CUkern_st *k = calloc(1, sizeof(*k));
	if (!k)
		return CUDA_ERROR_OUT_OF_MEMORY;
	k->magic = MAGIC_KERNEL;
	k->function = f;
	k->next = *bucket;
	*bucket = k;
	*out = k;
	return CUDA_SUCCESS;
}

static void table_clear(struct table *t)
{
	for (unsigned i = 0; i < BUCKETS; i++) {
		while (t->kernels[i]) {
			struct CUkern_st *k = t->kernels[i];

			t->kernels[i] = k->next;
			k->magic = 0;
			free(k);
		}
		while (t->functions[i]) {
			struct CUfunc_st *f = t->functions[i];

			t->functions[i] = f->next;
			f->magic = 0;
			free(f);
		}
	}
	pthread_mutex_destroy(&t->lock);
}

struct CUfunc_st *function_of(CUfunction handle)
{
	if (!handle || (uintptr_t)handle % _Alignof(struct CUfunc_st))
		return NULL;
	if (handle->magic == MAGIC_FUNCTION)
		return handle;
	if (handle->magic == MAGIC_KERNEL)
		return ((struct CUkern_st *)(void *)handle)->function;
	return NULL;
}

static CUresult load_module(CUmodule *out, const void *image)
{
	if (!out || !image)
		return CUDA_ERROR_INVALID_VALUE;
	if (!ctx_current())
		return CUDA_ERROR_INVALID_CONTEXT;
	struct CUmod_st *m = calloc(1, sizeof(*m));
	if (!m)
		return CUDA_ERROR_OUT_OF_MEMORY;
	m->magic = MAGIC_MODULE;
	pthread_mutex_init(&m->table.lock, NULL);
	burn_cpu(config_get()->module_load_ns);
	*out = m;
	return CUDA_SUCCESS;
}

CUresult cuModuleLoadData(CUmodule *out, const void *image)
{
	return load_module(out, image);
}

CUresult cuModuleLoadDataEx(CUmodule *out, const void *image, unsigned num_options, int *options,
			    void **values)
{
	(void)num_options;
	(void)options;
	(void)values;
	return load_module(out, image);
}

CUresult cuModuleGetFunction(CUfunction *out, CUmodule m, const char *name)
{
	if (!out || !name)
		return CUDA_ERROR_INVALID_VALUE;
	if (!m || m->magic != MAGIC_MODULE)
		return CUDA_ERROR_INVALID_HANDLE;
	pthread_mutex_lock(&m->table.lock);
	CUresult rc = function_in(&m->table, name, out);
	pthread_mutex_unlock(&m->table.lock);
	return rc;
}

CUresult cuModuleUnload(CUmodule m)
{
	if (!m || m->magic != MAGIC_MODULE)
		return CUDA_ERROR_INVALID_HANDLE;
	m->magic = 0;
	table_clear(&m->table);
	free(m);
	return CUDA_SUCCESS;
}

// A library belongs to no context, so none has to be current.
CUresult cuLibraryLoadData(CUlibrary *out, const void *code, int *jit_options, void **jit_values,
			   unsigned num_jit, int *lib_options, void **lib_values, unsigned num_lib)
{
	(void)jit_options;
	(void)jit_values;
	(void)num_jit;
	(void)lib_options;
	(void)lib_values;
	(void)num_lib;
	if (!out || !code)
		return CUDA_ERROR_INVALID_VALUE;
	struct CUlib_st *l = calloc(1, sizeof(*l));
	if (!l)
		return CUDA_ERROR_OUT_OF_MEMORY;
	l->magic = MAGIC_LIBRARY;
	pthread_mutex_init(&l->table.lock, NULL);
	burn_cpu(config_get()->module_load_ns);
	*out = l;
	return CUDA_SUCCESS;
}

CUresult cuLibraryGetKernel(CUkernel *out, CUlibrary l, const char *name)
{
	if (!out || !name)
		return CUDA_ERROR_INVALID_VALUE;
	if (!l || l->magic != MAGIC_LIBRARY)
		return CUDA_ERROR_INVALID_HANDLE;
	pthread_mutex_lock(&l->table.lock);
	CUresult rc = kernel_in(&l->table, name, out);
	pthread_mutex_unlock(&l->table.lock);
	return rc;
}

CUresult cuLibraryUnload(CUlibrary l)
{
	if (!l || l->magic != MAGIC_LIBRARY)
		return CUDA_ERROR_INVALID_HANDLE;
	l->magic = 0;
	table_clear(&l->table);
	free(l);
	return CUDA_SUCCESS;
}

CUresult cuKernelGetFunction(CUfunction *out, CUkernel kernel)
{
	KEEP_FRAME();
	if (!out)
		return CUDA_ERROR_INVALID_VALUE;
	if (!kernel || kernel->magic != MAGIC_KERNEL)
		return CUDA_ERROR_INVALID_HANDLE;
	*out = kernel->function;
	return CUDA_SUCCESS;
}
