/*
 * Tracing: ptrace(2). Who traces is a process, any of its threads; who is traced is a task.
 *
 * Objects. A `struct trace` belongs to the traced task (task->trace). It is made when somebody
 * traces the task for the first time and stays until the task has ended: who traces at the moment
 * is trace->tracer, NULL for nobody. All traces of a tracer hang in its list (group->tracees). When
 * the task ends, the trace of a process's leader moves to group->leader_trace, because a leader is
 * waited for when its whole process has ended; that of another thread stays with the tracer alone.
 * Both are freed when the end was waited for, or when the tracer ends.
 *
 * Locks. tasks_lock guards every field but those that the task itself keeps for its way out of a
 * stop; `tracer`, `state` and `trap_pending` are also read without it, as hints, by the task.
 *
 * One stop. The task, in the personality, with no lock held, keeps its FPU and segment bases in the
 * trace, and under tasks_lock becomes TRACE_STOPPED, sends the tracer SIGCHLD and wakes its
 * wait4; then it parks until it is TRACE_RUNS again. The tracer's wait takes the report; its
 * requests (ptrace_call.c) read and write registers where they lie, under tasks_lock, and never
 * wait for the task; its memory it reaches by itself (mm/other.c). CONT and its like set how the
 * task goes on and unpark it. SIGKILL, exec or exit of another thread, and the end of the tracer
 * end a stop at any moment: whoever looks under tasks_lock finds a stopped task or none.
 *
 * Where stops come from. System calls: while a task is traced, its call_limit is 0, so that each
 * call takes the path of unknown ones (core/trap.c), which asks here; an untraced task's calls know
 * nothing of tracing. What is due on the way back is due in task_work, by the bit WORK_TRACE: the
 * stop after a call, single steps. Signals: signal_deliver asks before it acts on one. Group stops:
 * group_stop marks the traced tasks (trap_pending), which stop in their own way. Events: clone,
 * exec and exit call trace_event.
 *
 * Authority: to attach takes what looking into a process takes (task_may_access). While a task is
 * traced by somebody without CAP_SYS_PTRACE, a program that it executes gives it nothing
 * (trace_limits_authority).
 */
#pragma once

#include "linux/proc/signal.h"

struct task;
struct thread_group;
struct thread_frame;

/* What a traced task does, to its tracer. */
enum trace_state {
    TRACE_RUNS,
    TRACE_STOPPED,
    TRACE_LISTENS, /* stopped, but a group stop's end or beginning stops it anew */
    TRACE_ENDED,   /* a thread that ended; its end is to be waited for */
};

/* How it was told to go on. */
enum trace_pace {
    TRACE_CONTINUE,
    TRACE_CALLS, /* stop at system calls */
    TRACE_STEP,  /* stop after one instruction */
};

/* PTRACE_EVENT_*, and the options that ask for them: bit of the same number. */
enum trace_event {
    TRACE_EVENT_FORK = 1,
    TRACE_EVENT_VFORK = 2,
    TRACE_EVENT_CLONE = 3,
    TRACE_EVENT_EXEC = 4,
    TRACE_EVENT_VFORK_DONE = 5,
    TRACE_EVENT_EXIT = 6,
    TRACE_EVENT_STOP = 128,
};

#define TRACE_OPTION_CALLS_GOOD 1u
#define TRACE_OPTION_EXIT_KILL  0x100000u
#define TRACE_OPTIONS           (TRACE_OPTION_CALLS_GOOD | TRACE_OPTION_EXIT_KILL | 0x7eu)

/* PTRACE_GETEVENTMSG at the stops of a system call. */
#define TRACE_MESSAGE_ENTRY 1
#define TRACE_MESSAGE_EXIT  2

#define RFLAGS_TRAP 0x100ull /* TF: a single step */

struct trace {
    struct trace *next;           /* in the tracer's list */
    struct thread_group *tracer;  /* NULL: nobody */
    struct task *task;            /* NULL: it has ended */
    struct thread_group *process; /* NULL: a thread of it, and has ended */
    int tid;
    int process_group; /* of a thread that has ended */
    uint32_t uid;      /* as of its last stop, or its end */
    bool seized;
    bool powerless; /* the tracer had no CAP_SYS_PTRACE when it began */
    uint32_t options;

    enum trace_state state;
    bool report; /* the stop, or the end, is to be waited for */
    int code;    /* as wait4 reports it, >> 8; of one that has ended the whole status */
    uint64_t message;
    bool has_info;
    struct signal_info info;
    int deliver; /* the signal to go on with */
    enum trace_pace pace;

    bool trap_pending;   /* it is to stop: group stop, PTRACE_INTERRUPT */
    bool stop_cancelled; /* SIGCONT came after its stop signal was taken */

    /* The task's own. */
    bool call_exit_due; /* a traced call is being made */
    bool flag_set;      /* RFLAGS.TF is this file's doing */

    /* While it is stopped: what lies in the CPU otherwise. */
    uint64_t fs_base;
    uint64_t gs_base;
    struct thread_debug debug; /* as its tracer wrote them */
    uint64_t debug_status;     /* DR6, but for the bits that are always set */
    bool fpu_changed;
    void *fpu;            /* XSAVE area, aligned */
    void *fpu_allocation; /* where it lies; NULL: the task has ended */
};

/* No breakpoints any more. Under tasks_lock, or by the task itself. */
void trace_debug_clear(struct trace *trace);
/* The task's program had a debug trap: which code its SIGTRAP has. */
int trace_debug_trap(struct task *task, struct thread_frame *frame);

/* Ended threads that all tracers together may leave unwaited for; of more nobody hears. */
#define TRACE_ENDED_MAX 32768u

/* The task's trace if somebody traces it; NULL. Under tasks_lock, or by the task as a hint. */
struct trace *trace_active(const struct task *task);
/* The same of a process's leader, also when that has ended. Under tasks_lock. */
struct trace *trace_of_leader(const struct thread_group *group);
/* Whether a process that has ended is its tracer's to wait for before its parent. The same. */
bool trace_hides_end(const struct thread_group *group);

/* --- hooks, by where they are called ---------------------------------------------------------- */

/* A call of a traced task begins: may stop. Another number may be there then. */
void trace_call_begin(struct task *task);
/* On the way back to the program: first and last in task_work. */
void trace_work_begin(struct task *task, struct thread_frame *frame);
void trace_work_end(struct task *task, struct thread_frame *frame);
/* A debug trap that was asked for by a tracer who is gone. */
bool trace_step_is_stale(struct task *task, struct thread_frame *frame);
/* A handler begins: the single step into it ends before its first instruction. */
void trace_handler(struct task *task);

/* The tracer looks at a signal that was taken; false: it is not to be delivered. */
bool trace_signal(struct task *task, struct signal_info *info);
/* Stop in its own way for a group stop or PTRACE_INTERRUPT. */
void trace_trap(struct task *task);
/* A group stop begins; SIGCONT came. Under tasks_lock. */
void trace_group_stops(struct thread_group *group);
void trace_group_continues(struct thread_group *group);

/* Stop for an event if the tracer asked for it. */
void trace_event(struct task *task, enum trace_event event, uint64_t message);
/* The same after exec, which had that number before. */
void trace_exec(struct task *task, int old_tid);

/* clone: whether the child is traced too, what is needed for it (NULL: no memory, it is not), and,
 * under tasks_lock, the beginning. */
bool trace_follows(const struct task *task, enum trace_event event);
struct trace *trace_new(void);
void trace_free(struct trace *trace);
void trace_inherit(struct trace *trace, struct task *child, const struct task *parent);

/* exec: a program gives the task no more authority than it has. Under tasks_lock. */
bool trace_limits_authority(const struct task *task);
/* exec by another thread than the leader: the old leader's trace goes, its own has a new number.
 * Under tasks_lock. */
void trace_leader_replaced(struct task *task);

/* The task has ended and is in no table any more; a process has ended that traced others; a process
 * is about to be freed. Under tasks_lock. */
void trace_task_ended(struct task *task, int status);
void trace_tracer_ended(struct thread_group *group);
void trace_process_gone(struct thread_group *group);
/* wait: whether the trace has something to report of its task. Under tasks_lock. */
bool trace_has_report(const struct trace *trace);

/* --- among the files of ptrace ---------------------------------------------------------------- */

/* It goes on, with that signal, as nobody's; or its end is waited for. Under tasks_lock. */
void trace_detach(struct trace *trace, int deliver);
/* The tracer learns of something, as SIGCHLD tells it, and its waits look again. The same. */
void trace_notify(struct trace *trace, int code, int status);
