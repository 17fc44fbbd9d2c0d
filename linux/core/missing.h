/*
 * Calls and options that programs ask for and that do not exist: counted by name, for
 * `oak inspect`. The engine is told of each name once; the counts lie where it can read them.
 */
#pragma once

#include "lib/base/types.h"

enum missing_kind {
    MISSING_CALL,       /* number of the call */
    MISSING_PRCTL,      /* prctl's option */
    MISSING_SET_OPTION, /* MISSING_OPTION(level, name) */
    MISSING_GET_OPTION,
};

#define MISSING_OPTION(level, name) ((uint32_t)(level) << 16 | ((uint32_t)(name)&0xffff))

/* Count it. What comes after the first CHANNEL_MISSING different ones is not counted. */
void missing_count(enum missing_kind kind, uint32_t number);
