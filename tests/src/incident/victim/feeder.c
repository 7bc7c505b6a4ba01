/* Another process that the victim needs: one that feeds it, or the other rank of its collectives. */
#include "victim.h"

#include <dlfcn.h>

#include "../ranks.h"

pid_t other;

/* The other process is slow once when told so here, for so many ns. */
static volatile uint64_t *slow_each;
static int feed = -1;
static uint64_t fed_wait;

static void shared_start(void)
{
	slow_each = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (slow_each == MAP_FAILED)
		exit(6);
}

/* In the other process: what makes it slow, if it is told to be. */
static void be_slow(void)
{
	uint64_t ns = *slow_each;
	*slow_each = 0;
	if (!ns)
		return;
	each = ns;
	if (strstr(kind, "disk"))
		disk(0);
	else if (strstr(kind, "sleep"))
		sleep_ns(ns);
	else
		burn_cpu(ns);
}

void feeder_start(void)
{
	int ends[2];
	shared_start();
	if (strstr(kind, "disk"))
		io_set_up();
	if (pipe(ends))
		exit(6);
	other = fork();
	if (!other) {
		prctl(PR_SET_NAME, "feeder");
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		close(ends[0]);
		pin(0);
		for (;;) {
			be_slow();
			burn_cpu(200000);
			if (write(ends[1], "x", 1) != 1)
				_exit(0);
			sleep_ns(100000);
		}
	}
	close(ends[1]);
	feed = ends[0];
}

int fed(void)
{
	char token;
	if (feed < 0)
		return 0;
	uint64_t before = boot();
	if (read(feed, &token, 1) != 1)
		exit(4);
	uint64_t waited = boot() - before;
	if (waited > MS)
		fed_wait += waited;
	return 1;
}

uint64_t starve(unsigned turn)
{
	(void)turn;
	uint64_t before = fed_wait;
	*slow_each = each;
	while (*slow_each || fed_wait == before)
		step(1);
	step(1);
	return fed_wait - before;
}

typedef int (*all_reduce_fn)(const void *, void *, size_t, int, int, void *, void *);
static all_reduce_fn all_reduce;
static void *ranks;
static float data[256];

static uint64_t reduce(void)
{
	uint64_t before = boot();
	if (all_reduce(data, data, 256, 7, 0, ranks, stream))
		exit(7);
	return boot() - before;
}

void ranks_start(void)
{
	void *library = dlopen("libnccl.so.2", RTLD_NOW);
	int (*init)(void **, int, int, int) = library ? dlsym(library, "standin_ranks") : NULL;
	all_reduce = library ? (all_reduce_fn)dlsym(library, "ncclAllReduce") : NULL;
	if (!init || !all_reduce)
		exit(7);
	shared_start();
	if (strstr(kind, "disk"))
		io_set_up();
	int how = strstr(kind, "futex") ? RANKS_FUTEX : strstr(kind, "socket") ? RANKS_SOCKET : RANKS_SPIN;
	if (init(&ranks, 2, 0, how))
		exit(7);
	other = fork();
	if (!other) {
		prctl(PR_SET_NAME, "rank1");
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		pin(0);
		void (*other_rank)(void *) = dlsym(library, "standin_other_rank");
		int (*due)(void *) = dlsym(library, "standin_due");
		other_rank(ranks);
		/* Comes when the other one is there, as a rank with as much work would; sometimes later. */
		for (;;) {
			while (!due(ranks))
				sleep_ns(50 * 1000);
			be_slow();
			reduce();
		}
	}
}

void collective(unsigned turn)
{
	if (all_reduce && turn % 20 == 0)
		reduce();
}

uint64_t late_rank(unsigned turn)
{
	(void)turn;
	*slow_each = each;
	return reduce();
}
