// Calls every function of the generated libraries from several threads, then a few with known values, and prints
// how often each was entered, as the libraries counted it themselves.
#include <dlfcn.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

typedef long L;
typedef L (*function)(L, L, L, L, L, L, L, L, L);

struct library {
	void *handle;
	const char *const *names;
	unsigned long *counts;
	int size;
};

static struct library libraries[3];
static const char *const files[3] = { "libcuda.so.1", "libcudart.so.13", "libnccl.so.2" };
static const char *const layers[3] = { "driver", "runtime", "nccl" };

static void *of_layer(const struct library *l, const char *layer, const char *what)
{
	char name[32];

	snprintf(name, sizeof(name), "%s_%s", layer, what);
	return dlsym(l->handle, name);
}

static void open_library(struct library *l, const char *file, const char *layer)
{
	l->handle = dlopen(file, RTLD_NOW | RTLD_GLOBAL);
	if (!l->handle) {
		fprintf(stderr, "%s\n", dlerror());
		exit(1);
	}
	l->names = of_layer(l, layer, "name");
	l->counts = of_layer(l, layer, "count");
	l->size = *(int *)of_layer(l, layer, "size");
}

static function find(int library, const char *name)
{
	function f = (function)dlsym(libraries[library].handle, name);

	if (!f) {
		fprintf(stderr, "%s is missing\n", name);
		exit(1);
	}
	return f;
}

static void *call_all(void *arg)
{
	long thread = (long)arg;

	for (int l = 0; l < 3; l++)
		for (int i = 0; i < libraries[l].size; i++) {
			function f = find(l, libraries[l].names[i]);

			for (int n = 0; n < 1 + (i + (int)thread) % 3; n++)
				f((i + n) % 3, 0, 0, 0, 0, 0, 0, 0, 0);
		}
	return NULL;
}

// Words that the descriptors point to; a CUDA_MEMCPY2D has its extent at 112, a CUDA_MEMCPY3D at 176, a launch
// configuration its stream at 32.
static L words[32];

static void call_with_values(void)
{
	L at = (L)words;

	words[0] = 0x5eed;
	words[4] = 66;
	words[14] = 11;
	words[15] = 12;
	words[22] = 5;
	words[23] = 6;
	words[24] = 7;
	find(0, "cuMemcpyHtoD")(0, 1, 300, 0, 0, 0, 0, 0, 0);
	find(0, "cuMemcpyDtoHAsync")(0, 1, 301, 77, 0, 0, 0, 0, 0);
	find(0, "cuMemsetD32")(0, 1, 10, 0, 0, 0, 0, 0, 0);
	find(0, "cuMemsetD2D16Async")(0, 1, 2, 5, 6, 78, 0, 0, 0);
	find(0, "cuMemcpy2D")(at, 0, 0, 0, 0, 0, 0, 0, 0);
	find(0, "cuMemcpy3DAsync")(at, 79, 0, 0, 0, 0, 0, 0, 0);
	find(0, "cuLaunchKernel")(0xabc, 1, 1, 1, 1, 1, 1, 0, 88);
	find(0, "cuLaunchKernelEx")(at, 0xdef, 0, 0, 0, 0, 0, 0, 0);
	find(0, "cuMemAlloc")(at, 4096, 0, 0, 0, 0, 0, 0, 0);
	find(1, "cudaLaunchKernel")(0x123, 1, 1, 1, 1, 1, 0, 89, 0);
	find(1, "cudaLaunchKernelExC")(at, 0x456, 0, 0, 0, 0, 0, 0, 0);
	find(2, "ncclAllReduce")(0, 0, 1000, 7, 0, 55, 0, 0, 0);
	find(2, "ncclReduce")(0, 0, 10, 9, 0, 0, 56, 0, 0);
	find(2, "ncclSend")(0, 10, 8, 0, 57, 0, 0, 0, 0);
	find(2, "ncclCommInitRank")(at, 8, 3, 0, 0, 0, 0, 0, 0);
}

int main(int argc, char **argv)
{
	pthread_t threads[8];
	char line[16];

	(void)argc, (void)argv;
	for (int l = 0; l < 3; l++)
		open_library(&libraries[l], files[l], layers[l]);
	puts("READY");
	fflush(stdout);
	if (!fgets(line, sizeof(line), stdin))
		return 1;
	for (long t = 0; t < 8; t++)
		pthread_create(&threads[t], NULL, call_all, (void *)t);
	for (int t = 0; t < 8; t++)
		pthread_join(threads[t], NULL);
	call_with_values();
	for (int l = 0; l < 3; l++)
		for (int i = 0; i < libraries[l].size; i++)
			printf("COUNT %s %lu\n", libraries[l].names[i], libraries[l].counts[i]);
	puts("DONE");
	fflush(stdout);
	if (fgets(line, sizeof(line), stdin))
		return 1;
	return 0;
}
