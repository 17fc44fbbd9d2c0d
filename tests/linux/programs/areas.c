/*
 * Processes with tens of thousands of areas: making them, what is done to all of them at once,
 * forking, executing, ending. Each is quick enough that the program ends within its limit only if
 * none of it looks through all areas for each area.
 */
#include "program.h"

#define AREAS 60000L
#define BYTES (AREAS * PAGE_BYTES)

static volatile char *area[AREAS];

static void *map(size_t bytes, int protection)
{
    void *place = mmap(NULL, bytes, protection, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    must(place != MAP_FAILED, "mmap");
    return place;
}

/* Neighbours differ, so that none are one area on Linux. */
static void map_each(void)
{
    for (long i = 0; i < AREAS; i++) {
        area[i] = map(PAGE_BYTES, i % 2 != 0 ? PROT_READ : PROT_READ | PROT_WRITE);
        if (i % 2 == 0) {
            area[i][0] = (char)i;
        }
    }
}

static bool each_has_its_own(void)
{
    for (long i = 0; i < AREAS; i++) {
        if (area[i][0] != (i % 2 == 0 ? (char)i : 0)) {
            return false;
        }
    }
    return true;
}

static int read_all(void *argument)
{
    (void)argument;
    return each_has_its_own() ? 3 : 4;
}

static int execute(void *argument)
{
    (void)argument;
    execl("/proc/self/exe", "areas", "executed", (char *)NULL);
    return 5;
}

/* One mapping, all of it touched, cut into areas. */
static char *map_cut(void)
{
    char *all = map(BYTES, PROT_READ | PROT_WRITE);
    memset(all, 1, BYTES);
    for (long i = 0; i < AREAS; i += 2) {
        must(mprotect(all + i * PAGE_BYTES, PAGE_BYTES, PROT_READ) == 0, "mprotect");
    }
    return all;
}

static bool all_are(const char *all, char value)
{
    for (long i = 0; i < AREAS; i++) {
        if (all[i * PAGE_BYTES] != value) {
            return false;
        }
    }
    return true;
}

static int child_of_wiped(void *argument)
{
    return all_are(argument, 0) ? 6 : 7;
}

static void whole_ranges(void)
{
    char *all = map_cut();
    say("cut: %s", all_are(all, 1) ? "nothing lost" : "lost");
    must(madvise(all, BYTES, MADV_WIPEONFORK) == 0, "madvise");
    say_status("a child of what is wiped", child_run(child_of_wiped, all));
    must(madvise(all, BYTES, MADV_DONTNEED) == 0, "madvise");
    say("given up: %s", all_are(all, 0) ? "zeros" : "not zeros");
    must(mprotect(all, BYTES, PROT_READ | PROT_WRITE) == 0, "mprotect");
    memset(all, 2, BYTES);
    say("written again: %s", all_are(all, 2) ? "all of it" : "not all");
    say_result("munmap", munmap(all, BYTES));
}

/* It does not end by itself, and no call of it is over soon. */
static void killed_in_a_call(void)
{
    int begun[2];
    must(pipe(begun) == 0, "pipe");
    pid_t child = fork();
    if (child == 0) {
        char *all = map_cut();
        byte_send(begun[1]);
        for (;;) {
            (void)madvise(all, BYTES, MADV_DONTNEED);
            (void)mprotect(all + PAGE_BYTES, BYTES - PAGE_BYTES, PROT_READ | PROT_WRITE);
            memset(all + PAGE_BYTES, 1, BYTES - PAGE_BYTES);
        }
    }
    (void)byte_receive(begun[0]);
    kill(child, SIGKILL);
    say_status("killed in a call", child_wait(child));
    close(begun[0]);
    close(begun[1]);
}

/* Whatever was searched before, room that came back is found again. */
static void holes(void)
{
    char *block = map(8 * PAGE_BYTES, PROT_READ);
    must(munmap(block + 2 * PAGE_BYTES, PAGE_BYTES) == 0, "munmap");
    must(munmap(block + 5 * PAGE_BYTES, 2 * PAGE_BYTES) == 0, "munmap");
    char *two = map(2 * PAGE_BYTES, PROT_READ);
    char *one = map(PAGE_BYTES, PROT_READ);
    say("two pages: %s", two >= block + 5 * PAGE_BYTES ? "the highest hole" : "elsewhere");
    say("one page: %s", one >= block + 2 * PAGE_BYTES ? "the highest hole" : "elsewhere");
    must(munmap(block + 7 * PAGE_BYTES, PAGE_BYTES) == 0, "munmap");
    char *next = map(PAGE_BYTES, PROT_READ);
    say("one more: %s", next >= block + 7 * PAGE_BYTES ? "the highest hole" : "elsewhere");
}

/* How many areas /proc shows in the range. */
static long areas_shown(const char *from, size_t bytes)
{
    char line[512];
    long shown = 0;
    FILE *maps = fopen("/proc/self/maps", "r");
    must(maps != NULL, "maps");
    while (fgets(line, sizeof(line), maps) != NULL) {
        uintptr_t start = strtoul(line, NULL, 16);
        shown += start >= (uintptr_t)from && start < (uintptr_t)from + bytes;
    }
    (void)fclose(maps);
    return shown;
}

static void neighbours_join(void)
{
    char *block = mmap(NULL, 10 * PAGE_BYTES, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    must(block != MAP_FAILED, "mmap");
    /* With borders of another kind: nothing beside it is joined. */
    char *inner = block + PAGE_BYTES;
    must(mprotect(inner, 8 * PAGE_BYTES, PROT_READ) == 0, "mprotect");
    must(mprotect(inner + 2 * PAGE_BYTES, PAGE_BYTES, PROT_READ | PROT_WRITE) == 0, "mprotect");
    must(mprotect(inner + 5 * PAGE_BYTES, PAGE_BYTES, PROT_READ | PROT_WRITE) == 0, "mprotect");
    say("two pages differ: %ld areas", areas_shown(inner, 8 * PAGE_BYTES));
    must(mprotect(inner + 2 * PAGE_BYTES, PAGE_BYTES, PROT_READ) == 0, "mprotect");
    say("one page differs: %ld areas", areas_shown(inner, 8 * PAGE_BYTES));
    must(mprotect(inner, 8 * PAGE_BYTES, PROT_READ) == 0, "mprotect");
    say("none differs: %ld areas", areas_shown(inner, 8 * PAGE_BYTES));
    must(munmap(inner + 3 * PAGE_BYTES, PAGE_BYTES) == 0, "munmap");
    say("a hole: %ld areas", areas_shown(inner, 8 * PAGE_BYTES));
    must(mmap(inner + 3 * PAGE_BYTES, PAGE_BYTES, PROT_READ,
              MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0) != MAP_FAILED,
         "mmap");
    say("filled: %ld areas", areas_shown(inner, 8 * PAGE_BYTES));
    must(munmap(block, 10 * PAGE_BYTES) == 0, "munmap");
}

/* Of a file they are one only where its pages follow one another as well. */
static void file_neighbours_join(void)
{
    int file = open("file", O_RDWR | O_CREAT, 0600);
    must(file >= 0 && ftruncate(file, 4 * PAGE_BYTES) == 0, "a file");
    char *all = mmap(NULL, 4 * PAGE_BYTES, PROT_READ, MAP_SHARED, file, 0);
    must(all != MAP_FAILED, "mmap");
    must(mmap(all + PAGE_BYTES, PAGE_BYTES, PROT_READ, MAP_SHARED | MAP_FIXED, file, 0) !=
             MAP_FAILED,
         "mmap");
    say("another page of the file: %ld areas", areas_shown(all, 4 * PAGE_BYTES));
    must(mmap(all + PAGE_BYTES, PAGE_BYTES, PROT_READ, MAP_SHARED | MAP_FIXED, file, PAGE_BYTES) !=
             MAP_FAILED,
         "mmap");
    say("the same page again: %ld areas", areas_shown(all, 4 * PAGE_BYTES));
    must(munmap(all, 4 * PAGE_BYTES) == 0, "munmap");
    close(file);
}

int main(int count, char **arguments)
{
    if (count > 1) {
        say("%s", arguments[1]);
        return 0;
    }
    holes();
    neighbours_join();
    file_neighbours_join();
    whole_ranges();
    killed_in_a_call();
    map_each();
    say("mapped: %s", each_has_its_own() ? "each has its own" : "mixed up");
    say_status("a child with all of them", child_run(read_all, NULL));
    say_status("another program", child_run(execute, NULL));
    return 0;
}
