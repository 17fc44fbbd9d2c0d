#include "linux/file/test/simulated.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "lib/base/test/check.h"
#include "linux/core/heap.h"
#include "linux/core/image.h"
#include "linux/core/lock.h"
#include "linux/core/window.h"
#include "linux/file/test/simulated_kernel.h"

#define FAULT (-14)
#define IO    (-5)

long user_copy(void *to, const void *from, uint64_t length_bytes);
long copy_to_user(uint64_t to, const void *from, uint64_t length_bytes);
long copy_from_user(void *to, uint64_t from, uint64_t length_bytes);
long clear_user(uint64_t to, uint64_t length_bytes);
uint64_t clock_wall_ns(void);

/* --- the image ------------------------------------------------------------------------------- */

static char directory[64];
static uint8_t *image;
static uint64_t image_bytes;

static void directory_remove(void)
{
    char command[128];
    snprintf(command, sizeof(command), "rm -rf %s", directory);
    (void)!system(command);
}

int simulated_shell(const char *script)
{
    if (directory[0] == 0) {
        strcpy(directory, "/tmp/file-test-XXXXXX");
        CHECK(mkdtemp(directory) != NULL);
        atexit(directory_remove);
    }
    size_t bytes = strlen(script) + 128;
    char *command = malloc(bytes);
    snprintf(command, bytes, "set -e; cd %s; %s", directory, script);
    int status = system(command);
    free(command);
    return status;
}

void simulated_image_bytes(const void *bytes, size_t length_bytes)
{
    free(image);
    image_bytes = ALIGN_UP(length_bytes, (size_t)PAGE_SIZE);
    image = calloc(1, image_bytes + 1);
    memcpy(image, bytes, length_bytes);
}

void simulated_image_file(const char *name)
{
    char path[256];
    snprintf(path, sizeof(path), "%s/%s", directory, name);
    int fd = open(path, O_RDONLY);
    CHECK(fd >= 0);
    off_t size = lseek(fd, 0, SEEK_END);
    void *bytes = malloc((size_t)size);
    CHECK(pread(fd, bytes, (size_t)size, 0) == size);
    close(fd);
    simulated_image_bytes(bytes, (size_t)size);
    free(bytes);
}

const uint8_t *image_base(void)
{
    return image;
}

uint64_t image_size(void)
{
    return image_bytes;
}

long image_read(uint64_t offset, void *to, uint64_t length_bytes)
{
    if (!range_inside(offset, length_bytes, image_bytes)) {
        return IO;
    }
    memcpy(to, image + offset, length_bytes);
    return 0;
}

long image_page_in(uint64_t offset)
{
    return offset < image_bytes ? 0 : IO;
}

/* --- heap, locks, clock ---------------------------------------------------------------------- */

long simulated_heap_countdown = -1;

void *heap_alloc(size_t size_bytes)
{
    if (simulated_heap_countdown >= 0 && simulated_heap_countdown-- == 0) {
        return NULL;
    }
    return calloc(1, size_bytes);
}

void heap_free(void *allocation)
{
    free(allocation);
}

void mutex_lock_slow(struct mutex *mutex)
{
    CHECK(mutex == NULL); /* taken twice */
}

void mutex_unlock_slow(struct mutex *mutex)
{
    CHECK(mutex == NULL); /* released, but not held */
}

uint64_t clock_wall_ns(void)
{
    static uint64_t now = 1700000000000000000ull;
    return now += 1000;
}

/* --- kernel memories ------------------------------------------------------------------------- */

#define SLOT_FIRST 64u
#define SLOT_COUNT 4096u

static struct {
    bool used;
    bool exists;
    int fd;
    uint64_t size_bytes;
    uint64_t pages;
} memories[SLOT_COUNT];
uint64_t simulated_pages_limit = UINT64_MAX;

static uint32_t memory_index(uint64_t slot)
{
    CHECK(slot >= SLOT_FIRST && slot < SLOT_FIRST + SLOT_COUNT);
    return (uint32_t)slot - SLOT_FIRST;
}

static uint32_t memory_at(uint64_t slot)
{
    uint32_t index = memory_index(slot);
    CHECK(memories[index].used && memories[index].exists);
    return index;
}

uint32_t slot_alloc(void)
{
    for (uint32_t i = 0; i < SLOT_COUNT; i++) {
        if (!memories[i].used) {
            memories[i].used = true;
            return i + SLOT_FIRST;
        }
    }
    return 0;
}

void slot_free(uint32_t slot)
{
    uint32_t index = memory_index(slot);
    CHECK(memories[index].used && !memories[index].exists);
    memories[index].used = false;
}

status_t simulated_memory_create(uint64_t account, uint64_t slot, uint64_t size_bytes)
{
    (void)account;
    uint32_t index = memory_index(slot);
    CHECK(memories[index].used && !memories[index].exists);
    memories[index].fd = memfd_create("memory", 0);
    CHECK(memories[index].fd >= 0 && ftruncate(memories[index].fd, (off_t)size_bytes) == 0);
    memories[index].size_bytes = size_bytes;
    memories[index].pages = 0;
    memories[index].exists = true;
    return STATUS_OK;
}

status_t simulated_object_destroy(uint64_t slot)
{
    uint32_t index = memory_at(slot);
    close(memories[index].fd);
    memories[index].exists = false;
    return STATUS_OK;
}

status_t simulated_capability_drop(uint64_t domain, uint64_t slot)
{
    (void)domain;
    CHECK(!memories[memory_index(slot)].exists);
    return STATUS_OK;
}

static bool page_there(uint32_t index, uint64_t offset)
{
    return lseek(memories[index].fd, (off_t)offset, SEEK_DATA) == (off_t)offset;
}

status_t simulated_memory_populate(uint64_t slot, uint64_t offset, uint64_t size_bytes)
{
    uint32_t index = memory_at(slot);
    CHECK(offset % PAGE_SIZE == 0 && size_bytes % PAGE_SIZE == 0 && size_bytes != 0 &&
          range_inside(offset, size_bytes, memories[index].size_bytes));
    for (uint64_t at = offset; at < offset + size_bytes; at += PAGE_SIZE) {
        if (!page_there(index, at)) {
            if (simulated_pages_used() >= simulated_pages_limit) {
                return STATUS_NO_MEMORY;
            }
            CHECK(pwrite(memories[index].fd, "", 1, (off_t)at) == 1);
            memories[index].pages++;
        }
    }
    return STATUS_OK;
}

status_t simulated_memory_discard(uint64_t slot, uint64_t offset, uint64_t size_bytes)
{
    uint32_t index = memory_at(slot);
    CHECK(offset % PAGE_SIZE == 0 && size_bytes % PAGE_SIZE == 0 &&
          range_inside(offset, size_bytes, memories[index].size_bytes));
    off_t at = (off_t)offset;
    while ((at = lseek(memories[index].fd, at, SEEK_DATA)) >= 0 &&
           (uint64_t)at < offset + size_bytes) {
        CHECK(fallocate(memories[index].fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, at,
                        PAGE_SIZE) == 0);
        memories[index].pages--;
        at += PAGE_SIZE;
    }
    return STATUS_OK;
}

bool simulated_page_present(uint64_t slot, uint64_t offset)
{
    return page_there(memory_at(slot), offset);
}

uint64_t simulated_pages_used(void)
{
    uint64_t pages = 0;
    for (uint32_t i = 0; i < SLOT_COUNT; i++) {
        pages += memories[i].exists ? memories[i].pages : 0;
    }
    return pages;
}

uint32_t simulated_memories(void)
{
    uint32_t count = 0;
    for (uint32_t i = 0; i < SLOT_COUNT; i++) {
        count += memories[i].exists;
    }
    return count;
}

void simulated_memory_read(uint32_t slot, uint64_t offset, void *to, size_t length_bytes)
{
    CHECK(pread(memories[memory_at(slot)].fd, to, length_bytes, (off_t)offset) ==
          (ssize_t)length_bytes);
}

/* The kernel makes a page that a shared mapping stores to. */
void simulated_memory_write(uint32_t slot, uint64_t offset, const void *from, size_t length_bytes)
{
    CHECK(simulated_memory_populate(slot, ALIGN_DOWN(offset, (uint64_t)PAGE_SIZE), PAGE_SIZE) ==
          STATUS_OK);
    CHECK(pwrite(memories[memory_at(slot)].fd, from, length_bytes, (off_t)offset) ==
          (ssize_t)length_bytes);
}

bool simulated_memory_present(uint32_t slot, uint64_t offset)
{
    return page_there(memory_at(slot), offset);
}

long window_map_memory(uint32_t slot, uint64_t size_bytes, bool writable, void **address)
{
    uint32_t index = memory_at(slot);
    CHECK(size_bytes % PAGE_SIZE == 0 && size_bytes <= memories[index].size_bytes);
    void *at = mmap(NULL, size_bytes, PROT_READ | (writable ? PROT_WRITE : 0),
                    MAP_SHARED | MAP_NORESERVE, memories[index].fd, 0);
    CHECK(at != MAP_FAILED);
    *address = at;
    return 0;
}

void window_unmap_memory(void *address, uint64_t size_bytes)
{
    CHECK(munmap(address, size_bytes) == 0);
}

/* --- the application's memory ---------------------------------------------------------------- */

void (*simulated_fault)(void);
uint64_t simulated_user_end = UINT64_MAX;

static bool user_access(uint64_t address, uint64_t length_bytes)
{
    void (*fault)(void) = simulated_fault;
    simulated_fault = NULL;
    if (fault != NULL) {
        fault();
    }
    return range_inside(address, length_bytes, simulated_user_end);
}

long user_copy(void *to, const void *from, uint64_t length_bytes)
{
    memcpy(to, from, length_bytes);
    return 0;
}

long copy_to_user(uint64_t to, const void *from, uint64_t length_bytes)
{
    if (!user_access(to, length_bytes)) {
        return FAULT;
    }
    memcpy((void *)(uintptr_t)to, from, length_bytes);
    return 0;
}

long copy_from_user(void *to, uint64_t from, uint64_t length_bytes)
{
    bool whole = user_access(from, length_bytes);
    uint64_t there = whole                       ? length_bytes
                     : from < simulated_user_end ? simulated_user_end - from
                                                 : 0;
    memcpy(to, (const void *)(uintptr_t)from, there);
    return whole ? 0 : FAULT;
}

long clear_user(uint64_t to, uint64_t length_bytes)
{
    if (!user_access(to, length_bytes)) {
        return FAULT;
    }
    memset((void *)(uintptr_t)to, 0, length_bytes);
    return 0;
}

/* No process maps anything here. linux/mm/mm.h does not go together with the host's mman.h. */
struct inode;
void mm_file_shrunk(const struct inode *inode, uint64_t size_bytes);

void mm_file_shrunk(const struct inode *inode, uint64_t size_bytes)
{
    (void)inode, (void)size_bytes;
}

void inode_watches_end(struct inode *inode)
{
    (void)inode;
}
