/*
 * The frame that a signal handler finds on its stack, and the way back: struct rt_sigframe of
 * Linux x86-64 (asm/sigcontext.h, asm/ucontext.h), with the XSAVE area above it.
 */
#include "lib/base/string.h"
#include "linux/core/container.h"
#include "linux/core/errno.h"
#include "linux/core/syscalls.h"
#include "linux/core/user.h"
#include "linux/proc/fpu.h"
#include "linux/proc/signal.h"
#include "linux/proc/task.h"

#define RED_ZONE 128

#define SS_ONSTACK 1
#define SS_DISABLE 2

#define XSTATE_MAGIC1    0x46505853u
#define XSTATE_MAGIC2    0x46505845u
#define XSTATE_SOFTWARE  464 /* in the legacy area: what software may use */
#define UC_FP_XSTATE     1
#define UC_SIGCONTEXT_SS 2
#define MINIMUM_STACK    2048

struct user_stack {
    uint64_t base;
    uint32_t flags;
    uint32_t pad;
    uint64_t size;
};

struct user_context {
    uint64_t flags;
    uint64_t link;
    struct user_stack stack;
    uint64_t r8, r9, r10, r11, r12, r13, r14, r15;
    uint64_t rdi, rsi, rbp, rbx, rdx, rax, rcx, rsp, rip, rflags;
    uint16_t cs, gs, fs, ss;
    uint64_t error, trap_number, old_mask, cr2;
    uint64_t fpu; /* address of the XSAVE area */
    uint64_t reserved[8];
    uint64_t mask;
};

struct user_siginfo {
    int number;
    int error;
    int code;
    int pad;
    union {
        struct {
            int pid;
            uint32_t uid;
            uint64_t value; /* or status */
        } process;
        uint64_t address;
        uint8_t bytes[112];
    } u;
};

struct user_frame {
    uint64_t return_address;
    struct user_context context;
    struct user_siginfo info;
};

/* Written at XSTATE_SOFTWARE, so that the handler knows how large the area is. */
struct xstate_software {
    uint32_t magic1;
    uint32_t extended_size;
    uint64_t features;
    uint32_t state_size;
    uint32_t padding[7];
};

/* A tracer's stops are SIGTRAP with codes above those of traps. */
static bool is_fault(const struct signal_info *info)
{
    return info->code > 0 &&
           (info->number == SIGSEGV || info->number == SIGBUS || info->number == SIGFPE ||
            info->number == SIGILL || (info->number == SIGTRAP && info->code <= TRAP_LAST));
}

static void info_fill(struct user_siginfo *to, const struct signal_info *from)
{
    memset(to, 0, sizeof(*to));
    to->number = from->number;
    to->code = from->code;
    if (is_fault(from)) {
        to->u.address = from->address;
    } else {
        bool status = from->number == SIGCHLD && from->code > 0;
        to->u.process.pid = from->pid;
        to->u.process.uid = from->uid;
        to->u.process.value = status ? (uint32_t)from->status : from->value;
    }
}

long signal_info_to_user(uint64_t user_info, const struct signal_info *info)
{
    struct user_siginfo user;
    info_fill(&user, info);
    return copy_to_user(user_info, &user, sizeof(user));
}

long signal_info_from_user(struct signal_info *info, uint64_t user_info)
{
    struct user_siginfo user;
    if (copy_from_user(&user, user_info, sizeof(user)) != 0) {
        return -EFAULT;
    }
    *info = (struct signal_info){.number = user.number,
                                 .code = user.code,
                                 .pid = user.u.process.pid,
                                 .uid = user.u.process.uid,
                                 .status = (int)user.u.process.value,
                                 .value = user.u.process.value,
                                 .address = user.u.address};
    return 0;
}

static bool on_altstack(const struct task *task, uint64_t rsp)
{
    return task->altstack_size != 0 && rsp - task->altstack_base < task->altstack_size;
}

static long fpu_push(uint64_t area)
{
    uint64_t mask = cpu_xsave_mask();
    uint32_t bytes = cpu_xsave_bytes();
    if (!user_range(area, bytes + sizeof(uint32_t))) {
        return -EFAULT;
    }
    /* XSAVE leaves the header's reserved bytes as they are; XRSTOR wants zeros. */
    if (clear_user(area + 512, 64) != 0 || fpu_save((void *)area) != 0) {
        return -EFAULT;
    }
    struct xstate_software software = {
        .magic1 = XSTATE_MAGIC1, .extended_size = bytes + 4, .features = mask, .state_size = bytes};
    if (copy_to_user(area + XSTATE_SOFTWARE, &software, sizeof(software)) != 0) {
        return -EFAULT;
    }
    return put_user_u32(area + bytes, XSTATE_MAGIC2);
}

static void context_fill(struct user_context *to, const struct task *task,
                         const struct thread_frame *frame)
{
    const struct application_registers *registers = task->registers;
    const struct trap_words *words = &frame->application;
    to->flags = UC_FP_XSTATE | UC_SIGCONTEXT_SS;
    to->stack = (struct user_stack){
        .base = task->altstack_base, .flags = task->altstack_flags, .size = task->altstack_size};
    to->r8 = registers->r8;
    to->r9 = registers->r9;
    to->r10 = registers->r10;
    to->r11 = words->r11;
    to->r12 = registers->r12;
    to->r13 = registers->r13;
    to->r14 = registers->r14;
    to->r15 = registers->r15;
    to->rdi = registers->rdi;
    to->rsi = registers->rsi;
    to->rbp = registers->rbp;
    to->rbx = registers->rbx;
    to->rdx = registers->rdx;
    to->rax = words->rax;
    to->rcx = words->rcx;
    to->rsp = words->rsp;
    to->rip = words->rip;
    to->rflags = words->rflags;
    to->cs = USER_CODE_SELECTOR;
    to->ss = USER_STACK_SELECTOR;
    to->error = words->error & 0xffff;
    to->trap_number = words->vector;
    to->cr2 = words->address;
}

bool signal_frame_push(struct task *task, struct thread_frame *frame,
                       const struct signal_action *action, const struct signal_info *info,
                       uint64_t saved_mask)
{
    uint64_t rsp = frame->application.rsp - RED_ZONE;
    if (action->flags & SA_ONSTACK && task->altstack_size != 0 &&
        !on_altstack(task, frame->application.rsp)) {
        rsp = task->altstack_base + task->altstack_size;
    }
    uint64_t fpu = ALIGN_DOWN(rsp - cpu_xsave_bytes() - 16, 64);
    uint64_t place = ALIGN_DOWN(fpu - sizeof(struct user_frame), 16) - 8;
    struct user_frame user;
    memset(&user.context, 0, sizeof(user.context));
    user.return_address = action->restorer;
    context_fill(&user.context, task, frame);
    user.context.fpu = fpu;
    user.context.mask = saved_mask;
    info_fill(&user.info, info);
    if (!(action->flags & SA_RESTORER) || place > rsp || fpu_push(fpu) != 0 ||
        copy_to_user(place, &user, sizeof(user)) != 0) {
        return false;
    }
    fpu_renew();
    struct application_registers *registers = task->registers;
    registers->rdi = (uint64_t)info->number;
    registers->rsi = place + offsetof(struct user_frame, info);
    registers->rdx = place + offsetof(struct user_frame, context);
    frame->application.rax = 0;
    frame->application.rip = action->handler;
    frame->application.rsp = place;
    frame->application.rflags = 0x202;
    return true;
}

static void context_load(const struct user_context *from, struct task *task,
                         struct thread_frame *frame)
{
    struct application_registers *registers = task->registers;
    struct trap_words *words = &frame->application;
    registers->r8 = from->r8;
    registers->r9 = from->r9;
    registers->r10 = from->r10;
    registers->r12 = from->r12;
    registers->r13 = from->r13;
    registers->r14 = from->r14;
    registers->r15 = from->r15;
    registers->rdi = from->rdi;
    registers->rsi = from->rsi;
    registers->rbp = from->rbp;
    registers->rbx = from->rbx;
    registers->rdx = from->rdx;
    words->r11 = from->r11;
    words->rax = from->rax;
    words->rcx = from->rcx;
    words->rsp = from->rsp;
    words->rip = from->rip;
    words->rflags = from->rflags;  /* the kernel checks it on resume */
    words->cause = TRAP_INTERRUPT; /* so that RCX and R11 are restored too */
}

long linux_rt_sigreturn(uint64_t a, uint64_t b, uint64_t c, uint64_t d, uint64_t e, uint64_t f)
{
    (void)a, (void)b, (void)c, (void)d, (void)e, (void)f;
    struct task *task = task_current();
    struct thread_frame *frame = task->frame;
    struct user_context context;
    /* The handler's ret has taken the return address. */
    uint64_t place = frame->application.rsp - 8 + offsetof(struct user_frame, context);
    bool good = copy_from_user(&context, place, sizeof(context)) == 0;
    if (good && context.fpu != 0) {
        good = user_range(context.fpu, cpu_xsave_bytes()) && context.fpu % 64 == 0 &&
               fpu_load((const void *)context.fpu) == 0;
    }
    if (!good) {
        group_exit(task, signal_death_status(SIGSEGV));
    }
    context_load(&context, task, frame);
    mutex_lock(&tasks_lock);
    task->blocked = context.mask & ~SIGNALS_UNBLOCKABLE;
    signal_recalculate(task);
    mutex_unlock(&tasks_lock);
    task->registers_replaced = true;
    task->call_number = -1;
    return 0;
}

long linux_sigaltstack(uint64_t user_new, uint64_t user_old, uint64_t c, uint64_t d, uint64_t e,
                       uint64_t f)
{
    (void)c, (void)d, (void)e, (void)f;
    struct task *task = task_current();
    bool active = on_altstack(task, task->frame->application.rsp);
    struct user_stack old = {.base = task->altstack_base, .size = task->altstack_size};
    old.flags = active ? SS_ONSTACK : task->altstack_size == 0 ? SS_DISABLE : 0;
    if (user_new != 0) {
        struct user_stack new;
        if (copy_from_user(&new, user_new, sizeof(new)) != 0) {
            return -EFAULT;
        }
        if (active) {
            return -EPERM;
        }
        if (new.flags & SS_DISABLE) {
            task->altstack_base = 0;
            task->altstack_size = 0;
        } else if (new.size < MINIMUM_STACK) {
            return -ENOMEM;
        } else {
            task->altstack_base = new.base;
            task->altstack_size = new.size;
        }
    }
    return user_old != 0 ? copy_to_user(user_old, &old, sizeof(old)) : 0;
}
