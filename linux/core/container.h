/*
 * The container as a whole: start from the template, the event thread, what the engine asks for,
 * and facts about the machine.
 */
#pragma once

#include "lib/base/types.h"

uint64_t clock_now_ns(void);
uint64_t clock_wall_ns(void);

uint64_t cpu_xsave_mask(void);
uint32_t cpu_xsave_bytes(void);

/* Count a call that does not exist, and tell the engine of it the first time. */
void container_missing_call(uint64_t number);

struct console;
/* A process that the engine started has ended, with wait4's status. */
void container_process_ended(struct console *console, int status, bool out_of_memory);

const char *container_hostname(void);
