#include "tests/kernel/hogs.h"

/* 1: incq (%rdi); cmpq $0, (%rsi); je 1b; syscall */
static const uint8_t loop[] = {0x48, 0xff, 0x07, 0x48, 0x83, 0x3e, 0x00, 0x74, 0xf7, 0x0f, 0x05};

static uint64_t counter_offset(uint64_t number)
{
    return 64 * (number + 1);
}

static void hog(struct worker *worker)
{
    struct hogs *hogs = worker->context;
    struct application *registers = application_self();
    registers->rdi = APPLICATION_DATA + counter_offset(worker->argument);
    registers->rsi = APPLICATION_DATA;
    const struct trap_words *trap =
        application_run_at(APPLICATION_CODE, APPLICATION_STACK, TRAP_SYSCALL);
    while (trap->cause == TRAP_INTERRUPT) {
        __atomic_fetch_or(&hogs->reasons[worker->argument], trap->address, __ATOMIC_RELAXED);
        trap = application_run();
    }
}

void hogs_start(struct hogs *hogs, uint32_t account, uint32_t count)
{
    *hogs = (struct hogs){.account = account, .count = count};
    application_space_make(&hogs->space, SLOT_ACCOUNT, SLOT_DOMAIN);
    code_put(&hogs->space, loop, sizeof(loop));
    for (uint32_t i = 0; i < count; i++) {
        hogs->worker[i].context = hogs;
        hogs->worker[i].argument = i;
        worker_start_in(&hogs->worker[i], hog, hogs->space.space, account, BAND_CONTAINER);
    }
}

static uint64_t work_of(const struct hogs *hogs, uint32_t number)
{
    return *(volatile uint64_t *)(hogs->space.data + counter_offset(number));
}

uint64_t hogs_work(const struct hogs *hogs)
{
    uint64_t work = 0;
    for (uint32_t i = 0; i < hogs->count; i++) {
        work += work_of(hogs, i);
    }
    return work;
}

uint32_t hogs_working(const struct hogs *hogs)
{
    uint32_t working = 0;
    for (uint32_t i = 0; i < hogs->count; i++) {
        working += work_of(hogs, i) != 0;
    }
    return working;
}

void hogs_end(struct hogs *hogs)
{
    hogs->space.data[0] = 1;
    for (uint32_t i = 0; i < hogs->count; i++) {
        worker_join(&hogs->worker[i]);
    }
    application_space_end(&hogs->space);
}

bool near(const char *what, uint64_t a, uint64_t b, uint64_t low, uint64_t high)
{
    uint64_t hundredths = b == 0 ? 0 : a * 100 / b;
    bool good = hundredths >= low && hundredths <= high;
    if (!good) {
        log_line("# %s: %lu against %lu, %lu %%", what, a, b, hundredths);
    }
    return good;
}

uint32_t cpus(void)
{
    return (uint32_t)machine_books().cpus;
}
