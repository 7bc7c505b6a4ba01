/* Two things that happen to one thread: one after the other, by turns, or one inside the other. */
#include "victim.h"

/* Of `kind`: "disjoint lock+kernel", "by-turns read+lock", "nested hog-in-kernel". */
static const struct known {
	const char *word, *cause;
	act what;
} known[] = {
	{"lock", "blocked_lock", wait_for_lock}, {"kernel", "gpu_wait", long_kernel},
	{"read", "blocked_io", disk},            {"alloc", "allocator", allocate},
	{"load", "first_use", load},             {"stop", "signal_stop", stopped},
	{"hog", "cpu_contention", NULL},
};

static struct part {
	const struct known *of;
	uint64_t size;
	struct label label;
} parts[2];

static int has(const char *word)
{
	return parts[0].of == NULL || !strcmp(parts[0].of->word, word) || !strcmp(parts[1].of->word, word);
}

void several_set_up(void)
{
	const char *words = strchr(kind, ' ') + 1;
	const char *second = strpbrk(words, "+-");
	for (unsigned i = 0; i < sizeof(known) / sizeof(*known); i++) {
		if (!strncmp(words, known[i].word, strlen(known[i].word)))
			parts[0].of = &known[i];
		if (!strcmp(strrchr(kind, *second) + 1, known[i].word))
			parts[1].of = &known[i];
	}
	parts[0].size = each;
	parts[1].size = each_second;
	if (has("kernel")) {
		char name[64];
		uint64_t size = !strcmp(parts[0].of->word, "kernel") ? parts[0].size : parts[1].size;
		snprintf(name, sizeof(name), "long@%llu:200", (unsigned long long)(size / 1000));
		slow = function(name);
		launch(slow);
		cuStreamSynchronize(stream);
	}
	if (has("read"))
		io_set_up();
}

static void happens(unsigned which, unsigned turn)
{
	struct part *part = &parts[which];
	if (!part->label.from)
		part->label.from = boot();
	each = part->size;
	label.pid = label.tid = 0;
	uint64_t took = part->of->what(turn);
	part->label.injected += took;
	part->label.to = boot();
	if (label.pid) {
		part->label.pid = label.pid;
		part->label.tid = label.tid;
	}
}

/* A module that is read from a slow disk. */
static void read_in_load(unsigned turn)
{
	char name[64];
	CUmodule own;
	CUfunction cold;
	struct part *part = &parts[1];
	if (!part->label.from)
		part->label.from = boot();
	uint64_t asking = on_cpu();
	happens(0, turn);
	/* The work of reading it is part of the load, the wait for the disk is not. */
	part->label.injected += on_cpu() - asking;
	snprintf(name, sizeof(name), "cold_%03u@5:%llu", turn, (unsigned long long)(part->size / 1000));
	uint64_t before = boot();
	cuModuleLoadData(&own, name);
	cuModuleGetFunction(&cold, own, name);
	launch(cold);
	part->label.injected += boot() - before;
	part->label.to = boot();
}

/* Stopped while it waits for a kernel that is longer than the stop. */
static void stop_in_kernel(void)
{
	struct part *stop = &parts[0], *wait = &parts[1];
	pid_t parent = getpid(), child = fork();
	if (!child) {
		prctl(PR_SET_NAME, "stopper");
		pin(0);
		sleep_ns(8 * MS);
		kill(parent, SIGSTOP);
		sleep_ns(stop->size);
		kill(parent, SIGCONT);
		_exit(0);
	}
	/* It leaves this CPU only while there is room on it. */
	steady(3 * MS);
	uint64_t from = boot(), took = long_kernel(0);
	if (!stop->label.from)
		stop->label.from = wait->label.from = from;
	stop->label.pid = stop->label.tid = child;
	stop->label.to = wait->label.to = boot();
	stop->label.injected += stop->size;
	wait->label.injected += took > stop->size ? took - stop->size : 0;
	waitpid(child, NULL, 0);
}

/* Waits for kernels while somebody takes its CPU: what it waits without having it is his. */
static void hog_in_kernel(void)
{
	struct part *taken = &parts[0], *wait = &parts[1];
	uint64_t all = beyond_usual();
	hogs_start(1, 4 * MS, count * (wait->size + apart) + 50 * MS);
	taken->label.from = wait->label.from = boot();
	taken->label.pid = taken->label.tid = hog_pid();
	for (unsigned i = 0; i < count; i++) {
		uint64_t before = run_delay(), took = long_kernel(i);
		wait->label.injected += took - (run_delay() - before);
		wait->label.to = boot();
		steady(apart);
	}
	hogs_end();
	taken->label.to = boot();
	steady(20 * MS);
	taken->label.injected = beyond_usual() - all;
}

void several(void)
{
	label.from = boot();
	if (has("lock"))
		lock_start();
	if (strstr(kind, "hog-in"))
		hog_in_kernel();
	for (unsigned i = 0; i < count && !strstr(kind, "hog-in"); i++) {
		if (strstr(kind, "read-in"))
			read_in_load(i);
		else if (strstr(kind, "stop-in"))
			stop_in_kernel();
		else
			happens(0, i);
		steady(apart);
		if (strstr(kind, "by-turns")) {
			happens(1, i);
			steady(apart);
		}
	}
	if (strstr(kind, "disjoint")) {
		steady(300 * MS);
		for (unsigned i = 0; i < count; i++) {
			happens(1, i);
			steady(apart);
		}
	}
	if (has("lock"))
		lock_end();
	label.to = boot();
	label.pid = label.tid = 0;
	for (unsigned i = 0; i < 2; i++) {
		struct part *p = &parts[i];
		label.injected += p->label.injected;
		printf("part %s %llu %llu %llu %d %d\n", p->of->cause, (unsigned long long)p->label.from,
		       (unsigned long long)p->label.to, (unsigned long long)p->label.injected, p->label.pid,
		       p->label.tid);
	}
}
