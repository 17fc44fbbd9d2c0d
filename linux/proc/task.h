/*
 * Tasks (Linux threads) and thread groups (processes). A task refers to separately counted mm,
 * descriptor table, fs context, signal handlers and credentials.
 *
 * container.tasks_lock guards the tree of groups, the table of tasks, process groups and sessions,
 * group states and pending signals. A task ends by itself only: others set work bits and wake it.
 */
#pragma once

#include "linux/core/lock.h"
#include "linux/core/thread.h"
#include "linux/core/trap.h"
#include "linux/event/cpu_clock.h"
#include "linux/event/wait.h"
#include "linux/proc/sched.h"
#include "linux/proc/signal.h"
#include "linux/proc/usage.h"

struct file_table;
struct fs_context;
struct mm;
struct process_handle;
struct process_timers;
struct trace;
struct tty;
struct console;

#define PID_MAX    32768
#define RLIMITS    16
#define GROUPS_MAX 64
#define NAME_BYTES 16
#define EXE_BYTES  256

struct credentials {
    uint32_t references; /* atomic */
    uint32_t uid, euid, suid, fsuid;
    uint32_t gid, egid, sgid, fsgid;
    uint32_t securebits; /* capability.h */
    bool no_new_privileges;
    uint64_t permitted, effective, inheritable, bounding, ambient; /* capabilities, a bit each */
    uint32_t group_count;
    uint32_t groups[GROUPS_MAX];
};

enum task_work {
    WORK_SIGNAL = 1,  /* look for a signal to deliver */
    WORK_EXIT = 2,    /* the group is exiting */
    WORK_RESTART = 4, /* the call wants to be restarted */
    WORK_TRACE = 8,   /* what a tracer wants is due (proc/ptrace.h) */
};

/* Shared by a parent and its vfork child: either may end first. */
struct vfork {
    uint32_t references; /* atomic */
    bool done;           /* atomic */
    struct wait_queue queue;
};

/* How a call that was interrupted goes on (event/restart.h). */
struct restart {
    long (*again)(const struct restart *restart);
    uint64_t argument[4];
};

struct task {
    struct task *next_in_group;
    struct thread_group *group;
    struct mm *mm;
    struct mm *visited_mm; /* whose space it is in for a copy (mm/other.c); its own alone looks */
    struct file_table *files;
    struct fs_context *fs;
    struct signal_handlers *handlers;
    struct credentials *credentials;

    int tid;
    char name[NAME_BYTES]; /* comm; the group has its leader's */
    struct scheduling scheduling;
    uint32_t personality;          /* as personality(2) was told */
    uint64_t timer_slack_ns;       /* PR_SET_TIMERSLACK; 0: as programs begin. Only shown */
    uint64_t timer_slack_first_ns; /* when it was made */
    uint32_t thread;               /* slot */
    uint32_t work;                 /* enum task_work; atomic */
    struct thread_frame *frame;
    struct application_registers *registers; /* while in the personality */
    long call_number;                        /* of the call in progress; -1: none */
    uint32_t call_limit;                     /* calls below go straight to their handlers; atomic */
    bool registers_replaced;                 /* the call has set RAX itself (sigreturn, exec) */

    struct trace *trace; /* NULL: nobody has traced it; proc/ptrace.h */

    uint64_t blocked;       /* signal mask, bit n-1 for signal n */
    uint64_t saved_blocked; /* to restore after sigsuspend and its like */
    bool restore_blocked;
    uint64_t awaited;            /* signals that sigtimedwait waits for; they are in blocked */
    struct signal_queue pending; /* for this task alone */
    struct restart restart;      /* for restart_syscall */
    uint64_t altstack_base;
    uint64_t altstack_size;
    uint32_t altstack_flags;

    uint64_t robust_list; /* user address of its head; 0: none */
    uint64_t clear_tid;   /* user address; 0: none */
    uint64_t set_tid;
    uint64_t new_fs_base; /* for the first instruction of a clone */
    bool set_fs_base;
    struct vfork *vfork;    /* the parent waits with it until we exec or exit; a reference */
    uint64_t fault_address; /* where the personality's last copy met a missing page */
    bool launch;            /* started by the engine: it has no program yet */
    uint64_t waits;         /* it alone counts them */
    bool is_over_limit;     /* it became a user with more tasks than RLIMIT_NPROC; its own alone */
};

enum group_state {
    GROUP_RUNNING,
    GROUP_STOPPED,
    GROUP_ZOMBIE,
};

struct resource_limit {
    uint64_t soft;
    uint64_t hard;
};

struct thread_group {
    int pid;
    struct thread_group *parent;
    struct thread_group *children;
    struct thread_group *next_sibling;
    struct task *tasks;
    uint32_t task_count;
    struct task *leader;        /* NULL after it ended */
    struct trace *leader_trace; /* of a leader that has ended and is traced */
    struct trace *tracees;      /* of the tasks that it traces; proc/ptrace.h */

    int process_group;
    int session;
    struct tty *terminal; /* the session's controlling terminal */

    enum group_state state;
    bool exiting;
    int exit_status;              /* as wait4 reports it */
    uint32_t last_uid, last_suid; /* of the last task; once it is gone */
    int exit_signal;              /* what the parent gets; 0: nothing */
    bool parent_has_executed;     /* since this was made: its parent gets SIGCHLD instead */
    int stop_signal;
    bool report_stop;
    bool report_continue;
    bool out_of_memory;
    bool is_subreaper;            /* orphans below it become its children */
    bool huge_pages_off;          /* PR_SET_THP_DISABLE: what is advised meanwhile has none */
    int oom_adjust;               /* /proc/PID/oom_score_adj; as data */
    int parent_tid;               /* the thread of the parent that made it, or was given it */
    int parent_death_signal;      /* what it gets when that thread ends; 0: nothing */
    struct signal_queue pending;  /* for any task of the group */
    struct wait_queue child_wait; /* something about a child changed */
    struct wait_queue stop_wait;  /* stopped tasks sleep here */

    struct resource_limit limits[RLIMITS];
    char name[NAME_BYTES]; /* comm of the leader, also when it has ended */
    char exe[EXE_BYTES];
    struct console *console; /* of the process that the engine started; counted by descendants */
    bool is_console_main;    /* its end is reported to the engine */
    bool has_executed;       /* since it was forked */
    uint32_t executions;     /* programs that it has begun; under tasks_lock */
    uint64_t start_ns;
    struct resource_usage ended_used;    /* of its tasks that have ended */
    struct resource_usage children_used; /* of its children that were waited for */
    bool asks_usage;                     /* of its children; atomic */
    uint32_t live;                       /* tasks that have not begun to end; atomic */
    struct process_handle *handle;       /* for pidfds; NULL: nobody has asked (proc/pidfd.h) */
    struct undo *undo;                   /* of System V semaphores: ipc/sem.c's, under its lock */
    uint32_t undo_count;
    struct signalfd_use *signalfds; /* that it has used: event/signalfd.c's, under its lock */
    struct process_timers *timers;  /* NULL: it has set none (event/process_timers.h) */
};

static inline struct task *task_current(void)
{
    return thread_self()->task;
}

/* The table. Under tasks_lock. */
extern struct mutex tasks_lock;
struct task *task_find(int tid);
struct thread_group *group_find(int pid);
void task_for_each_group(void (*visit)(struct thread_group *group, void *context), void *context);
uint32_t task_count(void);

/* The task of a process that the engine starts, without mm and files, on the calling thread or one
 * of its own; takes over the console. */
struct task *task_create_first(struct console *console, bool here, long *error);

/* What a new thread does first, on its own stack. */
void task_begin(struct task *task);

/* Signals, stops and the end, on the way back to the application. */
void task_work(struct task *task, struct thread_frame *frame);

/* Name a thread; the leader's name is its process's. Under tasks_lock. */
void task_name_set(struct task *task, const char name[NAME_BYTES]);

/* Set a work bit and make the task look at it soon. */
void task_poke(struct task *task, uint32_t work);

/* End the current task; the last of a group ends the group with `status`. Never returns. */
_Noreturn void task_exit(struct task *task, int status);
/* The same for the whole group, on the way back to the application: the caller returns first. */
void group_doom(struct task *task, int status);
/* End every task of the current group. */
_Noreturn void group_exit(struct task *task, int status);

/* The account is exhausted and this task needs a page: make room, for it to try again. No lock may
 * be held. */
void task_out_of_memory(struct task *task);
/* The same where locks may be held: waits until there is room; false: it does not come. */
bool task_wait_for_memory(struct task *task);

static inline bool task_signal_pending(const struct task *task)
{
    return (__atomic_load_n(&task->work, __ATOMIC_ACQUIRE) & (WORK_SIGNAL | WORK_EXIT)) != 0;
}

/* Whether it runs, or would if a CPU were free. */
bool thread_is_running(uint32_t thread);

struct credentials *credentials_copy(const struct credentials *credentials);
void credentials_put(struct credentials *credentials);
/* Give the current task the changed copy, whose reference is taken over. */
void credentials_set(struct task *task, struct credentials *changed);
