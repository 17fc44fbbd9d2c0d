/* Threads of an account that compute in application mode and count what they do. */
#pragma once

#include "tests/kernel/harness.h"

#define HOGS_MAX 8

struct hogs {
    uint32_t account;
    uint32_t count;
    struct application_space space;
    struct worker worker[HOGS_MAX];
    uint64_t reasons[HOGS_MAX]; /* enum interrupt_reason, of all that interrupted it */
};

/* As many threads of the band BAND_CONTAINER; they run from now on. */
void hogs_start(struct hogs *hogs, uint32_t account, uint32_t count);
/* How often all of them together went round. */
uint64_t hogs_work(const struct hogs *hogs);
/* How many of them went round at all. */
uint32_t hogs_working(const struct hogs *hogs);
void hogs_end(struct hogs *hogs);

/* a is at least `low` and at most `high` hundredths of b; otherwise says what they are. */
bool near(const char *what, uint64_t a, uint64_t b, uint64_t low, uint64_t high);
uint32_t cpus(void);
