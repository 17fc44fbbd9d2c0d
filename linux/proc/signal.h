/*
 * Signals: actions, pending queues, masks, and how one is delivered (signal_frame.c). Numbers and
 * structures: the Linux x86-64 ABI (asm/signal.h, asm-generic/siginfo.h).
 */
#pragma once

#include "linux/core/errno.h"
#include "linux/core/lock.h"

struct task;
struct thread_group;
struct thread_frame;

#define SIGNALS 64

#define SIGHUP    1
#define SIGINT    2
#define SIGQUIT   3
#define SIGILL    4
#define SIGTRAP   5
#define SIGABRT   6
#define SIGBUS    7
#define SIGFPE    8
#define SIGKILL   9
#define SIGUSR1   10
#define SIGSEGV   11
#define SIGUSR2   12
#define SIGPIPE   13
#define SIGALRM   14
#define SIGTERM   15
#define SIGCHLD   17
#define SIGCONT   18
#define SIGSTOP   19
#define SIGTSTP   20
#define SIGTTIN   21
#define SIGTTOU   22
#define SIGURG    23
#define SIGXCPU   24
#define SIGXFSZ   25
#define SIGVTALRM 26
#define SIGPROF   27
#define SIGWINCH  28
#define SIGIO     29
#define SIGSYS    31

#define SI_USER       0
#define SI_KERNEL     0x80
#define SI_TKILL      (-6)
#define SI_TIMER      (-2)
#define ILL_ILLOPN    2
#define FPE_INTDIV    1
#define FPE_FLTDIV    3
#define FPE_FLTOVF    4
#define FPE_FLTUND    5
#define FPE_FLTRES    6
#define FPE_FLTINV    7
#define TRAP_BRKPT    1
#define TRAP_TRACE    2
#define TRAP_HWBKPT   4
#define TRAP_LAST     6
#define SEGV_MAPERR   1
#define SEGV_ACCERR   2
#define BUS_ADRALN    1
#define BUS_ADRERR    2
#define CLD_EXITED    1
#define CLD_KILLED    2
#define CLD_DUMPED    3
#define CLD_TRAPPED   4
#define CLD_STOPPED   5
#define CLD_CONTINUED 6

#define SA_NOCLDSTOP 1u
#define SA_NOCLDWAIT 2u
#define SA_SIGINFO   4u
#define SA_RESTORER  0x04000000u
#define SA_ONSTACK   0x08000000u
#define SA_RESTART   0x10000000u
#define SA_NODEFER   0x40000000u
#define SA_RESETHAND 0x80000000u

/* Nothing blocks these. */
#define SIGNALS_UNBLOCKABLE (1ull << (SIGKILL - 1) | 1ull << (SIGSTOP - 1))

/* What Linux programs expect to read of segment registers. */
#define USER_CODE_SELECTOR  0x33
#define USER_STACK_SELECTOR 0x2b

#define SIG_DFL 0
#define SIG_IGN 1

static inline uint64_t signal_bit(int number)
{
    return 1ull << (number - 1);
}

/* struct sigaction of the system call. */
struct signal_action {
    uint64_t handler;
    uint64_t flags;
    uint64_t restorer;
    uint64_t mask;
};

struct signal_handlers {
    uint32_t references; /* atomic */
    uint64_t set; /* a bit for each whose action was ever set: the others have their default */
    struct signal_action action[SIGNALS];
};

struct signal_info {
    int number;
    int code;
    int pid;          /* or status's owner, or the timer's number */
    uint32_t uid;     /* or the timer's overrun */
    int status;       /* SIGCHLD */
    uint64_t value;   /* what the sender queued with it */
    uint64_t address; /* faults */
    bool forced;      /* by the task's own fault: never ignored */
};

struct queued_signal {
    struct queued_signal *next;
    struct signal_info info;
};

/* Under tasks_lock. Standard signals are in it once; without memory only the bit is. */
struct signal_queue {
    uint64_t set;
    struct queued_signal *first;
};

struct signal_handlers *signal_handlers_new(void);
struct signal_handlers *signal_handlers_copy(const struct signal_handlers *handlers);
void signal_handlers_get(struct signal_handlers *handlers);
void signal_handlers_put(struct signal_handlers *handlers);
/* exec: what was handled takes its default. */
void signal_handlers_reset(struct signal_handlers *handlers);
void signal_queue_empty(struct signal_queue *queue);

/* Under tasks_lock. False: it is not queued, because it is ignored or pending already. */
bool signal_send_task(struct task *task, const struct signal_info *info);
bool signal_send_group(struct thread_group *group, const struct signal_info *info);
/* Everyone in a process group; false when it is empty. */
bool signal_send_process_group(int process_group, const struct signal_info *info);

/* For tty and engine: takes tasks_lock. */
void signal_process_group(int process_group, int number);
bool signal_group_by_pid(int pid, int number);

/* The status of the current task's death by a signal, as waiters get it: whether it dumps core is
 * said by RLIMIT_CORE alone. */
#define DEATH_DUMPED 0x80
int signal_death_status(int number);

/* SIGPIPE to the current task: it wrote where nobody reads. Takes tasks_lock. */
void signal_broken_pipe(void);

/* A fault of the task itself: delivered whatever is blocked or ignored. */
void signal_force(struct task *task, int number, int code, uint64_t address);

/* The result of a call that a signal interrupted; inside the personality only. */
static inline bool wants_restart(long result)
{
    return result == -ERESTARTSYS || result == -ERESTARTNOINTR || result == -ERESTARTNOHAND ||
           result == -ERESTARTBLOCK;
}

/* Recompute WORK_SIGNAL after the mask or the queues changed. Under tasks_lock. */
void signal_recalculate(struct task *task);
/* Let whoever may take what waits for the whole group look at it. Under tasks_lock. */
void signal_retarget(struct thread_group *group);
/* SIGKILL waits for the task. Under tasks_lock, or by the task itself as a hint. */
bool signal_kill_pending(const struct task *task);
/* The task is to end, by SIGKILL or because its group does: nothing else ends early what Linux does
 * in one go, and is done in pieces here. */
bool signal_ends(struct task *task);

/* Take a signal of the set that waits for the task or its group; false: there is none. Takes
 * tasks_lock; what it took is posix_timer_taken's to look at. */
bool signal_take(struct task *task, uint64_t set, struct signal_info *info);

/* What waits of a signal whose action is now to ignore it goes. Under tasks_lock. */
void signal_drop_ignored(struct task *task, int number);

/* Deliver what is pending: run handlers, stop, or end. On the way to the application. */
void signal_deliver(struct task *task, struct thread_frame *frame);

/* Put a handler's frame on the user's stack; false when there is no room. */
bool signal_frame_push(struct task *task, struct thread_frame *frame,
                       const struct signal_action *action, const struct signal_info *info,
                       uint64_t saved_mask);

/* siginfo_t, as far as struct signal_info goes. -EFAULT. */
long signal_info_to_user(uint64_t user_info, const struct signal_info *info);
long signal_info_from_user(struct signal_info *info, uint64_t user_info);
