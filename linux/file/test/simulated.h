/*
 * What file systems of the personality stand on, simulated on the host: an image in a file, the
 * heap, kernel memories (memfds), the window, the application's memory. One thread: a lock that is
 * taken twice ends the test.
 */
#pragma once

#include "lib/base/types.h"

/* Run a shell script in a fresh directory, which is removed at the end of the test; 0: it worked.
 */
int simulated_shell(const char *script);
/* The image: a file in that directory, or a copy of bytes (rounded up to pages with zeros). */
void simulated_image_file(const char *name);
void simulated_image_bytes(const void *bytes, size_t length_bytes);

/* How many pages all memories may have together, and how many they have. */
extern uint64_t simulated_pages_limit;
uint64_t simulated_pages_used(void);
/* How many memories exist. */
uint32_t simulated_memories(void);

/* Fail the allocation after that many; -1: never. */
extern long simulated_heap_countdown;

/* Called once, at the next access to the application's memory: what a fault there would do. */
extern void (*simulated_fault)(void);
/* Addresses from here on are not there. */
extern uint64_t simulated_user_end;

/* Bytes of a memory, as a mapping shows them or stores them. */
void simulated_memory_read(uint32_t slot, uint64_t offset, void *to, size_t length_bytes);
void simulated_memory_write(uint32_t slot, uint64_t offset, const void *from, size_t length_bytes);
bool simulated_memory_present(uint32_t slot, uint64_t offset);

/* Nobody watches: as linux/file/inode.h has it. */
struct inode;
void inode_watches_end(struct inode *inode);
