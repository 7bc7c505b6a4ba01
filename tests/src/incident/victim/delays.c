/* What others do to the victim: take its CPU, hold its lock, stop it, keep it waiting for a disk. */
#include "victim.h"

static pid_t hogs[4];

/* Above the victim, so that it is these that have the CPU, on a shared machine too. */
void hogs_start(unsigned n, uint64_t busy, uint64_t ns)
{
	struct sched_param above = {.sched_priority = 20};
	for (unsigned i = 0; i < n && i < 4; i++) {
		hogs[i] = fork();
		if (hogs[i])
			continue;
		prctl(PR_SET_NAME, "hog");
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		pin(1);
		sched_setscheduler(0, SCHED_FIFO, &above);
		uint64_t end = clock_mono() + ns;
		while (clock_mono() < end) {
			spin_until(clock_mono() + busy);
			sleep_ns(busy * 2);
		}
		_exit(0);
	}
}

pid_t hog_pid(void)
{
	return hogs[0];
}

/* Works on until they are gone. */
void hogs_end(void)
{
	for (unsigned i = 0; i < 4; i++)
		while (hogs[i] > 0 && waitpid(hogs[i], NULL, WNOHANG) == 0)
			step(1);
}

void hog(void)
{
	unsigned n = strstr(kind, "two") ? 2 : 1;
	uint64_t busy = strstr(kind, "long") ? 40 * MS : strstr(kind, "two") ? 8 * MS : 4 * MS;
	uint64_t before = beyond_usual();
	hogs_start(n, busy, each);
	label.pid = label.tid = hogs[0];
	steady(each + 30 * MS);
	hogs_end();
	label.to = boot();
	steady(20 * MS);
	label.injected = beyond_usual() - before;
}

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_t holding;
static int held, asked, over, holder_tid;

static void *holder(void *unused)
{
	(void)unused;
	prctl(PR_SET_NAME, "holder");
	pin(0);
	__atomic_store_n(&holder_tid, (int)syscall(SYS_gettid), __ATOMIC_RELEASE);
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

void lock_start(void)
{
	pthread_create(&holding, NULL, holder, NULL);
	while (!__atomic_load_n(&holder_tid, __ATOMIC_ACQUIRE))
		step(1);
}

void lock_end(void)
{
	__atomic_store_n(&over, 1, __ATOMIC_RELEASE);
	pthread_join(holding, NULL);
}

uint64_t wait_for_lock(unsigned turn)
{
	(void)turn;
	label.pid = getpid();
	label.tid = holder_tid;
	__atomic_store_n(&held, 0, __ATOMIC_RELEASE);
	__atomic_store_n(&asked, 1, __ATOMIC_RELEASE);
	while (!__atomic_load_n(&held, __ATOMIC_ACQUIRE))
		step(1);
	uint64_t before = boot();
	pthread_mutex_lock(&lock);
	pthread_mutex_unlock(&lock);
	return boot() - before;
}

static int file = -1;
static void *block;
#define BLOCK (1u << 20)

/* Reads past the page cache, or writes and waits for the disk, until it took as long as asked for. */
uint64_t disk(unsigned turn)
{
	uint64_t before = boot(), cpu = on_cpu();
	for (unsigned n = 0; boot() - before < each; n++) {
		off_t at = (off_t)((turn * 7 + n) % 64) * BLOCK;
		if (strstr(kind, "write")) {
			if (pwrite(file, block, 16384, at) < 0 || fsync(file))
				exit(5);
		} else if (pread(file, block, BLOCK, at) < 0) {
			exit(5);
		}
	}
	/* What it took but for the work of asking. */
	return boot() - before - (on_cpu() - cpu);
}

void io_set_up(void)
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

uint64_t stopped(unsigned turn)
{
	(void)turn;
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

void slower(void)
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
