/*
 * Message queues (msgget(2), msgop(2)).
 *
 * Owns: struct queue and the messages in it, in the order in which they were sent. A message is
 * copied from its sender before it is queued, and to its receiver after it was taken out: never
 * under the lock. Who waits holds a reference to the queue and tries again whenever it changed.
 */
#include "linux/core/errno.h"
#include "linux/core/heap.h"
#include "linux/core/syscalls.h"
#include "linux/core/user.h"
#include "linux/event/wait.h"
#include "linux/file/proc_entry.h"
#include "linux/ipc/ipc.h"
#include "linux/proc/capability.h"

#define MSG_NOERROR 010000u
#define MSG_EXCEPT  020000u
#define MSG_COPY    040000u

#define MSG_STAT     11
#define MSG_INFO     12
#define MSG_STAT_ANY 13

#define MESSAGE_MAX 8192u  /* MSGMAX */
#define QUEUE_MAX   16384u /* MSGMNB */
#define TOTAL_MAX   (16u << 20)
/* What a message costs beside its bytes: an empty one is not free. */
#define OVERHEAD_BYTES 64u

struct message {
    struct message *next;
    int64_t type;
    uint32_t length_bytes;
    uint8_t bytes[];
};

struct queue {
    struct ipc_object object;
    struct message *first;
    struct message **last;
    uint64_t used_bytes, count, limit_bytes;
    int64_t sent_s, received_s, change_s;
    int sender_pid, receiver_pid;
    uint64_t changes;
    struct wait_queue wait;
};

/* Bytes of all messages in all queues, with what each costs beside them (cost_of), and their
 * number; under the lock. */
static uint64_t total_bytes;
static uint64_t total_messages;

static struct queue *queue_of(struct ipc_object *object)
{
    return CONTAINER_OF(object, struct queue, object);
}

static uint64_t cost_of(const struct message *message)
{
    return message->length_bytes + OVERHEAD_BYTES;
}

static void queue_free(struct ipc_object *object)
{
    struct queue *queue = queue_of(object);
    while (queue->first != NULL) {
        struct message *next = queue->first->next;
        total_bytes -= cost_of(queue->first);
        total_messages--;
        heap_free(queue->first);
        queue->first = next;
    }
    heap_free(queue);
}

static struct ipc_table queues = {.free = queue_free};

/* Under the lock. */
static void queue_changed(struct queue *queue)
{
    queue->changes++;
    wait_queue_wake(&queue->wait, WAIT_CHANGE);
}

/* --- msgget ----------------------------------------------------------------------------------- */

/* Under the lock. */
static long queue_make(int32_t key, uint32_t flags)
{
    struct queue *queue = heap_alloc(sizeof(*queue));
    if (queue == NULL) {
        return -ENOMEM;
    }
    queue->last = &queue->first;
    queue->limit_bytes = QUEUE_MAX;
    queue->change_s = ipc_now_s();
    wait_queue_init(&queue->wait);
    long result = ipc_enter(&queues, &queue->object, key, flags);
    if (result < 0) {
        heap_free(queue);
    }
    return result;
}

long linux_msgget(uint64_t key, uint64_t flags, uint64_t c, uint64_t d, uint64_t e, uint64_t f)
{
    (void)c, (void)d, (void)e, (void)f;
    mutex_lock(&queues.lock);
    struct ipc_object *object =
        (int32_t)key == IPC_PRIVATE ? NULL : ipc_find_key(&queues, (int32_t)key);
    long result = object != NULL ? ipc_get_existing(object, (uint32_t)flags)
                  : (int32_t)key != IPC_PRIVATE && !(flags & IPC_CREAT)
                      ? -ENOENT
                      : queue_make((int32_t)key, (uint32_t)flags);
    mutex_unlock(&queues.lock);
    return result;
}

/* --- waiting ---------------------------------------------------------------------------------- */

/* One call that sends or receives. */
struct transfer {
    struct queue *queue;
    uint64_t seen;
    struct message *message; /* to send, or what was received */
    uint64_t capacity_bytes; /* receiving */
    int64_t type;
    uint32_t flags;
};

static bool queue_has_changed(void *context)
{
    const struct transfer *transfer = context;
    mutex_lock(&queues.lock);
    bool changed = transfer->queue->changes != transfer->seen;
    mutex_unlock(&queues.lock);
    return changed;
}

/* attempt: 0 done, 1 must wait, or -errno. Under the lock, which is given up while it waits. */
static long transfer_run(struct transfer *transfer, long (*attempt)(struct transfer *transfer))
{
    struct queue *queue = transfer->queue;
    long waited = 0;
    long result;
    queue->object.references++;
    for (;;) {
        transfer->seen = queue->changes;
        result = queue->object.removed ? -EIDRM : attempt(transfer);
        if (result <= 0) {
            break;
        }
        if ((transfer->flags & IPC_NOWAIT) || waited != 0) {
            result = waited;
            break;
        }
        mutex_unlock(&queues.lock);
        waited = wait_event(&queue->wait, queue_has_changed, transfer);
        waited = waited == 0 ? 0 : -ERESTARTNOHAND;
        mutex_lock(&queues.lock);
    }
    ipc_put(&queues, &queue->object);
    return result;
}

/* --- msgsnd ----------------------------------------------------------------------------------- */

static long send_attempt(struct transfer *transfer)
{
    struct queue *queue = transfer->queue;
    struct message *message = transfer->message;
    if (message->length_bytes + queue->used_bytes > queue->limit_bytes ||
        queue->count >= queue->limit_bytes) {
        return transfer->flags & IPC_NOWAIT ? -EAGAIN : 1;
    }
    if (cost_of(message) > TOTAL_MAX - total_bytes) {
        return -ENOMEM;
    }
    *queue->last = message;
    queue->last = &message->next;
    queue->used_bytes += message->length_bytes;
    queue->count++;
    total_bytes += cost_of(message);
    total_messages++;
    queue->sent_s = ipc_now_s();
    queue->sender_pid = task_current()->group->pid;
    transfer->message = NULL;
    queue_changed(queue);
    return 0;
}

long linux_msgsnd(uint64_t id, uint64_t user_message, uint64_t length_bytes, uint64_t flags,
                  uint64_t e, uint64_t f)
{
    (void)e, (void)f;
    int64_t type;
    if (copy_from_user(&type, user_message, sizeof(type)) != 0) {
        return -EFAULT;
    }
    if (length_bytes > MESSAGE_MAX || (int32_t)id < 0 || type < 1) {
        return -EINVAL;
    }
    struct message *message = heap_alloc(sizeof(*message) + length_bytes);
    if (message == NULL) {
        return -ENOMEM;
    }
    message->type = type;
    message->length_bytes = (uint32_t)length_bytes;
    struct transfer transfer = {.message = message, .flags = (uint32_t)flags};
    long result = copy_from_user(message->bytes, user_message + sizeof(type), length_bytes);
    if (result == 0) {
        struct ipc_object *object;
        result = ipc_begin(&queues, (int32_t)id, IPC_WRITE, &object);
        if (result == 0) {
            transfer.queue = queue_of(object);
            result = transfer_run(&transfer, send_attempt);
            mutex_unlock(&queues.lock);
        }
    }
    heap_free(transfer.message);
    return result;
}

/* --- msgrcv ----------------------------------------------------------------------------------- */

static bool is_wanted(const struct message *message, int64_t type, uint32_t flags)
{
    if (type == 0) {
        return true;
    }
    if (type > 0) {
        return (message->type == type) != ((flags & MSG_EXCEPT) != 0);
    }
    return message->type <= (type == INT64_MIN ? INT64_MAX : -type);
}

/* The place that points to the message to take; NULL: none is wanted. */
static struct message **message_place(struct queue *queue, int64_t type, uint32_t flags)
{
    struct message **found = NULL;
    for (struct message **link = &queue->first; *link != NULL; link = &(*link)->next) {
        if (!is_wanted(*link, type, flags)) {
            continue;
        }
        if (type >= 0) {
            return link;
        }
        if (found == NULL || (*link)->type < (*found)->type) {
            found = link; /* of the lowest type, the first */
        }
    }
    return found;
}

static long receive_attempt(struct transfer *transfer)
{
    struct queue *queue = transfer->queue;
    struct message **place = message_place(queue, transfer->type, transfer->flags);
    if (place == NULL) {
        return transfer->flags & IPC_NOWAIT ? -ENOMSG : 1;
    }
    struct message *message = *place;
    if (message->length_bytes > transfer->capacity_bytes && !(transfer->flags & MSG_NOERROR)) {
        return -E2BIG;
    }
    *place = message->next;
    if (queue->last == &message->next) {
        queue->last = place;
    }
    queue->used_bytes -= message->length_bytes;
    queue->count--;
    total_bytes -= cost_of(message);
    total_messages--;
    queue->received_s = ipc_now_s();
    queue->receiver_pid = task_current()->group->pid;
    transfer->message = message;
    queue_changed(queue);
    return 0;
}

long linux_msgrcv(uint64_t id, uint64_t user_message, uint64_t capacity_bytes, uint64_t type,
                  uint64_t flags, uint64_t f)
{
    (void)f;
    if ((int32_t)id < 0 || (int64_t)capacity_bytes < 0) {
        return -EINVAL;
    }
    if (flags & MSG_COPY) {
        return -ENOSYS; /* as a kernel without checkpoints */
    }
    struct transfer transfer = {
        .capacity_bytes = capacity_bytes, .type = (int64_t)type, .flags = (uint32_t)flags};
    struct ipc_object *object;
    long result = ipc_begin(&queues, (int32_t)id, IPC_READ, &object);
    if (result != 0) {
        return result;
    }
    transfer.queue = queue_of(object);
    result = transfer_run(&transfer, receive_attempt);
    mutex_unlock(&queues.lock);
    if (result != 0) {
        return result;
    }
    const struct message *message = transfer.message;
    uint64_t length = MIN((uint64_t)message->length_bytes, capacity_bytes);
    bool copied = copy_to_user(user_message, &message->type, sizeof(message->type)) == 0 &&
                  copy_to_user(user_message + sizeof(message->type), message->bytes, length) == 0;
    heap_free(transfer.message);
    return copied ? (long)length : -EFAULT;
}

/* --- msgctl ----------------------------------------------------------------------------------- */

struct user_queue { /* struct msqid64_ds */
    struct ipc_user_permission permission;
    int64_t sent_s, received_s, change_s;
    uint64_t used_bytes, count, limit_bytes;
    int32_t sender_pid, receiver_pid;
    uint64_t unused[2];
};
_Static_assert(sizeof(struct user_queue) == 120, "struct msqid64_ds");

struct user_info { /* struct msginfo */
    int32_t pool_kib, map, message_max, queue_max, queues_max, segment_bytes, messages_max;
    uint16_t segments;
};

static void queue_fill(const struct queue *queue, struct user_queue *out)
{
    *out = (struct user_queue){
        .sent_s = queue->sent_s,
        .received_s = queue->received_s,
        .change_s = queue->change_s,
        .used_bytes = queue->used_bytes,
        .count = queue->count,
        .limit_bytes = queue->limit_bytes,
        .sender_pid = queue->sender_pid,
        .receiver_pid = queue->receiver_pid,
    };
    ipc_permission_fill(&queue->object, &out->permission);
}

static long queue_stat(int32_t number, enum ipc_look look, uint64_t user_out)
{
    struct user_queue out;
    struct ipc_object *object;
    long result = ipc_begin_look(&queues, number, look, &object);
    if (result != 0) {
        return result;
    }
    queue_fill(queue_of(object), &out);
    int32_t id = object->id;
    mutex_unlock(&queues.lock);
    if (copy_to_user(user_out, &out, sizeof(out)) != 0) {
        return -EFAULT;
    }
    return look == IPC_LOOK_NUMBER ? 0 : id;
}

static long queue_remove(int32_t id)
{
    struct ipc_object *object;
    long result = ipc_begin_control(&queues, id, &object);
    if (result != 0) {
        return result;
    }
    object->references++;
    ipc_remove(&queues, object);
    queue_changed(queue_of(object));
    ipc_put(&queues, object);
    mutex_unlock(&queues.lock);
    return 0;
}

static long queue_set(int32_t id, uint64_t user_in)
{
    struct user_queue in;
    struct ipc_object *object;
    if (copy_from_user(&in, user_in, sizeof(in)) != 0) {
        return -EFAULT;
    }
    long result = ipc_begin_control(&queues, id, &object);
    if (result != 0) {
        return result;
    }
    if (in.limit_bytes > QUEUE_MAX && !task_capable(CAP_SYS_RESOURCE)) {
        result = -EPERM;
    } else {
        struct queue *queue = queue_of(object);
        ipc_permission_set(object, &in.permission);
        queue->limit_bytes = in.limit_bytes;
        queue->change_s = ipc_now_s();
        queue_changed(queue);
    }
    mutex_unlock(&queues.lock);
    return result;
}

static long info_put(uint32_t command, uint64_t user_out)
{
    struct user_info info = {
        .pool_kib = (int32_t)(TOTAL_MAX / 1024),
        .map = QUEUE_MAX,
        .message_max = MESSAGE_MAX,
        .queue_max = QUEUE_MAX,
        .queues_max = IPC_MAX,
        .segment_bytes = 16,
        .messages_max = QUEUE_MAX,
        .segments = UINT16_MAX,
    };
    mutex_lock(&queues.lock);
    if (command == MSG_INFO) {
        info.pool_kib = (int32_t)queues.count;
        info.map = (int32_t)total_messages;
        info.messages_max = (int32_t)(total_bytes - total_messages * OVERHEAD_BYTES);
    }
    long highest = ipc_highest(&queues);
    mutex_unlock(&queues.lock);
    return copy_to_user(user_out, &info, sizeof(info)) != 0 ? -EFAULT : highest;
}

long linux_msgctl(uint64_t id, uint64_t command, uint64_t user_buffer, uint64_t d, uint64_t e,
                  uint64_t f)
{
    (void)d, (void)e, (void)f;
    if ((int32_t)id < 0 || (int32_t)command < 0) {
        return -EINVAL;
    }
    switch ((uint32_t)command) {
    case IPC_RMID:
        return queue_remove((int32_t)id);
    case IPC_SET:
        return queue_set((int32_t)id, user_buffer);
    case IPC_STAT:
        return queue_stat((int32_t)id, IPC_LOOK_NUMBER, user_buffer);
    case MSG_STAT:
        return queue_stat((int32_t)id, IPC_LOOK_INDEX, user_buffer);
    case MSG_STAT_ANY:
        return queue_stat((int32_t)id, IPC_LOOK_INDEX_ANY, user_buffer);
    case IPC_INFO:
    case MSG_INFO:
        return info_put((uint32_t)command, user_buffer);
    default:
        return -EINVAL;
    }
}

/* --- /proc/sysvipc/msg ------------------------------------------------------------------------ */

void queues_list(struct proc_text *text)
{
    proc_put(text,
             "       key      msqid perms      cbytes       qnum lspid lrpid   uid   gid  cuid  "
             "cgid      stime      rtime      ctime\n");
    for (int32_t i = 0; i < IPC_MAX; i++) {
        struct user_queue now;
        struct ipc_object *object;
        mutex_lock(&queues.lock);
        bool there = ipc_find_index(&queues, i, &object) == 0;
        bool over = (uint32_t)i >= queues.end;
        int32_t id = there ? object->id : 0;
        if (there) {
            queue_fill(queue_of(object), &now);
        }
        mutex_unlock(&queues.lock);
        if (over) {
            break;
        }
        if (there) {
            const struct ipc_user_permission *permission = &now.permission;
            proc_put(text,
                     "%10d %10d  %4u  %10lu %10lu %5d %5d %5u %5u %5u %5u %10lu %10lu %10lu\n",
                     permission->key, id, ipc_octal(permission->mode), now.used_bytes, now.count,
                     now.sender_pid, now.receiver_pid, permission->uid, permission->gid,
                     permission->creator_uid, permission->creator_gid, (uint64_t)now.sent_s,
                     (uint64_t)now.received_s, (uint64_t)now.change_s);
        }
    }
}
