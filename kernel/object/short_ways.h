/*
 * Kernel calls that have a way of their own from entry.S, past the dispatcher: those that threads
 * wait and wake each other with. Each looks whether its usual case is there, and else leaves all to
 * kernel_call, errors too.
 */
#pragma once

#include "kernel/object/domain.h"
#include "kernel/object/thread.h"

__attribute__((noreturn)) void ipc_call(struct thread *caller);
__attribute__((noreturn)) void ipc_reply_receive(struct thread *server);
__attribute__((noreturn)) void short_signal_raise(struct thread *thread);
__attribute__((noreturn)) void short_signal_wait(struct thread *thread);
__attribute__((noreturn)) void short_thread_park(struct thread *thread);
__attribute__((noreturn)) void short_thread_unpark(struct thread *thread);

/* The object of that type in the caller's slot, if the capability carries the right; or NULL. */
static inline struct object *short_way_find(const struct thread *thread, uint64_t slot,
                                            enum object_type type, uint32_t right)
{
    handle_t handle = domain_slot(thread->domain, slot);
    return handle_rights(handle) & right ? handle_object(handle, type) : NULL;
}
