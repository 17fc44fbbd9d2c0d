/* ptrace(2): its requests, as the tracer makes them (ptrace.h). */
#include "linux/proc/ptrace_call.h"

#include "linux/core/syscalls.h"
#include "linux/core/user.h"
#include "linux/mm/mm.h"
#include "linux/proc/task.h"

enum request {
    PTRACE_TRACEME = 0,
    PTRACE_PEEKTEXT = 1,
    PTRACE_PEEKDATA = 2,
    PTRACE_PEEKUSER = 3,
    PTRACE_POKETEXT = 4,
    PTRACE_POKEDATA = 5,
    PTRACE_POKEUSER = 6,
    PTRACE_CONT = 7,
    PTRACE_KILL = 8,
    PTRACE_SINGLESTEP = 9,
    PTRACE_GETREGS = 12,
    PTRACE_SETREGS = 13,
    PTRACE_GETFPREGS = 14,
    PTRACE_SETFPREGS = 15,
    PTRACE_ATTACH = 16,
    PTRACE_DETACH = 17,
    PTRACE_SYSCALL = 24,
    PTRACE_ARCH_PRCTL = 30,
    PTRACE_SETOPTIONS = 0x4200,
    PTRACE_GETEVENTMSG = 0x4201,
    PTRACE_GETSIGINFO = 0x4202,
    PTRACE_SETSIGINFO = 0x4203,
    PTRACE_GETREGSET = 0x4204,
    PTRACE_SETREGSET = 0x4205,
    PTRACE_SEIZE = 0x4206,
    PTRACE_INTERRUPT = 0x4207,
    PTRACE_LISTEN = 0x4208,
    PTRACE_PEEKSIGINFO = 0x4209,
    PTRACE_GETSIGMASK = 0x420a,
    PTRACE_SETSIGMASK = 0x420b,
    PTRACE_GET_SYSCALL_INFO = 0x420e,
};

#define SIGNAL_SET_BYTES   8
#define PEEK_SHARED        1u /* PTRACE_PEEKSIGINFO_SHARED */
#define SIGINFO_USER_BYTES 128u

/* One that the current process traces, stopped or not. Under tasks_lock. */
static struct trace *trace_own(int tid)
{
    const struct task *task = task_find(tid);
    struct trace *trace = task == NULL ? NULL : trace_active(task);
    return trace != NULL && trace->tracer == task_current()->group ? trace : NULL;
}

struct trace *trace_stopped(int tid)
{
    struct trace *trace = trace_own(tid);
    return trace != NULL && trace->state == TRACE_STOPPED && !signal_kill_pending(trace->task)
               ? trace
               : NULL;
}

/* --- going on -------------------------------------------------------------------------------- */

static void trace_go(struct trace *trace, enum trace_pace pace, int deliver)
{
    trace->pace = pace;
    trace->deliver = deliver;
    trace->report = false;
    __atomic_store_n(&trace->state, TRACE_RUNS, __ATOMIC_RELEASE);
    (void)kernel_thread_unpark(trace->task->thread);
}

static long resume(int tid, enum trace_pace pace, uint64_t number)
{
    if (number > SIGNALS) {
        return -EIO;
    }
    mutex_lock(&tasks_lock);
    struct trace *trace = trace_stopped(tid);
    if (trace != NULL) {
        trace_go(trace, pace, (int)number);
    }
    mutex_unlock(&tasks_lock);
    return trace == NULL ? -ESRCH : 0;
}

static long detach(int tid, uint64_t number)
{
    if (number > SIGNALS) {
        return -EIO;
    }
    mutex_lock(&tasks_lock);
    struct trace *trace = trace_stopped(tid);
    if (trace != NULL) {
        trace_detach(trace, (int)number);
    }
    mutex_unlock(&tasks_lock);
    return trace == NULL ? -ESRCH : 0;
}

static long kill_it(int tid)
{
    const struct signal_info info = {.number = SIGKILL, .code = SI_USER};
    mutex_lock(&tasks_lock);
    const struct trace *trace = trace_own(tid);
    if (trace != NULL) {
        (void)signal_send_group(trace->process, &info);
    }
    mutex_unlock(&tasks_lock);
    return trace == NULL ? -ESRCH : 0;
}

static long interrupt(int tid)
{
    mutex_lock(&tasks_lock);
    struct trace *trace = trace_own(tid);
    long result = trace == NULL ? -ESRCH : trace->seized ? 0 : -EIO;
    if (result == 0) {
        __atomic_store_n(&trace->trap_pending, true, __ATOMIC_RELEASE);
        task_poke(trace->task, WORK_SIGNAL);
    }
    mutex_unlock(&tasks_lock);
    return result;
}

static long listen(int tid)
{
    mutex_lock(&tasks_lock);
    struct trace *trace = trace_stopped(tid);
    long result = trace == NULL ? -ESRCH : -EIO;
    if (trace != NULL && trace->seized && trace->has_info &&
        trace->info.code >> 8 == TRACE_EVENT_STOP) {
        trace->report = false;
        __atomic_store_n(&trace->state, TRACE_LISTENS, __ATOMIC_RELEASE);
        (void)kernel_thread_unpark(trace->task->thread); /* what came meanwhile stops it anew */
        result = 0;
    }
    mutex_unlock(&tasks_lock);
    return result;
}

/* --- options and messages -------------------------------------------------------------------- */

static long options_set(int tid, uint64_t options)
{
    mutex_lock(&tasks_lock);
    struct trace *trace = trace_stopped(tid);
    long result = trace == NULL ? -ESRCH : options & ~(uint64_t)TRACE_OPTIONS ? -EINVAL : 0;
    if (result == 0) {
        trace->options = (uint32_t)options;
    }
    mutex_unlock(&tasks_lock);
    return result;
}

static long message_get(int tid, uint64_t user_message)
{
    mutex_lock(&tasks_lock);
    const struct trace *trace = trace_stopped(tid);
    uint64_t message = trace == NULL ? 0 : trace->message;
    mutex_unlock(&tasks_lock);
    return trace == NULL ? -ESRCH : put_user_u64(user_message, message);
}

/* --- memory ---------------------------------------------------------------------------------- */

/* With a reference. A process that became undumpable is not shown to whom it was another's. */
static long memory_of(int tid, struct mm **out)
{
    mutex_lock(&tasks_lock);
    const struct trace *trace = trace_stopped(tid);
    long result = trace == NULL ? -ESRCH : 0;
    if (trace != NULL) {
        struct mm *mm = trace->task->mm;
        result = mm == NULL || (mm->undumpable && trace->powerless) ? -EIO : 0;
        if (result == 0) {
            mm_get(mm);
            *out = mm;
        }
    }
    mutex_unlock(&tasks_lock);
    return result;
}

static long word_move(int tid, uint64_t address, uint64_t *word, bool write)
{
    struct mm *mm;
    long result = memory_of(tid, &mm);
    if (result == 0) {
        result = mm_reach(mm, address, word, sizeof(*word), write) != 0 ? -EIO : 0;
        mm_put(mm);
    }
    return result;
}

static long word_peek(int tid, uint64_t address, uint64_t user_word)
{
    uint64_t word;
    long result = word_move(tid, address, &word, false);
    return result != 0 ? result : put_user_u64(user_word, word);
}

/* --- signals --------------------------------------------------------------------------------- */

static long info_get(int tid, uint64_t user_info)
{
    struct signal_info info;
    mutex_lock(&tasks_lock);
    const struct trace *trace = trace_stopped(tid);
    long result = trace == NULL ? -ESRCH : trace->has_info ? 0 : -EINVAL;
    if (result == 0) {
        info = trace->info;
    }
    mutex_unlock(&tasks_lock);
    return result != 0 ? result : signal_info_to_user(user_info, &info);
}

static long info_set(int tid, uint64_t user_info)
{
    struct signal_info info;
    if (signal_info_from_user(&info, user_info) != 0) {
        return -EFAULT;
    }
    mutex_lock(&tasks_lock);
    struct trace *trace = trace_stopped(tid);
    long result = trace == NULL ? -ESRCH : trace->has_info ? 0 : -EINVAL;
    if (result == 0) {
        trace->info = info;
    }
    mutex_unlock(&tasks_lock);
    return result;
}

struct user_peek { /* struct ptrace_peeksiginfo_args */
    uint64_t offset;
    uint32_t flags;
    int32_t count;
};

/* The signal at that place in a queue: 1; 0: there is none. */
static long queued_look(int tid, bool shared, uint64_t place, struct signal_info *out)
{
    mutex_lock(&tasks_lock);
    const struct trace *trace = trace_stopped(tid);
    long result = trace == NULL ? -ESRCH : 0;
    if (trace != NULL) {
        const struct task *task = trace->task;
        const struct queued_signal *entry =
            shared ? task->group->pending.first : task->pending.first;
        for (; entry != NULL && place > 0; place--) {
            entry = entry->next;
        }
        if (entry != NULL) {
            *out = entry->info;
            result = 1;
        }
    }
    mutex_unlock(&tasks_lock);
    return result;
}

static long queue_peek(int tid, uint64_t user_peek, uint64_t user_infos)
{
    struct user_peek peek;
    if (copy_from_user(&peek, user_peek, sizeof(peek)) != 0) {
        return -EFAULT;
    }
    if (peek.flags & ~PEEK_SHARED || peek.count < 0) {
        return -EINVAL;
    }
    for (int i = 0; i < peek.count; i++) {
        struct signal_info info;
        long found = queued_look(tid, peek.flags & PEEK_SHARED, peek.offset + (uint64_t)i, &info);
        if (found <= 0) {
            return i > 0 ? i : found;
        }
        if (signal_info_to_user(user_infos + (uint64_t)i * SIGINFO_USER_BYTES, &info) != 0) {
            return i > 0 ? i : -EFAULT;
        }
    }
    return peek.count;
}

static long mask_get(int tid, uint64_t size_bytes, uint64_t user_mask)
{
    mutex_lock(&tasks_lock);
    const struct trace *trace = trace_stopped(tid);
    uint64_t mask = 0;
    if (trace != NULL) {
        const struct task *task = trace->task;
        mask = task->restore_blocked ? task->saved_blocked : task->blocked;
    }
    mutex_unlock(&tasks_lock);
    return trace == NULL                    ? -ESRCH
           : size_bytes != SIGNAL_SET_BYTES ? -EINVAL
                                            : put_user_u64(user_mask, mask);
}

static long mask_set(int tid, uint64_t size_bytes, uint64_t user_mask)
{
    uint64_t mask;
    if (size_bytes != SIGNAL_SET_BYTES) {
        return -EINVAL;
    }
    if (copy_from_user(&mask, user_mask, sizeof(mask)) != 0) {
        return -EFAULT;
    }
    mutex_lock(&tasks_lock);
    const struct trace *trace = trace_stopped(tid);
    if (trace != NULL) {
        trace->task->restore_blocked = false;
        trace->task->blocked = mask & ~SIGNALS_UNBLOCKABLE;
        signal_recalculate(trace->task);
    }
    mutex_unlock(&tasks_lock);
    return trace == NULL ? -ESRCH : 0;
}

/* --- the call -------------------------------------------------------------------------------- */

static long seize(int tid, uint64_t address, uint64_t options)
{
    bool good = address == 0 && !(options & ~(uint64_t)TRACE_OPTIONS);
    return good ? trace_attach(tid, true, (uint32_t)options) : -EIO;
}

/* Of a task that is traced, and stopped but for two of them. */
static long request_make(uint64_t request, int tid, uint64_t address, uint64_t data)
{
    switch (request) {
    case PTRACE_PEEKTEXT:
    case PTRACE_PEEKDATA:
        return word_peek(tid, address, data);
    case PTRACE_POKETEXT:
    case PTRACE_POKEDATA:
        return word_move(tid, address, &data, true);
    case PTRACE_PEEKUSER:
        return trace_user_peek(tid, address, data);
    case PTRACE_POKEUSER:
        return trace_user_poke(tid, address, data);
    case PTRACE_CONT:
        return resume(tid, TRACE_CONTINUE, data);
    case PTRACE_SYSCALL:
        return resume(tid, TRACE_CALLS, data);
    case PTRACE_SINGLESTEP:
        return resume(tid, TRACE_STEP, data);
    case PTRACE_DETACH:
        return detach(tid, data);
    case PTRACE_KILL:
        return kill_it(tid);
    case PTRACE_INTERRUPT:
        return interrupt(tid);
    case PTRACE_LISTEN:
        return listen(tid);
    case PTRACE_GETREGS:
        return trace_registers_get(tid, data);
    case PTRACE_SETREGS:
        return trace_registers_set(tid, data);
    case PTRACE_GETFPREGS:
        return trace_fpu_get(tid, data);
    case PTRACE_SETFPREGS:
        return trace_fpu_set(tid, data);
    case PTRACE_GETREGSET:
        return trace_regset_get(tid, address, data);
    case PTRACE_SETREGSET:
        return trace_regset_set(tid, address, data);
    case PTRACE_ARCH_PRCTL:
        return trace_arch_prctl(tid, address, data);
    case PTRACE_SETOPTIONS:
        return options_set(tid, data);
    case PTRACE_GETEVENTMSG:
        return message_get(tid, data);
    case PTRACE_GETSIGINFO:
        return info_get(tid, data);
    case PTRACE_SETSIGINFO:
        return info_set(tid, data);
    case PTRACE_PEEKSIGINFO:
        return queue_peek(tid, address, data);
    case PTRACE_GETSIGMASK:
        return mask_get(tid, address, data);
    case PTRACE_SETSIGMASK:
        return mask_set(tid, address, data);
    case PTRACE_GET_SYSCALL_INFO:
        return trace_call_info(tid, data, address);
    default:
        return -EIO;
    }
}

/* Linux tells a task that is not the caller's to ask about from a request that does not exist. */
static bool may_ask(uint64_t request, int tid)
{
    bool any_time = request == PTRACE_KILL || request == PTRACE_INTERRUPT;
    mutex_lock(&tasks_lock);
    bool may = any_time ? trace_own(tid) != NULL : trace_stopped(tid) != NULL;
    mutex_unlock(&tasks_lock);
    return may;
}

long linux_ptrace(uint64_t request, uint64_t tid_argument, uint64_t address, uint64_t data,
                  uint64_t e, uint64_t f)
{
    (void)e, (void)f;
    int tid = (int)tid_argument;
    switch (request) {
    case PTRACE_TRACEME:
        return trace_me();
    case PTRACE_ATTACH:
        return trace_attach(tid, false, 0);
    case PTRACE_SEIZE:
        return seize(tid, address, data);
    default:
        return may_ask(request, tid) ? request_make(request, tid, address, data) : -ESRCH;
    }
}
