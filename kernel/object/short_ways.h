/*
 * Kernel calls that have a way of their own from entry.S, past the dispatcher: those, named there,
 * that threads wait and wake each other with. Each looks whether its usual case is there, and else
 * leaves all to kernel_call, errors too.
 *
 * The first three arguments come in registers, before the thread, whose registers do not hold them.
 */
#pragma once

#include "kernel/core/traps.h"
#include "kernel/object/domain.h"

#define SHORT_WAY(call, a, b, c)                                                                   \
    void short_##call(uint64_t a, uint64_t b, uint64_t c, struct thread *thread);                  \
    __attribute__((noreturn, flatten)) void short_##call(                                          \
        __attribute__((unused)) uint64_t a, __attribute__((unused)) uint64_t b,                    \
        __attribute__((unused)) uint64_t c, struct thread *thread)

/* The general way of that call. */
__attribute__((noreturn)) static inline void short_way_not(struct thread *thread, uint64_t number,
                                                           uint64_t a, uint64_t b, uint64_t c)
{
    struct registers *registers = &thread->registers;
    registers->rax = number;
    registers->rdi = a;
    registers->rsi = b;
    registers->rdx = c;
    kernel_call(thread);
}

/* The object of that type in the caller's slot, if the capability carries the right; or NULL. */
static inline struct object *short_way_find(const struct thread *thread, uint64_t slot,
                                            enum object_type type, uint32_t right)
{
    handle_t handle = domain_slot(thread->domain, slot);
    return handle_rights(handle) & right ? handle_object(handle, type) : NULL;
}
