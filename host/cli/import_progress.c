#include "host/cli/import_progress.h"

#include <inttypes.h>
#include <stdio.h>
#include <time.h>

#define SECOND_NS   1000000000ll
#define INTERVAL_NS 100000000ll

static int64_t now_ns(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * SECOND_NS + now.tv_nsec;
}

void import_progress_begin(struct import_progress *progress, const char *what, uint64_t total_bytes,
                           bool quiet)
{
    *progress = (struct import_progress){.quiet = quiet,
                                         .what = what,
                                         .total_bytes = MAX(total_bytes, (uint64_t)1),
                                         .next_ns = now_ns() + SECOND_NS};
}

void import_progress_add(void *context, uint64_t bytes)
{
    struct import_progress *progress = context;
    progress->done_bytes = MIN(progress->done_bytes + bytes, progress->total_bytes);
    if (progress->quiet || now_ns() < progress->next_ns) {
        return;
    }
    fprintf(stderr, "\roak: loading %.60s: %" PRIu64 "%%", progress->what,
            progress->done_bytes * 100 / progress->total_bytes);
    fflush(stderr);
    progress->shown = true;
    progress->next_ns = now_ns() + INTERVAL_NS;
}

void import_progress_end(struct import_progress *progress)
{
    if (progress->shown) {
        fprintf(stderr, "\r\033[K");
        fflush(stderr);
    }
}
