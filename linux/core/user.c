#include "linux/core/user.h"

#include "linux/core/errno.h"

long user_clear(void *to, uint64_t length_bytes);
long user_copy_string(char *to, const char *from, uint64_t capacity_bytes);
long user_compare_exchange(uint32_t *at, uint32_t *expected, uint32_t value);

static void *user_pointer(uint64_t address)
{
    return (void *)(uintptr_t)address;
}

long copy_to_user(uint64_t to, const void *from, uint64_t length_bytes)
{
    return user_range(to, length_bytes) ? user_copy(user_pointer(to), from, length_bytes) : -EFAULT;
}

long copy_from_user(void *to, uint64_t from, uint64_t length_bytes)
{
    return user_range(from, length_bytes) ? user_copy(to, user_pointer(from), length_bytes)
                                          : -EFAULT;
}

long clear_user(uint64_t to, uint64_t length_bytes)
{
    return user_range(to, length_bytes) ? user_clear(user_pointer(to), length_bytes) : -EFAULT;
}

long copy_string_from_user(char *to, uint64_t from, uint64_t capacity_bytes)
{
    if (from >= APPLICATION_END) {
        return -EFAULT;
    }
    uint64_t limit = MIN(capacity_bytes, APPLICATION_END - from);
    long length = user_copy_string(to, user_pointer(from), limit);
    if (length >= 0 && (uint64_t)length == limit) {
        return limit == capacity_bytes ? -ENAMETOOLONG : -EFAULT;
    }
    return length;
}

long exchange_user_u32(uint64_t at, uint32_t *expected, uint32_t value)
{
    return user_range(at, sizeof(value))
               ? user_compare_exchange((uint32_t *)(uintptr_t)at, expected, value)
               : -EFAULT;
}
