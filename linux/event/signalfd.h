/*
 * signalfd(2): signals read from a file. Whoever reads or polls it sees the signals that wait for
 * himself and his process, whoever made it.
 */
#pragma once

#include "lib/base/types.h"

/* A signal was queued that perhaps nobody takes by a handler. Under tasks_lock. */
void signalfds_tell(int number);
