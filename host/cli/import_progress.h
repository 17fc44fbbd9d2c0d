/* What a long import shows on stderr: one line that is written again and again, and goes away. */
#pragma once

#include "lib/base/types.h"

struct import_progress {
    bool quiet;
    bool shown;
    const char *what;
    uint64_t total_bytes;
    uint64_t done_bytes;
    int64_t next_ns; /* when to show it again */
};

void import_progress_begin(struct import_progress *progress, const char *what, uint64_t total_bytes,
                           bool quiet);
/* A layer_progress: context is the progress. */
void import_progress_add(void *context, uint64_t bytes);
void import_progress_end(struct import_progress *progress);
