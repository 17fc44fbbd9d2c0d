/*
 * The short ways of thread_park, thread_unpark, signal_wait and signal_raise: what the calls do,
 * between a quick lookup and a quick way out. Whoever wakes another and then waits itself hands it
 * this CPU.
 */
#include "kernel/object/short_ways.h"
#include "kernel/object/waits.h"

__attribute__((noreturn)) static inline void done(struct thread *thread, status_t status,
                                                  uint64_t result)
{
    struct cpu *cpu = cpu_current();
    if (status == CALL_BLOCKED) {
        scheduler_next(cpu);
    }
    if (status != STATUS_OK) {
        thread->registers.rax = status;
        scheduler_return(thread);
    }
    call_leave(cpu, thread, call_goes_on(cpu, thread), result, 0, 0);
}

/* The object in that slot; without it the call goes the general way. */
static inline struct object *find(struct thread *thread, uint64_t number, uint64_t slot, uint64_t b,
                                  uint64_t c, enum object_type type, uint32_t right)
{
    struct object *object = short_way_find(thread, slot, type, right);
    if (object == NULL) {
        short_way_not(thread, number, slot, b, c);
    }
    return object;
}

SHORT_WAY(thread_park, deadline_ns, flags, unused)
{
    done(thread, thread_park(cpu_current(), thread, deadline_ns, flags), 0);
}

SHORT_WAY(thread_unpark, slot, unused_1, unused_2)
{
    struct object *object =
        find(thread, CALL_thread_unpark, slot, unused_1, unused_2, OBJECT_THREAD, RIGHT_WRITE);
    thread_unpark(cpu_current(), thread, object_thread(object));
    done(thread, STATUS_OK, 0);
}

SHORT_WAY(signal_wait, slot, mask, deadline_ns)
{
    struct object *object =
        find(thread, CALL_signal_wait, slot, mask, deadline_ns, OBJECT_SIGNAL, RIGHT_READ);
    uint64_t bits = 0;
    thread->registers.rdi = slot; /* for who copies the thread while it waits */
    status_t status =
        signal_wait(cpu_current(), thread, object_signal(object), mask, deadline_ns, &bits);
    done(thread, status, bits);
}

SHORT_WAY(signal_raise, slot, bits, unused)
{
    struct object *object =
        find(thread, CALL_signal_raise, slot, bits, unused, OBJECT_SIGNAL, RIGHT_WRITE);
    signal_raise(cpu_current(), thread, object_signal(object), bits);
    done(thread, STATUS_OK, 0);
}
