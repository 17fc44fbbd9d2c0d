/*
 * Address spaces: what Linux calls an mm. One kernel space, one private memory indexed by address
 * that holds every private page, and the areas (vm_area) that say what lies where. The kernel's
 * regions repeat the areas; the areas know files, and what /proc shows.
 *
 * `lock` guards the areas. It is never held while user memory is touched. `moving` is held while
 * pages move (move.c) and while all of it is copied for a fork; user memory may be touched
 * meanwhile.
 */
#pragma once

#include "lib/base/tree.h"
#include "lib/oak/kernel.h"
#include "linux/core/lock.h"

struct task;
struct file;
struct inode;
struct thread_frame;

#define PROT_READ  1
#define PROT_WRITE 2
#define PROT_EXEC  4

#define PROT_GROWSDOWN 0x01000000
#define PROT_GROWSUP   0x02000000

#define MAP_SHARED          0x01
#define MAP_PRIVATE         0x02
#define MAP_SHARED_VALIDATE 0x03
#define MAP_TYPE            0x0f
#define MAP_FIXED           0x10
#define MAP_ANONYMOUS       0x20
#define MAP_GROWSDOWN       0x100
#define MAP_LOCKED          0x2000
#define MAP_STACK           0x20000
#define MAP_FIXED_NOREPLACE 0x100000
/* Ours, of areas only: what madvise(2) says of large pages, and of fork. */
#define AREA_LARGE      0x20000000
#define AREA_FORK_OMITS 0x40000000
#define AREA_FORK_WIPES 0x80000000u

/* So many an address space has: vm.max_map_count, as search engines and databases want it. */
#define AREAS_MAX 262144

struct vm_area {
    struct tree_node node;
    uint64_t start;
    uint64_t end;
    uint64_t covered; /* up to there the kernel has a region: less than end where the file ended */
    uint32_t protection;
    uint32_t flags;    /* MAP_SHARED or MAP_PRIVATE, MAP_LOCKED, MAP_GROWSDOWN, AREA_* */
    struct file *file; /* or NULL */
    uint64_t offset;   /* of start in the file */
    uint32_t special;  /* slot of a memory that the personality shows (vDSO, time page); 0: none */
    struct shared_pages *shared; /* MAP_SHARED and anonymous */
    const char *name;            /* "[stack]", "[heap]"; or NULL */
    bool stores;                 /* counted in inode->stored of its file */
};

/*
 * Regions of an address space that is not in use yet: exec makes them together, with a call for the
 * most that one takes, not with one each.
 */
#define MM_BATCH_REGIONS (1 + REGION_MORE_MAX)
struct mm_batch {
    uint32_t count;
    uint64_t words[MM_BATCH_REGIONS][REGION_WORDS];
};

struct mm {
    uint32_t references; /* atomic */
    struct mutex lock;
    struct mutex moving;
    struct tree areas; /* by start */
    uint32_t area_count;
    uint32_t space; /* slots */
    uint32_t memory;
    uint64_t map_top; /* mappings are placed downwards from here */
    /* No gap between there and map_top is larger than that; under the lock. */
    uint64_t searched_to;
    uint64_t searched_gap;
    uint64_t brk_start;
    uint64_t brk_end;
    uint64_t argument_start, argument_end;
    uint64_t environment_start, environment_end;
    uint64_t auxv_start, auxv_end; /* what the kernel told the program, on its stack */
    uint64_t pages_mapped;
    uint64_t resident_peak; /* pages, and when they were counted last; under the lock */
    uint64_t resident_looked_ns;
    uint32_t barriers;      /* what membarrier(2) is registered for; atomic */
    bool has_fork_advice;   /* some area had AREA_FORK_*; under the lock */
    struct mm_batch *batch; /* NULL: regions are made at once; under the lock */
    bool undumpable; /* PR_SET_DUMPABLE; who may look, task_may_access of capability.h says */
};

/* A fresh, empty one with one reference; NULL: no memory. */
struct mm *mm_new(void);
/* From here on the new mm's regions wait; mm_batch_end makes them: 0, -EACCES, -ENOMEM. */
void mm_batch_begin(struct mm *mm, struct mm_batch *batch);
long mm_batch_end(struct mm *mm);
/* A copy-on-write copy, for fork. */
struct mm *mm_copy(struct mm *mm);
static inline void mm_get(struct mm *mm)
{
    __atomic_fetch_add(&mm->references, 1, __ATOMIC_RELAXED);
}
/* The last one destroys the space: no thread may be in it. */
void mm_put(struct mm *mm);

/* address 0: wherever there is room. The address, or -errno. */
long mm_map(struct mm *mm, uint64_t address, uint64_t length, uint32_t protection, uint32_t flags,
            struct file *file, uint64_t offset, const char *name);
long mm_unmap(struct mm *mm, uint64_t address, uint64_t length);

/* Pages of a memory that stays the personality's; shared by whoever forks, never writable. */
long mm_map_special(struct mm *mm, uint64_t address, uint64_t length, uint32_t slot,
                    uint64_t offset, uint32_t protection, const char *name);

/* A page fault of the application that the kernel did not resolve: page in, or send a signal. */
void mm_fault(struct task *task, const struct thread_frame *frame);

/* The same for the personality's own access; false: EFAULT. */
bool mm_page_in(struct mm *mm, uint64_t address, uint64_t error);

/* What mlock(2) has locked; under the lock. */
uint64_t mm_locked_bytes(const struct mm *mm);

/* The area at or after the address; under the lock. */
struct vm_area *mm_area_from(const struct mm *mm, uint64_t address);
struct vm_area *mm_area_next(const struct vm_area *area);
struct vm_area *mm_area_previous(const struct vm_area *area);

/* A file that is mapped somewhere has become that short. No lock of files or address spaces is
 * held. */
void mm_file_shrunk(const struct inode *inode, uint64_t size_bytes);

/* How many areas map that open file. The same locks. */
uint64_t mm_file_attached(const struct file *file);

/* How many pages of the area are the process's own; an estimate when it has many. Under the lock.
 */
uint64_t mm_area_resident(const struct mm *mm, const struct vm_area *area);
/* Of all areas. Under the lock. */
uint64_t mm_resident(const struct mm *mm);
/* The most that was seen, now or when somebody asked before; looked at once in a while. */
uint64_t mm_resident_peak(struct mm *mm);

/*
 * To and from an address space that the caller has a reference to, as a debugger may: what is
 * mapped private can be read and written whatever the program may do there; writing copies the
 * page. 0 or -EFAULT; what was copied before stays copied. No lock is held.
 */
long mm_reach(struct mm *mm, uint64_t address, void *here, uint64_t length_bytes, bool write);

/* As the program itself may. */
long mm_transfer(struct mm *mm, uint64_t address, void *here, uint64_t length_bytes, bool write);

/* Copy out of an address space that the caller has a reference to; 0 or -EFAULT. */
long mm_read(struct mm *mm, uint64_t address, void *to, uint64_t length_bytes);
