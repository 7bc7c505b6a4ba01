/* Runs steadily, then one thing happens to it, then it runs steadily again. What happened is told in a line
 * that begins with `label`: begin and end (CLOCK_BOOTTIME), the nanoseconds that it took away by this program's
 * own clocks, and pid and tid of whoever did it. Nothing of it comes from a recorder. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "../../standin/c/clock.h"
#include "../../standin/c/cuda.h"

#define MS 1000000ull
#define PERIOD (400 * 1000ull)

struct label {
	uint64_t from, to, injected;
	int pid, tid;
};

static CUmodule module;
static CUstream stream;
static CUfunction gemm, slow;
static struct label label;
static uint64_t next_step;
static int real_time;
static unsigned steps;
static int feed = -1;
static pid_t feeder;
static uint64_t fed_wait;

/* What is asked for: how often, how long each, how far apart, and which kind. */
static unsigned count;
static uint64_t each, apart;
static const char *kind;

static uint64_t boot(void)
{
	return clock_ns(CLOCK_BOOTTIME);
}

static uint64_t run_delay(void)
{
	unsigned long long on_cpu = 0, delay = 0;
	char path[64];
	snprintf(path, sizeof(path), "/proc/self/task/%ld/schedstat", syscall(SYS_gettid));
	FILE *f = fopen(path, "r");
	if (!f || fscanf(f, "%llu %llu", &on_cpu, &delay) != 2)
		delay = 0;
	if (f)
		fclose(f);
	return delay;
}

static CUfunction function(const char *name)
{
	CUfunction f = NULL;
	if (cuModuleGetFunction(&f, module, name))
		exit(3);
	return f;
}

static void launch(CUfunction f)
{
	cuLaunchKernel(f, 1, 1, 1, 1, 1, 1, 0, stream, NULL, NULL);
}

/* One turn of the loop: work for the GPU, and the thread's own work until the next is due. */
static void step(unsigned slower)
{
	if (feed >= 0) {
		char token;
		uint64_t before = boot();
		if (read(feed, &token, 1) != 1)
			exit(4);
		uint64_t waited = boot() - before;
		if (waited > MS)
			fed_wait += waited;
		launch(gemm);
		burn_cpu(50000);
	} else {
		launch(gemm);
		burn_cpu(PERIOD / 2 + (slower - 1) * PERIOD);
		uint64_t now = clock_mono();
		if (next_step + 10 * PERIOD < now)
			next_step = now;
		next_step += PERIOD;
		if (real_time)
			sleep_until(next_step);
		else
			spin_until(next_step);
	}
	if (++steps % 20 == 0)
		cuStreamSynchronize(stream);
}

static void steady(uint64_t ns)
{
	uint64_t end = clock_mono() + ns;
	next_step = clock_mono();
	while (clock_mono() < end)
		step(1);
}

/* `count` times: something, and steady work after it. */
static void times(uint64_t (*act)(unsigned))
{
	for (unsigned i = 0; i < count; i++) {
		label.injected += act(i);
		label.to = boot();
		steady(apart);
	}
}

static void pin(int cpu)
{
	cpu_set_t set;
	CPU_ZERO(&set);
	CPU_SET(cpu, &set);
	sched_setaffinity(0, sizeof(set), &set);
}

/* ---- what happens ---- */

static void hog(void)
{
	unsigned hogs = strstr(kind, "two") ? 2 : 1;
	uint64_t busy = strstr(kind, "long") ? 40 * MS : strstr(kind, "two") ? 8 * MS : 4 * MS;
	/* Above the victim, so that it is this one that has the CPU, on a shared machine too. */
	struct sched_param above = {.sched_priority = 20};
	uint64_t before = run_delay();
	pid_t pids[2];
	for (unsigned i = 0; i < hogs; i++) {
		pids[i] = fork();
		if (!pids[i]) {
			prctl(PR_SET_NAME, "hog");
			sched_setscheduler(0, SCHED_FIFO, &above);
			uint64_t end = clock_mono() + each;
			while (clock_mono() < end) {
				spin_until(clock_mono() + busy);
				sleep_ns(busy * 2);
			}
			_exit(0);
		}
	}
	label.pid = label.tid = pids[0];
	steady(each + 30 * MS);
	for (unsigned i = 0; i < hogs; i++)
		waitpid(pids[i], NULL, 0);
	label.to = boot();
	steady(20 * MS);
	label.injected = run_delay() - before;
}

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static int held, asked, over;

static void *holder(void *unused)
{
	(void)unused;
	prctl(PR_SET_NAME, "holder");
	label.tid = (int)syscall(SYS_gettid);
	label.pid = getpid();
	pin(0);
	while (!__atomic_load_n(&over, __ATOMIC_ACQUIRE)) {
		if (!__atomic_exchange_n(&asked, 0, __ATOMIC_ACQ_REL)) {
			sleep_ns(100 * 1000);
			continue;
		}
		pthread_mutex_lock(&lock);
		__atomic_store_n(&held, 1, __ATOMIC_RELEASE);
		if (strstr(kind, "asleep"))
			sleep_ns(each);
		else
			burn_cpu(each);
		pthread_mutex_unlock(&lock);
	}
	return NULL;
}

static uint64_t wait_for_lock(unsigned i)
{
	(void)i;
	__atomic_store_n(&held, 0, __ATOMIC_RELEASE);
	__atomic_store_n(&asked, 1, __ATOMIC_RELEASE);
	while (!__atomic_load_n(&held, __ATOMIC_ACQUIRE))
		step(1);
	uint64_t before = boot();
	pthread_mutex_lock(&lock);
	pthread_mutex_unlock(&lock);
	return boot() - before;
}

static void locked(void)
{
	pthread_t thread;
	pthread_create(&thread, NULL, holder, NULL);
	times(wait_for_lock);
	__atomic_store_n(&over, 1, __ATOMIC_RELEASE);
	pthread_join(thread, NULL);
}

static int file = -1;
static void *block;
#define BLOCK (1u << 20)

/* Reads past the page cache, or writes and waits for the disk, until it took as long as asked for. */
static uint64_t disk(unsigned i)
{
	uint64_t before = boot(), cpu = clock_ns(CLOCK_THREAD_CPUTIME_ID);
	for (unsigned n = 0; boot() - before < each; n++) {
		off_t at = (off_t)((i * 7 + n) % 64) * BLOCK;
		if (strstr(kind, "write")) {
			if (pwrite(file, block, 16384, at) < 0 || fsync(file))
				exit(5);
		} else if (pread(file, block, BLOCK, at) < 0) {
			exit(5);
		}
	}
	/* What it took but for the work of asking. */
	return boot() - before - (clock_ns(CLOCK_THREAD_CPUTIME_ID) - cpu);
}

static void io_set_up(void)
{
	int direct = strstr(kind, "write") ? 0 : O_DIRECT;
	file = open("incident.data", O_RDWR | O_CREAT | direct, 0600);
	if (file < 0 || posix_memalign(&block, 4096, BLOCK))
		exit(5);
	memset(block, 7, BLOCK);
	for (unsigned i = 0; i < 64; i++)
		if (pwrite(file, block, BLOCK, (off_t)i * BLOCK) < 0)
			exit(5);
	fsync(file);
}

static uint64_t load(unsigned i)
{
	char name[64];
	snprintf(name, sizeof(name), "cold_%03u@5:%llu", i, (unsigned long long)(each / 1000));
	uint64_t before = boot();
	if (strstr(kind, "module")) {
		CUmodule own;
		cuModuleLoadData(&own, name);
		cuModuleGetFunction(&slow, own, name);
	} else {
		slow = function(name);
	}
	launch(slow);
	return boot() - before;
}

static uint64_t long_kernel(unsigned i)
{
	(void)i;
	launch(slow);
	uint64_t before = boot();
	cuStreamSynchronize(stream);
	return boot() - before;
}

static uint64_t long_copy(unsigned i)
{
	char out[64];
	CUdeviceptr from;
	(void)i;
	cuMemAlloc_v2(&from, sizeof(out));
	/* Into the stream that a copy waits for. */
	cuLaunchKernel(slow, 1, 1, 1, 1, 1, 1, 0, NULL, NULL, NULL);
	uint64_t before = boot();
	cuMemcpyDtoH_v2(out, from, sizeof(out));
	uint64_t took = boot() - before;
	cuMemFree_v2(from);
	return took;
}

static void storm(void)
{
	uint64_t end = clock_mono() + each, delay = run_delay();
	while (clock_mono() < end) {
		launch(slow);
		uint64_t before = boot();
		cuStreamSynchronize(stream);
		label.injected += boot() - before;
		sleep_ns(80000);
	}
	label.to = boot();
	/* A thread that is woken late waits for its CPU then. */
	label.injected -= run_delay() - delay;
}

/* The stand-in takes STANDIN_ALLOC_US_PER_MIB for each MiB. */
static uint64_t allocate(unsigned i)
{
	(void)i;
	size_t bytes = (size_t)(each / MS) << 20;
	CUdeviceptr pointer;
	void *host;
	uint64_t before = boot();
	if (strstr(kind, "host"))
		cuMemAllocHost_v2(&host, bytes);
	else
		cuMemAlloc_v2(&pointer, bytes);
	uint64_t took = boot() - before;
	if (strstr(kind, "host"))
		cuMemFreeHost(host);
	else
		cuMemFree_v2(pointer);
	return took;
}

static void slower(void)
{
	unsigned factor = strstr(kind, "much") ? 8 : 3;
	uint64_t end = clock_mono() + each;
	for (uint64_t n = 1; clock_mono() < end; n++) {
		step(factor);
		sleep_ns(100 * 1000);
		label.injected = n * (factor - 1) * PERIOD;
	}
	label.to = boot();
}

static uint64_t stopped(unsigned i)
{
	(void)i;
	pid_t parent = getpid(), child = fork();
	if (!child) {
		prctl(PR_SET_NAME, "stopper");
		pin(0);
		kill(parent, SIGSTOP);
		sleep_ns(each);
		kill(parent, SIGCONT);
		_exit(0);
	}
	label.pid = label.tid = child;
	uint64_t before = boot(), longest = 0, last = before;
	while (boot() - before < each + 20 * MS) {
		uint64_t now = boot();
		if (now - last > longest)
			longest = now - last;
		last = now;
		step(1);
	}
	waitpid(child, NULL, 0);
	return longest > each ? longest : each;
}

/* A process of its own that writes a token for each step; it is slow when told so through shared memory. */
static volatile uint64_t *slow_each;

static void feeder_start(void)
{
	int ends[2];
	slow_each = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (strstr(kind, "disk"))
		io_set_up();
	if (pipe(ends))
		exit(6);
	feeder = fork();
	if (!feeder) {
		prctl(PR_SET_NAME, "feeder");
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		close(ends[0]);
		pin(0);
		for (;;) {
			uint64_t ns = *slow_each;
			*slow_each = 0;
			if (ns) {
				each = ns;
				if (strstr(kind, "disk"))
					disk(0);
				else if (strstr(kind, "sleep"))
					sleep_ns(ns);
				else
					burn_cpu(ns);
			}
			burn_cpu(200000);
			if (write(ends[1], "x", 1) != 1)
				_exit(0);
			sleep_ns(100000);
		}
	}
	close(ends[1]);
	feed = ends[0];
}

static uint64_t starve(unsigned i)
{
	(void)i;
	uint64_t before = fed_wait;
	*slow_each = each;
	while (*slow_each || fed_wait == before)
		step(1);
	step(1);
	return fed_wait - before;
}

/* ---- quiet ones ---- */

static void *beside(void *unused)
{
	struct sched_param ordinary = {0};
	(void)unused;
	pin(0);
	sched_setscheduler(0, SCHED_OTHER, &ordinary);
	for (;;) {
		if (strstr(kind, "busy"))
			burn_cpu(30 * MS);
		sleep_ns(strstr(kind, "switches") ? 100 * 1000 : 50 * MS);
	}
	return NULL;
}

static void quiet(void)
{
	pthread_t thread;
	if (strstr(kind, "beside"))
		pthread_create(&thread, NULL, beside, NULL);
	uint64_t end = clock_mono() + each;
	for (unsigned n = 0; clock_mono() < end; n++) {
		if (strstr(kind, "idle"))
			sleep_ns(100 * MS);
		else if (strstr(kind, "bursty")) {
			steady(20 * MS);
			sleep_ns((5 + n * 37 % 60) * MS);
		} else if (strstr(kind, "yield")) {
			step(1);
			sched_yield();
		} else if (strstr(kind, "nap")) {
			launch(gemm);
			sleep_ns(300 * 1000);
		} else if (!strstr(kind, "phase"))
			step(1);
		else
			sleep_ns(each);
	}
	label.to = boot();
}

static void happen(const char *cause)
{
	label.from = boot();
	if (!strcmp(cause, "cpu_contention"))
		hog();
	else if (!strcmp(cause, "blocked_lock"))
		locked();
	else if (!strcmp(cause, "blocked_io"))
		times(disk);
	else if (!strcmp(cause, "first_use"))
		times(load);
	else if (!strcmp(cause, "gpu_wait"))
		times(strstr(kind, "copy") ? long_copy : long_kernel);
	else if (!strcmp(cause, "sync_storm"))
		storm();
	else if (!strcmp(cause, "allocator"))
		times(allocate);
	else if (!strcmp(cause, "launch_rate_drop"))
		slower();
	else if (!strcmp(cause, "signal_stop"))
		times(stopped);
	else if (!strcmp(cause, "data_starvation"))
		times(starve);
	else if (!strcmp(cause, "quiet"))
		quiet();
	else if (!strcmp(cause, "cpu_throttled")) {
		/* The lab limits the group from outside, and measures it there. */
		printf("limit\n");
		fflush(stdout);
		steady(each);
		label.to = boot();
	}
}

int main(int argc, char **argv)
{
	char line[16];
	if (argc < 7)
		return 2;
	const char *cause = argv[1];
	kind = argv[2];
	count = (unsigned)atoi(argv[3]);
	each = strtoull(argv[4], NULL, 10) * 1000;
	apart = strtoull(argv[5], NULL, 10) * 1000;
	uint64_t warm = strtoull(argv[6], NULL, 10) * 1000;
	CUcontext context;
	setvbuf(stdout, NULL, _IOLBF, 0);
	prctl(PR_SET_NAME, "victim");
	pin(1);
	/* Other work on a shared machine must not be an incident of its own. Real-time threads must leave the CPU now
	 * and then; the kernel takes it from them if they do not. */
	real_time = strcmp(cause, "cpu_throttled") && !strstr(kind, "yield");
	struct sched_param priority = {.sched_priority = real_time ? 10 : 0};
	if (real_time)
		sched_setscheduler(0, SCHED_FIFO, &priority);
	else
		setpriority(PRIO_PROCESS, 0, -15);
	if (cuInit(0) || cuCtxCreate_v2(&context, 0, 0) || cuStreamCreate(&stream, 0))
		return 3;
	cuModuleLoadData(&module, "module");
	gemm = function("gemm@50:200");
	launch(gemm);
	char name[64];
	snprintf(name, sizeof(name), "slow@%llu:200",
		 !strcmp(cause, "sync_storm") ? 150ull : (unsigned long long)(each / 1000));
	slow = function(name);
	if (!strcmp(cause, "gpu_wait") || !strcmp(cause, "sync_storm"))
		launch(slow);
	if (!strcmp(cause, "gpu_wait"))
		for (int i = 0; i < 10; i++) {
			char out[64];
			CUdeviceptr from;
			cuMemAlloc_v2(&from, sizeof(out));
			cuMemcpyDtoH_v2(out, from, sizeof(out));
			cuMemFree_v2(from);
		}
	if (!strcmp(cause, "blocked_io"))
		io_set_up();
	cuStreamSynchronize(stream);
	if (!strcmp(cause, "data_starvation"))
		feeder_start();
	printf("READY %d %d\n", getpid(), feeder);
	if (!fgets(line, sizeof(line), stdin))
		return 4;
	if (!strcmp(cause, "allocator") || (!strcmp(cause, "gpu_wait") && strstr(kind, "copy")))
		for (int i = 0; i < 30; i++) {
			CUdeviceptr p;
			char out[64];
			void *host;
			cuMemAlloc_v2(&p, 4096);
			cuMemcpyDtoH_v2(out, p, sizeof(out));
			cuMemFree_v2(p);
			cuMemAllocHost_v2(&host, 4096);
			cuMemFreeHost(host);
			steady(MS);
		}
	uint64_t delay = run_delay();
	steady(warm);
	happen(cause);
	if (!strcmp(cause, "process_exit")) {
		label.to = boot();
		printf("label %llu %llu 0 %d %d 0\n", (unsigned long long)label.from,
		       (unsigned long long)label.to, getpid(), getpid());
		if (strstr(kind, "status"))
			_exit(7);
		if (strstr(kind, "abort"))
			abort();
		if (strstr(kind, "segfault"))
			raise(SIGSEGV);
		kill(getpid(), strstr(kind, "term") ? SIGTERM : SIGKILL);
		pause();
	}
	if (strcmp(cause, "quiet") || !strstr(kind, "phase"))
		steady(500 * MS);
	if (label.to < label.from)
		label.to = boot();
	printf("label %llu %llu %llu %d %d %llu\n", (unsigned long long)label.from,
	       (unsigned long long)label.to, (unsigned long long)label.injected,
	       !strcmp(cause, "data_starvation") ? feeder : label.pid,
	       !strcmp(cause, "data_starvation") ? feeder : label.tid,
	       (unsigned long long)(run_delay() - delay));
	if (!fgets(line, sizeof(line), stdin))
		line[0] = 0;
	if (feeder > 0)
		kill(feeder, SIGKILL);
	return 0;
}
