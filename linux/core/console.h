/*
 * Consoles: the three streams of a process that the engine started, over its channel
 * (abi/container.h), as open files: plain streams, or a tty.
 */
#pragma once

#include "lib/base/types.h"

struct console;
struct file;
struct tty;

/* The console of that process number, over the channel's memory (a slot; taken over), which holds a
 * specification of so many bytes. */
long console_new(uint32_t process, uint32_t slot, uint64_t specification_bytes,
                 struct console **out);
void console_get(struct console *console);
void console_put(struct console *console);

uint32_t console_process(const struct console *console);
/* The specification as it lies in the channel, or in the first thread's message, which the next
 * call may write over: copy before checking. NULL: no memory. */
const void *console_specification(struct console *console, uint64_t specification_bytes);

/* A tty on the streams; once. */
long console_make_tty(struct console *console);
struct tty *console_tty(struct console *console); /* NULL: plain streams */

/* A file of stream 0, 1 or 2 (a tty: the same for all); NULL: no memory. */
struct file *console_open(struct console *console, int stream);

/* Say in the channel of the container's own process that the event thread is there. */
void consoles_attended(void);

/* Count in the channel of the container's own process, where the engine reads it. */
void console_count_missing(uint32_t counter);

/* No output comes any more: closes stdout and stderr. */
void console_finish(struct console *console);

/* The engine raised EVENT_INPUT or EVENT_OUTPUT: look at all consoles. */
void consoles_look(uint64_t events);
