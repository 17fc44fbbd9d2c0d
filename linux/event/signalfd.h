/*
 * signalfd(2): signals read from a file. Whoever reads or polls it sees the signals that wait for
 * himself and his process, whoever made it.
 */
#pragma once

#include "lib/base/types.h"

struct thread_group;

/* A signal for the process was queued that perhaps nobody takes by a handler. Under tasks_lock. */
void signalfds_tell(struct thread_group *group, int number);
/* The process is about to end. */
void signalfds_forget(struct thread_group *group);
