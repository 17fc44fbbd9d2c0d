/*
 * What the fuzzer once found, in corpus/, inputs made from the first numbers, and a few places of
 * each sweep: a run for `make test`, always the same. With arguments: files to play; or two
 * numbers, the first input and how many; or three, the first sweep, how many, and the stride.
 */
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "kernel/test/calls/calls.h"
#include "lib/base/test/check.h"

#define CORPUS       "kernel/test/calls/corpus"
#define RANDOM_COUNT 400
#define SWEEP_STRIDE 101
#define RANDOM_BYTES (200 * RECORD_BYTES)
#define FILE_BYTES   65536

/* Sweeps that found something: calls on a memory that is destroyed, whose frames stayed for ever.
 */
static const struct {
    uint32_t call;
    uint32_t victim;
    uint32_t seed;
} found[] = {
    {CALL_memory_populate, WORLD_VICTIM_MEMORY, 490},
    {CALL_memory_populate, WORLD_VICTIM_MEMORY, 2479},
    {CALL_memory_move, WORLD_VICTIM_MEMORY, 57510},
};

int LLVMFuzzerTestOneInput(const uint8_t *input, size_t length_bytes);
size_t LLVMFuzzerMutate(uint8_t *input, size_t length_bytes, size_t limit_bytes);

/* The fuzzer's own, which the mutator of records calls. */
size_t LLVMFuzzerMutate(uint8_t *input, size_t length_bytes, size_t limit_bytes)
{
    (void)input;
    (void)limit_bytes;
    return length_bytes;
}

static void play_file(const char *path)
{
    static uint8_t input[FILE_BYTES];
    FILE *file = fopen(path, "rb");
    CHECK(file != NULL);
    size_t length_bytes = fread(input, 1, sizeof(input), file);
    CHECK(fclose(file) == 0 && length_bytes < sizeof(input));
    fprintf(stderr, "# %s\n", path);
    (void)LLVMFuzzerTestOneInput(input, length_bytes);
}

static void play_corpus(void)
{
    DIR *folder = opendir(CORPUS);
    CHECK(folder != NULL);
    uint32_t count = 0;
    const struct dirent *entry;
    while ((entry = readdir(folder)) != NULL) {
        if (entry->d_name[0] != '.') {
            char path[sizeof(CORPUS) + sizeof(entry->d_name) + 1];
            snprintf(path, sizeof(path), "%s/%s", CORPUS, entry->d_name);
            play_file(path);
            count++;
        }
    }
    CHECK(count > 0 && closedir(folder) == 0);
}

static void play_random(unsigned long number)
{
    static uint8_t input[RANDOM_BYTES];
    uint64_t random = number * 0x9e3779b97f4a7c15ull + 1;
    for (size_t i = 0; i < sizeof(input); i++) {
        random ^= random << 13;
        random ^= random >> 7;
        random ^= random << 17;
        input[i] = (uint8_t)(random >> 32);
    }
    (void)LLVMFuzzerTestOneInput(input, sizeof(input));
}

static void play_numbers(unsigned long first, unsigned long count)
{
    for (unsigned long i = 0; i < count; i++) {
        if (i % 100 == 0) {
            fprintf(stderr, "# from number %lu on\n", first + i);
        }
        play_random(first + i);
    }
}

static void play_sweeps(unsigned long first, unsigned long count, unsigned long stride)
{
    (void)LLVMFuzzerTestOneInput(NULL, 0); /* makes the world */
    for (unsigned long i = 0; i < count; i++) {
        if (i % 100 == 0) {
            fprintf(stderr, "# from sweep %lu on\n", first + i);
        }
        sweep((uint32_t)(first + i), (uint32_t)stride);
    }
}

static unsigned long number_of(const char *text)
{
    return strtoul(text, NULL, 10);
}

static bool is_number(const char *text)
{
    return text[strspn(text, "0123456789")] == 0;
}

int main(int count, char **arguments)
{
    if (count == 1) {
        play_corpus();
        play_numbers(0, RANDOM_COUNT);
        play_sweeps(0, SWEEPS, SWEEP_STRIDE);
        for (size_t i = 0; i < ARRAY_LENGTH(found); i++) {
            sweep_call(found[i].call, found[i].victim, found[i].seed, 1);
        }
    } else if (count == 3 && is_number(arguments[1])) {
        play_numbers(number_of(arguments[1]), number_of(arguments[2]));
    } else if (count == 4 && is_number(arguments[1])) {
        play_sweeps(number_of(arguments[1]), number_of(arguments[2]), number_of(arguments[3]));
    } else {
        for (int i = 1; i < count; i++) {
            play_file(arguments[i]);
        }
    }
    printf("ok: kernel calls from random bytes keep every book, reference and translation right\n");
    return 0;
}
