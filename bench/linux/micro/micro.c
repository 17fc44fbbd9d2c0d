/*
 * micro insns|ns [NAME...]: prints "bench: NAME VALUE" for each item, the least of its passes,
 * without what the loop costs. insns counts ticks of the TSC, which are instructions on a QEMU that
 * counts them; ns is wall time. It runs in the folder that holds its files.
 */
#include "bench/linux/micro/micro.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define PASSES    3
#define ITEMS_MAX 64

static bool wall_time;

void must(bool good, const char *what)
{
    if (!good) {
        perror(what);
        exit(1);
    }
}

static uint64_t now(void)
{
    if (wall_time) {
        struct timespec time;
        clock_gettime(CLOCK_MONOTONIC, &time);
        return (uint64_t)time.tv_sec * 1000000000 + (uint64_t)time.tv_nsec;
    }
    uint32_t low;
    uint32_t high;
    __asm__ volatile("rdtsc" : "=a"(low), "=d"(high) : : "memory");
    return (uint64_t)high << 32 | low;
}

/* Between CPUs that a busy host runs in turns, a round trip may take milliseconds. */
static uint32_t rounds_of(const struct item *item)
{
    return wall_time ? (item->rounds + 9) / 10 : item->rounds;
}

static uint64_t pass_time(const struct item *item)
{
    uint32_t rounds = rounds_of(item);
    if (item->prepare != NULL) {
        item->prepare();
    }
    uint64_t start = now();
    for (uint32_t i = 0; i < rounds; i++) {
        item->operate();
    }
    uint64_t took = now() - start;
    if (item->finish != NULL) {
        item->finish();
    }
    return took;
}

/* Of one pass. */
static uint64_t least_time(const struct item *item)
{
    uint64_t least = UINT64_MAX;
    for (int pass = 0; pass < PASSES; pass++) {
        /* What others still had to do, and what they do ahead, is done meanwhile. */
        usleep(20000);
        uint64_t took = pass_time(item);
        least = took < least ? took : least;
    }
    return least;
}

static void do_nothing(void)
{
    __asm__ volatile("");
}

static double loop_cost(void)
{
    const struct item empty = {"empty", 10000, 1, NULL, do_nothing, NULL};
    return (double)least_time(&empty) / rounds_of(&empty);
}

int main(int count, char **arguments)
{
    static const struct item *const tables[] = {call_items, pair_items, memory_items,
                                                process_items};
    must(count >= 2, "micro insns|ns [NAME]");
    const char *only = count > 2 ? arguments[2] : "";
    wall_time = strcmp(arguments[1], "ns") == 0;
    double loop = loop_cost();
    /* Printed at the end: who shows it would run beside the next item. */
    static char results[ITEMS_MAX][64];
    uint32_t found = 0;
    for (size_t i = 0; i < sizeof(tables) / sizeof(tables[0]); i++) {
        for (const struct item *item = tables[i]; item->name != NULL; item++) {
            if (strncmp(item->name, only, strlen(only)) == 0) {
                must(found < ITEMS_MAX, "too many items");
                double cost = (double)least_time(item) / rounds_of(item) - loop;
                snprintf(results[found++], sizeof(results[0]), "bench: %s %.0f\n", item->name,
                         cost / item->per_round);
            }
        }
    }
    for (uint32_t i = 0; i < found; i++) {
        fputs(results[i], stdout);
    }
    return 0;
}
