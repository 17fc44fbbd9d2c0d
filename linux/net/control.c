/* Ancillary data: reading what an application sends, writing what it receives. */
#include "linux/net/control.h"

#include "lib/base/string.h"
#include "linux/core/errno.h"
#include "linux/core/heap.h"
#include "linux/core/user.h"
#include "linux/file/descriptor.h"
#include "linux/file/file.h"
#include "linux/proc/capability.h"
#include "linux/proc/task.h"

#define SOL_SOCKET      1
#define SCM_RIGHTS      1
#define SCM_CREDENTIALS 2

#define CONTROL_MAX_BYTES 18432u /* net.core.optmem_max of Linux */

struct control_header {    /* struct cmsghdr */
    uint64_t length_bytes; /* with the header */
    int32_t level;
    int32_t type;
};

#define HEADER_BYTES sizeof(struct control_header)

/* --- files ----------------------------------------------------------------------------------- */

void rights_drop(struct rights *rights)
{
    if (rights == NULL) {
        return;
    }
    for (uint32_t i = 0; i < rights->count; i++) {
        file_put(rights->file[i]);
    }
    heap_free(rights);
}

static struct rights *rights_new(void)
{
    return heap_alloc(sizeof(struct rights));
}

struct rights *rights_copy(const struct rights *rights)
{
    struct rights *copy = rights_new();
    if (copy != NULL) {
        *copy = *rights;
        for (uint32_t i = 0; i < copy->count; i++) {
            file_get(copy->file[i]);
        }
    }
    return copy;
}

static long rights_read(struct socket_message *message, const uint8_t *data, uint64_t length_bytes)
{
    uint64_t count = length_bytes / sizeof(int);
    if (message->rights == NULL && (message->rights = rights_new()) == NULL) {
        return -ENOMEM;
    }
    struct rights *rights = message->rights;
    if (count > RIGHTS_MAX - rights->count) {
        return -EINVAL;
    }
    for (uint64_t i = 0; i < count; i++) {
        int fd;
        memcpy(&fd, data + i * sizeof(fd), sizeof(fd));
        struct file *file = descriptor_get(fd);
        if (file == NULL) {
            return -EBADF;
        }
        rights->file[rights->count++] = file;
    }
    return 0;
}

/* --- credentials ----------------------------------------------------------------------------- */

struct socket_credentials credentials_own(void)
{
    const struct task *task = task_current();
    return (struct socket_credentials){task->group->pid, task->credentials->uid,
                                       task->credentials->gid};
}

/* What is not one's own takes a capability, and the process exists (scm_check_creds of Linux). */
static long credentials_allowed(const struct socket_credentials *claimed)
{
    const struct credentials *own = task_current()->credentials;
    bool good_pid = claimed->pid == task_current()->group->pid || task_capable(CAP_SYS_ADMIN);
    bool good_uid = claimed->uid == own->uid || claimed->uid == own->euid ||
                    claimed->uid == own->suid || task_capable(CAP_SETUID);
    bool good_gid = claimed->gid == own->gid || claimed->gid == own->egid ||
                    claimed->gid == own->sgid || task_capable(CAP_SETGID);
    if (!good_pid || !good_uid || !good_gid) {
        return -EPERM;
    }
    mutex_lock(&tasks_lock);
    bool exists = task_find(claimed->pid) != NULL || group_find(claimed->pid) != NULL;
    mutex_unlock(&tasks_lock);
    return exists ? 0 : -ESRCH;
}

static long credentials_read(struct socket_message *message, const uint8_t *data,
                             uint64_t length_bytes)
{
    if (length_bytes != sizeof(message->credentials)) {
        return -EINVAL;
    }
    struct socket_credentials claimed;
    memcpy(&claimed, data, sizeof(claimed));
    long result = credentials_allowed(&claimed);
    if (result == 0) {
        message->credentials = claimed;
        message->has_credentials = true;
    }
    return result;
}

/* --- the family's own ------------------------------------------------------------------------ */

/* The last of a kind counts. */
static void note_keep(struct socket_notes *notes, const struct control_header *header,
                      const uint8_t *data, uint64_t length_bytes)
{
    uint32_t at = 0;
    while (at < notes->count &&
           (notes->note[at].level != header->level || notes->note[at].type != header->type)) {
        at++;
    }
    if (at == SOCKET_NOTES_MAX || length_bytes > SOCKET_NOTE_BYTES) {
        notes->unkept = true;
        return;
    }
    struct socket_note *note = &notes->note[at];
    *note = (struct socket_note){header->level, header->type, (uint32_t)length_bytes, {0}};
    memcpy(note->bytes, data, length_bytes);
    notes->count = MAX(notes->count, at + 1);
}

/* --- reading --------------------------------------------------------------------------------- */

static long header_read(const struct socket *socket, struct socket_message *message,
                        const struct control_header *header, const uint8_t *data)
{
    uint64_t length_bytes = header->length_bytes - HEADER_BYTES;
    if (header->level != SOL_SOCKET) {
        note_keep(message->notes, header, data, length_bytes);
        return 0;
    }
    if (socket->domain != AF_UNIX) {
        return header->type == SCM_RIGHTS || header->type == SCM_CREDENTIALS ? 0 : -EINVAL;
    }
    switch (header->type) {
    case SCM_RIGHTS:
        return rights_read(message, data, length_bytes);
    case SCM_CREDENTIALS:
        return credentials_read(message, data, length_bytes);
    default:
        return -EINVAL;
    }
}

static long headers_read(const struct socket *socket, struct socket_message *message,
                         const uint8_t *control, uint64_t length_bytes)
{
    long result = 0;
    uint64_t at = 0;
    while (result == 0 && length_bytes - at >= HEADER_BYTES) {
        struct control_header header;
        memcpy(&header, control + at, sizeof(header));
        uint64_t left = length_bytes - at;
        if (header.length_bytes < HEADER_BYTES || header.length_bytes > left) {
            return -EINVAL;
        }
        result = header_read(socket, message, &header, control + at + HEADER_BYTES);
        at += MIN(ALIGN_UP(header.length_bytes, (uint64_t)8), left);
    }
    return result;
}

long control_read(const struct socket *socket, struct socket_message *message,
                  uint64_t user_control, uint64_t length_bytes)
{
    if (length_bytes == 0) {
        return 0;
    }
    if (length_bytes > CONTROL_MAX_BYTES) {
        return -ENOBUFS;
    }
    uint8_t *control = heap_alloc(length_bytes);
    if (control == NULL) {
        return -ENOBUFS;
    }
    long result = copy_from_user(control, user_control, length_bytes);
    if (result == 0) {
        result = headers_read(socket, message, control, length_bytes);
    }
    heap_free(control);
    return result;
}

/* --- writing --------------------------------------------------------------------------------- */

struct control_buffer {
    uint64_t user;
    uint64_t left_bytes;
    uint64_t used_bytes;
};

/* The header of what was written behind it; the buffer advances past both. */
static long header_write(struct control_buffer *buffer, int level, int type, uint64_t data_bytes)
{
    const struct control_header header = {HEADER_BYTES + data_bytes, level, type};
    if (copy_to_user(buffer->user, &header, sizeof(header)) != 0) {
        return -EFAULT;
    }
    uint64_t whole = MIN(ALIGN_UP(header.length_bytes, (uint64_t)8), buffer->left_bytes);
    buffer->user += whole;
    buffer->left_bytes -= whole;
    buffer->used_bytes += whole;
    return 0;
}

/* As much of it as there is room for. */
static long data_write(struct control_buffer *buffer, struct socket_message *message, int level,
                       int type, const void *data, uint64_t data_bytes)
{
    if (buffer->left_bytes < HEADER_BYTES) {
        message->result_flags |= MSG_CTRUNC;
        return 0;
    }
    uint64_t room = buffer->left_bytes - HEADER_BYTES;
    if (room < data_bytes) {
        message->result_flags |= MSG_CTRUNC;
    }
    uint64_t length_bytes = MIN(room, data_bytes);
    if (copy_to_user(buffer->user + HEADER_BYTES, data, length_bytes) != 0) {
        return -EFAULT;
    }
    return header_write(buffer, level, type, length_bytes);
}

static long rights_write(struct control_buffer *buffer, struct socket_message *message)
{
    struct rights *rights = message->rights;
    uint64_t room =
        buffer->left_bytes < HEADER_BYTES ? 0 : (buffer->left_bytes - HEADER_BYTES) / sizeof(int);
    uint32_t written = 0;
    long result = 0;
    while (written < MIN(room, rights->count)) {
        struct file *file = rights->file[written];
        file_get(file);
        long fd = descriptor_add(file, message->flags & MSG_CMSG_CLOEXEC);
        if (fd < 0) {
            break;
        }
        if (put_user_u32(buffer->user + HEADER_BYTES + written * sizeof(int), (uint32_t)fd) != 0) {
            (void)descriptor_close((int)fd);
            result = -EFAULT;
            break;
        }
        written++;
    }
    if (written < rights->count) {
        message->result_flags |= MSG_CTRUNC;
    }
    if (written > 0 && result == 0) {
        result = header_write(buffer, SOL_SOCKET, SCM_RIGHTS, written * sizeof(int));
    }
    return result;
}

long control_write(const struct socket *socket, struct socket_message *message,
                   uint64_t user_control, uint64_t capacity_bytes, uint64_t *used_bytes)
{
    struct control_buffer buffer = {user_control, capacity_bytes, 0};
    long result = 0;
    if (message->has_credentials &&
        __atomic_load_n(&socket->options, __ATOMIC_RELAXED) & SOCKET_PASS_CREDENTIALS) {
        result = data_write(&buffer, message, SOL_SOCKET, SCM_CREDENTIALS, &message->credentials,
                            sizeof(message->credentials));
    }
    for (uint32_t i = 0; i < message->notes->count && result == 0; i++) {
        const struct socket_note *note = &message->notes->note[i];
        result =
            data_write(&buffer, message, note->level, note->type, note->bytes, note->length_bytes);
    }
    if (message->rights != NULL && result == 0) {
        result = rights_write(&buffer, message);
    }
    rights_drop(message->rights);
    message->rights = NULL;
    *used_bytes = buffer.used_bytes;
    return result;
}
