/* Runs steadily, then one thing happens to it, or two, then it runs steadily again. What happened is told in a line
 * that begins with `label`: begin and end (CLOCK_BOOTTIME), the nanoseconds that it took away by this program's
 * own clocks, pid and tid of whoever did it, and how long this thread waited for a CPU in all, whoever had it. Each
 * of two things has a line before it that begins with `part` and its cause. Nothing of it comes from a recorder. */
#include "victim.h"

#include <sys/resource.h>

unsigned count;
uint64_t each, each_second, apart;
const char *kind;
struct label label;
CUmodule module;
CUstream stream;
CUfunction gemm, slow;
int real_time;

static uint64_t next_step;
static unsigned steps;

uint64_t boot(void)
{
	return clock_ns(CLOCK_BOOTTIME);
}

static uint64_t usual_delay, usual_ns = 1;

uint64_t beyond_usual(void)
{
	return run_delay() - (uint64_t)((double)usual_delay / (double)usual_ns * (double)boot());
}

uint64_t on_cpu(void)
{
	return clock_ns(CLOCK_THREAD_CPUTIME_ID);
}

uint64_t run_delay(void)
{
	unsigned long long ran = 0, delay = 0;
	char path[64];
	snprintf(path, sizeof(path), "/proc/self/task/%ld/schedstat", syscall(SYS_gettid));
	FILE *f = fopen(path, "r");
	if (!f || fscanf(f, "%llu %llu", &ran, &delay) != 2)
		delay = 0;
	if (f)
		fclose(f);
	return delay;
}

CUfunction function(const char *name)
{
	CUfunction f = NULL;
	if (cuModuleGetFunction(&f, module, name))
		exit(3);
	return f;
}

void launch(CUfunction f)
{
	cuLaunchKernel(f, 1, 1, 1, 1, 1, 1, 0, stream, NULL, NULL);
}

/* One turn of the loop: work for the GPU, and the thread's own work until the next is due. */
void step(unsigned slower)
{
	if (fed()) {
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
	collective(steps);
	if (++steps % 20 == 0)
		cuStreamSynchronize(stream);
}

void steady(uint64_t ns)
{
	uint64_t end = clock_mono() + ns;
	next_step = clock_mono();
	while (clock_mono() < end)
		step(1);
}

/* `count` times: something, and steady work after it. */
void times(act what)
{
	for (unsigned i = 0; i < count; i++) {
		label.injected += what(i);
		label.to = boot();
		steady(apart);
	}
}

void pin(int cpu)
{
	cpu_set_t set;
	CPU_ZERO(&set);
	CPU_SET(cpu, &set);
	sched_setaffinity(0, sizeof(set), &set);
}

void below_all(void)
{
	struct sched_param ordinary = {0};
	sched_setscheduler(0, SCHED_OTHER, &ordinary);
}

void ask(const char *word)
{
	char line[16];
	printf("%s\n", word);
	fflush(stdout);
	if (!fgets(line, sizeof(line), stdin))
		exit(4);
}

static void locked(void)
{
	lock_start();
	times(wait_for_lock);
	lock_end();
}

static void throttled(void)
{
	/* The lab limits the group from outside, and measures it there. */
	ask("limit");
	label.from = boot();
	steady(each);
	label.to = boot();
}

/* What makes calls slow that were fast before must be known from before. */
static void calls_as_usual(void)
{
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
}

static void kernels_as_usual(void)
{
	launch(slow);
	cuStreamSynchronize(stream);
}

static void disks(void) { times(disk); }
static void loads(void) { times(load); }
static void stops(void) { times(stopped); }
static void allocations(void) { times(allocate); }
static void starved(void) { times(starve); }
static void late_ranks(void) { times(late_rank); }
static void squeezed(void) { times(squeeze); }
static void waits(void) { times(strstr(kind, "copy") ? long_copy : long_kernel); }

/* What is made ready before the lab knows of the program, and just before it begins; and what happens. */
static const struct incident {
	const char *cause;
	void (*set_up)(void), (*get_ready)(void), (*happens)(void);
} incidents[] = {
	{"cpu_contention", NULL, NULL, hog},
	{"cpu_throttled", NULL, NULL, throttled},
	{"blocked_lock", NULL, NULL, locked},
	{"blocked_io", io_set_up, NULL, disks},
	{"first_use", NULL, NULL, loads},
	{"gpu_wait", kernels_as_usual, calls_as_usual, waits},
	{"sync_storm", kernels_as_usual, NULL, storm},
	{"allocator", NULL, calls_as_usual, allocations},
	{"launch_rate_drop", NULL, NULL, slower},
	{"signal_stop", NULL, NULL, stops},
	{"data_starvation", feeder_start, NULL, starved},
	{"collective_wait", ranks_start, NULL, late_ranks},
	{"memory_pressure", NULL, memory_set_up, squeezed},
	{"oom", NULL, NULL, NULL},
	{"process_exit", NULL, NULL, NULL},
	{"several", several_set_up, calls_as_usual, several},
	{"quiet", NULL, NULL, quiet},
};

static const struct incident *find(const char *cause)
{
	for (unsigned i = 0; i < sizeof(incidents) / sizeof(*incidents); i++)
		if (!strcmp(incidents[i].cause, cause))
			return &incidents[i];
	exit(2);
}

static void tell(uint64_t delay)
{
	if (label.to < label.from)
		label.to = boot();
	printf("label %llu %llu %llu %d %d %llu\n", (unsigned long long)label.from,
	       (unsigned long long)label.to, (unsigned long long)label.injected, label.pid, label.tid,
	       (unsigned long long)delay);
}

static void end(void)
{
	if (strstr(kind, "status"))
		_exit(7);
	if (strstr(kind, "abort"))
		abort();
	if (strstr(kind, "segfault"))
		raise(SIGSEGV);
	kill(getpid(), strstr(kind, "term") ? SIGTERM : SIGKILL);
	pause();
}

/* Other work on a shared machine must not be an incident of its own. Real-time threads must leave the CPU now and
 * then; the kernel takes it from them if they do not. */
static void go_first(const char *cause)
{
	real_time = strcmp(cause, "cpu_throttled") && !strstr(kind, "yield") && !strstr(kind, "crowded");
	struct sched_param priority = {.sched_priority = real_time ? 10 : 0};
	if (real_time)
		sched_setscheduler(0, SCHED_FIFO, &priority);
	else
		setpriority(PRIO_PROCESS, 0, strstr(kind, "crowded") ? 0 : -15);
}

static void library_start(const char *cause)
{
	CUcontext context;
	char name[64];
	if (cuInit(0) || cuCtxCreate_v2(&context, 0, 0) || cuStreamCreate(&stream, 0))
		exit(3);
	cuModuleLoadData(&module, "module");
	gemm = function("gemm@50:200");
	launch(gemm);
	snprintf(name, sizeof(name), "slow@%llu:200",
		 !strcmp(cause, "sync_storm") ? 150ull : (unsigned long long)(each / 1000));
	slow = function(name);
}

int main(int argc, char **argv)
{
	char line[16];
	if (argc < 9)
		return 2;
	const struct incident *incident = find(argv[1]);
	kind = argv[2];
	count = (unsigned)atoi(argv[3]);
	each = strtoull(argv[4], NULL, 10) * 1000;
	apart = strtoull(argv[5], NULL, 10) * 1000;
	uint64_t warm = strtoull(argv[6], NULL, 10) * 1000;
	unsigned threads = (unsigned)atoi(argv[7]);
	each_second = strtoull(argv[8], NULL, 10) * 1000;
	setvbuf(stdout, NULL, _IOLBF, 0);
	prctl(PR_SET_NAME, "victim");
	pin(1);
	go_first(argv[1]);
	library_start(argv[1]);
	if (incident->set_up)
		incident->set_up();
	cuStreamSynchronize(stream);
	threads_start(threads);
	printf("READY %d %d\n", getpid(), other);
	if (!fgets(line, sizeof(line), stdin))
		return 4;
	if (incident->get_ready)
		incident->get_ready();
	uint64_t delay = run_delay(), begin = boot();
	steady(warm);
	label.from = boot();
	usual_delay = run_delay() - delay;
	usual_ns = label.from - begin;
	if (incident->happens) {
		incident->happens();
	} else {
		label.pid = label.tid = getpid();
		tell(0);
		if (!strcmp(argv[1], "oom"))
			run_out();
		end();
	}
	if (strcmp(argv[1], "quiet") || !strstr(kind, "phase"))
		steady(500 * MS);
	if (other > 0)
		label.pid = label.tid = other;
	tell(run_delay() - delay);
	if (!fgets(line, sizeof(line), stdin))
		line[0] = 0;
	if (other > 0)
		kill(other, SIGKILL);
	return 0;
}
