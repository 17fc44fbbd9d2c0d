/* Memory that grows down when it is touched below its beginning: MAP_GROWSDOWN, PROT_GROWSDOWN. */
#include "tests/linux/programs/program.h"

#include <setjmp.h>
#include <sys/resource.h>

#define PAGES 2048 /* of the room in which all is done */
#define TOP   (PAGES - 2)

#ifndef PROT_GROWSUP
#define PROT_GROWSUP 0x02000000
#endif

static char *room;
static sigjmp_buf back;
static volatile int fault_code;

static void fault(int number, siginfo_t *info, void *context)
{
    (void)number, (void)context;
    fault_code = info->si_code;
    siglongjmp(back, 1);
}

static const char *touch(volatile char *place)
{
    if (sigsetjmp(back, 1) != 0) {
        return fault_code == SEGV_MAPERR ? "nothing there" : "not allowed";
    }
    *place = 'x';
    return "stored";
}

static char *page(int number)
{
    return room + (size_t)number * PAGE_BYTES;
}

static void *map_at(int number, int count, int protection, int flags)
{
    void *at = mmap(page(number), (size_t)count * PAGE_BYTES, protection,
                    MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED | flags, -1, 0);
    must(at == page(number), "mmap");
    return at;
}

/* Two pages that grow, at the end of the room; nothing else in it. */
static void stack_make(void)
{
    munmap(room, PAGES * PAGE_BYTES);
    map_at(TOP, 2, PROT_READ | PROT_WRITE, MAP_GROWSDOWN);
}

static void grow_check(void)
{
    stack_make();
    say("a page below: %s", touch(page(TOP - 1)));
    say("many pages below: %s", touch(page(TOP - 500) + 100));
    say("between: %s", touch(page(TOP - 250)));
    say("what is new is zero: %d", *page(TOP - 499));
    int ends[2];
    must(pipe(ends) == 0 && write(ends[1], "text", 4) == 4, "pipe");
    say_result("read to below", read(ends[0], page(TOP - 700), 4));
    say("read: %.4s", page(TOP - 700));
    close(ends[0]);
    close(ends[1]);
    munmap(page(TOP - 300), 10 * PAGE_BYTES);
    say("into a hole in it: %s", touch(page(TOP - 291)));
    say("with an access that it has not: %s",
        mprotect(page(TOP - 700), PAGE_BYTES, PROT_NONE) == 0 ? touch(page(TOP - 701)) : "failed");
}

static void gap_check(void)
{
    stack_make();
    map_at(TOP - 1000, 1, PROT_READ, 0);
    say("300 pages above another mapping: %s", touch(page(TOP - 700)));
    say("257 pages above it: %s", touch(page(TOP - 742)));
    say("100 pages above it: %s", touch(page(TOP - 900)));
    must(mprotect(page(TOP - 1000), PAGE_BYTES, PROT_NONE) == 0, "mprotect");
    say("100 pages above one without access: %s", touch(page(TOP - 900)));
    say("next to it: %s", touch(page(TOP - 999)));
    say("in it: %s", touch(page(TOP - 1000)));
}

static void limit_check(void)
{
    struct rlimit before, small = {100 * PAGE_BYTES, RLIM_INFINITY};
    must(getrlimit(RLIMIT_STACK, &before) == 0, "getrlimit");
    small.rlim_max = before.rlim_max;
    stack_make();
    must(setrlimit(RLIMIT_STACK, &small) == 0, "setrlimit");
    say("to the limit: %s", touch(page(PAGES - 100)));
    say("beyond the limit: %s", touch(page(PAGES - 101)));
    must(setrlimit(RLIMIT_STACK, &before) == 0, "setrlimit");
    say("when it has gone: %s", touch(page(PAGES - 101)));
}

static void protect_check(void)
{
    char local;
    char *own = (char *)((uintptr_t)&local & ~(uintptr_t)(PAGE_BYTES - 1));
    stack_make();
    (void)touch(page(TOP - 10));
    say_result("mprotect of all", mprotect(page(TOP), PAGE_BYTES, PROT_READ | PROT_GROWSDOWN));
    say("its lowest page: %s", touch(page(TOP - 10)));
    say("the page asked for: %s", touch(page(TOP)));
    say("the page behind: %s", touch(page(TOP + 1)));
    say_result("of the other direction", mprotect(page(TOP), PAGE_BYTES, PROT_READ | PROT_GROWSUP));
    say_result("of both",
               mprotect(page(TOP), PAGE_BYTES, PROT_READ | PROT_GROWSUP | PROT_GROWSDOWN));
    say_result("of nothing", mprotect(page(0), PAGE_BYTES, PROT_READ | PROT_GROWSDOWN));
    map_at(100, 2, PROT_READ, 0);
    say_result("of what does not grow",
               mprotect(page(101), PAGE_BYTES, PROT_READ | PROT_GROWSDOWN));
    say_result("of the program's own stack",
               mprotect(own, PAGE_BYTES, PROT_READ | PROT_WRITE | PROT_GROWSDOWN));
}

static void map_say(const char *what, int flags, int file)
{
    void *at = mmap(NULL, PAGE_BYTES, PROT_READ, flags | MAP_GROWSDOWN, file, 0);
    say("%s: %s", what, at == MAP_FAILED ? error_name(errno) : "mapped");
}

static void place_check(void)
{
    char *grows = mmap(NULL, PAGE_BYTES, PROT_READ | PROT_WRITE,
                       MAP_PRIVATE | MAP_ANONYMOUS | MAP_GROWSDOWN, -1, 0);
    must(grows != MAP_FAILED, "mmap");
    int near = 0;
    for (int i = 0; i < 50; i++) {
        char *at = mmap(NULL, PAGE_BYTES, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        near += at < grows && at + 257 * PAGE_BYTES > grows;
    }
    say("of fifty mappings are in its way: %d", near);
    int file = open("file", O_RDWR | O_CREAT, 0644);
    must(file >= 0 && ftruncate(file, PAGE_BYTES) == 0, "file");
    map_say("a file", MAP_PRIVATE, file);
    map_say("a shared file", MAP_SHARED, file);
    map_say("shared memory", MAP_SHARED | MAP_ANONYMOUS, -1);
    close(file);
}

static int child_grow(void *argument)
{
    (void)argument;
    say("in a child: %s", touch(page(TOP - 50)));
    return 0;
}

int main(void)
{
    static char stack[65536];
    stack_t other = {.ss_sp = stack, .ss_size = sizeof(stack)};
    struct sigaction action = {.sa_sigaction = fault, .sa_flags = SA_SIGINFO | SA_ONSTACK};
    sigaltstack(&other, NULL);
    sigaction(SIGSEGV, &action, NULL);
    room = mmap(NULL, PAGES * PAGE_BYTES, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    must(room != MAP_FAILED, "mmap");
    grow_check();
    gap_check();
    limit_check();
    protect_check();
    stack_make();
    child_run(child_grow, NULL);
    say("in the parent, which has not grown: %s", touch(page(TOP - 51)));
    place_check();
    return 0;
}
