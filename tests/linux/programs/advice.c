/* What madvise(2) says of fork: ranges that a child does not get, or gets as zeros; and what it has
 * done to pages. */
#include <sys/auxv.h>
#include "tests/linux/programs/program.h"

static char *pages; /* four, with letters */
static int file;

static char *map_four(int flags, int descriptor)
{
    char *at = mmap(NULL, 4 * PAGE_BYTES, PROT_READ | PROT_WRITE, flags, descriptor, 0);
    must(at != MAP_FAILED, "mmap");
    for (int i = 0; i < 4; i++) {
        memset(at + i * PAGE_BYTES, 'a' + i, PAGE_BYTES);
    }
    return at;
}

/* Which of the four pages are there, and what begins them. */
static void pages_say(const char *who)
{
    char text[5] = "....";
    for (int i = 0; i < 4; i++) {
        unsigned char present;
        if (mincore(pages + i * PAGE_BYTES, PAGE_BYTES, &present) == 0) {
            char first = *(volatile char *)(pages + i * PAGE_BYTES);
            text[i] = first == 0 ? '0' : first;
        }
    }
    say("%s: %s", who, text);
}

static int grandchild_run(void *argument)
{
    (void)argument;
    pages_say("grandchild");
    return 0;
}

static int child_say(void *argument)
{
    pages_say("child");
    if (argument != NULL && pages != NULL) {
        pages[PAGE_BYTES] = 'x';
        pages_say("child after a store");
        child_run(grandchild_run, NULL);
    }
    return 0;
}

static int child_store(void *argument)
{
    (void)argument;
    pages[PAGE_BYTES] = 'x';
    return 0;
}

static void advise_say(const char *what, int first, int count, int advice)
{
    say_result(what, madvise(pages + first * PAGE_BYTES, (size_t)count * PAGE_BYTES, advice));
}

static void wipe_check(void)
{
    pages = map_four(MAP_PRIVATE | MAP_ANONYMOUS, -1);
    advise_say("WIPEONFORK", 1, 2, MADV_WIPEONFORK);
    pages_say("parent");
    child_run(child_say, pages);
    pages_say("parent");
    advise_say("KEEPONFORK", 1, 1, MADV_KEEPONFORK);
    child_run(child_say, NULL);
    munmap(pages, 4 * PAGE_BYTES);
    pages = map_four(MAP_SHARED | MAP_ANONYMOUS, -1);
    advise_say("WIPEONFORK of shared memory", 0, 1, MADV_WIPEONFORK);
    advise_say("KEEPONFORK of shared memory", 0, 1, MADV_KEEPONFORK);
    munmap(pages, 4 * PAGE_BYTES);
    pages = map_four(MAP_PRIVATE, file);
    advise_say("WIPEONFORK of a file", 0, 1, MADV_WIPEONFORK);
    munmap(pages, 4 * PAGE_BYTES);
}

static void omit_check(int flags, int descriptor)
{
    pages = map_four(flags, descriptor);
    advise_say("DONTFORK", 1, 2, MADV_DONTFORK);
    pages_say("parent");
    child_run(child_say, NULL);
    say_status("a child that stores there", child_run(child_store, NULL));
    pages_say("parent");
    advise_say("DOFORK", 2, 2, MADV_DOFORK);
    child_run(child_say, NULL);
    munmap(pages + PAGE_BYTES, PAGE_BYTES);
    advise_say("DONTFORK over a hole", 0, 4, MADV_DONTFORK);
    child_run(child_say, NULL);
    munmap(pages, 4 * PAGE_BYTES);
}

/* --- what is done to pages --- */

#ifndef MADV_POPULATE_READ
#define MADV_POPULATE_READ  22
#define MADV_POPULATE_WRITE 23
#endif

static int present_count(void)
{
    unsigned char present[4];
    must(mincore(pages, 4 * PAGE_BYTES, present) == 0, "mincore");
    return (present[0] & 1) + (present[1] & 1) + (present[2] & 1) + (present[3] & 1);
}

static void populate_check(void)
{
    pages = mmap(NULL, 4 * PAGE_BYTES, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    must(pages != MAP_FAILED, "mmap");
    say("present at first: %d", present_count());
    advise_say("POPULATE_WRITE", 1, 2, MADV_POPULATE_WRITE);
    say("present: %d", present_count());
    pages[PAGE_BYTES] = 'k';
    advise_say("POPULATE_WRITE again", 0, 4, MADV_POPULATE_WRITE);
    say("present: %d, kept: %c", present_count(), pages[PAGE_BYTES]);
    advise_say("of nothing", 0, 0, MADV_POPULATE_WRITE);
    must(mprotect(pages + 2 * PAGE_BYTES, PAGE_BYTES, PROT_READ) == 0, "mprotect");
    advise_say("POPULATE_WRITE of what is to be read", 0, 4, MADV_POPULATE_WRITE);
    advise_say("POPULATE_READ", 0, 4, MADV_POPULATE_READ);
    must(mprotect(pages + 2 * PAGE_BYTES, PAGE_BYTES, PROT_NONE) == 0, "mprotect");
    advise_say("POPULATE_READ without access", 0, 4, MADV_POPULATE_READ);
    munmap(pages + 3 * PAGE_BYTES, PAGE_BYTES);
    advise_say("POPULATE_READ of a hole", 3, 1, MADV_POPULATE_READ);
    say_result("misaligned", madvise(pages + 1, PAGE_BYTES, MADV_POPULATE_READ));
    munmap(pages, 4 * PAGE_BYTES);
    pages = mmap(NULL, 6 * PAGE_BYTES, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
    must(pages != MAP_FAILED, "mmap");
    advise_say("POPULATE_WRITE of a file", 0, 4, MADV_POPULATE_WRITE);
    advise_say("behind its end", 3, 2, MADV_POPULATE_READ);
    munmap(pages, 6 * PAGE_BYTES);
    pages = map_four(MAP_PRIVATE, file);
    advise_say("POPULATE_READ of a private mapping", 0, 4, MADV_POPULATE_READ);
    pages_say("private");
    munmap(pages, 4 * PAGE_BYTES);
}

static int remover_run(void *argument)
{
    (void)argument;
    advise_say("REMOVE", 1, 2, MADV_REMOVE);
    return 0;
}

static void remove_check(void)
{
    pages = map_four(MAP_SHARED | MAP_ANONYMOUS, -1);
    child_run(remover_run, NULL);
    pages_say("shared memory, removed by a child");
    munmap(pages, 4 * PAGE_BYTES);
    int memory = memfd_create("memory", 0);
    must(memory >= 0 && ftruncate(memory, 4 * PAGE_BYTES) == 0, "memfd");
    pages = map_four(MAP_SHARED, memory);
    remover_run(NULL);
    pages_say("a memfd");
    char first = 'x';
    must(pread(memory, &first, 1, PAGE_BYTES) == 1, "pread");
    say("in the file: %d", first);
    must(mprotect(pages, PAGE_BYTES, PROT_READ) == 0, "mprotect");
    advise_say("REMOVE of what is to be read", 0, 1, MADV_REMOVE);
    advise_say("REMOVE of nothing", 3, 0, MADV_REMOVE);
    munmap(pages + 2 * PAGE_BYTES, PAGE_BYTES);
    advise_say("REMOVE with a hole", 1, 3, MADV_REMOVE);
    say("behind the hole: %d", pages[3 * PAGE_BYTES]);
    munmap(pages, 4 * PAGE_BYTES);
    pages = map_four(MAP_PRIVATE, memory);
    advise_say("REMOVE of a private mapping", 0, 4, MADV_REMOVE);
    munmap(pages, 4 * PAGE_BYTES);
    pages = map_four(MAP_PRIVATE | MAP_ANONYMOUS, -1);
    advise_say("REMOVE of private memory", 0, 4, MADV_REMOVE);
    munmap(pages, 4 * PAGE_BYTES);
    say_result("REMOVE of the vDSO",
               madvise((void *)getauxval(AT_SYSINFO_EHDR), PAGE_BYTES, MADV_REMOVE));
    pages = map_four(MAP_SHARED, memory);
    if (mlock(pages, PAGE_BYTES) == 0) {
        advise_say("REMOVE of locked memory", 0, 4, MADV_REMOVE);
    }
    munmap(pages, 4 * PAGE_BYTES);
    close(memory);
}

int main(void)
{
    file = open("file", O_RDWR | O_CREAT, 0644);
    must(file >= 0 && ftruncate(file, 4 * PAGE_BYTES) == 0, "file");
    wipe_check();
    say("-- private");
    omit_check(MAP_PRIVATE | MAP_ANONYMOUS, -1);
    say("-- shared");
    omit_check(MAP_SHARED | MAP_ANONYMOUS, -1);
    say("-- a file's");
    omit_check(MAP_SHARED, file);
    say("-- pages");
    populate_check();
    remove_check();
    return 0;
}
