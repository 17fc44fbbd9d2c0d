/* Waiting for children and traced tasks: wait4 and waitid. */
#include "linux/core/errno.h"
#include "linux/core/syscalls.h"
#include "linux/core/user.h"
#include "linux/proc/exit.h"
#include "linux/proc/pidfd.h"
#include "linux/proc/ptrace.h"
#include "linux/proc/task.h"
#include "linux/proc/usage.h"

#define WNOHANG          1
#define WUNTRACED        2 /* and WSTOPPED */
#define WEXITED          4
#define WCONTINUED       8
#define WNOWAIT          0x01000000
#define P_ALL            0
#define P_PID            1
#define P_PGID           2
#define P_PIDFD          3
#define WTHREADS         0xe0000000u /* __WNOTHREAD, __WALL, __WCLONE: there is no difference */
#define STATUS_CONTINUED 0xffff

struct wait_request {
    struct thread_group *group;
    int kind; /* P_ALL, P_PID, P_PGID, P_PIDFD */
    int id;
    struct process_handle *handle; /* P_PIDFD */
    int options;
    int result_pid; /* 0: nothing yet */
    uint32_t uid;
    int status;
    int why; /* of a stop: CLD_STOPPED, CLD_TRAPPED */
    struct resource_usage used;
    bool no_children;
};

static bool wanted(const struct wait_request *request, const struct thread_group *child)
{
    return request->kind == P_ALL     ? true
           : request->kind == P_PID   ? child->pid == request->id
           : request->kind == P_PIDFD ? child->handle == request->handle
                                      : child->process_group == request->id;
}

/*
 * Does the child have something to report? Takes the report, unless it is only to be looked at. Of
 * one that we trace we see the stops as its tracer does; the end of one that another traces the
 * tracer sees first.
 */
static bool report_take(struct wait_request *request, struct thread_group *child)
{
    bool keep = request->options & WNOWAIT;
    const struct trace *trace = trace_of_leader(child);
    bool ours = trace != NULL && trace->tracer == request->group;
    if (child->state == GROUP_ZOMBIE) {
        if (!(request->options & WEXITED) || trace_hides_end(child)) {
            return false;
        }
        request->status = child->exit_status;
    } else if (!ours && child->report_stop && (request->options & WUNTRACED)) {
        child->report_stop = keep;
        request->status = child->stop_signal << 8 | 0x7f;
        request->why = CLD_STOPPED;
    } else if (child->report_continue && (request->options & WCONTINUED)) {
        child->report_continue = keep;
        request->status = STATUS_CONTINUED;
    } else {
        return false;
    }
    request->result_pid = child->pid;
    request->used = group_usage(child);
    usage_add(&request->used, &child->children_used);
    request->uid = child->tasks == NULL ? child->last_uid : child->tasks->credentials->uid;
    if (child->state == GROUP_ZOMBIE && !keep) {
        usage_add(&request->group->children_used, &request->used);
        group_reap(child);
    }
    return true;
}

static bool wanted_trace(const struct wait_request *request, const struct trace *trace)
{
    const struct thread_group *process = trace->process;
    bool leader = process != NULL && process->pid == trace->tid;
    int process_group = process == NULL ? trace->process_group : process->process_group;
    return request->kind == P_ALL     ? true
           : request->kind == P_PID   ? trace->tid == request->id
           : request->kind == P_PIDFD ? leader && process->handle == request->handle
                                      : process_group == request->id;
}

/* The same of a task that we trace. Its stops nobody need ask for. */
static bool trace_report_take(struct wait_request *request, struct trace *trace)
{
    bool keep = request->options & WNOWAIT;
    bool ended = trace->state == TRACE_ENDED;
    if (!trace_has_report(trace) || (ended && !(request->options & WEXITED))) {
        return false;
    }
    request->result_pid = trace->tid;
    request->uid = trace->uid;
    request->why = CLD_TRAPPED;
    request->status = !ended                   ? trace->code << 8 | 0x7f
                      : trace->process != NULL ? trace->process->exit_status
                                               : trace->code;
    if (ended && !keep) {
        trace_detach(trace, 0);
    } else if (!keep) {
        trace->report = false;
    }
    return true;
}

static bool traces_look(struct wait_request *request, bool *any)
{
    for (struct trace *trace = request->group->tracees; trace != NULL; trace = trace->next) {
        if (wanted_trace(request, trace)) {
            *any = true;
            if (trace_report_take(request, trace)) {
                return true;
            }
        }
    }
    return false;
}

static bool wait_look(void *context)
{
    struct wait_request *request = context;
    bool any = false;
    bool found = false;
    mutex_lock(&tasks_lock);
    for (struct thread_group *child = request->group->children; child != NULL && !found;
         child = child->next_sibling) {
        if (wanted(request, child)) {
            any = true;
            found = report_take(request, child);
            if (found) {
                break;
            }
        }
    }
    found = found || traces_look(request, &any);
    mutex_unlock(&tasks_lock);
    request->no_children = !any;
    return found || !any || (request->options & WNOHANG);
}

long linux_wait4(uint64_t pid, uint64_t user_status, uint64_t options, uint64_t user_usage,
                 uint64_t e, uint64_t f)
{
    (void)e, (void)f;
    struct task *task = task_current();
    if ((uint32_t)options & ~(WNOHANG | WUNTRACED | WCONTINUED | WTHREADS)) {
        return -EINVAL;
    }
    if ((int)pid == INT32_MIN) {
        return -ESRCH;
    }
    int own = task->group->process_group;
    struct wait_request request = {
        .group = task->group,
        .kind = (int)pid == -1 ? P_ALL
                : (int)pid > 0 ? P_PID
                               : P_PGID,
        .id = (int)pid > 0    ? (int)pid
              : (int)pid == 0 ? own
                              : -(int)pid,
        .options = (int)options | WEXITED,
    };
    if (user_usage != 0) {
        usage_ask_children();
    }
    long result = wait_event_first(&task->group->child_wait, wait_look, &request, DEADLINE_NEVER);
    if (result != 0) {
        return result;
    }
    if (request.result_pid == 0) {
        return request.no_children ? -ECHILD : 0;
    }
    if (user_status != 0 && put_user_u32(user_status, (uint32_t)request.status) != 0) {
        return -EFAULT;
    }
    if (user_usage != 0 && usage_to_user(user_usage, &request.used) != 0) {
        return -EFAULT;
    }
    return request.result_pid;
}

/* As SIGCHLD would tell it; without a report all is zero. */
static void info_of_report(struct signal_info *info, const struct wait_request *request)
{
    int code = request->status & 0x7f;
    *info = (struct signal_info){.number = 0};
    if (request->result_pid == 0) {
        return;
    }
    info->number = SIGCHLD;
    info->pid = request->result_pid;
    info->uid = request->uid;
    if (request->status == STATUS_CONTINUED) {
        info->code = CLD_CONTINUED;
        info->status = SIGCONT;
    } else if (code == 0x7f || code == 0) {
        info->code = code == 0 ? CLD_EXITED : request->why;
        info->status = request->status >> 8;
    } else {
        info->code = request->status & DEATH_DUMPED ? CLD_DUMPED : CLD_KILLED;
        info->status = code;
    }
}

long linux_waitid(uint64_t kind, uint64_t id, uint64_t user_info, uint64_t options,
                  uint64_t user_usage, uint64_t f)
{
    (void)f;
    struct task *task = task_current();
    uint32_t what = WEXITED | WUNTRACED | WCONTINUED;
    if ((uint32_t)options & ~(what | WNOHANG | WNOWAIT | WTHREADS) || !(options & what) ||
        kind > P_PIDFD || (kind == P_PID && (int)id <= 0) || (kind == P_PGID && (int)id < 0)) {
        return -EINVAL;
    }
    struct wait_request request = {
        .group = task->group, .kind = (int)kind, .id = (int)id, .options = (int)options};
    bool nonblocking = false;
    if (kind == P_PGID && id == 0) {
        request.id = task->group->process_group;
    } else if (kind == P_PIDFD) {
        if (pidfd_handle((int)id, &request.handle, &nonblocking) != 0) {
            return (int)id < 0 ? -EINVAL : -EBADF;
        }
        request.options |= nonblocking ? WNOHANG : 0;
    }
    if (user_usage != 0) {
        usage_ask_children();
    }
    long result = wait_event_first(&task->group->child_wait, wait_look, &request, DEADLINE_NEVER);
    process_handle_put(request.handle);
    if (result != 0) {
        return result;
    }
    if (request.result_pid == 0) {
        if (request.no_children) {
            return -ECHILD;
        }
        if (nonblocking && !(options & WNOHANG)) {
            return -EAGAIN;
        }
    }
    struct signal_info info;
    info_of_report(&info, &request);
    if (user_info != 0 && signal_info_to_user(user_info, &info) != 0) {
        return -EFAULT;
    }
    return user_usage != 0 ? usage_to_user(user_usage, &request.used) : 0;
}
