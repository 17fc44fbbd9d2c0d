/*
 * The fake engine's processes: plain processes of the host that stand in for a container's. What
 * one writes is kept in a log; sessions read the log at their own pace.
 */
#pragma once

#include "lib/base/types.h"

#include <sys/types.h>

struct chunk {
    struct chunk *next;
    uint8_t stream; /* 1 or 2 */
    uint32_t length;
    uint8_t bytes[];
};

struct process {
    pid_t pid;
    bool started;
    bool ended;
    bool terminal;
    int code;
    int in;     /* -1 when closed */
    int out[3]; /* by stream; out[0] unused */
    struct chunk *log;
    struct chunk **log_end;
    uint32_t unread_bytes; /* by the slowest attached session */
    int references;
};

struct process_plan {
    const char *const *arguments; /* NULL-terminated */
    char **environment;
    const char *directory;
    bool terminal;
    uint32_t window;
    bool open_stdin;
};

struct process *process_make(void);
void process_release(struct process *process);
/* 0, or the errno of the exec. */
int process_start(struct process *process, const struct process_plan *plan);
/* Reads one of its outputs into the log. */
void process_read(struct process *process, int stream);
void process_reap(struct process *process);
void process_resize(struct process *process, uint32_t window);
/* Ended, and everything it wrote is in the log. */
bool process_finished(const struct process *process);
