/*
 * mlock, mlock2, munlock, mlockall and munlockall against RLIMIT_MEMLOCK, as a user without
 * privileges meets it.
 */
#include "program.h"

#include <grp.h>
#include <sys/resource.h>

#define PAGES 16

static char *map(void)
{
    char *pages =
        mmap(NULL, PAGES * PAGE_BYTES, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    must(pages != MAP_FAILED, "mmap");
    return pages;
}

static long lock2(const void *address, size_t length, int flags)
{
    return syscall(SYS_mlock2, address, length, flags);
}

static const char *locked(void)
{
    static char value[64];
    char line[256];
    FILE *file = fopen("/proc/self/status", "r");
    must(file != NULL, "/proc/self/status");
    while (fgets(line, sizeof(line), file) != NULL && sscanf(line, "VmLck: %63[^\n]", value) != 1) {
    }
    fclose(file);
    return value;
}

static int lock(void *unused)
{
    (void)unused;
    char *pages = map();
    say_result("4 pages", mlock(pages, 4 * PAGE_BYTES));
    say_result("the same again", mlock(pages, 4 * PAGE_BYTES));
    say_result("part of a page", mlock(pages + 4 * PAGE_BYTES + 100, 10));
    say_result("over two", mlock(pages + 6 * PAGE_BYTES - 1, 2));
    say_result("one more, all in all 8", mlock(pages + 7 * PAGE_BYTES, 1));
    say_result("a ninth", mlock(pages + 8 * PAGE_BYTES, 1));
    say_result("all", mlockall(MCL_CURRENT));
    say_result("unlock the first", munlock(pages, PAGE_BYTES));
    say_result("the ninth", mlock(pages + 8 * PAGE_BYTES, 1));
    must(munmap(pages + 8 * PAGE_BYTES, PAGE_BYTES) == 0, "munmap");
    say_result("the tenth, the ninth is gone", mlock(pages + 9 * PAGE_BYTES, 1));
    say_result("nothing", mlock(pages, 0));
    say_result("a hole", mlock(pages + 8 * PAGE_BYTES, 1));
    say_result("unlock a hole", munlock(pages + 8 * PAGE_BYTES, 1));
    say_result("wrap", mlock(pages, SIZE_MAX - 100));
    say("locked: %s", locked());
    say_result("unlock all", munlockall());
    say("locked: %s", locked());
    say_result("on fault", lock2(pages, PAGE_BYTES, 1));
    say_result("with a flag", lock2(pages, PAGE_BYTES, 2));
    say_result("all with a flag", mlockall(8));
    say_result("all of nothing", mlockall(0));
    say_result("all on fault", mlockall(4));
    say_result("what comes", mlockall(MCL_FUTURE));
    pages[0] = 1;
    say("first %d second %d", pages[0], pages[PAGE_BYTES]);
    return 0;
}

static int child_lock(void *pages)
{
    say_result("child's 8", mlock((char *)pages + 8 * PAGE_BYTES, 8 * PAGE_BYTES));
    return 0;
}

static int inherited(void *unused)
{
    (void)unused;
    char *pages = map();
    say_result("8", mlock(pages, 8 * PAGE_BYTES));
    say_status("a child begins with none", child_run(child_lock, pages));
    return 0;
}

static int none(void *unused)
{
    (void)unused;
    struct rlimit limit = {0, 0};
    must(setrlimit(RLIMIT_MEMLOCK, &limit) == 0, "setrlimit");
    say_result("without a limit to lock", mlock(map(), 1));
    say_result("all", mlockall(MCL_CURRENT));
    return 0;
}

int main(void)
{
    struct rlimit limit = {8 * PAGE_BYTES, 8 * PAGE_BYTES};
    must(setrlimit(RLIMIT_MEMLOCK, &limit) == 0, "setrlimit");
    must(setgroups(0, NULL) == 0 && setuid(OTHER_USER) == 0, "ids");
    say_status("lock", child_run(lock, NULL));
    say_status("inherited", child_run(inherited, NULL));
    say_status("none", child_run(none, NULL));
    return 0;
}
