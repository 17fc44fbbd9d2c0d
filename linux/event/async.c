#include "linux/event/async.h"

#include "lib/oak/kernel.h"
#include "linux/core/container.h"
#include "linux/core/errno.h"
#include "linux/core/heap.h"
#include "linux/core/thread.h"
#include "linux/core/trap.h"
#include "linux/event/wait.h"
#include "linux/proc/signal.h"
#include "linux/proc/table.h"
#include "linux/proc/task.h"

/* si_code and si_band of what is told. */
#define POLL_IN  1
#define POLL_OUT 2
#define POLL_ERR 4
#define POLL_HUP 6
#define BAND_IN  (WAIT_POLLIN | WAIT_POLLRDNORM)
#define BAND_OUT (WAIT_POLLOUT | WAIT_POLLWRNORM | WAIT_POLLWRBAND)

#define EVENTS_IN (WAIT_POLLIN | WAIT_POLLPRI | WAIT_POLLRDHUP)

/* What is needed to send: copied out, so that the file may go meanwhile. */
struct notice {
    struct async_owner owner;
    int32_t signal;     /* 0: SIGIO */
    uint32_t uid, euid; /* of who named the owner */
    int fd;
    uint32_t events; /* that came and were not sent yet */
};

struct async_waiter {
    struct waiter waiter;
    struct async *async;
    struct async_waiter *next;
};

struct async {
    struct notice notice;         /* under async_lock */
    struct async *next_noted;     /* of the list, under async_lock */
    struct async **noted_link;    /* NULL: not in it */
    uint32_t wanted;              /* events of the file; fixed while it has waiters */
    struct async_waiter *waiters; /* under async_change_lock */
};

static struct mutex async_change_lock;
static struct mutex async_lock;
static struct async *noted; /* in no particular order */
static uint32_t sender;     /* the thread's slot; 0: none yet */

/* --- sending ---------------------------------------------------------------------------------- */

/* As kill would judge it, for whoever named the owner. */
static bool may_tell(const struct notice *notice, const struct thread_group *group)
{
    uint32_t real = group->tasks != NULL ? group->tasks->credentials->uid : group->last_uid;
    uint32_t saved = group->tasks != NULL ? group->tasks->credentials->suid : group->last_suid;
    return notice->euid == 0 || notice->euid == saved || notice->euid == real ||
           notice->uid == saved || notice->uid == real;
}

static struct signal_info info_of(const struct notice *notice)
{
    uint32_t events = notice->events;
    struct signal_info info = {.number = notice->signal, .value = (uint32_t)notice->fd};
    if (notice->signal == 0) {
        return (struct signal_info){.number = SIGIO, .code = SI_KERNEL};
    }
    if (events & EVENTS_IN) {
        info.code = POLL_IN;
        info.pid = BAND_IN; /* si_band lies where others have their sender */
    } else if (events & WAIT_POLLOUT) {
        info.code = POLL_OUT;
        info.pid = BAND_OUT;
    } else {
        info.code = events & WAIT_POLLHUP ? POLL_HUP : POLL_ERR;
        info.pid = events & WAIT_POLLHUP ? WAIT_POLLHUP | WAIT_POLLERR : WAIT_POLLERR;
    }
    return info;
}

static void group_tell(struct thread_group *group, void *context)
{
    const struct notice *notice = context;
    if (group->process_group == notice->owner.number && may_tell(notice, group)) {
        const struct signal_info info = info_of(notice);
        signal_send_group(group, &info);
    }
}

static void notice_send(struct notice *notice)
{
    const struct signal_info info = info_of(notice);
    mutex_lock(&tasks_lock);
    if (notice->owner.kind == ASYNC_GROUP) {
        task_for_each_group(group_tell, notice);
    } else if (notice->owner.kind == ASYNC_TASK) {
        struct task *task = task_find(notice->owner.number);
        if (task != NULL && may_tell(notice, task->group)) {
            signal_send_task(task, &info);
        }
    } else {
        struct thread_group *group = group_find(notice->owner.number);
        if (group != NULL && may_tell(notice, group)) {
            signal_send_group(group, &info);
        }
    }
    mutex_unlock(&tasks_lock);
}

/* --- noting ----------------------------------------------------------------------------------- */

static void note_remove(struct async *async)
{
    if (async->noted_link != NULL) {
        *async->noted_link = async->next_noted;
        if (async->next_noted != NULL) {
            async->next_noted->noted_link = async->noted_link;
        }
        async->noted_link = NULL;
    }
}

static bool note_take(struct notice *out)
{
    mutex_lock(&async_lock);
    struct async *async = noted;
    if (async != NULL) {
        note_remove(async);
        *out = async->notice;
        async->notice.events = 0;
    }
    mutex_unlock(&async_lock);
    return async != NULL;
}

static _Noreturn void sender_run(void)
{
    for (;;) {
        struct notice notice;
        if (!note_take(&notice)) {
            (void)kernel_thread_park(DEADLINE_NEVER, PARK_UNINTERRUPTIBLE);
        } else if (notice.owner.number != 0) {
            notice_send(&notice);
        }
    }
}

static bool async_told(struct waiter *waiter, uint32_t events)
{
    struct async *async = CONTAINER_OF(waiter, struct async_waiter, waiter)->async;
    events &= async->wanted;
    if (events == 0) {
        return false;
    }
    mutex_lock(&async_lock);
    async->notice.events |= events;
    if (async->noted_link == NULL) {
        async->next_noted = noted;
        async->noted_link = &noted;
        if (noted != NULL) {
            noted->noted_link = &async->next_noted;
        }
        noted = async;
        (void)kernel_thread_unpark(sender);
    }
    mutex_unlock(&async_lock);
    return false; /* whoever waits for it alone is still to be told */
}

/* --- changing, under async_change_lock -------------------------------------------------------- */

static struct async *async_of(struct file *file)
{
    struct async *async = file->async;
    if (async == NULL) {
        async = heap_alloc(sizeof(*async));
        __atomic_store_n(&file->async, async, __ATOMIC_RELEASE);
    }
    return async;
}

static long sender_prepare(void)
{
    struct thread_frame *frame;
    uint32_t thread;
    if (sender != 0) {
        return 0;
    }
    long result = thread_new(NULL, 0, &thread, &frame);
    if (result == 0) {
        if (kernel_thread_start(thread, SLOT_NONE, (uint64_t)(uintptr_t)sender_run, 0, 0) !=
            STATUS_OK) {
            personality_panic("async: the thread does not start");
        }
        sender = thread;
    }
    return result;
}

struct async_poll {
    struct poll_table table;
    struct async *async;
    bool exhausted;
};

static void waiter_new(struct poll_table *table, struct wait_queue *queue)
{
    struct async_poll *poll = CONTAINER_OF(table, struct async_poll, table);
    struct async_waiter *waiter = heap_alloc(sizeof(*waiter));
    if (waiter == NULL) {
        poll->exhausted = true;
        return;
    }
    waiter->async = poll->async;
    waiter->next = poll->async->waiters;
    waiter->waiter.told = async_told;
    poll->async->waiters = waiter;
    waiter_add(&waiter->waiter, queue, WAIT_CHANGE);
}

static void waiters_free(struct async *async)
{
    while (async->waiters != NULL) {
        struct async_waiter *waiter = async->waiters;
        async->waiters = waiter->next;
        waiter_remove(&waiter->waiter);
        heap_free(waiter);
    }
    mutex_lock(&async_lock);
    note_remove(async);
    async->notice.events = 0;
    mutex_unlock(&async_lock);
}

/* What a reader has made room for is told to those who only write. */
static uint32_t events_wanted(const struct file *file)
{
    bool writes = file_writable(file) && (!file_readable(file) || file->operations->tells_room);
    return WAIT_POLL_ALWAYS | (file_readable(file) ? EVENTS_IN : 0) | (writes ? WAIT_POLLOUT : 0);
}

static long waiters_make(struct async *async, struct file *file)
{
    struct async_poll poll = {.table = {.add = waiter_new}, .async = async};
    long result = sender_prepare();
    if (result != 0 || async->waiters != NULL) {
        return result;
    }
    async->wanted = events_wanted(file);
    (void)file->operations->poll(file, &poll.table);
    if (poll.exhausted) {
        waiters_free(async);
        return -ENOMEM;
    }
    return 0;
}

long async_switch(struct file *file, int fd, bool on)
{
    if (!file->operations->tells_owner) {
        return 0;
    }
    mutex_lock(&async_change_lock);
    struct async *async = on ? async_of(file) : file->async;
    long result = on && async == NULL ? -ENOMEM : 0;
    if (on && result == 0) {
        mutex_lock(&async_lock);
        async->notice.fd = fd;
        mutex_unlock(&async_lock);
        result = waiters_make(async, file);
    } else if (async != NULL) {
        waiters_free(async);
    }
    mutex_unlock(&async_change_lock);
    return result;
}

void async_file_gone(struct file *file)
{
    waiters_free(file->async);
    heap_free(file->async);
    file->async = NULL;
}

/* --- whom, and by what ------------------------------------------------------------------------ */

struct group_search {
    int number;
    bool found;
};

static void group_look(struct thread_group *group, void *context)
{
    struct group_search *search = context;
    search->found |= group->process_group == search->number;
}

/* As a number of Linux's: of a thread, a process or a group, whatever is asked for. */
static bool owner_exists(int number)
{
    struct group_search search = {.number = number};
    mutex_lock(&tasks_lock);
    search.found = task_find(number) != NULL;
    if (!search.found) {
        task_for_each_group(group_look, &search);
    }
    mutex_unlock(&tasks_lock);
    return search.found;
}

static long notice_change(struct file *file, const struct notice *changed, bool owner)
{
    mutex_lock(&async_change_lock);
    struct async *async = async_of(file);
    if (async != NULL) {
        mutex_lock(&async_lock);
        if (owner) {
            async->notice.owner = changed->owner;
            async->notice.uid = changed->uid;
            async->notice.euid = changed->euid;
        } else {
            async->notice.signal = changed->signal;
        }
        mutex_unlock(&async_lock);
    }
    mutex_unlock(&async_change_lock);
    return async == NULL ? -ENOMEM : 0;
}

long async_owner_set(struct file *file, const struct async_owner *owner)
{
    const struct credentials *own = task_current()->credentials;
    const struct notice changed = {.owner = *owner, .uid = own->uid, .euid = own->euid};
    if (owner->kind < ASYNC_TASK || owner->kind > ASYNC_GROUP) {
        return -EINVAL;
    }
    if (owner->number != 0 && !owner_exists(owner->number)) {
        return -ESRCH;
    }
    return notice_change(file, &changed, true);
}

static struct notice notice_get(const struct file *file)
{
    struct notice notice = {.owner = {ASYNC_TASK, 0}};
    const struct async *async = __atomic_load_n(&file->async, __ATOMIC_ACQUIRE);
    if (async != NULL) {
        mutex_lock(&async_lock);
        notice = async->notice;
        mutex_unlock(&async_lock);
    }
    return notice;
}

struct async_owner async_owner_get(const struct file *file)
{
    struct async_owner owner = notice_get(file).owner;
    if (!owner_exists(owner.number)) {
        owner.number = 0;
    }
    return owner;
}

long async_signal_set(struct file *file, uint64_t number)
{
    const struct notice changed = {.signal = (int32_t)number};
    return number > SIGNALS ? -EINVAL : notice_change(file, &changed, false);
}

int async_signal_get(const struct file *file)
{
    return notice_get(file).signal;
}
