/*
 * assert says what the kernel itself guarantees; a failure is a kernel bug and stops the machine.
 * What callers and devices say is checked and answered, never asserted. assert_debug is for checks
 * too slow for every build.
 */
#pragma once

__attribute__((noreturn)) void panic(const char *file, int line, const char *what);

#define assert(condition)                                                                          \
    do {                                                                                           \
        if (__builtin_expect(!(condition), 0)) {                                                   \
            panic(__FILE__, __LINE__, #condition);                                                 \
        }                                                                                          \
    } while (0)

#ifdef OAK_DEBUG
#define assert_debug(condition) assert(condition)
#else
#define assert_debug(condition) ((void)sizeof(condition))
#endif
