/* Every system call's handler: six arguments as the registers had them, a result or -errno. */
#pragma once

#include "lib/base/types.h"

#define LINUX_CALL(number, name, handler)                                                          \
    long handler(uint64_t a, uint64_t b, uint64_t c, uint64_t d, uint64_t e, uint64_t f);
#include "linux/core/syscalls.def"
#undef LINUX_CALL
