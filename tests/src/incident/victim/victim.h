/* A program to which one known thing happens, or two: what its parts share. */
#ifndef VICTIM_H
#define VICTIM_H

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
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "../../../standin/c/clock.h"
#include "../../../standin/c/cuda.h"

#define MS 1000000ull
/* One turn of the loop, ns. */
#define PERIOD (400 * 1000ull)

/* What happened: when (CLOCK_BOOTTIME), how much time it took away, and by whom. */
struct label {
	uint64_t from, to, injected;
	int pid, tid;
};

/* Something that takes time away once, and how much it took, ns. */
typedef uint64_t (*act)(unsigned turn);

/* What is asked for: how often, how long each, how far apart (ns), and which kind. */
extern unsigned count;
extern uint64_t each, each_second, apart;
extern const char *kind;

extern struct label label;
extern CUmodule module;
extern CUstream stream;
extern CUfunction gemm, slow;
extern int real_time;

/* main.c */
uint64_t boot(void);
uint64_t run_delay(void);
/* Of `run_delay`, what is more than waking up usually took in as much time; only differences mean something. */
uint64_t beyond_usual(void);
uint64_t on_cpu(void);
CUfunction function(const char *name);
void launch(CUfunction f);
void step(unsigned slower);
void steady(uint64_t ns);
void times(act what);
void pin(int cpu);
void below_all(void);
/* Prints a word and waits until the lab has done what it stands for. */
void ask(const char *word);

/* delays.c */
void hog(void);
void hogs_start(unsigned n, uint64_t busy, uint64_t ns);
pid_t hog_pid(void);
void hogs_end(void);
uint64_t wait_for_lock(unsigned turn);
void lock_start(void);
void lock_end(void);
uint64_t disk(unsigned turn);
void io_set_up(void);
uint64_t stopped(unsigned turn);
void slower(void);

/* calls.c */
uint64_t load(unsigned turn);
uint64_t long_kernel(unsigned turn);
uint64_t long_copy(unsigned turn);
uint64_t allocate(unsigned turn);
void storm(void);

/* feeder.c: another process, which the victim needs each turn or now and then */
extern pid_t other;
void feeder_start(void);
/* Waits for what the feeder gives; 0 if there is none. */
int fed(void);
uint64_t starve(unsigned turn);
void ranks_start(void);
/* Takes part in a collective each 20th turn, if there are ranks. */
void collective(unsigned turn);
uint64_t late_rank(unsigned turn);

/* memory.c */
void memory_set_up(void);
uint64_t squeeze(unsigned turn);
void run_out(void);

/* several.c */
void several_set_up(void);
void several(void);

/* quiet.c */
void quiet(void);
void threads_start(unsigned n);

#endif
