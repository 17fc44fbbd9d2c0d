/* Calls with the arguments at which sums overflow and tables end, at random but the same each time.
 */
#include "tests/linux/attack/attack.h"

#include <sys/uio.h>

#define CALLS 460

static uint8_t *pages; /* readable and writable, the page behind it is not there */
static uint8_t *file_page;
static int file_descriptor;

static const uint64_t edges[] = {
    0,
    1,
    2,
    3,
    7,
    8,
    15,
    63,
    64,
    65,
    127,
    255,
    256,
    511,
    1023,
    1024,
    1025,
    4095,
    4096,
    4097,
    65535,
    65536,
    0x7fffffff,
    0x80000000,
    0xfffffffe,
    0xffffffff,
    0x100000000,
    1ul << 46,
    1ul << 47,
    1ul << 62,
    1ul << 63,
    (1ul << 63) - 1,
    (1ul << 63) - 4096,
    UINT64_MAX,
    UINT64_MAX - 1,
    UINT64_MAX - 4095,
    -4096ul,
    -100ul,
    0x7ffffffff000,
    0x7ffffffffff8,
    0x7fffffffffff,
    0x800000000000,
    0x800000001000,
    0x800040000000,
    0xffff800000000000,
    0x00007f0000000000,
};

static uint64_t value_any(void)
{
    uint64_t r = random_next();
    switch (r % 16) {
    case 0:
    case 1:
    case 2:
    case 3:
        return edges[(r >> 8) % ARRAY_LENGTH(edges)];
    case 4:
    case 5:
        return (uint64_t)pages + PAGE_BYTES - ((r >> 8) % 64);
    case 6:
    case 7:
    case 8:
        return (uint64_t)pages + ((r >> 8) % (PAGE_BYTES / 8)) * 8;
    case 9:
        return (uint64_t)file_page + ((r >> 8) % PAGE_BYTES);
    case 10:
        return (r >> 8) % 12;
    case 11:
        return (r >> 8) % 4096;
    case 12:
        return 1ul << ((r >> 8) % 64);
    case 13:
        return (r >> 8) & 0xfff & (r >> 32);
    case 14:
        return (uint64_t)file_descriptor;
    default:
        return (r >> 8) % 3 == 0 ? r : (uint64_t)pages;
    }
}

/* What would end or stop the test itself, or take the whole container along. */
static bool forbidden(uint64_t number)
{
    static const uint16_t list[] = {
        SYS_exit,   SYS_exit_group,   SYS_kill,    SYS_tkill, SYS_tgkill,
        SYS_pause,  SYS_rt_sigreturn, SYS_fork,    SYS_vfork, SYS_clone,
        SYS_reboot, SYS_sethostname,  SYS_setpgid,
    };
    for (size_t i = 0; i < ARRAY_LENGTH(list); i++) {
        if (list[i] == number) {
            return true;
        }
    }
    return false;
}

/* Paths, vectors, times and masks lie where pointers point. */
static void pages_fill(void)
{
    static const char *const strings[] = {
        "/proc/self/maps",
        "/tmp/b",
        "/tmp/a",
        "/dev/null",
        "../../..",
        "/proc/self/fd/0",
        "",
        "/dev/zero",
        "a/b/c",
        "/tmp",
        "/dev/tty",
        "/proc/1/environ",
        "/proc/self/task",
    };
    for (size_t i = 0; i < PAGE_BYTES / 8; i += 2) {
        uint64_t word = value_any();
        memcpy(pages + i * 8, &word, sizeof(word));
        word = random_next() % 2 ? random_next() % 100 : value_any();
        memcpy(pages + i * 8 + 8, &word, sizeof(word));
    }
    for (int i = 0; i < 24; i++) {
        const char *string = strings[random_next() % ARRAY_LENGTH(strings)];
        strcpy((char *)pages + random_next() % (PAGE_BYTES / 32) * 32 % 4032, string);
    }
}

/* Odd ones without root's rights. Paths name no program: this may truncate or remove them. */
static void prepare(uint64_t seed)
{
    int null = open("/dev/null", O_RDWR);
    for (int i = 0; i < 3; i++) {
        dup2(null, i);
    }
    signal(SIGPIPE, SIG_IGN);
    signal(SIGALRM, SIG_IGN);
    signal(SIGXFSZ, SIG_IGN);
    pages = mmap(NULL, 3 * PAGE_BYTES, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    munmap(pages + PAGE_BYTES, PAGE_BYTES);
    char name[40];
    snprintf(name, sizeof(name), "/tmp/arguments-%d", getpid());
    file_descriptor = open(name, O_RDWR | O_CREAT | O_TRUNC, 0600);
    unlink(name);
    if (ftruncate(file_descriptor, 6000) != 0) {
        _exit(1);
    }
    file_page = mmap(NULL, 2 * PAGE_BYTES, PROT_READ | PROT_WRITE, MAP_SHARED, file_descriptor, 0);
    int ends[2];
    if (pipe2(ends, O_NONBLOCK) != 0 || (seed % 2 != 0 && setuid(1000) != 0)) {
        _exit(1);
    }
}

static void one_call(uint64_t only)
{
    uint64_t number = only != 0 ? only : random_next() % CALLS;
    if (forbidden(number)) {
        return;
    }
    if (random_next() % 8 == 0) {
        pages_fill();
    }
    uint64_t a[6];
    for (int i = 0; i < 6; i++) {
        a[i] = value_any();
    }
    /* A mapping at a fixed place is where it destroys nothing of the test's own. */
    if ((number == SYS_mmap && (a[3] & 0x100010)) || number == SYS_munmap ||
        number == SYS_mprotect || number == SYS_mremap || number == SYS_madvise) {
        a[0] =
            a[0] % 3 == 0 ? (uint64_t)pages + PAGE_BYTES : 0x200000000000ul + (a[0] & -PAGE_BYTES);
        a[1] = a[0] == (uint64_t)pages + PAGE_BYTES ? PAGE_BYTES : a[1];
    }
    syscall((long)number, a[0], a[1], a[2], a[3], a[4], a[5]);
}

static void calls(uint64_t seed)
{
    random_seed(seed);
    prepare(seed);
    pages_fill();
    for (int i = 0; i < 1500; i++) {
        one_call(0);
    }
}

static int calls_thread(void *argument)
{
    (void)argument;
    for (;;) {
        one_call(0);
    }
    return 0;
}

/* Two threads over the same memory, descriptors and areas. */
static void calls_together(uint64_t seed)
{
    random_seed(seed);
    prepare(seed);
    pages_fill();
    thread_start(calls_thread, NULL, 0);
    thread_start(calls_thread, NULL, 0);
    for (int i = 0; i < 800; i++) {
        one_call(0);
    }
}

/* One call with its numbers at every edge. */
static void one_call_often(uint64_t number)
{
    random_seed(number);
    prepare(number);
    pages_fill();
    for (int i = 0; i < 150; i++) {
        one_call(number);
    }
}

/* --- vectors ------------------------------------------------------------------------------------
 */

static void vectors(uint64_t seed)
{
    random_seed(seed);
    prepare(seed);
    static struct iovec vector[1100];
    static const long numbers[] = {SYS_readv, SYS_writev, SYS_preadv, SYS_pwritev};
    int zero = open("/dev/zero", O_RDWR);
    for (int i = 0; i < 200; i++) {
        size_t count = random_next() % 2 ? random_next() % 12 : random_next() % 1100;
        for (size_t j = 0; j < count; j++) {
            vector[j].iov_base = (void *)(random_next() % 3 ? (uint64_t)pages : value_any());
            vector[j].iov_len = random_next() % 3 ? random_next() % 64 : value_any();
        }
        int descriptor = random_next() % 2 ? zero : file_descriptor;
        syscall(numbers[random_next() % 4], descriptor, vector,
                random_next() % 8 ? count : value_any(),
                random_next() % 2 ? random_next() % 9000 : value_any(), 0);
    }
}

/* --- a file that is copied into a mapping of itself ----------------------------------------------
 */

static void file_into_itself(uint64_t argument)
{
    const char *path = argument % 2 ? "/bin/busybox" : "/tmp/itself";
    int descriptor = open(path, argument % 2 ? O_RDONLY : O_RDWR | O_CREAT | O_TRUNC, 0600);
    if (argument % 2 == 0 && ftruncate(descriptor, 300000) != 0) {
        return;
    }
    int protection = argument % 2 ? PROT_READ | PROT_WRITE : PROT_READ | PROT_WRITE;
    uint8_t *map =
        mmap(NULL, 300000, protection, argument % 2 ? MAP_PRIVATE : MAP_SHARED, descriptor, 0);
    for (int i = 0; i < 4; i++) {
        ssize_t ignored = pread(descriptor, map + 100, 250000, 4000);
        ignored = pwrite(descriptor, map + 5000, 250000, 1);
        ignored = pwrite(descriptor, map, 300000, 200000);
        (void)ignored;
        if (i == 2 && ftruncate(descriptor, 10) != 0) {
            return;
        }
    }
}

/* --- a long transfer that must be ended
 * ----------------------------------------------------------- */

static void transfer_long(uint64_t which)
{
    int zero = open("/dev/zero", O_RDWR);
    int null = open("/dev/null", O_RDWR);
    if (which == 0) {
        syscall(SYS_sendfile, null, zero, NULL, 0x7ffff000);
    } else if (which == 1) {
        void *large =
            mmap(NULL, 1ul << 31, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        int urandom = open("/dev/urandom", O_RDONLY);
        syscall(SYS_read, urandom, large, 1ul << 31);
    } else if (which == 2) {
        static uint8_t one[65536];
        struct iovec vector[1024];
        for (int i = 0; i < 1024; i++) {
            vector[i] = (struct iovec){one, sizeof(one)};
        }
        for (;;) {
            syscall(SYS_readv, zero, vector, 1024);
        }
    }
}

int main(void)
{
    attack_that_ends("file_into_itself", file_into_itself, 0, 20000);
    attack_that_ends("file_into_itself", file_into_itself, 1, 20000);
    for (uint64_t which = 0; which < 3; which++) {
        attack("transfer_long", transfer_long, which, 300);
    }
    for (uint64_t seed = 1; seed <= 12; seed++) {
        attack("vectors", vectors, seed, 1000);
    }
    for (uint64_t number = 1; number < CALLS; number++) {
        attack("one_call_often", one_call_often, number, 120);
    }
    for (uint64_t seed = 1; seed <= 40; seed++) {
        attack("calls", calls, seed, 400);
        attack("calls_together", calls_together, seed, 400);
    }
    return attacks_result();
}
