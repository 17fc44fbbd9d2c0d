/* Job control: which session a terminal controls, and who of it may use the terminal now. */
#include "linux/core/errno.h"
#include "linux/proc/task.h"
#include "linux/tty/device.h"

/* --- may the caller use it? ------------------------------------------------------------------ */

struct orphan_search {
    int process_group;
    int session;
    bool has_parent; /* one of the group has a parent in the session that could continue it */
};

static void orphan_visit(struct thread_group *group, void *context)
{
    struct orphan_search *search = context;
    const struct thread_group *parent = group->parent;
    if (group->process_group == search->process_group && group->state != GROUP_ZOMBIE &&
        parent != NULL && parent->session == search->session &&
        parent->process_group != search->process_group) {
        search->has_parent = true;
    }
}

static bool is_orphaned(const struct thread_group *group)
{
    struct orphan_search search = {group->process_group, group->session, false};
    mutex_lock(&tasks_lock);
    task_for_each_group(orphan_visit, &search);
    mutex_unlock(&tasks_lock);
    return !search.has_parent;
}

static bool is_background(struct tty *tty, const struct thread_group *group)
{
    mutex_lock(&tty->lock);
    bool background = group->terminal == tty && tty->session == group->session &&
                      tty->foreground != 0 && tty->foreground != group->process_group;
    mutex_unlock(&tty->lock);
    return background;
}

static bool is_unwilling(struct task *task, int number)
{
    mutex_lock(&tasks_lock);
    bool unwilling =
        task->blocked & signal_bit(number) || task->handlers->action[number - 1].handler == SIG_IGN;
    mutex_unlock(&tasks_lock);
    return unwilling;
}

/* A background group gets the signal, and the call comes again when the group goes on. */
static long background_signal(struct task *task, int number)
{
    if (is_orphaned(task->group)) {
        return -EIO;
    }
    signal_process_group(task->group->process_group, number);
    /* Another thread of the group may have taken the signal. */
    __atomic_fetch_or(&task->work, WORK_RESTART, __ATOMIC_ACQ_REL);
    return -ERESTARTSYS;
}

long tty_check_reader(struct tty *tty)
{
    struct task *task = task_current();
    if (!is_background(tty, task->group)) {
        return 0;
    }
    return is_unwilling(task, SIGTTIN) ? -EIO : background_signal(task, SIGTTIN);
}

long tty_check_change(struct tty *tty)
{
    struct task *task = task_current();
    if (!is_background(tty, task->group) || is_unwilling(task, SIGTTOU)) {
        return 0;
    }
    return background_signal(task, SIGTTOU);
}

long tty_check_writer(struct tty *tty)
{
    mutex_lock(&tty->lock);
    bool stops = tty->line.settings.local_flags & TOSTOP;
    mutex_unlock(&tty->lock);
    return stops ? tty_check_change(tty) : 0;
}

/* --- sessions -------------------------------------------------------------------------------- */

int tty_foreground(const struct tty *tty)
{
    return __atomic_load_n(&tty->foreground, __ATOMIC_RELAXED);
}

uint64_t tty_device(const struct tty *tty)
{
    return tty->device;
}

void tty_control(struct tty *tty, struct task *task)
{
    struct thread_group *group = task->group;
    mutex_lock(&tasks_lock);
    mutex_lock(&tty->lock);
    bool fresh = tty->session == 0;
    tty->session = group->session;
    tty->foreground = group->process_group;
    group->terminal = tty;
    if (fresh) {
        tty_get(tty);
    }
    mutex_unlock(&tty->lock);
    mutex_unlock(&tasks_lock);
}

long tty_set_controlling(struct tty *tty)
{
    struct task *task = task_current();
    struct thread_group *group = task->group;
    long result = 0;
    mutex_lock(&tasks_lock);
    mutex_lock(&tty->lock);
    if (group->pid != group->session || (group->terminal != NULL && group->terminal != tty) ||
        (tty->session != 0 && tty->session != group->session)) {
        result = -EPERM;
    } else if (tty->session == 0) {
        tty->session = group->session;
        tty->foreground = group->process_group;
        group->terminal = tty;
        tty_get(tty);
    }
    mutex_unlock(&tty->lock);
    mutex_unlock(&tasks_lock);
    return result;
}

void tty_adopt(struct tty *tty)
{
    /* Who does not lead a session, or has a terminal, just opens a file. */
    if (__atomic_load_n(&task_current()->group->terminal, __ATOMIC_RELAXED) == NULL) {
        long ignored = tty_set_controlling(tty);
        (void)ignored;
    }
}

struct detach {
    struct tty *tty;
    int session;
};

static void detach_visit(struct thread_group *group, void *context)
{
    const struct detach *detach = context;
    if (group->session == detach->session && group->terminal == detach->tty) {
        group->terminal = NULL;
    }
}

void tty_session_end(struct tty *tty, int session)
{
    struct detach detach = {tty, session};
    mutex_lock(&tasks_lock);
    mutex_lock(&tty->lock);
    bool ours = tty->session == session && session != 0;
    int foreground = tty->foreground;
    if (ours) {
        tty->session = 0;
        tty->foreground = 0;
    }
    mutex_unlock(&tty->lock);
    if (ours) {
        task_for_each_group(detach_visit, &detach);
    }
    mutex_unlock(&tasks_lock);
    if (ours && foreground > 0) {
        signal_process_group(foreground, SIGHUP);
        signal_process_group(foreground, SIGCONT);
    }
    if (ours) {
        tty_put(tty);
    }
}

long tty_give_up(struct tty *tty)
{
    struct thread_group *group = task_current()->group;
    mutex_lock(&tasks_lock);
    bool ours = group->terminal == tty;
    bool leads = group->pid == group->session;
    if (ours && !leads) {
        group->terminal = NULL;
    }
    mutex_unlock(&tasks_lock);
    if (ours && leads) {
        tty_session_end(tty, group->session);
    }
    return ours ? 0 : -ENOTTY;
}

struct member_search {
    int process_group;
    int session;
    bool found;
    bool elsewhere; /* the group is of another session */
};

static void member_visit(struct thread_group *group, void *context)
{
    struct member_search *search = context;
    if (group->process_group == search->process_group) {
        search->found = search->found || group->session == search->session;
        search->elsewhere = search->elsewhere || group->session != search->session;
    }
}

long tty_foreground_set(struct tty *tty, int process_group)
{
    struct thread_group *group = task_current()->group;
    if (process_group <= 0) {
        return -EINVAL;
    }
    struct member_search search = {process_group, group->session, false, false};
    long result = -ENOTTY;
    mutex_lock(&tasks_lock);
    task_for_each_group(member_visit, &search);
    mutex_lock(&tty->lock);
    if (group->terminal == tty && tty->session == group->session) {
        result = search.found ? 0 : search.elsewhere ? -EPERM : -ESRCH;
        if (result == 0) {
            tty->foreground = process_group;
        }
    }
    mutex_unlock(&tty->lock);
    mutex_unlock(&tasks_lock);
    return result;
}
