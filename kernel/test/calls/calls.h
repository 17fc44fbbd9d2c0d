/*
 * Sequences of kernel calls by hostile programs, from random bytes:
 *
 *   world.c      init and three containers, and how all of it ends
 *   arguments.c  bytes become arguments, by what abi/syscalls.def says of each
 *   play.c       one input: who does what on which CPU, and when
 *   sweep.c      destruction at every moment of a call
 *   audit.c      what must hold whenever nobody is in the kernel
 */
#pragma once

#include "kernel/test/machine/machine.h"

#define RECORD_BYTES 16 /* of input, for each thing that happens */

/* Boot, and everything up to where the hostile programs begin. */
void world_make(void);
/* Init wakes somebody who waits, or puts somebody new in the place of who is dead. */
void world_stir(const uint8_t record[RECORD_BYTES]);
/* Init runs, on some CPU; and waits again. */
void world_awake(void);
void world_asleep(void);
/* One of the things that the thread's container has, for init to destroy. */
#define WORLD_VICTIMS       13
#define WORLD_VICTIM_MEMORY 9 /* the private memory of its spaces */
uint32_t world_victim(const struct thread *thread, uint32_t number);
void world_destroy(uint32_t victim);
/* Init destroys the containers; then all is as it was before they were made. */
void world_end(void);

/* The page where the programs' windows, and their applications' memory, begin to be mapped. */
#define WORLD_WINDOW      WINDOW_HEAP
#define WORLD_APPLICATION 0x400000ull
#define WORLD_FAR         0x600000000000ull
#define WORLD_PAGES       64
#define WORLD_SLOTS       96 /* that programs use */

/* Find out what each argument is; once. */
void arguments_prepare(void);
/* Fill the registers of a thread, and its frame, for the call that the record says. */
void arguments_fill(struct thread *thread, const uint8_t record[RECORD_BYTES]);
/* Before that: the last call's results may have been those of a receive. */
void arguments_note(const struct thread *thread);
/* Eight bytes, but for what is taken for stale. */
uint64_t arguments_word(const uint8_t *bytes);
/* An address that the byte names. */
uint64_t arguments_address(bool application, uint8_t byte);

/* The books are right; `deep`: every tree, every page table too. */
void audit(bool deep);

/*
 * A program's call is stopped at each place of its way through the kernel, every `stride`th, while
 * init destroys one thing of the program's container; `number` says which call, thing, arguments.
 */
void sweep(uint32_t number, uint32_t stride);
/* The same with call, thing, and what the arguments are made from told apart: for what was found,
 * which must stay the same when calls get other numbers. */
void sweep_call(uint32_t call, uint32_t victim, uint32_t seed, uint32_t stride);
#define SWEEPS (KERNEL_CALLS * WORLD_VICTIMS) /* then with other arguments */

/* One input, from the world as it was made to the world's end. */
void play(const uint8_t *input, size_t length_bytes);
