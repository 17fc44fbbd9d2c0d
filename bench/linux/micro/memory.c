/* Mappings, and the faults on them. */
#include "bench/linux/micro/micro.h"

#include <fcntl.h>
#include <stddef.h>
#include <sys/mman.h>
#include <unistd.h>

#define PAGE         4096u
#define SMALL_BYTES  (4 * PAGE)
#define LARGE_BYTES  (500u << 20)
#define LARGE_MIDDLE (LARGE_BYTES / 2)
/* As much as Linux maps around a fault on a file. */
#define AROUND_BYTES (16 * PAGE)

static int file;
static char *mapped;
static size_t next;

static char look(const char *at)
{
    return *(const volatile char *)at;
}

static void anonymous_operate(void)
{
    char *memory =
        mmap(NULL, SMALL_BYTES, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    must(memory != MAP_FAILED, "mmap");
    for (size_t i = 0; i < SMALL_BYTES; i += PAGE) {
        *(volatile char *)(memory + i) = 1;
    }
    must(munmap(memory, SMALL_BYTES) == 0, "munmap");
}

static void image_map(void)
{
    file = open(IMAGE_FILE, O_RDONLY);
    must(file >= 0, IMAGE_FILE);
    mapped = mmap(NULL, IMAGE_FILE_BYTES, PROT_READ, MAP_PRIVATE, file, 0);
    must(mapped != MAP_FAILED, "mmap");
    next = 0;
}

static void image_unmap(void)
{
    must(munmap(mapped, IMAGE_FILE_BYTES) == 0, "munmap");
    close(file);
}

static void touch_far(void)
{
    look(mapped + next);
    next += AROUND_BYTES;
}

static void touch_next(void)
{
    look(mapped + next);
    next += PAGE;
}

static void large_prepare(void)
{
    file = open(WRITTEN_FILE, O_RDWR | O_CREAT | O_TRUNC, 0600);
    must(file >= 0 && ftruncate(file, LARGE_BYTES) == 0, WRITTEN_FILE);
    must(pwrite(file, "x", 1, LARGE_MIDDLE) == 1, "pwrite");
}

static void large_operate(void)
{
    char *large = mmap(NULL, LARGE_BYTES, PROT_READ, MAP_SHARED, file, 0);
    must(large != MAP_FAILED && look(large + LARGE_MIDDLE) == 'x', "mmap");
    must(munmap(large, LARGE_BYTES) == 0, "munmap");
}

static void large_finish(void)
{
    close(file);
    unlink(WRITTEN_FILE);
}

const struct item memory_items[] = {
    {"mmap.touch.munmap", 1000, 1, NULL, anonymous_operate, NULL},
    {"fault.file", IMAGE_FILE_BYTES / AROUND_BYTES, 1, image_map, touch_far, image_unmap},
    {"fault.file.next", IMAGE_FILE_BYTES / PAGE, 1, image_map, touch_next, image_unmap},
    {"mmap.500m", 200, 1, large_prepare, large_operate, large_finish},
    {NULL, 0, 0, NULL, NULL, NULL},
};
