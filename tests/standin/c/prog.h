/* SPDX-License-Identifier: Apache-2.0 */
/* What the programs have in common. */
#ifndef STANDIN_PROG_H
#define STANDIN_PROG_H

#include <stdint.h>

/* Ends the program with a message. */
_Noreturn void die(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* Ends the program if a CUDA call failed. */
void must(int rc, const char *what);

/* The number in an option's argument, or the end of the program. */
uint64_t number(const char *option, const char *text);

/* Seconds, with a fraction if wanted, as nanoseconds. */
uint64_t seconds_ns(const char *option, const char *text);

/* Pins the calling thread to a CPU; does nothing for a negative one. */
void pin_to(int cpu);

/* Prints "READY <pid>" and waits for a line on standard input. */
void wait_for_start(void);

/* Waits for the end of standard input. */
void wait_for_end(void);

#endif
