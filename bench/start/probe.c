/* The container's program of the start benchmark: the TSC at the first instruction of main. */
#include <stdint.h>
#include <unistd.h>

static uint64_t tsc(void)
{
    uint32_t low;
    uint32_t high;
    __asm__ volatile("rdtsc" : "=a"(low), "=d"(high));
    return (uint64_t)high << 32 | low;
}

int main(void)
{
    uint64_t now = tsc();
    return write(1, &now, sizeof(now)) == sizeof(now) ? 0 : 1;
}
