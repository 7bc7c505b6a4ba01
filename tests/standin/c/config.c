// SPDX-License-Identifier: Apache-2.0
// Settings of the stand-in driver, from the environment.
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "gpu.h"

static struct config config;
static pthread_once_t once = PTHREAD_ONCE_INIT;

static uint64_t number(const char *name, uint64_t otherwise)
{
	const char *text = getenv(name);
	char *end;

	if (!text || !*text)
		return otherwise;
	unsigned long long value = strtoull(text, &end, 10);
	return *end ? otherwise : value;
}

static void read_config(void)
{
	const char *sync = getenv("STANDIN_SYNC");
	const char *log = getenv("STANDIN_LOG");

	config.launch_ns = number("STANDIN_LAUNCH_NS", 1200);
	config.alloc_mib_ns = number("STANDIN_ALLOC_US_PER_MIB", 0) * 1000;
	config.module_load_ns = number("STANDIN_MODULE_LOAD_US", 200) * 1000;
	config.sync_override = -1;
	if (sync && !strcmp(sync, "block"))
		config.sync_override = WAIT_BLOCK;
	else if (sync && !strcmp(sync, "yield"))
		config.sync_override = WAIT_YIELD;
	else if (sync && !strcmp(sync, "spin"))
		config.sync_override = WAIT_SPIN;
	config.log_fd = -1;
	if (!log || !*log)
		return;
	config.log_fd = open(log, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644);
	if (config.log_fd < 0)
		fprintf(stderr, "standin: no first-use log: cannot open %s\n", log);
}

const struct config *config_get(void)
{
	pthread_once(&once, read_config);
	return &config;
}
