/* mremap of what is large, shared with a child, or stays (MREMAP_DONTUNMAP); mincore of files. */
#include "tests/linux/programs/program.h"

#ifndef MREMAP_DONTUNMAP
#define MREMAP_DONTUNMAP 4
#endif

#define PAGES 1000

static char *map(size_t pages, int flags, int file)
{
    char *at = mmap(NULL, pages * PAGE_BYTES, PROT_READ | PROT_WRITE, flags, file, 0);
    must(at != MAP_FAILED, "mmap");
    return at;
}

static char *anonymous(size_t pages)
{
    return map(pages, MAP_PRIVATE | MAP_ANONYMOUS, -1);
}

/* Every page but each tenth has its number. */
static void fill(char *at, size_t pages)
{
    for (size_t i = 0; i < pages; i++) {
        if (i % 10 != 9) {
            memcpy(at + i * PAGE_BYTES + 8, &i, sizeof(i));
        }
    }
}

static bool is_filled(const char *at, size_t pages)
{
    for (size_t i = 0; i < pages; i++) {
        size_t number;
        memcpy(&number, at + i * PAGE_BYTES + 8, sizeof(number));
        if (number != (i % 10 != 9 ? i : 0)) {
            return false;
        }
    }
    return true;
}

static void residents_say(const char *what, char *at, size_t pages)
{
    unsigned char present[64];
    char text[65] = "";
    must(pages <= sizeof(present), "pages");
    long result = mincore(at, pages * PAGE_BYTES, present);
    for (size_t i = 0; i < pages; i++) {
        text[i] = result == 0 ? (char)('0' + (present[i] & 1)) : '?';
    }
    say("%s: %s", what, text);
}

static void *remap(char *at, size_t old, size_t new, int flags, void *to)
{
    return mremap(at, old * PAGE_BYTES, new *PAGE_BYTES, flags, to);
}

static void error_say(const char *what, void *result)
{
    say("%s: %s", what, result == MAP_FAILED ? error_name(errno) : "done");
}

static void large_check(void)
{
    char *at = anonymous(PAGES);
    char *wall = anonymous(1);
    char *target = anonymous(2 * PAGES);
    fill(at, PAGES);
    memset(target, 't', PAGE_BYTES);
    char *moved = remap(at, PAGES, 2 * PAGES, MREMAP_MAYMOVE | MREMAP_FIXED, target);
    say("larger: there %d, content %d, more is zero %d", moved == target, is_filled(moved, PAGES),
        moved[PAGES * PAGE_BYTES] == 0);
    unsigned char present[1];
    say_result("the old place", mincore(at, PAGE_BYTES, present));
    /* Some pages of a place in its middle, over its border of steps. */
    at = remap(moved + 60 * PAGE_BYTES, 10, 20, MREMAP_MAYMOVE, NULL);
    must(at != MAP_FAILED, "mremap");
    size_t number;
    memcpy(&number, at + 3 * PAGE_BYTES + 8, sizeof(number));
    say("from the middle: %zu", number);
    munmap(at, 20 * PAGE_BYTES);
    munmap(moved, 2 * PAGES * PAGE_BYTES);
    munmap(wall, PAGE_BYTES);
}

/* Pages that a child shares, and some that it does not. */
static void shared_check(void)
{
    char *at = anonymous(PAGES);
    int down[2];
    fill(at, PAGES);
    must(pipe(down) == 0, "pipe");
    pid_t pid = fork();
    if (pid == 0) {
        byte_receive(down[0]);
        _exit(is_filled(at, PAGES) ? 3 : 4);
    }
    at[100 * PAGE_BYTES] = 'w'; /* the parent's own now */
    char *target = anonymous(PAGES);
    char *moved = remap(at, PAGES, PAGES, MREMAP_MAYMOVE | MREMAP_FIXED, target);
    say("shared: there %d, content %d, %c", moved == target, is_filled(moved, PAGES),
        moved[100 * PAGE_BYTES]);
    moved[0] = 'x';
    byte_send(down[1]);
    say_status("the child sees its own", child_wait(pid));
    munmap(moved, PAGES * PAGE_BYTES);
}

static void stay_check(void)
{
    char *at = anonymous(4);
    memset(at, 'a', 3 * PAGE_BYTES);
    error_say("without MAYMOVE", remap(at, 4, 4, MREMAP_DONTUNMAP, NULL));
    error_say("another length", remap(at, 4, 5, MREMAP_DONTUNMAP | MREMAP_MAYMOVE, NULL));
    error_say("an unknown flag", remap(at, 4, 4, 8 | MREMAP_MAYMOVE, NULL));
    char *moved = remap(at, 4, 4, MREMAP_DONTUNMAP | MREMAP_MAYMOVE, NULL);
    must(moved != MAP_FAILED, "MREMAP_DONTUNMAP");
    residents_say("the old place", at, 4);
    residents_say("the new place", moved, 4);
    say("old %d, new %d", at[0], moved[0]);
    at[0] = 'b';
    say("old %d, new %d", at[0], moved[0]);
    char *fixed = remap(at, 4, 4, MREMAP_DONTUNMAP | MREMAP_MAYMOVE | MREMAP_FIXED, moved);
    say("fixed: there %d, old %d, new %d %d", fixed == moved, at[0], fixed[0], fixed[PAGE_BYTES]);
    munmap(at, 4 * PAGE_BYTES);
    munmap(fixed, 4 * PAGE_BYTES);
    char *shared = map(2, MAP_SHARED | MAP_ANONYMOUS, -1);
    shared[0] = 's';
    moved = remap(shared, 2, 2, MREMAP_DONTUNMAP | MREMAP_MAYMOVE, NULL);
    must(moved != MAP_FAILED, "MREMAP_DONTUNMAP");
    moved[1] = 'S';
    say("shared: %c%c", shared[0], shared[1]);
    munmap(shared, 2 * PAGE_BYTES);
    munmap(moved, 2 * PAGE_BYTES);
}

static void file_check(void)
{
    int file = open("pages", O_RDWR | O_CREAT | O_TRUNC, 0644);
    for (int i = 0; i < 3; i++) {
        char page[PAGE_BYTES];
        memset(page, 'f', sizeof(page));
        must(write(file, page, sizeof(page)) == sizeof(page), "write");
    }
    must(ftruncate(file, 40 * PAGE_BYTES) == 0, "ftruncate");
    char *shared = map(42, MAP_SHARED, file);
    must(madvise(shared, 42 * PAGE_BYTES, MADV_RANDOM) == 0, "madvise"); /* no reading ahead */
    residents_say("a file and behind it", shared, 42);
    shared[20 * PAGE_BYTES] = 's';
    residents_say("a page of its hole", shared, 42);
    char *private = map(42, MAP_PRIVATE, file);
    residents_say("mapped private", private, 42);
    private[30 * PAGE_BYTES] = 'p';
    residents_say("a private page", private + 30 * PAGE_BYTES, 1);
    munmap(private, 42 * PAGE_BYTES);
    munmap(shared, 42 * PAGE_BYTES);
    close(file);
}

/* tests/linux/memory_test.sh: so many pages, where there is no room for twice as many. */
static int move_only(size_t pages)
{
    char *at = anonymous(pages);
    char *target = anonymous(pages);
    fill(at, pages);
    char *moved = remap(at, pages, pages, MREMAP_MAYMOVE | MREMAP_FIXED, target);
    say("moved: there %d, content %d", moved == target, is_filled(moved, pages));
    return 0;
}

int main(int count, char **arguments)
{
    if (count > 1) {
        return move_only(strtoul(arguments[1], NULL, 10));
    }
    large_check();
    shared_check();
    stay_check();
    file_check();
    return 0;
}
