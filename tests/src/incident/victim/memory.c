/* Want of memory: in a group whose limit is below what the victim uses, and beyond any limit. */
#include "victim.h"

#define PAGE 4096u
#define MIB (1ul << 20)
#define BUFFER (96 * MIB)
#define WRITTEN (512 * MIB)

static volatile char *buffer;
static size_t next_page;
static int written = -1;
static off_t next_write;
static char block[MIB];
/* What a turn takes while memory is not short, ns. */
static uint64_t warm;

static void map(void)
{
	if (buffer)
		munmap((void *)buffer, BUFFER);
	buffer = mmap(NULL, BUFFER, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (buffer == MAP_FAILED)
		exit(8);
	next_page = 0;
}

static void touch(void)
{
	buffer[next_page * PAGE]++;
	next_page = (next_page + 1) % (BUFFER / PAGE);
}

static void write_one(void)
{
	if (pwrite(written, block, MIB, next_write) < 0)
		exit(8);
	next_write = (next_write + (off_t)MIB) % (off_t)WRITTEN;
}

static void once(void)
{
	if (written >= 0)
		write_one();
	else
		touch();
}

/* The lab limits the group below what is in use when it is asked to. */
void memory_set_up(void)
{
	unsigned turns = BUFFER / PAGE;
	if (strstr(kind, "dirty")) {
		written = open("incident.memory", O_RDWR | O_CREAT | O_TRUNC, 0600);
		if (written < 0)
			exit(8);
		turns = 32;
	} else {
		map();
		for (unsigned i = 0; i < turns; i++)
			touch();
	}
	uint64_t before = boot();
	for (unsigned i = 0; i < turns; i++)
		once();
	warm = (boot() - before) / turns;
	ask("limit");
}

uint64_t squeeze(unsigned turn)
{
	uint64_t before = boot(), turns = 0;
	(void)turn;
	while (boot() - before < each) {
		/* Memory that was never touched: no limit, but a fault for each page. */
		if (strstr(kind, "fresh") && (turns == 0 || next_page == 0))
			map();
		once();
		turns++;
	}
	uint64_t took = boot() - before;
	return took > turns * warm ? took - turns * warm : 0;
}

static void *grow(void *unused)
{
	(void)unused;
	for (unsigned n = 0;; n++) {
		char *more = mmap(NULL, MIB, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
		if (more != MAP_FAILED)
			memset(more, 1, MIB);
		if (strstr(kind, "slow"))
			steady(apart);
		else if (n % 8 == 0 && !strstr(kind, "thread"))
			step(1);
	}
	return NULL;
}

/* Until the kernel ends it. */
void run_out(void)
{
	pthread_t thread;
	if (!strstr(kind, "thread"))
		grow(NULL);
	if (pthread_create(&thread, NULL, grow, NULL))
		exit(8);
	for (;;)
		step(1);
}
