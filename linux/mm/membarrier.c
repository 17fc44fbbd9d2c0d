/*
 * membarrier(2) between the threads of one process. The barrier is a shootdown: taking a page away
 * from all CPUs that run the process and giving it back waits until each of them has been
 * interrupted, which orders its memory accesses and its instructions. The page is [vvar]: it is in
 * every process, and who misses it meanwhile faults and finds it again.
 */
#include "lib/oak/kernel.h"
#include "linux/core/errno.h"
#include "linux/core/syscalls.h"
#include "linux/core/user.h"
#include "linux/mm/area.h"
#include "linux/proc/task.h"
#include "linux/vdso/vdso.h"

#define CMD_QUERY                       0
#define CMD_PRIVATE_EXPEDITED           8
#define CMD_REGISTER_PRIVATE            16
#define CMD_PRIVATE_EXPEDITED_SYNC_CORE 32
#define CMD_REGISTER_PRIVATE_SYNC_CORE  64
#define CMD_ALL                                                                                    \
    (CMD_PRIVATE_EXPEDITED | CMD_REGISTER_PRIVATE | CMD_PRIVATE_EXPEDITED_SYNC_CORE |              \
     CMD_REGISTER_PRIVATE_SYNC_CORE)

/*
 * If another one takes the page away between our touch and our lock, there is nothing to shoot down
 * for us: then its barrier came after our call began, and is ours too.
 */
static long barrier(struct mm *mm)
{
    uint8_t byte;
    if (copy_from_user(&byte, VVAR_ADDRESS, sizeof(byte)) != 0) {
        return -ENOMEM; /* the program has unmapped it */
    }
    mutex_lock(&mm->lock);
    const struct vm_area *area = mm_area_from(mm, VVAR_ADDRESS);
    bool there = area != NULL && area->start <= VVAR_ADDRESS && area->special != 0;
    if (there) {
        (void)kernel_region_protect(mm->space, VVAR_ADDRESS, PAGE_SIZE, region_rights(area, 0));
        (void)kernel_region_protect(mm->space, VVAR_ADDRESS, PAGE_SIZE,
                                    region_rights(area, area->protection));
    }
    mutex_unlock(&mm->lock);
    return there ? 0 : -ENOMEM;
}

long linux_membarrier(uint64_t command, uint64_t flags, uint64_t c, uint64_t d, uint64_t e,
                      uint64_t f)
{
    (void)c, (void)d, (void)e, (void)f;
    struct mm *mm = task_current()->mm;
    if (flags != 0) {
        return -EINVAL;
    }
    switch ((int)command) {
    case CMD_QUERY:
        return CMD_ALL;
    case CMD_REGISTER_PRIVATE:
    case CMD_REGISTER_PRIVATE_SYNC_CORE:
        __atomic_fetch_or(&mm->barriers, (uint32_t)command, __ATOMIC_RELAXED);
        return 0;
    case CMD_PRIVATE_EXPEDITED:
    case CMD_PRIVATE_EXPEDITED_SYNC_CORE:
        /* The bit of a command's registration is the next one. */
        return __atomic_load_n(&mm->barriers, __ATOMIC_RELAXED) & (uint32_t)command << 1
                   ? barrier(mm)
                   : -EPERM;
    default:
        return -EINVAL;
    }
}
