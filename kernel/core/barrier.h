/*
 * When may the memory of an unlinked object be freed? When every other CPU that was inside the
 * kernel at that time has left it: until then one may still hold a pointer that it looked up.
 * Each CPU counts its entries and exits (odd: inside); nobody waits and nothing ticks. So whatever
 * shows an object to others, as a CPU shows its current thread, ends before the object is unlinked.
 * Model: kernel/model/barrier.pml.
 */
#pragma once

#include "kernel/core/cpu.h"
#include "kernel/core/object.h"

/* Free the object's memory once no CPU can look at it. */
void barrier_defer(struct object *object);

/* On the way out of the kernel and when idle: free what can be freed now. True: nothing is left. */
bool barrier_poll(void);
