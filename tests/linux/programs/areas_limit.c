/* As many areas as vm.max_map_count says a process may have, and what still works then. */
#include "program.h"

int main(void)
{
    long limit = strtol(file_read("/proc/sys/vm/max_map_count"), NULL, 10);
    size_t bytes = (size_t)(limit + 1000) * PAGE_BYTES;
    char *all = mmap(NULL, bytes, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    must(all != MAP_FAILED, "mmap");
    long pages = 1;
    while (pages < limit && mprotect(all + pages * PAGE_BYTES, PAGE_BYTES, PROT_READ) == 0) {
        pages += 2;
    }
    say("stopped by: %s", error_name(errno));
    say("areas: %s", limit - pages < 50 ? "nearly as many as may be" : "fewer");
    say_result("a hole within an area",
               munmap(all + bytes - 500 * PAGE_BYTES, PAGE_BYTES) == 0 ? 0 : -1);
    say_result("the end of an area", munmap(all + bytes - PAGE_BYTES, PAGE_BYTES));
    say_result("all one again", mprotect(all, bytes - PAGE_BYTES, PROT_NONE));
    say_result("a hole within an area", munmap(all + bytes - 500 * PAGE_BYTES, PAGE_BYTES));
    say_result("munmap", munmap(all, bytes));
    return 0;
}
