/*
 * When the steps of the newest container start happened, as TSC values: what the start benchmark
 * reads through STATISTICS. One start at a time makes sense of them.
 */
#pragma once

#include "lib/base/types.h"

enum mark {
    MARK_READY,    /* the template is frozen: containers can start */
    MARK_CREATE,   /* CREATE was received */
    MARK_CREATED,  /* its objects exist */
    MARK_START,    /* START was received */
    MARK_RUNNING,  /* its first thread can run */
    MARK_LAUNCHED, /* the personality has executed the program */
    MARK_ENDED,    /* the personality says that the process ended */
    MARK_RELEASED, /* personality and applications are given back */
    MARKS,
};

void mark_set(enum mark mark);
uint64_t mark_get(enum mark mark);
const char *mark_name(enum mark mark);
