/* The fixed-width types, status_t and the few macros that all code shares. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "abi/kernel.h"

__extension__ typedef unsigned __int128 uint128_t;

/* An enum status, or a service's own number above it. Must be used. */
typedef uint32_t status_t;

#define MUST_USE __attribute__((warn_unused_result))

#define ARRAY_LENGTH(array)                 (sizeof(array) / sizeof((array)[0]))
#define ALIGN_UP(value, alignment)          (((value) + (alignment)-1) & ~((__typeof__(value))(alignment)-1))
#define ALIGN_DOWN(value, alignment)        ((value) & ~((__typeof__(value))(alignment)-1))
#define CONTAINER_OF(pointer, type, member) ((type *)((uintptr_t)(pointer)-offsetof(type, member)))
#define MIN(a, b)                           ((a) < (b) ? (a) : (b))
#define MAX(a, b)                           ((a) > (b) ? (a) : (b))

/* For tables of many pages of which few are used: behind everything small, so that what a program
 * touches first lies on few pages. */
#define LARGE_TABLE __attribute__((section(".bss.large")))

/* For what a program does not write when it starts: behind all that it does. */
#define SELDOM_WRITTEN __attribute__((section(".bss.seldom")))

/* True when [offset, offset + length) lies inside [0, size). */
static inline bool range_inside(uint64_t offset, uint64_t length, uint64_t size)
{
    return offset <= size && length <= size - offset;
}
