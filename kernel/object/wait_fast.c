/*
 * The short ways of thread_park, thread_unpark, signal_wait and signal_raise: what the calls do,
 * between a quick lookup and a quick way out. Whoever wakes another and then waits itself hands it
 * this CPU.
 */
#include "kernel/core/cpu.h"
#include "kernel/core/scheduler.h"
#include "kernel/core/traps.h"
#include "kernel/object/short_ways.h"
#include "kernel/object/signal.h"

__attribute__((noreturn)) static void done(struct thread *thread, status_t status, uint64_t result)
{
    if (status == CALL_BLOCKED) {
        scheduler_next(cpu_current());
    }
    thread->registers.rdi = result;
    thread->registers.rax = status;
    scheduler_return(thread);
}

SHORT_WAY(short_thread_park, deadline_ns, flags, unused)
{
    thread->restarted = 0;
    done(thread, thread_park(thread, deadline_ns, flags), 0);
}

SHORT_WAY(short_thread_unpark, slot, unused_1, unused_2)
{
    struct object *object = short_way_find(thread, slot, OBJECT_THREAD, RIGHT_WRITE);
    if (object == NULL) {
        arguments_save(thread, slot, unused_1, unused_2);
        short_way_not(thread, CALL_thread_unpark);
    }
    thread->restarted = 0;
    thread_unpark(object_thread(object));
    done(thread, STATUS_OK, 0);
}

SHORT_WAY(short_signal_wait, slot, mask, deadline_ns)
{
    struct object *object = short_way_find(thread, slot, OBJECT_SIGNAL, RIGHT_READ);
    if (object == NULL) {
        arguments_save(thread, slot, mask, deadline_ns);
        short_way_not(thread, CALL_signal_wait);
    }
    thread->restarted = 0;
    uint64_t bits = 0;
    status_t status = signal_wait(thread, object_signal(object), mask, deadline_ns, &bits);
    done(thread, status, bits);
}

SHORT_WAY(short_signal_raise, slot, bits, unused)
{
    struct object *object = short_way_find(thread, slot, OBJECT_SIGNAL, RIGHT_WRITE);
    if (object == NULL) {
        arguments_save(thread, slot, bits, unused);
        short_way_not(thread, CALL_signal_raise);
    }
    thread->restarted = 0;
    signal_set(object_signal(object), bits);
    done(thread, STATUS_OK, 0);
}
