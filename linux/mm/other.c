/*
 * Other processes' memory: process_vm_readv(2) and process_vm_writev(2), and reading for /proc. The
 * caller enters the other space for a copy, and says so in task->visited_mm, for which its faults
 * are mended. task->mm stays: others judge by it whose memory they reach through this task.
 */
#include "lib/oak/kernel.h"
#include "linux/core/errno.h"
#include "linux/core/heap.h"
#include "linux/core/syscalls.h"
#include "linux/core/user.h"
#include "linux/file/io.h"
#include "linux/mm/mm.h"
#include "linux/proc/capability.h"
#include "linux/proc/signal.h"

#define VECTORS_MAX 1024u
#define PIECE_BYTES PAGE_SIZE

long mm_transfer(struct mm *mm, uint64_t address, void *here, uint64_t length_bytes, bool write)
{
    struct task *task = task_current();
    bool other = mm != task->mm;
    if (other) {
        task->visited_mm = mm;
        (void)kernel_thread_set_space(mm->space);
    }
    long result = write ? copy_to_user(address, here, length_bytes)
                        : copy_from_user(here, address, length_bytes);
    if (other) {
        (void)kernel_thread_set_space(task->mm->space);
        task->visited_mm = NULL;
    }
    return result;
}

long mm_read(struct mm *mm, uint64_t address, void *to, uint64_t length_bytes)
{
    return mm_transfer(mm, address, to, length_bytes, false);
}

/* --- the calls ------------------------------------------------------------------------------- */

/* With a reference. */
static long mm_of(int pid, struct mm **out)
{
    mutex_lock(&tasks_lock);
    const struct task *task = task_find(pid);
    long result = task == NULL || task->mm == NULL        ? -ESRCH
                  : task_may_access(task, ACCESS_BY_REAL) ? 0
                                                          : -EPERM;
    if (result == 0) {
        *out = task->mm;
        mm_get(*out);
    }
    mutex_unlock(&tasks_lock);
    return result;
}

struct vectors {
    struct io_vector *vector;
    uint64_t count;
    uint64_t index;
    uint64_t offset; /* in that one */
};

static long vectors_read(struct vectors *vectors, uint64_t user_vector, uint64_t count)
{
    if (count > VECTORS_MAX) {
        return -EINVAL;
    }
    vectors->count = count;
    vectors->vector = heap_alloc((count + 1) * sizeof(struct io_vector));
    if (vectors->vector == NULL) {
        return -ENOMEM;
    }
    if (copy_from_user(vectors->vector, user_vector, count * sizeof(struct io_vector)) != 0) {
        return -EFAULT;
    }
    for (uint64_t i = 0; i < count; i++) {
        if (vectors->vector[i].length_bytes > INT64_MAX) {
            return -EINVAL;
        }
    }
    return 0;
}

/* The bytes left of the present range; 0: no more ranges. */
static uint64_t vectors_left(struct vectors *vectors)
{
    while (vectors->index < vectors->count) {
        uint64_t left = vectors->vector[vectors->index].length_bytes - vectors->offset;
        if (left != 0) {
            return left;
        }
        vectors->index++;
        vectors->offset = 0;
    }
    return 0;
}

static uint64_t vectors_address(const struct vectors *vectors)
{
    return vectors->vector[vectors->index].base + vectors->offset;
}

/* Piece by piece, none across a page of the other: what cannot be had ends it there. */
static long vectors_move(struct mm *mm, struct vectors *local, struct vectors *remote, bool write)
{
    uint8_t *buffer = heap_alloc(PIECE_BYTES);
    if (buffer == NULL) {
        return -ENOMEM;
    }
    uint64_t moved = 0;
    long result = 0;
    for (;;) {
        uint64_t piece = MIN(vectors_left(local), vectors_left(remote));
        if (piece == 0 || (moved != 0 && signal_ends(task_current()))) {
            break;
        }
        uint64_t there = vectors_address(remote);
        uint64_t here = vectors_address(local);
        piece = MIN(piece, PAGE_SIZE - there % PAGE_SIZE);
        result = write ? copy_from_user(buffer, here, piece)
                       : mm_transfer(mm, there, buffer, piece, false);
        if (result == 0) {
            result = write ? mm_transfer(mm, there, buffer, piece, true)
                           : copy_to_user(here, buffer, piece);
        }
        if (result != 0) {
            break;
        }
        moved += piece;
        local->offset += piece;
        remote->offset += piece;
    }
    heap_free(buffer);
    return moved != 0 ? (long)moved : result;
}

static long process_transfer(uint64_t pid, uint64_t user_local, uint64_t local_count,
                             uint64_t user_remote, uint64_t remote_count, bool write)
{
    struct vectors local = {.vector = NULL};
    struct vectors remote = {.vector = NULL};
    struct mm *mm;
    long result = vectors_read(&local, user_local, local_count);
    if (result == 0) {
        result = vectors_read(&remote, user_remote, remote_count);
    }
    if (result == 0) {
        result = mm_of((int)pid, &mm);
    }
    if (result == 0) {
        result = vectors_move(mm, &local, &remote, write);
        mm_put(mm);
    }
    heap_free(local.vector);
    heap_free(remote.vector);
    return result;
}

long linux_process_vm_readv(uint64_t pid, uint64_t local, uint64_t local_count, uint64_t remote,
                            uint64_t remote_count, uint64_t flags)
{
    return flags != 0 ? -EINVAL
                      : process_transfer(pid, local, local_count, remote, remote_count, false);
}

long linux_process_vm_writev(uint64_t pid, uint64_t local, uint64_t local_count, uint64_t remote,
                             uint64_t remote_count, uint64_t flags)
{
    return flags != 0 ? -EINVAL
                      : process_transfer(pid, local, local_count, remote, remote_count, true);
}
