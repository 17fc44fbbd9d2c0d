/*
 * The application's memory. Addresses are checked against the application half and copied under the
 * fix-up table; 0 or -EFAULT. What was copied before a fault stays copied.
 */
#pragma once

#include "lib/base/types.h"

/* The copy of core/entry.S under the fix-up table, of any two places: 0 or -EFAULT. A page of the
 * image, too, may be absent for good. */
long user_copy(void *to, const void *from, uint64_t length_bytes);

long copy_to_user(uint64_t to, const void *from, uint64_t length_bytes);
long copy_from_user(void *to, uint64_t from, uint64_t length_bytes);
long clear_user(uint64_t to, uint64_t length_bytes);

/* With its NUL; the length without it, -ENAMETOOLONG when it does not fit, or -EFAULT. */
long copy_string_from_user(char *to, uint64_t from, uint64_t capacity_bytes);

static inline bool user_range(uint64_t address, uint64_t length_bytes)
{
    return range_inside(address, length_bytes, APPLICATION_END);
}

static inline long put_user_u32(uint64_t to, uint32_t value)
{
    return copy_to_user(to, &value, sizeof(value));
}

static inline long put_user_u64(uint64_t to, uint64_t value)
{
    return copy_to_user(to, &value, sizeof(value));
}

/* Put `value` there if *expected is there, otherwise what is there into *expected: 1 done, 0 not,
 * -EFAULT. Aligned. */
long exchange_user_u32(uint64_t at, uint32_t *expected, uint32_t value);
