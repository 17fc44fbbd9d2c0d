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

/* What the first argument names. It does not return when that is something else. */
static struct object *find(struct thread *thread, enum object_type type, uint32_t right)
{
    struct object *object = short_way_find(thread, thread->registers.rdi, type, right);
    if (object == NULL) {
        kernel_call(thread);
    }
    thread->restarted = 0;
    return object;
}

__attribute__((noreturn)) static void done(struct thread *thread, status_t status)
{
    if (status == CALL_BLOCKED) {
        scheduler_next(cpu_current());
    }
    thread->registers.rax = status;
    scheduler_return(thread);
}

__attribute__((flatten)) void short_thread_park(struct thread *thread)
{
    thread->restarted = 0;
    done(thread, thread_park(thread, thread->registers.rdi, thread->registers.rsi));
}

__attribute__((flatten)) void short_thread_unpark(struct thread *thread)
{
    thread_unpark(object_thread(find(thread, OBJECT_THREAD, RIGHT_WRITE)));
    done(thread, STATUS_OK);
}

__attribute__((flatten)) void short_signal_wait(struct thread *thread)
{
    struct registers *registers = &thread->registers;
    struct signal *signal = object_signal(find(thread, OBJECT_SIGNAL, RIGHT_READ));
    done(thread, signal_wait(thread, signal, registers->rsi, registers->rdx, &registers->rdi));
}

__attribute__((flatten)) void short_signal_raise(struct thread *thread)
{
    signal_set(object_signal(find(thread, OBJECT_SIGNAL, RIGHT_WRITE)), thread->registers.rsi);
    done(thread, STATUS_OK);
}
