/* Areas against faults: mapping, protecting and unmapping under the feet of other threads. */
#include "tests/linux/attack/attack.h"

#define AREA_BYTES (64 * PAGE_BYTES)

static uint8_t *area;
static int image;
static int temporary;

static void handler(int number)
{
    (void)number;
    syscall(SYS_exit, 0);
}

static uint64_t thread_random(uint64_t *own)
{
    *own ^= *own << 13;
    *own ^= *own >> 7;
    *own ^= *own << 17;
    return *own;
}

/* Has the personality copy into and out of the pages. */
static int thread_call(void *argument)
{
    uint64_t own = (uint64_t)argument + 88172645463325252ull;
    int zero = open("/dev/zero", O_RDWR);
    int ends[2];
    if (pipe2(ends, O_NONBLOCK) != 0) {
        return 0;
    }
    for (;;) {
        uint64_t r = thread_random(&own);
        uint8_t *at = area + r % AREA_BYTES;
        size_t length = (r >> 20) % 9000;
        switch (r >> 40 & 7) {
        case 0:
            syscall(SYS_read, zero, at, length);
            break;
        case 1:
            syscall(SYS_pread64, image, at, length, r >> 30 & 0xfffff);
            break;
        case 2:
            syscall(SYS_pwrite64, temporary, at, length, r >> 30 & 0xffff);
            break;
        case 3:
            syscall(SYS_write, ends[1], at, length);
            break;
        case 4:
            syscall(SYS_read, ends[0], at, length);
            break;
        case 5:
            syscall(SYS_futex, (uint64_t)at & -4ul, 5, 1, 1, (uint64_t)at & -4ul, r);
            break;
        case 6:
            syscall(SYS_stat, at, at);
            break;
        default:
            syscall(SYS_ftruncate, temporary, r >> 30 & 0xffff);
            break;
        }
    }
    return 0;
}

static int thread_map(void *argument)
{
    uint64_t own = (uint64_t)argument * 7919 + 362436069;
    for (;;) {
        uint64_t r = thread_random(&own);
        uint8_t *at = area + r % (AREA_BYTES / PAGE_BYTES) * PAGE_BYTES;
        size_t length = (r >> 20) % 20 * PAGE_BYTES + 1;
        long flags = MAP_FIXED | (r >> 50 & 1 ? MAP_SHARED : MAP_PRIVATE);
        length = at + length > area + AREA_BYTES ? (size_t)(area + AREA_BYTES - at) : length;
        long descriptor = r >> 51 & 1 ? image : temporary;
        switch (r >> 40 & 7) {
        case 0:
            syscall(SYS_munmap, at, length);
            break;
        case 1:
            syscall(SYS_mprotect, at, length, r >> 55 & 7);
            break;
        case 2:
        case 3:
            syscall(SYS_mmap, at, length, 3, flags | MAP_ANONYMOUS, -1, 0);
            break;
        case 4:
        case 5:
            syscall(SYS_mmap, at, length, r >> 55 & 7, flags, descriptor, (r >> 52 & 15) * 4096);
            break;
        case 6:
            syscall(SYS_madvise, at, length, 4);
            break;
        default:
            if (r >> 63 == 0) {
                syscall(SYS_mremap, at, length, (r >> 30) % 0x10000, 0, 0);
                break;
            }
            uint64_t room = (AREA_BYTES - length) / PAGE_BYTES;
            uint8_t *to = area + (r >> 52 & 63) % (room + 1) * PAGE_BYTES;
            syscall(SYS_mremap, at, length, length, r >> 58 & 7, to);
            break;
        }
    }
    return 0;
}

static void prepare(void)
{
    char name[40];
    snprintf(name, sizeof(name), "/tmp/memory-%d", getpid());
    image = open("/bin/busybox", O_RDONLY);
    temporary = open(name, O_RDWR | O_CREAT | O_TRUNC, 0600);
    unlink(name);
    area = mmap(NULL, AREA_BYTES + PAGE_BYTES, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS,
                -1, 0);
}

static void storm(uint64_t seed)
{
    prepare();
    for (uint64_t i = 0; i < 2; i++) {
        thread_start(thread_map, (void *)(seed + i), 0);
        thread_start(thread_call, (void *)(seed * 3 + i), 0);
    }
    int64_t end = now_ms() + 1500;
    while (now_ms() < end) {
        pid_t pid = fork();
        if (pid == 0) {
            signal(SIGSEGV, handler);
            signal(SIGBUS, handler);
            for (size_t at = 0; at < AREA_BYTES; at += PAGE_BYTES) {
                ((volatile uint8_t *)area)[at]++;
            }
            _exit(0);
        }
        int status;
        ended_within(pid, 1000, &status);
        kill(pid, SIGKILL);
        waitpid(pid, NULL, WNOHANG);
    }
    kill(getpid(), SIGKILL);
}

/* --- what is not the application's to write ------------------------------------------------------
 */

static uint64_t area_named(const char *name)
{
    FILE *maps = fopen("/proc/self/maps", "r");
    char line[256];
    uint64_t start = 0;
    while (maps != NULL && fgets(line, sizeof(line), maps) != NULL) {
        if (strstr(line, name) != NULL) {
            start = strtoul(line, NULL, 16);
        }
    }
    return start;
}

/* Through the personality: EFAULT where a store of our own would end us. */
static void write_through(uint64_t at)
{
    int zero = open("/dev/zero", O_RDONLY);
    syscall(SYS_read, zero, at, 1);
}

/* The pages that the personality shows to all must not change for others. */
static void special_pages(uint64_t which)
{
    uint64_t start = area_named(which % 2 == 0 ? "[vdso]" : "[vvar]");
    if (start == 0) {
        _exit(98);
    }
    volatile uint8_t *page = (volatile uint8_t *)start;
    uint8_t before = page[1];
    pid_t pid = fork();
    if (pid == 0) {
        if (which >= 2) {
            mremap((void *)start, PAGE_BYTES, 2 * PAGE_BYTES, MREMAP_MAYMOVE);
            madvise((void *)start, PAGE_BYTES, MADV_DONTNEED);
        }
        mprotect((void *)start, PAGE_BYTES, PROT_READ | PROT_WRITE | PROT_EXEC);
        write_through(start + 1);
        page[1] = (uint8_t)(before + 1);
        _exit(0);
    }
    int status;
    if (!ended_within(pid, 2000, &status) || (which % 2 == 0 && page[1] != before)) {
        _exit(99);
    }
}

/* A file opened for reading is not written through a mapping. */
static void readable_only(uint64_t which)
{
    char name[40];
    snprintf(name, sizeof(name), "/tmp/readable-%d", getpid());
    int writer = open(name, O_RDWR | O_CREAT | O_TRUNC, 0600);
    if (write(writer, "before", 6) != 6) {
        _exit(98);
    }
    int reader = open(name, O_RDONLY);
    uint8_t *map = mmap(NULL, PAGE_BYTES, PROT_READ, MAP_SHARED, reader, 0);
    pid_t pid = fork();
    if (pid == 0) {
        if (which == 0) {
            mprotect(map, PAGE_BYTES, PROT_READ | PROT_WRITE);
        } else {
            map = mmap(NULL, PAGE_BYTES, PROT_READ | PROT_WRITE, MAP_SHARED, reader, 0);
        }
        write_through((uint64_t)map);
        map[1] = 'x';
        _exit(0);
    }
    int status;
    char text[6];
    bool ended = ended_within(pid, 2000, &status);
    if (!ended || pread(writer, text, 6, 0) != 6 || memcmp(text, "before", 6) != 0) {
        _exit(99);
    }
}

/* --- the ends of the address space
 * ---------------------------------------------------------------- */

static void extremes(uint64_t argument)
{
    (void)argument;
    static const uint64_t places[] = {0,
                                      1,
                                      4096,
                                      65536,
                                      0x7ffffffff000,
                                      0x7fffffffe000,
                                      0x800000000000,
                                      0x7fffffff0000,
                                      0xffff800000000000,
                                      -4096ul,
                                      1ul << 46};
    static const uint64_t lengths[] = {
        0,         1,         4096,    1ul << 30, 1ul << 40, 1ul << 46, (1ul << 47) - 4096,
        1ul << 47, 1ul << 63, -4096ul, -4095ul,   -1ul};
    for (size_t i = 0; i < ARRAY_LENGTH(places); i++) {
        for (size_t j = 0; j < ARRAY_LENGTH(lengths); j++) {
            /* Not over ourselves: a child for what is fixed. */
            if (vfork() == 0) {
                _exit(0);
            }
            if (fork() == 0) {
                syscall(SYS_mmap, places[i], lengths[j], 3, 0x32, -1, 0);
                syscall(SYS_getppid);
                *(volatile uint8_t *)places[i] = 1;
                _exit(0);
            }
            if (fork() == 0) {
                syscall(SYS_mmap, places[i], lengths[j], 3, 0x100022, -1, 0);
                syscall(SYS_mmap, places[i], lengths[j], 3, 0x21, -1, 0);
                syscall(SYS_mmap, places[i], lengths[j], 3, 0x1, image, lengths[j] & -4096ul);
                syscall(SYS_mremap, places[i], lengths[j], lengths[(j + 3) % 12], 1, 0);
                syscall(SYS_mprotect, places[i], lengths[j], 3);
                syscall(SYS_madvise, places[i], lengths[j], 4);
                syscall(SYS_msync, places[i], lengths[j], 4);
                syscall(SYS_brk, places[i] + lengths[j]);
                syscall(SYS_munmap, places[i], lengths[j]);
                _exit(0);
            }
            while (waitpid(-1, NULL, 0) > 0) {
            }
        }
    }
}

/* Thousands of areas, then one call over all of them. */
static void many_areas(uint64_t argument)
{
    (void)argument;
    uint8_t *base =
        mmap(NULL, 8192 * PAGE_BYTES, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    for (size_t i = 0; i < 8192; i += 2) {
        mprotect(base + i * PAGE_BYTES, PAGE_BYTES, PROT_READ);
    }
    if (fork() == 0) {
        munmap(base + PAGE_BYTES, 8190 * PAGE_BYTES);
        _exit(0);
    }
    mprotect(base, 8192 * PAGE_BYTES, PROT_NONE);
    wait(NULL);
}

/* The heap's end by several threads at once. */
static int thread_brk(void *argument)
{
    uint64_t own = (uint64_t)argument + 5;
    uint64_t start = (uint64_t)syscall(SYS_brk, 0);
    for (int i = 0; i < 400; i++) {
        syscall(SYS_brk, start + thread_random(&own) % 0x100000);
    }
    syscall(SYS_exit, 0);
    return 0;
}

static void brk_race(uint64_t argument)
{
    (void)argument;
    for (uint64_t i = 0; i < 4; i++) {
        thread_start(thread_brk, (void *)i, 0);
    }
    sleep_ms(300);
}

/* More than the account has: who asks is ended, nobody else. */
static void exhaust(uint64_t which)
{
    size_t length = 3ul << 30;
    uint8_t *map = mmap(NULL, length, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    int zero = open("/dev/zero", O_RDONLY);
    for (size_t at = 0; at < length; at += which == 0 ? PAGE_BYTES : 1ul << 24) {
        if (which == 0) {
            map[at] = 1;
        } else if (read(zero, map + at, 1ul << 24) <= 0) {
            break;
        }
    }
}

int main(void)
{
    for (uint64_t which = 0; which < 4; which++) {
        attack_that_ends("special_pages", special_pages, which, 5000);
    }
    attack_that_ends("readable_only", readable_only, 0, 5000);
    attack_that_ends("readable_only", readable_only, 1, 5000);
    attack_that_ends("extremes", extremes, 0, 60000);
    attack_that_ends("many_areas", many_areas, 0, 60000);
    attack_that_ends("brk_race", brk_race, 0, 20000);
    for (uint64_t seed = 1; seed <= 12; seed++) {
        attack("storm", storm, seed, 4000);
    }
    for (uint64_t which = 0; which < 2; which++) {
        attack("exhaust", exhaust, which, 20000);
    }
    return attacks_result();
}
