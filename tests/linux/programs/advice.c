/* What madvise(2) says of fork: ranges that a child does not get, or gets as zeros. */
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
    return 0;
}
