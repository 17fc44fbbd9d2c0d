/*
 * The machine as it was at one moment: the kernel's and the machine's variables, which the linker
 * puts side by side (state.ld), and physical memory in use with what the address sanitizer knows of
 * it. No stack: every CPU runs a thread. Its own variables lie elsewhere.
 */
#include "kernel/test/machine/machine.h"

#include <sanitizer/asan_interface.h>
#include <stdlib.h>
#include <sys/mman.h>

#include "kernel/core/frame.h"
#include "kernel/x86_64/memory_map.h"

#define PIECES_MAX (MACHINE_FRAMES + 64)

struct piece {
    uint8_t *at;
    size_t size_bytes;
    uint8_t *copy;
    uint8_t *shadow_copy; /* NULL: nothing of it is ever poisoned otherwise */
};

extern uint8_t machine_state_start[];
extern uint8_t machine_state_end[];

static struct piece pieces[PIECES_MAX];
static uint32_t piece_count;

/* Poisoned or not. */
static void bytes_copy(void *to, const void *from, size_t length_bytes)
{
    __asm__ volatile("rep movsb" : "+D"(to), "+S"(from), "+c"(length_bytes) : : "memory");
}

static uint8_t *shadow_of(const void *at)
{
    size_t scale;
    size_t offset;
    __asan_get_shadow_mapping(&scale, &offset);
    return (uint8_t *)(((uintptr_t)at >> scale) + offset);
}

static size_t shadow_bytes(size_t size_bytes)
{
    return size_bytes / 8;
}

static uint8_t *copy_of(const void *at, size_t size_bytes)
{
    uint8_t *copy = mmap(NULL, ALIGN_UP(size_bytes, PAGE_SIZE), PROT_READ | PROT_WRITE,
                         MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (copy == MAP_FAILED || piece_count == PIECES_MAX) {
        machine_fail("no memory for a snapshot");
    }
    bytes_copy(copy, at, size_bytes);
    return copy;
}

static void piece_take(uint8_t *at, size_t size_bytes, bool shadow)
{
    pieces[piece_count] = (struct piece){at, size_bytes, copy_of(at, size_bytes), NULL};
    if (shadow) {
        pieces[piece_count].shadow_copy = copy_of(shadow_of(at), shadow_bytes(size_bytes));
    }
    piece_count++;
}

static bool frame_in_use(uint64_t physical)
{
    return physical < MACHINE_IMAGE_END || !(frame_of_physical(physical)->flags & FRAME_FREE);
}

void machine_snapshot_take(void)
{
    for (uint32_t i = 0; i < MACHINE_CPUS; i++) {
        if (machine_state(i) != MACHINE_USER) {
            machine_fail("CPU %u runs no thread", i);
        }
    }
    memory_release_kept();
    piece_take(machine_state_start, (size_t)(machine_state_end - machine_state_start), false);
    for (uint64_t physical = 0; physical < machine.ram_end; physical += PAGE_SIZE) {
        bool memory = physical < MACHINE_IMAGE_END || physical >= MACHINE_RAM_START;
        if (memory && frame_in_use(physical)) {
            piece_take(physical_pointer(physical), PAGE_SIZE, true);
        }
    }
}

void machine_snapshot_restore(void)
{
    __asan_poison_memory_region(physical_pointer(0), machine.ram_end);
    for (uint32_t i = 0; i < piece_count; i++) {
        const struct piece *piece = &pieces[i];
        bytes_copy(piece->at, piece->copy, piece->size_bytes);
        if (piece->shadow_copy != NULL) {
            bytes_copy(shadow_of(piece->at), piece->shadow_copy, shadow_bytes(piece->size_bytes));
        }
    }
    /* What was free may have been zeroed and said so. */
    for (uint64_t physical = machine.ram[0].start; physical < machine.ram_end;
         physical += PAGE_SIZE) {
        if (frame_of_physical(physical)->flags & FRAME_ZEROED) {
            machine_fail("a frame was zeroed before the snapshot");
        }
    }
}
