/*
 * The container as a whole: start from the template, the event thread, what the engine asks for,
 * and facts about the machine.
 *
 * The program's first thread initialises what no container differs in (template.c) and says
 * template_ready. A clone's first thread starts in the same memory: it makes the first task and is
 * its thread. The event thread, which serves the engine's requests and never blocks on a task, is
 * made when it may be needed (container_attend): a program that ends without waiting needs none.
 */
#pragma once

#include "lib/oak/clock.h"

struct console;
struct task;
struct time_page;

/* From entry.S: the template's first thread, and a clone's, with CONTAINER_ARGUMENT. */
_Noreturn void template_begin(void);
void container_begin(uint64_t argument);
extern char container_entry[];

/* Until somebody looks again whether there is memory for the event thread now. */
#define ATTEND_AGAIN_NS 10000000ull

/*
 * Is the event thread there? Until then there is one task. Written by that: before it waits
 * (wait_park), before it makes another task, and when the engine interrupts it, which wants
 * something or has not heard for a while whether the program was started.
 */
extern bool container_attended;
/* Make it; false: no memory. With no lock held. */
bool container_attend(void);

uint64_t cpu_xsave_mask(void);
uint32_t cpu_xsave_bytes(void);
uint32_t cpu_count(void);

/* The first thing a task does that the engine started; returns when its program may run. */
void container_launch(struct task *task);

/* The container's own process has ended, with wait4's status, and the container with it. */
_Noreturn void container_ended_now(struct console *console, int status, bool out_of_memory);

/* A process that the engine started has ended, with wait4's status. Puts the console. */
void container_process_ended(struct console *console, int status, bool out_of_memory);

const char *container_hostname(void);
void container_hostname_set(const char *name, uint32_t length_bytes);

/* What the applications may use and do use. */
struct container_memory {
    uint64_t total_bytes;
    uint64_t used_bytes;
};
struct container_memory container_memory_read(void);

/* Has a process ended because the applications' memory was used up? */
bool container_was_short(void);

/* What uname says. */
#define LINUX_RELEASE "6.1.0-oak"
#define LINUX_VERSION "#1 SMP Oak"
